//! The server's side of TLS, for the embedded target and `shakedown serve`.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::server::{NoServerSessionStorage, ServerConnection};
use tokio::net::TcpStream;

use super::config::{nothing_left, protocol_versions, seed};
use super::credential::certified;
use super::revocable::Revocable;
use super::server_sessions::ServerSessions;
use super::spec::{ClientTrust, TlsConfigError};
use super::{Fault, TlsStream};
use crate::crypto::{self, Ledger, Metering};
use crate::pki::Identity;
use crate::scenario::{ProviderName, TicketMode, TlsVersion};

/// Whether and how a server asks clients for a certificate.
#[derive(Debug, Clone)]
pub enum ServerAuth {
    /// It does not ask.
    Off,
    /// It asks, and serves clients without one too.
    Optional(ClientTrust),
    /// It asks, and rejects clients without one.
    Required(ClientTrust),
}

/// What a server offers.
#[derive(Debug)]
pub struct ServerTlsSpec<'a> {
    /// Where the cryptography comes from.
    pub provider: ProviderName,
    /// Versions to accept.
    pub versions: &'a [TlsVersion],
    /// Chain and key.
    pub identity: &'a Identity,
    /// Client authentication.
    pub auth: ServerAuth,
    /// The kind of tickets.
    pub tickets: TicketMode,
    /// ALPN protocols to accept.
    pub alpn: &'a [String],
}

/// A server configuration, shared by its threads.
#[derive(Debug, Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    /// Whether its cryptography is metered.
    metered: bool,
    /// What clients are verified with, if they are.
    clients: Option<Arc<Revocable>>,
}

/// How much a server offers for resumption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TicketSupply {
    /// TLS 1.3 tickets per handshake, unless the client asks for a number.
    pub count: u8,
    /// Least sessions that a stateful server keeps.
    pub cached: usize,
    /// Most bytes of early data to accept. rustls accepts any only with stateful tickets (RFC 8446 section 8.1).
    pub early_data: u32,
}

impl Default for TicketSupply {
    fn default() -> Self {
        Self {
            count: 2,
            cached: 4_096,
            early_data: 0,
        }
    }
}

/// Most TLS 1.3 tickets given to a client that asks for a number (RFC 9149).
const MOST_TICKETS: usize = 8;

impl ServerTls {
    /// Builds the configuration. Every group of the provider is accepted: the client pins them.
    ///
    /// # Errors
    ///
    /// Fails where key, roots or revocation lists are unusable.
    pub fn new(spec: &ServerTlsSpec<'_>) -> Result<Self, TlsConfigError> {
        Self::supplying(spec, TicketSupply::default(), Metering::default())
    }

    /// Builds the configuration with this supply. If metered, its sessions keep a ledger.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::new`] does.
    pub fn supplying(
        spec: &ServerTlsSpec<'_>,
        supply: TicketSupply,
        metering: Metering,
    ) -> Result<Self, TlsConfigError> {
        let provider = Arc::new(metering.provider(spec.provider)?);
        let key = certified(spec.identity, &provider, spec.provider)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&protocol_versions(spec.versions))
            .map_err(nothing_left)?;
        let clients = match &spec.auth {
            ServerAuth::Off => None,
            ServerAuth::Optional(trust) | ServerAuth::Required(trust) => {
                let required = matches!(spec.auth, ServerAuth::Required(_));
                let verifier = Revocable::new(trust, spec.provider, &provider, required)?;
                Some(Arc::new(verifier))
            }
        };
        let builder = match &clients {
            None => builder.with_no_client_auth(),
            Some(clients) => builder.with_client_cert_verifier(Arc::clone(clients) as _),
        };
        let mut config =
            builder.with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)));
        config.alpn_protocols = spec.alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = usize::from(supply.count);
        config.max_tls13_tickets = MOST_TICKETS;
        config.max_early_data_size = supply.early_data;
        // Early data is pointless unless it is answered at once.
        config.send_half_rtt_data = supply.early_data > 0;
        match spec.tickets {
            TicketMode::Off => {
                config.send_tls13_tickets = 0;
                config.max_tls13_tickets = 0;
            }
            TicketMode::Stateless => {
                config.ticketer = metering.ticketer(crypto::ticketer(spec.provider)?);
            }
            TicketMode::Stateful => {
                config.session_storage = Arc::new(ServerSessions::new(supply.cached));
            }
        }
        Ok(Self {
            config: Arc::new(config),
            metered: metering == Metering::On,
            clients,
        })
    }

    /// Looks clients up in a newer list of its issuer from now on; in the first lists again if there is none.
    ///
    /// # Errors
    ///
    /// Fails if the list cannot be used.
    pub fn replace_list(
        &self,
        list: Option<&CertificateRevocationListDer<'static>>,
    ) -> Result<(), TlsConfigError> {
        match &self.clients {
            Some(clients) => clients.replace(list.cloned()),
            None => Ok(()),
        }
    }

    /// Gathers the entropy that sessions on the calling thread will need, ahead of the first one.
    pub(crate) fn seed_thread(&self) {
        seed(self.config.crypto_provider());
    }

    /// Begins a session that the caller drives in memory, without a socket.
    ///
    /// # Errors
    ///
    /// Fails if rustls cannot begin a handshake with this configuration.
    pub fn connection(&self) -> Result<ServerConnection, Fault> {
        ServerConnection::new(Arc::clone(&self.config)).map_err(Fault::from)
    }

    /// An empty ledger for a session, if the configuration is metered.
    pub fn ledger(&self) -> Option<Box<Ledger>> {
        self.metered.then(Ledger::server)
    }

    /// Starts a server session on an accepted socket.
    ///
    /// Fails as [`Self::connection`] does.
    pub(crate) fn accept(&self, io: TcpStream) -> Result<TlsStream<ServerConnection>, Fault> {
        TlsStream::server(io.into(), || self.connection(), self.ledger())
    }
}

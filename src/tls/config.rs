//! The client's side of TLS for one cell: everything resolved once, shared by its sessions.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{
    ClientConnection, ResolvesClientCert, Resumption, TicketRequest, Tls12Resumption,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName};
use rustls::{ClientConfig, Error, SupportedProtocolVersion};

use super::credential::certified;
use super::observe::{ObservingResolver, ObservingVerifier};
use super::resume::{SessionStore, TicketUse};
use super::verify::{as_often, verifier};
use super::{Fault, TlsFault};
use crate::crypto::{self, Ledger, Metering, ProviderError, cipher_suite_name, group_name};
use crate::pki::Identity;
use crate::scenario::{ProviderName, TlsVersion, Verify, canonical_group};

/// Groups offered unless others are asked for: X25519 first, so that every provider and server
/// compares on the same one. The curves of ECDSA certificates follow, since a TLS 1.2 server may
/// present a certificate only on a curve that was offered (RFC 8422 section 5.1).
pub const DEFAULT_GROUPS: [&str; 3] = ["x25519", "secp256r1", "secp384r1"];

/// TLS parameters that cannot work, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum TlsConfigError {
    /// The provider cannot be used.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// A name that is neither a DNS name nor an address.
    #[error(
        "{0:?} is not a server name; give a DNS name or an IP address with --sni, and a URI that the certificate holds with --expected-name"
    )]
    ServerName(String),
    /// A group the provider does not have.
    #[error("key exchange group {name:?} is not offered by this provider; choose from {known}")]
    UnknownGroup {
        /// As written.
        name: String,
        /// What there is.
        known: String,
    },
    /// A cipher suite the provider does not have.
    #[error("cipher suite {name:?} is not offered by this provider; choose from {known}")]
    UnknownSuite {
        /// As written.
        name: String,
        /// What there is.
        known: String,
    },
    /// No suite or group is left for the versions asked for.
    #[error(
        "these TLS versions, suites and groups leave nothing to offer: {0}; widen one of them (post-quantum groups need TLS 1.3)"
    )]
    NothingLeft(TlsFault),
    /// No trusted root.
    #[error(
        "no root certificate to verify the server against; pass --cacert (or -k to skip verification)"
    )]
    NoRoots,
    /// A root that cannot be used.
    #[error(
        "certificate {number} in the CA bundle cannot be used as a root: {cause}; look at it with `openssl x509 -noout -text`, and leave it out if it is not needed"
    )]
    BadRoot {
        /// Which certificate of the bundle, counted from 1.
        number: usize,
        /// Why.
        cause: String,
    },
    /// A name to expect that is none.
    #[error(
        "{0:?} is no name to expect; give a DNS name, an address, or a URI such as spiffe://example.org/web"
    )]
    ExpectedName(String),
    /// The verifier could not be built.
    #[error(
        "certificates cannot be verified with this CA bundle and these revocation lists: {0}; look at the files with openssl, and leave out what is not needed"
    )]
    Verifier(String),
    /// The identity's key cannot be used.
    #[error("the key of identity {name:?} cannot be used: {reason}")]
    BadKey {
        /// The identity.
        name: String,
        /// What it is, why the provider cannot use it, and what can be done.
        reason: String,
    },
}

/// What a cell asks of the client.
#[derive(Debug)]
pub struct ClientTlsSpec<'a> {
    /// Where the cryptography comes from.
    pub provider: ProviderName,
    /// Versions to offer.
    pub versions: &'a [TlsVersion],
    /// Groups to offer by name; those of [`DEFAULT_GROUPS`] that the provider has if empty.
    pub groups: &'a [String],
    /// Suites to offer by name; the provider's if empty.
    pub suites: &'a [String],
    /// ALPN protocols to offer.
    pub alpn: &'a [String],
    /// The name to send, and to verify unless others are expected.
    pub server_name: &'a str,
    /// Names of which the server's certificate has to have one, in place of the one that is sent: DNS
    /// names, addresses or URIs; unused without `roots`.
    pub expected_names: &'a [String],
    /// Roots to verify against; `None` skips the verification of chain and name.
    pub roots: Option<&'a [CertificateDer<'static>]>,
    /// Revocation lists of the server's authorities; unused without `roots`. Every certificate of the
    /// chain is looked up in the newest list of its issuer, and of each of its scopes. One whose issuer
    /// has no list here counts as not revoked, and a list past its next update makes the chain fail.
    pub crls: &'a [CertificateRevocationListDer<'static>],
    /// How often a chain is verified; a probe and an audit do it in every handshake.
    pub verify: Verify,
    /// What to answer a `CertificateRequest` with.
    pub identity: Option<&'a Identity>,
    /// Whether and how sessions are resumed; `None` makes every handshake full.
    pub resumption: Option<ResumptionSpec>,
}

/// How a client resumes sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResumptionSpec {
    /// Whether TLS 1.2 sessions are resumed by session id only.
    pub by_id_only: bool,
    /// Most tickets to keep; the oldest are dropped.
    pub capacity: usize,
    /// How often a ticket may be offered.
    pub ticket_use: TicketUse,
    /// TLS 1.3 tickets to ask for per session (RFC 9149); `None` leaves it to the server.
    pub request: Option<u8>,
    /// Whether the first request may be sent as early data (RFC 8446 section 2.3).
    pub early_data: bool,
}

/// What a client keeps to resume by.
#[derive(Debug, Clone)]
struct Resuming {
    store: Arc<SessionStore>,
    /// Bytes of a `ClientHello` that offers nothing, record header included.
    full_hello: u64,
}

/// A session that has not sent anything yet.
pub(super) struct Begun {
    pub conn: ClientConnection,
    /// Whether the store had something for it to offer.
    pub given: bool,
    /// Bytes of its `ClientHello` if it offers nothing; zero where nothing is ever resumed.
    pub full_hello: u64,
}

/// A client configuration with the name it connects to.
#[derive(Debug, Clone)]
pub struct ClientTls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) server_name: ServerName<'static>,
    pub(super) provider: ProviderName,
    resuming: Option<Resuming>,
    /// Whether its cryptography is metered.
    metered: bool,
}

impl ClientTls {
    /// Builds the configuration.
    ///
    /// # Errors
    ///
    /// Fails where names are unknown, parameters leave nothing to offer, or key or roots are
    /// unusable.
    pub fn new(spec: &ClientTlsSpec<'_>) -> Result<Self, TlsConfigError> {
        Self::build(spec, Metering::default())
    }

    /// Builds the configuration with a metered provider: its sessions keep a ledger.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::new`] does.
    pub fn metered(spec: &ClientTlsSpec<'_>) -> Result<Self, TlsConfigError> {
        Self::build(spec, Metering::On)
    }

    fn build(spec: &ClientTlsSpec<'_>, metering: Metering) -> Result<Self, TlsConfigError> {
        let provider = provider(spec.provider, spec.groups, spec.suites)?;
        let provider = Arc::new(metering.provider(provider));
        let verifier = verifier(spec, spec.roots, &provider, metering)?;
        let key = spec
            .identity
            .map(|identity| certified(identity, &provider, spec.provider))
            .transpose()?;
        let verifier = Arc::new(ObservingVerifier(as_often(spec, verifier)));
        let resolver = Arc::new(ObservingResolver::new(key));
        Self::assemble(spec, (provider, metering), verifier, resolver)
    }

    /// An empty ledger for a session, if the configuration is metered.
    pub fn ledger(&self) -> Option<Box<Ledger>> {
        self.metered.then(Ledger::client)
    }

    /// Begins a session with a full handshake, which the caller drives in memory.
    ///
    /// # Errors
    ///
    /// Fails if rustls cannot begin a handshake with this configuration.
    pub fn connection(&self) -> Result<ClientConnection, Fault> {
        self.begin(false).map(|begun| begun.conn)
    }

    /// Begins a session that offers to resume an earlier one, which the caller drives in memory; a full
    /// one where nothing is in store.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::connection`] does.
    pub fn resuming_connection(&self) -> Result<ClientConnection, Fault> {
        self.begin(true).map(|begun| begun.conn)
    }

    pub(super) fn begin(&self, resume: bool) -> Result<Begun, Fault> {
        let begin = || ClientConnection::new(Arc::clone(&self.config), self.server_name.clone());
        let (conn, given, full_hello) = match &self.resuming {
            Some(Resuming { store, full_hello }) => {
                let (conn, given) = store.offering(resume, begin);
                (conn, given, *full_hello)
            }
            None => (begin(), false, 0),
        };
        Ok(Begun {
            conn: conn?,
            given,
            full_hello,
        })
    }

    /// Gathers the entropy that sessions on the calling thread will need, ahead of the first one.
    pub fn seed_thread(&self) {
        seed(self.config.crypto_provider());
    }

    /// Whether its sessions may send early data.
    pub fn sends_early_data(&self) -> bool {
        self.config.enable_early_data
    }

    /// Where what it can resume by is kept; none where resumption is off.
    pub fn store(&self) -> Option<&SessionStore> {
        self.resuming.as_ref().map(|resuming| &*resuming.store)
    }

    /// The same client, with the same sessions in store, for another server name: what was gained under
    /// one name is offered under the other, which no ordinary client does.
    ///
    /// # Errors
    ///
    /// Fails if `name` is neither a DNS name nor an address, or leaves nothing to offer.
    pub fn for_name(&self, name: &str) -> Result<Self, TlsConfigError> {
        let mut tls = Self {
            server_name: server_name(name)?,
            ..self.clone()
        };
        let full_hello = tls.full_hello().map_err(nothing_left)?;
        if let Some(resuming) = &mut tls.resuming {
            resuming.full_hello = full_hello;
        }
        Ok(tls)
    }

    /// Puts a configuration together from its parts. What the callbacks are wrapped in is the
    /// caller's choice; everything else is the same for all.
    pub(super) fn assemble(
        spec: &ClientTlsSpec<'_>,
        (provider, metering): (Arc<CryptoProvider>, Metering),
        verifier: Arc<dyn ServerCertVerifier>,
        resolver: Arc<dyn ResolvesClientCert>,
    ) -> Result<Self, TlsConfigError> {
        let server_name = server_name(spec.server_name)?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&protocol_versions(spec.versions))
            .map_err(nothing_left)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(resolver);
        config.resumption = Resumption::disabled();
        let store = spec.resumption.map(|spec| resume(&mut config, spec));
        config.alpn_protocols = spec.alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
        let mut tls = Self {
            config: Arc::new(config),
            server_name,
            provider: spec.provider,
            resuming: None,
            metered: metering == Metering::On,
        };
        if let Some(store) = store {
            let full_hello = tls.full_hello().map_err(nothing_left)?;
            tls.resuming = Some(Resuming { store, full_hello });
        }
        Ok(tls)
    }

    /// The size of a `ClientHello` that offers nothing. It is the same for every session of a
    /// configuration, so that a larger one is known to offer something.
    fn full_hello(&self) -> Result<u64, Error> {
        let mut conn = ClientConnection::new(Arc::clone(&self.config), self.server_name.clone())?;
        let mut hello = Vec::new();
        while conn.wants_write() {
            conn.write_tls(&mut hello)
                .map_err(|error| Error::General(error.to_string()))?;
        }
        Ok(hello.len() as u64)
    }
}

/// What leaves nothing to offer.
pub(super) fn nothing_left(error: Error) -> TlsConfigError {
    TlsConfigError::NothingLeft(error.into())
}

fn server_name(name: &str) -> Result<ServerName<'static>, TlsConfigError> {
    ServerName::try_from(name.to_owned()).map_err(|_| TlsConfigError::ServerName(name.to_owned()))
}

/// Switches resumption on, with a store of the configuration's own.
fn resume(config: &mut ClientConfig, spec: ResumptionSpec) -> Arc<SessionStore> {
    let store = Arc::new(SessionStore::new(spec.capacity, spec.ticket_use));
    let by_tls12 = if spec.by_id_only {
        Tls12Resumption::SessionIdOnly
    } else {
        Tls12Resumption::SessionIdOrTickets
    };
    config.resumption = Resumption::store(Arc::clone(&store) as _).tls12_resumption(by_tls12);
    config.enable_early_data = spec.early_data;
    config.send_ticket_request = spec.request.map(|count| TicketRequest {
        new_session_count: count,
        resumption_count: count,
    });
    store
}

/// A provider with groups and suites pinned as asked, in the order asked.
pub(super) fn provider(
    name: ProviderName,
    groups: &[String],
    suites: &[String],
) -> Result<CryptoProvider, TlsConfigError> {
    let mut provider = crypto::provider(name)?;
    let known = &provider.kx_groups;
    let has = |name: &&str| known.iter().any(|g| group_name(g.name().into()) == **name);
    let default: Vec<String> = (DEFAULT_GROUPS.iter().filter(|name| has(name)))
        .map(|name| (*name).to_owned())
        .collect();
    let groups = if groups.is_empty() {
        &default[..]
    } else {
        groups
    };
    provider.kx_groups = groups
        .iter()
        .map(|name| {
            let wanted = canonical_group(name);
            let found = known.iter().find(|g| group_name(g.name().into()) == wanted);
            found.copied().ok_or_else(|| TlsConfigError::UnknownGroup {
                name: name.clone(),
                known: known
                    .iter()
                    .map(|g| group_name(g.name().into()))
                    .collect::<Vec<_>>()
                    .join(", "),
            })
        })
        .collect::<Result<_, _>>()?;
    if !suites.is_empty() {
        let known = provider.cipher_suites.clone();
        provider.cipher_suites = suites
            .iter()
            .map(|name| {
                let wanted = name.to_uppercase();
                let found = known
                    .iter()
                    .find(|s| cipher_suite_name(s.suite().into()) == wanted);
                found.copied().ok_or_else(|| TlsConfigError::UnknownSuite {
                    name: name.clone(),
                    known: known
                        .iter()
                        .map(|s| cipher_suite_name(s.suite().into()))
                        .collect::<Vec<_>>()
                        .join(", "),
                })
            })
            .collect::<Result<_, _>>()?;
    }
    Ok(provider)
}

/// Has a provider draw its first random bytes for this thread now, rather than in a session that is measured:
/// AWS-LC gathers entropy then, once per process, for some 30 ms of CPU time, and seeds a generator for each thread.
pub(super) fn seed(provider: &CryptoProvider) {
    // Where there is none, sessions fail and say so.
    let _ = provider.secure_random.fill(&mut [0]);
}

/// Whether a provider has every one of these groups and suites.
///
/// # Errors
///
/// Fails if it cannot be used, or with the first name that it does not have.
pub fn check_offer(
    name: ProviderName,
    groups: &[String],
    suites: &[String],
) -> Result<(), TlsConfigError> {
    provider(name, groups, suites).map(drop)
}

/// The versions for rustls's builder.
pub(super) fn protocol_versions(versions: &[TlsVersion]) -> Vec<&'static SupportedProtocolVersion> {
    versions
        .iter()
        .map(|version| match version {
            TlsVersion::Tls12 => &rustls::version::TLS12,
            TlsVersion::Tls13 => &rustls::version::TLS13,
        })
        .collect()
}

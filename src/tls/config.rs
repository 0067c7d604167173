//! The client configuration of one cell, shared by its sessions.

use std::sync::Arc;

use rustls::client::{ClientConnection, Resumption, TicketRequest, Tls12Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, Error, SupportedProtocolVersion};

use super::Fault;
use super::credential::{certified, loaded};
use super::observe::Resolver;
use super::resume::SessionStore;
use super::spec::{ClientTlsSpec, DEFAULT_GROUPS, ResumptionSpec, TlsConfigError};
use super::verifier::Verifier;
use super::verify::server_verifier;
use crate::crypto::{Ledger, Metering, cipher_suite_name, group_name};
use crate::pki::Identity;
use crate::scenario::{ProviderName, TlsVersion, canonical_group};

#[derive(Debug, Clone)]
struct Resuming {
    store: Arc<SessionStore>,
    spec: ResumptionSpec,
    /// Bytes of a `ClientHello` that offers nothing, record header included.
    full_hello: u64,
}

/// A session that has not sent anything yet.
pub(super) struct Begun {
    pub conn: ClientConnection,
    /// Whether the store had a session to offer.
    pub given: bool,
    /// Bytes of a `ClientHello` that offers nothing; zero without resumption.
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

/// The parts of a configuration, for callers that change one.
pub(super) struct Parts {
    pub provider: Arc<CryptoProvider>,
    pub verifier: Verifier,
    pub resolver: Resolver,
    metering: Metering,
}

impl Parts {
    pub(crate) fn new(
        spec: &ClientTlsSpec<'_>,
        metering: Metering,
    ) -> Result<Self, TlsConfigError> {
        let provider = Arc::new(provider(spec.provider, spec.groups, spec.suites, metering)?);
        let verifier = server_verifier(spec, &provider)?;
        let key = spec
            .identity
            .map(|identity| certified(identity, &provider, spec.provider))
            .transpose()?;
        Ok(Self {
            verifier,
            resolver: Resolver {
                key,
                ..Resolver::default()
            },
            provider,
            metering,
        })
    }
}

impl ClientTls {
    /// Builds the configuration.
    ///
    /// # Errors
    ///
    /// Fails where names are unknown, parameters leave nothing to offer, or key or roots are
    /// unusable.
    pub fn new(spec: &ClientTlsSpec<'_>) -> Result<Self, TlsConfigError> {
        Self::metering(spec, Metering::default())
    }

    /// Builds the configuration. If metered, its sessions keep a ledger.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::new`] does.
    pub fn metering(spec: &ClientTlsSpec<'_>, metering: Metering) -> Result<Self, TlsConfigError> {
        Self::assemble(spec, Parts::new(spec, metering)?)
    }

    /// An empty ledger for a session, if the configuration is metered.
    pub fn ledger(&self) -> Option<Box<Ledger>> {
        self.metered.then(Ledger::client)
    }

    /// Begins a session that the caller drives in memory; with `resume` it offers to resume an earlier one, if
    /// one is in store.
    ///
    /// # Errors
    ///
    /// Fails if rustls cannot begin a handshake with this configuration.
    pub fn connection(&self, resume: bool) -> Result<ClientConnection, Fault> {
        self.begin(resume).map(|begun| begun.conn)
    }

    pub(super) fn begin(&self, resume: bool) -> Result<Begun, Fault> {
        let begin = || ClientConnection::new(Arc::clone(&self.config), self.server_name.clone());
        let (conn, given, full_hello) = match &self.resuming {
            Some(Resuming {
                store, full_hello, ..
            }) => {
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

    /// Seeds the provider's generator of the calling thread ahead of the first session.
    pub(crate) fn seed_thread(&self) {
        seed(self.config.crypto_provider());
    }

    /// Whether its sessions may send early data.
    pub(crate) fn sends_early_data(&self) -> bool {
        self.config.enable_early_data
    }

    /// Its store of sessions; none without resumption.
    pub fn store(&self) -> Option<&SessionStore> {
        self.resuming.as_ref().map(|resuming| &*resuming.store)
    }

    /// The same client and store for another server name, so that tickets of one name are offered under the other,
    /// which no ordinary client does.
    ///
    /// Fails if `name` is neither a DNS name nor an address, or leaves nothing to offer.
    pub(crate) fn for_name(&self, name: &str) -> Result<Self, TlsConfigError> {
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

    /// The same client with another identity and a store of its own. Provider and verifier are shared; the key is
    /// loaded, and not tried.
    ///
    /// Fails if the provider cannot load the key.
    pub(crate) fn presenting(&self, identity: &Identity) -> Result<Self, TlsConfigError> {
        let key = loaded(identity, self.config.crypto_provider(), self.provider)?;
        let mut config = (*self.config).clone();
        config.client_auth_cert_resolver = Arc::new(Resolver {
            key: Some(key),
            ..Resolver::default()
        });
        let resuming = self.resuming.as_ref().map(|resuming| Resuming {
            store: resume(&mut config, resuming.spec),
            ..*resuming
        });
        Ok(Self {
            config: Arc::new(config),
            server_name: self.server_name.clone(),
            resuming,
            ..*self
        })
    }

    pub(super) fn assemble(spec: &ClientTlsSpec<'_>, parts: Parts) -> Result<Self, TlsConfigError> {
        let server_name = server_name(spec.server_name)?;
        let mut config = ClientConfig::builder_with_provider(parts.provider)
            .with_protocol_versions(&protocol_versions(spec.versions))
            .map_err(nothing_left)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(parts.verifier))
            .with_client_cert_resolver(Arc::new(parts.resolver));
        config.resumption = Resumption::disabled();
        let store = spec
            .resumption
            .map(|spec| (resume(&mut config, spec), spec));
        config.alpn_protocols = spec.alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
        let mut tls = Self {
            config: Arc::new(config),
            server_name,
            provider: spec.provider,
            resuming: None,
            metered: parts.metering == Metering::On,
        };
        if let Some((store, spec)) = store {
            let full_hello = tls.full_hello().map_err(nothing_left)?;
            tls.resuming = Some(Resuming {
                store,
                spec,
                full_hello,
            });
        }
        Ok(tls)
    }

    /// The size of a `ClientHello` that offers nothing. It is the same for all sessions of a configuration, so a
    /// larger one offers something.
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

pub(super) fn nothing_left(error: Error) -> TlsConfigError {
    TlsConfigError::NothingLeft(error.into())
}

fn server_name(name: &str) -> Result<ServerName<'static>, TlsConfigError> {
    ServerName::try_from(name.to_owned()).map_err(|_| TlsConfigError::ServerName(name.to_owned()))
}

/// Turns on resumption, with a store of its own.
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

/// A provider with groups and suites pinned in the order asked.
fn provider(
    name: ProviderName,
    groups: &[String],
    suites: &[String],
    metering: Metering,
) -> Result<CryptoProvider, TlsConfigError> {
    let mut provider = metering.provider(name)?;
    let all = &provider.kx_groups;
    let known: Vec<String> = all.iter().map(|g| group_name(g.name().into())).collect();
    provider.kx_groups = if groups.is_empty() {
        let default = DEFAULT_GROUPS.iter();
        let at = default.filter_map(|name| known.iter().position(|known| known == name));
        at.map(|at| all[at]).collect()
    } else {
        pinned("key exchange group", groups, all, &known, canonical_group)?
    };
    if !suites.is_empty() {
        let all = &provider.cipher_suites;
        let known: Vec<String> = (all.iter())
            .map(|suite| cipher_suite_name(suite.suite().into()))
            .collect();
        provider.cipher_suites = pinned("cipher suite", suites, all, &known, str::to_uppercase)?;
    }
    Ok(provider)
}

/// Picks `names` from `all`, whose names are `known`.
fn pinned<T: Copy>(
    what: &'static str,
    names: &[String],
    all: &[T],
    known: &[String],
    canonical: fn(&str) -> String,
) -> Result<Vec<T>, TlsConfigError> {
    let find = |name: &String| {
        let found = known.iter().position(|known| *known == canonical(name));
        found
            .map(|at| all[at])
            .ok_or_else(|| TlsConfigError::Unknown {
                what,
                name: name.clone(),
                known: known.join(", "),
            })
    };
    names.iter().map(find).collect()
}

/// Draws the thread's first random bytes now rather than in a measured session: AWS-LC then gathers entropy, once
/// per process for some 30 ms of CPU time, and seeds a generator for each thread.
pub(super) fn seed(provider: &CryptoProvider) {
    // Sessions report the failure.
    let _ = provider.secure_random.fill(&mut [0]);
}

/// Whether a provider has all these groups and suites.
///
/// Fails if it cannot be used, or with the first name it lacks.
pub(crate) fn check_offer(
    name: ProviderName,
    groups: &[String],
    suites: &[String],
) -> Result<(), TlsConfigError> {
    provider(name, groups, suites, Metering::Off).map(drop)
}

pub(super) fn protocol_versions(versions: &[TlsVersion]) -> Vec<&'static SupportedProtocolVersion> {
    versions
        .iter()
        .map(|version| match version {
            TlsVersion::Tls12 => &rustls::version::TLS12,
            TlsVersion::Tls13 => &rustls::version::TLS13,
        })
        .collect()
}

//! Builds the verifiers of both sides, and limits how often a server's chain is verified. Its signature over the
//! handshake is checked every time. Times are seconds since 1970.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{Error, RootCertStore};

use super::chain::{AnyChain, Chain, Chains, Timed, WebPkiClients};
use super::grounds::{Grounds, Subject};
use super::lists::ByChain;
use super::spec::{ClientTlsSpec, ClientTrust, TlsConfigError};
use super::trust::{ExpectedName, Trusting, listed};
use super::verifier::Verifier;
use super::wording::plain;
use crate::pki::CertInspect;
use crate::scenario::{ProviderName, Verify};

/// Most chains that a configuration remembers; further ones are verified in every handshake.
const MOST_CHAINS: usize = 256;

pub(super) fn root_store(
    roots: &[CertificateDer<'static>],
) -> Result<RootCertStore, TlsConfigError> {
    let mut store = RootCertStore::empty();
    for (number, root) in (1..).zip(roots) {
        store
            .add(root.clone())
            .map_err(|error| TlsConfigError::BadRoot {
                number,
                cause: plain(&error),
            })?;
    }
    if store.is_empty() {
        Err(TlsConfigError::NoRoots)
    } else {
        Ok(store)
    }
}

/// The verifier of a client. Without roots it checks only the signature over the handshake.
pub(super) fn server_verifier(
    spec: &ClientTlsSpec<'_>,
    provider: &Arc<CryptoProvider>,
) -> Result<Verifier, TlsConfigError> {
    let names = expected_names(spec)?;
    let subject = Subject::Server(listed(&names));
    let roots = spec.roots.unwrap_or_default();
    let grounds = Grounds::new(subject, roots, spec.crls, spec.provider)?;
    let chains: Arc<dyn Chains> = match spec.roots {
        None => Arc::new(AnyChain),
        Some(roots) => Arc::new(Timed(Trusting {
            inner: by_chain(
                &root_store(roots)?.into(),
                roots,
                spec.crls,
                provider,
                server_chains,
            )?,
            roots: Arc::clone(&grounds.roots),
            crls: Arc::clone(&grounds.crls),
            names,
        })),
    };
    Ok(Verifier {
        chains: match spec.verify {
            // Lists expire, so a verdict that used them cannot be remembered.
            Verify::OncePerChain if spec.crls.is_empty() => Arc::new(OncePerChain::new(chains)),
            Verify::OncePerChain | Verify::EveryHandshake => chains,
        },
        algorithms: provider.signature_verification_algorithms,
        grounds,
        capture: None,
        required: true,
        hints: Vec::new(),
    })
}

/// The verifier of a server; unless `required`, a client may present nothing.
pub(super) fn client_verifier(
    trust: &ClientTrust,
    name: ProviderName,
    provider: &Arc<CryptoProvider>,
    required: bool,
) -> Result<Verifier, TlsConfigError> {
    let ClientTrust { roots, crls } = trust;
    let store = Arc::new(root_store(roots)?);
    let chains = by_chain(&store, roots, crls, provider, client_chains)?;
    Ok(Verifier {
        chains: Arc::new(Timed(chains)),
        algorithms: provider.signature_verification_algorithms,
        grounds: Grounds::new(Subject::Client, roots, crls, name)?,
        capture: None,
        required,
        hints: store.subjects(),
    })
}

/// The names to expect in place of the one that is sent.
pub(super) fn expected_names(
    spec: &ClientTlsSpec<'_>,
) -> Result<Vec<ExpectedName>, TlsConfigError> {
    let names = spec.expected_names.iter();
    names.map(|name| ExpectedName::parse(name)).collect()
}

type List = CertificateRevocationListDer<'static>;

type Make = fn(
    Arc<RootCertStore>,
    Vec<List>,
    Arc<CryptoProvider>,
) -> Result<Arc<dyn Chains>, VerifierBuilderError>;

fn server_chains(
    roots: Arc<RootCertStore>,
    lists: Vec<List>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn Chains>, VerifierBuilderError> {
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider)
        .with_crls(lists)
        .allow_unknown_revocation_status()
        .enforce_revocation_expiration()
        .build()?;
    Ok(verifier)
}

fn client_chains(
    roots: Arc<RootCertStore>,
    lists: Vec<List>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn Chains>, VerifierBuilderError> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
        .with_crls(lists)
        .allow_unknown_revocation_status()
        .enforce_revocation_expiration()
        .build()?;
    Ok(Arc::new(WebPkiClients(verifier)))
}

/// rustls's verifier, with the revocation lists chosen for each chain.
fn by_chain(
    store: &Arc<RootCertStore>,
    roots: &[CertificateDer<'static>],
    crls: &[List],
    provider: &Arc<CryptoProvider>,
    make: Make,
) -> Result<Arc<dyn Chains>, TlsConfigError> {
    let (store, provider) = (Arc::clone(store), Arc::clone(provider));
    let algorithms = provider.signature_verification_algorithms.all;
    let build =
        move |lists| make(Arc::clone(&store), lists, Arc::clone(&provider)).map_err(unbuilt);
    if crls.is_empty() {
        return build(Vec::new());
    }
    Ok(Arc::new(ByChain::new(
        crls,
        roots,
        algorithms,
        Box::new(build),
    )?))
}

fn unbuilt(error: VerifierBuilderError) -> TlsConfigError {
    TlsConfigError::Verifier(match error {
        VerifierBuilderError::InvalidCrl(error) => plain(&error.into()),
        other => other.to_string(),
    })
}

/// Verifies each chain once per name, and again while one of its certificates is out of its validity. Rejections are
/// not remembered.
#[derive(Debug)]
struct OncePerChain {
    verifier: Arc<dyn Chains>,
    known: Mutex<Vec<Known>>,
}

/// A verified chain.
#[derive(Debug)]
struct Known {
    name: ServerName<'static>,
    /// As sent, leaf first.
    chain: Vec<CertificateDer<'static>>,
    /// When all its certificates are valid.
    valid: RangeInclusive<u64>,
}

impl Known {
    /// `None` if a certificate cannot be read or is not valid now: the verifier did without it, which may not
    /// work next time.
    fn of(chain: &Chain<'_>) -> Option<Self> {
        let (mut from, mut to) = (0, u64::MAX);
        for cert in chain.certs() {
            let (not_before, not_after) = CertInspect::parse(cert)?.validity_unix_s();
            from = from.max(u64::try_from(not_before).unwrap_or(0));
            to = to.min(u64::try_from(not_after).ok()?);
        }
        let known = Self {
            name: chain.name?.to_owned(),
            chain: chain
                .certs()
                .map(|cert| cert.clone().into_owned())
                .collect(),
            valid: from..=to,
        };
        known.valid.contains(&chain.now.as_secs()).then_some(known)
    }

    fn is(&self, chain: &Chain<'_>) -> bool {
        self.valid.contains(&chain.now.as_secs())
            && self.chain.len() == 1 + chain.rest.len()
            && self.chain.iter().zip(chain.certs()).all(|(a, b)| a == b)
            && chain.name == Some(&self.name)
    }
}

impl OncePerChain {
    fn new(verifier: Arc<dyn Chains>) -> Self {
        Self {
            verifier,
            known: Mutex::default(),
        }
    }

    /// The lock is never contended, since a configuration belongs to one worker; rustls asks for `Sync`.
    fn with<T>(&self, look: impl FnOnce(&mut Vec<Known>) -> T) -> T {
        look(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Chains for OncePerChain {
    fn verify(&self, chain: &Chain<'_>) -> Result<(), Error> {
        if self.with(|known| known.iter().any(|known| known.is(chain))) {
            return Ok(());
        }
        self.verifier.verify(chain)?;
        if let Some(new) = Known::of(chain) {
            self.with(|known| {
                if known.len() < MOST_CHAINS {
                    known.push(new);
                }
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use rustls::pki_types::UnixTime;

    use super::*;
    use crate::crypto;
    use crate::pki::{Pki, PkiSpec};

    /// Counts the chains that it hands on to the verifier of `rustls`.
    #[derive(Debug)]
    struct Counting {
        verifier: Arc<dyn Chains>,
        asked: Arc<AtomicU64>,
    }

    impl Chains for Counting {
        fn verify(&self, chain: &Chain<'_>) -> Result<(), Error> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            self.verifier.verify(chain)
        }
    }

    struct Client {
        once: OncePerChain,
        asked: Arc<AtomicU64>,
    }

    impl Client {
        fn trusting(pki: &Pki) -> Self {
            let provider = Arc::new(crypto::provider(ProviderName::AwsLcRs).unwrap());
            let roots = Arc::new(root_store(pki.roots()).unwrap());
            let builder = WebPkiServerVerifier::builder_with_provider(roots, provider);
            Self::asking(builder.build().unwrap())
        }

        fn asking(verifier: Arc<dyn Chains>) -> Self {
            let asked = Arc::new(AtomicU64::new(0));
            let counting = Counting {
                verifier,
                asked: Arc::clone(&asked),
            };
            Self {
                once: OncePerChain::new(Arc::new(counting)),
                asked,
            }
        }

        fn accepts(&self, chain: &[CertificateDer<'_>], name: &str, now: u64) -> bool {
            let name = ServerName::try_from(name).unwrap();
            let (leaf, rest) = chain.split_first().unwrap();
            let chain = Chain {
                leaf,
                rest,
                name: Some(&name),
                ocsp: &[],
                now: UnixTime::since_unix_epoch(Duration::from_secs(now)),
            };
            self.once.verify(&chain).is_ok()
        }

        fn verified(&self) -> u64 {
            self.asked.load(Ordering::Relaxed)
        }
    }

    fn bounds(chain: &[CertificateDer<'_>]) -> (u64, u64) {
        let validity = |cert| CertInspect::parse(cert).unwrap().validity_unix_s();
        let from = chain.iter().map(|cert| validity(cert).0).max();
        let to = chain.iter().map(|cert| validity(cert).1).min();
        let seconds = |at: Option<i64>| u64::try_from(at.unwrap()).unwrap();
        (seconds(from), seconds(to))
    }

    #[test]
    fn a_chain_is_verified_once_for_each_name() {
        let pki = Pki::mint(&PkiSpec::default()).unwrap();
        let chain = &pki.server().chain;
        let (from, to) = bounds(chain);
        let client = Client::trusting(&pki);
        for now in [from, to, from.midpoint(to)] {
            assert!(client.accepts(chain, "localhost", now));
        }
        assert_eq!(client.verified(), 1);
        assert!(client.accepts(chain, "127.0.0.1", from));
        assert!(!client.accepts(chain, "example.org", from));
        assert!(!client.accepts(chain, "example.org", from));
        assert_eq!(client.verified(), 4);
    }

    #[test]
    fn another_chain_is_verified_and_rejected_each_time() {
        let pki = Pki::mint(&PkiSpec::default()).unwrap();
        let stranger = Pki::mint(&PkiSpec::default()).unwrap();
        let client = Client::trusting(&pki);
        let (good, bad) = (&pki.server().chain, &stranger.server().chain);
        let (now, _) = bounds(good);
        assert!(client.accepts(good, "localhost", now));
        // Not even with the intermediate of the chain that is known.
        let mixed = [bad[0].clone(), good[1].clone()];
        for _ in 0..2 {
            assert!(!client.accepts(bad, "localhost", now));
            assert!(!client.accepts(&mixed, "localhost", now));
            assert!(!client.accepts(&good[..1], "localhost", now));
        }
        assert!(client.accepts(good, "localhost", now));
        assert_eq!(client.verified(), 7);
    }

    #[test]
    fn a_chain_that_expires_in_between_is_rejected() {
        let pki = Pki::mint(&PkiSpec::default()).unwrap();
        let chain = &pki.server().chain;
        let (from, to) = bounds(chain);
        let client = Client::trusting(&pki);
        assert!(client.accepts(chain, "localhost", from));
        assert!(!client.accepts(chain, "localhost", to + 1));
        assert!(!client.accepts(chain, "localhost", from - 1));
        assert!(client.accepts(chain, "localhost", to));
        assert_eq!(client.verified(), 3);
    }

    #[test]
    fn what_does_not_fit_is_verified_each_time() {
        let pki = Pki::mint(&PkiSpec::default()).unwrap();
        let chain = &pki.server().chain;
        let (now, _) = bounds(chain);
        let client = Client::asking(Arc::new(AnyChain));
        for _ in 0..2 {
            for host in 0..=MOST_CHAINS {
                assert!(client.accepts(chain, &format!("host-{host}"), now));
            }
        }
        assert_eq!(client.verified(), MOST_CHAINS as u64 + 2);
    }
}

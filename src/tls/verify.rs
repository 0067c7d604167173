//! How the server's certificates are verified, and how often.
//!
//! What every handshake proves anew, whatever the setting: that the server holds the key of the
//! certificate it presents. Times are seconds since 1970.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use rustls::{DistinguishedName, Error, RootCertStore};

use super::delegate::signatures_by;
use super::explaining::Explaining;
use super::lists::ByChain;
use super::observe::ChainBlindVerifier;
use super::reject::{Grounds, Subject, plain};
use super::trust::{ExpectedName, Trusting, listed};
use super::{ClientTlsSpec, TlsConfigError};
use crate::crypto::{self, Metering};
use crate::pki::CertLinks;
use crate::scenario::Verify;

/// Most chains that a configuration remembers; those beyond are verified in every handshake.
const MOST_CHAINS: usize = 256;

/// Roots as rustls stores them.
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

/// Verifies the server in every handshake; only its signature without `roots`.
pub(super) fn verifier(
    spec: &ClientTlsSpec<'_>,
    roots: Option<&[CertificateDer<'static>]>,
    provider: &Arc<CryptoProvider>,
    metering: Metering,
) -> Result<Arc<dyn ServerCertVerifier>, TlsConfigError> {
    let grounds = grounds(spec, roots.unwrap_or_default())?;
    let inner: Arc<dyn ServerCertVerifier> = match roots {
        None => Arc::new(ChainBlindVerifier(
            provider.signature_verification_algorithms,
        )),
        Some(roots) => metering.server_verifier(Arc::new(Trusting {
            inner: by_chain(roots, spec.crls, provider)?,
            roots: Arc::clone(&grounds.roots),
            crls: Arc::clone(&grounds.crls),
            names: expected_names(spec)?,
        })),
    };
    Ok(Arc::new(Explaining { grounds, inner }))
}

/// What a client verifies its server with, for messages.
pub(super) fn grounds(
    spec: &ClientTlsSpec<'_>,
    roots: &[CertificateDer<'static>],
) -> Result<Grounds, TlsConfigError> {
    Ok(Grounds {
        subject: Subject::Server(listed(&expected_names(spec)?)),
        roots: roots.into(),
        crls: spec.crls.into(),
        provider: spec.provider,
        // Without meters: what a message takes is no work of the handshake.
        algorithms: crypto::provider(spec.provider)?
            .signature_verification_algorithms
            .all,
    })
}

/// The names that the server's certificate may have, if they are not those that are sent.
pub(super) fn expected_names(
    spec: &ClientTlsSpec<'_>,
) -> Result<Vec<ExpectedName>, TlsConfigError> {
    let names = spec.expected_names.iter();
    names.map(|name| ExpectedName::parse(name)).collect()
}

/// The verifier of rustls, with the revocation lists that count.
fn by_chain(
    roots: &[CertificateDer<'static>],
    crls: &[CertificateRevocationListDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsConfigError> {
    let store = Arc::new(root_store(roots)?);
    let provider = Arc::clone(provider);
    let algorithms = provider.signature_verification_algorithms.all;
    let build = move |lists: Vec<CertificateRevocationListDer<'static>>| -> Result<Arc<dyn ServerCertVerifier>, TlsConfigError> {
        let roots = Arc::clone(&store);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .with_crls(lists)
            .allow_unknown_revocation_status()
            .enforce_revocation_expiration()
            .build()
            .map_err(unbuilt)?;
        Ok(verifier)
    };
    if crls.is_empty() {
        return build(Vec::new());
    }
    let by_chain = ByChain::new(crls, roots, algorithms, Box::new(build))?;
    Ok(Arc::new(by_chain))
}

/// Why rustls made no verifier.
pub(super) fn unbuilt(error: VerifierBuilderError) -> TlsConfigError {
    TlsConfigError::Verifier(match error {
        VerifierBuilderError::InvalidCrl(error) => plain(&error.into()),
        other => other.to_string(),
    })
}

/// Verifies as often as a client asks for.
pub(super) fn as_often(
    spec: &ClientTlsSpec<'_>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Arc<dyn ServerCertVerifier> {
    match spec.verify {
        // Lists go out of date by themselves, so with them nothing is remembered.
        Verify::OncePerChain if spec.crls.is_empty() => Arc::new(OncePerChain::new(verifier)),
        Verify::OncePerChain | Verify::EveryHandshake => verifier,
    }
}

/// Verifies each distinct chain for each name once, and again whenever one of its certificates is not
/// valid at the time. What fails is not remembered. The signature over the handshake is verified always.
#[derive(Debug)]
struct OncePerChain {
    verifier: Arc<dyn ServerCertVerifier>,
    known: Mutex<Vec<Known>>,
}

/// A chain that was verified.
#[derive(Debug)]
struct Known {
    name: ServerName<'static>,
    /// As sent, leaf first.
    chain: Vec<CertificateDer<'static>>,
    /// When every certificate of it is valid.
    valid: RangeInclusive<u64>,
}

impl Known {
    /// `None` if not every certificate that was sent can be read and is valid now: the verifier did
    /// without it, and has to say so again next time.
    fn of(name: &ServerName<'_>, chain: &[&CertificateDer<'_>], now: UnixTime) -> Option<Self> {
        let (mut from, mut to) = (0, u64::MAX);
        for cert in chain {
            let links = CertLinks::parse(cert)?;
            from = from.max(u64::try_from(links.not_before_unix_s).unwrap_or(0));
            to = to.min(u64::try_from(links.not_after_unix_s).ok()?);
        }
        let known = Self {
            name: name.to_owned(),
            chain: chain
                .iter()
                .map(|cert| (*cert).clone().into_owned())
                .collect(),
            valid: from..=to,
        };
        known.valid.contains(&now.as_secs()).then_some(known)
    }

    fn is(&self, name: &ServerName<'_>, chain: &[&CertificateDer<'_>], now: UnixTime) -> bool {
        self.valid.contains(&now.as_secs())
            && self.chain.len() == chain.len()
            && self.chain.iter().zip(chain).all(|(a, b)| a == *b)
            && self.name == *name
    }
}

impl OncePerChain {
    fn new(verifier: Arc<dyn ServerCertVerifier>) -> Self {
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

impl ServerCertVerifier for OncePerChain {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain: Vec<_> = [end_entity].into_iter().chain(intermediates).collect();
        let is_known = |known: &Known| known.is(server_name, &chain, now);
        if self.with(|known| known.iter().any(is_known)) {
            return Ok(ServerCertVerified::assertion());
        }
        let verified = self.verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        if let Some(new) = Known::of(server_name, &chain, now) {
            self.with(|known| {
                if known.len() < MOST_CHAINS {
                    known.push(new);
                }
            });
        }
        Ok(verified)
    }

    signatures_by!(verifier);

    fn requires_raw_public_keys(&self) -> bool {
        self.verifier.requires_raw_public_keys()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.verifier.root_hint_subjects()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use rustls::client::danger::HandshakeSignatureValid;
    use rustls::{DigitallySignedStruct, SignatureScheme};

    use super::*;
    use crate::pki::{Pki, PkiSpec};
    use crate::scenario::ProviderName;

    /// Counts the chains that it hands on to the verifier of `rustls`.
    #[derive(Debug)]
    struct Counting {
        verifier: Arc<dyn ServerCertVerifier>,
        asked: Arc<AtomicU64>,
    }

    impl ServerCertVerifier for Counting {
        fn verify_server_cert(
            &self,
            end_entity: &CertificateDer<'_>,
            intermediates: &[CertificateDer<'_>],
            server_name: &ServerName<'_>,
            ocsp_response: &[u8],
            now: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let verifier = &self.verifier;
            verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            panic!("no handshake here")
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            panic!("no handshake here")
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.verifier.supported_verify_schemes()
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

        fn asking(verifier: Arc<dyn ServerCertVerifier>) -> Self {
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
            let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
            let (leaf, rest) = chain.split_first().unwrap();
            let verified = self.once.verify_server_cert(leaf, rest, &name, &[], now);
            verified.is_ok()
        }

        fn verified(&self) -> u64 {
            self.asked.load(Ordering::Relaxed)
        }
    }

    fn bounds(chain: &[CertificateDer<'_>]) -> (u64, u64) {
        let links: Vec<_> = chain.iter().filter_map(CertLinks::parse).collect();
        let from = links.iter().map(|links| links.not_before_unix_s).max();
        let to = links.iter().map(|links| links.not_after_unix_s).min();
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
        let provider = crypto::provider(ProviderName::AwsLcRs).unwrap();
        let any = ChainBlindVerifier(provider.signature_verification_algorithms);
        let client = Client::asking(Arc::new(any));
        for _ in 0..2 {
            for host in 0..=MOST_CHAINS {
                assert!(client.accepts(chain, &format!("host-{host}"), now));
            }
        }
        assert_eq!(client.verified(), MOST_CHAINS as u64 + 2);
    }
}

//! What one handshake shows, kept for a reader: the server's chain and its verification piece by
//! piece, its `CertificateRequest`, and what we offered. For a single connection, not for load: it
//! locks, copies and verifies more than once. The result knows no type of rustls.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, ProtocolVersion, RootCertStore, SignatureScheme,
};

use super::config::provider;
use super::credential::certified;
use super::explaining::handshake;
use super::observe::{ObservingResolver, ObservingVerifier};
use super::reject::{self, Grounds, Rejection};
use super::trust::{ExpectedName, Trusting};
use super::verify::{expected_names, grounds, root_store, verifier};
use super::{ClientTls, ClientTlsSpec, Fault, TlsConfigError};
use crate::crypto::{Metering, enter};
use crate::pki::CertLinks;
use crate::stats::{ServerCertFault, Work};

/// What the `ClientHello` offers, as code points of the TLS registries, in the order offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Protocol versions, latest first.
    pub versions: Vec<u16>,
    /// Cipher suites.
    pub suites: Vec<u16>,
    /// Key exchange groups.
    pub groups: Vec<u16>,
    /// Signature schemes that we verify.
    pub schemes: Vec<u16>,
    /// The server name indication; an address is never sent as one (RFC 6066 section 3).
    pub sni: Option<String>,
    /// ALPN protocols.
    pub alpn: Vec<String>,
}

/// The outcome of one check of the server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It holds.
    Passed,
    /// It does not.
    Failed {
        /// The class that is counted.
        fault: ServerCertFault,
        /// In words, not yet escaped.
        message: String,
    },
    /// There was nothing to check it with.
    NotChecked,
}

impl Finding {
    /// Why the check failed, if it did.
    pub fn fault(&self) -> Option<ServerCertFault> {
        match self {
            Self::Failed { fault, .. } => Some(*fault),
            _ => None,
        }
    }
}

/// How we judged the server's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether a trusted root signed the chain, dates left aside.
    pub issuer: Finding,
    /// Whether the leaf is for the name we asked for.
    pub name: Finding,
    /// The verifier's own decision, the one that counts.
    pub verdict: Finding,
}

/// A server's `CertificateRequest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// Names of the authorities it accepts, in DER; none means any.
    pub ca_names: Vec<Vec<u8>>,
    /// Signature schemes it accepts.
    pub schemes: Vec<u16>,
}

/// What the handshake has shown so far.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The server's certificates as sent, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// What we made of them.
    pub judgement: Option<Judgement>,
    /// Whether the server's handshake signature verifies, once it was checked.
    pub signature: Option<Finding>,
    /// Its request for our certificate.
    pub requested: Option<Requested>,
}

/// A window into the handshake of the one session made with its configuration.
#[derive(Debug, Clone)]
pub struct HandshakeCapture {
    offer: Offer,
    seen: Shared,
}

impl HandshakeCapture {
    /// What the configuration offers.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// What has been seen so far.
    pub fn seen(&self) -> Seen {
        self.seen.lock().clone()
    }
}

impl ClientTls {
    /// Builds a configuration that keeps what its handshake shows. Beside [`ClientTls::new`] it
    /// allows an empty list of roots: the server is then rejected, but only after it has shown its
    /// chain. Its session keeps a ledger.
    ///
    /// # Errors
    ///
    /// Fails as [`ClientTls::new`].
    pub fn capturing(spec: &ClientTlsSpec<'_>) -> Result<(Self, HandshakeCapture), TlsConfigError> {
        let metering = Metering::On;
        let plain = provider(spec.provider, spec.groups, spec.suites)?;
        let algorithms = plain.signature_verification_algorithms;
        let metered = Arc::new(metering.provider(plain));
        let roots = match spec.roots {
            Some(roots) if !roots.is_empty() => Some(root_store(roots)?),
            _ => None,
        };
        // Signatures are checked as without verification of the chain if there are no roots.
        let trusted = spec.roots.filter(|roots| !roots.is_empty());
        let inner = verifier(spec, trusted, &metered, metering)?;
        let key = spec
            .identity
            .map(|identity| certified(identity, &metered, spec.provider))
            .transpose()?;
        let seen = Shared::default();
        let verifier = CapturingVerifier {
            inner: ObservingVerifier(inner),
            trusts_none: spec.roots.is_some() && roots.is_none(),
            roots,
            names: expected_names(spec)?,
            grounds: grounds(spec, spec.roots.unwrap_or_default())?,
            // What is verified once more for the reader is no work of the handshake.
            algorithms,
            seen: seen.clone(),
        };
        let schemes = verifier.supported_verify_schemes();
        let resolver = CapturingResolver {
            inner: ObservingResolver::new(key),
            seen: seen.clone(),
        };
        let offer = offer(spec, &metered, &schemes);
        let tls = Self::assemble(
            spec,
            (metered, metering),
            Arc::new(verifier),
            Arc::new(resolver),
        )?;
        Ok((tls, HandshakeCapture { offer, seen }))
    }
}

fn offer(
    spec: &ClientTlsSpec<'_>,
    provider: &CryptoProvider,
    schemes: &[SignatureScheme],
) -> Offer {
    let mut versions: Vec<u16> = spec.versions.iter().map(|v| v.code()).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    let usable = |group: &&'static dyn rustls::crypto::SupportedKxGroup| {
        let mut offered = versions.iter();
        offered.any(|v| group.usable_for_version(ProtocolVersion::from(*v)))
    };
    let is_address = matches!(
        ServerName::try_from(spec.server_name),
        Ok(ServerName::IpAddress(_))
    );
    Offer {
        suites: provider
            .cipher_suites
            .iter()
            .map(|s| s.suite().into())
            .collect(),
        groups: provider
            .kx_groups
            .iter()
            .filter(|group| usable(group))
            .map(|g| g.name().into())
            .collect(),
        schemes: schemes.iter().map(|s| (*s).into()).collect(),
        sni: (!is_address).then(|| spec.server_name.to_owned()),
        alpn: spec.alpn.to_vec(),
        versions,
    }
}

/// The alert that we send when we end a handshake with this fault; `None` where that is not for a
/// certificate.
pub fn alert_sent_for(fault: &Fault) -> Option<u8> {
    match fault {
        Fault::Tls(fault) => fault.rejection()?.alert,
        _ => None,
    }
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Seen>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        // Nothing is left half done under this lock, so a poisoned one is as good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().fmt(f)
    }
}

/// Keeps the chain and every verdict on it, and decides as the verifier inside does.
#[derive(Debug)]
struct CapturingVerifier {
    inner: ObservingVerifier,
    /// Chain verification is wanted, and there is no root to do it with.
    trusts_none: bool,
    roots: Option<RootCertStore>,
    names: Vec<ExpectedName>,
    grounds: Grounds,
    algorithms: WebPkiSupportedAlgorithms,
    seen: Shared,
}

impl CapturingVerifier {
    fn issuer(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Finding {
        let chain: Vec<_> = [leaf].into_iter().chain(rest).collect();
        let found = |result: &Result<(), rustls::Error>, at| {
            found(result, |error| self.grounds.explain(error, &chain, at, ""))
        };
        if self.trusts_none {
            return found(&Err(CertificateError::UnknownIssuer.into()), now);
        }
        let Some(roots) = &self.roots else {
            return Finding::NotChecked;
        };
        let verify = |at| {
            let leaf = ParsedCertificate::try_from(leaf)?;
            let all = self.algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&leaf, roots, rest, at, all)
        };
        match found(&verify(now), now) {
            // The dates have their own check: judge the issuer at a time when all were valid.
            Finding::Failed {
                fault: ServerCertFault::Expired | ServerCertFault::NotYetValid,
                ..
            } => {
                let then = common_validity(leaf, rest).unwrap_or(now);
                found(&verify(then), then)
            }
            finding => finding,
        }
    }
}

/// The first second at which every certificate had begun to be valid.
fn common_validity(leaf: &CertificateDer<'_>, rest: &[CertificateDer<'_>]) -> Option<UnixTime> {
    let begins = std::iter::once(leaf)
        .chain(rest)
        .filter_map(|cert| CertLinks::parse(cert).map(|links| links.not_before_unix_s))
        .max()?;
    let since_1970 = u64::try_from(begins).ok()?;
    Some(UnixTime::since_unix_epoch(Duration::from_secs(since_1970)))
}

/// A check that failed as the verifier explains it.
fn found<T>(
    result: &Result<T, rustls::Error>,
    explain: impl FnOnce(&rustls::Error) -> Rejection,
) -> Finding {
    match result {
        Ok(_) => Finding::Passed,
        Err(error) => {
            let Rejection {
                fault, sentence, ..
            } = explain(error);
            Finding::Failed {
                fault,
                message: sentence,
            }
        }
    }
}

impl ServerCertVerifier for CapturingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain: Vec<_> = [end_entity].into_iter().chain(intermediates).collect();
        let sent = server_name.to_str();
        let explain = |error: &rustls::Error| self.grounds.explain(error, &chain, now, &sent);
        let result = if self.trusts_none {
            let error = CertificateError::UnknownIssuer.into();
            reject::keep(explain(&error));
            Err(error)
        } else {
            let inner = &self.inner;
            inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        };
        let _for_the_reader = enter(Work::Probe, None);
        let name = Trusting::name(&self.names, end_entity, server_name);
        let verdict = found(&result, explain);
        let trusted = result.is_ok() && self.roots.is_some();
        let judgement = Judgement {
            // Whatever the way to it was, the chain is trusted.
            issuer: if trusted {
                Finding::Passed
            } else {
                self.issuer(end_entity, intermediates, now)
            },
            name: found(&name, explain),
            verdict,
        };
        let mut seen = self.seen.lock();
        seen.chain = chain
            .iter()
            .map(|cert| (*cert).clone().into_owned())
            .collect();
        seen.judgement = Some(judgement);
        result
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let result = self.inner.verify_tls12_signature(message, cert, dss);
        let explain = |error: &rustls::Error| handshake(&self.grounds, error, message, cert, dss);
        self.seen.lock().signature = Some(found(&result, explain));
        result
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let result = self.inner.verify_tls13_signature(message, cert, dss);
        let explain = |error: &rustls::Error| handshake(&self.grounds, error, message, cert, dss);
        self.seen.lock().signature = Some(found(&result, explain));
        result
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Keeps what the server asks for, and answers as the resolver inside does.
#[derive(Debug)]
struct CapturingResolver {
    inner: ObservingResolver,
    seen: Shared,
}

impl ResolvesClientCert for CapturingResolver {
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.seen.lock().requested = Some(Requested {
            ca_names: root_hint_subjects.iter().map(|der| der.to_vec()).collect(),
            schemes: sigschemes.iter().map(|s| (*s).into()).collect(),
        });
        self.inner.resolve(root_hint_subjects, sigschemes)
    }

    fn has_certs(&self) -> bool {
        self.inner.has_certs()
    }
}

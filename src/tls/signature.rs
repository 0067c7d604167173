//! Checks single signatures with a provider, where a verifier's answer is not specific enough.

use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm};

use crate::pki::{CertInspect, Signed, Spki};

pub(super) type Algorithms = [&'static dyn SignatureVerificationAlgorithm];

/// A provider's verdict on a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Good,
    Bad,
    /// The provider lacks the algorithm, or lacks it for such keys.
    Unknown,
}

/// Whether a certificate or revocation list was signed with this key, by the provider's algorithms.
pub(super) fn signed_with(signed: &Signed<'_>, spki_der: &[u8], algorithms: &Algorithms) -> Answer {
    let Some(spki) = Spki::parse(spki_der) else {
        return Answer::Unknown;
    };
    let mut answer = Answer::Unknown;
    for algorithm in algorithms {
        if algorithm.signature_alg_id().as_ref() != signed.algorithm
            || algorithm.public_key_alg_id().as_ref() != spki.algorithm
        {
            continue;
        }
        match algorithm.verify_signature(spki.key, signed.tbs, signed.signature) {
            Ok(()) => return Answer::Good,
            Err(_) => answer = Answer::Bad,
        }
    }
    answer
}

/// A possible issuer's key, with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedKey {
    /// The distinguished name in DER.
    pub subject_der: Vec<u8>,
    /// The key as a DER `SubjectPublicKeyInfo`.
    pub spki_der: Vec<u8>,
}

impl NamedKey {
    /// The key of a certificate; `None` if that does not parse.
    pub(crate) fn of(cert: &CertificateDer<'_>) -> Option<Self> {
        let cert = CertInspect::parse(cert)?;
        Some(Self {
            subject_der: cert.subject_der().to_vec(),
            spki_der: cert.spki_der().to_vec(),
        })
    }
}

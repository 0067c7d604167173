//! Signs handshakes in a token. The hash is made here: the mechanisms that take one are those that tokens have.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use cryptoki::context::Pkcs11;
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{KeyType, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::slot::Slot;
use rustls::crypto::aws_lc_rs;
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, OtherError, SignatureAlgorithm, SignatureScheme};
use rustls_pki_types::{AlgorithmIdentifier, alg_id};
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::{TokenFailure, count};
use crate::clock::ns_between;
use crate::pki::der::shown;
use crate::pki::{Spki, rsa_verifies_pss_sha256};

const MESSAGE: &[u8] = b"shakedown tries a token's key before it is used";

/// Most sessions that wait for the next signature; of more threads each opens its own again.
const MOST_IDLE: usize = 1_024;

/// `DigestInfo` up to the hash (RFC 8017 section 9.2, note 1).
const SHA256_INFO: [u8; 19] =
    *b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";
const SHA384_INFO: [u8; 19] =
    *b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30";
const SHA512_INFO: [u8; 19] =
    *b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40";

/// Schemes of RSA keys, in order of preference.
const RSA: [SignatureScheme; 6] = [
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];

/// A kind of key that signs here.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Rsa,
    /// With its curve's scheme.
    Ec(SignatureScheme),
}

impl Kind {
    /// The kind of a certificate's key.
    pub(crate) fn of(spki: &Spki<'_>) -> Option<Self> {
        const KINDS: [(AlgorithmIdentifier, Kind); 4] = [
            (alg_id::RSA_ENCRYPTION, Kind::Rsa),
            (
                alg_id::ECDSA_P256,
                Kind::Ec(SignatureScheme::ECDSA_NISTP256_SHA256),
            ),
            (
                alg_id::ECDSA_P384,
                Kind::Ec(SignatureScheme::ECDSA_NISTP384_SHA384),
            ),
            (
                alg_id::ECDSA_P521,
                Kind::Ec(SignatureScheme::ECDSA_NISTP521_SHA512),
            ),
        ];
        let mut kinds = KINDS.iter();
        let (_, kind) = kinds.find(|(id, _)| id.as_ref() == spki.algorithm)?;
        Some(*kind)
    }

    pub(crate) fn key_type(self) -> KeyType {
        match self {
            Self::Rsa => KeyType::RSA,
            Self::Ec(_) => KeyType::EC,
        }
    }

    /// The schemes that a token with these mechanisms can sign with.
    pub(crate) fn schemes(self, mechanisms: &[MechanismType]) -> Vec<SignatureScheme> {
        let own = match &self {
            Self::Rsa => &RSA[..],
            Self::Ec(scheme) => std::slice::from_ref(scheme),
        };
        let able = |scheme: &&SignatureScheme| {
            prepared(**scheme, b"")
                .is_some_and(|(mechanism, _)| mechanisms.contains(&mechanism.mechanism_type()))
        };
        own.iter().filter(able).copied().collect()
    }
}

/// The mechanism of a scheme, and what it signs of a message.
fn prepared(scheme: SignatureScheme, message: &[u8]) -> Option<(Mechanism<'static>, Vec<u8>)> {
    let info = |info: [u8; 19], hash: &[u8]| Some((Mechanism::RsaPkcs, [&info, hash].concat()));
    let pss = |hash_alg, mgf, hash: &[u8]| {
        let s_len = hash.len().try_into().ok()?;
        let parameters = PkcsPssParams {
            hash_alg,
            mgf,
            s_len,
        };
        Some((Mechanism::RsaPkcsPss(parameters), hash.to_vec()))
    };
    let (sha256, sha384, sha512) = (
        || Sha256::digest(message),
        || Sha384::digest(message),
        || Sha512::digest(message),
    );
    match scheme {
        SignatureScheme::ECDSA_NISTP256_SHA256 => Some((Mechanism::Ecdsa, sha256().to_vec())),
        SignatureScheme::ECDSA_NISTP384_SHA384 => Some((Mechanism::Ecdsa, sha384().to_vec())),
        SignatureScheme::ECDSA_NISTP521_SHA512 => Some((Mechanism::Ecdsa, sha512().to_vec())),
        SignatureScheme::RSA_PKCS1_SHA256 => info(SHA256_INFO, &sha256()),
        SignatureScheme::RSA_PKCS1_SHA384 => info(SHA384_INFO, &sha384()),
        SignatureScheme::RSA_PKCS1_SHA512 => info(SHA512_INFO, &sha512()),
        SignatureScheme::RSA_PSS_SHA256 => {
            pss(MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, &sha256())
        }
        SignatureScheme::RSA_PSS_SHA384 => {
            pss(MechanismType::SHA384, PkcsMgfType::MGF1_SHA384, &sha384())
        }
        SignatureScheme::RSA_PSS_SHA512 => {
            pss(MechanismType::SHA512, PkcsMgfType::MGF1_SHA512, &sha512())
        }
        _ => None,
    }
}

/// A private key in a token, with sessions for as many threads as sign at once.
pub(super) struct Held {
    module: Pkcs11,
    slot: Slot,
    key: ObjectHandle,
    /// Sessions that are not in use. While one is open, all are logged in.
    idle: Mutex<Vec<Session>>,
}

impl Held {
    pub(crate) fn new(module: Pkcs11, slot: Slot, session: Session, key: ObjectHandle) -> Self {
        Self {
            module,
            slot,
            key,
            idle: Mutex::new(vec![session]),
        }
    }

    /// Signs a message; the error is a clause.
    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, String> {
        let (mechanism, data) = prepared(scheme, message).ok_or("it has no such scheme")?;
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let said = |error: cryptoki::error::Error| shown(&error.to_string());
        let session = match taken {
            Some(session) => session,
            None => self.module.open_ro_session(self.slot).map_err(said)?,
        };
        // A session that failed is closed.
        let signed = session.sign(&mechanism, self.key, &data).map_err(said)?;
        let mut idle = idle();
        if idle.len() < MOST_IDLE {
            idle.push(session);
        }
        drop(idle);
        match mechanism {
            Mechanism::Ecdsa => der_of(&signed).ok_or_else(|| {
                format!("its signature of {} bytes is none of a curve", signed.len())
            }),
            _ => Ok(signed),
        }
    }

    /// Whether a signature verifies with a DER `SubjectPublicKeyInfo`.
    ///
    /// Fails if the token does not sign.
    pub(crate) fn proves(&self, scheme: SignatureScheme, spki_der: &[u8]) -> Result<bool, String> {
        let signature = self.sign(scheme, MESSAGE)?;
        let Some(spki) = Spki::parse(spki_der) else {
            return Ok(false);
        };
        let provider = aws_lc_rs::default_provider();
        let mapping = provider.signature_verification_algorithms.mapping.iter();
        let mut algorithms = mapping
            .filter(|(known, _)| *known == scheme)
            .flat_map(|(_, algorithms)| algorithms.iter())
            .filter(|algorithm| algorithm.public_key_alg_id().as_ref() == spki.algorithm);
        let verified = algorithms.any(|algorithm| {
            algorithm
                .verify_signature(spki.key, MESSAGE, &signature)
                .is_ok()
        });
        // Keys under 2048 bits, which the provider refuses.
        let short = || {
            scheme == SignatureScheme::RSA_PSS_SHA256
                && rsa_verifies_pss_sha256(spki_der, MESSAGE, &signature) == Some(true)
        };
        Ok(verified || short())
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("slot", &self.slot)
            .finish_non_exhaustive()
    }
}

/// A key in a token, as TLS uses it.
#[derive(Debug)]
pub(super) struct TokenKey {
    held: Arc<Held>,
    kind: Kind,
    schemes: Vec<SignatureScheme>,
}

impl TokenKey {
    pub(crate) fn new(held: Held, kind: Kind, schemes: Vec<SignatureScheme>) -> Self {
        Self {
            held: Arc::new(held),
            kind,
            schemes,
        }
    }
}

impl SigningKey for TokenKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let mut able = self.schemes.iter();
        let scheme = *able.find(|scheme| offered.contains(scheme))?;
        let held = Arc::clone(&self.held);
        Some(Box::new(TokenSigner { held, scheme }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self.kind {
            Kind::Rsa => SignatureAlgorithm::RSA,
            Kind::Ec(_) => SignatureAlgorithm::ECDSA,
        }
    }
}

#[derive(Debug)]
struct TokenSigner {
    held: Arc<Held>,
    scheme: SignatureScheme,
}

impl Signer for TokenSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let begun = Instant::now();
        let signed = self.held.sign(self.scheme, message);
        count(ns_between(begun, Instant::now()), signed.is_err());
        signed.map_err(|cause| Error::Other(OtherError(Arc::new(TokenFailure(cause)))))
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

/// An ECDSA signature in DER (RFC 3279 section 2.2.3) of its two numbers one after the other, as tokens give them.
fn der_of(raw: &[u8]) -> Option<Vec<u8>> {
    /// Two numbers of P-521.
    const LONGEST: usize = 2 * 66;
    if raw.is_empty() || !raw.len().is_multiple_of(2) || raw.len() > LONGEST {
        return None;
    }
    let (r, s) = raw.split_at(raw.len() / 2);
    let mut body = integer(r)?;
    body.extend(integer(s)?);
    let length = u8::try_from(body.len()).ok()?;
    let mut der = vec![0x30];
    if length >= 0x80 {
        der.push(0x81);
    }
    der.push(length);
    der.extend(body);
    Some(der)
}

/// A positive INTEGER of at most 127 bytes.
fn integer(number: &[u8]) -> Option<Vec<u8>> {
    let from = number.iter().position(|byte| *byte != 0);
    let digits = &number[from.unwrap_or(number.len() - 1)..];
    let sign = usize::from(digits[0] >= 0x80);
    let mut der = vec![0x02, u8::try_from(sign + digits.len()).ok()?];
    der.extend(vec![0; sign]);
    der.extend(digits);
    Some(der)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_of_tokens_are_written_in_der() {
        for (raw, der) in [
            (
                &[0, 1, 0x80, 2][..],
                &[0x30, 8, 2, 1, 1, 2, 3, 0, 0x80, 2][..],
            ),
            (&[0, 0, 0, 5], &[0x30, 6, 2, 1, 0, 2, 1, 5]),
        ] {
            assert_eq!(der_of(raw).unwrap(), der);
        }
        let long = der_of(&[0xff; 132]).unwrap();
        assert_eq!(long[..5], [0x30, 0x81, 138, 2, 67]);
        assert_eq!(long.len(), 3 + 138);
        for bad in [&[][..], &[1; 3], &[1; 134]] {
            assert_eq!(der_of(bad), None);
        }
    }

    #[test]
    fn only_schemes_that_the_token_has_are_offered() {
        let pkcs1 = Kind::Rsa.schemes(&[MechanismType::RSA_PKCS]);
        assert_eq!(pkcs1, RSA[3..]);
        assert!(Kind::Rsa.schemes(&[MechanismType::ECDSA]).is_empty());
        let scheme = SignatureScheme::ECDSA_NISTP384_SHA384;
        assert_eq!(Kind::Ec(scheme).schemes(&[MechanismType::ECDSA]), [scheme]);
    }
}

//! Keys and serial numbers from a seed and an index, the same on every machine: HKDF-SHA-256 (RFC 5869).

use hkdf::Hkdf;
use rcgen::{KeyPair, SignatureAlgorithm};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::Sha256;

use super::super::PkiError;
use super::super::error::failed;
use crate::scenario::KeyAlgorithm;

/// The orders of the curves' groups (SEC 2 sections 2.4.2 and 2.5.1); private keys are below.
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
    0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
const P384_ORDER: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];

/// DER of the `AlgorithmIdentifier` of each kind of key (RFC 5480 section 2.1.1, RFC 8410 section 3).
const P256: &[u8] = &[
    0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1,
    7,
];
const P384: &[u8] = &[
    0x30, 0x10, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x22,
];
const ED25519: &[u8] = &[0x30, 5, 6, 3, 0x2b, 0x65, 0x70];

const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 4;

/// What everything of one seed is derived from.
#[derive(Clone)]
pub(super) struct Deriver(Hkdf<Sha256>);

impl std::fmt::Debug for Deriver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Deriver")
    }
}

impl Deriver {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Hkdf::new(Some(b"shakedown fleet 1"), &seed.to_be_bytes()))
    }

    /// `N` bytes for one purpose.
    pub(crate) fn bytes<const N: usize>(&self, purpose: &str, index: u32) -> [u8; N] {
        let mut bytes = [0; N];
        // Fails for more than 255 hashes, and N is at most two.
        let parts = [purpose.as_bytes(), &index.to_be_bytes()];
        let _ = self.0.expand_multi_info(&parts, &mut bytes);
        bytes
    }

    /// The key pair of an identity, and its private key as PKCS#8.
    pub(crate) fn key(
        &self,
        algorithm: KeyAlgorithm,
        what: &str,
        index: u32,
    ) -> Result<(KeyPair, PrivateKeyDer<'static>), PkiError> {
        match algorithm {
            KeyAlgorithm::EcdsaP384 => {
                let scalar = self.scalar(what, index, &P384_ORDER);
                ec_key(&rcgen::PKCS_ECDSA_P384_SHA384, P384, &scalar, what)
            }
            KeyAlgorithm::Ed25519 => {
                let seed = der(OCTET_STRING, &[&self.bytes::<32>(what, index)]);
                let pkcs8 = der(
                    SEQUENCE,
                    &[&[2, 1, 0], ED25519, &der(OCTET_STRING, &[&seed])],
                );
                Ok((pair(&rcgen::PKCS_ED25519, &pkcs8, what)?, private(pkcs8)))
            }
            _ => {
                let scalar = self.scalar(what, index, &P256_ORDER);
                ec_key(&rcgen::PKCS_ECDSA_P256_SHA256, P256, &scalar, what)
            }
        }
    }

    /// A private key of a curve: bytes that are above zero and below the order. The first are, but for one in 2³².
    fn scalar<const N: usize>(&self, what: &str, index: u32, order: &[u8; N]) -> [u8; N] {
        let mut scalar = self.bytes::<N>(what, index);
        let mut attempt = 0;
        while scalar >= *order || scalar == [0; N] {
            attempt += 1;
            scalar = self.bytes::<N>(&format!("{what} again {attempt}"), index);
        }
        scalar
    }
}

/// An EC key as PKCS#8 (RFC 5958) around RFC 5915, with its public point, which some providers want.
fn ec_key(
    algorithm: &'static SignatureAlgorithm,
    identifier: &[u8],
    scalar: &[u8],
    what: &str,
) -> Result<(KeyPair, PrivateKeyDer<'static>), PkiError> {
    let pkcs8 = |public: &[u8]| {
        let scalar = der(OCTET_STRING, &[scalar]);
        let key = der(SEQUENCE, &[&[2, 1, 1], &scalar, public]);
        der(
            SEQUENCE,
            &[&[2, 1, 0], identifier, &der(OCTET_STRING, &[&key])],
        )
    };
    let pair = pair(algorithm, &pkcs8(&[]), what)?;
    let point = der(3, &[&[0], pair.public_key_raw()]);
    Ok((pair, private(pkcs8(&der(0xa1, &[&point])))))
}

fn pair(
    algorithm: &'static SignatureAlgorithm,
    pkcs8: &[u8],
    what: &str,
) -> Result<KeyPair, PkiError> {
    KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(pkcs8), algorithm)
        .map_err(failed(what))
}

fn private(pkcs8: Vec<u8>) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(pkcs8).into()
}

/// An element of less than 256 bytes (X.690 section 8.1.3).
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut element = vec![tag];
    let length = u8::try_from(body.len()).unwrap_or(u8::MAX);
    if length > 127 {
        element.push(0x81);
    }
    element.push(length);
    element.extend(body);
    element
}

#[cfg(test)]
mod tests {
    use rcgen::PublicKeyData;

    use super::*;

    #[test]
    fn a_key_is_the_same_each_time_and_another_for_each_index_and_seed() {
        for algorithm in [
            KeyAlgorithm::EcdsaP256,
            KeyAlgorithm::EcdsaP384,
            KeyAlgorithm::Ed25519,
        ] {
            let key = |seed, index| {
                let (pair, _) = Deriver::new(seed).key(algorithm, "key", index).unwrap();
                pair.subject_public_key_info()
            };
            assert_eq!(key(7, 3), key(7, 3), "{algorithm}");
            assert_ne!(key(7, 3), key(7, 4), "{algorithm}");
            assert_ne!(key(7, 3), key(8, 3), "{algorithm}");
        }
    }

    #[test]
    fn derivation_never_changes() {
        // Shards of different builds have to agree.
        let bytes: [u8; 4] = Deriver::new(1).bytes("key", 0);
        assert_eq!(bytes, Deriver::new(1).bytes::<32>("key", 0)[..4]);
        assert_eq!(bytes, [0x77, 0x70, 0x3b, 0xfa]);
    }

    #[test]
    fn a_scalar_is_never_above_the_order() {
        let deriver = Deriver::new(1);
        let first = deriver.bytes::<1>("x", 0);
        assert_ne!(deriver.scalar("x", 0, &first), first);
        assert!(deriver.scalar("x", 0, &first) < first);
    }
}

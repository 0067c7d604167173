//! Generates and encodes keys of each algorithm.

use rcgen::{KeyPair, RsaKeySize};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::PkiError;
use super::error::failed;
use crate::scenario::KeyAlgorithm;

/// Generates a fresh key pair. RSA takes tens to hundreds of milliseconds, the others microseconds.
pub(super) fn key_pair(algorithm: KeyAlgorithm) -> Result<KeyPair, rcgen::Error> {
    match algorithm {
        KeyAlgorithm::EcdsaP256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        KeyAlgorithm::EcdsaP384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        KeyAlgorithm::Rsa2048 => {
            KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048)
        }
        KeyAlgorithm::Rsa3072 => {
            KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_3072)
        }
        KeyAlgorithm::Ed25519 => KeyPair::generate_for(&rcgen::PKCS_ED25519),
        KeyAlgorithm::MlDsa44 => KeyPair::generate_for(&rcgen::PKCS_ML_DSA_44),
        KeyAlgorithm::MlDsa65 => KeyPair::generate_for(&rcgen::PKCS_ML_DSA_65),
        KeyAlgorithm::MlDsa87 => KeyPair::generate_for(&rcgen::PKCS_ML_DSA_87),
    }
}

/// A fresh private key, to test a provider's support of its kind.
///
/// # Errors
///
/// Fails if the crypto library does.
pub fn throw_away_key(algorithm: KeyAlgorithm) -> Result<PrivateKeyDer<'static>, PkiError> {
    key_pair(algorithm)
        .map(|pair| pkcs8_v1(&pair))
        .map_err(failed("throw-away key"))
}

/// The private key of a generated pair as PKCS#8 version 1.
///
/// aws-lc-rs encodes Ed25519 as version 2 (RFC 5958), which OpenSSL 3.0 cannot read.
pub(super) fn pkcs8_v1(pair: &KeyPair) -> PrivateKeyDer<'static> {
    // After the outer header: version 1, the Ed25519 AlgorithmIdentifier, and the 32-byte seed in two
    // octet strings.
    const V2_HEAD: [u8; 14] = [2, 1, 1, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    const SEED_LEN: usize = 32;

    let der = pair.serialized_der();
    let seed = der
        .get(2..)
        .and_then(|body| body.strip_prefix(&V2_HEAD))
        .and_then(|rest| rest.get(..SEED_LEN));
    let v1 = match seed {
        Some(seed) => {
            let mut v1 = vec![0x30, 0x2e, 2, 1, 0];
            v1.extend_from_slice(&V2_HEAD[3..]);
            v1.extend_from_slice(seed);
            v1
        }
        None => der.to_vec(),
    };
    PrivatePkcs8KeyDer::from(v1).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_private_key_is_pkcs8_version_1() {
        for algorithm in [
            KeyAlgorithm::EcdsaP256,
            KeyAlgorithm::EcdsaP384,
            KeyAlgorithm::Ed25519,
            KeyAlgorithm::MlDsa65,
        ] {
            let der = pkcs8_v1(&key_pair(algorithm).unwrap());
            let der = der.secret_der();
            let version = der.windows(3).position(|w| w == [2, 1, 0]);
            assert!(matches!(version, Some(2..=4)), "{algorithm}");
        }
        let ed = key_pair(KeyAlgorithm::Ed25519).unwrap();
        assert_eq!(
            ed.serialized_der()[4],
            1,
            "aws-lc-rs writes version 1 now: drop the conversion"
        );
        assert_eq!(pkcs8_v1(&ed).secret_der().len(), 48);
    }
}

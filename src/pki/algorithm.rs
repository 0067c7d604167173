//! The key algorithms that shakedown mints, under the labels users type and results carry.

use std::fmt;
use std::str::FromStr;

use rcgen::{KeyPair, RsaKeySize};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PkiError;
use crate::text::escape_untrusted;

/// A kind of key pair, for a certificate authority or for a leaf.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum KeyAlgorithm {
    /// ECDSA on NIST P-256, signing with SHA-256.
    #[serde(rename = "p256")]
    EcdsaP256,
    /// ECDSA on NIST P-384, signing with SHA-384.
    #[serde(rename = "p384")]
    EcdsaP384,
    /// RSA with a modulus of 2048 bits; certificates are signed with PKCS#1 v1.5 and SHA-256.
    #[serde(rename = "rsa2048")]
    Rsa2048,
    /// RSA with a modulus of 3072 bits; certificates are signed with PKCS#1 v1.5 and SHA-256.
    #[serde(rename = "rsa3072")]
    Rsa3072,
    /// Ed25519.
    #[serde(rename = "ed25519")]
    Ed25519,
}

impl KeyAlgorithm {
    /// Every algorithm, in the order of their labels' usual listing.
    pub const ALL: [Self; 5] = [
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Ed25519,
    ];

    /// The stable label: what is parsed, displayed and serialised.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "p256",
            Self::EcdsaP384 => "p384",
            Self::Rsa2048 => "rsa2048",
            Self::Rsa3072 => "rsa3072",
            Self::Ed25519 => "ed25519",
        }
    }

    /// The labels of all algorithms, for messages.
    pub(super) fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    /// Generates a fresh key pair. RSA takes tens to hundreds of milliseconds, the others microseconds.
    pub(super) fn generate(self) -> Result<KeyPair, rcgen::Error> {
        match self {
            Self::EcdsaP256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
            Self::EcdsaP384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
            Self::Rsa2048 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048),
            Self::Rsa3072 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_3072),
            Self::Ed25519 => KeyPair::generate_for(&rcgen::PKCS_ED25519),
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for KeyAlgorithm {
    type Err = PkiError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == s)
            .ok_or_else(|| PkiError::UnknownKeyAlgorithm {
                given: escape_untrusted(s, 64),
            })
    }
}

/// The private key of a generated pair as PKCS#8 version 1.
///
/// aws-lc-rs serialises Ed25519 as version 2 (RFC 5958, with the public key appended), which OpenSSL 3.0
/// refuses to read. Version 1 (RFC 8410) holds the seed alone and is read everywhere.
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
    fn labels_agree_in_display_parse_and_serde() {
        for algorithm in KeyAlgorithm::ALL {
            let label = algorithm.to_string();
            assert_eq!(label.parse::<KeyAlgorithm>().unwrap(), algorithm);
            assert_eq!(
                serde_json::to_string(&algorithm).unwrap(),
                format!("\"{label}\"")
            );
        }
        let schema = serde_json::to_string(&schemars::schema_for!(KeyAlgorithm)).unwrap();
        for algorithm in KeyAlgorithm::ALL {
            assert!(schema.contains(&format!("\"{algorithm}\"")), "{schema}");
        }
    }

    #[test]
    fn an_unknown_label_lists_the_valid_ones() {
        let error = "P256\u{1b}"
            .parse::<KeyAlgorithm>()
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "unknown key algorithm \"P256\\u{1b}\"; use one of p256, p384, rsa2048, rsa3072, ed25519"
        );
    }

    #[test]
    fn every_private_key_is_pkcs8_version_1() {
        for algorithm in [
            KeyAlgorithm::EcdsaP256,
            KeyAlgorithm::EcdsaP384,
            KeyAlgorithm::Ed25519,
        ] {
            let der = pkcs8_v1(&algorithm.generate().unwrap());
            let der = der.secret_der();
            let version = der.windows(3).position(|w| w == [2, 1, 0]);
            assert!(matches!(version, Some(2 | 3)), "{algorithm}");
        }
        let ed = KeyAlgorithm::Ed25519.generate().unwrap();
        assert_eq!(
            ed.serialized_der()[4],
            1,
            "aws-lc-rs writes version 1 now: drop the conversion"
        );
        assert_eq!(pkcs8_v1(&ed).secret_der().len(), 48);
    }
}

//! The key algorithms of certificates, by the labels that users type and results carry. How keys of
//! each are made is in `pki`; here are only the words.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::TlsVersion;
use crate::text::{escape_untrusted, labelled};

labelled! {
    serde
    /// A kind of key pair, for a certificate authority or for a leaf.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum KeyAlgorithm {
        /// ECDSA on NIST P-256, signing with SHA-256.
        EcdsaP256 = "p256",
        /// ECDSA on NIST P-384, signing with SHA-384.
        EcdsaP384 = "p384",
        /// RSA with a modulus of 2048 bits; certificates are signed with PKCS#1 v1.5 and SHA-256.
        Rsa2048 = "rsa2048",
        /// RSA with a modulus of 3072 bits; certificates are signed with PKCS#1 v1.5 and SHA-256.
        Rsa3072 = "rsa3072",
        /// Ed25519.
        Ed25519 = "ed25519",
        /// ML-DSA-44 (FIPS 204), which is post-quantum; TLS 1.3 only.
        MlDsa44 = "mldsa44",
        /// ML-DSA-65 (FIPS 204), which is post-quantum; TLS 1.3 only.
        MlDsa65 = "mldsa65",
        /// ML-DSA-87 (FIPS 204), which is post-quantum; TLS 1.3 only.
        MlDsa87 = "mldsa87",
    }
}

/// A label that no key algorithm has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown key algorithm \"{given}\"; use one of {}",
    KeyAlgorithm::names()
)]
pub struct UnknownKey {
    /// As written, escaped.
    given: String,
}

impl KeyAlgorithm {
    /// Whether its private keys are drawn from bytes directly, so that a seed can stand for them.
    pub(crate) const fn is_derivable(self) -> bool {
        matches!(self, Self::EcdsaP256 | Self::EcdsaP384 | Self::Ed25519)
    }

    /// The scheme that its handshake signatures are pinned to, by its IANA name. RSA keys have several;
    /// the one that every implementation has to have is taken (RFC 8446 section 9.1).
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa_secp256r1_sha256",
            Self::EcdsaP384 => "ecdsa_secp384r1_sha384",
            Self::Rsa2048 | Self::Rsa3072 => "rsa_pss_rsae_sha256",
            Self::Ed25519 => "ed25519",
            Self::MlDsa44 => "mldsa44",
            Self::MlDsa65 => "mldsa65",
            Self::MlDsa87 => "mldsa87",
        }
    }

    /// The scheme that certificates are signed with by an authority that has such a key.
    pub(crate) const fn certificate_scheme(self) -> &'static str {
        match self {
            Self::Rsa2048 | Self::Rsa3072 => "rsa_pkcs1_sha256",
            other => other.scheme(),
        }
    }

    /// Whether a version of TLS has signatures with it: ML-DSA is defined for TLS 1.3 only.
    pub(crate) const fn fits(self, version: TlsVersion) -> bool {
        match self {
            Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => matches!(version, TlsVersion::Tls13),
            _ => true,
        }
    }

    /// The labels of all algorithms, for messages.
    pub(crate) fn names() -> String {
        Self::ALL.map(Self::label).join(", ")
    }
}

impl FromStr for KeyAlgorithm {
    type Err = UnknownKey;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::named(s).ok_or_else(|| UnknownKey {
            given: escape_untrusted(s, 64),
        })
    }
}

/// The key algorithms of both ends, each with an authority of its own kind: `p256` for both, or
/// `rsa2048+p256` for server and client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndKeys {
    /// The server's.
    pub server: KeyAlgorithm,
    /// The client's.
    pub client: KeyAlgorithm,
}

impl EndKeys {
    /// The same for both ends.
    pub(crate) const fn both(key: KeyAlgorithm) -> Self {
        Self {
            server: key,
            client: key,
        }
    }
}

impl Default for EndKeys {
    fn default() -> Self {
        Self::both(KeyAlgorithm::EcdsaP256)
    }
}

impl fmt::Display for EndKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.server == self.client {
            self.server.fmt(f)
        } else {
            f.pad(&format!("{}+{}", self.server, self.client))
        }
    }
}

impl FromStr for EndKeys {
    type Err = UnknownKey;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let (server, client) = s.split_once('+').unwrap_or((s, s));
        Ok(Self {
            server: server.parse()?,
            client: client.parse()?,
        })
    }
}

impl Serialize for EndKeys {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EndKeys {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for EndKeys {
    fn schema_name() -> Cow<'static, str> {
        "EndKeys".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = KeyAlgorithm::ALL.map(KeyAlgorithm::label).join("|");
        json_schema!({
            "description": "Key algorithms of both ends, or of server and client.",
            "type": "string",
            "pattern": format!("^({one})(\\+({one}))?$"),
        })
    }
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
            "unknown key algorithm \"P256\\u{1b}\"; use one of p256, p384, rsa2048, rsa3072, ed25519, \
             mldsa44, mldsa65, mldsa87"
        );
    }

    #[test]
    fn keys_of_both_ends_are_one_label_or_two() {
        let both: EndKeys = "ed25519".parse().unwrap();
        assert_eq!(both, EndKeys::both(KeyAlgorithm::Ed25519));
        let apart: EndKeys = serde_json::from_str("\"rsa2048+p256\"").unwrap();
        assert_eq!(apart.server, KeyAlgorithm::Rsa2048);
        assert_eq!(apart.client, KeyAlgorithm::EcdsaP256);
        for keys in [both, apart] {
            assert_eq!(keys.to_string().parse::<EndKeys>().unwrap(), keys);
        }
        assert!("rsa2048+".parse::<EndKeys>().is_err());
        assert_eq!(
            "p256+p256".parse::<EndKeys>().unwrap().to_string(),
            "p256",
            "what is the same is one label"
        );
    }
}

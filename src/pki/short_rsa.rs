//! RSA keys too short for the provider, for peers to reject. They protect nothing, so weaknesses of 1024 bits or of this
//! code's timing do not matter.

use std::fmt;

use getrandom::SysRng;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use rsa::sha2::Sha256;
use rsa::traits::PublicKeyParts;
use rsa::{PrivateKey, PublicKey};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::PkiError;

/// The modulus of generated keys, in bits.
const BITS: usize = 1024;

/// The shortest modulus that the provider signs with, in bits.
const PROVIDER_BITS: u32 = 2048;

/// An RSA private key with a modulus of 1024 to 2047 bits.
#[derive(Clone)]
pub struct ShortRsa {
    key: PrivateKey,
    spki: Vec<u8>,
}

impl ShortRsa {
    /// Generates a key of 1024 bits. Takes some tens of milliseconds.
    pub(super) fn generate() -> Result<Self, PkiError> {
        let key = PrivateKey::new(&mut SysRng, BITS).map_err(failed)?;
        Self::new(key).ok_or_else(|| failed("its public key cannot be encoded"))
    }

    /// `None` for keys that the provider does not refuse as too short.
    pub fn load(key: &PrivateKeyDer<'_>) -> Option<Self> {
        let key = match key {
            PrivateKeyDer::Pkcs8(der) => PrivateKey::from_pkcs8_der(der.secret_pkcs8_der()).ok(),
            PrivateKeyDer::Pkcs1(der) => PrivateKey::from_pkcs1_der(der.secret_pkcs1_der()).ok(),
            _ => None,
        };
        Self::new(key?)
    }

    fn new(key: PrivateKey) -> Option<Self> {
        if key.n().bit_width() >= PROVIDER_BITS {
            return None;
        }
        let spki = key.to_public_key().to_public_key_der().ok()?.into_vec();
        Some(Self { key, spki })
    }

    /// The public key as a DER `SubjectPublicKeyInfo`.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// The private key as PKCS#8 version 1.
    pub(super) fn pkcs8(&self) -> Result<PrivateKeyDer<'static>, PkiError> {
        let der = self.key.to_pkcs8_der().map_err(failed)?;
        Ok(PrivatePkcs8KeyDer::from(der.as_bytes().to_vec()).into())
    }

    /// Signs with RSASSA-PSS and SHA-256, the salt as long as the hash (RFC 8446 section 4.2.3).
    ///
    /// # Errors
    ///
    /// Fails with a clause that says why, if the system gives no random bytes or the key is damaged.
    pub fn sign_pss_sha256(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let signature = self.key.pss_sign::<Sha256>(message);
        signature.map_err(|error| error.to_string())
    }

    /// Signs with RSASSA-PKCS1-v1_5 and SHA-256, for TLS 1.2.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::sign_pss_sha256`] does.
    pub fn sign_pkcs1_sha256(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let signature = self.key.pkcs1v15_sign::<Sha256>(message);
        signature.map_err(|error| error.to_string())
    }
}

/// Verifies a signature with RSASSA-PSS and SHA-256 without a provider; `None` for keys that cannot be read here.
pub(crate) fn rsa_verifies_pss_sha256(
    spki_der: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Option<bool> {
    let key = PublicKey::from_public_key_der(spki_der).ok()?;
    Some(key.pss_verify::<Sha256>(message, signature).is_ok())
}

impl fmt::Debug for ShortRsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShortRsa")
            .field("bits", &self.key.n().bit_width())
            .finish_non_exhaustive()
    }
}

fn failed(cause: impl fmt::Display) -> PkiError {
    PkiError::Mint {
        what: "RSA key of 1024 bits".into(),
        cause: cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::KeyAlgorithm;
    use crate::pki::algorithm::{key_pair, pkcs8_v1};

    #[test]
    fn a_short_key_survives_its_encoding_and_stays_secret() {
        let key = ShortRsa::generate().unwrap();
        let again = ShortRsa::load(&key.pkcs8().unwrap()).unwrap();
        assert_eq!(again.spki_der(), key.spki_der());
        assert_eq!(format!("{again:?}"), "ShortRsa { bits: 1024, .. }");
        let signature = key.sign_pss_sha256(b"x").unwrap();
        assert_eq!(signature.len(), BITS / 8);
        let verified = |message| rsa_verifies_pss_sha256(key.spki_der(), message, &signature);
        assert_eq!((verified(b"x"), verified(b"y")), (Some(true), Some(false)));
        assert_eq!(key.sign_pkcs1_sha256(b"x").unwrap().len(), BITS / 8);
    }

    #[test]
    fn keys_that_the_provider_can_use_are_left_to_it() {
        for algorithm in [KeyAlgorithm::Rsa2048, KeyAlgorithm::EcdsaP256] {
            let key = pkcs8_v1(&key_pair(algorithm).unwrap());
            assert!(ShortRsa::load(&key).is_none(), "{algorithm}");
        }
    }
}

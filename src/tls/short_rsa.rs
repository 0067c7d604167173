//! Signs handshakes with RSA keys that the provider refuses as too short, to test that peers reject them. Slower than
//! the provider's own keys, so not for measurements.

use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

use crate::pki::ShortRsa;

/// In order of preference. A PSS signature with SHA-512 does not fit 1024 bits.
const SCHEMES: [SignatureScheme; 2] = [
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PKCS1_SHA256,
];

/// `None` for keys that the provider does not refuse as too short.
pub(super) fn signing_key(key: &PrivateKeyDer<'_>) -> Option<Arc<dyn SigningKey>> {
    let key = ShortRsa::load(key)?;
    Some(Arc::new(ShortRsaKey(Arc::new(key))))
}

#[derive(Debug)]
struct ShortRsaKey(Arc<ShortRsa>);

impl SigningKey for ShortRsaKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = SCHEMES.into_iter().find(|s| offered.contains(s))?;
        let key = Arc::clone(&self.0);
        Some(Box::new(ShortRsaSigner { key, scheme }))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(self.0.spki_der().into())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }
}

#[derive(Debug)]
struct ShortRsaSigner {
    key: Arc<ShortRsa>,
    scheme: SignatureScheme,
}

impl Signer for ShortRsaSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature = match self.scheme {
            SignatureScheme::RSA_PKCS1_SHA256 => self.key.sign_pkcs1_sha256(message),
            _ => self.key.sign_pss_sha256(message),
        };
        signature.map_err(|cause| Error::General(format!("signing with a short RSA key: {cause}")))
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

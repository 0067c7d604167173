//! Meters signing and verifying by algorithm, chains apart from handshakes.

use std::sync::Arc;

use rustls::crypto::KeyProvider;
use rustls::pki_types::{
    AlgorithmIdentifier, FipsStatus, InvalidSignature, PrivateKeyDer,
    SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, alg_id,
};
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

use super::crypto;
use crate::crypto::names::known_scheme;
use crate::stats::CryptoOp;

/// A provider of keys that are metered.
#[derive(Debug)]
pub(super) struct Keys(pub &'static dyn KeyProvider);

impl KeyProvider for Keys {
    fn load_private_key(
        &self,
        key_der: PrivateKeyDer<'static>,
    ) -> Result<Arc<dyn SigningKey>, Error> {
        let inner = self.0.load_private_key(key_der)?;
        Ok(Arc::new(Key(inner)))
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

#[derive(Debug)]
struct Key(Arc<dyn SigningKey>);

impl SigningKey for Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let inner = self.0.choose_scheme(offered)?;
        let scheme = scheme_label(inner.scheme());
        Some(Box::new(Signing { inner, scheme }))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        self.0.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}

#[derive(Debug)]
struct Signing {
    inner: Box<dyn Signer>,
    scheme: &'static str,
}

impl Signer for Signing {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let _span = crypto(CryptoOp::Sign, Some(self.scheme));
        self.inner.sign(message)
    }

    fn scheme(&self) -> SignatureScheme {
        self.inner.scheme()
    }
}

/// A verification algorithm whose use is metered as `op`.
#[derive(Debug)]
pub(super) struct Verification {
    inner: &'static dyn SignatureVerificationAlgorithm,
    op: CryptoOp,
    name: &'static str,
}

impl Verification {
    pub(crate) fn new(inner: &'static dyn SignatureVerificationAlgorithm, op: CryptoOp) -> Self {
        let name = algorithm_name(&inner.public_key_alg_id(), &inner.signature_alg_id());
        let name = name.leak();
        Self { inner, op, name }
    }
}

impl SignatureVerificationAlgorithm for Verification {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let _span = crypto(self.op, Some(self.name));
        self.inner.verify_signature(public_key, message, signature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.signature_alg_id()
    }

    fn fips_status(&self) -> FipsStatus {
        self.inner.fips_status()
    }

    fn fips(&self) -> bool {
        self.inner.fips()
    }
}

fn scheme_label(scheme: SignatureScheme) -> &'static str {
    known_scheme(scheme.into()).unwrap_or("other")
}

/// Names a verification algorithm by its TLS 1.3 signature scheme, if it has one, as signing does.
fn algorithm_name(key: &AlgorithmIdentifier, signature: &AlgorithmIdentifier) -> String {
    const ALONE: [(AlgorithmIdentifier, &str); 11] = [
        (alg_id::ED25519, "ed25519"),
        (alg_id::ED448, "ed448"),
        (alg_id::ML_DSA_44, "mldsa44"),
        (alg_id::ML_DSA_65, "mldsa65"),
        (alg_id::ML_DSA_87, "mldsa87"),
        (alg_id::RSA_PKCS1_SHA256, "rsa_pkcs1_sha256"),
        (alg_id::RSA_PKCS1_SHA384, "rsa_pkcs1_sha384"),
        (alg_id::RSA_PKCS1_SHA512, "rsa_pkcs1_sha512"),
        (alg_id::RSA_PSS_SHA256, "rsa_pss_rsae_sha256"),
        (alg_id::RSA_PSS_SHA384, "rsa_pss_rsae_sha384"),
        (alg_id::RSA_PSS_SHA512, "rsa_pss_rsae_sha512"),
    ];
    const CURVES: [(AlgorithmIdentifier, &str); 3] = [
        (alg_id::ECDSA_P256, "ecdsa_secp256r1"),
        (alg_id::ECDSA_P384, "ecdsa_secp384r1"),
        (alg_id::ECDSA_P521, "ecdsa_secp521r1"),
    ];
    const HASHES: [(AlgorithmIdentifier, &str); 3] = [
        (alg_id::ECDSA_SHA256, "sha256"),
        (alg_id::ECDSA_SHA384, "sha384"),
        (alg_id::ECDSA_SHA512, "sha512"),
    ];
    let named = |names: &[(AlgorithmIdentifier, &'static str)], id: &AlgorithmIdentifier| {
        names
            .iter()
            .find(|(known, _)| known == id)
            .map(|(_, name)| *name)
    };
    match (named(&CURVES, key), named(&HASHES, signature)) {
        (Some(curve), Some(hash)) => format!("{curve}_{hash}"),
        _ => named(&ALONE, signature).unwrap_or("other").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifying_is_called_as_signing_is() {
        let of = scheme_label;
        assert_eq!(
            of(SignatureScheme::ECDSA_NISTP256_SHA256),
            algorithm_name(&alg_id::ECDSA_P256, &alg_id::ECDSA_SHA256)
        );
        assert_eq!(
            of(SignatureScheme::RSA_PSS_SHA256),
            algorithm_name(&alg_id::RSA_ENCRYPTION, &alg_id::RSA_PSS_SHA256)
        );
        assert_eq!(
            of(SignatureScheme::ED25519),
            algorithm_name(&alg_id::ED25519, &alg_id::ED25519)
        );
        assert_eq!(
            algorithm_name(&alg_id::ECDSA_P256K1, &alg_id::ECDSA_SHA256),
            "other"
        );
    }
}

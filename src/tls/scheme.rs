//! Pins the scheme of our RSA signatures: providers prefer different ones, which would make them incomparable.
//! Other kinds of key have only one scheme.

use std::sync::Arc;

use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::sign::{Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};

/// Every TLS 1.3 peer must accept it (RFC 8446 section 9.1).
const RSA: SignatureScheme = SignatureScheme::RSA_PSS_SHA256;

/// Makes an RSA key sign with [`RSA`] where the peer accepts it.
pub(super) fn one_scheme(key: Arc<dyn SigningKey>) -> Arc<dyn SigningKey> {
    if key.algorithm() == SignatureAlgorithm::RSA {
        Arc::new(OneScheme(key))
    } else {
        key
    }
}

#[derive(Debug)]
struct OneScheme(Arc<dyn SigningKey>);

impl SigningKey for OneScheme {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let pinned = offered.contains(&RSA).then(|| self.0.choose_scheme(&[RSA]));
        pinned.flatten().or_else(|| self.0.choose_scheme(offered))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        self.0.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::provider;
    use crate::pki::{KeyAlgorithm, Pki, PkiSpec};
    use crate::scenario::ProviderName;

    #[test]
    fn rsa_signs_with_one_scheme_where_the_peer_takes_it_and_else_as_it_can() {
        let spec = PkiSpec {
            server_key: KeyAlgorithm::Rsa2048,
            ..PkiSpec::default()
        };
        let pki = Pki::mint(&spec).unwrap();
        let keys = provider(ProviderName::default()).unwrap().key_provider;
        let load = |identity: &crate::pki::Identity| {
            one_scheme({
                let key = identity.key.der().unwrap().clone_key();
                keys.load_private_key(key).unwrap()
            })
        };
        let key = load(pki.server());
        let chosen = |offered: &[SignatureScheme]| Some(key.choose_scheme(offered)?.scheme());
        let both = [SignatureScheme::RSA_PSS_SHA512, RSA];
        assert_eq!(chosen(&both), Some(RSA));
        assert_eq!(chosen(&both[..1]), Some(both[0]));
        assert_eq!(chosen(&[SignatureScheme::ED25519]), None);
        let p256 = load(&pki.clients()[0]);
        assert!(p256.choose_scheme(&both).is_none());
    }
}

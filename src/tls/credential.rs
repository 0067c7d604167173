//! Tries our key with the provider before its first use, so that a key the provider cannot sign with does not look
//! like a fault of the server.

use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::crypto::CryptoProvider;
use rustls::sign::{CertifiedKey, SigningKey};

use super::scheme::one_scheme;
use super::{TlsConfigError, short_rsa};
use crate::crypto;
use crate::pki::{CertInspect, Identity, Key, KeyHeld, Spki, rsa_verifies_pss_sha256, same_key};
use crate::scenario::ProviderName;

const SCHEMES: [SignatureScheme; 14] = [
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::ED448,
    SignatureScheme::ML_DSA_44,
    SignatureScheme::ML_DSA_65,
    SignatureScheme::ML_DSA_87,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];

const MESSAGE: &[u8] = b"shakedown tries a key before it is used";

/// How often an RSA key whose modulus is not whole bytes is tried: PSS is salted, and a provider that pads such keys
/// wrongly fails only with some salts.
const ODD_TRIES: usize = 32;

/// Why a provider cannot use a key.
#[derive(Debug, Clone, Copy)]
enum Unusable {
    Load,
    Sign,
    Verify,
    Mismatch,
}

/// An identity's chain and its key, with which the provider has signed.
pub(super) fn certified(
    identity: &Identity,
    provider: &CryptoProvider,
    name: ProviderName,
) -> Result<Arc<CertifiedKey>, TlsConfigError> {
    match signing_key(identity, provider) {
        Ok(key) => {
            let chain = identity.chain.clone();
            Ok(Arc::new(CertifiedKey::new(chain, one_scheme(key))))
        }
        Err(why) => Err(TlsConfigError::BadKey {
            name: identity.name.clone(),
            reason: reason(identity, name, why),
        }),
    }
}

/// An identity's chain and its key, which is known to be the chain's and has not been tried.
pub(super) fn loaded(
    identity: &Identity,
    provider: &CryptoProvider,
    name: ProviderName,
) -> Result<Arc<CertifiedKey>, TlsConfigError> {
    let key = identity.key.der();
    match key.map(|key| provider.key_provider.load_private_key(key.clone_key())) {
        Some(Ok(key)) => {
            let chain = identity.chain.clone();
            Ok(Arc::new(CertifiedKey::new(chain, one_scheme(key))))
        }
        _ => certified(identity, provider, name),
    }
}

fn signing_key(
    identity: &Identity,
    provider: &CryptoProvider,
) -> Result<Arc<dyn SigningKey>, Unusable> {
    let der = match &identity.key {
        Key::Der(der) => der,
        // It was tried when it was opened; no provider has a part in it.
        Key::Token(key) => return Ok(Arc::clone(key)),
    };
    let key = match provider.key_provider.load_private_key(der.clone_key()) {
        Ok(key) => key,
        Err(_) => short_rsa::signing_key(der).ok_or(Unusable::Load)?,
    };
    let leaf = identity.chain.first().and_then(CertInspect::parse);
    let leaf = leaf.as_ref().map(CertInspect::spki_der);
    let own = key.public_key();
    // Providers can read the key's own encoding, but not always the certificate's.
    let spki = match (own.as_deref(), leaf) {
        (Some(own), Some(leaf)) if !same_key(own, leaf) => return Err(Unusable::Mismatch),
        (Some(own), _) => own,
        (None, Some(leaf)) => leaf,
        (None, None) => return Ok(key),
    };
    let signer = one_scheme(Arc::clone(&key))
        .choose_scheme(&SCHEMES)
        .ok_or(Unusable::Sign)?;
    let held = KeyHeld::parse(der);
    let odd = held.is_some_and(|held| held.has_modulus_of_odd_length());
    for _ in 0..if odd { ODD_TRIES } else { 1 } {
        let signature = signer.sign(MESSAGE).map_err(|_| Unusable::Sign)?;
        if !verifies(provider, signer.scheme(), spki, &signature) {
            return Err(Unusable::Verify);
        }
    }
    Ok(key)
}

/// Verifies a signature over [`MESSAGE`] with AWS-LC, which every build has; RSA keys that it refuses, by plain
/// arithmetic; all others, with the provider itself. Passes if none of them can tell.
fn verifies(
    provider: &CryptoProvider,
    scheme: SignatureScheme,
    spki_der: &[u8],
    signature: &[u8],
) -> bool {
    let reference = rustls::crypto::aws_lc_rs::default_provider();
    let by_reference = asked(&reference, scheme, spki_der, signature);
    if by_reference == Some(true) {
        return true;
    }
    if scheme == SignatureScheme::RSA_PSS_SHA256
        && let Some(right) = rsa_verifies_pss_sha256(spki_der, MESSAGE, signature)
    {
        return right;
    }
    let by_itself = asked(provider, scheme, spki_der, signature);
    by_itself.or(by_reference).unwrap_or(true)
}

/// Verifies a signature; `None` where the provider has no algorithm for such keys.
fn asked(
    provider: &CryptoProvider,
    scheme: SignatureScheme,
    spki_der: &[u8],
    signature: &[u8],
) -> Option<bool> {
    let spki = Spki::parse(spki_der)?;
    let mapping = provider.signature_verification_algorithms.mapping.iter();
    let mut algorithms = mapping
        .filter(|(known, _)| *known == scheme)
        .flat_map(|(_, algorithms)| algorithms.iter())
        .filter(|algorithm| algorithm.public_key_alg_id().as_ref() == spki.algorithm)
        .peekable();
    algorithms.peek()?;
    Some(algorithms.any(|algorithm| {
        algorithm
            .verify_signature(spki.key, MESSAGE, signature)
            .is_ok()
    }))
}

/// The kind of key, what the provider cannot do with it, and remedies.
fn reason(identity: &Identity, name: ProviderName, why: Unusable) -> String {
    if matches!(why, Unusable::Mismatch) {
        return "it is not the key of the certificate; give the pair that was issued together"
            .to_owned();
    }
    let held = identity.key.der().and_then(KeyHeld::parse);
    let words = held
        .as_ref()
        .map_or_else(|| "of an unknown kind".to_owned(), KeyHeld::words);
    let cannot = match why {
        Unusable::Load => format!("which {name} does not load"),
        Unusable::Sign => format!("with which {name} fails to sign"),
        _ => format!("with which {name} makes signatures that do not verify"),
    };
    let able = crypto::others_that(name, |other| signing_key(identity, other).is_ok());
    let mut ways = Vec::new();
    if !able.is_empty() {
        ways.push(format!("{able} can (--provider)"));
    }
    if let Some(command) = held.as_ref().and_then(KeyHeld::conversion) {
        ways.push(format!("convert it with `{command}`"));
    }
    if ways.is_empty() {
        ways.push(
            "no provider of this build can use it: have a certificate issued for an ECDSA P-256 key"
                .to_owned(),
        );
    }
    format!("it is {words}, {cannot}; {}", ways.join(", or "))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// What a provider makes of the pair in a file.
    fn tried(file: &str, name: ProviderName) -> Result<(), String> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keys");
        let identity = Identity::load(&fixtures.join(format!("{file}.pem")), None);
        let identity = identity.map_err(|error| error.to_string())?;
        let provider = crypto::provider(name).unwrap();
        match certified(&identity, &provider, name) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn keys_of_every_kind_sign_or_say_what_they_are_and_who_can() {
        for file in [
            "compressed",
            "no-public",
            "no-public-pkcs8",
            "rsa2047",
            "rsa2500",
            "p521",
            "rsa-e3",
        ] {
            assert_eq!(tried(file, ProviderName::AwsLcRs), Ok(()), "{file}");
        }
        for (file, words) in [
            (
                "secp256k1",
                "it is EC secp256k1, which aws-lc-rs does not load",
            ),
            (
                "brainpool",
                "it is EC brainpoolP256r1, which aws-lc-rs does not load",
            ),
            ("ed448", "it is Ed448, which aws-lc-rs does not load"),
            (
                "rsa-pss",
                "it is RSA-PSS 2048, which aws-lc-rs does not load",
            ),
        ] {
            let refused = tried(file, ProviderName::AwsLcRs).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
        for (file, words) in [
            (
                "p521",
                "it is EC P-521, which ring does not load; aws-lc-rs",
            ),
            (
                "no-public",
                "it is EC P-256, without its public part, which ring does not load; aws-lc-rs",
            ),
            ("no-public", "convert it with `openssl ec -in KEY "),
        ] {
            let refused = tried(file, ProviderName::Ring).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
        let refused = tried("explicit", ProviderName::AwsLcRs).unwrap_err();
        assert!(refused.contains("spells out its curve"), "{refused}");
    }

    #[test]
    #[cfg(feature = "graviola")]
    fn a_provider_that_signs_wrongly_is_named_before_any_session() {
        for file in ["rsa2047", "rsa2500"] {
            let Err(refused) = tried(file, ProviderName::Graviola) else {
                panic!("{file}");
            };
            assert!(refused.contains("graviola"), "{refused}");
            assert!(refused.contains("aws-lc-rs"), "{refused}");
        }
    }
}

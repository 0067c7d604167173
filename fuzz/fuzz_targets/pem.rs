//! Any bytes as certificate and key files: roots, revocation lists, an identity of one file and of two. What loads
//! must load again to the same; what does not gives an error that names the file.
//!
//! The last byte says where the rest is cut in two: a chain and its key.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use shakedown::pki::{CertFacts, CertInspect, Identity, PkiError, parse_certificates, parse_crls};

fuzz_target!(|bytes: &[u8]| {
    roots(bytes);
    crls(bytes);
    let cert = Path::new("fuzz.crt");
    identity(&Identity::parse((cert, bytes), None));
    if let Some((share, rest)) = bytes.split_last() {
        let (chain, key) = rest.split_at(rest.len() * usize::from(*share) / 256);
        let key = (Path::new("fuzz.key"), key);
        identity(&Identity::parse((cert, chain), Some(key)));
    }
});

fn roots(bytes: &[u8]) {
    let path = Path::new("fuzz.pem");
    match parse_certificates(path, bytes) {
        Ok(roots) => {
            assert!(!roots.is_empty(), "no certificate and no error");
            for root in &roots {
                assert!(CertInspect::parse(root).is_some(), "it parsed before");
                match CertFacts::parse(root) {
                    Ok(_) => {
                        let again =
                            parse_certificates(path, root).expect("one of a file loads alone");
                        assert_eq!(again.as_slice(), std::slice::from_ref(root));
                    }
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
            }
        }
        Err(error) => named(&error),
    }
}

fn crls(bytes: &[u8]) {
    match parse_crls(Path::new("fuzz.pem"), bytes) {
        Ok(crls) => assert!(!crls.is_empty(), "no list and no error"),
        Err(error) => named(&error),
    }
}

fn identity(loaded: &Result<Identity, PkiError>) {
    match loaded {
        Ok(identity) => assert!(!identity.chain.is_empty(), "no chain and no error"),
        Err(error) => named(error),
    }
}

fn named(error: &PkiError) {
    let shown = error.to_string();
    assert!(shown.contains("fuzz."), "an error without a file: {shown}");
}

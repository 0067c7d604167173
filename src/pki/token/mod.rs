//! Private keys that stay in a PKCS#11 token: a `pkcs11:` URI (RFC 7512) in place of a key's file. The module of the
//! token is loaded into the process, which takes a build with the feature `pkcs11`.
//!
//! A signature blocks the worker's thread for as long as the token takes, so that time is counted apart.

use std::cell::Cell;
use std::path::Path;

use super::PkiError;
use crate::stats::TokenCounts;

#[cfg(feature = "pkcs11")]
mod open;
#[cfg(feature = "pkcs11")]
mod sign;

#[cfg(feature = "pkcs11")]
pub(super) use open::open;

/// Why a token did not sign.
#[derive(Debug, thiserror::Error)]
#[error("the PKCS#11 token does not sign: {0}")]
pub struct TokenFailure(pub String);

thread_local! {
    /// What tokens did for this thread since that was last taken.
    static COUNTS: Cell<TokenCounts> = Cell::default();
}

/// What tokens did for this thread since the last call.
pub(crate) fn take_counts() -> TokenCounts {
    COUNTS.take()
}

#[cfg(feature = "pkcs11")]
fn count(ns: u64, failed: bool) {
    let mut counts = COUNTS.get();
    counts.add(ns, failed);
    COUNTS.set(counts);
}

fn refused(uri: &Path, cause: impl Into<String>, next: impl Into<String>) -> PkiError {
    PkiError::Token {
        uri: uri.to_owned(),
        cause: cause.into(),
        next: next.into(),
    }
}

/// Fails: this build has no part in tokens.
#[cfg(not(feature = "pkcs11"))]
pub(super) fn open(
    uri: &Path,
    _password: super::unlock::Password<'_>,
    _cert: (&Path, &[super::CertificateDer<'static>]),
) -> Result<std::sync::Arc<dyn rustls::sign::SigningKey>, PkiError> {
    let uri = crate::scenario::TokenUri::split_pin(uri).0;
    Err(refused(
        &uri,
        "this build reads no keys in PKCS#11 tokens",
        "build one that does with `cargo build --release --features pkcs11`",
    ))
}

//! Whether and how often the server's chain is verified.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TlsSection;
use super::error::{Problem, refuse};

/// How often a server's chain is built and verified. The signature over the handshake, which proves
/// that the server holds its key, is verified in every full handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verify {
    /// In every full handshake, as clients do.
    #[default]
    EveryHandshake,
    /// Each distinct chain once per worker, cell and client identity, and again while one of its
    /// certificates is not valid. The result is marked.
    OncePerChain,
}

impl Verify {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde calls it with a reference"
    )]
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Refuses settings of which one takes the other's effect away.
pub(super) fn check(tls: &TlsSection) -> Result<(), Problem> {
    let once = tls.verify == Verify::OncePerChain;
    let refused = [
        (
            "tls.insecure",
            tls.insecure && tls.cacert.is_some(),
            "with it the server's chain is not verified and cacert has no effect",
        ),
        (
            "tls.insecure",
            tls.insecure && tls.crl.is_some(),
            "with it the server's chain is not verified and crl has no effect",
        ),
        (
            "tls.insecure",
            tls.insecure && !tls.expected_name.is_empty(),
            "with it the server's name is not verified and expected-name has no effect",
        ),
        (
            "tls.verify",
            once && tls.insecure,
            "with insecure no chain is verified, so how often has no effect",
        ),
        (
            "tls.verify",
            once && tls.crl.is_some(),
            "revocation lists go out of date, so with crl every chain is verified in every handshake",
        ),
    ];
    let mut refused = refused.into_iter();
    refused.try_for_each(|(key, given, why)| refuse(given, key, why, "drop one of them"))
}

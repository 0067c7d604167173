//! What a cell's handshakes had to negotiate, so that like is compared with like.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was pinned. What is empty was left to the two ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pins {
    /// The provider of the client's cryptography.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// TLS versions, of which any will do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    /// Cipher suites, of which any will do: there is one for each version and kind of key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suites: Vec<String>,
    /// The key exchange group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The scheme of the server's signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_signature: Option<String>,
    /// The scheme of the client's signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_signature: Option<String>,
}

impl Pins {
    /// Whether nothing was pinned.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

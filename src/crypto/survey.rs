//! All providers: the capabilities of those in this build, and how to get the others.

use rustls::pki_types::PrivateKeyDer;
use serde::Serialize;

use super::{Capabilities, Entry, entry, provider};
use crate::scenario::{KeyAlgorithm, ProviderName};

/// One provider, as far as this build knows it.
#[derive(Debug, Clone, Serialize)]
pub struct Surveyed {
    /// Its entry in the registry.
    #[serde(flatten)]
    pub entry: Entry,
    /// Whether it encrypts its stateless tickets itself, and not AWS-LC; unknown if it is not in this build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_tickets: Option<bool>,
    /// None if it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
}

/// Asks every provider. `sample` has a private key of each algorithm, as [`Capabilities::of`] takes it.
pub fn survey(sample: impl Fn(KeyAlgorithm) -> Option<PrivateKeyDer<'static>>) -> Vec<Surveyed> {
    let one = |name| {
        let entry = entry(name);
        let asked = provider(name).map(|provider| Capabilities::of(&provider, &sample));
        let backend = entry.backend().ok();
        Surveyed {
            entry,
            own_tickets: backend.map(|backend| backend.ticketer.is_some()),
            unavailable: asked.as_ref().err().map(ToString::to_string),
            capabilities: asked.ok(),
        }
    };
    ProviderName::ALL.into_iter().map(one).collect()
}

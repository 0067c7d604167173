//! All providers side by side: what those of this build can do, and how to get the others.

use rustls::pki_types::PrivateKeyDer;
use serde::Serialize;

use super::{Capabilities, entry, provider};
use crate::scenario::{KeyAlgorithm, ProviderName};

/// One provider, as far as this build knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Surveyed {
    /// Its name.
    pub name: ProviderName,
    /// The crate that provides it.
    pub package: &'static str,
    /// The cargo feature that adds it; none where it is always built.
    pub feature: Option<&'static str>,
    /// What building it takes, beside Rust.
    pub builds_with: &'static str,
    /// What a reader should know.
    pub remarks: &'static str,
    /// Whether its stateless tickets are encrypted by itself, and not by AWS-LC; unknown where it is not
    /// in this build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_tickets: Option<bool>,
    /// What it can do; none where it cannot be used.
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
            name,
            package: entry.package,
            feature: entry.feature,
            builds_with: entry.builds_with,
            remarks: entry.remarks,
            own_tickets: backend.map(|backend| backend.ticketer.is_some()),
            unavailable: asked.as_ref().err().map(ToString::to_string),
            capabilities: asked.ok(),
        }
    };
    ProviderName::ALL.into_iter().map(one).collect()
}

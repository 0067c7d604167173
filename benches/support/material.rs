//! The providers of this build and throw-away certificates for them, minted once per process.

use std::collections::BTreeMap;

use shakedown::crypto::{self, Capabilities, entry};
use shakedown::pki::{KeyAlgorithm, Pki, PkiSpec};
use shakedown::scenario::ProviderName;

/// The providers of this build; says why the others are left out.
pub fn providers() -> Vec<ProviderName> {
    let all = ProviderName::ALL.into_iter();
    all.filter(|name| match entry(*name).backend() {
        Ok(_) => true,
        Err(reason) => {
            eprintln!("skipped: {reason}");
            false
        }
    })
    .collect()
}

/// Certificates by key algorithm: root, intermediate and leaves all have such a key.
pub struct Material(BTreeMap<KeyAlgorithm, Pki>);

impl Material {
    /// Mints for these algorithms.
    pub fn mint(keys: &[KeyAlgorithm]) -> Self {
        let mint = |key: &KeyAlgorithm| {
            let spec = PkiSpec {
                ca_key: *key,
                server_key: *key,
                client_key: *key,
                ..PkiSpec::default()
            };
            (*key, Pki::mint(&spec).unwrap())
        };
        Self(keys.iter().map(mint).collect())
    }

    /// Those of one algorithm.
    pub fn pki(&self, key: KeyAlgorithm) -> &Pki {
        &self.0[&key]
    }

    /// A provider's capabilities, for the algorithms of these certificates.
    pub fn capabilities(&self, provider: ProviderName) -> Capabilities {
        let sample = |key| Some(self.0.get(&key)?.server().key.der()?.clone_key());
        Capabilities::of(&crypto::provider(provider).unwrap(), sample)
    }
}

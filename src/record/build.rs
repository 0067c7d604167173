//! What this binary was built from.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The build that made a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BuildInfo {
    /// shakedown's version.
    pub version: String,
    /// The git revision it was built from, `+dirty` with local changes.
    pub git_revision: String,
    /// Cargo profile: `release` or `debug`.
    pub profile: String,
    /// Versions of the crates that shape results.
    pub crates: BTreeMap<String, String>,
}

impl BuildInfo {
    /// This binary.
    pub fn current() -> Self {
        let crates = env!("SHAKEDOWN_CRATES")
            .split(',')
            .filter_map(|entry| entry.split_once('='))
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .collect();
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            git_revision: env!("SHAKEDOWN_GIT_REVISION").to_owned(),
            profile: env!("SHAKEDOWN_PROFILE").to_owned(),
            crates,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_knows_its_crates() {
        let build = BuildInfo::current();
        assert!(build.crates["rustls"].starts_with("0.23."), "{build:?}");
        assert!(build.crates.contains_key("aws-lc-rs"), "{build:?}");
    }
}

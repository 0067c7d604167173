//! What the identities of a fleet cost to have at hand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How often a session found its identity loaded, over all phases of a trial. Loading comes before the connect call:
/// it is part of a session's lag and of no stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FleetCounts {
    /// Sessions whose identity was loaded already.
    pub hits: u64,
    /// Identities that were loaded or minted, those that failed among them.
    pub loaded: u64,
    /// Identities that could not be loaded; their sessions failed as `identity`.
    pub failed: u64,
    /// Time that loading took on the workers' threads.
    pub load_ns: u64,
    /// The longest that one took.
    pub longest_load_ns: u64,
}

impl FleetCounts {
    /// Counts a session's identity; `load_ns` is how long it took to load, if it was not loaded already.
    pub(crate) fn add(&mut self, load_ns: Option<u64>, failed: bool) {
        match load_ns {
            None => self.hits += 1,
            Some(ns) => {
                self.loaded += 1;
                self.load_ns += ns;
                self.longest_load_ns = self.longest_load_ns.max(ns);
            }
        }
        self.failed += u64::from(failed);
    }

    /// Adds another worker's or trial's.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.hits += other.hits;
        self.loaded += other.loaded;
        self.failed += other.failed;
        self.load_ns += other.load_ns;
        self.longest_load_ns = self.longest_load_ns.max(other.longest_load_ns);
    }
}

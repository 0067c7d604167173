//! What signing in a token takes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Signatures that PKCS#11 tokens made, over all phases of a trial. A worker waits for each, within the session's
/// handshake stage: its other sessions wait, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenCounts {
    /// Signatures made.
    pub signatures: u64,
    /// Signatures that the token refused or failed to make.
    pub failed: u64,
    /// Time spent in the token for all of these.
    pub sign_ns: u64,
    /// The longest that one took.
    pub longest_sign_ns: u64,
}

impl TokenCounts {
    /// Counts what one signature took.
    pub fn add(&mut self, ns: u64, failed: bool) {
        if failed {
            self.failed += 1;
        } else {
            self.signatures += 1;
        }
        self.sign_ns += ns;
        self.longest_sign_ns = self.longest_sign_ns.max(ns);
    }

    /// How often a token was asked.
    pub(crate) fn asked(&self) -> u64 {
        self.signatures + self.failed
    }

    /// Adds another worker's or trial's.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.signatures += other.signatures;
        self.failed += other.failed;
        self.sign_ns += other.sign_ns;
        self.longest_sign_ns = self.longest_sign_ns.max(other.longest_sign_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_the_longest_stays() {
        let (mut all, mut other) = (TokenCounts::default(), TokenCounts::default());
        all.add(5, false);
        other.add(9, true);
        other.add(2, false);
        all.merge(&other);
        assert_eq!((all.signatures, all.failed, all.asked()), (2, 1, 3));
        assert_eq!((all.sign_ns, all.longest_sign_ns), (16, 9));
    }
}

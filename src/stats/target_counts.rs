//! What our own server counted, to be compared with the client's counts.

use std::iter::Sum;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the target itself counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetCounts {
    /// TCP connections accepted.
    pub accepted: u64,
    /// Full handshakes completed.
    pub full: u64,
    /// Resumed handshakes completed.
    pub resumed: u64,
    /// Sessions without TLS.
    pub plain: u64,
    /// Completed handshakes in which the client's certificate was verified (for a resumed one: when
    /// its ticket was issued).
    pub authenticated: u64,
    /// Resumed handshakes in which early data was taken; absent in older files.
    #[serde(default)]
    pub early_accepted: u64,
    /// Handshakes that failed.
    pub handshake_failed: u64,
    /// Errors of the accept call, such as running out of file descriptors.
    pub accept_failed: u64,
}

impl TargetCounts {
    /// Sessions established, whatever their kind.
    pub fn established(&self) -> u64 {
        self.full + self.resumed + self.plain
    }

    /// What was counted since `earlier`.
    #[must_use]
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        self.combine(earlier, u64::saturating_sub)
    }

    fn combine(&self, other: &Self, with: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            accepted: with(self.accepted, other.accepted),
            full: with(self.full, other.full),
            resumed: with(self.resumed, other.resumed),
            plain: with(self.plain, other.plain),
            authenticated: with(self.authenticated, other.authenticated),
            early_accepted: with(self.early_accepted, other.early_accepted),
            handshake_failed: with(self.handshake_failed, other.handshake_failed),
            accept_failed: with(self.accept_failed, other.accept_failed),
        }
    }
}

impl Sum for TargetCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, next| {
            sum.combine(&next, |a, b| a + b)
        })
    }
}

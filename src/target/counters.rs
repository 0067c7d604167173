//! What the target counts, to be held against what the client claims.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::stats::TargetCounts;

/// Counters of one listener on one thread. Only that thread writes them, so plain stores would do;
/// the atomics are for readers on other threads.
#[derive(Debug, Default)]
pub(super) struct ListenerCounters {
    pub accepted: AtomicU64,
    pub full: AtomicU64,
    pub resumed: AtomicU64,
    pub plain: AtomicU64,
    pub authenticated: AtomicU64,
    pub early_accepted: AtomicU64,
    pub handshake_failed: AtomicU64,
    pub accept_failed: AtomicU64,
}

impl ListenerCounters {
    pub fn read(&self) -> TargetCounts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TargetCounts {
            accepted: get(&self.accepted),
            full: get(&self.full),
            resumed: get(&self.resumed),
            plain: get(&self.plain),
            authenticated: get(&self.authenticated),
            early_accepted: get(&self.early_accepted),
            handshake_failed: get(&self.handshake_failed),
            accept_failed: get(&self.accept_failed),
        }
    }
}

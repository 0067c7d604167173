//! The target's counts, which check the client's claims.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::crypto::Ledger;
use crate::stats::{LedgersByKind, OkKind, TargetCounts};

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
    /// Where the time of metered sessions went, since it was last taken.
    ledgers: Mutex<LedgersByKind>,
}

impl ListenerCounters {
    /// Adds the ledger of a session that has ended, if it is metered.
    pub(crate) fn dissected(&self, kind: OkKind, ledger: Option<Box<Ledger>>) {
        if let Some(ledger) = ledger {
            let mut ledgers = self.ledgers.lock().unwrap_or_else(PoisonError::into_inner);
            ledgers.entry(kind).or_default().add(&ledger.read());
        }
    }

    pub(crate) fn take_ledgers(&self) -> LedgersByKind {
        std::mem::take(&mut *self.ledgers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn read(&self) -> TargetCounts {
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

//! Counts of one worker that the engine reads while a trial runs.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts that the engine may read while a trial runs. Written by one worker with plain stores,
/// alone on its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct LiveCounters {
    pub started: AtomicU64,
    pub ok: AtomicU64,
    pub failed: AtomicU64,
    pub in_flight: AtomicU64,
    pub held: AtomicU64,
}

impl LiveCounters {
    /// Sets everything to zero for the next trial.
    pub(crate) fn reset(&self) {
        for counter in [
            &self.started,
            &self.ok,
            &self.failed,
            &self.in_flight,
            &self.held,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
    }
}

/// Changes a counter that only this thread writes.
pub(super) fn add(counter: &AtomicU64, by: u64) {
    counter.store(
        counter.load(Ordering::Relaxed).wrapping_add(by),
        Ordering::Relaxed,
    );
}

/// Takes from a counter that only this thread writes.
pub(super) fn sub(counter: &AtomicU64, by: u64) {
    add(counter, by.wrapping_neg());
}

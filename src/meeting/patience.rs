//! How long is waited. Nothing waits for ever, and an interruption ends every wait.

use std::thread;
use std::time::{Duration, Instant};

/// How long it takes at most until an interruption is noticed.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// How long is waited for a place, and what ends that early.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    begun: Instant,
    time: Duration,
    stop: &'a dyn Fn() -> bool,
}

impl<'a> Patience<'a> {
    /// Waits for that time from now, and no longer once `stop` says so.
    pub fn new(time: Duration, stop: &'a dyn Fn() -> bool) -> Self {
        Self {
            begun: Instant::now(),
            time,
            stop,
        }
    }

    pub(super) fn left(&self) -> Duration {
        self.time.saturating_sub(self.begun.elapsed())
    }

    /// How long it was at the beginning.
    pub(super) fn whole(&self) -> Duration {
        self.time
    }

    /// Fails once it is over.
    pub(super) fn check(&self) -> Result<(), Over> {
        if (self.stop)() {
            Err(Over::Stopped)
        } else if self.left().is_zero() {
            Err(Over::Late)
        } else {
            Ok(())
        }
    }

    /// Waits; not beyond its end.
    pub(super) fn sleep(&self, pause: Duration) -> Result<(), Over> {
        let begun = Instant::now();
        loop {
            self.check()?;
            let rest = pause.saturating_sub(begun.elapsed());
            if rest.is_zero() {
                return Ok(());
            }
            thread::sleep(rest.min(TICK).min(self.left()));
        }
    }
}

/// Why nothing is waited for any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    Stopped,
    Late,
}

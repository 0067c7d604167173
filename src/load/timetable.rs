//! When the trials of shards begin: at the same time in all of them, by their hosts' clocks.

use std::time::{Duration, Instant, SystemTime};

use super::prime;
use crate::scenario::Checked;
use crate::units::Ratio;

/// How late the load of a trial may begin. Later, the other shards would have loaded the server without this one.
pub const MOST_LATE: Duration = Duration::from_millis(50);
/// What there is between the end of a trial and the beginning of the next one, at least.
const GAP: Duration = Duration::from_secs(1);
/// How much longer than the longest priming its part of a slot is.
const PRIMED: Duration = Duration::from_millis(100);

/// A slot of the same length for each trial, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timetable {
    /// When the first begins.
    pub start: SystemTime,
    /// From the beginning of one to that of the next.
    pub slot: Duration,
    /// How long after a slot's beginning the load begins.
    prime: Duration,
}

impl Timetable {
    /// That of a plan.
    pub fn of(checked: &Checked, start: SystemTime) -> Self {
        let resumes = |ratio: &Ratio| *ratio > Ratio::ZERO;
        let primed = checked
            .cells
            .iter()
            .filter_map(|cell| cell.resumed.as_ref());
        let (room, prime) = if primed.into_iter().any(resumes) {
            (prime::LONGEST, prime::LONGEST + PRIMED)
        } else {
            (Duration::ZERO, Duration::ZERO)
        };
        let stop = &checked.stop;
        Self {
            start,
            slot: room + stop.warmup + stop.duration + stop.grace + GAP,
            prime,
        }
    }

    /// When the slot of a trial begins, after the start of all.
    fn slot_after(&self, trial: usize) -> Duration {
        let trial = u32::try_from(trial).unwrap_or(u32::MAX);
        self.slot.saturating_mul(trial)
    }

    /// The same on this process's monotonic clock, which nobody sets: read once, before the first trial.
    pub(super) fn anchored(self) -> Anchored {
        let (now, wall) = (Instant::now(), SystemTime::now());
        let start = match self.start.duration_since(wall) {
            Ok(ahead) => now + ahead,
            Err(past) => now.checked_sub(past.duration()).unwrap_or(now),
        };
        Anchored { table: self, start }
    }
}

/// A timetable on a monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Anchored {
    table: Timetable,
    start: Instant,
}

impl Anchored {
    /// When the slot of a trial begins, and when its load does.
    pub(super) fn of_trial(&self, trial: usize) -> Due {
        let slot_after = self.table.slot_after(trial);
        let load_after = slot_after + self.table.prime;
        Due {
            slot: self.start + slot_after,
            load: self.start + load_after,
            load_after,
        }
    }
}

/// When a trial is due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    /// When it is its turn, and its stores may be filled.
    pub slot: Instant,
    /// When its load begins, ...
    pub load: Instant,
    /// ... after the start of all.
    pub load_after: Duration,
}

impl Due {
    /// How late it is.
    pub(super) fn late(&self) -> Duration {
        Instant::now().saturating_duration_since(self.load)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    fn table(sections: &str) -> Timetable {
        let text = format!("version = 1\nname = \"test\"\n{sections}");
        let scenario = Scenario::parse("t.toml", &text).unwrap();
        let checked = scenario.check("t", "").unwrap();
        Timetable::of(&checked, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn a_slot_has_room_for_a_trial() {
        let load = "[load]\nsessions = 4\nwarmup = \"2s\"\nduration = \"5s\"\n";
        let plain = table(&format!("{load}grace = \"3s\"\n"));
        assert_eq!(plain.slot, Duration::from_secs(2 + 5 + 3 + 1));
        let resumed = table(&format!(
            "{load}grace = \"3s\"\n[resumption]\nmode = \"ticket\"\n[matrix]\nresumed = [0.5]\n"
        ));
        assert_eq!(resumed.slot, plain.slot + prime::LONGEST);
        let due = resumed.anchored().of_trial(3);
        assert_eq!(due.load_after, resumed.slot * 3 + resumed.prime);
        assert_eq!(due.load - due.slot, resumed.prime);
        assert!(due.late() > MOST_LATE);
    }
}

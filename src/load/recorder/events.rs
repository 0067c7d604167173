//! What an attempt has to do with the events of its trial: on which side of each it is, whether it is open when one
//! happens, and how it comes back from being cut.

use std::rc::Rc;
use std::time::Instant;

use super::{Attempt, Recorder};
use crate::clock::ns_between;
use crate::load::occurrence::Side;
use crate::stats::{IdentityTrouble, Outcome, Timing};

/// A session that was cut and is not back yet. Dropped before it is, it counts with its age.
#[derive(Debug)]
pub(in crate::load) struct Away {
    recorder: Rc<Recorder>,
    /// What cut it.
    pub event: usize,
    cut_at: Instant,
    /// How often it failed to come back.
    pub failed: u32,
    is_back: bool,
}

impl Away {
    /// Counts an attempt to come back.
    pub(crate) fn tries(&self) {
        self.recorder
            .with_event(self.event, |counts| counts.returns.attempts += 1);
    }

    fn back(mut self, at: Instant) {
        self.is_back = true;
        let took = Timing::At(ns_between(self.cut_at, at));
        self.recorder
            .with_event(self.event, |counts| counts.returns.back.add(took));
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        if !self.is_back {
            let until = self
                .recorder
                .cut
                .get()
                .map_or_else(Instant::now, |(_, at)| at);
            let age = Timing::Beyond(ns_between(self.cut_at, until));
            self.recorder
                .with_event(self.event, |counts| counts.returns.back.add(age));
        }
    }
}

impl Recorder {
    fn with_event(&self, event: usize, count: impl FnOnce(&mut crate::stats::EventCounts)) {
        if let Some(counts) = self.state.borrow_mut().stats.events.get_mut(event) {
            count(counts);
        }
    }
}

impl Attempt {
    /// Notes what a renewal did to its identity.
    pub(super) fn renewed(&self, event: usize, done: Result<(), IdentityTrouble>) {
        let at_ns = ns_between(self.recorder.start, Instant::now());
        self.recorder.with_event(event, |counts| match done {
            Ok(()) => counts.changes.add(at_ns),
            Err(trouble) => counts.changes.refuse(trouble),
        });
    }

    /// Counts a finished attempt on its side of every event.
    pub(super) fn count_sides(&self, outcome: &Outcome, at_ns: u64) {
        let (Some(occurrences), Some(presence)) = (&self.recorder.occurrences, &self.presence)
        else {
            return;
        };
        let began_ns = ns_between(self.recorder.start, self.started);
        for event in 0..occurrences.events().len() {
            let Some(side) = occurrences.side(event, presence, began_ns) else {
                continue;
            };
            let moment_ns = occurrences.moment_ns(event, presence);
            self.recorder.with_event(event, |counts| match side {
                Side::Before => counts.before.add(outcome, at_ns, None),
                Side::After => counts.after.add(outcome, at_ns, moment_ns),
            });
        }
    }

    /// Counts a held session that ends now with the events that it outlived.
    pub(super) fn count_outlived(&self, lost: bool) {
        let (Some(occurrences), Some(presence)) = (&self.recorder.occurrences, &self.presence)
        else {
            return;
        };
        let now_ns = ns_between(self.recorder.start, Instant::now());
        for event in 0..occurrences.events().len() {
            let at_ns = occurrences.moment_ns(event, presence);
            if let Some(at_ns) = at_ns.filter(|at| (self.held_from_ns..now_ns).contains(at)) {
                self.recorder
                    .with_event(event, |counts| counts.outlived.add(now_ns - at_ns, lost));
            }
        }
    }

    /// Counts a held session that an event cuts now.
    pub(crate) fn cut(&mut self, event: usize) {
        self.recorder
            .with_event(event, |counts| counts.returns.dropped += 1);
        self.away = Some(Away {
            recorder: Rc::clone(&self.recorder),
            event,
            cut_at: Instant::now(),
            failed: 0,
            is_back: false,
        });
    }

    /// Makes it the attempt of a session that was cut to come back.
    pub(crate) fn comes_back(&mut self, away: Away) {
        away.tries();
        self.away = Some(away);
    }

    /// What is to be tried again, once it is over: it was cut, or failed to come back.
    pub(crate) fn take_away(&mut self) -> Option<Away> {
        let mut away = self.away.take()?;
        if !self.was_ok() {
            away.failed += 1;
        }
        Some(away)
    }

    fn was_ok(&self) -> bool {
        matches!(self.sample.outcome, Outcome::Ok { .. })
    }

    /// Notes that a session that was cut is confirmed again.
    pub(super) fn is_back(&mut self, at: Instant) {
        if let Some(away) = self.away.take() {
            away.back(at);
        }
    }
}

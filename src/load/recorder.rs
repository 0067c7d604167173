//! One worker's record of one trial. Every attempt is a guard: dropped without an outcome it counts as unanswered at the
//! trial's deadline, and otherwise as cancelled.

mod attempt;
mod events;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;

pub(super) use attempt::Attempt;
pub(super) use events::Away;

use super::counters::{LiveCounters, add};
use super::hand_over::HandOver;
use super::occurrence::Occurrences;
use crate::clock::{ns_between, thread_cpu};
use crate::stats::{CancelPhase, CpuWindow, NotStarted, Phase, TrialStats};

/// What ended a trial while something was in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Its deadline: what has not been answered by then counts as unanswered.
    Deadline,
    /// We did, ahead of the deadline.
    Us(CancelPhase),
}

impl Cut {
    fn phase(self) -> CancelPhase {
        match self {
            Self::Deadline => CancelPhase::Drain,
            Self::Us(phase) => phase,
        }
    }
}

/// Sums up one trial on one worker.
#[derive(Debug)]
pub(super) struct Recorder {
    start: Instant,
    measure_from: Instant,
    state: RefCell<State>,
    live: Arc<LiveCounters>,
    occurrences: Option<Arc<Occurrences>>,
    /// Attempts so far.
    begun: Cell<u32>,
    /// How and when the trial was cut off, once it was.
    cut: Cell<Option<(Cut, Instant)>>,
    idle: Notify,
}

#[derive(Debug)]
struct State {
    stats: TrialStats,
    seconds: HandOver,
    /// The open CPU window: when it began and what the CPU clock said.
    window: Option<(Instant, u64)>,
    /// When the attempts in flight last changed, for their integral over the window.
    changed: Instant,
}

impl Recorder {
    pub(crate) fn new(
        start: Instant,
        measure_from: Instant,
        live: Arc<LiveCounters>,
        seconds: HandOver,
    ) -> Self {
        live.reset();
        Self {
            start,
            measure_from,
            state: RefCell::new(State {
                stats: TrialStats::default(),
                seconds,
                window: None,
                changed: start,
            }),
            live,
            occurrences: None,
            begun: Cell::new(0),
            cut: Cell::new(None),
            idle: Notify::new(),
        }
    }

    /// Counts what has to do with these events.
    pub(crate) fn watching(mut self, occurrences: Option<Arc<Occurrences>>) -> Self {
        let counts = occurrences
            .as_ref()
            .map_or_else(Vec::new, |all| all.counts());
        self.state.get_mut().stats.events = counts;
        self.occurrences = occurrences;
        self
    }

    /// The events of its trial.
    pub(crate) fn occurrences(&self) -> Option<&Arc<Occurrences>> {
        self.occurrences.as_ref()
    }

    /// Nanoseconds after the trial's start.
    pub(crate) fn now_ns(&self) -> u64 {
        ns_between(self.start, Instant::now())
    }

    /// Numbers an attempt.
    fn next_number(&self) -> u32 {
        self.begun.replace(self.begun.get().wrapping_add(1))
    }

    /// When the trial began.
    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    fn phase(&self, scheduled: Instant) -> Phase {
        if scheduled < self.measure_from {
            Phase::Warmup
        } else {
            Phase::Measure
        }
    }

    /// Attempts in flight.
    pub(crate) fn in_flight(&self) -> u64 {
        self.state.borrow().seconds.in_flight()
    }

    /// Counts an arrival that does not become an attempt.
    pub(crate) fn skip(&self, scheduled: Instant, reason: NotStarted) {
        self.skip_all([scheduled], reason);
    }

    /// Counts arrivals that do not become attempts; there may be millions.
    pub(crate) fn skip_all(
        &self,
        scheduled: impl IntoIterator<Item = Instant>,
        reason: NotStarted,
    ) {
        let (mut all, mut measured) = (0, 0);
        for at in scheduled {
            all += 1;
            measured += u64::from(self.phase(at) == Phase::Measure);
        }
        let State { stats, seconds, .. } = &mut *self.state.borrow_mut();
        for (phase, count) in [(Phase::Warmup, all - measured), (Phase::Measure, measured)] {
            if count > 0 {
                stats.skip(phase, reason, count);
            }
        }
        seconds.current().not_started += all;
    }

    /// Counts an arrival that becomes an attempt, from now on accounted for.
    pub(crate) fn begin(self: &Rc<Self>, scheduled: Instant) -> Attempt {
        let started = Instant::now();
        let phase = self.phase(scheduled);
        let mut state = self.state.borrow_mut();
        state.integrate(started);
        state.stats.start(phase);
        state.seconds.begin(ns_between(self.start, started));
        add(&self.live.started, 1);
        add(&self.live.in_flight, 1);
        Attempt::begun(self, scheduled, started, phase)
    }

    /// Begins the CPU window.
    pub(crate) fn open_window(&self) {
        let now = Instant::now();
        let mut state = self.state.borrow_mut();
        state.integrate(now);
        state.window = Some((now, cpu_ns()));
    }

    /// Ends the CPU window, if it is open.
    pub(crate) fn close_window(&self) {
        let now = Instant::now();
        let mut state = self.state.borrow_mut();
        state.integrate(now);
        if let Some((began, cpu)) = state.window.take() {
            let window = &mut state.stats.worker_cpu;
            window.wall_ns = ns_between(began, now);
            window.cpu_ns = cpu_ns().saturating_sub(cpu);
            window.busiest_cpu_ns = window.cpu_ns;
        }
    }

    /// Cuts the trial off: ages of what is in flight stop here, however long dropping it takes.
    pub(crate) fn cut_off(&self, by: Cut) {
        self.cut.set(Some((by, Instant::now())));
    }

    /// Notes how late this worker's watchdog woke.
    pub(crate) fn woke(&self, late_ns: u64) {
        let State { stats, seconds, .. } = &mut *self.state.borrow_mut();
        stats.stalls.woke(late_ns);
        seconds.current().stalls.woke(late_ns);
    }

    /// Hands over past seconds, even if nothing happens any more.
    pub(crate) fn turn(&self) {
        let at_ns = ns_between(self.start, Instant::now());
        self.state.borrow_mut().seconds.at(at_ns);
    }

    /// Waits until nothing is in flight.
    pub(crate) async fn idle(&self) {
        while self.in_flight() > 0 {
            self.idle.notified().await;
        }
    }

    /// The statistics, taken out once every attempt is gone. The last second is handed over.
    pub(crate) fn take(&self) -> TrialStats {
        let at_ns = ns_between(self.start, Instant::now());
        let mut state = self.state.borrow_mut();
        state.seconds.finish(at_ns);
        std::mem::take(&mut state.stats)
    }
}

impl State {
    /// Adds the time since the last change to the integral of attempts in flight, if the window is
    /// open.
    fn integrate(&mut self, now: Instant) {
        if let Some((began, _)) = self.window {
            let since = ns_between(self.changed.max(began), now);
            self.stats.in_flight_area_ns += self.seconds.in_flight() * since;
        }
        self.changed = now;
    }

    fn in_window(&mut self) -> Option<&mut CpuWindow> {
        self.window.is_some().then_some(&mut self.stats.worker_cpu)
    }
}

fn cpu_ns() -> u64 {
    u64::try_from(thread_cpu().as_nanos()).unwrap_or(u64::MAX)
}

//! One attempt of a trial: a guard that counts itself when it begins, and when it is dropped without an outcome.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Away, Cut, Recorder};
use crate::clock::ns_between;
use crate::crypto::Ledger;
use crate::load::counters::{add, sub};
use crate::load::fleet::{Member, Presented, Turn};
use crate::load::occurrence::Presence;
use crate::stats::{
    CancelPhase, FailureClass, Observed, OkKind, Outcome, Phase, Proof, Sample, Stage, Timing,
    count_failure,
};
use crate::tls::{Bytes, Failure};
use crate::units::format_ns;

/// One attempt in flight.
#[derive(Debug)]
pub(in crate::load) struct Attempt {
    pub(super) recorder: Rc<Recorder>,
    scheduled: Instant,
    pub(super) started: Instant,
    /// When the exchange that waits for its answer began.
    asking: Option<Instant>,
    stage: Stage,
    held: bool,
    /// Of all on its worker.
    number: u32,
    /// Whether it waits for an answer: until its outcome stands, but for the time that it is held before.
    waits: bool,
    recorded: bool,
    /// How and by what it was confirmed, once nothing but its close is to come.
    settled: Option<(OkKind, Proof)>,
    /// The identity of a fleet that it presents, ...
    pub member: Option<Arc<Member>>,
    /// ... and which of its certificates.
    pub(super) presence: Option<Presence>,
    /// When it began to be held, in nanoseconds after the trial's start.
    pub(super) held_from_ns: u64,
    /// The session that it is to bring back, or that has just been cut.
    pub(super) away: Option<Away>,
    /// Keeps that identity to itself, where it may have one session only.
    pub turn: Option<Turn>,
    /// Why its identity could not be loaded.
    unloaded: Option<Failure>,
    /// What is counted of it. Whoever drives the session fills in what it learns.
    pub sample: Sample,
}

impl Attempt {
    /// One that has just begun and is counted as begun.
    pub(super) fn begun(
        recorder: &Rc<Recorder>,
        scheduled: Instant,
        started: Instant,
        phase: Phase,
    ) -> Self {
        Self {
            recorder: Rc::clone(recorder),
            scheduled,
            started,
            asking: None,
            stage: Stage::Connect,
            held: false,
            number: recorder.next_number(),
            waits: true,
            recorded: false,
            settled: None,
            member: None,
            presence: None,
            held_from_ns: 0,
            away: None,
            turn: None,
            unloaded: None,
            sample: Sample::begun(phase),
        }
    }

    /// Notes that work on it begins now; until then it was waiting for its turn on this thread,
    /// which is the generator's own delay.
    pub(crate) fn launch(&mut self) {
        self.started = Instant::now();
        self.sample.lag_ns = ns_between(self.scheduled, self.started);
    }

    /// Notes the identity that it presents, or that there is none to present.
    pub(crate) fn presents(&mut self, presented: Presented) {
        let Presented {
            member,
            presence,
            loading,
            renewal,
        } = presented;
        self.presence = Some(presence);
        if let Some((event, done)) = renewal {
            self.renewed(event, done);
        }
        let load_ns = loading.map(|took| u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        let mut state = self.recorder.state.borrow_mut();
        state.stats.fleet.add(load_ns, member.is_err());
        match member {
            Ok(member) => self.member = Some(member),
            Err(failure) => self.unloaded = Some(failure),
        }
    }

    /// Why it cannot be made: its identity could not be loaded.
    pub(crate) fn take_unloaded(&mut self) -> Option<Failure> {
        self.unloaded.take()
    }

    /// Plans whether it resumes an earlier session.
    pub(crate) fn plan(&mut self, resumed: bool) {
        self.sample.resumed = Some(resumed);
        if resumed {
            self.sample.kind = OkKind::Resumed;
        }
    }

    /// Whether it is planned to resume an earlier session.
    pub(crate) fn resumes(&self) -> bool {
        self.sample.resumed == Some(true)
    }

    /// What events tell it apart by: its identity's index in a fleet, or else its number on its worker.
    pub(crate) fn number(&self) -> u32 {
        self.turn.as_ref().map_or(self.number, |turn| turn.index)
    }

    /// When it began.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Notes which stage begins.
    pub(crate) fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        let waits = stage != Stage::Hold && !self.recorded;
        if self.waits != waits {
            self.waits = waits;
            let at_ns = ns_between(self.recorder.start, Instant::now());
            let seconds = &mut self.recorder.state.borrow_mut().seconds;
            if waits {
                seconds.wait(at_ns);
            } else {
                seconds.waited(at_ns);
            }
        }
    }

    /// Notes the established connection, which begins the handshake.
    pub(crate) fn connected(&mut self, at: Instant) {
        self.stage = Stage::Handshake;
        self.sample.connect = Some(Timing::At(ns_between(self.started, at)));
    }

    /// Notes the end of the way in, which began at `from` and begins the handshake.
    pub(crate) fn entered(&mut self, from: Instant, at: Instant) {
        self.stage = Stage::Handshake;
        self.sample.way_in = Some(Timing::At(ns_between(from, at)));
    }

    /// Notes the client's finished TLS handshake.
    pub(crate) fn handshaken(
        &mut self,
        connected: Instant,
        at: Instant,
        bytes: Bytes,
        observed: Observed,
    ) {
        self.sample.handshake = Some(Timing::At(ns_between(connected, at)));
        self.sample.handshake_bytes_out = bytes.sent;
        self.sample.handshake_bytes_in = bytes.received;
        self.sample.observed = Some(observed);
    }

    /// Notes that an exchange begins.
    pub(crate) fn asks(&mut self, from: Instant) {
        self.asking = Some(from);
    }

    /// Notes one exchange.
    pub(crate) fn exchanged(&mut self, kind: OkKind, from: Instant, to: Instant) {
        self.asking = None;
        let state = &mut *self.recorder.state.borrow_mut();
        state.seconds.answered(ns_between(self.recorder.start, to));
        if self.sample.phase == Phase::Measure {
            state.stats.exchange(kind, Timing::At(ns_between(from, to)));
        }
    }

    /// Notes the proof that the server accepted us.
    pub(crate) fn confirmed(&mut self, connected: Instant, at: Instant) {
        self.sample.confirm = Some(Timing::At(ns_between(connected, at)));
        self.sample.service = Some(Timing::At(ns_between(self.started, at)));
    }

    /// Counts the session as open and idle until it is dropped.
    pub(crate) fn hold(&mut self) {
        self.held = true;
        self.held_from_ns = self.recorder.now_ns();
        self.stage = Stage::Hold;
        add(&self.recorder.live.held, 1);
        let state = &mut *self.recorder.state.borrow_mut();
        state.seconds.hold(self.held_from_ns);
    }

    /// Counts a held session as no longer open.
    pub(crate) fn release(&mut self) {
        self.end_hold(false);
    }

    fn end_hold(&mut self, lost: bool) {
        if std::mem::take(&mut self.held) {
            self.count_outlived(lost);
            sub(&self.recorder.live.held, 1);
            let now_ns = self.recorder.now_ns();
            self.recorder.state.borrow_mut().seconds.let_go(now_ns);
        }
    }

    /// Counts a held session that the server ended before its time. An exchange that waits has no answer.
    pub(crate) fn lost(&mut self, (class, message): &Failure) {
        self.end_hold(true);
        let now = Instant::now();
        let state = &mut *self.recorder.state.borrow_mut();
        let at_ns = ns_between(self.recorder.start, now);
        count_failure(&mut state.stats.lost, *class, message, at_ns);
        if let (Some(asking), Outcome::Ok { kind, .. }) = (self.asking.take(), &self.sample.outcome)
            && class.is_silence()
            && self.sample.phase == Phase::Measure
        {
            let age = Timing::Beyond(ns_between(asking, now));
            state.stats.exchange(*kind, age);
        }
    }

    /// Keeps where the time of a confirmed session went, once it is closed.
    pub(crate) fn dissected(&self, kind: OkKind, ledger: Option<Box<Ledger>>) {
        if let Some(ledger) = ledger.filter(|_| self.sample.phase == Phase::Measure) {
            let stats = &mut self.recorder.state.borrow_mut().stats;
            stats.ledgers.entry(kind).or_default().add(&ledger.read());
        }
    }

    /// Notes that it is ok unless its close says otherwise; cut off in the close, it is.
    pub(crate) fn settle(&mut self, kind: OkKind, proof: Proof) {
        self.settled = Some((kind, proof));
        let now_ns = self.recorder.now_ns();
        self.recorder.state.borrow_mut().seconds.answered(now_ns);
    }

    /// Whether its outcome stands, or only its close can change it.
    fn is_confirmed(&self) -> bool {
        self.recorded || self.settled.is_some()
    }

    /// Concludes it at the cut.
    fn end(&mut self, by: Cut, at: Instant) {
        let age_ns = ns_between(self.scheduled, at);
        // Held before it is confirmed, it was not asked anything yet.
        let confirmed = self.is_confirmed();
        let asked = !confirmed && self.stage != Stage::Hold;
        if asked && by == Cut::Deadline {
            let age = format_ns(age_ns);
            let outcome = Outcome::Failed {
                class: FailureClass::Unanswered(self.stage),
                message: format!("no answer when the trial ended, at the age of {age}"),
            };
            return self.conclude(outcome, at);
        }
        let mut state = self.recorder.state.borrow_mut();
        let phase = by.phase();
        state.stats.cut(phase, self.stage, age_ns, confirmed);
        drop(state);
        if !confirmed {
            self.conclude(Outcome::Cancelled(phase), at);
        }
    }

    /// Censors the durations that an unanswered attempt had begun at its age.
    fn age(&mut self, at: Instant) {
        let beyond = |since| Timing::Beyond(ns_between(since, at));
        let sample = &mut self.sample;
        let connected = sample.connect.and_then(Timing::exact);
        let connected = connected.map(|ns| self.started + Duration::from_nanos(ns));
        if self.stage == Stage::WayIn {
            sample.way_in = connected.map(beyond);
            sample.service = Some(beyond(self.started));
            return;
        }
        let way_in = sample.way_in.and_then(Timing::exact);
        let connected = connected.map(|at| at + Duration::from_nanos(way_in.unwrap_or(0)));
        if self.stage == Stage::Connect {
            sample.connect = Some(beyond(self.started));
        }
        if self.stage == Stage::Handshake && sample.kind != OkKind::Tcp {
            sample.handshake = connected.map(beyond);
        }
        // A session that is held before it is confirmed was not asked anything yet.
        if self.stage == Stage::Hold {
            return;
        }
        sample.exchange = self.asking.map(beyond);
        if let Some(connected) = connected {
            sample.confirm.get_or_insert(beyond(connected));
        }
        sample.service.get_or_insert(beyond(self.started));
    }

    /// Records the outcome; the attempt stays in flight until it is dropped.
    pub(crate) fn record(&mut self, outcome: Outcome) {
        self.conclude(outcome, Instant::now());
    }

    /// Records an outcome that was certain at a time, which may be past.
    fn conclude(&mut self, outcome: Outcome, at: Instant) {
        if outcome.is_timed() && !matches!(outcome, Outcome::Ok { .. }) {
            self.age(at);
        }
        let now = Instant::now();
        if matches!(outcome, Outcome::Ok { .. }) {
            self.is_back(now);
        }
        self.count_sides(&outcome, ns_between(self.recorder.start, now));
        let live = &self.recorder.live;
        let mut state = self.recorder.state.borrow_mut();
        if let Some(window) = state.in_window() {
            window.ended += 1;
            window.confirmed += u64::from(matches!(outcome, Outcome::Ok { .. }));
        }
        match &outcome {
            Outcome::Ok { .. } => add(&live.ok, 1),
            Outcome::Failed { .. } => add(&live.failed, 1),
            Outcome::Cancelled(_) => {}
        }
        let at_ns = ns_between(self.recorder.start, now);
        // Who had settled was answered then, and has only waited for the close since.
        if matches!(outcome, Outcome::Ok { .. }) && self.settled.is_none() {
            state.seconds.answered(at_ns);
        }
        if std::mem::take(&mut self.waits) {
            state.seconds.waited(at_ns);
        }
        self.sample.outcome = outcome;
        self.sample.ended_ns = at_ns;
        state.stats.finish(&self.sample);
        state.seconds.at(at_ns).finish(&self.sample);
        self.recorded = true;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let cut = self.recorder.cut.get();
        if !self.is_confirmed() || cut.is_some() {
            let now = || (Cut::Us(CancelPhase::Drain), Instant::now());
            let (by, at) = cut.unwrap_or_else(now);
            self.end(by, at);
        }
        if let Some((kind, proof)) = self.settled.filter(|_| !self.recorded) {
            self.record(Outcome::Ok { kind, proof });
        }
        self.release();
        sub(&self.recorder.live.in_flight, 1);
        let now = Instant::now();
        let mut state = self.recorder.state.borrow_mut();
        state.integrate(now);
        state.seconds.over(ns_between(self.recorder.start, now));
        if state.seconds.in_flight() == 0 {
            self.recorder.idle.notify_one();
        }
    }
}

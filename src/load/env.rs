//! What the sessions of one worker share during one trial. Nothing in it is shared with another
//! worker's hot path.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::{OnceCell, watch};
use tokio::time::sleep_until;

use super::LoadPlan;
use super::connect::{Addresses, Connector};
use super::deal::Deal;
use super::fleet::{Member, Now, Turn, Turns};
use super::job::Job;
use super::recorder::{Attempt, Away, Recorder};
use crate::protocol::{Draws, ProtocolPlan, Who};
use crate::scenario::{EventKind, Jitter, ProtocolKind, Timeouts};
use crate::session::{Course, Release};
use crate::stats::{NotStarted, OkKind};
use crate::tls::ClientTls;

/// The surroundings of a session.
#[derive(Debug)]
pub(super) struct Env {
    pub plan: Arc<LoadPlan>,
    /// Index of the plan's cell.
    pub cell: usize,
    /// Where sessions connect to.
    pub addresses: Addresses,
    /// This worker's own TLS configurations, one per identity; none for plain TCP.
    pub tls: Vec<ClientTls>,
    /// Whose turn it is.
    pub deal: RefCell<Deal>,
    /// Whose turn it is in a fleet.
    pub turns: Option<Turns>,
    /// Whether the next session of an identity (of any, in a fleet) is to be resumed; none where resumption is off.
    pub resumed: RefCell<Vec<Deal>>,
    /// For each identity, whether a server of others stays with a client that asks nothing: the first session of the
    /// trial waits for it, and those that end meanwhile wait for the first. Empty where that is known.
    pub stayed: Vec<OnceCell<bool>>,
    pub connector: Connector,
    /// This worker, among those of this process.
    pub worker: usize,
    /// The trial's seed, this worker among those of all shards, and how many sessions it began: what the sizes of payloads depend on.
    pub draws: (u64, usize, Cell<u64>),
    pub recorder: Rc<Recorder>,
    /// What held sessions are to do.
    pub signal: watch::Sender<Signal>,
    /// The events that cut sessions, in the order of time.
    pub drops: Vec<usize>,
    /// Draws the waits of sessions that were cut.
    pub waits: RefCell<StdRng>,
}

/// What held sessions are to do.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Signal {
    /// The load has ended: no new sessions, held ones are let go.
    pub stopped: bool,
    /// How many events that cut sessions have come due.
    pub drops: usize,
}

/// Whose a session is.
#[derive(Debug)]
pub(super) struct Whose {
    /// The identity's turn, in a fleet.
    turn: Option<Turn>,
    /// The identity, where there are several.
    identity: Option<usize>,
}

impl Whose {
    /// Takes it from an attempt that is over.
    pub(crate) fn of(attempt: &mut Attempt) -> Self {
        Self {
            turn: attempt.turn.take(),
            identity: attempt.sample.identity,
        }
    }
}

impl Env {
    /// That of a job whose sessions are all full ones.
    pub(crate) fn new(job: &Job, recorder: Rc<Recorder>) -> Self {
        let site = &job.plan.cells[job.cell];
        // Of all workers, those of other shards included.
        let number = job.share.0;
        let checked = &job.plan.checked;
        let strange = checked.scenario.target.url.is_some();
        let silent = strange && checked.protocol.kind() == ProtocolKind::Handshake;
        let tls = site.tls_of(job.worker);
        let mut drops: Vec<usize> = (0..site.events.len())
            .filter(|event| site.events[*event].kind == EventKind::Drop)
            .collect();
        drops.sort_by_key(|event| site.events[*event].due());
        Self {
            plan: Arc::clone(&job.plan),
            cell: job.cell,
            addresses: Addresses::new(&site.addrs, number),
            stayed: tls
                .iter()
                .filter(|_| silent)
                .map(|_| OnceCell::new())
                .collect(),
            tls: tls.to_vec(),
            deal: RefCell::new(Deal::new(&site.shares, job.share)),
            turns: (site.fleet.as_ref()).map(|fleet| fleet.turns(job.share, job.seed)),
            resumed: RefCell::default(),
            connector: Connector::new(&site.addrs, &job.plan.sources, job.worker),
            worker: job.worker,
            draws: (job.seed, number, Cell::new(0)),
            recorder,
            signal: watch::channel(Signal::default()).0,
            drops,
            waits: RefCell::new(StdRng::seed_from_u64(
                job.seed.wrapping_add((number as u64) << 32),
            )),
        }
    }

    /// Counts an arrival that becomes an attempt, deals it its identity, and plans whether it is
    /// resumed. An arrival for which a sticky fleet has no identity left is counted as not started.
    pub(crate) fn begin(&self, scheduled: Instant) -> Option<Attempt> {
        let turn = match self.turns.as_ref().map(Turns::next) {
            Some(None) => {
                self.recorder.skip(scheduled, NotStarted::IdentityBusy);
                return None;
            }
            turn => turn.flatten(),
        };
        let identity =
            (turn.is_none() && self.tls.len() > 1).then(|| self.deal.borrow_mut().next());
        Some(self.begin_of(scheduled, Whose { turn, identity }))
    }

    /// Counts an attempt to bring back a session that was cut, with the identity that it had.
    pub(crate) fn begin_again(&self, scheduled: Instant, away: Away, whose: Whose) -> Attempt {
        let mut attempt = self.begin_of(scheduled, whose);
        attempt.comes_back(away);
        attempt
    }

    /// Counts an arrival that becomes an attempt of this identity, and plans whether it is resumed.
    fn begin_of(&self, scheduled: Instant, whose: Whose) -> Attempt {
        let mut attempt = self.recorder.begin(scheduled);
        if self.tls.is_empty() {
            attempt.sample.kind = OkKind::Tcp;
        }
        self.addresses.deal(&mut attempt);
        if let Some(turn) = whose.turn {
            self.present(&mut attempt, turn.index);
            attempt.turn = Some(turn);
        } else {
            attempt.sample.identity = whose.identity;
        }
        let identity = match self.turns {
            Some(_) => 0,
            None => attempt.sample.identity.unwrap_or(0),
        };
        if let Some(deal) = self.resumed.borrow_mut().get_mut(identity) {
            attempt.plan(deal.next() == Deal::RESUMED);
        }
        attempt
    }

    /// Counts an attempt that presents one identity, regardless of turn, with a full handshake.
    pub(crate) fn begin_as(&self, identity: usize) -> Attempt {
        let mut attempt = self.recorder.begin(Instant::now());
        self.addresses.deal(&mut attempt);
        attempt.sample.identity = Some(identity);
        attempt
    }

    /// As [`Self::begin_as`], with an identity of the fleet.
    pub(crate) fn begin_with(&self, index: u32) -> Attempt {
        let mut attempt = self.recorder.begin(Instant::now());
        self.addresses.deal(&mut attempt);
        self.present(&mut attempt, index);
        attempt
    }

    /// Whether the server stays with an attempt's identity, once it is known; `None` where nothing is to be found out. Of
    /// a fleet one identity stands for all.
    pub(crate) fn stayed_of(&self, attempt: &Attempt) -> Option<&OnceCell<bool>> {
        let index = match self.turns {
            Some(_) => 0,
            None => attempt.sample.identity.unwrap_or(0),
        };
        self.stayed.get(index)
    }

    /// Loads the identity of an attempt.
    fn present(&self, attempt: &mut Attempt, index: u32) {
        let plan = &self.plan.cells[self.cell];
        if let (Some(fleet), Some(base)) = (&plan.fleet, self.tls.first()) {
            attempt.sample.identity = fleet.counted_by(index);
            let now = Now {
                occurrences: self.recorder.occurrences().map(AsRef::as_ref),
                ns: self.recorder.now_ns(),
            };
            attempt.presents(fleet.present(self.worker, index, base, now));
        }
    }

    /// The TLS configuration of an attempt and the name of its identity, empty if it presents none; no configuration
    /// for plain TCP.
    pub(crate) fn client_of<'a>(
        &'a self,
        identity: Option<usize>,
        member: Option<&'a Member>,
    ) -> (Option<&'a ClientTls>, &'a str) {
        if let Some(member) = member {
            return (Some(&member.tls), &member.name);
        }
        let names = &self.plan.cells[self.cell].names;
        let index = identity.unwrap_or(0);
        (
            self.tls.get(index),
            names.get(index).map_or("", |name| name),
        )
    }

    /// How long each stage may take.
    pub(crate) fn timeouts(&self) -> &Timeouts {
        &self.plan.checked.scenario.timeouts
    }

    /// The protocol of every session.
    pub(crate) fn protocol(&self) -> &ProtocolPlan {
        &self.plan.checked.protocol
    }

    /// How the next session goes, of the identity of this name.
    pub(crate) fn course<'a>(&'a self, name: &'a str) -> Course<'a> {
        let (seed, worker, begun) = &self.draws;
        let session = begun.replace(begun.get() + 1);
        let cell = &self.plan.cells[self.cell].cell;
        let streams = cell.streams.and_then(|count| usize::try_from(count).ok());
        let draws = Draws::new(*seed, *worker, session);
        Course {
            who: Who::next(name).drawing(draws, streams),
            protocol: self.protocol(),
            exchanges: cell.exchanges.unwrap_or(self.protocol().exchanges),
            timeouts: self.timeouts(),
            hold: self.plan.checked.hold,
            close: self.plan.checked.close,
        }
    }

    /// Whether the load has ended.
    pub(crate) fn stopped(&self) -> bool {
        self.signal.borrow().stopped
    }

    /// Ends the load. Returns whether it had ended before.
    pub(crate) fn end(&self) -> bool {
        let mut before = false;
        self.signal.send_modify(|signal| {
            before = std::mem::replace(&mut signal.stopped, true);
        });
        before
    }

    /// How many events that cut sessions have come due.
    pub(crate) fn drops_due(&self) -> usize {
        self.signal.borrow().drops
    }

    /// Signals each event that cuts sessions when it is due.
    pub(crate) async fn signal_drops(&self) {
        for event in &self.drops {
            let at = self.plan.cells[self.cell].events[*event].due();
            sleep_until((self.recorder.start() + at).into()).await;
            self.signal.send_modify(|signal| signal.drops += 1);
        }
    }

    /// The event that has cut the session of a number since `seen` of them had come due.
    pub(crate) fn dropped_by(&self, number: u32, seen: usize) -> Option<usize> {
        self.dropped(number, seen, self.drops_due())
    }

    fn dropped(&self, number: u32, seen: usize, due: usize) -> Option<usize> {
        let events = self.recorder.occurrences()?;
        let mut drops = self.drops.get(seen..due)?.iter().copied();
        drops.find(|event| events.affects(*event, number))
    }

    /// Waits until a held session is released, that is until the load ends or an event cuts it.
    pub(crate) async fn until_released(&self, number: u32, seen: usize) -> Release {
        let mut signal = self.signal.subscribe();
        let is_over =
            |signal: &Signal| signal.stopped || self.dropped(number, seen, signal.drops).is_some();
        // An error would mean that the sender is gone, and it is ours.
        let stopped = signal
            .wait_for(is_over)
            .await
            .is_ok_and(|signal| signal.stopped);
        if stopped {
            Release::Close
        } else {
            Release::Cut
        }
    }

    /// How long a session that was cut waits before it tries again.
    pub(crate) fn back_off(&self, away: &Away) -> Duration {
        let (back_off, jitter) = self.plan.cells[self.cell].events[away.event].back_off;
        let wait = back_off.wait(away.failed);
        let share = self.waits.borrow_mut().random::<f64>();
        match jitter {
            Jitter::None => wait,
            Jitter::Equal => wait.mul_f64(0.5 + share / 2.0),
            Jitter::Full => wait.mul_f64(share),
        }
    }

    /// Waits until the load has ended.
    pub(crate) async fn until_stopped(&self) {
        // An error would mean that the sender is gone, and it is ours.
        let _ = self
            .signal
            .subscribe()
            .wait_for(|signal| signal.stopped)
            .await;
    }

    /// Waits until `at`, or until the load has ended if that comes first.
    pub(crate) async fn sleep_until(&self, at: Instant) {
        tokio::select! {
            () = sleep_until(at.into()) => {}
            () = self.until_stopped() => {}
        }
    }
}

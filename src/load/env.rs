//! What the sessions of one worker share during one trial. Nothing in it is shared with another
//! worker's hot path.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OnceCell, watch};
use tokio::time::sleep_until;

use super::LoadPlan;
use super::connect::{Addresses, Connector};
use super::deal::Deal;
use super::fleet::{Member, Turns};
use super::job::Job;
use super::recorder::{Attempt, Recorder};
use crate::protocol::{Draws, ProtocolPlan, Who};
use crate::scenario::{ProtocolKind, Timeouts};
use crate::session::Course;
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
    /// The trial's seed, this worker, and how many sessions it began: what the sizes of payloads depend on.
    pub draws: (u64, usize, Cell<u64>),
    pub recorder: Rc<Recorder>,
    /// Set once the load has ended: no new sessions, held ones are let go.
    pub stop: watch::Sender<bool>,
}

impl Env {
    /// That of a job whose sessions are all full ones.
    pub(crate) fn new(job: &Job, recorder: Rc<Recorder>) -> Self {
        let site = &job.plan.cells[job.cell];
        let worker = job.share.0;
        let checked = &job.plan.checked;
        let strange = checked.scenario.target.url.is_some();
        let silent = strange && checked.protocol.kind() == ProtocolKind::Handshake;
        let tls = site.tls_of(worker);
        Self {
            plan: Arc::clone(&job.plan),
            cell: job.cell,
            addresses: Addresses::new(&site.addrs, worker),
            stayed: tls
                .iter()
                .filter(|_| silent)
                .map(|_| OnceCell::new())
                .collect(),
            tls: tls.to_vec(),
            deal: RefCell::new(Deal::new(&site.shares, job.share)),
            turns: (site.fleet.as_ref()).map(|fleet| fleet.turns(job.share, job.seed)),
            resumed: RefCell::default(),
            connector: Connector::new(&job.plan.sources, worker),
            draws: (job.seed, worker, Cell::new(0)),
            recorder,
            stop: watch::channel(false).0,
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
        let mut attempt = self.recorder.begin(scheduled);
        if self.tls.is_empty() {
            attempt.sample.kind = OkKind::Tcp;
        }
        self.addresses.deal(&mut attempt);
        if let Some(turn) = turn {
            self.present(&mut attempt, turn.index);
            attempt.turn = Some(turn);
        } else if self.tls.len() > 1 {
            attempt.sample.identity = Some(self.deal.borrow_mut().next());
        }
        let identity = match self.turns {
            Some(_) => 0,
            None => attempt.sample.identity.unwrap_or(0),
        };
        if let Some(deal) = self.resumed.borrow_mut().get_mut(identity) {
            attempt.plan(deal.next() == Deal::RESUMED);
        }
        Some(attempt)
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
            attempt.presents(fleet.present(self.draws.1, index, base));
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
        *self.stop.borrow()
    }

    /// Waits until the load has ended.
    pub(crate) async fn until_stopped(&self) {
        // An error would mean that the sender is gone, and it is ours.
        let _ = self.stop.subscribe().wait_for(|stopped| *stopped).await;
    }

    /// Waits until `at`, or until the load has ended if that comes first.
    pub(crate) async fn sleep_until(&self, at: Instant) {
        tokio::select! {
            () = sleep_until(at.into()) => {}
            () = self.until_stopped() => {}
        }
    }
}

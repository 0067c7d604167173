//! The open loop: a session for every arrival that is due, whatever became of the ones before.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{spawn_local, yield_now};

use super::env::Env;
use super::job::Job;
use super::pacer::Pacer;
use super::schedule::{Schedule, share};
use super::session;
use crate::scenario::{Arrivals, Profile};
use crate::stats::NotStarted;

/// Overdue arrivals that are started in a row before sessions in flight get their turn.
const BURST: u32 = 16;

/// How late an arrival may be to begin before the next turn of a session. One that is later belongs to a
/// backlog, and a thread with a backlog has sessions to finish before it begins more.
const PROMPT: Duration = Duration::from_millis(1);

/// One worker's part of an open loop.
pub(super) struct OpenLoop<'a> {
    pub rate: &'a Profile,
    pub arrivals: Arrivals,
    pub max_in_flight: u64,
    pub job: &'a Job,
    /// When the last arrival may be due.
    pub end: Instant,
}

impl OpenLoop<'_> {
    /// Offers the load until its end or a stop. Every arrival that came due is either started or
    /// counted as not started.
    pub(crate) async fn offer(&self, env: &Rc<Env>) -> io::Result<()> {
        let pacer = Pacer::new()?;
        let arriving = Rc::new(Arriving::new(self, env));
        while let Some(due) = arriving.next.get() {
            if due > Instant::now() {
                tokio::select! {
                    waited = pacer.wait_until(due) => waited?,
                    () = env.until_stopped() => break,
                }
            }
            if arriving.begin_due(BURST) {
                yield_now().await;
            }
        }
        // The load lasts until its end even if the last arrival came earlier; with a total, until
        // the last of its sessions is over, so that each is held as long as was asked.
        tokio::select! {
            () = env.sleep_until(self.end) => {}
            () = env.recorder.idle(), if self.job.plan.checked.stop.total.is_some() => {}
        }
        Ok(())
    }
}

/// When the arrivals of one worker are due, before the end of its load.
pub(super) fn arrivals_of(
    job: &Job,
    rate: &Profile,
    arrivals: Arrivals,
    end: Instant,
) -> impl Iterator<Item = Instant> + use<> {
    let total = job.plan.checked.stop.total;
    let start = job.start;
    Schedule::new(rate, arrivals, job.share, total, job.seed)
        .map(move |offset| start + offset)
        .take_while(move |due| *due < end)
}

/// The arrivals of one worker that are still to come.
struct Arriving {
    env: Rc<Env>,
    arrivals: RefCell<Box<dyn Iterator<Item = Instant>>>,
    /// When the first of them is due; none once there are no more.
    next: Cell<Option<Instant>>,
    /// Most sessions in flight.
    room: u64,
    /// When overdue arrivals are given up.
    give_up: Instant,
}

impl Arriving {
    fn new(load: &OpenLoop<'_>, env: &Rc<Env>) -> Self {
        let (job, stop) = (load.job, load.job.plan.checked.stop);
        let (worker, workers) = job.share;
        let mut arrivals = arrivals_of(job, load.rate, load.arrivals, load.end);
        Self {
            env: Rc::clone(env),
            next: Cell::new(arrivals.next()),
            arrivals: RefCell::new(Box::new(arrivals)),
            room: share(load.max_in_flight, worker as u64, workers as u64),
            give_up: load.end + stop.grace,
        }
    }

    /// Begins up to `most` arrivals that are due. Returns whether more may be due.
    fn begin_due(self: &Rc<Self>, most: u32) -> bool {
        for _ in 0..most {
            let now = Instant::now();
            let Some(due) = self.next.get().filter(|due| *due <= now) else {
                return false;
            };
            let env = &self.env;
            if env.stopped() || now >= self.give_up {
                // Sessions in flight get no more turns: the deadline is theirs too.
                self.next.set(None);
                let mut arrivals = self.arrivals.borrow_mut();
                let rest = arrivals.by_ref().take_while(|due| *due <= now);
                let rest = [due].into_iter().chain(rest);
                env.recorder.skip_all(rest, NotStarted::Deadline);
                return false;
            }
            self.next.set(self.arrivals.borrow_mut().next());
            if env.recorder.in_flight() >= self.room {
                env.recorder.skip(due, NotStarted::MaxInFlight);
            } else if let Some(attempt) = env.begin(due) {
                let opened = session::open(Rc::clone(env), attempt);
                spawn_local(Rc::clone(self).ahead_of(opened.run()));
            }
        }
        true
    }

    /// Runs a session, and before each of its turns begins an arrival that came due: a turn may take
    /// a quarter of a millisecond of cryptography, and a queue of them as often as long.
    async fn ahead_of(self: Rc<Self>, session: impl Future<Output = bool>) {
        let mut session = pin!(session);
        poll_fn(|cx| {
            let late = |due: Instant| Instant::now().saturating_duration_since(due);
            if self.next.get().is_some_and(|due| late(due) < PROMPT) {
                self.begin_due(1);
            }
            session.as_mut().poll(cx).map(drop)
        })
        .await;
    }
}

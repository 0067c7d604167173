//! The closed loop: a number of concurrent sessions, each replaced when it ends.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{sleep, sleep_until};

use super::env::Env;
use super::job::Job;
use super::schedule::share;
use super::session;
use crate::scenario::Profile;

/// Pause after a failed connection, so that a dead server is not hammered. A server that answers, be
/// it with a rejection, sets the pace itself.
const FAILURE_PAUSE: Duration = Duration::from_millis(1);

/// One worker's part of a closed loop.
pub(super) struct ClosedLoop<'a> {
    pub sessions: &'a Profile,
    /// Most session starts per second of all workers.
    pub start_cap: Option<f64>,
    pub job: &'a Job,
    pub end: Instant,
}

impl ClosedLoop<'_> {
    /// Offers the load until its end, a stop, or until no session is wanted any more.
    pub(crate) async fn offer(&self, env: &Rc<Env>) {
        let (checked, start) = (&self.job.plan.checked, self.job.start);
        let (worker, workers) = (self.job.share.0 as u64, self.job.share.1 as u64);
        let count = share(checked.load.max_in_flight(), worker, workers);
        let gap = |cap: f64| Duration::from_secs_f64(workers as f64 / cap);
        let slots = Rc::new(Slots {
            sessions: self.sessions.clone(),
            start,
            end: self.end,
            left: Cell::new(
                (checked.stop.total).map_or(u64::MAX, |total| share(total, worker, workers)),
            ),
            alive: Cell::new(count),
            all_done: Notify::new(),
            gap: self.start_cap.map_or(Duration::ZERO, gap),
            next_start: Cell::new(start),
        });
        env.sleep_until(start).await;
        for index in 0..count {
            // Slot 0 of worker 0 is the first to open in a ramp, slot 0 of worker 1 the second, …
            let level = (index * workers + worker + 1) as f64;
            spawn_local(slot(Rc::clone(env), Rc::clone(&slots), level));
        }
        tokio::select! {
            () = env.sleep_until(self.end) => {}
            () = slots.finished() => {}
        }
    }
}

/// What the slots of one worker share.
struct Slots {
    sessions: Profile,
    start: Instant,
    end: Instant,
    /// Sessions that may still be started.
    left: Cell<u64>,
    alive: Cell<u64>,
    all_done: Notify,
    /// Least time between two starts, and when the next one is allowed.
    gap: Duration,
    next_start: Cell<Instant>,
}

impl Slots {
    /// Waits until every slot has ended (a total was reached, or the ramp needs none any more).
    async fn finished(&self) {
        while self.alive.get() > 0 {
            self.all_done.notified().await;
        }
    }

    /// Waits until this slot is wanted and a start is allowed; `false` if it never will be again.
    async fn wanted(&self, level: f64) -> bool {
        let seconds = self.start.elapsed().as_secs_f64();
        let Some(at) = self.sessions.next_reach(seconds, level) else {
            return false;
        };
        if at > seconds {
            sleep_until((self.start + Duration::from_secs_f64(at)).into()).await;
        }
        if !self.gap.is_zero() {
            let allowed = self.next_start.get().max(Instant::now());
            self.next_start.set(allowed + self.gap);
            sleep_until(allowed.into()).await;
        }
        Instant::now() < self.end
    }

    /// Takes one of the sessions that may still be started.
    fn take(&self) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0
    }
}

/// One of the concurrent sessions: opened again and again until the load ends.
async fn slot(env: Rc<Env>, slots: Rc<Slots>, level: f64) {
    while slots.wanted(level).await && !env.stopped() && slots.take() {
        // More slots than identities are refused before the run.
        let Some(attempt) = env.begin(Instant::now()) else {
            break;
        };
        if !session::open(Rc::clone(&env), attempt).run().await {
            sleep(FAILURE_PAUSE).await;
        }
    }
    slots.alive.set(slots.alive.get() - 1);
    if slots.alive.get() == 0 {
        slots.all_done.notify_one();
    }
}

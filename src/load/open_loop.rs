//! The open loop: a session for every arrival that is due, whatever became of the ones before.

use std::io;
use std::rc::Rc;
use std::time::Instant;

use tokio::task::{spawn_local, yield_now};

use super::env::Env;
use super::pacer::Pacer;
use super::schedule::{Schedule, share};
use super::session;
use crate::scenario::{Arrivals, Profile};
use crate::stats::NotStarted;

/// Overdue arrivals that are started in a row before sessions in flight get their turn.
const BURST: u32 = 16;

/// One worker's part of an open loop.
pub(super) struct OpenLoop<'a> {
    pub rate: &'a Profile,
    pub arrivals: Arrivals,
    pub max_in_flight: u64,
    pub total: Option<u64>,
    /// Which worker of how many.
    pub share: (usize, usize),
    pub seed: u64,
    pub start: Instant,
    /// When the last arrival may be due.
    pub end: Instant,
    /// When overdue arrivals are given up.
    pub give_up: Instant,
}

impl OpenLoop<'_> {
    /// Offers the load until its end or a stop. Every arrival that came due is either started or
    /// counted as not started.
    pub async fn offer(&self, env: &Rc<Env>) -> io::Result<()> {
        let pacer = Pacer::new()?;
        let (worker, workers) = self.share;
        let room = share(self.max_in_flight, worker as u64, workers as u64);
        let schedule = Schedule::new(self.rate, self.arrivals, self.share, self.total, self.seed);
        let mut arrivals = schedule
            .map(|offset| self.start + offset)
            .take_while(|due| *due < self.end);
        let mut overdue = 0;
        while let Some(due) = arrivals.next() {
            if due > Instant::now() {
                overdue = 0;
                tokio::select! {
                    waited = pacer.wait_until(due) => waited?,
                    () = env.until_stopped() => break,
                }
            } else {
                overdue += 1;
                if overdue % BURST == 0 {
                    yield_now().await;
                }
            }
            if overdue > 0 && (env.stopped() || Instant::now() >= self.give_up) {
                // Sessions in flight get no more turns: the deadline is theirs too.
                let now = Instant::now();
                let rest = arrivals.take_while(|due| *due <= now);
                env.recorder
                    .skip_all([due].into_iter().chain(rest), NotStarted::Deadline);
                break;
            } else if env.recorder.in_flight() >= room {
                env.recorder.skip(due, NotStarted::MaxInFlight);
            } else {
                let attempt = env.begin(due);
                spawn_local(session::run(Rc::clone(env), attempt));
            }
        }
        // The load lasts until its end even if the last arrival came earlier; with a total, until
        // the last of its sessions is over, so that each is held as long as was asked.
        tokio::select! {
            () = env.sleep_until(self.end) => {}
            () = env.recorder.idle(), if self.total.is_some() => {}
        }
        Ok(())
    }
}

//! A worker: one pinned thread that runs its share of each trial on a runtime of its own.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{Notify, watch};
use tokio::task::{spawn_local, yield_now};
use tokio::time::{sleep, sleep_until};

use super::LoadPlan;
use super::connect::Connector;
use super::engine::Interrupt;
use super::pacer::Pacer;
use super::plan::CellPlan;
use super::recorder::{LiveCounters, Recorder};
use super::schedule::{Schedule, share};
use super::session;
use crate::scenario::{Arrivals, LoadModel, Profile, Timeouts};
use crate::stats::{CancelPhase, NotStarted, TrialStats};

/// Pause after a failed session of a closed loop, so that a dead server is not hammered.
const FAILURE_PAUSE: Duration = Duration::from_millis(1);
/// Overdue arrivals that are started in a row before sessions in flight get their turn.
const BURST: u32 = 16;

/// One trial as given to a worker.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub plan: Arc<LoadPlan>,
    pub cell: usize,
    /// Which worker of how many.
    pub share: (usize, usize),
    /// Seed of this trial's random arrivals.
    pub seed: u64,
    /// When the load begins, the same for all workers.
    pub start: Instant,
    pub control: watch::Receiver<Interrupt>,
    pub live: Arc<LiveCounters>,
}

/// What the sessions of one worker share during a trial.
#[derive(Debug)]
pub(super) struct Env {
    pub plan: Arc<LoadPlan>,
    cell: usize,
    pub connector: Connector,
    pub recorder: Rc<Recorder>,
    /// Set once the load has ended: no new sessions, held ones are let go.
    pub stop: watch::Sender<bool>,
}

impl Env {
    pub fn cell(&self) -> &CellPlan {
        &self.plan.cells[self.cell]
    }

    pub fn timeouts(&self) -> &Timeouts {
        &self.plan.checked.scenario.timeouts
    }

    fn stopped(&self) -> bool {
        *self.stop.borrow()
    }
}

/// The single-threaded runtime of one trial; dropping it drops every session.
fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
}

/// Runs one trial to its end and returns what was counted.
///
/// # Errors
///
/// Fails if the system gives no runtime or timer.
pub(super) fn run_trial(job: &Job) -> io::Result<TrialStats> {
    let stop = job.plan.checked.stop;
    let measure_from = job.start + stop.warmup;
    let recorder = Rc::new(Recorder::new(
        job.start,
        measure_from,
        Arc::clone(&job.live),
    ));
    let env = Rc::new(Env {
        plan: Arc::clone(&job.plan),
        cell: job.cell,
        connector: Connector::new(&job.plan.sources, job.share.0),
        recorder: Rc::clone(&recorder),
        stop: watch::channel(false).0,
    });
    let runtime = runtime()?;
    let result = runtime.block_on(trial(job, &env));
    // Whatever is still in flight is dropped here and counts itself as cancelled.
    drop(runtime);
    recorder.close_window();
    result.map(|()| recorder.take())
}

async fn trial(job: &Job, env: &Rc<Env>) -> io::Result<()> {
    let stop = job.plan.checked.stop;
    let end = job.start + stop.warmup + stop.duration;
    let mut control = job.control.clone();
    spawn_local(meter(
        Rc::clone(&env.recorder),
        job.start + stop.warmup,
        end,
    ));
    let interrupted = tokio::select! {
        result = offer_load(job, env, end) => { result?; false }
        _ = control.wait_for(|i| *i != Interrupt::None) => true,
    };
    env.stop.send_replace(true);
    let deadline = if interrupted {
        Instant::now() + stop.grace
    } else {
        end + stop.grace
    };
    let abort = control.wait_for(|i| *i == Interrupt::Abort);
    tokio::select! {
        () = env.recorder.idle() => {}
        () = sleep_until(deadline.into()) => env.recorder.cancel_as(CancelPhase::Drain),
        _ = abort => env.recorder.cancel_as(CancelPhase::Abort),
    }
    Ok(())
}

/// Opens and closes the CPU window at the bounds of the measure phase.
async fn meter(recorder: Rc<Recorder>, from: Instant, to: Instant) {
    sleep_until(from.into()).await;
    recorder.open_window();
    sleep_until(to.into()).await;
    recorder.close_window();
}

async fn offer_load(job: &Job, env: &Rc<Env>, end: Instant) -> io::Result<()> {
    let total = job.plan.checked.stop.total;
    match &job.plan.checked.load {
        LoadModel::Open {
            rate,
            arrivals,
            max_in_flight,
        } => open_loop(job, env, end, (rate, *arrivals, *max_in_flight), total).await,
        LoadModel::Closed {
            sessions,
            start_cap,
        } => {
            closed_loop(job, env, end, (sessions, *start_cap), total).await;
            Ok(())
        }
    }
}

/// Starts a session for every arrival that is due, whatever became of the ones before.
async fn open_loop(
    job: &Job,
    env: &Rc<Env>,
    end: Instant,
    (rate, arrivals, max_in_flight): (&Profile, Arrivals, u64),
    total: Option<u64>,
) -> io::Result<()> {
    let pacer = Pacer::new()?;
    let (worker, workers) = job.share;
    let room = share(max_in_flight, worker as u64, workers as u64);
    let give_up = end + job.plan.checked.stop.grace;
    let schedule = Schedule::new(rate, arrivals, job.share, total, job.seed);
    let mut burst = 0;
    for offset in schedule {
        let due = job.start + offset;
        if due >= end {
            break;
        }
        if due > Instant::now() {
            pacer.wait_until(due).await?;
            burst = 0;
        } else {
            burst += 1;
            if burst % BURST == 0 {
                yield_now().await;
            }
        }
        if burst > 0 && Instant::now() >= give_up {
            env.recorder.skip(due, NotStarted::Deadline);
        } else if env.recorder.in_flight() >= room {
            env.recorder.skip(due, NotStarted::MaxInFlight);
        } else {
            let attempt = env.recorder.begin(due);
            spawn_local(session::run(Rc::clone(env), attempt));
        }
    }
    // The load lasts until its end even if the last arrival came earlier, unless a total ended it.
    if total.is_none() {
        sleep_until(end.into()).await;
    }
    Ok(())
}

/// What the slots of a closed loop share.
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

/// Keeps the planned number of sessions going, each replaced when it ends.
async fn closed_loop(
    job: &Job,
    env: &Rc<Env>,
    end: Instant,
    (sessions, start_cap): (&Profile, Option<f64>),
    total: Option<u64>,
) {
    let (worker, workers) = (job.share.0 as u64, job.share.1 as u64);
    let most = job.plan.checked.load.max_in_flight();
    let count = share(most, worker, workers);
    // Workers without a session of their own take no part in a total either.
    let busy_workers = workers.min(most);
    let gap = start_cap.map_or(Duration::ZERO, |cap| {
        Duration::from_secs_f64(workers as f64 / cap)
    });
    let slots = Rc::new(Slots {
        sessions: sessions.clone(),
        start: job.start,
        end,
        left: Cell::new(total.map_or(u64::MAX, |total| share(total, worker, busy_workers))),
        alive: Cell::new(count),
        all_done: Notify::new(),
        gap,
        next_start: Cell::new(job.start),
    });
    sleep_until(job.start.into()).await;
    for index in 0..count {
        // Slot 0 of worker 0 is the first to open in a ramp, slot 0 of worker 1 the second, …
        let level = (index * workers + worker + 1) as f64;
        spawn_local(slot(Rc::clone(env), Rc::clone(&slots), level));
    }
    tokio::select! {
        () = sleep_until(end.into()) => {}
        () = slots.finished() => {}
    }
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
        let attempt = env.recorder.begin(Instant::now());
        if !session::run(Rc::clone(&env), attempt).await {
            sleep(FAILURE_PAUSE).await;
        }
    }
    slots.alive.set(slots.alive.get() - 1);
    if slots.alive.get() == 0 {
        slots.all_done.notify_one();
    }
}

//! One worker's part of a trial, on a runtime of its own: offer the load, then drain.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::sleep_until;

use super::closed_loop::ClosedLoop;
use super::control::Interrupt;
use super::deal::Deal;
use super::env::Env;
use super::hand_over::HandOver;
use super::job::{Job, Task};
use super::occurrence::Occurrences;
use super::open_loop::{OpenLoop, arrivals_of};
use super::prime::prime;
use super::recorder::{Cut, Recorder};
use super::schedule::share;
use crate::clock::ns_between;
use crate::pki::take_token_counts;
use crate::scenario::LoadModel;
use crate::session::runtime;
use crate::stats::{CancelPhase, NotStarted, TrialStats};

/// How long a worker's watchdog sleeps, in turn, in milliseconds. Waking an idle thread costs up to
/// 90 µs, so it is done rarely; and not in step with the 100 ms in which quotas are given out, which
/// would see the same part of each period only.
const WATCH_MS: [u64; 4] = [37, 71, 113, 89];

/// Does a job to its end and returns what was counted.
///
/// Fails if the system gives no runtime or timer.
pub(super) fn work(job: &Job) -> io::Result<TrialStats> {
    match &job.task {
        Task::Prime => prime(job),
        Task::Trial(occurrences) => run_trial(job, occurrences.as_ref()),
        Task::Late => Ok(not_loaded(job)),
    }
}

/// Counts the arrivals of a trial that is not loaded, each as not started.
fn not_loaded(job: &Job) -> TrialStats {
    let checked = &job.plan.checked;
    let stop = checked.stop;
    let measure_from = job.start + stop.warmup;
    let end = measure_from + stop.duration;
    let seconds = HandOver::new(job.worker, job.seconds.clone());
    let recorder = Recorder::new(job.start, measure_from, Arc::clone(&job.live), seconds);
    match &checked.load {
        LoadModel::Open { rate, arrivals, .. } => {
            let due = arrivals_of(job, rate, *arrivals, end);
            recorder.skip_all(due, NotStarted::Late);
        }
        LoadModel::Closed { .. } => {
            let (worker, workers) = (job.share.0 as u64, job.share.1 as u64);
            let all = stop.total.unwrap_or_else(|| checked.load.max_in_flight());
            let due = (0..share(all, worker, workers)).map(|_| job.start);
            recorder.skip_all(due, NotStarted::Late);
        }
    }
    recorder.take()
}

fn run_trial(job: &Job, occurrences: Option<&Arc<Occurrences>>) -> io::Result<TrialStats> {
    let measure_from = job.start + job.plan.checked.stop.warmup;
    let site = &job.plan.cells[job.cell];
    let recorder = Recorder::new(
        job.start,
        measure_from,
        Arc::clone(&job.live),
        HandOver::new(job.worker, job.seconds.clone()),
    );
    let recorder = Rc::new(recorder.watching(occurrences.cloned()));
    let own = occurrences.is_some_and(|events| events.needs_own_certificates());
    if let Some(fleet) = site.fleet.as_ref().filter(|_| own) {
        fleet.forget(job.worker);
    }
    let tls = site.tls_of(job.worker);
    let resumed = site.cell.resumed.iter();
    let resumed = resumed.flat_map(|ratio| tls.iter().map(|_| Deal::of_ratio(*ratio, job.share)));
    let env = Rc::new(Env {
        resumed: RefCell::new(resumed.collect()),
        ..Env::new(job, Rc::clone(&recorder))
    });
    let runtime = runtime()?;
    // What configurations and priming signed is of no trial.
    take_token_counts();
    let result = runtime.block_on(trial(job, &env));
    // Whatever is still in flight is dropped here and counts itself.
    drop(runtime);
    result?;
    let mut stats = recorder.take();
    stats.token = take_token_counts();
    site.each_store(job.worker, |store| {
        let counts = store.take_counts();
        stats.resumption.harvested += counts.harvested;
        stats.resumption.dropped += counts.dropped;
    });
    Ok(stats)
}

async fn trial(job: &Job, env: &Rc<Env>) -> io::Result<()> {
    let stop = job.plan.checked.stop;
    let measure_from = job.start + stop.warmup;
    let end = measure_from + stop.duration;
    spawn_local(meter(Rc::clone(&env.recorder), measure_from, end));
    spawn_local(turn_every_second(Rc::clone(&env.recorder), job.start));
    spawn_local(stop_on_interrupt(job.control.clone(), Rc::clone(env)));
    let dropping = Rc::clone(env);
    spawn_local(async move { dropping.signal_drops().await });
    offer_load(job, env, end).await?;
    let interrupted = env.end();
    let (from, cut) = if interrupted {
        (Instant::now(), Cut::Us(CancelPhase::Drain))
    } else {
        (end, Cut::Deadline)
    };
    let deadline = from + stop.grace;
    let mut control = job.control.clone();
    tokio::select! {
        () = env.recorder.idle() => {}
        () = sleep_until(deadline.into()) => env.recorder.cut_off(cut),
        _ = control.wait_for(|i| *i == Interrupt::Abort) => {
            env.recorder.cut_off(Cut::Us(CancelPhase::Abort));
        }
    }
    env.recorder.close_window();
    Ok(())
}

/// Hands each second over as soon as it is past: a worker to which nothing happens has to say so.
async fn turn_every_second(recorder: Rc<Recorder>, start: Instant) {
    let mut due = start;
    loop {
        due += Duration::from_secs(1);
        sleep_until(due.into()).await;
        recorder.turn();
    }
}

/// Opens and closes the CPU window at the bounds of the measure phase.
async fn meter(recorder: Rc<Recorder>, from: Instant, to: Instant) {
    sleep_until(from.into()).await;
    recorder.open_window();
    watch_for_stalls(&recorder, to).await;
    recorder.close_window();
}

/// Wakes now and then until `to` and notes how late it was woken: a worker that is stopped, waits for
/// a core or works through a long queue is late for its sessions as well.
async fn watch_for_stalls(recorder: &Recorder, to: Instant) {
    let mut now = Instant::now();
    for sleep in WATCH_MS.into_iter().cycle() {
        if now >= to {
            return;
        }
        let due = to.min(now + Duration::from_millis(sleep));
        sleep_until(due.into()).await;
        now = Instant::now();
        recorder.woke(ns_between(due, now));
    }
}

async fn stop_on_interrupt(mut control: watch::Receiver<Interrupt>, env: Rc<Env>) {
    if control.wait_for(|i| *i != Interrupt::None).await.is_ok() {
        env.end();
    }
}

async fn offer_load(job: &Job, env: &Rc<Env>, end: Instant) -> io::Result<()> {
    match &job.plan.checked.load {
        LoadModel::Open {
            rate,
            arrivals,
            max_in_flight,
        } => {
            let load = OpenLoop {
                rate,
                arrivals: *arrivals,
                max_in_flight: *max_in_flight,
                job,
                end,
            };
            load.offer(env).await
        }
        LoadModel::Closed {
            sessions,
            start_cap,
        } => {
            let load = ClosedLoop {
                sessions,
                start_cap: *start_cap,
                job,
                end,
            };
            load.offer(env).await;
            Ok(())
        }
    }
}

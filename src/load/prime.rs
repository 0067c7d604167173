//! Priming: full sessions ahead of a trial, until the stores hold what its load needs at once. They are
//! accounted for apart from the trial's own.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::spawn_local;
use tokio::time::{sleep, sleep_until};

use super::control::Interrupt;
use super::env::Env;
use super::fleet::Own;
use super::hand_over::HandOver;
use super::job::Job;
use super::recorder::{Cut, Recorder};
use super::session;
use crate::scenario::LoadModel;
use crate::session::runtime;
use crate::stats::{CancelPhase, TrialStats};
use crate::tls::SessionStore;

/// Priming ends after this, whatever was achieved.
pub(super) const LONGEST: Duration = Duration::from_secs(10);
/// Most sessions of one worker at once.
const WIDEST: u64 = 16;

/// Empties this worker's stores of a cell and fills them again. The sessions are in the total of what
/// is returned.
///
/// Fails if the system gives no runtime.
pub(super) fn prime(job: &Job) -> io::Result<TrialStats> {
    let site = &job.plan.cells[job.cell];
    site.each_store(job.worker, SessionStore::clear);
    let start = Instant::now();
    let deadline = start + LONGEST;
    // Nothing of it is measured: a session belongs to the warm-up of a phase that never begins.
    let recorder = Rc::new(Recorder::new(
        start,
        deadline + LONGEST,
        Arc::default(),
        HandOver::to_nobody(),
    ));
    let env = Rc::new(Env::new(job, Rc::clone(&recorder)));
    // Sessions are not held open.
    env.end();
    let runtime = runtime()?;
    runtime.block_on(async {
        let mut control = job.control.clone();
        tokio::select! {
            () = fill_stores(&env, job) => {}
            () = sleep_until(deadline.into()) => recorder.cut_off(Cut::Us(CancelPhase::Drain)),
            _ = control.wait_for(|i| *i != Interrupt::None) => {
                recorder.cut_off(Cut::Us(CancelPhase::Abort));
            }
        }
    });
    // Whatever is still in flight is dropped here and counts itself as cancelled.
    drop(runtime);
    // What was harvested from here on is the trial's.
    site.each_store(job.worker, |store| {
        store.take_counts();
    });
    Ok(recorder.take())
}

async fn fill_stores(env: &Rc<Env>, job: &Job) {
    match &env.turns {
        Some(turns) => fill_fleet(env, turns.own(), pace(job)).await,
        None => fill(env, job).await,
    }
}

/// Makes a session with each of the worker's identities.
async fn fill_fleet(env: &Rc<Env>, own: Own, (at_once, pause): (usize, Duration)) {
    let mut left = 0..own.count;
    loop {
        let batch: Vec<u32> = left.by_ref().take(at_once).collect();
        if batch.is_empty() {
            return;
        }
        for n in batch {
            let attempt = env.begin_with(own.nth(n));
            spawn_local(session::open(Rc::clone(env), attempt).run());
        }
        env.recorder.idle().await;
        sleep(pause).await;
    }
}

/// Makes sessions in batches until every identity's store holds enough, leaving out those that a batch
/// brought nothing for: their server gives no tickets, or rejects them.
async fn fill(env: &Rc<Env>, job: &Job) {
    let site = &job.plan.cells[job.cell];
    let stock = |identity: usize| env.tls[identity].store().map_or(0, SessionStore::stock);
    let (at_once, pause) = pace(job);
    let mut open: Vec<usize> = (0..env.tls.len()).collect();
    loop {
        let missing = |identity: &usize| {
            let wanted = site.primed.get(*identity).copied().unwrap_or(0);
            std::iter::repeat_n(*identity, wanted.saturating_sub(stock(*identity)))
        };
        let batch: Vec<usize> = open.iter().flat_map(missing).take(at_once).collect();
        if batch.is_empty() {
            return;
        }
        let before: Vec<usize> = (0..env.tls.len()).map(stock).collect();
        for identity in &batch {
            let attempt = env.begin_as(*identity);
            spawn_local(session::open(Rc::clone(env), attempt).run());
        }
        env.recorder.idle().await;
        open.retain(|identity| !batch.contains(identity) || stock(*identity) > before[*identity]);
        sleep(pause).await;
    }
}

/// How many sessions are made at once, no more than the load will, and the pause after them: towards a
/// public address the cap holds here, too.
fn pace(job: &Job) -> (usize, Duration) {
    let checked = &job.plan.checked;
    let workers = job.share.1 as u64;
    let cap = match &checked.load {
        LoadModel::Closed { start_cap, .. } => *start_cap,
        LoadModel::Open { rate, .. } => {
            let public = checked.scenario.target.allow_public;
            public.then(|| rate.peak())
        }
    };
    if let Some(cap) = cap {
        return (1, Duration::from_secs_f64(workers as f64 / cap));
    }
    let most = checked.load.max_in_flight() / workers;
    let at_once = usize::try_from(most.clamp(1, WIDEST)).unwrap_or(1);
    (at_once, Duration::ZERO)
}

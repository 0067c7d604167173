//! What a worker is given to do.

use std::sync::{Arc, mpsc};
use std::time::Instant;

use tokio::sync::watch;

use super::LoadPlan;
use super::control::Interrupt;
use super::counters::LiveCounters;
use super::occurrence::Occurrences;
use crate::stats::Second;

/// What a worker is given to do.
#[derive(Debug, Clone)]
pub(super) enum Task {
    /// To fill its stores for the trial that follows.
    Prime,
    /// Its part of the trial, in which these events happen.
    Trial(Option<Arc<Occurrences>>),
    /// To account for its part of a trial that is not loaded, because other shards began without this one.
    Late,
}

/// One trial as given to a worker, or the priming ahead of it.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub task: Task,
    pub plan: Arc<LoadPlan>,
    pub cell: usize,
    /// Which worker of this process.
    pub worker: usize,
    /// Which worker of how many that take part, those of other shards included.
    pub share: (usize, usize),
    /// Seed of this trial's random arrivals and sizes.
    pub seed: u64,
    /// When the load begins, the same for all workers.
    pub start: Instant,
    pub control: watch::Receiver<Interrupt>,
    pub live: Arc<LiveCounters>,
    /// Where the seconds of the trial go, with the number of the worker.
    pub seconds: mpsc::Sender<(usize, Second)>,
}

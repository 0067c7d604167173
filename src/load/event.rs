//! What the engine tells those who watch a run: its events, the counts they carry, and a finished trial.

use std::time::{Duration, SystemTime};

use super::happen::Happened;
use crate::pki::CertificateRevocationListDer;
use crate::record::TimelineRecord;
use crate::stats::{Accounting, CpuWindow, Pause, Second, Throttled, TrialStats};

/// A look at the target from outside the load, where the target is ours.
pub trait TargetView {
    /// CPU time of the target's threads so far.
    fn cpu(&self) -> Duration;

    /// Has it look clients of a cell up in a newer list of its issuer; in its first lists again if there is none.
    ///
    /// # Errors
    ///
    /// Fails with the cause if the list cannot be used.
    fn replace_list(
        &self,
        cell: usize,
        list: Option<&CertificateRevocationListDer<'static>>,
    ) -> Result<(), String>;
}

/// Counts of a running trial, summed over workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LiveTotals {
    /// Attempts begun.
    pub started: u64,
    /// Sessions confirmed.
    pub ok: u64,
    /// Attempts failed.
    pub failed: u64,
    /// Attempts and sessions in flight.
    pub in_flight: u64,
    /// Of these, confirmed sessions that are held open.
    pub held: u64,
}

/// What the engine tells while it runs.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A trial begins.
    Begin {
        /// Its number, from 0.
        number: usize,
        /// Of how many.
        of: usize,
        /// Index of its cell.
        cell: usize,
    },
    /// A look at a trial of a shard that waits for its time.
    Waiting {
        /// Time until its load begins.
        left: Duration,
    },
    /// A look at the priming of a cell that resumes sessions.
    Priming {
        /// Time since it began.
        elapsed: Duration,
    },
    /// The stores of a cell that resumes sessions are filled, and its load begins.
    Primed,
    /// A look at a running trial.
    Tick {
        /// Time since the load began, warm-up included.
        elapsed: Duration,
        /// Counts so far.
        live: LiveTotals,
    },
    /// A second of the trial is past, for all workers, warm-up and drain included. Each comes once, in order,
    /// also those in which nothing happened. A worker that stands still holds them up; those through which
    /// all stood still are left out. The last one is shorter than a second.
    Second(&'a Second),
    /// The trial has ended, with this result.
    End(&'a TrialResult),
}

/// One finished trial.
#[derive(Debug, Clone)]
pub struct TrialResult {
    /// Index of its cell.
    pub cell: usize,
    /// Which round it belongs to, from 0.
    pub round: usize,
    /// When it began.
    pub started_at: SystemTime,
    /// Of a shard: when its load was to begin, after the start of all of them, and how much later it did.
    pub scheduled: Option<(Duration, Duration)>,
    /// From the first arrival until nothing was in flight any more, in nanoseconds.
    pub length_ns: u64,
    /// What was counted.
    pub stats: TrialStats,
    /// What was done for each of the cell's events.
    pub happened: Vec<Happened>,
    /// The longest time in the measure phase without an answer to those who waited.
    pub longest_pause: Pause,
    /// A row for each second since its start.
    pub timeline: Vec<TimelineRecord>,
    /// The sessions made ahead of it to fill the stores, where sessions are resumed.
    pub prime: Option<Accounting>,
    /// The target's CPU in the measure phase, where the target is ours.
    pub target_cpu: Option<CpuWindow>,
    /// Share of all CPU time that the hypervisor gave to others in the measure phase.
    pub stolen: Option<f64>,
    /// How a CPU quota stopped this process in the measure phase.
    pub throttled: Option<Throttled>,
    /// Most sessions seen held open at once.
    pub held_max: u64,
    /// Most attempts and sessions seen in flight at once.
    pub in_flight_max: u64,
    /// Memory of this process before the trial, in bytes.
    pub memory_before: Option<u64>,
    /// Most memory of this process seen during it, in bytes.
    pub memory_max: Option<u64>,
    /// Whether the run was interrupted in this trial.
    pub interrupted: bool,
}

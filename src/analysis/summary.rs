//! What a record says of each cell, in figures over its trials.
//!
//! Histograms of trials are merged before a percentile is taken. Spreads treat the trial as the unit.

use std::collections::BTreeMap;

use crate::record::{CellRecord, KindRecord, OLDEST_SCHEMA, RunRecord, TrialRecord};
use crate::scenario::AuthMode;
use crate::stats::{
    Accounting, LatencyHistogram, Metric, Pause, ResumptionCounts, Spread, Timing, covers,
};

/// Percentiles of one metric; `None` where there are too few samples for one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Quantiles {
    /// Durations that ended.
    pub count: u64,
    /// Durations that had not ended when they were last seen, and count with that age.
    pub pending: u64,
    /// Samples too long to be recorded.
    pub overflow: u64,
    /// Median.
    pub p50: Option<Timing>,
    /// 90th percentile.
    pub p90: Option<Timing>,
    /// 99th percentile.
    pub p99: Option<Timing>,
    /// 99.9th percentile.
    pub p999: Option<Timing>,
    /// Largest.
    pub max: Option<Timing>,
    /// Mean in nanoseconds; none where some had not ended.
    pub mean: Option<f64>,
}

impl Quantiles {
    /// All that the percentiles are over.
    pub(crate) fn samples(&self) -> u64 {
        self.count.saturating_add(self.pending)
    }

    pub(super) fn of(histogram: &LatencyHistogram) -> Self {
        Self {
            count: histogram.count(),
            pending: histogram.pending(),
            overflow: histogram.overflow(),
            p50: histogram.quantile(0.5),
            p90: histogram.quantile(0.9),
            p99: histogram.quantile(0.99),
            p999: histogram.quantile(0.999),
            max: histogram.max(),
            mean: histogram.mean(),
        }
    }
}

/// One cell in figures.
#[derive(Debug, Clone)]
pub struct CellSummary {
    /// Its name.
    pub name: String,
    /// Attempts of the measure phase.
    pub measured: Accounting,
    /// Percentiles by metric, over all trials and kinds.
    pub metrics: BTreeMap<Metric, Quantiles>,
    /// Sessions confirmed per second of the measure phase, over trials.
    pub confirmed_rate: Option<Spread>,
    /// The longest time without an answer in any trial.
    pub longest_pause: Option<Pause>,
    /// Client CPU microseconds per session, over trials.
    pub client_cpu_us: Option<Spread>,
    /// Target CPU microseconds per session, over trials.
    pub target_cpu_us: Option<Spread>,
    /// What became of the plan to resume sessions, where resumption is on.
    pub resumption: Option<ResumptionCounts>,
    /// Bytes sent per handshake.
    pub bytes_out: Option<f64>,
    /// Bytes received per handshake.
    pub bytes_in: Option<f64>,
    /// Most sessions held open at once.
    pub held_max: u64,
    /// Memory per session held open, in bytes: growth of the process at its largest, divided by
    /// the sessions then open. With an embedded target it holds both ends.
    pub memory_per_session: Option<f64>,
}

/// Sums up a cell with these percentiles. `floor` is the memory of the process before the first session.
pub(super) fn summarise(
    cell: &CellRecord,
    metrics: BTreeMap<Metric, Quantiles>,
    floor: Option<u64>,
) -> CellSummary {
    let measured = cell.measured();
    let per_trial = |value: &dyn Fn(&TrialRecord) -> Option<f64>| {
        Spread::of(cell.trials.iter().filter_map(value))
    };
    let confirmed = measured.ok_total();
    let bytes = |of: fn(&KindRecord) -> u64| {
        let sum: u64 = cell.trials.iter().map(|t| t.sum(of)).sum();
        (confirmed > 0 && cell.cell.auth != AuthMode::None).then(|| sum as f64 / confirmed as f64)
    };
    CellSummary {
        name: cell.cell.name.clone(),
        metrics,
        confirmed_rate: per_trial(&TrialRecord::confirmed_per_second),
        longest_pause: (cell.trials.iter())
            .filter_map(|t| t.longest_pause)
            .max_by_key(|pause| pause.length_ns),
        client_cpu_us: per_trial(&TrialRecord::client_cpu_us),
        target_cpu_us: per_trial(&TrialRecord::target_cpu_us),
        resumption: cell.resumption(),
        bytes_out: bytes(|k| k.handshake_bytes_out),
        bytes_in: bytes(|k| k.handshake_bytes_in),
        held_max: cell.trials.iter().map(|t| t.held_max).max().unwrap_or(0),
        memory_per_session: cell
            .trials
            .iter()
            .filter_map(|t| t.memory_per_session(floor?))
            .reduce(f64::max),
        measured,
    }
}

/// Fewer held sessions than this drown in the noise of the process's own memory.
const LEAST_HELD: u64 = 100;

/// What `unanswered.` was called in files of schema 1.
const TIMEOUT: &str = "timeout";

impl RunRecord {
    /// Sessions without an answer that its percentiles leave out: those of a file of schema 1, in which they are
    /// cancelled or timed out. From schema 2 on there are none.
    pub fn left_out(&self) -> u64 {
        if self.schema > OLDEST_SCHEMA {
            return 0;
        }
        let without = |counts: Accounting| {
            let timed_out = counts
                .failed
                .iter()
                .filter(|(class, _)| covers(TIMEOUT, class));
            let timed_out: u64 = timed_out.map(|(_, failure)| failure.count).sum();
            timed_out + counts.cancelled_total()
        };
        self.cells.iter().map(|cell| without(cell.measured())).sum()
    }

    /// Memory of the process before the first session, in bytes: what earlier trials left behind must
    /// not count as there before.
    pub(crate) fn memory_floor(&self) -> Option<u64> {
        let trials = self.cells.iter().flat_map(|cell| &cell.trials);
        trials.filter_map(|trial| trial.memory_before).min()
    }
}

/// A larger part of sessions without an answer than this leaves no cost per session: the CPU time has their
/// beginnings in it, and the count of those that ended has not.
const MOST_SILENT: f64 = 0.01;

impl TrialRecord {
    /// CPU microseconds of the client per session, if sessions ended as they should.
    pub fn client_cpu_us(&self) -> Option<f64> {
        self.worker_cpu.us_per_session().filter(|_| self.answered())
    }

    /// CPU microseconds of the embedded target per session, if sessions ended as they should.
    pub(crate) fn target_cpu_us(&self) -> Option<f64> {
        let cost = self.target_cpu.and_then(|cpu| cpu.us_per_session());
        cost.filter(|_| self.answered())
    }

    fn answered(&self) -> bool {
        let measured = &self.measured;
        measured.unanswered_total() as f64 <= MOST_SILENT * measured.started as f64
    }

    /// Sessions confirmed in the CPU window, which is the measure phase, per second of it.
    pub(crate) fn confirmed_per_second(&self) -> Option<f64> {
        let seconds = self.worker_cpu.wall_ns as f64 / 1e9;
        (seconds > 0.0).then(|| self.worker_cpu.confirmed as f64 / seconds)
    }

    /// Growth of the process beyond `floor` per session held open, in bytes, if enough were.
    pub(crate) fn memory_per_session(&self, floor: u64) -> Option<f64> {
        let growth = self.memory_max?.checked_sub(floor)?;
        (self.held_max >= LEAST_HELD).then(|| growth as f64 / self.held_max as f64)
    }
}

//! What a record says of each cell, in figures over its trials.
//!
//! Histograms of trials are merged before a percentile is taken. Spreads treat the trial as the unit.

use std::collections::BTreeMap;

use super::{CellRecord, KindRecord, RunRecord, TrialRecord};
use crate::scenario::AuthMode;
use crate::stats::{Accounting, LatencyHistogram, Metric, ResumptionCounts, Spread};

/// Percentiles of one metric, in nanoseconds; `None` where there are too few samples for one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Quantiles {
    /// Samples.
    pub count: u64,
    /// Samples too long to be recorded.
    pub overflow: u64,
    /// Median.
    pub p50: Option<u64>,
    /// 90th percentile.
    pub p90: Option<u64>,
    /// 99th percentile.
    pub p99: Option<u64>,
    /// 99.9th percentile.
    pub p999: Option<u64>,
    /// Largest.
    pub max: Option<u64>,
    /// Mean.
    pub mean: Option<f64>,
}

impl Quantiles {
    pub(super) fn of(histogram: &LatencyHistogram) -> Self {
        Self {
            count: histogram.count(),
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
        client_cpu_us: per_trial(&|t| t.worker_cpu.us_per_session()),
        target_cpu_us: per_trial(&|t| t.target_cpu?.us_per_session()),
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

impl RunRecord {
    /// Memory of the process before the first session, in bytes: what earlier trials left behind must
    /// not count as there before.
    pub fn memory_floor(&self) -> Option<u64> {
        let trials = self.cells.iter().flat_map(|cell| &cell.trials);
        trials.filter_map(|trial| trial.memory_before).min()
    }
}

impl TrialRecord {
    /// Sessions confirmed in the CPU window, which is the measure phase, per second of it.
    pub fn confirmed_per_second(&self) -> Option<f64> {
        let seconds = self.worker_cpu.wall_ns as f64 / 1e9;
        (seconds > 0.0).then(|| self.worker_cpu.confirmed as f64 / seconds)
    }

    /// Growth of the process beyond `floor` per session held open, in bytes, if enough were.
    pub fn memory_per_session(&self, floor: u64) -> Option<f64> {
        let growth = self.memory_max?.checked_sub(floor)?;
        (self.held_max >= LEAST_HELD).then(|| growth as f64 / self.held_max as f64)
    }
}

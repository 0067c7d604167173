//! What a record says, in figures: per cell over its trials, and cell against cell.
//!
//! Histograms of trials are merged before a percentile is taken. Spreads treat the trial as the
//! unit, and cells are compared round by round, since trials of one round ran next to each other.

use std::collections::BTreeMap;

use super::{CellRecord, KindRecord, RunRecord, TrialRecord};
use crate::scenario::{AuthMode, Cell};
use crate::stats::{
    Accounting, HistogramError, LatencyHistogram, Metric, ResumptionCounts, Spread,
};
use crate::units::Ratio;

/// Percentiles of one metric, in nanoseconds; `None` where there are too few samples for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
}

impl Quantiles {
    fn of(histogram: &LatencyHistogram) -> Self {
        Self {
            count: histogram.count(),
            overflow: histogram.overflow(),
            p50: histogram.quantile(0.5),
            p90: histogram.quantile(0.9),
            p99: histogram.quantile(0.99),
            p999: histogram.quantile(0.999),
            max: histogram.max(),
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

/// Sums up every cell of a record.
///
/// # Errors
///
/// Fails if a stored histogram is damaged.
pub fn summarise(record: &RunRecord) -> Result<Vec<CellSummary>, HistogramError> {
    let floor = record.memory_floor();
    record
        .cells
        .iter()
        .map(|cell| summarise_cell(cell, floor))
        .collect()
}

fn summarise_cell(cell: &CellRecord, floor: Option<u64>) -> Result<CellSummary, HistogramError> {
    let mut metrics = BTreeMap::new();
    for metric in Metric::ALL {
        let mut merged = LatencyHistogram::new();
        for trial in &cell.trials {
            merged.merge(&trial.histogram(metric)?);
        }
        metrics.insert(metric, Quantiles::of(&merged));
    }
    let measured = cell.measured();
    let per_trial = |value: &dyn Fn(&TrialRecord) -> Option<f64>| {
        Spread::of(cell.trials.iter().filter_map(value))
    };
    let confirmed = measured.ok_total();
    let bytes = |of: fn(&KindRecord) -> u64| {
        let sum: u64 = cell.trials.iter().map(|t| t.sum(of)).sum();
        (confirmed > 0 && cell.cell.auth != AuthMode::None).then(|| sum as f64 / confirmed as f64)
    };
    Ok(CellSummary {
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
    })
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

/// One metric of one cell against another's.
#[derive(Debug, Clone, PartialEq)]
pub struct TaxRow {
    /// What is compared.
    pub metric: String,
    /// Its unit.
    pub unit: &'static str,
    /// The cell's value per trial.
    pub cell: Spread,
    /// The base cell's value per trial.
    pub base: Spread,
    /// Cell minus base, round by round.
    pub difference: Spread,
    /// Cell over base, round by round; `None` where the base is zero.
    pub ratio: Option<Spread>,
}

/// What two cells are held against each other for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// What mutual authentication costs, all else being equal.
    MutualTax,
    /// What resumption saves, all else being equal.
    Resumption,
}

/// What one cell costs against another.
#[derive(Debug, Clone, PartialEq)]
pub struct Tax {
    /// What the two differ in.
    pub question: Question,
    /// The cell.
    pub cell: String,
    /// What it is held against.
    pub base: String,
    /// By metric.
    pub rows: Vec<TaxRow>,
}

/// The tax of mutual authentication: every mTLS cell against the TLS cell of the same versions and share
/// of resumed sessions. Then what resumption saves: every cell with resumed sessions against the one
/// without that is the same otherwise.
///
/// # Errors
///
/// Fails if a stored histogram is damaged.
pub fn taxes(record: &RunRecord) -> Result<Vec<Tax>, HistogramError> {
    let mut taxes = Vec::new();
    for cell in record.cells.iter().filter(|c| c.is_mutual()) {
        taxes.extend(against(record, cell, Question::MutualTax, |base| {
            base.auth == AuthMode::Server
                && (&base.versions, base.resumed) == (&cell.cell.versions, cell.cell.resumed)
        })?);
    }
    let resumes = |cell: &Cell| cell.resumed.is_some_and(|share| share > Ratio::ZERO);
    for cell in record.cells.iter().filter(|c| resumes(&c.cell)) {
        let full = Cell {
            resumed: Some(Ratio::ZERO),
            ..cell.cell.clone()
        };
        taxes.extend(against(record, cell, Question::Resumption, |base| {
            full == Cell {
                name: full.name.clone(),
                ..base.clone()
            }
        })?);
    }
    Ok(taxes)
}

/// One cell against the first that fits; none without a round in which both were measured.
fn against(
    record: &RunRecord,
    cell: &CellRecord,
    question: Question,
    fits: impl Fn(&Cell) -> bool,
) -> Result<Option<Tax>, HistogramError> {
    let Some(base) = record.cells.iter().find(|base| fits(&base.cell)) else {
        return Ok(None);
    };
    let rows = tax_rows(cell, base)?;
    Ok((!rows.is_empty()).then(|| Tax {
        question,
        cell: cell.cell.name.clone(),
        base: base.cell.name.clone(),
        rows,
    }))
}

/// A figure of one trial.
type Figure<'a> = &'a dyn Fn(&TrialRecord) -> Result<Option<f64>, HistogramError>;

fn tax_rows(cell: &CellRecord, base: &CellRecord) -> Result<Vec<TaxRow>, HistogramError> {
    let median = |metric: Metric| {
        move |trial: &TrialRecord| -> Result<Option<f64>, HistogramError> {
            Ok(trial.histogram(metric)?.median().map(|ns| ns as f64 / 1e3))
        }
    };
    let per_session = |of: fn(&KindRecord) -> u64| {
        move |trial: &TrialRecord| -> Result<Option<f64>, HistogramError> {
            let ok = trial.measured.ok_total();
            Ok((ok > 0).then(|| trial.sum(of) as f64 / ok as f64))
        }
    };
    let handshake = median(Metric::Handshake);
    let confirm = median(Metric::Confirm);
    let out = per_session(|k| k.handshake_bytes_out);
    let received = per_session(|k| k.handshake_bytes_in);
    let figures: [(&str, &'static str, Figure<'_>); 6] = [
        ("handshake p50", "µs", &handshake),
        ("confirm p50", "µs", &confirm),
        ("client CPU per session", "µs", &|t| {
            Ok(t.worker_cpu.us_per_session())
        }),
        ("target CPU per session", "µs", &|t| {
            Ok(t.target_cpu.and_then(|c| c.us_per_session()))
        }),
        ("bytes out per handshake", "B", &out),
        ("bytes in per handshake", "B", &received),
    ];
    let mut rows = Vec::new();
    for (metric, unit, figure) in figures {
        rows.extend(tax_row(metric, unit, (cell, base), figure)?);
    }
    Ok(rows)
}

fn tax_row(
    metric: &str,
    unit: &'static str,
    (cell, base): (&CellRecord, &CellRecord),
    figure: Figure<'_>,
) -> Result<Option<TaxRow>, HistogramError> {
    let mut pairs = Vec::new();
    for trial in &cell.trials {
        if let Some(partner) = base.trials.iter().find(|t| t.round == trial.round)
            && let (Some(a), Some(b)) = (figure(trial)?, figure(partner)?)
        {
            pairs.push((a, b));
        }
    }
    let spread = |of: &dyn Fn(&(f64, f64)) -> f64| Spread::of(pairs.iter().map(of));
    let row = (|| {
        Some(TaxRow {
            metric: metric.to_owned(),
            unit,
            cell: spread(&|p| p.0)?,
            base: spread(&|p| p.1)?,
            difference: spread(&|p| p.0 - p.1)?,
            ratio: spread(&|p| p.0 / p.1),
        })
    })();
    Ok(row)
}

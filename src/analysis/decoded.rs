//! A record with the percentiles of its histograms, decoded once for summaries, taxes and contrasts. Nanoseconds.
//!
//! It keeps no histograms: those of a thousand cells would take gigabytes.

use std::collections::BTreeMap;

use super::figure::{Figure, Percentile};
use super::summary::{CellSummary, Quantiles, summarise};
use crate::record::{CellRecord, RunRecord, TrialRecord};
use crate::scenario::Cell;
use crate::stats::{HistogramError, LatencyHistogram, Metric, Timing};

/// A record, decoded.
#[derive(Debug)]
pub struct Decoded<'a> {
    record: &'a RunRecord,
    summaries: Vec<CellSummary>,
    cells: Vec<DecodedCell<'a>>,
}

impl<'a> Decoded<'a> {
    /// Decodes every histogram of latencies of a record.
    ///
    /// # Errors
    ///
    /// Fails if a stored histogram is damaged.
    pub fn of(record: &'a RunRecord) -> Result<Self, HistogramError> {
        let floor = record.memory_floor();
        let mut decoded = Self {
            record,
            summaries: Vec::with_capacity(record.cells.len()),
            cells: Vec::with_capacity(record.cells.len()),
        };
        for cell in &record.cells {
            let mut trials: Vec<DecodedTrial> = (cell.trials.iter())
                .map(|record| DecodedTrial {
                    record,
                    durations: BTreeMap::new(),
                })
                .collect();
            let mut metrics = BTreeMap::new();
            for metric in Metric::ALL {
                metrics.insert(metric, merged(&mut trials, metric)?);
            }
            decoded.summaries.push(summarise(cell, metrics, floor));
            decoded.cells.push(DecodedCell {
                record: cell,
                nameless: cell.cell.nameless(),
                trials,
            });
        }
        Ok(decoded)
    }

    /// The record as it is kept.
    pub(crate) fn record(&self) -> &'a RunRecord {
        self.record
    }

    /// Its cells in figures over their trials, in its order.
    pub(crate) fn summaries(&self) -> &[CellSummary] {
        &self.summaries
    }

    /// Its cells trial by trial, in its order.
    pub(super) fn cells(&self) -> &[DecodedCell<'a>] {
        &self.cells
    }
}

/// The percentiles of a metric over all trials, whose own are noted on the way.
fn merged(trials: &mut [DecodedTrial], metric: Metric) -> Result<Quantiles, HistogramError> {
    let mut merged = LatencyHistogram::new();
    for trial in trials {
        let histogram = trial.record.histogram(metric)?;
        for percentile in Percentile::ALL {
            let timing = match percentile {
                // The trial is the observation, so its median counts whatever the number of samples.
                Percentile::P50 => histogram.median(),
                other => histogram.quantile(other.share()),
            };
            let timing = timing.map(|timing| (Figure::Quantile(metric, percentile), timing));
            trial.durations.extend(timing);
        }
        merged.merge(&histogram);
    }
    Ok(Quantiles::of(&merged))
}

/// One cell.
#[derive(Debug)]
pub(super) struct DecodedCell<'a> {
    pub record: &'a CellRecord,
    /// What it was, see [`Cell::nameless`].
    pub nameless: Cell,
    pub trials: Vec<DecodedTrial<'a>>,
}

/// One trial.
#[derive(Debug)]
pub(super) struct DecodedTrial<'a> {
    pub record: &'a TrialRecord,
    /// Its medians, and its other percentiles where there are samples enough.
    pub durations: BTreeMap<Figure, Timing>,
}

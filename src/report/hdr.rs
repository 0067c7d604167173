//! Histograms for the tools around `HdrHistogram`: a percentile distribution (`.hgrm`) of one cell, and a
//! log (`.hlog`) with an interval per trial.

use std::fmt::Write;
use std::time::Duration;

use super::ReportError;
use crate::record::{CellRecord, RunRecord};
use crate::stats::{LogInterval, Metric, histogram_log};

/// Steps of a distribution each time the samples beyond have halved, as `HdrHistogram`'s own tools have.
const TICKS: u32 = 5;
/// What follows a cell's name in the tag of the ages of its sessions without an answer.
const AGES: &str = ":unanswered-ages";
/// Values are printed in milliseconds, as those tools expect.
const UNIT_NS: f64 = 1e6;

/// Which histogram.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    /// The cell's name; it can be left out where there is one cell, and for a log.
    pub cell: Option<String>,
    /// The event's label; the latency where it is left out.
    pub metric: Option<String>,
}

impl Which {
    fn metric(&self) -> Result<Metric, ReportError> {
        let Some(label) = &self.metric else {
            return Ok(Metric::Latency);
        };
        let found = Metric::named(label);
        found.ok_or_else(|| ReportError::NoSuch {
            what: "metric",
            name: label.clone(),
            known: Metric::ALL.map(Metric::label).join(", "),
        })
    }

    fn cells<'a>(&self, record: &'a RunRecord) -> Result<Vec<&'a CellRecord>, ReportError> {
        let Some(name) = &self.cell else {
            return Ok(record.cells.iter().collect());
        };
        let found = record.cells.iter().find(|cell| cell.cell.name == *name);
        let found = found.ok_or_else(|| ReportError::NoSuch {
            what: "cell",
            name: name.clone(),
            known: names(record),
        })?;
        Ok(vec![found])
    }
}

fn names(record: &RunRecord) -> String {
    let names = record.cells.iter().map(|cell| cell.cell.name.as_str());
    names.collect::<Vec<_>>().join(", ")
}

/// The percentile distribution of one cell over all its trials, in milliseconds. Each line has its count of
/// samples, so that a reader sees which percentiles are worth anything. Where sessions had no answer it ends below
/// 100 %.
///
/// Fails if it is not one cell that was asked for, nothing was recorded, or a histogram is damaged.
pub(super) fn distribution(record: &RunRecord, which: &Which) -> Result<String, ReportError> {
    let metric = which.metric()?;
    let [cell] = which.cells(record)?[..] else {
        return Err(ReportError::WhichCell(names(record)));
    };
    let merged = cell.histogram(metric)?;
    let Some(max) = merged.max() else {
        return Err(ReportError::Nothing {
            cell: cell.cell.name.clone(),
            metric: metric.label(),
            overflow: merged.overflow(),
        });
    };
    let mut out = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    for step in merged.distribution(TICKS) {
        let value = step.ns as f64 / UNIT_NS;
        let _ = write!(
            out,
            "{value:>12.3} {:>2.12} {:>10}",
            step.quantile, step.count
        );
        if step.quantile < 1.0 {
            let _ = write!(out, " {:>14.2}", 1.0 / (1.0 - step.quantile));
        }
        out.push('\n');
    }
    if let (Some(mean), Some(deviation)) = (merged.mean(), merged.deviation()) {
        let _ = writeln!(
            out,
            "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]",
            mean / UNIT_NS,
            deviation / UNIT_NS
        );
    }
    let _ = writeln!(
        out,
        "#[Max     {} {:>12.3}, Total count    = {:>12}]",
        if max.exact().is_some() { '=' } else { '>' },
        max.least() as f64 / UNIT_NS,
        merged.samples()
    );
    if merged.pending() > 0 {
        let _ = writeln!(
            out,
            "#[No answer {:>10}, so the percentiles above end where they are known]",
            merged.pending()
        );
    }
    Ok(out)
}

/// A log of one event with an interval per trial, in the order in which they ran, tagged with the cell's
/// name; where sessions had no answer a second one with their ages. Values are nanoseconds.
///
/// Fails if there is no such cell or event, or a histogram or a time is damaged.
pub(super) fn log(record: &RunRecord, which: &Which) -> Result<String, ReportError> {
    let metric = which.metric()?;
    let start = super::time(&record.started_at)?;
    let warmup = Duration::try_from_secs_f64(record.plan.warmup_s).unwrap_or_default();
    let mut intervals = Vec::new();
    for cell in which.cells(record)? {
        for trial in &cell.trials {
            let histogram = trial.histogram(metric)?;
            let began = super::time(&trial.started_at)?
                .duration_since(start)
                .unwrap_or_default();
            let interval = |tag: String, histogram| LogInterval {
                tag,
                start: began + warmup,
                length: Duration::from_nanos(trial.worker_cpu.wall_ns),
                histogram,
            };
            let name = &cell.cell.name;
            // The format knows no durations that had not ended, so their ages have a tag of their own.
            let ages = histogram.ages_alone();
            intervals.push(interval(name.clone(), histogram));
            intervals.extend(ages.map(|ages| interval(format!("{name}{AGES}"), ages)));
        }
    }
    intervals.sort_by_key(|interval| interval.start);
    let comment = format!(
        "{} of {}, in nanoseconds",
        metric.label(),
        record.plan.scenario.name
    );
    Ok(histogram_log(
        start,
        &comment.replace(['\n', '\r'], " "),
        &intervals,
    )?)
}

//! The figures of a record for machines: a list per cell, from which JSON, CSV and Prometheus are made.
//! Durations are nanoseconds, CPU times microseconds per session.

use serde::Serialize;

use crate::analysis::{CellSummary, Decoded, Quantiles, TaxRow, contrasts, taxes};
use crate::stats::{OkKind, RoundEffect, Spread};

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct FigureLine {
    /// What it is of: an event, a cost, or what became of sessions.
    #[serde(rename = "figure")]
    pub of: String,
    /// What it is of that: a percentile, a median over trials, a count.
    pub statistic: String,
    /// Its unit; empty for counts and shares.
    pub unit: &'static str,
    /// Its value; none where it falls among sessions without an answer.
    pub value: Option<f64>,
    /// What it is beyond, where it falls among those.
    pub beyond: Option<f64>,
    /// The smallest trial, of medians over several.
    pub min: Option<f64>,
    /// The largest one.
    pub max: Option<f64>,
    /// How many samples, trials or rounds it is made of.
    pub n: u64,
    /// The cell that it is compared with, of differences and ratios.
    pub against: Option<String>,
    /// Lower end of the 95 % interval, of differences and ratios over five rounds or more.
    pub lower: Option<f64>,
    /// Its upper end.
    pub upper: Option<f64>,
}

/// The figures of one cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct CellFigures {
    /// Its name.
    pub cell: String,
    /// All there are; what was not measured, or has too few samples, is not there.
    pub figures: Vec<FigureLine>,
}

impl FigureLine {
    fn count(figure: &str, statistic: &str, count: u64) -> Self {
        Self::plain(figure, statistic, "", count as f64, 1)
    }

    fn plain(figure: &str, statistic: &str, unit: &'static str, value: f64, n: u64) -> Self {
        Self {
            of: figure.to_owned(),
            statistic: statistic.to_owned(),
            unit,
            value: Some(value),
            beyond: None,
            min: None,
            max: None,
            n,
            against: None,
            lower: None,
            upper: None,
        }
    }

    fn spread(figure: &str, statistic: &str, unit: &'static str, spread: Spread) -> Self {
        Self {
            min: Some(spread.min),
            max: Some(spread.max),
            ..Self::plain(figure, statistic, unit, spread.median, spread.trials as u64)
        }
    }
}

/// The figures of every cell of a record.
pub(super) fn figures(decoded: &Decoded<'_>) -> Vec<CellFigures> {
    let mut all: Vec<CellFigures> = (decoded.summaries().iter())
        .map(|summary| CellFigures {
            cell: summary.name.clone(),
            figures: of_cell(summary),
        })
        .collect();
    let mut against = |cell: &str, base: &str, rows: &[TaxRow]| {
        let found = all.iter_mut().find(|figures| figures.cell == cell);
        if let Some(figures) = found {
            figures
                .figures
                .extend(rows.iter().flat_map(|row| compared(base, row)));
        }
    };
    for tax in taxes(decoded) {
        against(&tax.cell, &tax.base, &tax.rows);
    }
    for set in contrasts(decoded)
        .iter()
        .flat_map(|contrast| &contrast.sets)
    {
        for (cell, rows) in &set.cells {
            against(cell, &set.base, rows);
        }
    }
    all
}

/// The figures of one cell that are not differences from another.
pub(super) fn of_cell(summary: &CellSummary) -> Vec<FigureLine> {
    let measured = &summary.measured;
    let mut all = vec![
        FigureLine::count("sessions", "attempted", measured.started),
        FigureLine::count("sessions", "confirmed", measured.ok_total()),
        FigureLine::count("sessions", "failed", measured.failed_total()),
        FigureLine::count("sessions", "unanswered", measured.unanswered_total()),
        FigureLine::count("sessions", "cancelled", measured.cancelled_total()),
        FigureLine::count("sessions", "not-started", measured.not_started_total()),
    ];
    for (class, failure) in &measured.failed {
        all.push(FigureLine::count("failures", class, failure.count));
    }
    let spreads = [
        ("confirmed", "/s", summary.confirmed_rate),
        ("client-cpu", "µs", summary.client_cpu_us),
        ("target-cpu", "µs", summary.target_cpu_us),
    ];
    for (figure, unit, spread) in spreads {
        all.extend(spread.map(|spread| FigureLine::spread(figure, "median", unit, spread)));
    }
    let pause = summary.longest_pause.map(|pause| pause.length_ns as f64);
    all.extend(pause.map(|ns| FigureLine::plain("without-answer", "max", "ns", ns, 1)));
    for (metric, quantiles) in &summary.metrics {
        all.extend(percentiles(metric.label(), *quantiles));
    }
    let confirmed = measured.ok_total();
    for (figure, bytes) in [
        ("handshake-bytes-out", summary.bytes_out),
        ("handshake-bytes-in", summary.bytes_in),
    ] {
        all.extend(bytes.map(|bytes| FigureLine::plain(figure, "mean", "B", bytes, confirmed)));
    }
    if let Some(counts) = summary.resumption {
        let resumed = measured.ok_of(OkKind::Resumed);
        all.push(FigureLine::count("resumed", "planned", counts.ok_planned));
        all.push(FigureLine::count("resumed", "observed", resumed));
    }
    if summary.held_max > 0 {
        all.push(FigureLine::count("held", "max", summary.held_max));
    }
    all
}

fn percentiles(metric: &str, quantiles: Quantiles) -> Vec<FigureLine> {
    let n = quantiles.samples();
    let mut all: Vec<FigureLine> = [
        ("p50", quantiles.p50),
        ("p90", quantiles.p90),
        ("p99", quantiles.p99),
        ("p99.9", quantiles.p999),
        ("max", quantiles.max),
    ]
    .into_iter()
    .filter_map(|(name, timing)| {
        let timing = timing?;
        let exact = timing.exact().map(|ns| ns as f64);
        Some(FigureLine {
            value: exact,
            beyond: exact.is_none().then(|| timing.least() as f64),
            ..FigureLine::plain(metric, name, "ns", 0.0, n)
        })
    })
    .collect();
    if quantiles.overflow > 0 {
        all.push(FigureLine::count(metric, "too-long", quantiles.overflow));
    }
    all
}

fn compared(base: &str, row: &TaxRow) -> Vec<FigureLine> {
    let figure = |statistic: &str, unit: &'static str, effect: RoundEffect| FigureLine {
        against: Some(base.to_owned()),
        lower: effect.interval.map(|(low, _)| low),
        upper: effect.interval.map(|(_, high)| high),
        ..FigureLine::plain(
            &row.figure.title(),
            statistic,
            unit,
            effect.estimate,
            effect.rounds as u64,
        )
    };
    let difference = figure("difference", row.unit(), row.difference);
    let ratio = row.ratio.map(|ratio| figure("ratio", "", ratio));
    std::iter::once(difference).chain(ratio).collect()
}

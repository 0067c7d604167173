//! Figures for services that draw them over time: the formats of github-action-benchmark and of Bencher.
//! They take the candidate's figures and judge by themselves; our verdict is not in them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::words::safe;
use crate::record::{Comparison, FigureComparison};
use crate::stats::Spread;
use crate::text::escape_untrusted;
use crate::units::three_digits;

/// Characters that Bencher takes for the name of a benchmark.
const NAME_CAP: usize = 1024;
/// Characters that it takes for that of a measure.
const MEASURE_CAP: usize = 64;

/// One entry of github-action-benchmark's `customSmallerIsBetter` and `customBiggerIsBetter`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Benchmark {
    name: String,
    unit: String,
    value: f64,
    /// Half the distance between the smallest and the largest unit.
    range: String,
    extra: String,
}

/// What github-action-benchmark reads, in the two files that it takes apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Benchmarks {
    /// For `customSmallerIsBetter`.
    pub smaller: Vec<Benchmark>,
    /// For `customBiggerIsBetter`.
    pub bigger: Vec<Benchmark>,
}

/// The candidate's figures for github-action-benchmark. Shares are in percent.
pub fn benchmarks(comparison: &Comparison) -> Benchmarks {
    let mut all = Benchmarks {
        smaller: Vec::new(),
        bigger: Vec::new(),
    };
    for (cell, figure, spread) in figures(comparison) {
        let share = figure.unit.is_empty();
        let scale = if share { 100.0 } else { 1.0 };
        let unit = if share { "%" } else { &figure.unit };
        let entry = Benchmark {
            name: format!("{} {}", safe(cell), safe(&figure.figure)),
            unit: safe(unit),
            value: spread.median * scale,
            range: format!(
                "± {}",
                three_digits((spread.max - spread.min) / 2.0 * scale)
            ),
            extra: format!("median of {} {}s", spread.trials, comparison.unit.label()),
        };
        if figure.smaller_is_better {
            all.smaller.push(entry);
        } else {
            all.bigger.push(entry);
        }
    }
    all
}

/// A figure in Bencher Metric Format.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metric {
    value: f64,
    lower_value: f64,
    upper_value: f64,
}

/// The candidate's figures in Bencher Metric Format: a benchmark per cell, a measure per figure, with the
/// smallest and largest unit. Durations are in nanoseconds, shares from 0 to 1.
pub fn bencher(comparison: &Comparison) -> BTreeMap<String, BTreeMap<String, Metric>> {
    let mut all: BTreeMap<String, BTreeMap<String, Metric>> = BTreeMap::new();
    for (cell, figure, spread) in figures(comparison) {
        let metric = Metric {
            value: spread.median,
            lower_value: spread.min,
            upper_value: spread.max,
        };
        let name = |text: &str, cap| escape_untrusted(text, cap);
        all.entry(name(cell, NAME_CAP))
            .or_default()
            .insert(name(&figure.figure, MEASURE_CAP), metric);
    }
    all
}

/// The candidate's figures, as far as it has them, with the names of their cells.
fn figures(comparison: &Comparison) -> impl Iterator<Item = (&str, &FigureComparison, Spread)> {
    comparison.cells.iter().flat_map(|cell| {
        let figures = cell.figures.iter();
        figures.filter_map(|figure| Some((cell.name.as_str(), figure, figure.candidate?)))
    })
}

//! Latency over the run: a column per trial in the order in which they ran, a row per stretch of latency,
//! darker where more of the trial's sessions are.

use super::scale::{Scale, duration};
use super::svg::{Anchor, Svg};
use crate::record::CellRecord;
use crate::stats::{HistogramError, LatencyHistogram, Metric};

const WIDTH: f64 = 720.0;
const LEFT: f64 = 72.0;
const TOP: f64 = 28.0;
const ROW: f64 = 8.0;
const ROWS: usize = 18;
/// A column is no wider than this.
const WIDEST: f64 = 60.0;

/// The heatmap of one cell; none without at least two trials with samples. `range` is that of all cells, so
/// that their maps can be compared.
pub(super) fn plot(
    id: &str,
    cell: &CellRecord,
    metric: Metric,
    range: (u64, u64),
) -> Result<Option<String>, HistogramError> {
    let trials: Vec<LatencyHistogram> = (cell.trials.iter())
        .map(|trial| trial.histogram(metric))
        .collect::<Result<_, _>>()?;
    if trials.iter().filter(|trial| trial.count() > 0).count() < 2 {
        return Ok(None);
    }
    let edges = edges(range);
    let shares: Vec<Vec<f64>> = (trials.iter())
        .map(|trial| {
            let counts = trial.counts_between(&edges).into_iter();
            counts
                .map(|count| count as f64 / trial.count().max(1) as f64)
                .collect()
        })
        .collect();
    let most = shares.iter().flatten().copied().fold(0.0, f64::max);
    let bottom = TOP + ROW * ROWS as f64;
    let width = ((WIDTH - LEFT - 16.0) / trials.len() as f64).min(WIDEST);
    let mut svg = Svg::new(WIDTH, bottom + 46.0);
    let y = Scale::logarithmic((range.0 as f64, range.1 as f64), (bottom, TOP));
    for tick in y.ticks() {
        let place = y.place(tick);
        svg.line(
            "g",
            (LEFT, place),
            (LEFT + width * trials.len() as f64, place),
        );
        svg.text(
            "t m",
            (LEFT - 6.0, place + 4.0),
            Anchor::End,
            &duration(tick),
        );
    }
    for (column, shares) in shares.iter().enumerate() {
        let left = LEFT + width * column as f64;
        for (row, share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            let top = bottom - ROW * (row + 1) as f64;
            // The root lets rare latencies be seen.
            let dark = 0.08 + 0.92 * (share / most).sqrt();
            svg.rect("h", (left + 0.5, top), (width - 1.0, ROW), dark);
        }
        if trials.len() <= 20 || column % 5 == 0 {
            let middle = left + width / 2.0;
            svg.text(
                "t m",
                (middle, bottom + 16.0),
                Anchor::Middle,
                &(column + 1).to_string(),
            );
        }
    }
    svg.line(
        "a",
        (LEFT, bottom),
        (LEFT + width * trials.len() as f64, bottom),
    );
    let name = format!("{}: {}", cell.cell.name, metric.label());
    svg.text("t", (LEFT, TOP - 8.0), Anchor::Start, &name);
    svg.text("t", (LEFT, bottom + 36.0), Anchor::Start, "round");
    let description = described(&trials, most);
    Ok(Some(svg.finish(
        id,
        &format!("{name} by round"),
        &description,
    )))
}

/// The range of latencies of these cells; none without samples.
pub(super) fn range(
    cells: &[&CellRecord],
    metric: Metric,
) -> Result<Option<(u64, u64)>, HistogramError> {
    let mut range: Option<(u64, u64)> = None;
    for trial in cells.iter().flat_map(|cell| &cell.trials) {
        let histogram = trial.histogram(metric)?;
        if let (Some(low), Some(high)) = (histogram.min(), histogram.max()) {
            let (from, to) = range.unwrap_or((low, high));
            range = Some((from.min(low), to.max(high)));
        }
    }
    Ok(range)
}

/// The upper ends of the rows, each by the same factor above the one before.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between two values of u64"
)]
fn edges((low, high): (u64, u64)) -> Vec<u64> {
    let (low, high) = (low.max(1) as f64, high.max(2) as f64);
    (1..=ROWS)
        .map(|row| (low * (high / low).powf(row as f64 / ROWS as f64)).ceil() as u64)
        .collect()
}

fn described(trials: &[LatencyHistogram], most: f64) -> String {
    let medians: Vec<u64> = trials.iter().filter_map(LatencyHistogram::median).collect();
    let ends = medians.iter().min().zip(medians.iter().max());
    let medians = ends.map_or(String::new(), |(low, high)| {
        let [low, high] = [*low, *high].map(|ns| duration(ns as f64));
        format!("Medians of the rounds lie between {low} and {high}. ")
    });
    format!(
        "{medians}The darkest field holds {:.0} % of its round's sessions.",
        most * 100.0
    )
}

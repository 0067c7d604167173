//! Latency over the run: a column per trial in the order in which they ran, or per step through the trials, a row
//! per stretch of latency, darker where more of the column's sessions are.

use super::course::{Course, Mark};
use super::scale::{Scale, duration};
use super::svg::{Anchor, Svg};
use crate::record::CellRecord;
use crate::stats::{DurationHistogram, HistogramError, LatencyHistogram, Metric};
use crate::units::format_count;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 72.0;
const TITLE: f64 = 20.0;
const TOP: f64 = 42.0;
/// Between the row of those without an answer, which is above the others, and them.
const APART: f64 = 3.0;
const ROW: f64 = 8.0;
const ROWS: usize = 18;
const BOTTOM: f64 = TOP + ROW * ROWS as f64;
/// More numbers than this below the columns run into each other.
const MOST_LABELS: usize = 20;
/// A column is no wider than this.
const WIDEST: f64 = 60.0;

/// The heatmap of one cell by round; none without at least two trials with samples. `range` is that of all
/// cells, so that their maps can be compared.
pub(in crate::report) fn by_round(
    id: &str,
    cell: &CellRecord,
    metric: Metric,
    range: (u64, u64),
) -> Result<Option<String>, HistogramError> {
    let trials: Vec<LatencyHistogram> = (cell.trials.iter())
        .map(|trial| trial.histogram(metric))
        .collect::<Result<_, _>>()?;
    let map = Map {
        name: format!("{}: {}", cell.cell.name, metric.label()),
        column: "round",
        axis: "round".to_owned(),
        columns: trials.iter().collect(),
        labels: (1..=trials.len())
            .map(|round| (round as f64 - 0.5, round))
            .collect(),
        marks: Vec::new(),
    };
    Ok(map.plot(id, range))
}

/// The same over time, of the cell with this name.
pub(in crate::report) fn by_second(
    id: &str,
    (name, course): (&str, &Course),
    marks: &[Mark],
    range: (u64, u64),
) -> Option<String> {
    let map = Map {
        name: format!("{name}: latency"),
        column: "step",
        axis: "seconds since the trial began".to_owned(),
        columns: course.steps.iter().map(|step| &step.latency).collect(),
        labels: (0..=course.steps.len())
            .map(|step| (step as f64, step * course.grain))
            .collect(),
        marks: (marks.iter())
            .map(|mark| (mark.second / course.grain as f64, mark.name))
            .collect(),
    };
    map.plot(id, range)
}

/// A map in the making: a histogram for each column.
struct Map<'a, const DIGITS: u8> {
    name: String,
    /// What a column is.
    column: &'static str,
    axis: String,
    columns: Vec<&'a DurationHistogram<DIGITS>>,
    /// Where numbers stand, in columns from the left, ...
    labels: Vec<(f64, usize)>,
    /// ... and marks.
    marks: Vec<(f64, &'static str)>,
}

impl<const DIGITS: u8> Map<'_, DIGITS> {
    /// The drawing; none of fewer than two columns with samples.
    fn plot(&self, id: &str, range: (u64, u64)) -> Option<String> {
        let filled = self.columns.iter().filter(|column| column.samples() > 0);
        if filled.count() < 2 {
            return None;
        }
        let edges = edges(range);
        let shares: Vec<Vec<f64>> = (self.columns.iter())
            .map(|column| {
                let counts = column.counts_between(&edges).into_iter();
                let counts = counts.chain([column.pending()]);
                counts
                    .map(|count| count as f64 / column.samples().max(1) as f64)
                    .collect()
            })
            .collect();
        let most = shares.iter().flatten().copied().fold(0.0, f64::max);
        let width = ((WIDTH - LEFT - 16.0) / shares.len() as f64).min(WIDEST);
        let mut svg = Svg::new(WIDTH, BOTTOM + 46.0);
        self.frame(&mut svg, range, width);
        // Between wide columns is a gap; narrow ones would be nothing else.
        let gap = (width / 8.0).min(1.0);
        for (column, shares) in shares.iter().enumerate() {
            let left = LEFT + width * column as f64;
            for (row, share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
                // Who had no answer stands above all latencies, apart from them.
                let apart = if row == ROWS { APART } else { 0.0 };
                let top = BOTTOM - ROW * (row + 1) as f64 - apart;
                // The root lets rare latencies be seen.
                let dark = 0.08 + 0.92 * (share / most).sqrt();
                svg.rect("h", (left + gap / 2.0, top), (width - gap, ROW), dark);
            }
        }
        for (place, name) in &self.marks {
            let at = LEFT + width * place;
            svg.line("a", (at, TOP - APART), (at, BOTTOM));
            svg.text("t", (at + 3.0, TOP + 8.0), Anchor::Start, name);
        }
        let title = format!("{} by {}", self.name, self.column);
        Some(svg.finish(id, &title, &self.described(most)))
    }

    fn frame(&self, svg: &mut Svg, range: (u64, u64), width: f64) {
        let right = LEFT + width * self.columns.len() as f64;
        let y = Scale::logarithmic((range.0 as f64, range.1 as f64), (BOTTOM, TOP));
        for tick in y.ticks() {
            let place = y.place(tick);
            svg.line("g", (LEFT, place), (right, place));
            let at = (LEFT - 6.0, place + 4.0);
            svg.text("t m", at, Anchor::End, &duration(tick));
        }
        let every = self.labels.len().div_ceil(MOST_LABELS);
        for (place, number) in self.labels.iter().step_by(every) {
            let at = (LEFT + width * place, BOTTOM + 16.0);
            svg.text("t m", at, Anchor::Middle, &number.to_string());
        }
        if self.columns.iter().any(|column| column.pending() > 0) {
            let at = (LEFT - 6.0, TOP - APART - 1.0);
            svg.text("t m", at, Anchor::End, "no answer");
        }
        svg.line("a", (LEFT, BOTTOM), (right, BOTTOM));
        svg.text("t", (LEFT, TITLE), Anchor::Start, &self.name);
        svg.text("t", (LEFT, BOTTOM + 36.0), Anchor::Start, &self.axis);
    }

    fn described(&self, most: f64) -> String {
        let column = self.column;
        let medians = self
            .columns
            .iter()
            .filter_map(|column| column.median()?.exact());
        let ends = medians.clone().min().zip(medians.max());
        let medians = ends.map_or(String::new(), |(low, high)| {
            let [low, high] = [low, high].map(|ns| duration(ns as f64));
            format!("Medians of the {column}s lie between {low} and {high}. ")
        });
        let pending = self.columns.iter().map(|column| column.pending());
        let pending = pending.fold(0, u64::saturating_add);
        let pending = match pending {
            0 => String::new(),
            count => format!(" {} sessions had no answer.", format_count(count)),
        };
        let darkest = most * 100.0;
        format!(
            "{medians}The darkest field holds {darkest:.0} % of its {column}'s sessions.{pending}"
        )
    }
}

/// The range of latencies of these cells; none without samples.
pub(in crate::report) fn range(
    cells: &[&CellRecord],
    metric: Metric,
) -> Result<Option<(u64, u64)>, HistogramError> {
    let mut range: Option<(u64, u64)> = None;
    for trial in cells.iter().flat_map(|cell| &cell.trials) {
        let histogram = trial.histogram(metric)?;
        if let Some((low, high)) = histogram.range() {
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

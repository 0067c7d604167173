//! Latency by percentile: each further nine as long as the one before it, so that the tail has room.

use super::frame::{Axis, Frame};
use super::scale::{Scale, duration};
use super::svg::{Svg, series};
use crate::stats::{LatencyHistogram, Timing};

const WIDTH: f64 = 720.0;
const LEFT: f64 = 72.0;
const TOP: f64 = 28.0;
const PLOT: f64 = 260.0;
/// Steps each time the samples beyond have halved.
const TICKS: u32 = 8;
/// Percentiles that get a tick.
const MARKS: [(f64, &str); 7] = [
    (0.0, "0 %"),
    (0.5, "50 %"),
    (0.9, "90 %"),
    (0.99, "99 %"),
    (0.999, "99.9 %"),
    (0.9999, "99.99 %"),
    (0.99999, "99.999 %"),
];
/// Values further apart than this factor are drawn on a logarithmic axis.
const WIDE: f64 = 12.0;

/// A line of the plot. A cell has the same place in every plot of a page, and so the same colour.
pub(in crate::report) struct Line {
    pub name: String,
    pub histogram: LatencyHistogram,
}

/// The plot of these lines; none if no line has samples enough. A line ends at the last percentile with
/// ten samples beyond it: what lies further out is chance. Where sessions had no answer it ends at the share that
/// answered, with a mark.
pub(in crate::report) fn plot(id: &str, metric: &str, lines: &[Line]) -> Option<String> {
    let points: Vec<(usize, Vec<(f64, f64)>)> = (lines.iter().enumerate())
        .map(|(index, line)| (index, known(&line.histogram)))
        .filter(|(_, points)| points.len() > 1)
        .collect();
    let all = || points.iter().flat_map(|(_, points)| points);
    let last = all().map(|p| p.0).fold(f64::NAN, f64::max);
    let (low, high) = all().fold((f64::MAX, 0f64), |(low, high), p| {
        (low.min(p.1), high.max(p.1))
    });
    if points.is_empty() {
        return None;
    }
    let names: Vec<(usize, String)> = (points.iter())
        .map(|(index, _)| (*index, lines[*index].name.clone()))
        .collect();
    let legend = Svg::new(WIDTH, 0.0).legend_height(LEFT, &names);
    let bottom = TOP + PLOT;
    let mut svg = Svg::new(WIDTH, bottom + 48.0 + legend);
    let x = Scale::logarithmic((1.0, 1.0 / (1.0 - last)), (LEFT, WIDTH - 16.0));
    let logarithmic = high / low.max(1.0) > WIDE;
    let y = if logarithmic {
        Scale::logarithmic((low, high), (bottom, TOP))
    } else {
        Scale::linear((0.0, high), (bottom, TOP))
    };
    let marks = MARKS.iter().filter(|(q, _)| *q <= last + 1e-9);
    let name = format!("{metric}{}", if logarithmic { ", logarithmic" } else { "" });
    Frame {
        left: LEFT,
        right: WIDTH - 16.0,
        top: TOP,
        bottom,
        x: Axis {
            name: "percentile, as far as ten samples lie beyond; × where the others had no answer",
            ticks: marks
                .map(|(q, label)| (x.place(1.0 / (1.0 - q)), (*label).to_owned()))
                .collect(),
        },
        y: Axis::of(&name, &y, duration),
    }
    .draw(&mut svg);
    for (index, points) in &points {
        let places: Vec<_> = (points.iter())
            .map(|(q, ns)| (x.place(1.0 / (1.0 - q)), y.place(*ns)))
            .collect();
        svg.path(&format!("l {}", series(*index)), &places);
        if let Some(last) = places.last().filter(|_| ends_in_silence(&lines[*index])) {
            cross(&mut svg, *last);
        }
    }
    svg.legend((LEFT, bottom + 64.0), &names);
    Some(svg.finish(id, &format!("{metric} by percentile"), &described(lines)))
}

/// Half the size of a mark.
const MARK: f64 = 4.0;

/// The mark of a line that ends where sessions had no answer.
fn cross(svg: &mut Svg, (x, y): (f64, f64)) {
    svg.line("a", (x - MARK, y - MARK), (x + MARK, y + MARK));
    svg.line("a", (x - MARK, y + MARK), (x + MARK, y - MARK));
}

/// Whether a higher percentile than those drawn has samples enough, and no end.
fn ends_in_silence(line: &Line) -> bool {
    let beyond = |q: &f64| matches!(line.histogram.quantile(*q), Some(Timing::Beyond(_)));
    MARKS.iter().map(|(q, _)| q).any(beyond)
}

/// Quantiles and nanoseconds, as far as they are known.
fn known(histogram: &LatencyHistogram) -> Vec<(f64, f64)> {
    let steps = histogram.distribution(TICKS).into_iter();
    let exact = |q| matches!(histogram.quantile(q), Some(Timing::At(_)));
    let enough = steps.take_while(|step| exact(step.quantile));
    enough.map(|step| (step.quantile, step.ns as f64)).collect()
}

/// What the plot shows, in words.
fn described(lines: &[Line]) -> String {
    let mut parts = Vec::new();
    for line in lines {
        let given = [
            ("median", 0.5),
            ("p90", 0.9),
            ("p99", 0.99),
            ("p99.9", 0.999),
        ];
        let known: Vec<String> = (given.iter())
            .filter_map(|(name, q)| {
                Some(match line.histogram.quantile(*q)? {
                    Timing::At(ns) => format!("{name} {}", duration(ns as f64)),
                    Timing::Beyond(ns) => {
                        format!("{name} beyond {}, without an answer", duration(ns as f64))
                    }
                })
            })
            .collect();
        if !known.is_empty() {
            parts.push(format!("{}: {}", line.name, known.join(", ")));
        }
    }
    parts.join(". ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(count: u64) -> Line {
        let mut histogram = LatencyHistogram::new();
        (1..=count).for_each(|n| histogram.record(n * 1_000));
        Line {
            name: "mtls".to_owned(),
            histogram,
        }
    }

    #[test]
    fn a_line_ends_where_ten_samples_are_left() {
        let points = known(&line(1_000).histogram);
        let (last, _) = points.last().unwrap();
        assert!((0.98..=0.99).contains(last), "{last}");
        let text = plot("x", "confirm", &[line(1_000)]).unwrap();
        assert!(text.contains(">99 %<") || text.contains(">90 %<"), "{text}");
        assert!(!text.contains("99.9 %"), "{text}");
        assert!(text.contains("mtls: median 500 µs"), "{text}");
    }

    #[test]
    fn a_line_ends_with_a_mark_where_the_others_had_no_answer() {
        let mut silent = line(1_000);
        (0..1_000).for_each(|_| silent.histogram.record_beyond(5_000_000_000));
        let points = known(&silent.histogram);
        let (last, ns) = points.last().unwrap();
        assert!((0.45..=0.5).contains(last), "{last}");
        assert!(*ns < 2_000_000.0, "{ns}");
        let text = plot("x", "confirm", &[silent]).unwrap();
        assert!(text.contains("p90 beyond 5 s, without an answer"), "{text}");
        let crossed = |text: &str| text.matches("class=\"a\"").count();
        let without = plot("x", "confirm", &[line(1_000)]).unwrap();
        assert_eq!(crossed(&text), crossed(&without) + 2, "{text}");
    }

    #[test]
    fn without_samples_there_is_no_plot() {
        assert_eq!(plot("x", "confirm", &[line(5)]), None);
        assert_eq!(plot("x", "confirm", &[]), None);
    }
}

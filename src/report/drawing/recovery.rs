//! How sessions that were cut came back: the share that was confirmed again over time.

use super::frame::{Axis, Frame};
use super::scale::{Scale, duration};
use super::svg::{Svg, series};
use crate::stats::{LatencyHistogram, Timing};

const WIDTH: f64 = 720.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = WIDTH - 16.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = TOP + 220.0;
/// Points of a line.
const STEPS: u32 = 200;

/// A line of the plot.
pub(in crate::report) struct Line {
    pub name: String,
    /// From the cut until each was back.
    pub back: LatencyHistogram,
}

/// The plot of these lines; none if no session came back.
pub(in crate::report) fn plot(id: &str, lines: &[Line]) -> Option<String> {
    let last = lines.iter().filter_map(|line| line.back.range());
    let last = last.map(|range| range.1).max()? as f64;
    let names: Vec<(usize, String)> = (lines.iter().enumerate())
        .map(|(index, line)| (index, line.name.clone()))
        .collect();
    let legend = Svg::new(WIDTH, 0.0).legend_height(LEFT, &names);
    let mut svg = Svg::new(WIDTH, BOTTOM + 48.0 + legend);
    let x = Scale::linear((0.0, last), (LEFT, RIGHT));
    let y = Scale::linear((0.0, 100.0), (BOTTOM, TOP));
    Frame {
        left: LEFT,
        right: RIGHT,
        top: TOP,
        bottom: BOTTOM,
        x: Axis::of("since the cut", &x, duration),
        y: Axis::of("% back", &y, |share| format!("{share:.0}")),
    }
    .draw(&mut svg);
    for (index, line) in lines.iter().enumerate() {
        let points: Vec<(f64, f64)> = shares(&line.back, last)
            .map(|(ns, share)| (x.place(ns), y.place(100.0 * share)))
            .collect();
        svg.path(&format!("l {}", series(index)), &points);
    }
    svg.legend((LEFT, BOTTOM + 64.0), &names);
    let described: Vec<String> = lines.iter().map(in_words).collect();
    Some(svg.finish(id, "Sessions that came back", &described.join(" ")))
}

/// Times from the cut, in nanoseconds, and the share that was back by then.
fn shares(back: &LatencyHistogram, last: f64) -> impl Iterator<Item = (f64, f64)> {
    let edges: Vec<u64> = (1..=STEPS)
        .map(|step| whole(last * f64::from(step) / f64::from(STEPS)))
        .collect();
    let all = back.samples().max(1) as f64;
    let counts = back.counts_between(&edges);
    let mut sum = 0;
    let begin = [(0.0, 0.0)].into_iter();
    let rest: Vec<(f64, f64)> = (edges.iter().zip(counts))
        .map(|(edge, count)| {
            sum += count;
            (*edge as f64, sum as f64 / all)
        })
        .collect();
    begin.chain(rest)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "durations of a histogram, below 600 s"
)]
fn whole(ns: f64) -> u64 {
    ns.ceil() as u64
}

fn in_words(line: &Line) -> String {
    let half = match line.back.quantile(0.5) {
        Some(Timing::At(ns)) => format!(", half of them after {}", duration(ns as f64)),
        _ => String::new(),
    };
    format!(
        "{}: {} of {} came back{half}.",
        line.name,
        line.back.count(),
        line.back.samples()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_rises_to_the_share_that_came_back() {
        let mut back = LatencyHistogram::new();
        (1..=75).for_each(|n| back.record(n * 10_000_000));
        (0..25).for_each(|_| back.record_beyond(1_000_000_000));
        let points: Vec<_> = shares(&back, back.range().unwrap().1 as f64).collect();
        assert_eq!(points[0], (0.0, 0.0));
        let (_, last) = points.last().unwrap();
        assert!((last - 0.75).abs() < 1e-9, "{last}");
        assert!(points.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        let line = Line {
            name: "mtls, drop at 3 s".into(),
            back,
        };
        let text = plot("x", &[line]).unwrap();
        assert!(
            text.contains("75 of 100 came back, half of them after 500 ms"),
            "{text}"
        );
        assert_eq!(plot("x", &[]), None);
    }
}

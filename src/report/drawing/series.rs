//! A cell's trials over time: what was begun, confirmed and failed, how many were in flight, and p50 and p99 of
//! every step.

use super::course::{Course, Mark, Step};
use super::frame::{Axis, Frame};
use super::scale::{Scale, duration, number};
use super::svg::{Anchor, Svg, series};
use crate::stats::Timing;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = WIDTH - 16.0;
const TOP: f64 = 28.0;
/// Heights of the panels, from top to bottom, ...
const HEIGHTS: [f64; 3] = [120.0, 72.0, 96.0];
/// ... and between two.
const BETWEEN: f64 = 56.0;
/// Height of the mark of what is beyond an age.
const ARROW: f64 = 6.0;
/// More marks than this on the axis of latency run into each other.
const MOST_TICKS: usize = 6;
/// The percentiles that are drawn, with the series of their lines: another one than those of the rates.
const PERCENTILES: [(&str, f64, usize); 2] = [("p50", 0.5, 4), ("p99", 0.99, 5)];

/// Rates, sessions in flight and latency of the cell with this name. `asked` is the rate of an open loop.
pub(in crate::report) fn plot(
    id: &str,
    name: &str,
    course: &Course,
    marks: &[Mark],
    asked: Option<f64>,
) -> String {
    let steps = &course.steps;
    let of = |value: fn(&Step) -> f64| steps.iter().map(value).collect::<Vec<f64>>();
    let (confirmed, in_flight) = (of(|s| s.confirmed), of(|s| s.in_flight));
    let mut rates = vec![
        ("begun", of(|s| s.begun)),
        ("confirmed", confirmed.clone()),
        ("failed", of(|s| s.failed)),
    ];
    if let Some(asked) = asked {
        rates.push(("asked, on average", vec![asked; steps.len()]));
    }
    let mut names: Vec<(usize, String)> = (rates.iter().enumerate())
        .map(|(index, (name, _))| (index, (*name).to_owned()))
        .collect();
    let latency = PERCENTILES.map(|(name, quantile, line)| Percentile {
        name,
        line,
        values: steps
            .iter()
            .map(|step| step.latency.quantile(quantile))
            .collect(),
    });
    let drawn: Vec<&Percentile> = latency.iter().filter(|p| p.range().is_some()).collect();
    names.extend(drawn.iter().map(|p| (p.line, p.name.to_owned())));
    let panels = if drawn.is_empty() { 2 } else { 3 };
    let tops: Vec<(f64, f64)> = (0..panels)
        .scan(TOP, |top, panel| {
            let bounds = (*top, *top + HEIGHTS[panel]);
            *top = bounds.1 + BETWEEN;
            Some(bounds)
        })
        .collect();
    let bottom = tops.last().map_or(TOP, |(_, bottom)| *bottom);
    let mut svg = Svg::new(WIDTH, bottom + 74.0);
    let x = Scale::linear((0.0, (steps.len() * course.grain) as f64), (LEFT, RIGHT));
    let x = Across {
        x,
        grain: course.grain as f64,
    };
    let since = "seconds since the trial began";
    let title = format!("{name}: sessions per second");
    x.panel(&mut svg, tops[0], &title, &rates, "");
    let held = [("in flight", in_flight.clone())];
    let below = if drawn.is_empty() { since } else { "" };
    x.panel(&mut svg, tops[1], "most in flight at once", &held, below);
    if let Some(bounds) = tops.get(2) {
        x.latency(&mut svg, *bounds, &drawn, since);
    }
    x.marks(&mut svg, (TOP, bottom), marks);
    svg.legend((LEFT, bottom + 62.0), &names);
    let most = in_flight.iter().copied().fold(0.0, f64::max);
    let description = format!(
        "{} steps of {} each, the mean of the trials. Confirmed per second: {}. Most in flight: {}.{}",
        steps.len(),
        course.step_in_words(),
        range(&confirmed),
        number(most),
        drawn
            .iter()
            .map(|p| p.in_words())
            .chain(
                marks
                    .iter()
                    .map(|mark| format!(" {} at {} s.", mark.name, number(mark.second)))
            )
            .collect::<String>()
    );
    svg.finish(id, &format!("{name} over time"), &description)
}

/// A percentile of every step; none where there are too few samples.
struct Percentile {
    name: &'static str,
    line: usize,
    values: Vec<Option<Timing>>,
}

impl Percentile {
    /// The smallest and the largest; none if no step has one.
    fn range(&self) -> Option<(f64, f64)> {
        let values = || self.values.iter().flatten().map(|timing| timing.least());
        let ends = values().min().zip(values().max());
        ends.map(|(low, high)| (low as f64, high as f64))
    }

    fn in_words(&self) -> String {
        let Some((low, high)) = self.range() else {
            return String::new();
        };
        let (some, all) = (self.values.iter().flatten().count(), self.values.len());
        let of = if some < all {
            format!(", in the {some} steps that have enough sessions")
        } else {
            String::new()
        };
        let [low, high] = [low, high].map(duration);
        let silent = self.values.iter().flatten().filter(|t| t.exact().is_none());
        let silent = match silent.count() {
            0 => String::new(),
            some => format!(", and beyond that in {some} steps, among sessions without an answer"),
        };
        format!(" The {} of a step: {low} to {high}{of}{silent}.", self.name)
    }
}

/// What all panels have in common: time, in steps of `grain` seconds.
struct Across {
    x: Scale,
    grain: f64,
}

impl Across {
    /// Marks events through all panels.
    fn marks(&self, svg: &mut Svg, (top, bottom): (f64, f64), marks: &[Mark]) {
        for mark in marks {
            let at = self.x.place(mark.second);
            svg.line("a", (at, top), (at, bottom));
            svg.text("t", (at + 3.0, top + 10.0), Anchor::Start, mark.name);
        }
    }

    fn panel(
        &self,
        svg: &mut Svg,
        bounds: (f64, f64),
        name: &str,
        lines: &[(&str, Vec<f64>)],
        x_name: &str,
    ) {
        let values = lines.iter().flat_map(|(_, values)| values);
        let highest = values.copied().fold(0.0, f64::max);
        let y = Scale::linear((0.0, highest * 1.05), (bounds.1, bounds.0));
        self.frame(svg, bounds, Axis::of(name, &y, number), x_name);
        for (index, (_, values)) in lines.iter().enumerate() {
            let points: Vec<(f64, f64)> = (values.iter().enumerate())
                .map(|(step, value)| {
                    let middle = (step as f64 + 0.5) * self.grain;
                    (self.x.place(middle), y.place(*value))
                })
                .collect();
            svg.path(&format!("l {}", series(index)), &points);
        }
    }

    /// Percentiles as lines that are level within a step, with gaps where there are none.
    fn latency(
        &self,
        svg: &mut Svg,
        bounds: (f64, f64),
        percentiles: &[&Percentile],
        x_name: &str,
    ) {
        let ranges = || percentiles.iter().filter_map(|p| p.range());
        let low = ranges().map(|range| range.0).fold(f64::MAX, f64::min);
        let high = ranges().map(|range| range.1).fold(0.0, f64::max);
        // From zero, unless the small ones could not be told from it.
        let y = if high < low * 10.0 {
            Scale::linear((0.0, high * 1.05), (bounds.1, bounds.0))
        } else {
            Scale::logarithmic((low * 0.8, high * 1.25), (bounds.1, bounds.0))
        };
        let beyond = |p: &&Percentile| p.values.iter().flatten().any(|t| t.exact().is_none());
        let name = if percentiles.iter().any(beyond) {
            "latency: p50 and p99 (↑ beyond: sessions without an answer)"
        } else {
            "latency: p50 and p99"
        };
        let mut axis = Axis::of(name, &y, duration);
        if axis.ticks.len() > MOST_TICKS {
            axis.ticks.retain(|(_, label)| label.starts_with('1'));
        }
        self.frame(svg, bounds, axis, x_name);
        for percentile in percentiles {
            let class = format!("l {}", series(percentile.line));
            let mut points = Vec::new();
            for (number, value) in percentile.values.iter().enumerate() {
                let Some(Timing::At(ns)) = value else {
                    svg.path(&class, &points);
                    points.clear();
                    if let Some(Timing::Beyond(ns)) = value {
                        self.beyond(svg, number, y.place(*ns as f64));
                    }
                    continue;
                };
                for end in [number, number + 1] {
                    let at = self.x.place(end as f64 * self.grain);
                    points.push((at, y.place(*ns as f64)));
                }
            }
            svg.path(&class, &points);
        }
    }

    /// Marks a step whose percentile is beyond a height: an arrow up from there.
    fn beyond(&self, svg: &mut Svg, step: usize, height: f64) {
        let middle = self.x.place((step as f64 + 0.5) * self.grain);
        let tip = (middle, height - ARROW);
        svg.line("a", (middle, height), tip);
        for side in [-ARROW / 2.0, ARROW / 2.0] {
            svg.line("a", (middle + side, height - ARROW / 2.0), tip);
        }
    }

    fn frame(&self, svg: &mut Svg, (top, bottom): (f64, f64), y: Axis<'_>, x_name: &str) {
        Frame {
            left: LEFT,
            right: RIGHT,
            top,
            bottom,
            x: Axis::of(x_name, &self.x, number),
            y,
        }
        .draw(svg);
    }
}

fn range(values: &[f64]) -> String {
    let low = values.iter().copied().fold(f64::MAX, f64::min);
    let high = values.iter().copied().fold(0.0, f64::max);
    format!("{} to {}", number(low), number(high))
}

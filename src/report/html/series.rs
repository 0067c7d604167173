//! A cell's trials second by second: what was begun, confirmed and failed, and how many were in flight.

use super::frame::{Axis, Frame};
use super::scale::{Scale, number};
use super::svg::{Svg, series};
use crate::record::CellRecord;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 72.0;
const TOP: f64 = 28.0;
const PLOT: f64 = 120.0;
/// Fewer whole seconds than this are no course of time.
const LEAST_SECONDS: usize = 4;

/// The mean of one second over the trials that had it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Second {
    begun: f64,
    confirmed: f64,
    failed: f64,
    in_flight: f64,
}

/// Rates and sessions in flight over time; none where trials are shorter than a few seconds. `asked` is the
/// rate of an open loop.
pub(super) fn plot(id: &str, cell: &CellRecord, asked: Option<f64>) -> Option<String> {
    let seconds = seconds(cell);
    if seconds.len() < LEAST_SECONDS {
        return None;
    }
    let of = |value: fn(&Second) -> f64| seconds.iter().map(value).collect::<Vec<f64>>();
    let (begun, confirmed) = (of(|s| s.begun), of(|s| s.confirmed));
    let (failed, in_flight) = (of(|s| s.failed), of(|s| s.in_flight));
    let mut rates = vec![
        ("begun", begun),
        ("confirmed", confirmed),
        ("failed", failed),
    ];
    if let Some(asked) = asked {
        rates.push(("asked, on average", vec![asked; seconds.len()]));
    }
    let names = rates.iter().map(|(name, _)| (*name).to_owned());
    let names: Vec<(usize, String)> = names.enumerate().collect();
    let second_top = TOP + PLOT + 56.0;
    let bottom = second_top + PLOT * 0.6;
    let mut svg = Svg::new(WIDTH, bottom + 74.0);
    panel(
        &mut svg,
        (TOP, TOP + PLOT),
        &format!("{}: sessions per second", cell.cell.name),
        &rates,
        "",
    );
    let held = [("in flight", in_flight.clone())];
    panel(
        &mut svg,
        (second_top, bottom),
        "most in flight at once",
        &held,
        "seconds since the trial began",
    );
    svg.legend((LEFT, bottom + 62.0), &names);
    let most = in_flight.iter().copied().fold(0.0, f64::max);
    let description = format!(
        "{} whole seconds, the mean of the trials. Confirmed per second: {}. Most in flight: {}.",
        seconds.len(),
        range(&rates[1].1),
        number(most)
    );
    Some(svg.finish(id, &format!("{} over time", cell.cell.name), &description))
}

fn panel(
    svg: &mut Svg,
    (top, bottom): (f64, f64),
    name: &str,
    lines: &[(&str, Vec<f64>)],
    x_name: &str,
) {
    let count = lines.first().map_or(0, |(_, values)| values.len());
    let highest = lines
        .iter()
        .flat_map(|(_, values)| values)
        .copied()
        .fold(0.0, f64::max);
    let x = Scale::linear((0.0, count as f64), (LEFT, WIDTH - 16.0));
    let y = Scale::linear((0.0, highest * 1.05), (bottom, top));
    Frame {
        left: LEFT,
        right: WIDTH - 16.0,
        top,
        bottom,
        x: Axis::of(x_name, &x, number),
        y: Axis::of(name, &y, number),
    }
    .draw(svg);
    for (index, (_, values)) in lines.iter().enumerate() {
        let points: Vec<(f64, f64)> = (values.iter().enumerate())
            .map(|(second, value)| (x.place(second as f64 + 0.5), y.place(*value)))
            .collect();
        svg.path(&format!("l {}", series(index)), &points);
    }
}

/// Whole seconds only: the last one is shorter, and would look like a drop.
fn seconds(cell: &CellRecord) -> Vec<Second> {
    let whole = |ns: u64| usize::try_from(ns / 1_000_000_000).unwrap_or(0);
    let length = cell.trials.iter().map(|trial| whole(trial.length_ns)).max();
    let mut sums = vec![(Second::default(), 0u32); length.unwrap_or(0)];
    for trial in &cell.trials {
        let rows = trial.timeline.iter().take(whole(trial.length_ns));
        for row in rows {
            let Some((sum, count)) = usize::try_from(row.second)
                .ok()
                .and_then(|s| sums.get_mut(s))
            else {
                continue;
            };
            sum.begun += row.started as f64;
            sum.confirmed += row.ok as f64;
            sum.failed += row.failed as f64;
            sum.in_flight = sum.in_flight.max(row.in_flight_max as f64);
            *count += 1;
        }
    }
    let means = sums
        .into_iter()
        .take_while(|(_, count)| *count > 0)
        .map(|(sum, count)| {
            let mean = |value: f64| value / f64::from(count);
            Second {
                begun: mean(sum.begun),
                confirmed: mean(sum.confirmed),
                failed: mean(sum.failed),
                in_flight: sum.in_flight,
            }
        });
    means.collect()
}

fn range(values: &[f64]) -> String {
    let low = values.iter().copied().fold(f64::MAX, f64::min);
    let high = values.iter().copied().fold(0.0, f64::max);
    format!("{} to {}", number(low), number(high))
}

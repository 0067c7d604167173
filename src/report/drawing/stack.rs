//! Stacked bars of one scale, each part with a mark of its own, so that they read without colour.

use super::svg::{Anchor, Svg, fit, names_width};
use crate::report::bar::{Bar, Part, Stack};
use crate::units::three_digits;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 640.0;
const ROW: f64 = 34.0;
const BAR: f64 = 24.0;
/// A part narrower than this has no room for its mark.
const ROOM: f64 = 13.0;

/// The plot of these bars; none of none.
pub(in crate::report) fn plot(id: &str, title: &str, all: &Stack) -> Option<String> {
    let Stack { unit, parts, bars } = all;
    let longest = all.longest();
    if longest <= 0.0 {
        return None;
    }
    let start = names_width(bars.iter().map(|bar| bar.name.as_str()), LEFT);
    let bottom = ROW * bars.len() as f64 + 8.0;
    let rows = parts.len().div_ceil(2) as f64;
    let mut svg = Svg::new(WIDTH, bottom + 14.0 + 22.0 * rows);
    for (row, bar) in bars.iter().enumerate() {
        let top = ROW * row as f64 + 6.0;
        svg.text(
            "t",
            (start - 10.0, top + BAR / 2.0 + 5.0),
            Anchor::End,
            &fit(&bar.name),
        );
        let mut left = start;
        for ((index, length), part) in bar.parts.iter().enumerate().zip(parts) {
            let width = length / longest * (RIGHT - start);
            if width > 0.05 {
                svg.rect(&format!("k k{index}"), (left, top), (width, BAR), 1.0);
            }
            if width >= ROOM {
                let middle = (left + width / 2.0, top + BAR / 2.0 + 5.0);
                mark(&mut svg, index, part, middle);
            }
            left += width;
        }
        let sum = format!("{} {unit}", three_digits(bar.length()));
        svg.text(
            "t",
            (left + 8.0, top + BAR / 2.0 + 5.0),
            Anchor::Start,
            &sum,
        );
    }
    for (index, part) in parts.iter().enumerate() {
        let (column, row) = (index % 2, index / 2);
        let at = (
            20.0 + 350.0 * column as f64,
            bottom + 10.0 + 22.0 * row as f64,
        );
        svg.rect(&format!("k k{index}"), at, (18.0, 16.0), 1.0);
        mark(&mut svg, index, part, (at.0 + 9.0, at.1 + 13.0));
        svg.text("t", (at.0 + 26.0, at.1 + 13.0), Anchor::Start, part.name);
    }
    Some(svg.finish(id, title, &described(all)))
}

fn mark(svg: &mut Svg, index: usize, part: &Part, middle: (f64, f64)) {
    let class = format!("n n{index}");
    svg.text(&class, middle, Anchor::Middle, &part.mark.to_string());
}

fn described(all: &Stack) -> String {
    let unit = all.unit;
    let one = |bar: &Bar| {
        let largest = (bar.parts.iter().zip(&all.parts)).max_by(|a, b| a.0.total_cmp(b.0));
        let largest = largest.map_or(String::new(), |(length, part)| {
            format!(", of which {} for {}", three_digits(*length), part.name)
        });
        let sum = three_digits(bar.length());
        format!("{}: {sum} {unit}{largest}", bar.name)
    };
    all.bars.iter().map(one).collect::<Vec<_>>().join(". ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_one_scale_and_their_sums() {
        let bars = [("x", [30.0, 10.0]), ("y", [10.0, 10.0])].map(|(name, parts)| Bar {
            name: name.to_owned(),
            parts: parts.to_vec(),
        });
        let mut all = Stack {
            unit: "µs",
            parts: [('1', "a"), ('2', "b")]
                .map(|(mark, name)| Part { mark, name })
                .into(),
            bars: bars.into(),
        };
        let text = plot("p", "t", &all).unwrap();
        assert!(
            text.contains("x: 40.0 µs, of which 30.0 for a. y: 20.0 µs"),
            "{text}"
        );
        assert!(
            text.contains("width=\"367.5\"") && text.contains("width=\"122.5\""),
            "{text}"
        );
        all.bars.clear();
        assert!(plot("p", "t", &all).is_none());
    }
}

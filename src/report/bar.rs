//! Stacked bars: each part has a mark of its own, so that it reads without colour. Here they become text; a page draws
//! them.

use super::style::Style;
use crate::text::defuse;
use crate::units::three_digits;

/// Bars of one scale.
#[derive(Debug)]
pub(super) struct Stack {
    /// The unit of all lengths.
    pub unit: &'static str,
    /// What every bar is made of, in the order of its lengths.
    pub parts: Vec<Part>,
    pub bars: Vec<Bar>,
}

/// A part that all bars have.
#[derive(Debug)]
pub(super) struct Part {
    pub mark: char,
    pub name: &'static str,
}

/// A bar: its name, and the length of each part.
#[derive(Debug)]
pub(super) struct Bar {
    pub name: String,
    pub parts: Vec<f64>,
}

impl Bar {
    pub(super) fn length(&self) -> f64 {
        self.parts.iter().sum()
    }
}

impl Stack {
    pub(super) fn longest(&self) -> f64 {
        self.bars.iter().map(Bar::length).fold(0.0, f64::max)
    }

    /// A line for each bar, then what its marks mean.
    pub(super) fn in_text(&self, style: Style) -> String {
        let letters = |bar: &Bar| defuse(&bar.name).chars().count();
        let names = self.bars.iter().map(letters).max().unwrap_or(0);
        let room = style.width.saturating_sub(names + 16).max(20);
        let lines = self.bars.iter().map(|bar| {
            let drawn = self.drawn(bar, room, style);
            let (name, sum) = (defuse(&bar.name), three_digits(bar.length()));
            format!("{name:<names$} |{drawn}| {sum} {}\n", self.unit)
        });
        let marks = self.parts.iter();
        let marks: Vec<String> = marks.map(|p| format!("{} {}", p.mark, p.name)).collect();
        let legend: Vec<String> = marks.chunks(3).map(|row| row.join("; ")).collect();
        lines.collect::<String>() + &legend.join("\n")
    }

    /// One bar, the longest of all filling `width` characters. Rounding is carried over, so that the whole has its
    /// length; a part below half a character may have none.
    fn drawn(&self, bar: &Bar, width: usize, style: Style) -> String {
        let longest = self.longest();
        let mut out = String::new();
        let (mut sum, mut drawn) = (0.0, 0);
        for ((index, length), part) in bar.parts.iter().enumerate().zip(&self.parts) {
            sum += length;
            let until = columns(sum, longest, width);
            let marks = part.mark.to_string().repeat(until.saturating_sub(drawn));
            drawn = drawn.max(until);
            if !marks.is_empty() {
                out.push_str(&style.paint(COLORS[index % COLORS.len()], &marks));
            }
        }
        out.extend(std::iter::repeat_n(' ', width - drawn));
        out
    }
}

/// Background colours, by turns, so that neighbours differ.
const COLORS: [&str; 6] = ["44", "42", "45", "46", "43", "41"];

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the width of a terminal"
)]
fn columns(amount: f64, longest: f64, width: usize) -> usize {
    if longest <= 0.0 {
        return 0;
    }
    (amount / longest * width as f64)
        .round()
        .clamp(0.0, width as f64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(bars: &[&[f64]], width: usize, style: Style) -> String {
        let bars = Stack {
            unit: "µs",
            parts: ['1', '2', '3'].map(|mark| Part { mark, name: "x" }).into(),
            bars: (bars.iter())
                .map(|parts| Bar {
                    name: "bar".to_owned(),
                    parts: parts.to_vec(),
                })
                .collect(),
        };
        bars.drawn(&bars.bars[0], width, style)
    }

    #[test]
    fn parts_are_as_long_as_they_are() {
        let plain = |bars: &[&[f64]], width| drawn(bars, width, Style::default());
        assert_eq!(plain(&[&[5.0, 5.0], &[20.0]], 20), "1111122222          ");
        // A third of a character each: together they have one.
        let thirds = plain(&[&[1.0, 1.0, 1.0], &[30.0]], 10);
        assert_eq!(thirds.trim_end().len(), 1);
        assert_eq!(plain(&[&[50.0]], 4), "1111");
        assert_eq!(plain(&[&[0.0]], 3), "   ");
    }

    #[test]
    fn colour_adds_to_the_marks_and_does_not_replace_them() {
        let style = Style {
            color: true,
            ..Style::default()
        };
        assert_eq!(drawn(&[&[1.0]], 2, style), "\u{1b}[44m11\u{1b}[0m");
    }
}

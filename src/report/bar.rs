//! A stacked bar in text: each part is filled with a mark of its own, so that it reads without colour.

use super::style::Style;

/// A part of a bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Segment {
    /// What it is filled with.
    pub mark: char,
    /// Its length, in the unit of the whole.
    pub amount: f64,
}

/// Background colours, by turns, so that neighbours differ.
const COLORS: [&str; 6] = ["44", "42", "45", "46", "43", "41"];

/// Draws segments side by side, `longest` filling `width` characters. Rounding is carried over, so that
/// the whole has its length; a segment below half a character may have none.
pub(super) fn bar(segments: &[Segment], longest: f64, width: usize, style: Style) -> String {
    let mut out = String::new();
    let (mut sum, mut drawn) = (0.0, 0);
    for (index, segment) in segments.iter().enumerate() {
        sum += segment.amount;
        let until = columns(sum, longest, width);
        let part: String = std::iter::repeat_n(segment.mark, until.saturating_sub(drawn)).collect();
        drawn = drawn.max(until);
        if !part.is_empty() {
            out.push_str(&style.paint(COLORS[index % COLORS.len()], &part));
        }
    }
    out.extend(std::iter::repeat_n(' ', width - drawn));
    out
}

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

    fn drawn(amounts: &[(char, f64)], longest: f64, width: usize) -> String {
        let segments: Vec<Segment> = (amounts.iter())
            .map(|(mark, amount)| Segment {
                mark: *mark,
                amount: *amount,
            })
            .collect();
        bar(&segments, longest, width, Style::default())
    }

    #[test]
    fn parts_are_as_long_as_they_are() {
        assert_eq!(
            drawn(&[('1', 5.0), ('2', 5.0)], 20.0, 20),
            "1111122222          "
        );
        // A third of a character each: together they have one.
        let thirds = [('1', 1.0), ('2', 1.0), ('3', 1.0)];
        assert_eq!(drawn(&thirds, 30.0, 10).trim_end().len(), 1);
        assert_eq!(drawn(&[('1', 50.0)], 20.0, 4), "1111");
        assert_eq!(drawn(&[('1', 0.0)], 0.0, 3), "   ");
    }

    #[test]
    fn colour_adds_to_the_marks_and_does_not_replace_them() {
        let segment = Segment {
            mark: 't',
            amount: 1.0,
        };
        let style = Style {
            color: true,
            ..Style::default()
        };
        assert_eq!(bar(&[segment], 1.0, 2, style), "\u{1b}[44mtt\u{1b}[0m");
    }
}

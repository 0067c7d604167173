//! The frame of a plot: its two axes with ticks, grid lines and names.

use super::scale::Scale;
use super::svg::{Anchor, Svg};

/// Where the plot's own area lies in a drawing, and what runs along its sides.
pub(super) struct Frame<'a> {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    /// Along the bottom.
    pub x: Axis<'a>,
    /// Along the left side.
    pub y: Axis<'a>,
}

/// One axis: its name, and its ticks with their places and labels.
pub(super) struct Axis<'a> {
    pub name: &'a str,
    pub ticks: Vec<(f64, String)>,
}

impl<'a> Axis<'a> {
    /// The round values of a scale.
    pub(crate) fn of(name: &'a str, scale: &Scale, label: impl Fn(f64) -> String) -> Self {
        let ticks = scale.ticks().into_iter();
        Self {
            name,
            ticks: ticks.map(|tick| (scale.place(tick), label(tick))).collect(),
        }
    }
}

impl Frame<'_> {
    pub(crate) fn draw(&self, svg: &mut Svg) {
        for (y, label) in &self.y.ticks {
            svg.line("g", (self.left, *y), (self.right, *y));
            svg.text("t m", (self.left - 6.0, y + 4.0), Anchor::End, label);
        }
        for (x, label) in &self.x.ticks {
            svg.line("g", (*x, self.top), (*x, self.bottom));
            svg.text("t m", (*x, self.bottom + 18.0), Anchor::Middle, label);
        }
        svg.line("a", (self.left, self.bottom), (self.right, self.bottom));
        svg.line("a", (self.left, self.top), (self.left, self.bottom));
        svg.text("t", (self.left, self.top - 8.0), Anchor::Start, self.y.name);
        let middle = f64::midpoint(self.left, self.right);
        svg.text(
            "t",
            (middle, self.bottom + 38.0),
            Anchor::Middle,
            self.x.name,
        );
    }
}

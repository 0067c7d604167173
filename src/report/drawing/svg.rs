//! A drawing as SVG text: shapes by class, so that the page's style gives them colours for light, dark and
//! paper, and a title and a description for those who do not see it. Lengths are in units of the view box.

use std::fmt::Write;

use crate::text::defuse;

/// How many series are told apart by colour and dash; the style has as many.
pub(in crate::report) const SERIES: usize = 8;

/// A drawing in the making.
pub(in crate::report) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// Where a text stands in relation to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Self {
            width,
            height,
            body: String::new(),
        }
    }

    pub(crate) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(short);
        let _ = write!(
            self.body,
            "<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"
        );
    }

    /// A line through points; nothing of fewer than two.
    pub(crate) fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        if points.len() < 2 {
            return;
        }
        let _ = write!(self.body, "<polyline class=\"{class}\" points=\"");
        for (x, y) in points {
            let _ = write!(self.body, "{},{} ", short(*x), short(*y));
        }
        self.body.push_str("\"/>");
    }

    pub(crate) fn rect(&mut self, class: &str, at: (f64, f64), size: (f64, f64), opacity: f64) {
        let [x, y, width, height] = [at.0, at.1, size.0, size.1].map(short);
        let _ = write!(
            self.body,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\""
        );
        if opacity < 1.0 {
            let _ = write!(self.body, " fill-opacity=\"{}\"", short(opacity));
        }
        self.body.push_str("/>");
    }

    pub(crate) fn dot(&mut self, class: &str, at: (f64, f64), radius: f64) {
        let [x, y, r] = [at.0, at.1, radius].map(short);
        let _ = write!(
            self.body,
            "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{r}\"/>"
        );
    }

    pub(crate) fn text(&mut self, class: &str, at: (f64, f64), anchor: Anchor, text: &str) {
        let [x, y] = [at.0, at.1].map(short);
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let text = escape(text);
        let _ = write!(
            self.body,
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\"{anchor}>{text}</text>"
        );
    }

    /// Names of series with a sample of their lines, in rows that fit; returns the height taken.
    pub(crate) fn legend(&mut self, at: (f64, f64), names: &[(usize, String)]) -> f64 {
        let (mut x, mut y) = at;
        for (index, name) in names {
            let wide = 44.0 + 8.0 * name.chars().count() as f64;
            if x > at.0 && x + wide > self.width {
                (x, y) = (at.0, y + LEGEND_ROW);
            }
            self.line(
                &format!("l {}", series(*index)),
                (x, y - 4.0),
                (x + 26.0, y - 4.0),
            );
            self.text("t", (x + 32.0, y), Anchor::Start, name);
            x += wide;
        }
        y - at.1 + LEGEND_ROW
    }

    /// How high a legend of these names will be.
    pub(crate) fn legend_height(&self, left: f64, names: &[(usize, String)]) -> f64 {
        Self::new(self.width, 0.0).legend((left, 0.0), names)
    }

    /// The drawing. `id` is unique on the page.
    pub(crate) fn finish(self, id: &str, title: &str, description: &str) -> String {
        let (width, height) = (short(self.width), short(self.height));
        format!(
            "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
             <title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>{}</svg>",
            escape(title),
            escape(description),
            self.body
        )
    }
}

const LEGEND_ROW: f64 = 22.0;
/// About how wide a letter is.
const LETTER: f64 = 7.3;
/// More letters of a name than this are left out; tables have the whole.
const LONGEST: usize = 40;

/// How wide a column of names is, between `least` and what the longest name that is kept takes.
pub(in crate::report) fn names_width<'a>(names: impl Iterator<Item = &'a str>, least: f64) -> f64 {
    let letters = names.map(|name| name.chars().count().min(LONGEST)).max();
    least.max(letters.unwrap_or(0) as f64 * LETTER + 16.0)
}

/// How wide a column of the longest of these texts is.
pub(in crate::report) fn letters_width<'a>(texts: impl Iterator<Item = &'a str>) -> f64 {
    let letters = texts.map(|text| text.chars().count()).max();
    letters.unwrap_or(0) as f64 * LETTER
}

/// A name that fits its column.
pub(in crate::report) fn fit(name: &str) -> String {
    if name.chars().count() <= LONGEST {
        return name.to_owned();
    }
    name.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// The class of a series, for its colour and dash.
pub(in crate::report) fn series(index: usize) -> String {
    format!("s{}", index % SERIES)
}

/// Text for an element or attribute: markup and what could turn the text around are made visible.
pub(in crate::report) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in defuse(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A length with a tenth of a unit, without zeros that say nothing.
fn short(value: f64) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    // What is not finite would spoil the drawing; nothing measured comes here unless it is.
    if rounded.is_finite() {
        rounded.to_string()
    } else {
        "0".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_text_and_every_drawing_is_described() {
        let mut svg = Svg::new(100.0, 50.0);
        svg.text("t", (1.0, 2.005), Anchor::End, "</text><script>x\u{202e}");
        let text = svg.finish("a", "\"><img>", "d");
        assert!(
            text.contains("<title id=\"a-t\">&quot;&gt;&lt;img&gt;</title>"),
            "{text}"
        );
        assert!(
            !text.contains("<script") && !text.contains('\u{202e}'),
            "{text}"
        );
        assert!(
            text.contains("role=\"img\" aria-labelledby=\"a-t a-d\""),
            "{text}"
        );
    }

    #[test]
    fn lengths_are_short_and_finite() {
        assert_eq!(
            [1.0, 2.346, -0.5, f64::NAN].map(short),
            ["1", "2.35", "-0.5", "0"]
        );
    }
}

//! Effects: ratios with their intervals, each on its line around the one that means no difference, with what is
//! allowed and the rounds behind them where there are any.

use super::scale::{Scale, number};
use super::svg::{Anchor, Svg, fit, letters_width, names_width};

const WIDTH: f64 = 720.0;
const LEFT: f64 = 200.0;
const ROW: f64 = 26.0;
const TOP: f64 = 14.0;
/// Ungated intervals may stretch the axis by at most this factor.
const ASIDE: f64 = 1.2;
/// More rounds than this would be a smear.
const MOST_ROUNDS: usize = 40;

/// One ratio.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::report) struct Effect {
    pub name: String,
    pub ratio: f64,
    /// None where there are too few units for one: then it is a hollow dot.
    pub interval: Option<(f64, f64)>,
    /// The ratio from which on it is too much.
    pub limit: Option<f64>,
    /// The ratio of each round; they are drawn below the interval.
    pub rounds: Vec<f64>,
    /// What is said of it behind its figures.
    pub verdict: String,
    /// What that means.
    pub mood: Mood,
    /// Whether it is only to look at: hollow, and its name is grey.
    pub aside: bool,
}

impl Effect {
    /// What its drawing reaches from and to.
    fn reach(&self) -> (f64, f64) {
        self.interval.unwrap_or((self.ratio, self.ratio))
    }
}

/// Whether an effect is welcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::report) enum Mood {
    #[default]
    Plain,
    Better,
    Worse,
}

impl Mood {
    fn class(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Better => " b",
            Self::Worse => " w",
        }
    }
}

/// What an axis of ratios shows at least, on both sides of one.
#[derive(Debug, Clone, Copy)]
pub(in crate::report) enum Span {
    /// Effects that are looked for: a fourth.
    Wide,
    /// Effects that should not be: a few per cent, with a digit more.
    Narrow,
}

impl Span {
    fn least(self) -> f64 {
        match self {
            Self::Wide => 1.25,
            Self::Narrow => 1.05,
        }
    }

    fn said(self, effect: &Effect) -> String {
        let digits = match self {
            Self::Wide => 2,
            Self::Narrow => 3,
        };
        let interval = effect.interval.map_or(String::new(), |(low, high)| {
            format!("[{low:.digits$} … {high:.digits$}] ")
        });
        format!("{:.digits$}× {interval}{}", effect.ratio, effect.verdict)
            .trim_end()
            .to_owned()
    }
}

/// The plot of these ratios; none of none.
pub(in crate::report) fn plot(
    id: &str,
    title: &str,
    how: &str,
    span: Span,
    effects: &[Effect],
) -> Option<String> {
    let drawn: Vec<&Effect> = (effects.iter())
        .filter(|effect| effect.reach().0 > 0.0)
        .collect();
    if drawn.is_empty() {
        return None;
    }
    let words: Vec<String> = drawn.iter().map(|effect| span.said(effect)).collect();
    let start = names_width(drawn.iter().map(|e| e.name.as_str()), LEFT);
    let end = WIDTH - 16.0 - letters_width(words.iter().map(String::as_str));
    let x = axis(span, &drawn, (start, end));
    let bottom = TOP + ROW * drawn.len() as f64;
    let mut svg = Svg::new(WIDTH, bottom + 46.0);
    let mut last = f64::MIN;
    for tick in x.ticks() {
        let place = x.place(tick);
        svg.line("g", (place, TOP), (place, bottom));
        if place - last > 44.0 {
            let label = format!("{}×", number(tick));
            svg.text("t m", (place, bottom + 18.0), Anchor::Middle, &label);
            last = place;
        }
    }
    svg.line("a", (x.place(1.0), TOP), (x.place(1.0), bottom));
    for (row, (effect, words)) in drawn.iter().zip(&words).enumerate() {
        let y = TOP + ROW * (row as f64 + 0.5);
        let grey = if effect.aside { "t m" } else { "t" };
        svg.text(
            grey,
            (start - 12.0, y + 4.0),
            Anchor::End,
            &fit(&effect.name),
        );
        one(&mut svg, &x, y, effect);
        svg.text(grey, (end + 12.0, y + 4.0), Anchor::Start, words);
    }
    svg.text("t", (start, bottom + 38.0), Anchor::Start, how);
    let all: Vec<String> = (drawn.iter().zip(&words))
        .map(|(effect, words)| format!("{}: {words}", effect.name))
        .collect();
    Some(svg.finish(id, title, &all.join(". ")))
}

/// An axis on which limits and the intervals of what counts have room. Others that reach further are cut off, so
/// that one that says little does not squeeze the rest.
fn axis(span: Span, drawn: &[&Effect], places: (f64, f64)) -> Scale {
    let least = span.least();
    let limits = || drawn.iter().filter_map(|effect| effect.limit);
    let ends = drawn.iter().map(|e| {
        let (low, high) = e.reach();
        if e.aside {
            (low.max(e.ratio / ASIDE), high.min(e.ratio * ASIDE))
        } else {
            (low, high)
        }
    });
    let (low, high): (Vec<f64>, Vec<f64>) = ends.unzip();
    let (low, high) = (low.into_iter(), high.into_iter());
    let (low, high) = (low.chain(limits()), high.chain(limits()));
    let (low, high) = (low.fold(1.0 / least, f64::min), high.fold(least, f64::max));
    let margin = (high / low).powf(0.03);
    Scale::logarithmic((low / margin, high * margin), places)
}

fn one(svg: &mut Svg, x: &Scale, y: f64, effect: &Effect) {
    if effect.rounds.len() <= MOST_ROUNDS {
        for round in effect.rounds.iter().filter(|ratio| x.holds(**ratio)) {
            svg.dot("e", (x.place(*round), y + 7.0), 2.0);
        }
    }
    let mood = effect.mood.class();
    if let Some(limit) = effect.limit {
        let place = x.place(limit);
        svg.line("x", (place, y - 9.0), (place, y + 9.0));
    }
    if let Some((low, high)) = effect.interval {
        let (from, to) = ((x.place(low), y), (x.place(high), y));
        svg.line(&format!("i{mood}"), from, to);
        for (value, (place, _), arrow) in [(low, from, "◂"), (high, to, "▸")] {
            if !x.holds(value) {
                svg.text("t m", (place, y + 4.0), Anchor::Middle, arrow);
            }
        }
    }
    let hollow = if effect.aside || effect.interval.is_none() {
        " o"
    } else {
        ""
    };
    svg.dot(&format!("d{mood}{hollow}"), (x.place(effect.ratio), y), 4.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_effect_is_drawn_and_said() {
        let effect = Effect {
            name: "client CPU".to_owned(),
            ratio: 1.5,
            interval: Some((1.2, 1.8)),
            rounds: vec![1.3, 1.6],
            limit: Some(1.02),
            verdict: "regress".to_owned(),
            mood: Mood::Worse,
            aside: false,
        };
        let text = plot("x", "t", "h", Span::Wide, std::slice::from_ref(&effect)).unwrap();
        let said = "<desc id=\"x-d\">client CPU: 1.50× [1.20 … 1.80] regress</desc>";
        assert!(text.contains(said), "{text}");
        for (class, count) in [("e", 2), ("d w", 1), ("i w", 1), ("x", 1)] {
            let found = text.matches(&format!("class=\"{class}\"")).count();
            assert_eq!(found, count, "{class}: {text}");
        }
        let text = plot("x", "t", "h", Span::Narrow, &[effect]).unwrap();
        assert!(text.contains("1.500× [1.200 … 1.800] regress"), "{text}");
        assert_eq!(plot("x", "t", "h", Span::Wide, &[]), None);
    }

    #[test]
    fn what_is_only_to_look_at_is_cut_off() {
        let wide = Effect {
            ratio: 1.0,
            interval: Some((0.1, 9.0)),
            rounds: vec![0.2, 1.0, 8.0],
            aside: true,
            ..Effect::default()
        };
        let cut = plot("x", "t", "h", Span::Narrow, std::slice::from_ref(&wide)).unwrap();
        assert!(cut.contains("[0.100 … 9.000]"), "{cut}");
        let found = [">◂<", ">▸<", "class=\"e\""].map(|part| cut.matches(part).count());
        assert_eq!(found, [1, 1, 1], "{cut}");
        let counts = Effect {
            aside: false,
            ..wide
        };
        let whole = plot("x", "t", "h", Span::Narrow, &[counts]).unwrap();
        let found = [">◂<", ">▸<", "class=\"e\""].map(|part| whole.matches(part).count());
        assert_eq!(found, [0, 0, 3], "{whole}");
    }

    #[test]
    fn without_an_interval_there_is_a_hollow_dot_and_no_line() {
        let few = Effect {
            name: "client CPU".to_owned(),
            ratio: 1.5,
            verdict: "(2 rounds)".to_owned(),
            ..Effect::default()
        };
        let text = plot("x", "t", "h", Span::Wide, &[few]).unwrap();
        assert!(
            text.contains("client CPU: 1.50× (2 rounds)</desc>"),
            "{text}"
        );
        let found = ["class=\"d o\"", "class=\"i\""].map(|part| text.matches(part).count());
        assert_eq!(found, [1, 0], "{text}");
    }

    #[test]
    fn a_narrow_axis_has_ticks_beside_one() {
        let effect = Effect {
            ratio: 1.01,
            interval: Some((1.0, 1.02)),
            ..Effect::default()
        };
        let text = plot("x", "t", "h", Span::Narrow, &[effect]).unwrap();
        for tick in [">0.95×<", ">1×<", ">1.05×<"] {
            assert!(text.contains(tick), "{tick}: {text}");
        }
    }
}

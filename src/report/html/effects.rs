//! Effects: ratios with their intervals, each on its line around the one that means no difference.

use super::scale::{Scale, number};
use super::svg::{Anchor, Svg, fit, names_width};

const WIDTH: f64 = 720.0;
const LEFT: f64 = 200.0;
const RIGHT: f64 = 560.0;
const ROW: f64 = 26.0;
const TOP: f64 = 14.0;

/// One ratio.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Effect {
    pub name: String,
    pub ratio: f64,
    pub low: f64,
    pub high: f64,
}

/// The plot of these ratios; none of none.
pub(super) fn plot(id: &str, title: &str, how: &str, effects: &[Effect]) -> Option<String> {
    let drawn: Vec<&Effect> = effects.iter().filter(|effect| effect.low > 0.0).collect();
    if drawn.is_empty() {
        return None;
    }
    let low = drawn.iter().map(|e| e.low).fold(0.8, f64::min);
    let high = drawn.iter().map(|e| e.high).fold(1.25, f64::max);
    let start = names_width(drawn.iter().map(|e| e.name.as_str()), LEFT);
    let x = Scale::logarithmic((low * 0.97, high * 1.03), (start, RIGHT));
    let bottom = TOP + ROW * drawn.len() as f64;
    let mut svg = Svg::new(WIDTH, bottom + 46.0);
    let mut last = f64::MIN;
    for tick in x.ticks() {
        let place = x.place(tick);
        svg.line("g", (place, TOP), (place, bottom));
        if place - last > 36.0 {
            svg.text(
                "t m",
                (place, bottom + 18.0),
                Anchor::Middle,
                &format!("{}×", number(tick)),
            );
            last = place;
        }
    }
    svg.line("a", (x.place(1.0), TOP), (x.place(1.0), bottom));
    for (row, effect) in drawn.iter().enumerate() {
        let y = TOP + ROW * (row as f64 + 0.5);
        svg.text(
            "t",
            (start - 12.0, y + 4.0),
            Anchor::End,
            &fit(&effect.name),
        );
        svg.line("i", (x.place(effect.low), y), (x.place(effect.high), y));
        svg.dot("d", (x.place(effect.ratio), y));
        svg.text("t", (RIGHT + 12.0, y + 4.0), Anchor::Start, &said(effect));
    }
    svg.text("t", (start, bottom + 38.0), Anchor::Start, how);
    let all: Vec<String> = drawn
        .iter()
        .map(|e| format!("{}: {}", e.name, said(e)))
        .collect();
    Some(svg.finish(id, title, &all.join(". ")))
}

fn said(effect: &Effect) -> String {
    format!(
        "{:.2}× [{:.2} … {:.2}]",
        effect.ratio, effect.low, effect.high
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_effect_is_drawn_and_said() {
        let effect = Effect {
            name: "client CPU".to_owned(),
            ratio: 1.5,
            low: 1.2,
            high: 1.8,
        };
        let text = plot("x", "t", "h", &[effect]).unwrap();
        assert!(
            text.contains("<desc id=\"x-d\">client CPU: 1.50× [1.20 … 1.80]</desc>"),
            "{text}"
        );
        assert_eq!(text.matches("<circle").count(), 1);
        assert_eq!(plot("x", "t", "h", &[]), None);
    }
}

//! The figures of a comparison as a table, and the tone of a verdict.

use super::words;
use crate::record::{CellComparison, EffectRecord, FigureComparison, Verdict};
use crate::report::document::{Field, Grid};
use crate::report::style::Tone;
use crate::report::tables::or_nothing;

/// Both sides of the figures that are asked for, and what follows.
pub(super) fn table(cells: &[CellComparison], asked: fn(&FigureComparison) -> bool) -> Grid {
    let header = [
        "",
        "baseline",
        "candidate",
        "change",
        "detectable",
        "allowed",
        "verdict",
    ];
    let mut grid = Grid::new(
        "Medians over units, and the effect with its interval",
        header,
    );
    for cell in cells {
        let figures = cell.figures.iter().filter(|figure| asked(figure));
        grid.group(&cell.name, figures, |figure| {
            let [baseline, candidate] = words::medians(figure);
            let effect = figure.effect.as_ref();
            let fields = [
                baseline,
                candidate,
                or_nothing(effect, EffectRecord::change),
                or_nothing(effect, words::detectable),
                figure.allowed_change(),
            ];
            let verdict = figure.verdict.filter(|_| figure.gated);
            let verdict = Field::new(verdict.map_or(Tone::Plain, tone), words::verdict(figure));
            let fields = fields.map(Field::from).into_iter().chain([verdict]);
            (figure.figure.as_str(), fields.collect())
        });
    }
    grid
}

/// How good a verdict is.
pub(super) fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Pass | Verdict::Improve => Tone::Good,
        Verdict::Inconclusive => Tone::Unclear,
        Verdict::Regress | Verdict::Invalid => Tone::Bad,
    }
}

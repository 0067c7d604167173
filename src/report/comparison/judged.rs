//! Judged figures as drawings and as rows of tables, for the pages that hold results against each other.

use crate::record::{CellComparison, Comparison, FigureComparison, UnitKind, Verdict};
use crate::report::comparison::words::{self, NOTHING};
use crate::report::document::{Ids, Section};
use crate::report::drawing::effects::{self, Effect, Mood, Span};
use crate::units::format_count;

/// Up to so many cells, each has a drawing of its figures; of more, each figure that gates has one of its cells.
const MOST_CELLS: usize = 6;
/// A drawing has no more rows than this.
pub(in crate::report) const MOST_ROWS: usize = 40;

/// How to read effects.
pub(in crate::report) const READING: &str = "A ratio is the candidate over the baseline, so 1.03 is 3 % more. The dot is the estimate, the line through it \
     the interval; where that reaches across 1, there may be no difference. The upright mark is what is allowed: beyond it is a regression, \
     on this side of it a pass, and an interval across it is inconclusive. Full dots gate, hollow ones are to look at; \
     an arrow marks one of those that reaches further.";

/// The effects as drawings: a cell's figures together, or a figure's cells where there are many.
pub(in crate::report) fn effects(comparison: &Comparison, ids: &mut Ids) -> Section {
    let mut section = Section::new("effects", "Effects");
    if comparison.baseline.is_none() {
        return section;
    }
    if comparison.cells.len() <= MOST_CELLS {
        for cell in &comparison.cells {
            let all = cell.figures.iter();
            let all = all.filter_map(|figure| effect(&figure.figure, figure));
            draw(&mut section, ids, &cell.name, &all.collect::<Vec<_>>());
        }
    } else {
        for name in gating(&comparison.cells) {
            let all = comparison.cells.iter().filter_map(|cell| {
                let figure = cell.figures.iter().find(|f| f.figure == name)?;
                effect(&cell.name, figure)
            });
            let all: Vec<Effect> = all.collect();
            draw(&mut section, ids, name, &all[..all.len().min(MOST_ROWS)]);
            if all.len() > MOST_ROWS {
                section.prose(format!(
                    "The first {MOST_ROWS} of {} cells are drawn; the table has all of them.",
                    format_count(all.len() as u64)
                ));
            }
        }
    }
    section
}

/// Adds a drawing of these effects below their name, if there are any.
pub(in crate::report) fn draw(section: &mut Section, ids: &mut Ids, name: &str, all: &[Effect]) {
    let title = format!("{name}: candidate over baseline");
    let how = "candidate over baseline";
    let Some(drawing) = effects::plot(&ids.next(), &title, how, Span::Narrow, all) else {
        return;
    };
    let rounds = if all.iter().any(|effect| !effect.rounds.is_empty()) {
        "; small dots are the rounds"
    } else {
        ""
    };
    let caption = format!(
        "The dot is the estimate, its line the interval, the mark what is allowed{rounds}."
    );
    section.heading(name).drawing(Some(drawing), &caption);
}

/// Names of the figures that gate in any cell, in the order of display; of all where none gates.
fn gating(cells: &[CellComparison]) -> Vec<&str> {
    let any = cells.iter().flat_map(|c| &c.figures).any(|f| f.gated);
    let mut names: Vec<&str> = Vec::new();
    for figure in cells.iter().flat_map(|cell| &cell.figures) {
        if (figure.gated || !any) && !names.contains(&figure.figure.as_str()) {
            names.push(&figure.figure);
        }
    }
    names
}

/// An effect to draw; none of shares, which are told by difference.
pub(in crate::report) fn effect(name: &str, figure: &FigureComparison) -> Option<Effect> {
    let found = figure.effect.filter(words::is_ratio)?;
    let mood = match figure.verdict {
        Some(Verdict::Regress) => Mood::Worse,
        Some(Verdict::Improve) => Mood::Better,
        _ => Mood::Plain,
    };
    let allowed = 1.0 + figure.allowed;
    let limit = if figure.smaller_is_better {
        allowed
    } else {
        1.0 / allowed
    };
    Some(Effect {
        name: name.to_owned(),
        ratio: found.estimate,
        interval: Some((found.lower, found.upper)),
        limit: Some(limit),
        rounds: figure.rounds.clone(),
        verdict: verdict(figure),
        mood,
        aside: !figure.gated,
    })
}

/// An effect with whether it is for the better, if there are units enough to say so; none of shares, which are told
/// by difference.
pub(in crate::report) fn unjudged(
    name: &str,
    figure: &FigureComparison,
    unit: UnitKind,
) -> Option<Effect> {
    let found = figure.effect.filter(words::is_ratio)?;
    if let Some(few) = words::few_units(&found, unit) {
        return Some(Effect {
            name: name.to_owned(),
            ratio: found.estimate,
            verdict: few,
            ..Effect::default()
        });
    }
    let (more, less) = (found.lower > 1.0, found.upper < 1.0);
    let (mood, verdict) = match (more, less) {
        (false, false) => (Mood::Plain, "either"),
        _ if less == figure.smaller_is_better => (Mood::Better, "better"),
        _ => (Mood::Worse, "worse"),
    };
    Some(Effect {
        name: name.to_owned(),
        ratio: found.estimate,
        interval: Some((found.lower, found.upper)),
        verdict: verdict.to_owned(),
        mood,
        ..Effect::default()
    })
}

/// The verdict of a figure; of one that does not gate in brackets.
fn verdict(figure: &FigureComparison) -> String {
    match figure.verdict {
        Some(verdict) if figure.gated => verdict.label().to_owned(),
        Some(verdict) => format!("({})", verdict.label()),
        None => "not judged".to_owned(),
    }
}

/// Columns of [`row`].
pub(in crate::report) const HEADER: [&str; 8] = [
    "cell",
    "figure",
    "baseline",
    "candidate",
    "candidate over baseline",
    "detectable",
    "allowed",
    "verdict",
];

/// A figure of a cell as a row of a table.
pub(in crate::report) fn row(cell: &str, figure: &FigureComparison) -> Vec<String> {
    let [baseline, candidate] = words::medians(figure);
    let effect = figure.effect.as_ref();
    vec![
        cell.to_owned(),
        figure.figure.clone(),
        baseline,
        candidate,
        effect.map_or(NOTHING.to_owned(), words::effect),
        effect.map_or(NOTHING.to_owned(), words::detectable),
        figure.allowed_change(),
        verdict(figure),
    ]
}

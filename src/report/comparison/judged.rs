//! Judged figures as drawings, for the reports that compare results.

use super::figures::table;
use super::words;
use crate::record::{CellComparison, Comparison, FigureComparison, UnitKind, Verdict};
use crate::report::document::{Extent, Section};
use crate::report::drawing::effects::{self, Effect, Mood, Span};
use crate::units::format_count;

/// Up to this many cells, each has a drawing of its figures; of more, each figure that gates has one of its cells.
const MOST_CELLS: usize = 6;
/// A drawing has no more rows than this.
const MOST_ROWS: usize = 40;

/// How to read effects.
const READING: &str = "A ratio is the candidate over the baseline, so 1.03 is 3 % more. The dot is the estimate, the line through it \
     the interval; where that reaches across 1, there may be no difference. The upright mark is what is allowed: beyond it is a regression, \
     on this side of it a pass, and an interval across it is inconclusive. Full dots gate, hollow ones are to look at; \
     an arrow marks one of those that reaches further.";

/// The effects as drawings: a cell's figures together, or a figure's cells where there are many.
pub(super) fn effects(comparison: &Comparison) -> Section {
    let mut section = Section::new("effects", "Effects").of_extent(Extent::Page);
    let cells = &comparison.cells;
    let figures = || cells.iter().flat_map(|cell| &cell.figures);
    if comparison.baseline.is_none() || figures().all(|figure| figure.effect.is_none()) {
        return section;
    }
    section.prose(READING);
    if cells.len() <= MOST_CELLS {
        for cell in cells {
            let all = cell.figures.iter();
            draw(
                &mut section,
                &cell.name,
                all.map(|figure| (figure.figure.as_str(), figure)),
            );
        }
    } else {
        for name in gating(cells) {
            let all = cells.iter().filter_map(|cell| {
                let figure = cell.figures.iter().find(|f| f.figure == name)?;
                Some((cell.name.as_str(), figure))
            });
            draw(&mut section, name, all);
        }
    }
    section
}

/// The baseline against itself, as far as it gates.
pub(super) fn control(comparison: &Comparison) -> Section {
    let mut section = Section::new("control", "Control").of_extent(Extent::Folded);
    let gated = |figure: &FigureComparison| figure.gated;
    let cells = &comparison.control;
    if !cells.iter().flat_map(|cell| &cell.figures).any(gated) {
        return section;
    }
    section.prose("The baseline against itself, in the same rounds: what shows here is the machine's, not the candidate's.");
    let names: Vec<(String, &FigureComparison)> = (cells.iter())
        .flat_map(|cell| {
            let gated = cell.figures.iter().filter(|figure| figure.gated);
            gated.map(|figure| (format!("{} {}", cell.name, figure.figure), figure))
        })
        .collect();
    let all = names.iter().map(|(name, figure)| (name.as_str(), *figure));
    draw(&mut section, "The baseline against itself", all);
    section.table(table(cells, gated));
    section
}

/// Adds a drawing of these figures below their name, if any has an effect to draw.
fn draw<'a>(
    section: &mut Section,
    name: &str,
    figures: impl Iterator<Item = (&'a str, &'a FigureComparison)>,
) {
    let all: Vec<Effect> = figures
        .filter_map(|(name, figure)| effect(name, figure))
        .collect();
    let drawn = &all[..all.len().min(MOST_ROWS)];
    let how = "candidate over baseline";
    let title = format!("{name}: {how}");
    let drawing = effects::plot(&section.drawing_id(), &title, how, Span::Narrow, drawn);
    let rounds = if drawn.iter().any(|effect| !effect.rounds.is_empty()) {
        "; small dots are the rounds"
    } else {
        ""
    };
    let mut caption = format!(
        "{name}. The dot is the estimate, its line the interval, the mark what is allowed{rounds}."
    );
    if all.len() > MOST_ROWS {
        let all = format_count(all.len() as u64);
        caption = format!("{caption} The first {MOST_ROWS} of {all} cells are drawn.");
    }
    section.drawing(drawing, &caption);
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
fn effect(name: &str, figure: &FigureComparison) -> Option<Effect> {
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
        verdict: if figure.gated {
            words::verdict(figure).to_owned()
        } else {
            format!("({})", words::verdict(figure))
        },
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

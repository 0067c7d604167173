//! What makes a difference within one result: cells against cells, as drawings and tables of ratios.

use super::document::Section;
use super::drawing::effects::{self, Effect, Span};
use super::{facts, tables};
use crate::analysis::{ContrastSet, Decoded, Figure, Question, Tax, TaxRow, contrasts};
use crate::text::grouped;
use crate::units::format_count;

/// More taxes than this share their drawings and their table.
pub(super) const MOST_APART: usize = 12;
/// More effects in a drawing than this are left to the table.
const MOST_EFFECTS: usize = 40;
/// More cells in a table of ratios than this are left to CSV.
const MOST_RATIOS: usize = 200;

/// The tax of mutual authentication, what resumption saves, and what is varied: each with its intervals.
pub(super) fn differences(decoded: &Decoded<'_>, taxes: &[Tax]) -> Section {
    let mut section = Section::new("differences", "What makes a difference");
    if taxes.len() > MOST_APART {
        for (question, title) in [
            (Question::MutualTax, "mTLS tax"),
            (Question::Resumption, "what resumption saves"),
        ] {
            let of = || taxes.iter().filter(|tax| tax.question == question);
            if let Some(first) = of().next() {
                let (_, how) = facts::tax_title(first);
                let sets: Vec<ContrastSet> = of().map(set).collect();
                together(&mut section, title, &format!("ratios {how}"), &sets);
            }
        }
    } else {
        for tax in taxes {
            apart(&mut section, tax);
        }
    }
    for contrast in contrasts(decoded) {
        let (title, how) = facts::contrast_title(&contrast);
        together(&mut section, &title, &how, &contrast.sets);
    }
    section
}

/// One cell against another: the ratios in a drawing, everything in a table.
fn apart(section: &mut Section, tax: &Tax) {
    let (title, how) = facts::tax_title(tax);
    let all: Vec<Effect> = drawn(&tax.rows)
        .filter_map(|row| effect(&row.figure.title(), row))
        .collect();
    let over = format!("{} over {}", tax.cell, tax.base);
    section.heading(&title);
    let drawing = effects::plot(&section.drawing_id(), &title, &over, Span::Wide, &all);
    let caption = format!("Ratios, {how}. The dark line at 1× is no difference.");
    section
        .drawing(drawing, &caption)
        .table(tables::tax(tax, &how));
}

/// Bytes have no spread, and would stretch the axis.
fn drawn(rows: &[TaxRow]) -> impl Iterator<Item = &TaxRow> {
    rows.iter().filter(|row| row.unit() != "B")
}

fn set(tax: &Tax) -> ContrastSet {
    ContrastSet {
        base: tax.base.clone(),
        cells: vec![(tax.cell.clone(), tax.rows.clone())],
    }
}

/// Cells against others: the ratios in a table, and a drawing for each metric with the cells one below the other.
fn together(section: &mut Section, title: &str, how: &str, sets: &[ContrastSet]) {
    let count: usize = sets.iter().map(|set| set.cells.len()).sum();
    section.heading(title);
    section.table(tables::contrast(&first(sets, MOST_RATIOS), how));
    if count > MOST_RATIOS {
        section.prose(format!(
            "The first {MOST_RATIOS} of {} cells; CSV has all of them.",
            format_count(count as u64)
        ));
    }
    for (figure, all) in by_figure(sets) {
        let figure = figure.title();
        let drawn = &all[..all.len().min(MOST_EFFECTS)];
        let name = format!("{title}: {figure}");
        let mut caption = format!("{name}, {how}.");
        if all.len() > MOST_EFFECTS {
            let count = format_count(all.len() as u64);
            caption = format!("{caption} The first {MOST_EFFECTS} of {count} cells.");
        }
        let drawing = effects::plot(&section.drawing_id(), &name, &figure, Span::Wide, drawn);
        section.drawing(drawing, &caption);
    }
}

/// The first cells of these sets.
fn first(sets: &[ContrastSet], most: usize) -> Vec<ContrastSet> {
    let mut room = most;
    let sets = sets.iter().map(|set| {
        let cells: Vec<_> = set.cells.iter().take(room).cloned().collect();
        room -= cells.len();
        ContrastSet {
            base: set.base.clone(),
            cells,
        }
    });
    sets.filter(|set| !set.cells.is_empty()).collect()
}

/// Effects by what they are of, cell by cell.
fn by_figure(sets: &[ContrastSet]) -> Vec<(Figure, Vec<Effect>)> {
    let cells = sets.iter().flat_map(|set| &set.cells);
    grouped(cells.flat_map(|(name, rows)| {
        drawn(rows).filter_map(move |row| Some((row.figure, effect(name, row)?)))
    }))
}

fn effect(name: &str, row: &TaxRow) -> Option<Effect> {
    let ratio = row.ratio?;
    Some(Effect {
        name: name.to_owned(),
        ratio: ratio.estimate,
        interval: ratio.interval,
        verdict: facts::few_rounds(&ratio),
        ..Effect::default()
    })
}

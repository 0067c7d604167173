//! The report of a comparison: the verdict, the effects with their intervals as drawings and tables, thresholds, and
//! what was compared.

use super::figures::{table, tone};
use super::judged::{control, effects};
use super::words;
use crate::record::{CellComparison, Comparison, FigureComparison, Verdict};
use crate::report::document::{Banner, Document, Extent, Field, Grid, Section};
use crate::report::tables::or_nothing;
use crate::stats::Spread;
use crate::text::grouped;
use crate::units::format_count;

/// With more cells than this, tables have what gates alone.
const MOST_WHOLE: usize = 30;

/// One comparison.
pub(super) fn document(comparison: &Comparison) -> Document {
    let (candidate, build) = (&comparison.candidate, &comparison.build);
    let (name, question) = match &comparison.baseline {
        Some(baseline) => (
            format!("{} against {}", candidate.source, baseline.source),
            "Is the candidate worse than the baseline?",
        ),
        None => (candidate.source.clone(), "Are the thresholds kept?"),
    };
    let source = format!(
        "a comparison, judged by shakedown {}, revision {}.",
        build.version, build.git_revision
    );
    Document::new(&name, question, &source)
        .conditions(conditions(comparison))
        .banners([banner(comparison)])
        .sections([
            effects(comparison),
            gating(comparison),
            others(comparison),
            checks(&comparison.cells),
            control(comparison),
            apart(comparison),
        ])
}

fn conditions(comparison: &Comparison) -> Vec<String> {
    let candidate = words::side(&comparison.candidate);
    let mut lines = match &comparison.baseline {
        Some(baseline) => vec![
            format!("baseline   {}", words::side(baseline)),
            format!("candidate  {candidate}"),
        ],
        None => vec![format!("judged  {candidate}")],
    };
    lines.push(format!(
        "on {}; a unit is a {}, intervals hold {:.1} %",
        comparison.candidate.host_class,
        comparison.unit.label(),
        comparison.confidence * 100.0
    ));
    lines.extend(comparison.blocks.as_ref().map(words::how_blocks_went));
    lines
}

/// The verdict with its reasons and notes.
fn banner(comparison: &Comparison) -> Banner {
    let verdict = comparison.verdict;
    let words = format!(
        "{}: {}",
        verdict.label().to_uppercase(),
        words::conclusion(comparison)
    );
    Banner::new(tone(verdict), &words).notes(&comparison.reasons, &comparison.notes)
}

/// The figures that gate.
fn gating(comparison: &Comparison) -> Section {
    let mut section = Section::new("figures", "Figures that gate");
    let figures = comparison.cells.iter().flat_map(|cell| &cell.figures);
    let gated: Vec<&FigureComparison> = figures.filter(|figure| figure.gated).collect();
    let passed = gated.iter().filter(|f| f.verdict == Some(Verdict::Pass));
    if !gated.is_empty() {
        let [passed, all] = [passed.count(), gated.len()].map(|n| format_count(n as u64));
        section.prose(format!("{passed} of {all} pass."));
    }
    tables(&mut section, &comparison.cells, |figure| figure.gated);
    section
}

/// Those that do not, unless they are too many.
fn others(comparison: &Comparison) -> Section {
    let mut section = Section::new("others", "Other figures").of_extent(Extent::Folded);
    let cells = &comparison.cells;
    let whole = cells.len() <= MOST_WHOLE;
    if whole || comparison.baseline.is_none() {
        section.table(one_side(cells));
    }
    if whole {
        tables(&mut section, cells, |figure| {
            !figure.gated && !is_alone(figure)
        });
    } else if comparison.baseline.is_some() {
        section.prose("There are too many cells to show figures that do not gate. The comparison file has them.");
    }
    section
}

/// The figures of these cells that are asked for, and why some have no verdict of their own.
fn tables(section: &mut Section, cells: &[CellComparison], asked: fn(&FigureComparison) -> bool) {
    let figures = cells.iter().flat_map(|cell| &cell.figures);
    let why = |figure| Some((why(figure)?, figure.figure.as_str()));
    let all = figures.filter(|figure| asked(figure)).filter_map(why);
    section.table(table(cells, asked)).list(reasons(all));
}

/// Whether there is nothing to compare a figure with: no baseline at all, or none that has its cell.
fn is_alone(figure: &FigureComparison) -> bool {
    figure.baseline.is_none() && figure.baseline_beyond.is_none() && figure.reason.is_none()
}

/// What was measured where there is nothing to compare it with.
fn one_side(cells: &[CellComparison]) -> Grid {
    let mut grid = Grid::new("Over units", ["", "median", "smallest", "largest"]);
    for cell in cells {
        let alone = cell.figures.iter().filter(|figure| is_alone(figure));
        grid.group(&cell.name, alone, |figure| {
            let show = |of: fn(Spread) -> f64| {
                or_nothing(figure.candidate.map(of), |v| words::value(v, &figure.unit))
            };
            let [_, median] = words::medians(figure);
            let fields = [median, show(|s| s.min), show(|s| s.max)];
            (figure.figure.as_str(), fields.map(Field::from).into())
        });
    }
    grid
}

/// Why a figure is invalid or not judged.
fn why(figure: &FigureComparison) -> Option<String> {
    let reason = figure.reason.as_ref()?;
    let reason = reason.trim_start_matches("not judged: ");
    Some(format!("{}: {reason}", words::verdict(figure)))
}

fn checks(cells: &[CellComparison]) -> Section {
    let mut section = Section::new("checks", "Thresholds and minimums");
    let mut grid = Grid::new("What the policy asks", ["", "observed", "verdict"]);
    for cell in cells {
        grid.group(&cell.name, &cell.checks, |check| {
            let fields = vec![
                or_nothing(check.found(), |found| found).into(),
                Field::new(tone(check.verdict), check.verdict.label()),
            ];
            (check.rule.as_str(), fields)
        });
    }
    let all = cells.iter().flat_map(|cell| &cell.checks);
    let all = all.filter_map(|check| Some((check.reason.clone()?, check.rule.as_str())));
    section.table(grid).list(reasons(all));
    section
}

/// Each reason once, with what it is for.
fn reasons<'a>(all: impl Iterator<Item = (String, &'a str)>) -> impl Iterator<Item = String> {
    let lines = grouped(all).into_iter();
    lines.map(|(reason, mut of)| {
        of.sort_unstable();
        of.dedup();
        format!("{}: {reason}", of.join(", "))
    })
}

/// Cells of which nothing is compared.
fn apart(comparison: &Comparison) -> Section {
    let mut section = Section::new("apart", "Cells that are not compared");
    let nothing = comparison.cells.iter();
    let nothing = nothing.filter(|cell| cell.figures.is_empty() && cell.checks.is_empty());
    let nothing: Vec<String> = nothing.map(|cell| cell.name.clone()).collect();
    let all = [
        ("Missing from the candidate", &comparison.missing),
        ("New in the candidate", &comparison.new),
        ("Without anything to judge", &nothing),
    ];
    let some = all.into_iter().filter(|(_, names)| !names.is_empty());
    section.list(some.map(|(what, names)| format!("{what}: {}", names.join(", "))));
    section
}

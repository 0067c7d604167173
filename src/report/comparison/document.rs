//! The page of a comparison: the verdict, the effects with their intervals as drawings and tables, thresholds, and
//! what was compared.

use super::judged::{HEADER, MOST_ROWS, READING, draw, effect, effects, row};
use crate::record::{CellComparison, Comparison, FigureComparison, Verdict};
use crate::report::comparison::words::{self, NOTHING, value_if_any};
use crate::report::document::{Grid, Ids, Section};
use crate::report::html::{Banner, Head, NoteLine, Tone, page};
use crate::report::{ReportError, facts};
use crate::stats::Spread;
use crate::text::grouped;
use crate::units::format_count;

/// With more cells than this, tables have what gates alone.
const MOST_WHOLE: usize = 30;
/// More findings than this are left to the tables.
const MOST_FOUND: usize = 12;

/// One comparison.
///
/// # Errors
///
/// Fails only if the page cannot be written.
pub fn render(comparison: &Comparison) -> Result<String, ReportError> {
    let mut ids = Ids::default();
    let candidate = &comparison.candidate;
    let (name, question) = match &comparison.baseline {
        Some(baseline) => (
            format!("{} against {}", candidate.source, baseline.source),
            "Is the candidate worse than the baseline?",
        ),
        None => (candidate.source.clone(), "Are the thresholds kept?"),
    };
    let head = Head {
        name,
        question: question.to_owned(),
        conditions: conditions(comparison),
        banners: vec![banner(comparison)],
        source: format!(
            "a comparison, judged by shakedown {}, revision {}. Intervals hold {:.1} %; a unit is a {}.",
            comparison.build.version,
            comparison.build.git_revision,
            comparison.confidence * 100.0,
            comparison.unit.label()
        ),
    };
    let sections = vec![
        answer(comparison),
        effects(comparison, &mut ids),
        figures(comparison),
        checks(comparison),
        control(comparison, &mut ids),
        sides(comparison),
    ];
    page(head, sections)
}

fn conditions(comparison: &Comparison) -> Vec<String> {
    let mut all = vec![format!(
        "on {}; a unit is a {}, intervals hold {:.1} %",
        comparison.candidate.host_class,
        comparison.unit.label(),
        comparison.confidence * 100.0
    )];
    all.extend(comparison.blocks.as_ref().map(words::how_blocks_went));
    all
}

/// The verdict with its reasons and notes.
fn banner(comparison: &Comparison) -> Banner {
    let tone = match comparison.verdict {
        Verdict::Pass | Verdict::Improve => Tone::Good,
        Verdict::Inconclusive => Tone::Unclear,
        Verdict::Regress | Verdict::Invalid => Tone::Bad,
    };
    let reasons = comparison.reasons.iter().map(|n| NoteLine::of(n, true));
    let notes = comparison.notes.iter().map(|n| NoteLine::of(n, false));
    Banner {
        tone,
        words: format!(
            "{}: {}",
            comparison.verdict.label().to_uppercase(),
            words::conclusion(comparison)
        ),
        marks: Vec::new(),
        notes: reasons.chain(notes).collect(),
    }
}

/// What gates and did not simply pass, and how to read the rest.
fn answer(comparison: &Comparison) -> Section {
    let mut section = Section::new("answer", "The answer in short");
    let all = || {
        let cells = comparison.cells.iter();
        cells.flat_map(|cell| cell.figures.iter().map(move |figure| (cell, figure)))
    };
    let gated: Vec<_> = all().filter(|(_, figure)| figure.gated).collect();
    let passed = |f: &FigureComparison| f.verdict == Some(Verdict::Pass);
    let mut found: Vec<String> = (gated.iter())
        .filter(|(_, figure)| !passed(figure))
        .map(|(cell, figure)| finding(cell, figure))
        .collect();
    let more = found.len().saturating_sub(MOST_FOUND);
    found.truncate(MOST_FOUND);
    if more > 0 {
        found.push(format!(
            "and {} more, see the tables",
            format_count(more as u64)
        ));
    }
    let count = gated.iter().filter(|(_, figure)| passed(figure)).count();
    if count > 0 {
        let of = format_count(gated.len() as u64);
        let count = format_count(count as u64);
        found.push(format!("{count} of {of} figures that gate pass"));
    }
    section.list(&found);
    if all().any(|(_, figure)| figure.effect.is_some()) {
        section.prose(READING);
    }
    section
}

/// Why a figure is invalid or not judged.
fn why(figure: &FigureComparison) -> Option<String> {
    let reason = figure.reason.as_ref()?;
    let reason = reason.trim_start_matches("not judged: ");
    let verdict = figure.verdict.map_or("not judged", Verdict::label);
    Some(format!("{verdict}: {reason}"))
}

fn finding(cell: &CellComparison, figure: &FigureComparison) -> String {
    let place = format!("{}, {}", cell.name, figure.figure);
    let verdict = figure.verdict.map_or("not judged", Verdict::label);
    match (&figure.effect, why(figure)) {
        (_, Some(why)) => format!("{place}: {why}"),
        (Some(effect), None) => format!(
            "{place}: {}, allowed {}: {verdict}",
            words::effect(effect),
            figure.allowed_change()
        ),
        (None, None) => format!("{place}: {verdict}"),
    }
}

/// Every figure of every cell; of many cells what gates.
fn figures(comparison: &Comparison) -> Section {
    let mut section = Section::new("figures", "Figures");
    let many = comparison.cells.len() > MOST_WHOLE;
    if many {
        section.prose("There are too many cells to show all figures of each: these gate. The comparison file has the others.");
    }
    if comparison.baseline.is_none() {
        section.table(one_side(&comparison.cells));
        return section;
    }
    let mut reasons: Vec<(String, &str)> = Vec::new();
    let mut rows = Vec::new();
    for cell in &comparison.cells {
        for figure in cell.figures.iter().filter(|f| f.gated || !many) {
            rows.push(row(&cell.name, figure));
            let reason = why(figure).map(|why| (why, figure.figure.as_str()));
            reasons.extend(reason.filter(|reason| !reasons.contains(reason)));
        }
    }
    let reasons = grouped(reasons).into_iter();
    let reasons = reasons.map(|(reason, of)| format!("{}: {reason}", of.join(", ")));
    let reasons: Vec<String> = reasons.collect();
    let caption =
        "Medians over units, and the effect with its interval; in brackets what does not gate";
    section.table(Grid::new(caption, &HEADER, rows));
    section.list(&reasons);
    for (what, names) in [
        ("Missing from the candidate", &comparison.missing),
        ("New in the candidate, so not compared", &comparison.new),
    ] {
        if !names.is_empty() {
            section.prose(format!("{what}: {}", names.join(", ")));
        }
    }
    section
}

/// What was measured where there is nothing to hold it against.
fn one_side(cells: &[CellComparison]) -> Grid {
    let rows = cells.iter().flat_map(|cell| {
        cell.figures.iter().map(|figure| {
            let show = |of: fn(Spread) -> f64| value_if_any(figure.candidate.map(of), &figure.unit);
            vec![
                cell.name.clone(),
                figure.figure.clone(),
                words::medians(figure)[1].clone(),
                show(|s| s.min),
                show(|s| s.max),
            ]
        })
    });
    let header = ["cell", "figure", "median", "smallest", "largest"];
    Grid::new("Over units", &header, rows)
}

fn checks(comparison: &Comparison) -> Section {
    let mut section = Section::new("checks", "Thresholds and minimums");
    let rows = comparison.cells.iter().flat_map(|cell| {
        cell.checks.iter().map(|check| {
            let observed = check.found();
            vec![
                cell.name.clone(),
                check.rule.clone(),
                observed.unwrap_or(NOTHING.to_owned()),
                check.verdict.label().to_owned(),
                check.reason.clone().unwrap_or_default(),
            ]
        })
    });
    let header = ["cell", "threshold or minimum", "observed", "verdict", "why"];
    section.table(Grid::new("What the policy asks", &header, rows));
    section
}

/// The baseline against itself, as far as it gates.
fn control(comparison: &Comparison, ids: &mut Ids) -> Section {
    let mut section = Section::new("control", "Control");
    let gated = |cell: &CellComparison| -> Vec<FigureComparison> {
        let all = cell.figures.iter().filter(|figure| figure.gated);
        all.cloned().collect()
    };
    let mut drawn = Vec::new();
    let mut rows = Vec::new();
    for cell in &comparison.control {
        for figure in gated(cell) {
            drawn.extend(effect(&format!("{} {}", cell.name, figure.figure), &figure));
            rows.push(row(&cell.name, &figure));
        }
    }
    if rows.is_empty() {
        return section;
    }
    drawn.truncate(MOST_ROWS);
    section.prose("The baseline against itself, in the same rounds: what shows here is the machine's, not the candidate's.");
    draw(&mut section, ids, "The baseline against itself", &drawn);
    section.table(Grid::new("What gates, of the control", &HEADER, rows));
    section
}

/// Where both came from.
fn sides(comparison: &Comparison) -> Section {
    let mut section = Section::new("sides", "What was compared");
    let names = [
        "source",
        "scenario",
        "results",
        "first begun",
        "host class",
        "shakedown",
    ];
    let baseline = comparison.baseline.iter().map(|side| ("baseline", side));
    let both = baseline.chain([("candidate", &comparison.candidate)]);
    let columns = both.map(|(name, side)| {
        let fields = [
            side.source.clone(),
            side.scenario.clone(),
            format_count(side.results as u64),
            side.started_at.clone(),
            side.host_class.clone(),
            facts::build(&side.build),
        ];
        (name, fields)
    });
    section.table(Grid::of_columns("The sides", names, columns));
    section
}

//! Markdown as GitHub and GitLab render it: for a job's summary or a comment.

use std::fmt::Write;

use super::words::{NOTHING, conclusion, detectable, effect, medians, safe, safe_note, side};
use crate::record::{CellComparison, Comparison, FigureComparison, Note};

/// A job's summary on GitHub takes this many bytes.
const MOST: usize = 1 << 20;

/// Renders a comparison: the verdict with its reasons, what gates as a table, everything else folded.
/// What is folded is left out where it would be more than a job's summary takes.
pub fn markdown(comparison: &Comparison) -> String {
    let short = head(comparison);
    let mut whole = short.clone();
    folded(&mut whole, comparison);
    if whole.len() < MOST { whole } else { short }
}

fn head(comparison: &Comparison) -> String {
    let mut out = String::new();
    let verdict = comparison.verdict.label().to_uppercase();
    let _ = writeln!(out, "## shakedown: {verdict}\n");
    let _ = writeln!(out, "{}.\n", escaped(conclusion(comparison)));
    notes(&mut out, &comparison.reasons, "");
    gated(&mut out, comparison);
    checks(&mut out, comparison);
    for (what, names) in [
        ("Missing from the candidate", &comparison.missing),
        ("New in the candidate, so not compared", &comparison.new),
    ] {
        if !names.is_empty() {
            let names: Vec<String> = names.iter().map(|name| escaped(name)).collect();
            let _ = writeln!(out, "{what}: {}\n", names.join(", "));
        }
    }
    notes(&mut out, &comparison.notes, "note ");
    out
}

fn notes(out: &mut String, notes: &[Note], kind: &str) {
    for note in notes.iter().map(safe_note) {
        let (code, message, advice) = (&note.code, &note.message, &note.advice);
        let _ = writeln!(
            out,
            "- {kind}**{}**: {}. Help: {}",
            entities(code),
            entities(message),
            entities(advice)
        );
    }
    if !notes.is_empty() {
        out.push('\n');
    }
}

/// Figures that gate, of all cells in one table.
fn gated(out: &mut String, comparison: &Comparison) {
    let of = |cell: &CellComparison| cell.figures.iter().any(|figure| figure.gated);
    if !comparison.cells.iter().any(of) {
        return;
    }
    out.push_str(
        "| Cell | Figure | Baseline | Candidate | Ratio | Detectable | Allowed | Verdict |\n",
    );
    out.push_str("|---|---|--:|--:|--:|--:|--:|---|\n");
    for cell in &comparison.cells {
        for figure in cell.figures.iter().filter(|figure| figure.gated) {
            let _ = writeln!(out, "| {} |{}", escaped(&cell.name), row(figure));
        }
    }
    out.push('\n');
}

/// Everything about a figure, from its label to its verdict.
fn row(figure: &FigureComparison) -> String {
    let [baseline, candidate] = medians(figure);
    let effects = figure.effect.as_ref();
    let verdict = match figure.verdict {
        Some(verdict) if figure.gated => format!("**{}**", verdict.label()),
        Some(verdict) => verdict.label().to_owned(),
        None => "not judged".to_owned(),
    };
    let columns = [
        escaped(&figure.figure),
        entities(&baseline),
        entities(&candidate),
        entities(&effects.map_or(NOTHING.to_owned(), effect)),
        entities(&effects.map_or(NOTHING.to_owned(), detectable)),
        entities(&figure.allowed_change()),
        verdict,
    ];
    format!(" {} |", columns.join(" | "))
}

fn checks(out: &mut String, comparison: &Comparison) {
    if comparison.cells.iter().all(|cell| cell.checks.is_empty()) {
        return;
    }
    out.push_str("| Cell | Threshold or minimum | Observed | Verdict |\n|---|---|--:|---|\n");
    for cell in &comparison.cells {
        for check in &cell.checks {
            let observed = check.found().map(|found| escaped(&found));
            let _ = writeln!(
                out,
                "| {} | {} | {} | **{}** |",
                escaped(&cell.name),
                escaped(&check.rule),
                observed.unwrap_or(NOTHING.to_owned()),
                check.verdict.label()
            );
        }
    }
    out.push('\n');
}

/// What was compared, and every figure that does not gate.
fn folded(out: &mut String, comparison: &Comparison) {
    out.push_str("<details><summary>What was compared, and every other figure</summary>\n\n");
    if let Some(baseline) = &comparison.baseline {
        let _ = writeln!(out, "- baseline {}", entities(&side(baseline)));
    }
    let _ = writeln!(
        out,
        "- candidate {}",
        entities(&side(&comparison.candidate))
    );
    let _ = writeln!(
        out,
        "- on {}; a unit is a {}, intervals hold {:.1} %\n",
        escaped(&comparison.candidate.host_class),
        comparison.unit.label(),
        comparison.confidence * 100.0
    );
    out.push_str(
        "| Cell | Figure | Baseline | Candidate | Ratio | Detectable | Limit | Verdict |\n",
    );
    out.push_str("|---|---|--:|--:|--:|--:|--:|---|\n");
    for cell in &comparison.cells {
        for figure in cell.figures.iter().filter(|figure| !figure.gated) {
            let _ = writeln!(out, "| {} |{}", escaped(&cell.name), row(figure));
        }
    }
    for cell in &comparison.control {
        for figure in cell.figures.iter().filter(|figure| figure.gated) {
            let name = format!("{} (control)", cell.name);
            let _ = writeln!(out, "| {} |{}", escaped(&name), row(figure));
        }
    }
    out.push_str("\n</details>\n");
}

/// A string of a file: safe to show, and without meaning in Markdown.
fn escaped(text: &str) -> String {
    entities(&safe(text))
}

/// Replaces what has a meaning in Markdown or HTML by character references, which work within tables
/// too. Addresses and mentions stay text.
fn entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\`*_{}[]()<>#|~!&\"'$@".contains(c) {
            let _ = write!(out, "&#{};", u32::from(c));
        } else {
            out.push(c);
        }
    }
    // Links are found without any mark around them.
    out.replace("://", "&#58;//").replace("www.", "www&#46;")
}

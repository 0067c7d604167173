//! The report of a comparison for people at a terminal.

use comfy_table::Row;

use super::words::{
    NOTHING, conclusion, detectable, effect, how_blocks_went, medians, safe, safe_note, side,
    value_if_any,
};
use crate::record::{CellComparison, CheckRecord, Comparison, FigureComparison, Note, Verdict};
use crate::report::Style;
use crate::report::tables::{align, bare};
use crate::report::text::line;
use crate::stats::Spread;
use crate::text::grouped;

/// Renders a comparison: what was compared, a table for each cell, and the verdict with its reasons.
pub fn render(comparison: &Comparison, style: Style) -> String {
    let mut out = String::new();
    header(&mut out, comparison, style);
    for cell in &comparison.cells {
        one_cell(&mut out, cell, comparison, style);
    }
    control(&mut out, comparison, style);
    lists(&mut out, comparison, style);
    verdict(&mut out, comparison, style);
    out
}

fn header(out: &mut String, comparison: &Comparison, style: Style) {
    let candidate = side(&comparison.candidate);
    match &comparison.baseline {
        Some(baseline) => {
            line(
                out,
                &format!("{}   {}", style.bold("baseline"), side(baseline)),
            );
            line(out, &format!("{}  {candidate}", style.bold("candidate")));
        }
        None => line(out, &format!("{}  {candidate}", style.bold("judged"))),
    }
    let host = safe(&comparison.candidate.host_class);
    let confidence = comparison.confidence * 100.0;
    let unit = comparison.unit.label();
    line(
        out,
        &format!("on {host}; a unit is a {unit}, intervals hold {confidence:.1} %"),
    );
    if let Some(blocks) = &comparison.blocks {
        line(out, &how_blocks_went(blocks));
    }
}

fn one_cell(out: &mut String, cell: &CellComparison, comparison: &Comparison, style: Style) {
    line(out, &format!("\n{}", style.bold(&safe(&cell.name))));
    let alone = |figure: &FigureComparison| figure.verdict.is_none() && figure.reason.is_none();
    if !cell.figures.is_empty() && cell.figures.iter().all(alone) {
        line(out, &one_side(&cell.figures));
    } else if !cell.figures.is_empty() {
        line(out, &figures(&cell.figures, style));
    }
    not_judged(out, &cell.figures);
    if !cell.checks.is_empty() {
        line(out, &checks(&cell.checks, style));
    }
    let nothing = cell.figures.is_empty() && cell.checks.is_empty();
    if nothing && comparison.baseline.is_some() {
        line(out, "  nothing to compare");
    } else if nothing {
        line(out, "  the policy asks nothing of it");
    }
}

fn figures(figures: &[FigureComparison], style: Style) -> String {
    let mut table = bare();
    let titles = [
        "",
        "baseline",
        "candidate",
        "ratio",
        "detectable",
        "allowed",
        "verdict",
    ];
    table.set_header(titles);
    for figure in figures {
        let [baseline, candidate] = medians(figure);
        let nothing = || NOTHING.to_owned();
        table.add_row(Row::from(vec![
            safe(&figure.figure),
            baseline,
            candidate,
            figure.effect.as_ref().map_or_else(nothing, effect),
            figure.effect.as_ref().map_or_else(nothing, detectable),
            aside(figure, figure.allowed_change()),
            verdict_of(figure, style),
        ]));
    }
    align(&mut table, titles.len());
    table.to_string()
}

/// What was measured where there is nothing to hold it against.
fn one_side(figures: &[FigureComparison]) -> String {
    let mut table = bare();
    table.set_header(["", "median", "smallest", "largest"]);
    for figure in figures {
        let show = |of: fn(Spread) -> f64| value_if_any(figure.candidate.map(of), &figure.unit);
        table.add_row([
            safe(&figure.figure),
            medians(figure)[1].clone(),
            show(|s| s.min),
            show(|s| s.max),
        ]);
    }
    align(&mut table, 4);
    table.to_string()
}

/// What does not gate stands in brackets.
fn aside(figure: &FigureComparison, text: String) -> String {
    if figure.gated {
        text
    } else {
        format!("({text})")
    }
}

fn verdict_of(figure: &FigureComparison, style: Style) -> String {
    match figure.verdict {
        Some(verdict) if figure.gated => painted(verdict, style),
        Some(verdict) => format!("({})", verdict.label()),
        None => "not judged".to_owned(),
    }
}

fn painted(verdict: Verdict, style: Style) -> String {
    match verdict {
        Verdict::Pass | Verdict::Improve => style.good(verdict.label()),
        Verdict::Inconclusive => style.bold(verdict.label()),
        Verdict::Regress | Verdict::Invalid => style.bad(verdict.label()),
    }
}

/// Each reason once, with the figures it is for.
fn not_judged(out: &mut String, figures: &[FigureComparison]) {
    let why = |figure: &FigureComparison| {
        let reason = figure.reason.as_ref()?;
        let reason = match figure.verdict {
            None => format!("not judged: {}", reason.trim_start_matches("not judged: ")),
            Some(verdict) => format!("{}: {reason}", verdict.label()),
        };
        Some((reason, safe(&figure.figure)))
    };
    for (reason, of) in grouped(figures.iter().filter_map(why)) {
        line(out, &format!("  {} {}", of.join(", "), safe(&reason)));
    }
}

fn checks(checks: &[CheckRecord], style: Style) -> String {
    let mut table = bare();
    table.set_header(["threshold or minimum", "observed", "verdict"]);
    for check in checks {
        let observed = check.found().map(|found| safe(&found));
        table.add_row([
            safe(&check.rule),
            observed.unwrap_or(NOTHING.to_owned()),
            painted(check.verdict, style),
        ]);
    }
    align(&mut table, 3);
    table.to_string()
}

/// The baseline against itself, as far as it gates.
fn control(out: &mut String, comparison: &Comparison, style: Style) {
    for cell in &comparison.control {
        let gated = cell.figures.iter().filter(|figure| figure.gated);
        let gated: Vec<FigureComparison> = gated.cloned().collect();
        if !gated.is_empty() {
            let title = format!(
                "control: the baseline against itself in {}",
                safe(&cell.name)
            );
            line(out, &format!("\n{}", style.bold(&title)));
            line(out, &figures(&gated, style));
        }
    }
}

fn lists(out: &mut String, comparison: &Comparison, style: Style) {
    let names = |names: &[String]| names.iter().map(|n| safe(n)).collect::<Vec<_>>().join(", ");
    let (missing, new) = (&comparison.missing, &comparison.new);
    if !missing.is_empty() {
        let text = style.bad("missing from the candidate");
        line(out, &format!("\n{text}: {}", names(missing)));
    }
    if !new.is_empty() {
        let text = style.bold("new in the candidate, so not compared");
        line(out, &format!("\n{text}: {}", names(new)));
    }
}

fn verdict(out: &mut String, comparison: &Comparison, style: Style) {
    let label = comparison.verdict.label().to_uppercase();
    let text = format!("{label}: {}", conclusion(comparison));
    let text = match comparison.verdict {
        Verdict::Pass | Verdict::Improve => style.good(&text),
        Verdict::Inconclusive => style.bold(&text),
        Verdict::Regress | Verdict::Invalid => style.bad(&text),
    };
    line(out, &format!("\n{text}"));
    let reasons = comparison.reasons.iter().map(|note| (note, true));
    for (note, reason) in reasons.chain(comparison.notes.iter().map(|note| (note, false))) {
        let Note {
            code,
            message,
            advice,
        } = safe_note(note);
        let code = match (reason, comparison.verdict) {
            (true, Verdict::Regress | Verdict::Invalid) => style.bad(&code),
            (true, _) => style.bold(&code),
            (false, _) => style.bold(&format!("note {code}")),
        };
        line(out, &format!("  {code}: {message}"));
        line(out, &format!("    help: {advice}"));
    }
}

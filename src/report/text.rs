//! The report for people at a terminal.

use std::fmt::Write;

use super::style::Style;
use super::{anatomy, expectations, facts, tables};
use crate::analysis::{CellSummary, Decoded};
use crate::record::RunRecord;
use crate::stats::HistogramError;
use crate::units::format_count;

/// Renders a record. Everything in it comes from the record; strings that a server sent were
/// escaped when they were recorded.
///
/// # Errors
///
/// Fails if a stored histogram is damaged.
pub fn render(record: &RunRecord, style: Style) -> Result<String, HistogramError> {
    let decoded = Decoded::of(record)?;
    let shown = facts::shown(&decoded);
    let mut out = String::new();
    header(&mut out, record, style);
    unverified_mark(&mut out, record, style);
    let expected = expectations::section(record, style);
    if !expected.is_empty() {
        line(&mut out, &expected);
    }
    if record.plan.scenario.metered {
        // An anatomy: latencies and costs of metered sessions are not for comparing.
        line(&mut out, &anatomy::sections(record, style)?);
    } else {
        cost(&mut out, &decoded, &shown, style);
    }
    skipped(&mut out, record, style);
    negotiated(&mut out, record, &shown, style);
    failures(&mut out, record, style);
    cut_off(&mut out, record, style)?;
    verdict(&mut out, record, style);
    reading(&mut out, record, style);
    Ok(out)
}

/// The cells side by side, and against each other.
fn cost(out: &mut String, decoded: &Decoded<'_>, shown: &[CellSummary], style: Style) {
    let of_cells: Vec<String> = (tables::cells(shown, &decoded.record().plan).iter())
        .map(ToString::to_string)
        .collect();
    if !of_cells.is_empty() {
        line(out, &of_cells.join("\n\n"));
        if let Some(caveat) = facts::closed_loop(&decoded.record().plan) {
            line(out, &format!("\n{caveat}"));
        }
    }
    for (title, how, table) in tables::against(decoded) {
        line(out, &format!("\n{} ({how})", style.bold(&title)));
        line(out, &table.to_string());
    }
}

/// The cells that could not be run, each with its reason.
fn skipped(out: &mut String, record: &RunRecord, style: Style) {
    if !record.plan.skipped.is_empty() {
        line(out, &format!("\n{}", style.bold("skipped")));
    }
    for skipped in &record.plan.skipped {
        let name = style.bad(&skipped.cell.name);
        line(out, &format!("  {name}: {}", skipped.reason));
    }
}

/// Renders the expected outcomes of a record and nothing of its figures: what an audit is about.
pub fn verdicts(record: &RunRecord, style: Style) -> String {
    let mut out = String::new();
    header(&mut out, record, style);
    unverified_mark(&mut out, record, style);
    line(&mut out, &expectations::section(record, style));
    failures(&mut out, record, style);
    verdict(&mut out, record, style);
    reading(&mut out, record, style);
    out
}

fn reading(out: &mut String, record: &RunRecord, style: Style) {
    if !record.plan.scenario.reading.is_empty() {
        line(out, &format!("\n{}", style.bold("how to read this")));
        wrap(out, record.plan.scenario.reading.trim(), 2, 96);
    }
}

pub(super) fn line(out: &mut String, text: &str) {
    for row in text.split('\n') {
        out.push_str(row.trim_end());
        out.push('\n');
    }
}

fn header(out: &mut String, record: &RunRecord, style: Style) {
    let scenario = &record.plan.scenario;
    let question = if scenario.question.is_empty() {
        String::new()
    } else {
        format!(": {}", scenario.question)
    };
    line(out, &format!("{}{question}", style.bold(&scenario.name)));
    line(out, &facts::load(record));
    line(out, &facts::place(record));
    if let Some(suites) = facts::common_suites(record) {
        line(out, &suites);
    }
    line(out, "");
}

/// The loud mark of a server that was not verified as a client does it.
fn unverified_mark(out: &mut String, record: &RunRecord, style: Style) {
    if let Some(mark) = facts::unverified(&record.plan) {
        line(out, &format!("{}\n", style.bad(mark)));
    }
}

fn negotiated(out: &mut String, record: &RunRecord, shown: &[CellSummary], style: Style) {
    let lines = facts::negotiated(record, shown);
    if !lines.is_empty() {
        line(out, &format!("\n{}", style.bold("negotiated, as observed")));
    }
    for text in lines {
        line(out, &format!("  {text}"));
    }
}

fn failures(out: &mut String, record: &RunRecord, style: Style) {
    for failures in facts::failures(record) {
        let title = format!("failures of {} (warm-up included)", failures.cell);
        line(out, &format!("\n{}", style.bold(&title)));
        for (class, failure) in &failures.by_class {
            line(
                out,
                &format!(
                    "  {} × {}: {}",
                    format_count(failure.count),
                    style.bad(class),
                    failure.example
                ),
            );
            line(out, &format!("    help: {}", failure.advice));
        }
    }
}

/// What the end of the trials cut off: a line per cell.
fn cut_off(out: &mut String, record: &RunRecord, style: Style) -> Result<(), HistogramError> {
    for text in facts::cut_off(record)? {
        line(out, &format!("\n{}", style.bold(&text)));
    }
    Ok(())
}

fn verdict(out: &mut String, record: &RunRecord, style: Style) {
    let validity = &record.validity;
    line(out, "");
    if !validity.complete {
        line(out, &style.bad(facts::INCOMPLETE));
    }
    let sentence = facts::validity(record);
    line(
        out,
        &if validity.valid {
            style.good(sentence)
        } else {
            style.bad(sentence)
        },
    );
    for (note, bad) in facts::notes(record) {
        let code = if bad {
            style.bad(&note.code)
        } else {
            style.bold(&format!("note {}", note.code))
        };
        line(out, &format!("  {code}: {}", note.message));
        line(out, &format!("    help: {}", note.advice));
    }
}

/// Breaks a paragraph into lines of at most `width` characters.
fn wrap(out: &mut String, text: &str, indent: usize, width: usize) {
    let mut current = String::new();
    for word in text.split_whitespace() {
        if !current.is_empty()
            && current.chars().count() + 1 + word.chars().count() > width - indent
        {
            let _ = writeln!(out, "{:indent$}{current}", "");
            current.clear();
        }
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
    }
    if !current.is_empty() {
        let _ = writeln!(out, "{:indent$}{current}", "");
    }
}

//! The report as Markdown, for pull requests and wikis: the same parts as for people at a terminal.

use std::fmt::Write;

use comfy_table::{Table, presets};

use super::{ReportError, anatomy, expectations, facts, tables};
use crate::analysis::{CellSummary, Decoded};
use crate::record::RunRecord;
use crate::report::Style;
use crate::text::{defuse, shell_quote};
use crate::units::format_count;

/// Characters that mean something in Markdown, or begin something that does.
const SPECIAL: &str = "\\`*_{}[]#|~!$@";

/// One result.
///
/// # Errors
///
/// Fails if a stored histogram is damaged.
pub(super) fn render(record: &RunRecord) -> Result<String, ReportError> {
    let scenario = &record.plan.scenario;
    let mut out = format!("# {}\n\n", escape(&scenario.name));
    if !scenario.question.is_empty() {
        let _ = writeln!(out, "{}\n", escape(&scenario.question));
    }
    verdict(&mut out, record);
    let _ = writeln!(
        out,
        "{}, {}.\n",
        escape(&facts::load(record)),
        escape(&facts::place(record))
    );
    if let Some(suites) = facts::common_suites(record) {
        let _ = writeln!(out, "{}.\n", escape(&suites));
    }
    let style = Style::default();
    let expected = expectations::section(record, style);
    if !expected.is_empty() {
        verbatim(&mut out, "Expected outcomes", &expected);
    }
    let decoded = Decoded::of(record)?;
    let shown = facts::shown(&decoded);
    if scenario.metered {
        verbatim(&mut out, "Anatomy", &anatomy::sections(record, style)?);
    } else {
        cost(&mut out, &decoded, &shown);
    }
    lists(&mut out, record, &shown)?;
    if !scenario.reading.is_empty() {
        let _ = writeln!(
            out,
            "## How to read this\n\n{}\n",
            escape(scenario.reading.trim())
        );
    }
    let words = record.command.iter().map(|word| shell_quote(word));
    let command: Vec<String> = words.collect();
    let _ = writeln!(
        out,
        "## Made by\n\nshakedown {}, revision {}, from {} to {}:\n",
        escape(&record.build.version),
        escape(&record.build.git_revision),
        escape(&record.started_at),
        escape(&record.ended_at)
    );
    code(&mut out, &defuse(&command.join(" ")));
    Ok(out.trim_end().to_owned() + "\n")
}

fn verdict(out: &mut String, record: &RunRecord) {
    let _ = writeln!(out, "**{}**\n", escape(facts::validity(record)));
    for mark in [
        facts::unverified(&record.plan),
        (!record.validity.complete).then_some(facts::INCOMPLETE),
    ]
    .into_iter()
    .flatten()
    {
        let _ = writeln!(out, "**{}**\n", escape(mark));
    }
    for (note, bad) in facts::notes(record) {
        let kind = if bad { "" } else { "note " };
        let _ = writeln!(
            out,
            "- {kind}**{}**: {}. {}",
            escape(&note.code),
            escape(&note.message),
            escape(&note.advice)
        );
    }
    if facts::notes(record).next().is_some() {
        out.push('\n');
    }
}

fn cost(out: &mut String, decoded: &Decoded<'_>, shown: &[CellSummary]) {
    if !shown.is_empty() {
        out.push_str("## Cells\n\n");
    }
    for table in tables::cells(shown, &decoded.record().plan) {
        rows(out, &table);
    }
    if let Some(caveat) = facts::closed_loop(&decoded.record().plan).filter(|_| !shown.is_empty()) {
        let _ = writeln!(out, "{}\n", escape(caveat));
    }
    for (title, how, table) in tables::against(decoded) {
        let _ = writeln!(out, "## {}\n\n{}\n", escape(&title), escape(&how));
        rows(out, &table);
    }
}

fn lists(out: &mut String, record: &RunRecord, shown: &[CellSummary]) -> Result<(), ReportError> {
    let skipped = record.plan.skipped.iter();
    let skipped: Vec<String> = skipped
        .map(|skipped| format!("{}: {}", skipped.cell.name, skipped.reason))
        .collect();
    let mut failed = Vec::new();
    for failures in facts::failures(record) {
        for (class, failure) in &failures.by_class {
            failed.push(format!(
                "{}: {} × {class}: {}. {}",
                failures.cell,
                format_count(failure.count),
                failure.example,
                failure.advice
            ));
        }
    }
    for (title, lines) in [
        ("Skipped", skipped),
        ("Negotiated, as observed", facts::negotiated(record, shown)),
        ("Failures, warm-up included", failed),
        ("Cut off", facts::cut_off(record)?),
    ] {
        if !lines.is_empty() {
            let _ = writeln!(out, "## {title}\n");
            for line in lines {
                let _ = writeln!(out, "- {}", escape(&line));
            }
            out.push('\n');
        }
    }
    Ok(())
}

/// A table in the syntax that most renderers know, with numbers to the right.
fn rows(out: &mut String, table: &Table) {
    let mut copy = Table::new();
    copy.load_preset(presets::ASCII_MARKDOWN);
    let cells = |row: &comfy_table::Row| -> Vec<String> {
        let texts = row.cell_iter().map(comfy_table::Cell::content);
        texts.map(|text| escape(text.trim_end())).collect()
    };
    let columns = table
        .header()
        .map_or(0, |header| header.cell_iter().count());
    copy.set_header(table.header().map(cells).unwrap_or_default());
    for row in table.row_iter() {
        copy.add_row(cells(row));
    }
    let text = copy.to_string();
    let mut lines = text.lines();
    let _ = writeln!(out, "{}", lines.next().unwrap_or_default());
    let _ = writeln!(out, "|---|{}", "---:|".repeat(columns.saturating_sub(1)));
    for line in lines.skip(1) {
        let _ = writeln!(out, "{line}");
    }
    out.push('\n');
}

fn verbatim(out: &mut String, title: &str, text: &str) {
    let _ = writeln!(out, "## {title}\n");
    code(out, text);
}

/// A block of text as it is, in a fence longer than any in it.
fn code(out: &mut String, text: &str) {
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    let _ = writeln!(out, "{fence}text\n{}\n{fence}\n", text.trim_end());
}

/// Text that means nothing in Markdown, nor in the HTML that it may be turned into.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let indent = text.len() - text.trim_start().len();
    // An indented label of a table.
    out.push_str(&"&nbsp;".repeat(indent.min(8)));
    let words = text.trim_start().replace(['\n', '\r', '\t'], " ");
    // Some renderers make a link of every address.
    let words = defuse(&words).replace("://", ":\u{0}//");
    for c in words.chars() {
        match c {
            '\0' => out.push('\\'),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c if SPECIAL.contains(c) => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_wrote_means_nothing() {
        assert_eq!(
            escape("<script>`x`|[a](b)\n# *c*"),
            "&lt;script&gt;\\`x\\`\\|\\[a\\](b) \\# \\*c\\*"
        );
        assert_eq!(escape("  p90"), "&nbsp;&nbsp;p90");
        let mut out = String::new();
        code(&mut out, "a ``` b");
        assert!(out.starts_with("````text\n"), "{out}");
    }
}

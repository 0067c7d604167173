//! The sections of a result that hold what it found: the answer in short, the cells, failures.

use super::differences::MOST_APART;
use super::document::{Finding, Section};
use super::style::Tone;
use super::{facts, tables};
use crate::analysis::{CellSummary, Figure, Percentile, Question, Tax};
use crate::record::RunRecord;
use crate::stats::{HistogramError, LEAST_UNITS, Metric};
use crate::units::{counted, format_count, format_ns};

/// With more cells than this each is a row of a table, not a column.
const COLUMNS: usize = 10;
/// So many of what there are too many of are put into words.
const EXAMPLES: usize = 3;

/// What the run found, in a few sentences.
pub(super) fn answer(taxes: &[Tax]) -> Section {
    let mut section = Section::new("answer", "The answer in short");
    let mut sentences: Vec<String> = taxes.iter().filter_map(sentence).collect();
    if sentences.len() > MOST_APART {
        let more = format_count((sentences.len() - EXAMPLES) as u64);
        sentences.truncate(EXAMPLES);
        sentences.push(format!("And {more} more, which the tables have."));
    }
    section.list(sentences);
    section
}

/// What a tax says of CPU and latency, with 95 % intervals; where one holds 1 it says so. Without intervals it
/// claims nothing.
fn sentence(tax: &Tax) -> Option<String> {
    let what = match tax.question {
        Question::MutualTax => "Mutual authentication",
        Question::Resumption => "Resumption",
    };
    let place = format!("{what} ({} against {})", tax.cell, tax.base);
    if tax.rows.iter().all(|row| row.difference.interval.is_none()) {
        let rounds = tax.rows.iter().map(|row| row.difference.rounds).max();
        return rounds.map(|rounds| {
            let rounds = counted(rounds as u64, "round");
            format!(
                "{place}: {rounds} cannot tell a difference from noise, {LEAST_UNITS} are needed."
            )
        });
    }
    let part = |figure: Figure, what: &str| {
        let row = tax.rows.iter().find(|row| row.figure == figure)?;
        let ratio = row.ratio.filter(|ratio| ratio.interval.is_some())?;
        let told = facts::effect(&ratio, |value| format!("{value:.2}"));
        // Where all rounds are equal there is nothing between them.
        let unclear = if ratio.excludes(1.0) || ratio.interval == Some((1.0, 1.0)) {
            ""
        } else {
            ", which may be none"
        };
        Some(format!("{what} by {told}{unclear}"))
    };
    let confirmed = Figure::Quantile(Metric::Confirm, Percentile::P50);
    let parts = [
        part(Figure::ClientCpu, "the client’s CPU time per session"),
        part(Figure::TargetCpu, "the target’s"),
        part(confirmed, "the median time until confirmed"),
        part(Figure::BytesOut, "the bytes sent"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("{place} multiplies {}.", parts.join(", ")))
}

/// The cells: side by side, or one below the other where there are many.
pub(super) fn cells(record: &RunRecord, shown: &[CellSummary]) -> Section {
    let mut section = Section::new("cells", "Cells");
    if shown.is_empty() {
        return section;
    }
    let grid = tables::cells(shown, Some(&record.plan));
    section.table(if shown.len() > COLUMNS {
        grid.transposed()
    } else {
        grid
    });
    section.prose(facts::closed_loop(&record.plan).unwrap_or_default());
    section
}

/// What each cell negotiated, or all together where there are many.
pub(super) fn negotiated(record: &RunRecord, shown: &[CellSummary]) -> Section {
    let mut section = Section::new("negotiated", "Negotiated, as observed");
    section.list(if shown.len() > COLUMNS {
        facts::negotiated_by_all(record, shown)
    } else {
        facts::negotiated(record, shown)
    });
    section
}

/// Failures by class with what to do about them, and what was cut off or never run.
pub(super) fn failures(record: &RunRecord) -> Result<Section, HistogramError> {
    let mut section = Section::new("failures", "Failures");
    for failures in facts::failures(record) {
        let title = format!("failures of {}, warm-up included", failures.cell);
        let findings = failures.by_class.iter().map(|(class, failure)| {
            let label = format!("{} × {class}", format_count(failure.count));
            let [first, last] = [failure.first_ns, failure.last_ns].map(format_ns);
            let text = format!("{} ({first} … {last} into its trials)", failure.example);
            Finding::new(Tone::Bad, &label, &text, &failure.advice)
        });
        section.heading(&title).findings(findings.collect());
    }
    section.list(facts::cut_off(record)?);
    let skipped = record.plan.skipped.iter();
    section
        .list(skipped.map(|skipped| format!("skipped {}: {}", skipped.cell.name, skipped.reason)));
    Ok(section)
}

/// How to read the figures, in the words of the scenario.
pub(super) fn reading(record: &RunRecord) -> Section {
    let mut section = Section::new("reading", "How to read this");
    section.prose(&record.plan.scenario.reading);
    section
}

//! The sections of a page that hold figures: the answer in short, the cells, failures, resumption.

use super::differences::MOST_APART;
use super::document::{Grid, Section};
use super::{facts, tables};
use crate::analysis::{CellSummary, Question, Tax};
use crate::record::RunRecord;
use crate::stats::{HistogramError, LEAST_UNITS, Metric, OkKind};
use crate::units::{format_count, format_ns, three_digits};

/// With more cells than this each is a row of a table, not a column.
const COLUMNS: usize = 10;
const NOTHING: &str = "–";
/// So many of what there are too many of are put into words.
const EXAMPLES: usize = 3;

/// What the run found, in a few sentences, and how to read the rest.
pub(super) fn answer(record: &RunRecord, taxes: &[Tax]) -> Section {
    let title = if taxes.is_empty() {
        "How to read this"
    } else {
        "The answer in short"
    };
    let mut section = Section::new("answer", title);
    let mut sentences: Vec<String> = taxes.iter().filter_map(sentence).collect();
    if sentences.len() > MOST_APART {
        let more = format_count((sentences.len() - EXAMPLES) as u64);
        sentences.truncate(EXAMPLES);
        sentences.push(format!("And {more} more, which the tables have."));
    }
    section.list(&sentences);
    section.prose(record.plan.scenario.reading.trim());
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
            let rounds = match rounds {
                1 => "1 round is too few".to_owned(),
                rounds => format!("{rounds} rounds are too few"),
            };
            format!("{place}: {rounds} to tell a difference from noise, {LEAST_UNITS} are needed.")
        });
    }
    let part = |metric: &str, what: &str| {
        let row = tax.rows.iter().find(|row| row.metric == metric)?;
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
    let parts: Vec<String> = [
        part(
            "client CPU per session",
            "the client’s CPU time per session",
        ),
        part("target CPU per session", "the target’s"),
        part("confirm p50", "the median time until confirmed"),
        part("bytes out per handshake", "the bytes sent"),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!parts.is_empty()).then(|| format!("{place} multiplies {}.", parts.join(", ")))
}

/// The cells: side by side, or one below the other where there are many.
pub(super) fn cells(record: &RunRecord, shown: &[CellSummary]) -> Section {
    let mut section = Section::new("cells", "Cells");
    if shown.len() > COLUMNS {
        section.table(many(shown));
    } else {
        for table in tables::cells(shown, &record.plan) {
            section.table(Grid::of(
                "Figures of the measure phase, over all trials",
                &table,
            ));
        }
    }
    if let Some(caveat) = facts::closed_loop(&record.plan).filter(|_| !shown.is_empty()) {
        section.prose(caveat);
    }
    if shown.len() > COLUMNS {
        section.list(&facts::negotiated_by_all(record, shown));
    } else {
        section.list(&facts::negotiated(record, shown));
    }
    section
}

/// A row for each cell.
pub(super) fn many(shown: &[CellSummary]) -> Grid {
    let header = [
        "cell",
        "confirmed",
        "failed",
        "unanswered",
        "confirmed /s",
        "handshake p50",
        "confirm p50",
        "confirm p99",
        "latency p99",
        "longest without answer",
        "client CPU µs",
        "target CPU µs",
    ];
    let row = |s: &CellSummary| {
        let quantile = |metric: Metric, median: bool| {
            let all = s.metrics.get(&metric);
            let value = all.and_then(|q| if median { q.p50 } else { q.p99 });
            value.map_or(NOTHING.to_owned(), |timing| timing.to_string())
        };
        let median = |spread: Option<crate::stats::Spread>| {
            spread.map_or(NOTHING.to_owned(), |s| three_digits(s.median))
        };
        vec![
            s.name.clone(),
            format_count(s.measured.ok_total()),
            format_count(s.measured.failed_total()),
            format_count(s.measured.unanswered_total()),
            median(s.confirmed_rate),
            quantile(Metric::Handshake, true),
            quantile(Metric::Confirm, true),
            quantile(Metric::Confirm, false),
            quantile(Metric::Latency, false),
            s.longest_pause
                .map_or(NOTHING.to_owned(), |pause| format_ns(pause.length_ns)),
            median(s.client_cpu_us),
            median(s.target_cpu_us),
        ]
    };
    let caption = "Figures of the measure phase, over all trials";
    Grid::new(caption, &header, shown.iter().map(row))
}

/// Failures by class with what to do about them, and what was cut off or never run.
pub(super) fn failures(record: &RunRecord) -> Result<Section, HistogramError> {
    let mut section = Section::new("failures", "Failures");
    let header = [
        "cell",
        "class",
        "sessions",
        "first … last",
        "alert",
        "example",
        "what to do",
    ];
    let mut rows = Vec::new();
    for failures in facts::failures(record) {
        for (class, failure) in failures.by_class {
            rows.push(vec![
                failures.cell.clone(),
                class,
                format_count(failure.count),
                format!(
                    "{} … {}",
                    format_ns(failure.first_ns),
                    format_ns(failure.last_ns)
                ),
                failure
                    .alert
                    .map_or(NOTHING.to_owned(), |code| code.to_string()),
                failure.example,
                failure.advice,
            ]);
        }
    }
    if rows.is_empty() {
        section.prose("No session failed that was not expected to.");
    }
    let caption = "By class, warm-up included; times are since the trial began";
    section.table(Grid::new(caption, &header, rows));
    section.list(&facts::cut_off(record)?);
    let skipped: Vec<String> = (record.plan.skipped.iter())
        .map(|skipped| format!("{} was skipped: {}", skipped.cell.name, skipped.reason))
        .collect();
    section.list(&skipped);
    Ok(section)
}

/// Resumption as planned and as observed.
pub(super) fn resumption(shown: &[CellSummary]) -> Section {
    let mut section = Section::new("resumption", "Resumption");
    let header = [
        "cell",
        "planned",
        "observed",
        "offered",
        "accepted",
        "refused",
        "starved",
        "expired",
        "bytes added to ClientHello",
    ];
    let row = |s: &CellSummary| {
        let counts = s.resumption?;
        let percent = |part: u64| match s.measured.ok_total() {
            0 => NOTHING.to_owned(),
            ok => format!("{:.1} %", part as f64 * 100.0 / ok as f64),
        };
        let bytes = counts.bytes_per_offer();
        let counted = [
            counts.offered,
            counts.accepted,
            counts.refused,
            counts.starved,
            counts.expired,
        ];
        let mut fields = vec![
            s.name.clone(),
            percent(counts.ok_planned),
            percent(s.measured.ok_of(OkKind::Resumed)),
        ];
        fields.extend(counted.map(format_count));
        fields.push(bytes.map_or(NOTHING.to_owned(), |b| format!("{b:.0}")));
        Some(fields)
    };
    let rows: Vec<_> = shown.iter().filter_map(row).collect();
    let caption = "Whether each session was resumed as planned";
    section.table(Grid::new(caption, &header, rows));
    section
}

//! The sections of a page that hold figures: the answer in short, the cells, what differs, failures.

use super::effects::{self, Effect, Span};
use super::page::{Grid, Ids, Section};
use crate::record::{
    CellSummary, ContrastSet, Decoded, Question, RunRecord, Tax, TaxRow, contrasts,
};
use crate::report::{facts, tables};
use crate::stats::{HistogramError, Metric, OkKind};
use crate::units::{format_count, format_ns, three_digits};

/// With more cells than this each is a row of a table, not a column.
const COLUMNS: usize = 10;
const NOTHING: &str = "–";

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
        let more = format_count((sentences.len() - MOST_APART) as u64);
        sentences.truncate(MOST_APART);
        sentences.push(format!("And {more} more, which the tables have."));
    }
    section.list(&sentences);
    section.prose(record.plan.scenario.reading.trim());
    section
}

/// What a tax says of CPU and latency. Where some rounds were above and some below, it says so.
fn sentence(tax: &Tax) -> Option<String> {
    let part = |metric: &str, what: &str| {
        let row = tax.rows.iter().find(|row| row.metric == metric)?;
        let ratio = row.ratio?;
        let unclear = if ratio.min < 1.0 && ratio.max > 1.0 {
            ", so it may be none"
        } else {
            ""
        };
        let range = format!("[{:.2} … {:.2}{unclear}]", ratio.min, ratio.max);
        Some(format!("{what} by {:.2} {range}", ratio.median))
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
    let what = match tax.question {
        Question::MutualTax => "Mutual authentication",
        Question::Resumption => "Resumption",
    };
    (!parts.is_empty()).then(|| {
        format!(
            "{what} ({} against {}) multiplies {}.",
            tax.cell,
            tax.base,
            parts.join(", ")
        )
    })
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
        "confirmed /s",
        "handshake p50",
        "confirm p50",
        "confirm p99",
        "latency p99",
        "client CPU µs",
        "target CPU µs",
    ];
    let row = |s: &CellSummary| {
        let quantile = |metric: Metric, median: bool| {
            let all = s.metrics.get(&metric);
            let value = all.and_then(|q| if median { q.p50 } else { q.p99 });
            value.map_or(NOTHING.to_owned(), format_ns)
        };
        let median = |spread: Option<crate::stats::Spread>| {
            spread.map_or(NOTHING.to_owned(), |s| three_digits(s.median))
        };
        vec![
            s.name.clone(),
            format_count(s.measured.ok_total()),
            format_count(s.measured.failed_total()),
            median(s.confirmed_rate),
            quantile(Metric::Handshake, true),
            quantile(Metric::Confirm, true),
            quantile(Metric::Confirm, false),
            quantile(Metric::Latency, false),
            median(s.client_cpu_us),
            median(s.target_cpu_us),
        ]
    };
    let caption = "Figures of the measure phase, over all trials";
    Grid::new(caption, &header, shown.iter().map(row))
}

/// The tax of mutual authentication, what resumption saves, and what is varied: each with its intervals.
pub(super) fn differences(decoded: &Decoded<'_>, taxes: &[Tax], ids: &mut Ids) -> Section {
    let mut section = Section::new("differences", "What makes a difference");
    if taxes.len() > MOST_APART {
        for (question, title) in [
            (Question::MutualTax, "mTLS tax"),
            (Question::Resumption, "what resumption saves"),
        ] {
            let of = taxes.iter().filter(|tax| tax.question == question);
            let sets: Vec<ContrastSet> = of.clone().map(set).collect();
            if let Some(first) = of.clone().next() {
                let (_, how) = facts::tax_title(first);
                together(&mut section, ids, title, &format!("ratios {how}"), &sets);
            }
        }
    } else {
        for tax in taxes {
            apart(&mut section, ids, tax);
        }
    }
    for contrast in contrasts(decoded) {
        let (title, how) = facts::contrast_title(&contrast);
        together(&mut section, ids, &title, &how, &contrast.sets);
    }
    section
}

/// More taxes than this share their drawings and their table.
const MOST_APART: usize = 12;
/// More effects in a drawing than this are left to the table.
const MOST_EFFECTS: usize = 40;
/// More cells in a table of ratios than this are left to CSV.
const MOST_RATIOS: usize = 200;

/// One cell against another: the ratios in a drawing, everything in a table.
fn apart(section: &mut Section, ids: &mut Ids, tax: &Tax) {
    let (title, how) = facts::tax_title(tax);
    // Bytes have no spread, and would stretch the axis.
    let timed = tax.rows.iter().filter(|row| row.unit != "B");
    let all: Vec<Effect> = timed.filter_map(|row| effect(&row.metric, row)).collect();
    let over = format!("{} over {}", tax.cell, tax.base);
    let drawing = effects::plot(&ids.next(), &title, &over, Span::Wide, &all);
    let caption = format!("Ratios, {how}. The dark line at 1× is no difference.");
    section
        .heading(&title)
        .drawing(drawing, &caption)
        .table(Grid::of(&how, &tables::tax(tax)));
}

fn set(tax: &Tax) -> ContrastSet {
    ContrastSet {
        base: tax.base.clone(),
        cells: vec![(tax.cell.clone(), tax.rows.clone())],
    }
}

/// Cells against others: a drawing for each metric with the cells one below the other, the ratios in a table.
fn together(section: &mut Section, ids: &mut Ids, title: &str, how: &str, sets: &[ContrastSet]) {
    section.heading(title);
    let count: usize = sets.iter().map(|set| set.cells.len()).sum();
    for (metric, all) in by_metric(sets) {
        let drawn = &all[..all.len().min(MOST_EFFECTS)];
        let rest = if all.len() > MOST_EFFECTS {
            format!(
                " The first {MOST_EFFECTS} of {} cells.",
                format_count(all.len() as u64)
            )
        } else {
            String::new()
        };
        let name = format!("{title}: {metric}");
        let drawing = effects::plot(&ids.next(), &name, metric, Span::Wide, drawn);
        section.drawing(drawing, &format!("{}, {how}.{rest}", capital(metric)));
    }
    section.table(Grid::of(how, &tables::contrast(&first(sets, MOST_RATIOS))));
    if count > MOST_RATIOS {
        section.prose(format!(
            "The first {MOST_RATIOS} of {} cells; CSV has all of them.",
            format_count(count as u64)
        ));
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

/// Effects by what they are of, cell by cell. Bytes have no spread, and would stretch the axis.
fn by_metric(sets: &[ContrastSet]) -> Vec<(&str, Vec<Effect>)> {
    let mut all: Vec<(&str, Vec<Effect>)> = Vec::new();
    for (name, rows) in sets.iter().flat_map(|set| &set.cells) {
        for row in rows.iter().filter(|row| row.unit != "B") {
            let found = effect(name, row);
            match all.iter_mut().find(|(metric, _)| *metric == row.metric) {
                Some((_, effects)) => effects.extend(found),
                None => all.push((&row.metric, found.into_iter().collect())),
            }
        }
    }
    all
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

fn effect(name: &str, row: &TaxRow) -> Option<Effect> {
    let ratio = row.ratio?;
    Some(Effect {
        name: name.to_owned(),
        ratio: ratio.median,
        low: ratio.min,
        high: ratio.max,
        ..Effect::default()
    })
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

//! The tables of the text report.

use comfy_table::{CellAlignment, ContentArrangement, Row, Table, presets};

use super::facts;
use crate::analysis::{
    CellSummary, ContrastSet, Decoded, Quantiles, Tax, TaxRow, contrasts, taxes,
};
use crate::record::PlanRecord;
use crate::stats::{Metric, OkKind, ResumptionCounts, Spread, Timing};
use crate::units::{format_count, three_digits};

/// What stands where a figure was not measured, or has too few samples.
const NOTHING: &str = "–";
/// Cells side by side before a new table begins.
const COLUMNS: usize = 5;

/// The cells side by side, a row per figure.
pub(super) fn cells(summaries: &[CellSummary], plan: &PlanRecord) -> Vec<Table> {
    let chunks = summaries.chunks(COLUMNS);
    chunks.map(|chunk| one_table(chunk, plan)).collect()
}

/// Cells against each other: every tax, then every contrast, each with its title and how its figures come
/// about.
pub(super) fn against(decoded: &Decoded<'_>) -> Vec<(String, String, Table)> {
    let row = |(title, how): (String, String), table| (title, how, table);
    let taxes = taxes(decoded).into_iter();
    let taxes = taxes.map(|of| row(facts::tax_title(&of), tax(&of)));
    let contrasts = contrasts(decoded).into_iter();
    let contrasts = contrasts.map(|of| row(facts::contrast_title(&of), contrast(&of.sets)));
    taxes.chain(contrasts).collect()
}

fn one_table(summaries: &[CellSummary], plan: &PlanRecord) -> Table {
    let mut table = bare();
    let names = summaries.iter().map(|s| s.name.clone());
    table.set_header(std::iter::once(String::new()).chain(names));
    let mut row = |label: &str, value: &dyn Fn(&CellSummary) -> String| {
        let values = summaries.iter().map(value);
        table.add_row(Row::from(
            std::iter::once(label.to_owned())
                .chain(values)
                .collect::<Vec<_>>(),
        ));
    };
    row("sessions attempted", &|s| format_count(s.measured.started));
    row("  confirmed", &|s| format_count(s.measured.ok_total()));
    row("  failed", &|s| format_count(s.measured.failed_total()));
    if (summaries.iter()).any(|s| s.measured.unanswered_total() > 0) {
        row("    unanswered", &|s| {
            format_count(s.measured.unanswered_total())
        });
    }
    if summaries.iter().any(|s| s.measured.cancelled_total() > 0) {
        row("  cancelled", &|s| {
            format_count(s.measured.cancelled_total())
        });
    }
    if summaries.iter().any(|s| s.measured.not_started_total() > 0) {
        row("  not started", &|s| {
            format_count(s.measured.not_started_total())
        });
    }
    match (plan.asked_rate, plan.asked_sessions) {
        (Some(rate), _) => row("asked /s", &|_| three_digits(rate)),
        (None, Some(sessions)) => row("asked concurrent (mean)", &|_| three_digits(sessions)),
        (None, None) => {}
    }
    row("confirmed /s", &|s| plain(s.confirmed_rate));
    if summaries.iter().any(|s| s.longest_pause.is_some()) {
        row("longest without answer", &|s| {
            time(s.longest_pause.map(|pause| Timing::At(pause.length_ns)))
        });
    }
    // One exchange a session is what `confirm` already shows.
    let several = |s: &CellSummary| {
        let timed = quantiles(s, Metric::Confirm).samples();
        quantiles(s, Metric::Exchange).samples() > timed.max(s.measured.ok_total())
    };
    resumption_rows(&mut row, summaries);
    for metric in [
        Metric::Connect,
        Metric::Handshake,
        Metric::Confirm,
        Metric::Exchange,
        Metric::Latency,
    ] {
        if metric != Metric::Exchange || summaries.iter().any(several) {
            quantile_rows(&mut row, metric, summaries);
        }
    }
    if summaries
        .iter()
        .any(|s| s.metrics.get(&Metric::Lag).is_some_and(|q| q.p99.is_some()))
    {
        row("schedule lag p50 / p99", &|s| {
            let lag = quantiles(s, Metric::Lag);
            format!("{} / {}", time(lag.p50), time(lag.p99))
        });
    }
    let mut cpu = summaries.iter().filter_map(|s| s.client_cpu_us);
    let range = if cpu.any(|cpu| cpu.trials > 1) {
        " (min … max)"
    } else {
        ""
    };
    row(&format!("client CPU µs/session{range}"), &|s| {
        spread(s.client_cpu_us)
    });
    row(&format!("target CPU µs/session{range}"), &|s| {
        spread(s.target_cpu_us)
    });
    row(
        "handshake bytes out / in",
        &|s| match (s.bytes_out, s.bytes_in) {
            (Some(out), Some(received)) => format!("{out:.0} / {received:.0}"),
            _ => NOTHING.to_owned(),
        },
    );
    if summaries.iter().any(|s| s.held_max > 0) {
        row("held open at once", &|s| format_count(s.held_max));
        row("memory KiB/held session", &|s| {
            s.memory_per_session
                .map_or(NOTHING.to_owned(), |b| three_digits(b / 1024.0))
        });
    }
    align(&mut table, summaries.len() + 1);
    table
}

/// Adds a row: its label, and what it says of a cell.
type AddRow<'a> = dyn FnMut(&str, &dyn Fn(&CellSummary) -> String) + 'a;

/// Rows about resumption, where any cell resumes sessions.
fn resumption_rows(row: &mut AddRow<'_>, summaries: &[CellSummary]) {
    let counts = |s: &CellSummary| s.resumption;
    if summaries.iter().all(|s| counts(s).is_none()) {
        return;
    }
    let mut show = |label: &str, value: &dyn Fn(&CellSummary, ResumptionCounts) -> String| {
        row(label, &|s| {
            counts(s).map_or(NOTHING.to_owned(), |counts| value(s, counts))
        });
    };
    show("resumed % planned / observed", &|s, c| {
        let percent = |part: u64| match s.measured.ok_total() {
            0 => NOTHING.to_owned(),
            ok => three_digits(part as f64 * 100.0 / ok as f64),
        };
        let resumed = s.measured.ok_of(OkKind::Resumed);
        format!("{} / {}", percent(c.ok_planned), percent(resumed))
    });
    show("  offered / accepted", &|_, c| {
        format!("{} / {}", format_count(c.offered), format_count(c.accepted))
    });
    let lost = |c: ResumptionCounts| c.refused + c.starved + c.expired;
    if summaries.iter().filter_map(counts).any(|c| lost(c) > 0) {
        show("  refused / starved / expired", &|_, c| {
            let [refused, starved, expired] = [c.refused, c.starved, c.expired].map(format_count);
            format!("{refused} / {starved} / {expired}")
        });
    }
    early_rows(&mut show, summaries);
    show("  bytes added to ClientHello", &|_, c| {
        c.bytes_per_offer()
            .map_or(NOTHING.to_owned(), |b| format!("{b:.0}"))
    });
}

/// Shows a row of a cell that resumes sessions.
type ShowCounts<'a> = dyn FnMut(&str, &dyn Fn(&CellSummary, ResumptionCounts) -> String) + 'a;

/// Rows about early data, where any session was to send it.
fn early_rows(show: &mut ShowCounts<'_>, summaries: &[CellSummary]) {
    let counts = || {
        summaries
            .iter()
            .filter_map(|s| s.resumption)
            .map(|c| c.early)
    };
    if counts().all(|early| early.is_empty()) {
        return;
    }
    show("  early data sent / accepted", &|_, c| {
        let [sent, accepted] = [c.early.sent, c.early.accepted].map(format_count);
        format!("{sent} / {accepted}")
    });
    if counts().any(|early| early.rejected + early.withheld > 0) {
        show("    rejected / replayed / withheld", &|_, c| {
            let early = c.early;
            let all = [early.rejected, early.replayed, early.withheld].map(format_count);
            all.join(" / ")
        });
    }
}

fn quantile_rows(row: &mut AddRow<'_>, metric: Metric, summaries: &[CellSummary]) {
    let label = metric.label();
    row(&format!("{label} p50"), &|s| time(quantiles(s, metric).p50));
    row("  p90", &|s| time(quantiles(s, metric).p90));
    row("  p99", &|s| time(quantiles(s, metric).p99));
    if summaries
        .iter()
        .any(|s| quantiles(s, metric).p999.is_some())
    {
        row("  p99.9", &|s| time(quantiles(s, metric).p999));
    }
    row("  max", &|s| {
        let all = quantiles(s, metric);
        if all.overflow > 0 {
            format!("{} too long", all.overflow)
        } else {
            time(all.max)
        }
    });
}

/// One cell against another, a row per figure.
pub(super) fn tax(tax: &Tax) -> Table {
    let mut table = bare();
    table.set_header(vec!["", &tax.base, &tax.cell, "difference", "ratio"]);
    for row in &tax.rows {
        table.add_row(tax_row(row));
    }
    align(&mut table, 5);
    table
}

fn tax_row(row: &TaxRow) -> Vec<String> {
    let signed = |v: f64| {
        format!(
            "{}{}",
            if v >= 0.0 { "+" } else { "−" },
            three_digits(v.abs())
        )
    };
    vec![
        format!("{} ({})", row.metric, row.unit),
        three_digits(row.base.median),
        three_digits(row.cell.median),
        facts::effect(&row.difference, signed),
        ratio(row),
    ]
}

/// Cells that differ in one dimension, each against the first: the base in absolute figures, the others as
/// ratios.
pub(super) fn contrast(sets: &[ContrastSet]) -> Table {
    let mut table = bare();
    let mut metrics: Vec<(&str, &str)> = Vec::new();
    for row in sets.iter().flat_map(|s| &s.cells).flat_map(|(_, r)| r) {
        if !metrics.iter().any(|(known, _)| *known == row.metric) {
            metrics.push((&row.metric, row.unit));
        }
    }
    let titles = metrics.iter().map(|(metric, _)| (*metric).to_owned());
    table.set_header(std::iter::once(String::new()).chain(titles));
    for set in sets {
        let Some((_, rows)) = set.cells.first() else {
            continue;
        };
        let figure = |(metric, unit): &(&str, &str)| {
            let row = rows.iter().find(|row| row.metric == *metric);
            row.map_or(NOTHING.to_owned(), |row| {
                format!("{} {unit}", three_digits(row.base.median))
            })
        };
        let figures = metrics.iter().map(figure);
        table.add_row(std::iter::once(set.base.clone()).chain(figures));
        for (name, rows) in &set.cells {
            let ratio = |(metric, _): &(&str, &str)| {
                let row = rows.iter().find(|row| row.metric == *metric);
                row.map_or(NOTHING.to_owned(), ratio)
            };
            let ratios = metrics.iter().map(ratio);
            table.add_row(std::iter::once(format!("  {name}")).chain(ratios));
        }
    }
    align(&mut table, metrics.len() + 1);
    table
}

fn ratio(row: &TaxRow) -> String {
    row.ratio.map_or(NOTHING.to_owned(), |ratio| {
        facts::effect(&ratio, |value| format!("{value:.2}"))
    })
}

pub(super) fn bare() -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table
}

pub(super) fn align(table: &mut Table, columns: usize) {
    for index in 1..columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn quantiles(summary: &CellSummary, metric: Metric) -> Quantiles {
    summary.metrics.get(&metric).copied().unwrap_or_default()
}

fn time(timing: Option<Timing>) -> String {
    timing.map_or(NOTHING.to_owned(), |timing| timing.to_string())
}

fn plain(spread: Option<Spread>) -> String {
    spread.map_or(NOTHING.to_owned(), |s| three_digits(s.median))
}

/// A median with the smallest and the largest trial, in round brackets: square ones are intervals.
pub(super) fn spread(spread: Option<Spread>) -> String {
    match spread {
        None => NOTHING.to_owned(),
        Some(s) if s.trials < 2 => three_digits(s.median),
        Some(s) => format!(
            "{} ({} … {})",
            three_digits(s.median),
            three_digits(s.min),
            three_digits(s.max)
        ),
    }
}

//! Where the time of a metered run's sessions went: a table and a stacked bar per cell and kind.

use comfy_table::{Row, Table};

use super::bar::{Segment, bar};
use super::style::Style;
use super::tables::{align, bare, spread};
use crate::analysis::{Dissection, EndFigures, EntryFigures, dissect};
use crate::record::{CellRecord, MeteringRecord, RunRecord};
use crate::stats::{HistogramError, OkKind, Spread, Step, Work};
use crate::units::{format_count, three_digits};

/// What stands where there is no figure.
const NOTHING: &str = "–";

const LEGEND: &str = "bars: 1 to 9 are the steps, in crypto operations; t is rustls itself, s the socket calls, \
. the rest of the CPU. All bars of this report have one scale.";

/// The anatomy of every cell of a record; empty where nothing was metered.
///
/// # Errors
///
/// Fails if a stored histogram is damaged.
pub(super) fn sections(record: &RunRecord, style: Style) -> Result<String, HistogramError> {
    let mut all = Vec::new();
    for cell in &record.cells {
        all.extend(dissect(cell)?.into_iter().map(|found| (cell, found)));
    }
    let Some(metering) = record.plan.metering.filter(|_| !all.is_empty()) else {
        return Ok(String::new());
    };
    let longest = (all.iter())
        .flat_map(|(_, found)| ends(found))
        .map(|(_, end)| length(end))
        .fold(0.0, f64::max);
    let mut out = Vec::new();
    for (cell, found) in &all {
        out.push(style.bold(&title(cell, found)));
        out.push(table(found).to_string());
        out.push(flights(found));
        out.extend(bars(found, longest, style));
        out.extend(notes(found, metering));
        out.push(String::new());
    }
    out.push(LEGEND.to_owned());
    Ok(out.join("\n"))
}

/// The ends that there are, with their names.
pub(super) fn ends(found: &Dissection) -> impl Iterator<Item = (&'static str, &EndFigures)> {
    let target = found.target.as_ref().map(|end| ("target", end));
    std::iter::once(("client", &found.client)).chain(target)
}

/// Which sessions these are.
pub(super) fn title(cell: &CellRecord, found: &Dissection) -> String {
    let what = match found.kind {
        OkKind::Tcp => "sessions without TLS",
        OkKind::Full => "full handshakes",
        OkKind::FullWithHelloRetryRequest => "full handshakes with a HelloRetryRequest",
        OkKind::Resumed => "resumed handshakes",
    };
    let trials = found.client.crypto_us.map_or(0, |s| s.trials);
    format!(
        "{}: {what}, {} sessions (µs per session, median (min … max) of {trials} trials)",
        cell.cell.name,
        format_count(found.client.sessions)
    )
}

/// A row per step, under it one per operation; then what is no crypto.
pub(super) fn table(found: &Dissection) -> Table {
    let ends: Vec<&EndFigures> = ends(found).map(|(_, end)| end).collect();
    let mut table = bare();
    let mut header = vec![String::new()];
    for (name, _) in self::ends(found) {
        header.extend([format!("{name} µs"), "times".to_owned()]);
    }
    table.set_header(header);
    if found.kind != OkKind::Tcp {
        for step in Step::ALL {
            step_rows(&mut table, step, &ends);
        }
        row(&mut table, "crypto operations", &ends, |end| {
            (spread(end.crypto_us), String::new())
        });
    }
    for (label, work) in [
        (
            "rustls itself (state machine, codec, allocation)",
            Work::Tls,
        ),
        ("socket calls (kernel)", Work::Socket),
    ] {
        if ends.iter().any(|end| end.work_us(work) > 0.0) {
            row(&mut table, label, &ends, |end| {
                end.entries
                    .iter()
                    .find(|entry| entry.work == work)
                    .map_or((NOTHING.to_owned(), String::new()), figures)
            });
        }
    }
    row(
        &mut table,
        "rest (runtime, timers, counting)",
        &ends,
        |end| (signed(end.rest_us), String::new()),
    );
    row(&mut table, "thread CPU", &ends, |end| {
        (spread(end.cpu_us), String::new())
    });
    align(&mut table, 1 + 2 * ends.len());
    table
}

fn row(
    table: &mut Table,
    label: &str,
    ends: &[&EndFigures],
    of: impl Fn(&EndFigures) -> (String, String),
) {
    let mut cells = vec![label.to_owned()];
    for end in ends {
        let (time, times) = of(end);
        cells.extend([time, times]);
    }
    table.add_row(Row::from(cells));
}

fn step_rows(table: &mut Table, step: Step, ends: &[&EndFigures]) {
    let label = format!("{} {}", step.number(), step.title());
    row(table, &label, ends, |end| {
        let any = end.entries.iter().any(|entry| entry.step == Some(step));
        let sum = if any {
            three_digits(end.step_us(step))
        } else {
            NOTHING.to_owned()
        };
        (sum, String::new())
    });
    let mut keys: Vec<(Work, Option<&String>)> = (ends.iter())
        .flat_map(|end| &end.entries)
        .filter(|entry| entry.step == Some(step))
        .map(|entry| (entry.work, entry.algorithm.as_ref()))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    for (work, algorithm) in keys {
        let label = format!("    {}", name(work, algorithm));
        row(table, &label, ends, |end| {
            let mut of_step = end.entries.iter().filter(|entry| entry.step == Some(step));
            of_step
                .find(|entry| (entry.work, entry.algorithm.as_ref()) == (work, algorithm))
                .map_or((NOTHING.to_owned(), String::new()), figures)
        });
    }
}

/// What an operation is called: `verify_chain` without an algorithm is what it takes beside signatures.
fn name(work: Work, algorithm: Option<&String>) -> String {
    match (work.label(), algorithm) {
        ("verify_chain", None) => "verify_chain: path, dates, names".to_owned(),
        (label, Some(algorithm)) => format!("{label} {algorithm}"),
        (label, None) => label.to_owned(),
    }
}

fn figures(entry: &EntryFigures) -> (String, String) {
    let times = if (entry.times - entry.times.round()).abs() < 0.005 {
        format!("{:.0}", entry.times)
    } else {
        format!("{:.2}", entry.times)
    };
    (spread(Some(entry.us)), times)
}

/// The rest may come out below zero: it is the difference of two clocks.
fn signed(rest: Option<Spread>) -> String {
    match rest {
        Some(rest) if rest.median < 0.0 => format!("−{}", three_digits(-rest.median)),
        Some(rest) if rest.min < 0.0 => three_digits(rest.median),
        rest => spread(rest),
    }
}

/// Bytes and round trips, as the client saw them.
pub(super) fn flights(found: &Dissection) -> String {
    let client = &found.client;
    let arrow = |sent: bool| if sent { "→" } else { "←" };
    let flights: Vec<String> = (client.flights.iter())
        .map(|flight| format!("{} {:.0}", arrow(flight.sent), flight.bytes))
        .collect();
    let (sent, received) = client.data;
    let data = format!("→ {sent:.0} ← {received:.0}");
    if flights.is_empty() {
        return format!("bytes: {data}; round trips: 1 for TCP, 1 for the answer");
    }
    format!(
        "bytes: handshake {}, then {data}; round trips until the client finished: 1 for TCP, {} for TLS",
        flights.join(" "),
        three_digits(client.turns)
    )
}

/// What a bar of this end is made of.
pub(super) fn segments(end: &EndFigures) -> Vec<Segment> {
    let steps = Step::ALL.into_iter().map(|step| Segment {
        mark: char::from(b'0' + step.number()),
        amount: end.step_us(step),
    });
    let others = [('t', Work::Tls), ('s', Work::Socket)];
    let others = others.map(|(mark, work)| Segment {
        mark,
        amount: end.work_us(work),
    });
    let rest = Segment {
        mark: '.',
        amount: end.rest_us.map_or(0.0, |rest| rest.median.max(0.0)),
    };
    steps.chain(others).chain([rest]).collect()
}

fn length(end: &EndFigures) -> f64 {
    segments(end).iter().map(|segment| segment.amount).sum()
}

fn bars(found: &Dissection, longest: f64, style: Style) -> impl Iterator<Item = String> {
    ends(found).map(move |(name, end)| {
        let room = style.width.saturating_sub(20).max(20);
        let drawn = bar(&segments(end), longest, room, style);
        format!("  {name:<6} |{drawn}| {} µs", three_digits(length(end)))
    })
}

/// What the ledger explains, and what keeping it cost.
pub(super) fn notes(found: &Dissection, metering: MeteringRecord) -> impl Iterator<Item = String> {
    ends(found).map(move |(name, end)| {
        let overhead = end.spans * metering.span_ns / 1e3;
        let explained = end.explained.map_or(NOTHING.to_owned(), |share| {
            let percent = |v: f64| format!("{:.1} %", v * 100.0);
            format!(
                "{} ({} … {})",
                percent(share.median),
                percent(share.min),
                percent(share.max)
            )
        });
        let of = end.cpu_us.map_or(String::new(), |cpu| {
            format!(" of {} µs", three_digits(cpu.median))
        });
        format!(
            "  {name}: the ledger explains {explained} of the thread CPU; metering itself takes about {} µs{of} \
             ({:.0} entries at {:.0} ns)",
            three_digits(overhead),
            end.spans,
            metering.span_ns
        )
    })
}

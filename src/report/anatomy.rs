//! Sessions of a metered run taken apart: where their CPU time went, step by step of the handshake.

use super::bar::{Bar, Part, Stack};
use super::document::{Grid, Section};
use super::drawing::stack;
use super::tables::{NOTHING, spread};
use crate::analysis::{Dissection, EndFigures, EntryFigures, dissect};
use crate::record::{CellRecord, MeteringRecord, RunRecord};
use crate::stats::{HistogramError, OkKind, Spread, Step, Work};
use crate::units::{format_count, three_digits};

/// What a bar has beside the steps of a handshake: its mark, and what it is.
const OTHERS: [(char, &str); 3] = [
    ('t', "rustls itself"),
    ('s', "socket calls"),
    ('.', "rest: runtime, timers, counting"),
];

/// The anatomy of every cell of a record; empty where nothing was metered.
///
/// Fails if a stored histogram is damaged.
pub(super) fn taken_apart(record: &RunRecord) -> Result<Section, HistogramError> {
    let mut section = Section::new("anatomy", "Sessions taken apart");
    let Some(metering) = record.plan.metering else {
        return Ok(section);
    };
    let mut all = Vec::new();
    for cell in &record.cells {
        all.extend(dissect(cell)?.into_iter().map(|found| (cell, found)));
    }
    let bars = all.iter().flat_map(|(cell, found)| {
        ends(found).map(|(end, figures)| Bar {
            name: format!("{}{}, {end}", cell.cell.name, kind(cell, found)),
            parts: parts(figures),
        })
    });
    let steps = Step::ALL.into_iter();
    let steps = steps.map(|step| (char::from(b'0' + step.number()), step.title()));
    let bars = Stack {
        unit: "µs",
        parts: (steps.chain(OTHERS))
            .map(|(mark, name)| Part { mark, name })
            .collect(),
        bars: bars.collect(),
    };
    let drawing = stack::plot(
        &section.drawing_id(),
        "CPU time of a session by step",
        &bars,
    );
    section.bars(
        drawing,
        "CPU time of the median session at each end, by step of the handshake. All bars have one scale.",
        Some(bars),
    );
    for (cell, found) in &all {
        section
            .heading(&title(cell, found))
            .table(table(found))
            .list(std::iter::once(flights(found)).chain(notes(found, metering)));
    }
    Ok(section)
}

/// The ends that there are, with their names.
fn ends(found: &Dissection) -> impl Iterator<Item = (&'static str, &EndFigures)> {
    let target = found.target.as_ref().map(|end| ("target", end));
    std::iter::once(("client", &found.client)).chain(target)
}

/// What sets sessions of a cell apart from those that its name promises.
fn kind(cell: &CellRecord, found: &Dissection) -> &'static str {
    match found.kind {
        OkKind::FullWithHelloRetryRequest => " after a retry",
        OkKind::Resumed if !cell.cell.name.contains("resumed") => " resumed",
        OkKind::Tcp | OkKind::Full | OkKind::Resumed => "",
    }
}

/// The lengths of a bar of this end: each step, then [`OTHERS`].
fn parts(end: &EndFigures) -> Vec<f64> {
    let steps = Step::ALL.into_iter().map(|step| end.step_us(step));
    let rest = end.rest_us.map_or(0.0, |rest| rest.median.max(0.0));
    let others = [end.work_us(Work::Tls), end.work_us(Work::Socket), rest];
    steps.chain(others).collect()
}

/// Which sessions these are.
fn title(cell: &CellRecord, found: &Dissection) -> String {
    let what = match found.kind {
        OkKind::Tcp => "sessions without TLS",
        OkKind::Full => "full handshakes",
        OkKind::FullWithHelloRetryRequest => "full handshakes with a HelloRetryRequest",
        OkKind::Resumed => "resumed handshakes",
    };
    let trials = found.client.crypto_us.map_or(0, |s| s.trials);
    format!(
        "{}: {what}, {} sessions, median (min … max) of {trials} trials",
        cell.cell.name,
        format_count(found.client.sessions)
    )
}

/// A row per step, under it one per operation; then what is no crypto.
fn table(found: &Dissection) -> Grid {
    let ends: Vec<(&str, &EndFigures)> = ends(found).collect();
    let header = ends
        .iter()
        .flat_map(|(name, _)| [format!("{name} µs"), "times".to_owned()]);
    let mut grid = Grid::new(
        "Exclusive time per session, and how often",
        std::iter::once(String::new()).chain(header),
    );
    let mut row = |label: &str, of: &dyn Fn(&EndFigures) -> (String, String)| {
        grid.row(
            label,
            ends.iter()
                .flat_map(|(_, end)| <[String; 2]>::from(of(end))),
        );
    };
    let once = |time: String| (time, String::new());
    if found.kind != OkKind::Tcp {
        for step in Step::ALL {
            let of_step = |end: &&EntryFigures| end.step == Some(step);
            row(&format!("{} {}", step.number(), step.title()), &|end| {
                let any = end.entries.iter().any(|entry| of_step(&entry));
                once(if any {
                    three_digits(end.step_us(step))
                } else {
                    NOTHING.to_owned()
                })
            });
            let entries = ends
                .iter()
                .flat_map(|(_, end)| end.entries.iter().filter(of_step));
            let mut keys: Vec<(Work, Option<&String>)> = entries.map(key).collect();
            keys.sort_unstable();
            keys.dedup();
            for wanted in keys {
                row(&format!("  {}", name(wanted)), &|end| {
                    let mut entries = end.entries.iter().filter(of_step);
                    figures(entries.find(|entry| key(entry) == wanted))
                });
            }
        }
        row("crypto operations", &|end| once(spread(end.crypto_us)));
    }
    for (label, work) in [
        (
            "rustls itself (state machine, codec, allocation)",
            Work::Tls,
        ),
        ("socket calls (kernel)", Work::Socket),
    ] {
        if ends.iter().any(|(_, end)| end.work_us(work) > 0.0) {
            row(label, &|end| {
                figures(end.entries.iter().find(|entry| entry.work == work))
            });
        }
    }
    row("rest (runtime, timers, counting)", &|end| {
        once(signed(end.rest_us))
    });
    row("thread CPU", &|end| once(spread(end.cpu_us)));
    grid
}

fn key(entry: &EntryFigures) -> (Work, Option<&String>) {
    (entry.work, entry.algorithm.as_ref())
}

/// What an operation is called: `verify_chain` without an algorithm is what it takes beside signatures.
fn name((work, algorithm): (Work, Option<&String>)) -> String {
    match (work.label(), algorithm) {
        ("verify_chain", None) => "verify_chain: path, dates, names".to_owned(),
        (label, Some(algorithm)) => format!("{label} {algorithm}"),
        (label, None) => label.to_owned(),
    }
}

/// Time and count of an operation.
fn figures(entry: Option<&EntryFigures>) -> (String, String) {
    let Some(entry) = entry else {
        return (NOTHING.to_owned(), String::new());
    };
    let whole = (entry.times - entry.times.round()).abs() < 0.005;
    let times = if whole {
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
fn flights(found: &Dissection) -> String {
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

/// What the ledger explains, and what keeping it cost.
fn notes(found: &Dissection, metering: MeteringRecord) -> impl Iterator<Item = String> {
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
            "{name}: the ledger explains {explained} of the thread CPU; metering itself takes about {} µs{of} \
             ({:.0} entries at {:.0} ns)",
            three_digits(overhead),
            end.spans,
            metering.span_ns
        )
    })
}

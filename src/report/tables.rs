//! The tables of figures: cells side by side, each as a row, and against each other.

use super::document::Grid;
use super::facts;
use crate::analysis::{CellSummary, ContrastSet, Figure, Quantiles, Tax, TaxRow};
use crate::record::{Asked, PlanRecord};
use crate::stats::{Accounting, Metric, OkKind, Pause, ResumptionCounts, Spread, Timing};
use crate::units::{format_count, three_digits};

/// What stands where a figure was not measured, or has too few samples.
pub(super) const NOTHING: &str = "–";

/// What was counted of a cell, and whether it has a row even where all have none.
type Count = (&'static str, bool, fn(&Accounting) -> u64);

const COUNTS: [Count; 6] = [
    ("sessions attempted", true, |all| all.started),
    ("  confirmed", true, Accounting::ok_total),
    ("  failed", true, Accounting::failed_total),
    ("    unanswered", false, Accounting::unanswered_total),
    ("  cancelled", false, Accounting::cancelled_total),
    ("  not started", false, Accounting::not_started_total),
];

/// The cells side by side, a row per figure; `plan` is that of all of them.
pub(super) fn cells(summaries: &[CellSummary], plan: Option<&PlanRecord>) -> Grid {
    let any = |test: &dyn Fn(&CellSummary) -> bool| summaries.iter().any(test);
    let names = summaries.iter().map(|s| s.name.as_str());
    let mut grid = Grid::new(
        "Figures of the measure phase, over all trials",
        std::iter::once("").chain(names),
    );
    let mut row = |label: &str, value: &dyn Fn(&CellSummary) -> String| {
        grid.row(label, summaries.iter().map(value));
    };
    for (label, always, of) in COUNTS {
        if always || any(&|s| of(&s.measured) > 0) {
            row(label, &|s| format_count(of(&s.measured)));
        }
    }
    match plan.map(PlanRecord::asked) {
        Some(Asked::Rate(rate)) => row("asked /s", &|_| three_digits(rate)),
        Some(Asked::Sessions { mean, .. }) => {
            row("asked concurrent (mean)", &|_| three_digits(mean));
        }
        None => {}
    }
    row("confirmed /s", &|s| {
        or_nothing(s.confirmed_rate, |rate| three_digits(rate.median))
    });
    if any(&|s| s.longest_pause.is_some()) {
        row("longest without answer", &|s| {
            or_nothing(s.longest_pause, Pause::in_words)
        });
    }
    resumption_rows(&mut row, summaries);
    for metric in [
        Metric::Connect,
        Metric::WayIn,
        Metric::Handshake,
        Metric::Confirm,
        Metric::Exchange,
        Metric::Latency,
    ] {
        // One exchange a session is what `confirm` already shows.
        let several = |s: &CellSummary| {
            let timed = quantiles(s, Metric::Confirm).samples();
            quantiles(s, Metric::Exchange).samples() > timed.max(s.measured.ok_total())
        };
        let walks = |s: &CellSummary| quantiles(s, Metric::WayIn).samples() > 0;
        let shown = match metric {
            Metric::Exchange => any(&several),
            Metric::WayIn => any(&walks),
            _ => true,
        };
        if shown {
            quantile_rows(&mut row, metric, summaries);
        }
    }
    if any(&|s| quantiles(s, Metric::Lag).p99.is_some()) {
        row("schedule lag p50 / p99", &|s| {
            let lag = quantiles(s, Metric::Lag);
            format!("{} / {}", time(lag.p50), time(lag.p99))
        });
    }
    let range = if any(&|s| s.client_cpu_us.is_some_and(|cpu| cpu.trials > 1)) {
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
    if any(&|s| s.held_max > 0) {
        row("held open at once", &|s| format_count(s.held_max));
        row("memory KiB/held session", &|s| {
            or_nothing(s.memory_per_session, |bytes| three_digits(bytes / 1024.0))
        });
    }
    grid
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
        row(label, &|s| or_nothing(counts(s), |counts| value(s, counts)));
    };
    show("resumed % planned / observed", &|s, c| {
        let confirmed = s.measured.ok_total();
        let percent = |part: u64| match confirmed {
            0 => NOTHING.to_owned(),
            _ => three_digits(part as f64 * 100.0 / confirmed as f64),
        };
        let [planned, observed] = [c.ok_planned, s.measured.ok_of(OkKind::Resumed)].map(percent);
        format!("{planned} / {observed}")
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
        or_nothing(c.bytes_per_offer(), |bytes| format!("{bytes:.0}"))
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
    type Of = fn(&Quantiles) -> Option<Timing>;
    let first = format!("{} p50", metric.label());
    let all: [(&str, Of); 4] = [
        (&first, |q| q.p50),
        ("  p90", |q| q.p90),
        ("  p99", |q| q.p99),
        ("  p99.9", |q| q.p999),
    ];
    let known = |of: Of| {
        summaries
            .iter()
            .any(|s| of(&quantiles(s, metric)).is_some())
    };
    for (label, of) in all {
        if label != "  p99.9" || known(of) {
            row(label, &|s| time(of(&quantiles(s, metric))));
        }
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
pub(super) fn tax(tax: &Tax, how: &str) -> Grid {
    let mut grid = Grid::new(how, ["", &tax.base, &tax.cell, "difference", "ratio"]);
    let signed = |v: f64| {
        let sign = if v >= 0.0 { "+" } else { "−" };
        format!("{sign}{}", three_digits(v.abs()))
    };
    for row in &tax.rows {
        let fields = [
            three_digits(row.base.median),
            three_digits(row.cell.median),
            facts::effect(&row.difference, signed),
            ratio(row),
        ];
        grid.row(&format!("{} ({})", row.figure.title(), row.unit()), fields);
    }
    grid
}

/// Cells that differ in one dimension, each against the first: the base in absolute figures, the others as ratios.
pub(super) fn contrast(sets: &[ContrastSet], how: &str) -> Grid {
    let mut figures: Vec<Figure> = Vec::new();
    for row in sets.iter().flat_map(|s| &s.cells).flat_map(|(_, r)| r) {
        if !figures.contains(&row.figure) {
            figures.push(row.figure);
        }
    }
    let mut grid = Grid::new(
        how,
        std::iter::once(String::new()).chain(figures.iter().map(|f| f.title())),
    );
    let mut add = |name: &str, rows: &[TaxRow], show: &dyn Fn(&TaxRow) -> String| {
        let fields = figures.iter().map(|figure| {
            let row = rows.iter().find(|row| row.figure == *figure);
            or_nothing(row, show)
        });
        grid.row(name, fields);
    };
    for set in sets {
        let Some((_, rows)) = set.cells.first() else {
            continue;
        };
        add(&set.base, rows, &|row| {
            format!("{} {}", three_digits(row.base.median), row.unit())
        });
        for (name, rows) in &set.cells {
            add(&format!("  {name}"), rows, &ratio);
        }
    }
    grid
}

fn ratio(row: &TaxRow) -> String {
    or_nothing(row.ratio, |ratio| {
        facts::effect(&ratio, |value| format!("{value:.2}"))
    })
}

fn quantiles(summary: &CellSummary, metric: Metric) -> Quantiles {
    summary.metrics.get(&metric).copied().unwrap_or_default()
}

pub(super) fn or_nothing<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or(NOTHING.to_owned(), show)
}

pub(super) fn time(timing: Option<Timing>) -> String {
    or_nothing(timing, |timing| timing.to_string())
}

/// A median with the smallest and the largest trial, in round brackets: square ones are intervals.
pub(super) fn spread(spread: Option<Spread>) -> String {
    or_nothing(spread, |s| {
        let median = three_digits(s.median);
        if s.trials < 2 {
            return median;
        }
        format!(
            "{median} ({} … {})",
            three_digits(s.min),
            three_digits(s.max)
        )
    })
}

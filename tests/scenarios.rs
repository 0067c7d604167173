//! The scenarios of the fields, shortened: each does what it says, in every cell.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::time::Duration;

use common::{reasons, run};
use shakedown::record::{CellRecord, RunRecord};
use shakedown::report::{Style, render};
use shakedown::scenario::Shipped;
use shakedown::units::{Rate, Span};

/// Runs a scenario of the build with one short trial of each cell.
fn shortened(name: &str) -> RunRecord {
    let mut scenario = Shipped::named(name).unwrap().scenario().unwrap();
    scenario.trials.count = 1;
    let load = &mut scenario.load;
    if load.total.is_some() {
        // A fleet: fewer devices, as long as it takes for a ping and a message.
        (load.sessions, load.total) = (Some(20), Some(20));
    } else {
        load.duration = Some(Span(Duration::from_millis(400)));
        load.warmup = Some(Span(Duration::ZERO));
    }
    if load.rate.is_some() {
        load.rate = Some("20/s".parse::<Rate>().unwrap());
    }
    let record = run(scenario);
    // A debug build on a busy machine may not keep its schedule; what it did has to be right all the same.
    let busy = ["generator-limited", "load-not-achieved"];
    let other: Vec<_> = (reasons(&record).into_iter())
        .filter(|code| !busy.contains(code))
        .collect();
    assert!(other.is_empty(), "{name}: {other:?}");
    for cell in &record.cells {
        let total = cell.total();
        assert!(total.ok_total() > 0, "{name}: {}", cell.cell.name);
        assert_eq!(total.failed_total(), 0, "{name}: {}", cell.cell.name);
    }
    record
}

fn names(record: &RunRecord) -> Vec<&str> {
    record.cells.iter().map(|cell| &*cell.cell.name).collect()
}

/// Exchanges for each session of a cell, on average.
fn exchanges(cell: &CellRecord) -> f64 {
    let kinds = cell.trials[0].kinds.values();
    let count: u64 = kinds.map(|kind| kind.histograms["exchange"].count).sum();
    count as f64 / cell.trials[0].measured.ok_total() as f64
}

/// Asserts that the report has the comparisons that answer the scenario's question.
fn answers(record: &RunRecord, titles: &[&str]) {
    let report = render(record, Style::default()).unwrap();
    for title in titles {
        assert!(report.contains(title), "{title} is not in\n{report}");
    }
}

#[test]
fn api() {
    let record = shortened("api");
    assert_eq!(names(&record), ["tls-x1", "tls-x20", "mtls-x1", "mtls-x20"]);
    answers(
        &record,
        &[
            "mTLS tax: mtls-x1 against tls-x1",
            "mTLS tax: mtls-x20 against tls-x20",
            "exchanges per session against 1",
        ],
    );
}

#[test]
fn finance() {
    let record = shortened("finance");
    assert_eq!(record.cells.len(), 8);
    assert!(record.cells.iter().all(|cell| cell.cell.chain == Some(2)));
    answers(
        &record,
        &[
            "mTLS tax: mtls-crl-x100 against tls-crl-x100",
            "revocation lists against none",
            "exchanges per session against 1",
        ],
    );
}

#[test]
fn devices() {
    let record = shortened("devices");
    assert_eq!(names(&record), ["tls", "mtls"]);
    for cell in &record.cells {
        let trial = &cell.trials[0];
        assert_eq!((trial.held_max, trial.lost_while_held), (20, 0));
        // One ahead of the hold, and one after two seconds of it at least.
        assert!(exchanges(cell) >= 2.0, "{}", exchanges(cell));
    }
    answers(&record, &["mTLS tax: mtls against tls"]);
}

#[test]
fn health() {
    let record = shortened("health");
    assert_eq!(record.cells.len(), 6);
    for cell in &record.cells {
        let each = f64::from(cell.cell.exchanges.unwrap());
        assert!(exchanges(cell) > each * 0.9, "{}", cell.cell.name);
    }
    answers(
        &record,
        &[
            "mTLS tax: mtls-x50 against tls-x50",
            "exchanges per session against 1",
        ],
    );
}

#[test]
fn mesh() {
    let record = shortened("mesh");
    assert_eq!(record.cells.len(), 8);
    answers(
        &record,
        &[
            "keys against p256",
            "exchanges per session against 1",
            "streams of an exchange against 1",
        ],
    );
}

#[test]
fn outage() {
    let mut scenario = Shipped::named("outage").unwrap().scenario().unwrap();
    (scenario.load.sessions, scenario.load.ramp_up) = (Some(40), None);
    (scenario.load.warmup, scenario.load.duration) = (Some(Span::secs(0)), Some(Span::secs(6)));
    scenario.events[0].at = Some(Span::secs(1));
    scenario.events[1].at = Some(Span::secs(3));
    let record = run(scenario);
    let trial = &record.cells[0].trials[0];
    for event in &trial.events {
        let returns = event.returns.as_ref().unwrap();
        assert_eq!((returns.dropped, returns.back.count), (40, 40));
    }
    assert_eq!(trial.total.ok_total(), 120);
    answers(
        &record,
        &["40 sessions were cut, which made 40 attempts to come back"],
    );
}

//! The exchanges of a session over time: one after the other, with time to think, and now and then while held.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::time::{Duration, Instant};

use common::{only, run, scenario, total};
use shakedown::stats::OkKind;

#[test]
fn every_exchange_of_a_session_is_recorded() {
    for protocol in ["echo", "http1"] {
        let record = run(scenario(&format!(
            "[load]\nsessions = 2\ntotal = 20\n[protocol]\nkind = \"{protocol}\"\nexchanges = 3\n",
        )));
        let trial = &only(&record).trials[0];
        let full = &trial.kinds[&OkKind::Full];
        assert_eq!(full.histograms["exchange"].count, 60, "{protocol}");
        assert_eq!(full.histograms["confirm"].count, 20);
    }
}

#[test]
fn held_sessions_exchange_now_and_then() {
    for protocol in ["echo", "http1"] {
        let record = run(scenario(&format!(
            "[load]\nsessions = 2\ntotal = 2\nhold = \"1s\"\n\
             [protocol]\nkind = \"{protocol}\"\nevery = \"100ms\"\n",
        )));
        let trial = &only(&record).trials[0];
        assert_eq!((total(&record).ok_total(), trial.lost_while_held), (2, 0));
        let exchanges = trial.kinds[&OkKind::Full].histograms["exchange"].count;
        assert!((4..=20).contains(&exchanges), "{protocol}: {exchanges}");
    }
}

#[test]
fn sessions_think_between_exchanges() {
    let began = Instant::now();
    let record = run(scenario(
        "[load]\nsessions = 1\ntotal = 2\n[protocol]\nkind = \"http1\"\nexchanges = 3\nthink = \"150ms\"\n",
    ));
    let trial = &only(&record).trials[0];
    assert_eq!(trial.kinds[&OkKind::Full].histograms["exchange"].count, 6);
    assert!(began.elapsed() >= Duration::from_millis(2 * 2 * 150));
}

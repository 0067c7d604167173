//! What is told while a run goes on: every second once and in order, with nothing lost on its way from the
//! workers, and the same seconds in the record afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::net::TcpListener;

use common::{against, only, pki_in, run_controlled, scenario};
use shakedown::load::{Event, Interrupt};
use shakedown::record::{RunRecord, TrialRecord};
use shakedown::scenario::Scenario;
use shakedown::stats::{FailureClass, Second, SecondHistogram};
use tokio::sync::watch;

/// A run, and the seconds that were told of each of its trials.
fn watched(scenario: Scenario) -> (RunRecord, Vec<Vec<Second>>) {
    let (_sender, control) = watch::channel(Interrupt::None);
    let mut trials = Vec::new();
    let record = run_controlled(scenario, &control, &mut |event| match event {
        Event::Begin { .. } => trials.push(Vec::new()),
        Event::Second(second) => trials.last_mut().unwrap().push(second.clone()),
        _ => {}
    });
    (record.unwrap(), trials)
}

/// The seconds told are those of the record, each once, and add up to all of the trial.
fn assert_told(trial: &TrialRecord, seconds: &[Second]) {
    let numbers: Vec<u64> = seconds.iter().map(|second| second.number).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    let sum = |of: fn(&Second) -> u64| seconds.iter().map(of).sum::<u64>();
    assert_eq!(sum(|s| s.started), trial.total.started);
    assert_eq!(sum(|s| s.not_started), trial.total.not_started_total());
    assert_eq!(sum(|s| s.ok), trial.total.ok_total());
    assert_eq!(sum(Second::failed), trial.total.failed_total());
    let mut merged = SecondHistogram::new();
    for second in seconds {
        merged.merge(&second.latency);
        let row = &trial.timeline[usize::try_from(second.number).unwrap()];
        assert_eq!(row.latency().unwrap(), second.latency, "{}", second.number);
        assert_eq!((row.ok, row.failed), (second.ok, second.failed()));
    }
    assert_eq!(merged.count() + merged.overflow(), trial.total.ok_total());
}

#[test]
fn every_second_is_told_and_kept() {
    let (record, trials) = watched(scenario(
        "[load]\nrate = \"200/s\"\nduration = \"1300ms\"\nwarmup = \"1s\"\n\
         [trials]\ncount = 2\n[workers]\ncount = 2\n",
    ));
    assert_eq!(trials.len(), 2);
    for (trial, seconds) in only(&record).trials.iter().zip(&trials) {
        assert_told(trial, seconds);
        assert!(seconds.len() >= 3, "{seconds:?}");
        let whole = seconds.iter().filter(|second| second.is_whole()).count();
        assert!(whole >= seconds.len() - 1, "{seconds:?}");
        assert!(seconds.iter().all(|s| s.busiest > 0.0 && s.busiest <= 1.0));
    }
}

#[test]
fn a_second_in_which_nothing_happens_is_told_too() {
    let (record, trials) = watched(scenario(
        "[load]\nsessions = 2\nhold = \"2500ms\"\nduration = \"2500ms\"\nwarmup = \"0s\"\n\
         [workers]\ncount = 2\n",
    ));
    let seconds = &trials[0];
    assert_told(&only(&record).trials[0], seconds);
    let silent = seconds.iter().find(|second| second.started == 0);
    let silent = silent.unwrap_or_else(|| panic!("{seconds:?}"));
    assert!(silent.ok == 0 && silent.is_whole(), "{silent:?}");
    assert_eq!(silent.latency.median(), None);
}

#[test]
fn failures_are_told_by_class() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tls://{}", port.local_addr().unwrap());
    drop(port);
    let dir = tempfile::tempdir().unwrap();
    pki_in(dir.path());
    let refused = scenario("[load]\nrate = \"50/s\"\nduration = \"300ms\"\nwarmup = \"0s\"\n");
    let (record, trials) = watched(against(refused, &url, dir.path(), None));
    let trial = &only(&record).trials[0];
    assert_told(trial, &trials[0]);
    let told = trials[0].iter().map(|second| &second.failures);
    let refused: u64 = told
        .map(|classes| classes[&FailureClass::ConnectRefused])
        .sum();
    assert_eq!(refused, trial.total.failed["connect.refused"].count);
    assert_eq!(refused, 15);
}

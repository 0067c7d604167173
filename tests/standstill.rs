//! A server that stalls for two seconds: percentiles of a closed loop hide it, so the result says how long nobody
//! had an answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::process::serve;
use common::{against, only, pki_in, run, run_controlled, scenario};
use shakedown::load::{Event, Interrupt};
use shakedown::record::RunRecord;
use shakedown::report::{Style, render};
use shakedown::scenario::ProtocolKind;
use shakedown::stats::Metric;
use tokio::sync::watch;

/// A run of some seconds against a server that is stopped for two of them.
fn with_a_stall(load: &str, seconds: u64, rest: &str) -> RunRecord {
    let dir = tempfile::tempdir().unwrap();
    pki_in(dir.path());
    let (server, port) = serve(dir.path(), ".", "127.0.0.1:0");
    let mut scenario = against(
        scenario(&format!(
            "[load]\n{load}\nwarmup = \"0s\"\nduration = \"{seconds}s\"\n[workers]\ncount = 2\n{rest}"
        )),
        &format!("tls://127.0.0.1:{port}"),
        dir.path(),
        Some(dir.path()),
    );
    scenario.protocol.kind = Some(ProtocolKind::Echo);
    let (began, begins) = mpsc::channel();
    let stall = thread::spawn(move || {
        // On a busy machine it takes a while until the load begins.
        begins.recv().unwrap();
        thread::sleep(Duration::from_secs(1));
        server.signal("STOP");
        thread::sleep(Duration::from_secs(2));
        server.signal("CONT");
        // It serves until the run is over.
        thread::sleep(Duration::from_secs(seconds));
    });
    let (_sender, control) = watch::channel(Interrupt::None);
    let record = run_controlled(scenario, &control, &mut |event| {
        if matches!(event, Event::Begin { .. }) {
            began.send(()).unwrap();
        }
    });
    stall.join().unwrap();
    record.unwrap()
}

/// Seconds that it says nobody had an answer.
fn seconds(record: &RunRecord) -> f64 {
    let pause = only(record).trials[0].longest_pause.unwrap();
    pause.length_ns as f64 / 1e9
}

fn warned(record: &RunRecord) -> bool {
    record.warnings.iter().any(|note| note.code == "long-pause")
}

#[test]
fn a_stall_that_a_closed_loop_hides_is_told() {
    let record = with_a_stall("sessions = 4", 4, "[protocol]\nexchanges = 20\n");
    let said = seconds(&record);
    assert!((1.7..2.6).contains(&said), "{said}");
    assert!(warned(&record), "{:?}", record.warnings);
    let p99 = only(&record).histogram(Metric::Exchange).unwrap();
    let p99 = p99.quantile(0.99).unwrap();
    assert!(p99.least() < 500_000_000, "the percentile hides it: {p99}");
    let text = render(&record, Style::default()).unwrap();
    assert!(text.contains("longest without answer"), "{text}");
    assert_eq!(text.matches("coordinated omission").count(), 1, "{text}");
}

#[test]
fn a_stall_in_an_open_loop_is_told_as_well() {
    let record = with_a_stall("rate = \"50/s\"", 6, "");
    let said = seconds(&record);
    assert!((1.7..2.6).contains(&said), "{said}");
    assert!(warned(&record), "{:?}", record.warnings);
    let text = render(&record, Style::default()).unwrap();
    assert!(!text.contains("coordinated omission"), "{text}");
}

#[test]
fn sessions_that_are_held_wait_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    pki_in(dir.path());
    let (_server, port) = serve(dir.path(), ".", "127.0.0.1:0");
    let mut scenario = against(
        scenario("[load]\nsessions = 2\nwarmup = \"0s\"\nduration = \"2s\"\nhold = \"5s\"\n"),
        &format!("tls://127.0.0.1:{port}"),
        dir.path(),
        Some(dir.path()),
    );
    scenario.protocol.kind = Some(ProtocolKind::Echo);
    let record = run(scenario);
    assert!(seconds(&record) < 0.8, "{}", seconds(&record));
    assert!(!warned(&record), "{:?}", record.warnings);
}

//! Resumption against the embedded target: what the client claims is what the target counted, the
//! share is met to the session, and no identity resumes another's session.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use common::{only, reasons, run, scenario};
use shakedown::record::{RunRecord, TrialRecord};
use shakedown::stats::{OkKind, ResumptionCounts};

fn counts(trial: &TrialRecord) -> ResumptionCounts {
    let counts = trial.resumption.expect("resumption is on");
    counts.check().unwrap();
    counts
}

/// The target's own counts of full and resumed sessions are what the client claims, ± 0.
fn assert_target_agrees(record: &RunRecord, what: &str) {
    for cell in &record.cells {
        for trial in &cell.trials {
            let target = trial.target_counts.expect("the target is ours");
            let resumed = trial.total.ok_of(OkKind::Resumed);
            let ok = trial.total.ok_total();
            assert_eq!(target.resumed, resumed, "{what} {}", cell.cell.name);
            assert_eq!(target.full, ok - resumed, "{what} {}", cell.cell.name);
            let authenticated = if cell.is_mutual() { ok } else { 0 };
            assert_eq!(target.authenticated, authenticated, "{what}");
            assert_eq!(target.handshake_failed, 0, "{what}");
            trial.total.check().unwrap();
        }
    }
}

/// The share of a trial is the one asked for, to one session of each worker, and every session was of
/// the kind that was planned for it.
fn assert_share_is_met(record: &RunRecord, what: &str) {
    for cell in &record.cells {
        let asked = cell.cell.resumed.expect("resumption is on").as_f64();
        for trial in &cell.trials {
            let counts = counts(trial);
            let ok = trial.measured.ok_total();
            let resumed = trial.measured.ok_of(OkKind::Resumed);
            assert!(ok > 0, "{what}");
            assert_eq!(
                (counts.ok_planned, counts.ok_missed),
                (resumed, 0),
                "{what}"
            );
            let workers = record.plan.scenario.workers.count.unwrap_or(1) as f64;
            let off = (resumed as f64 - asked * ok as f64).abs();
            assert!(off < workers + 0.01, "{what}: {resumed} of {ok}");
            assert_eq!(
                counts.starved + counts.expired + counts.refused,
                0,
                "{what}"
            );
            assert_eq!(counts.accepted, resumed, "{what}");
            assert_eq!(counts.offered > 0, counts.offer_bytes > 0, "{what}");
        }
    }
    let missed = reasons(record).contains(&"resumption-missed");
    assert!(!missed, "{what}: {:?}", record.validity);
    assert!(
        !reasons(record).contains(&"certificate-not-requested"),
        "{what}"
    );
}

/// Every way to resume, with the target's side of it.
const WAYS: [(&str, &str, &str); 4] = [
    ("session-id", "1.2", "stateful"),
    ("ticket", "1.2", "stateless"),
    ("ticket", "1.3", "stateless"),
    ("ticket", "1.3", "stateful"),
];

fn sweep(load: &str, protocol: &str, workers: usize) {
    for (mode, version, tickets) in WAYS {
        let what = format!("{mode} {version} {tickets} {protocol}");
        let record = run(scenario(&format!(
            "[load]\n{load}\n[workers]\ncount = {workers}\n[protocol]\nkind = \"{protocol}\"\n\
             [resumption]\nmode = \"{mode}\"\n[target.embedded]\ntickets = \"{tickets}\"\n\
             [matrix]\ntls = [\"{version}\"]\nauth = [\"server\", \"mutual\"]\nresumed = [0, 0.3, 0.7, 1]\n",
        )));
        assert_eq!(record.cells.len(), 8);
        assert_target_agrees(&record, &what);
        assert_share_is_met(&record, &what);
    }
}

#[test]
fn a_closed_loop_agrees_with_the_target_in_every_mode() {
    sweep("sessions = 6\ntotal = 60", "echo", 1);
}

#[test]
fn two_workers_agree_with_the_target_in_every_mode() {
    sweep(
        "sessions = 7\nduration = \"150ms\"\nwarmup = \"30ms\"",
        "http1",
        2,
    );
}

#[test]
fn an_open_loop_agrees_with_the_target_in_every_mode() {
    sweep(
        "rate = \"200/s\"\nduration = \"250ms\"\nwarmup = \"50ms\"",
        "echo",
        2,
    );
}

#[test]
fn handshakes_alone_agree_with_the_target_in_every_mode() {
    sweep("sessions = 3\ntotal = 40", "handshake", 1);
}

#[test]
fn priming_is_accounted_for_apart() {
    let record = run(scenario(
        "[load]\nsessions = 10\ntotal = 50\n[workers]\ncount = 1\n[resumption]\nmode = \"ticket\"\n\
         [trials]\ncount = 2\n[matrix]\ntls = [\"1.3\"]\n",
    ));
    assert_target_agrees(&record, "primed");
    for trial in &only(&record).trials {
        let prime = trial.prime.as_ref().expect("it was primed");
        prime.check().unwrap();
        // Two tickets a session: ten fill from five, or from up to ten at once.
        assert!((5..=10).contains(&prime.ok_of(OkKind::Full)), "{prime:?}");
        assert_eq!(prime.ok_of(OkKind::Resumed), 0);
        assert_eq!(trial.total.ok_of(OkKind::Resumed), 50);
        assert_eq!(trial.timeline.iter().map(|row| row.ok).sum::<u64>(), 50);
        assert_eq!(counts(trial).harvested, 100, "two tickets a session");
    }
}

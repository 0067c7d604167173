//! Events of a trial: certificates are renewed, revoked or expire, sessions are cut and come back. Each test asserts that
//! its event happened.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

#[path = "../common/mod.rs"]
mod common;
mod files;

use std::fs;

use common::process::{code, shakedown, text};
use common::{assert_accounted, only, reasons, run, scenario, total};
use shakedown::record::{EventRecord, RunRecord};
use shakedown::stats::{Accounting, LatencyHistogram, SideCounts, Timing};
use shakedown::store::save;

const S: u64 = 1_000_000_000;

/// A run of a minted fleet against the embedded target.
fn happened(sections: &str) -> RunRecord {
    let record = run(scenario(&format!("[workers]\ncount = 2\n{sections}\n")));
    assert_accounted(&record);
    record
}

fn event(record: &RunRecord, number: usize) -> &EventRecord {
    &only(record).trials[0].events[number]
}

fn before(event: &EventRecord) -> &SideCounts {
    event.before.as_ref().unwrap()
}

fn after(event: &EventRecord) -> &SideCounts {
    event.after.as_ref().unwrap()
}

fn failed(accounting: &Accounting, class: &str) -> u64 {
    accounting
        .failed
        .get(class)
        .map_or(0, |failure| failure.count)
}

fn back(event: &EventRecord) -> LatencyHistogram {
    event.returns.as_ref().unwrap().back.decode().unwrap()
}

#[test]
fn dropped_sessions_come_back_each_with_its_identity() {
    let record = happened(
        "[load]\nwarmup = \"0s\"\nsessions = 60\nhold = \"1m\"\nduration = \"4s\"\n\
         [fleet]\nmint = { count = 60 }\ndraw = \"sticky\"\n\
         [[events]]\nkind = \"drop\"\nat = \"1500ms\"\nshare = 0.5\n\
         back-off = \"constant 400ms\"\njitter = \"none\"",
    );
    let event = event(&record, 0);
    let returns = event.returns.as_ref().unwrap();
    assert_eq!((returns.dropped, returns.attempts), (30, 30));
    let total = total(&record);
    assert_eq!(total.ok_total(), 90, "{total:?}");
    let trial = &only(&record).trials[0];
    for (number, (name, accounting)) in trial.identities.iter().enumerate() {
        assert!((1..=2).contains(&accounting.ok_total()), "{number} {name}");
    }
    let twice = trial.identities.values().filter(|of| of.ok_total() == 2);
    assert_eq!(twice.count(), 30, "every other identity");
    // Nobody came back before the wait was over.
    let back = back(event);
    assert_eq!((back.count(), back.pending()), (30, 0));
    assert!(back.quantile(0.0).unwrap().exact().unwrap() >= 398_000_000);
    let counts = trial.target_counts.unwrap();
    assert_eq!(counts.established(), 90);
    // A load that is cut on purpose is no load that was not achieved.
    assert!(
        !reasons(&record).contains(&"load-not-achieved"),
        "{:?}",
        reasons(&record)
    );
    assert_eq!(total.failed_total(), 0, "a cut is no failure");
}

#[test]
fn an_open_loop_and_tickets_come_back_too() {
    let record = happened(
        "[load]\nwarmup = \"0s\"\nrate = \"40/s\"\nhold = \"1m\"\nduration = \"3s\"\n\
         [matrix]\nauth = [\"mutual\"]\n[resumption]\nmode = \"ticket\"\n\
         [[events]]\nkind = \"drop\"\nat = \"1s\"\nback-off = \"exponential 50ms..100ms\"",
    );
    let event = event(&record, 0);
    let returns = event.returns.as_ref().unwrap();
    assert!((20..=45).contains(&returns.dropped), "{returns:?}");
    assert_eq!(returns.attempts, returns.dropped);
    assert_eq!(total(&record).ok_total(), 120 + returns.dropped);
    let resumption = only(&record).trials[0].resumption.unwrap();
    assert_eq!(resumption.accepted, 120 + returns.dropped, "{resumption:?}");
}

#[test]
fn who_is_not_back_by_the_end_counts_with_its_age() {
    let record = happened(
        "[load]\nwarmup = \"0s\"\nsessions = 10\nhold = \"1m\"\nduration = \"3s\"\n\
         [matrix]\nauth = [\"none\"]\n\
         [[events]]\nkind = \"drop\"\nat = \"1s\"\nback-off = \"constant 30s\"\njitter = \"none\"",
    );
    let event = event(&record, 0);
    let returns = event.returns.as_ref().unwrap();
    assert_eq!((returns.dropped, returns.attempts), (10, 0));
    let back = back(event);
    assert_eq!((back.count(), back.pending()), (0, 10));
    assert!(matches!(back.max(), Some(Timing::Beyond(ns)) if (S..4 * S).contains(&ns)));
}

#[test]
fn renewed_certificates_take_over_without_a_failure() {
    let record = happened(
        "[load]\nwarmup = \"0s\"\nrate = \"100/s\"\nduration = \"4s\"\n[fleet]\nmint = { count = 20 }\n\
         [[events]]\nkind = \"renew\"\nat = \"1s\"\nover = \"1s\"\noverlap = \"1s\"",
    );
    let event = event(&record, 0);
    assert_eq!(total(&record).failed_total(), 0, "{:?}", total(&record));
    let (old, new) = (before(event), after(event));
    assert_eq!(old.sessions.ok_total() + new.sessions.ok_total(), 400);
    assert!(
        old.sessions.ok_total() >= 100 && new.sessions.ok_total() >= 150,
        "{event:?}"
    );
    assert!(new.first_ok_ns.unwrap() >= S);
    let changes = event.changes.as_ref().unwrap();
    assert_eq!(changes.changed, 20);
    // Identities change one after the other.
    assert!(
        changes.last_ns.unwrap() - changes.first_ns.unwrap() > S / 2,
        "{changes:?}"
    );
}

#[test]
fn a_renewal_that_comes_too_late_is_found() {
    let record = happened(
        "[load]\nwarmup = \"0s\"\nrate = \"50/s\"\nduration = \"5s\"\n[fleet]\nmint = { count = 10 }\n\
         [[events]]\nkind = \"renew\"\nat = \"4s\"\noverlap = \"-2s\"",
    );
    let event = event(&record, 0);
    let (old, new) = (&before(event).sessions, &after(event).sessions);
    let expired = failed(old, "alert.certificate_expired");
    // The gap is one to two seconds: certificates end with whole seconds.
    assert!((40..=110).contains(&expired), "{old:?}");
    assert_eq!(old.failed_total(), expired, "{old:?}");
    assert_eq!(new.failed_total(), 0, "{new:?}");
    assert!(new.ok_total() >= 40);
    let rows = &only(&record).trials[0].timeline;
    let told = rows.iter().map(|row| row.failures.values().sum::<u64>());
    assert_eq!(told.sum::<u64>(), expired, "each second has its classes");
}

#[test]
fn revoked_certificates_are_refused_and_held_sessions_live_on() {
    let record = happened(
        "[load]\nwarmup = \"0s\"\nrate = \"60/s\"\nhold = \"800ms\"\nduration = \"4s\"\n\
         [fleet]\nmint = { count = 30 }\n[trials]\ncount = 2\n\
         [[events]]\nkind = \"revoke\"\nat = \"2s\"\nshare = 0.2",
    );
    let trials = &only(&record).trials;
    assert_eq!(trials.len(), 2);
    for trial in trials {
        let event = &trial.events[0];
        assert_eq!(event.revoked, Some(6));
        // The list of one trial is not in place in the next.
        let early = &before(event).sessions;
        assert!(early.ok_total() >= 20, "{early:?}");
        // One or two may have begun before the list was in place, and be verified after.
        let caught = failed(early, "alert.certificate_revoked");
        assert!(caught <= 3 && caught == early.failed_total(), "{early:?}");
        let refused = &after(event).sessions;
        assert_eq!(refused.ok_total(), 0, "{refused:?}");
        assert_eq!(
            failed(refused, "alert.certificate_revoked"),
            refused.started
        );
        assert!(refused.started >= 15, "{refused:?}");
        assert_eq!(event.reaction(), Some(Timing::At(0)));
        let outlived = event.outlived.unwrap();
        assert!(outlived.held >= 3 && outlived.lost == 0, "{outlived:?}");
        assert!((1..S).contains(&outlived.longest_ns), "{outlived:?}");
        assert_eq!(trial.total.failed_total(), refused.started + caught);
    }
}

#[test]
fn certificates_expire_within_the_trial() {
    let record = happened(
        "[load]\nwarmup = \"0s\"\nrate = \"60/s\"\nhold = \"500ms\"\nduration = \"4s\"\n[fleet]\nmint = { count = 12 }\n\
         [[events]]\nkind = \"expire\"\nat = \"1s\"\nshare = 0.5",
    );
    let event = event(&record, 0);
    let refused = &after(event).sessions;
    assert!(refused.started >= 40, "{refused:?}");
    assert_eq!(
        failed(refused, "alert.certificate_expired"),
        refused.started
    );
    assert_eq!(before(event).sessions.failed_total(), 0);
    assert_eq!(
        total(&record).failed_total(),
        refused.started,
        "the others go on"
    );
    assert!(event.outlived.unwrap().held > 0);
}

#[test]
fn reports_and_gates_know_events() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    let mut record = happened(
        "[load]\nwarmup = \"0s\"\nrate = \"50/s\"\nhold = \"30s\"\nduration = \"5s\"\n\
         [fleet]\nmint = { count = 25 }\n\
         [[events]]\nkind = \"drop\"\nat = \"1s\"\nback-off = \"constant 200ms\"\n\
         [[events]]\nkind = \"revoke\"\nat = \"3s\"\nshare = 0.2",
    );
    // Whether this machine kept up is not the question here.
    record.validity.valid = true;
    record.validity.reasons.clear();
    save(&here.join("out.json"), &record).unwrap();
    let report = |format: &str| {
        let output = shakedown(here)
            .args(["report", "out.json", "--format", format])
            .output()
            .unwrap();
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let words = report("text")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    for part in [
        "mtls, drop at 1.00 s",
        "sessions were cut, which made",
        "back were 50 % after",
        "5 certificates on the list, in place at 3",
        "the server refused from then on",
        "failures in the 5 s before it: none",
        "× alert.certificate_revoked",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let page = report("html");
    assert!(
        page.contains("drop at 1 s.") && page.contains("revoke at 3 s."),
        "marked over time"
    );
    assert!(
        page.contains("Sessions that came back"),
        "a drawing of the recovery"
    );
    assert!(report("markdown").contains("drop at 1.00 s"));
    let gated = |thresholds: &str| {
        let policy = format!("version = 1\n[thresholds]\n{thresholds}\n");
        fs::write(here.join("policy.toml"), policy).unwrap();
        let output = shakedown(here)
            .args(["gate", "out.json", "--policy", "policy.toml"])
            .output()
            .unwrap();
        (code(&output), text(&output.stdout) + &text(&output.stderr))
    };
    for (thresholds, status) in [
        ("recovery = [\"med<30s\", \"max<30s\"]", 0),
        ("recovery = [\"med<1ms\"]", 99),
        ("revocation-reaction = [\"max<1s\"]", 0),
        ("revocation-reaction = [\"med<1s\"]", 104),
        ("recovery = [\"p99<1\"]", 104),
    ] {
        let (code, said) = gated(thresholds);
        assert_eq!(code, status, "{thresholds}: {said}");
    }
}

//! Early data: sent, accepted, rejected and sent again, each counted exactly, and every request
//! arrives once, whatever the server does with it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;
#[path = "resumption/server.rs"]
mod server;

use common::{against, only, pki_in, reasons, run, scenario};
use server::{Server, Tickets};
use shakedown::record::{RunRecord, TrialRecord};
use shakedown::stats::{EarlyCounts, OkKind, ResumptionCounts};

fn counts(trial: &TrialRecord) -> ResumptionCounts {
    let counts = trial.resumption.expect("resumption is on");
    counts.check().unwrap();
    counts
}

/// Sixty sessions against the embedded target; half of them are resumed.
fn embedded(early: bool, protocol: &str) -> RunRecord {
    run(scenario(&format!(
        "[load]\nsessions = 6\ntotal = 60\n[workers]\ncount = 2\n[protocol]\n{protocol}\n\
         [target.embedded]\ntickets = \"stateful\"\n\
         [resumption]\nmode = \"ticket\"\nratio = 0.5\nearly-data = {early}\n\
         [matrix]\nauth = [\"server\", \"mutual\"]\ntls = [\"1.3\"]\n",
    )))
}

const PROTOCOLS: [&str; 3] = [
    "kind = \"echo\"\nexchanges = 3",
    "kind = \"echo\"\npayload = \"10KiB\"",
    "kind = \"http1\"\nexchanges = 2",
];

#[test]
fn the_embedded_target_takes_what_was_sent() {
    for protocol in PROTOCOLS {
        let record = embedded(true, protocol);
        assert!(!reasons(&record).contains(&"resumption-missed"));
        for cell in &record.cells {
            let trial = &cell.trials[0];
            let counts = counts(trial);
            let resumed = trial.total.ok_of(OkKind::Resumed);
            assert_eq!(trial.total.ok_total(), 60, "{protocol}: {:?}", trial.total);
            assert!(resumed > 0, "{protocol}");
            let all = EarlyCounts {
                sent: resumed,
                accepted: resumed,
                ..EarlyCounts::default()
            };
            assert_eq!(counts.early, all, "{protocol}");
            let target = trial.target_counts.unwrap();
            assert_eq!(target.early_accepted, resumed, "{protocol}");
            assert_eq!((target.resumed, target.full), (resumed, 60 - resumed));
        }
    }
}

#[test]
fn it_is_off_unless_asked_for_and_counted_apart_from_the_offer() {
    for protocol in PROTOCOLS {
        let (without, with) = (embedded(false, protocol), embedded(true, protocol));
        for (without, with) in without.cells.iter().zip(&with.cells) {
            let trial = &without.trials[0];
            assert!(counts(trial).early.is_empty(), "{protocol}");
            assert_eq!(trial.target_counts.unwrap().early_accepted, 0);
            // The `early_data` extension is empty: a type and a length of two bytes each.
            let bytes = |trial| counts(trial).bytes_per_offer().unwrap();
            let extension = bytes(&with.trials[0]) - bytes(trial);
            assert!((extension - 4.0).abs() < 1e-9, "{protocol}: {extension}");
        }
    }
}

#[test]
fn a_request_larger_than_the_ticket_allows_is_withheld() {
    let record = run(scenario(
        "[load]\nsessions = 2\ntotal = 20\n[protocol]\nkind = \"http1\"\nmethod = \"PUT\"\nbody = \"20KiB\"\n\
         [resumption]\nmode = \"ticket\"\nearly-data = true\n[matrix]\ntls = [\"1.3\"]\n",
    ));
    let trial = &only(&record).trials[0];
    let early = counts(trial).early;
    assert_eq!((early.withheld, early.sent), (20, 0), "{early:?}");
    assert_eq!(trial.total.ok_of(OkKind::Resumed), 20);
}

/// Forty sessions of 64 bytes each against a server of its own.
fn against_server(tickets: Tickets, early: bool) -> (TrialRecord, Server) {
    let dir = tempfile::tempdir().unwrap();
    let pki = pki_in(dir.path());
    let server = Server::start(&pki, tickets);
    let asked = scenario(&format!(
        "[load]\nsessions = 4\ntotal = 40\n[workers]\ncount = 1\n[protocol]\nkind = \"echo\"\n\
         [matrix]\ntls = [\"1.3\"]\n[resumption]\nmode = \"ticket\"\nearly-data = {early}\n",
    ));
    let url = format!("tls://localhost:{}", server.port());
    let record = run(against(asked, &url, dir.path(), Some(dir.path())));
    assert!(!reasons(&record).contains(&"resumption-missed"));
    let trial = only(&record).trials[0].clone();
    assert_eq!(trial.total.ok_of(OkKind::Resumed), 40, "{:?}", trial.total);
    let sessions = 40 + trial.prime.as_ref().unwrap().ok_total();
    assert_eq!(server.bytes(), 64 * sessions, "every request came once");
    (trial, server)
}

#[test]
fn what_the_server_rejects_is_sent_again() {
    let (trial, _server) = against_server(Tickets::AllEarlyRejected, true);
    let all = EarlyCounts {
        sent: 40,
        rejected: 40,
        replayed: 40,
        ..EarlyCounts::default()
    };
    assert_eq!(counts(&trial).early, all);
}

#[test]
fn only_what_was_rejected_is_sent_again() {
    let (trial, _server) = against_server(Tickets::EarlyRejected, true);
    let early = counts(&trial).early;
    assert_eq!((early.sent, early.accepted), (40, 20), "{early:?}");
    assert_eq!((early.rejected, early.replayed), (20, 20), "{early:?}");
}

#[test]
fn tickets_that_do_not_allow_for_it_are_offered_without() {
    let (trial, _server) = against_server(Tickets::Kept, true);
    let early = counts(&trial).early;
    assert_eq!((early.withheld, early.sent), (40, 0), "{early:?}");
}

#[test]
fn tickets_that_allow_for_it_are_not_taken_as_a_wish() {
    let (trial, _server) = against_server(Tickets::EarlyRejected, false);
    assert!(counts(&trial).early.is_empty());
}

//! Resumption against the embedded target: what the client claims is what the target counted, the
//! share is met to the session, and no identity resumes another's session.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;
#[path = "resumption/server.rs"]
mod server;

use std::time::{Duration, Instant};

use common::{against, only, pki_in, reasons, run, run_controlled, scenario, target};
use server::{Server, Tickets};
use shakedown::load::Interrupt;
use shakedown::pki::Pki;
use shakedown::record::{RunRecord, TrialRecord};
use shakedown::scenario::{ProtocolKind, Scenario};
use shakedown::stats::{OkKind, Proof, ResumptionCounts};
use shakedown::tls::ServerAuth;
use tokio::sync::watch;

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
        // No more in flight than there are tickets, so that a busy machine starves nobody.
        "rate = \"200/s\"\nmax-in-flight = 20\nduration = \"250ms\"\nwarmup = \"50ms\"",
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

#[test]
fn a_resumed_tls12_handshake_proves_nothing_by_itself() {
    let record = run(scenario(
        "[load]\nsessions = 2\ntotal = 20\n[protocol]\nkind = \"handshake\"\n\
         [resumption]\nmode = \"ticket\"\nratio = 0.5\n[matrix]\ntls = [\"1.2\"]\n",
    ));
    let proofs = &only(&record).trials[0].proofs;
    assert_eq!(proofs[&Proof::ServerFinished], 10, "{proofs:?}");
    assert_eq!(proofs[&Proof::OrderlyClose], 10, "{proofs:?}");
}

#[test]
fn tickets_come_in_the_number_that_was_asked_for() {
    for (asked, sent, each) in [
        ("", "", 2),
        ("", "ticket-count = 3", 3),
        ("tickets = 5", "", 5),
    ] {
        let record = run(scenario(&format!(
            "[load]\nsessions = 2\ntotal = 20\n[workers]\ncount = 1\n[matrix]\ntls = [\"1.3\"]\n\
             [resumption]\nmode = \"ticket\"\n{asked}\n[target.embedded]\n{sent}\n",
        )));
        let harvested = counts(&only(&record).trials[0]).harvested;
        assert_eq!(harvested, 20 * each, "{asked} {sent}");
    }
}

#[test]
fn a_store_keeps_twice_what_is_in_flight_and_drops_the_rest() {
    let record = run(scenario(
        "[load]\nsessions = 5\ntotal = 20\n[workers]\ncount = 1\n[matrix]\ntls = [\"1.3\"]\n\
         [resumption]\nmode = \"ticket\"\nratio = 0\n",
    ));
    let trial = &only(&record).trials[0];
    let counts = counts(trial);
    assert_eq!((counts.harvested, counts.dropped), (40, 30));
    assert_eq!((counts.planned, trial.prime.as_ref()), (0, None));
}

#[test]
fn one_session_is_enough_where_it_is_reused() {
    for (reuse, primed) in [(false, 8), (true, 1)] {
        let record = run(scenario(&format!(
            "[load]\nsessions = 8\ntotal = 40\n[workers]\ncount = 1\n[matrix]\ntls = [\"1.2\"]\n\
             [resumption]\nmode = \"session-id\"\nreuse = {reuse}\n",
        )));
        assert_share_is_met(&record, "reuse");
        let prime = only(&record).trials[0].prime.as_ref().unwrap();
        assert_eq!(prime.ok_total(), primed, "reuse {reuse}");
    }
}

/// A scenario of forty sessions against a server of its own.
fn against_server(pki: &std::path::Path, port: u16, resumption: &str) -> Scenario {
    let scenario = scenario(&format!(
        "[load]\nsessions = 4\ntotal = 40\n[workers]\ncount = 1\n[protocol]\nkind = \"echo\"\n\
         [matrix]\ntls = [\"1.3\"]\n[resumption]\nmode = \"ticket\"\n{resumption}\n",
    ));
    against(scenario, &format!("tls://localhost:{port}"), pki, Some(pki))
}

/// Why a run missed the share it was asked for.
fn missed(record: &RunRecord) -> String {
    let mut reasons = record.validity.reasons.iter();
    let missed = reasons.find(|reason| reason.code == "resumption-missed");
    let missed = missed.unwrap_or_else(|| panic!("{:?}", record.validity));
    format!("{}; {}", missed.message, missed.advice)
}

#[test]
fn a_server_without_tickets_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let pki = pki_in(dir.path());
    let auth = ServerAuth::Required(pki.roots().to_vec().into());
    let (_target, addr) = target(&pki, auth, ProtocolKind::Echo);
    let record = run(against_server(dir.path(), addr.port(), "ratio = 0.5"));
    let trial = &only(&record).trials[0];
    assert_eq!((counts(trial).starved, trial.total.ok_total()), (20, 40));
    assert!(
        missed(&record).contains("for 20 there was no ticket"),
        "{}",
        missed(&record)
    );
    // Priming gives up once it is clear that nothing comes.
    assert_eq!(trial.prime.as_ref().unwrap().ok_total(), 4);
}

#[test]
fn a_server_that_refuses_its_tickets_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let pki = pki_in(dir.path());
    let server = Server::start(&pki, Tickets::Forgotten);
    let record = run(against_server(dir.path(), server.port(), ""));
    let counts = counts(&only(&record).trials[0]);
    assert_eq!((counts.offered, counts.refused), (40, 40), "{counts:?}");
    assert!(
        missed(&record).contains("40 were refused"),
        "{}",
        missed(&record)
    );
}

#[test]
fn expired_tickets_are_not_offered() {
    let dir = tempfile::tempdir().unwrap();
    let pki = pki_in(dir.path());
    let server = Server::start(&pki, Tickets::Lifetime(1));
    let mut scenario = against_server(dir.path(), server.port(), "");
    scenario.load.sessions = Some(1);
    scenario.load.total = Some(2);
    // More than a second, as rustls counts whole ones.
    scenario.load.hold = Some("2100ms".parse().unwrap());
    let record = run(scenario);
    let counts = counts(&only(&record).trials[0]);
    assert_eq!((counts.accepted, counts.expired), (1, 1), "{counts:?}");
    assert!(
        missed(&record).contains("had expired"),
        "{}",
        missed(&record)
    );
}

#[test]
fn no_identity_resumes_anothers_session() {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::mint(&shakedown::pki::PkiSpec {
        clients: 3,
        ..Default::default()
    })
    .unwrap();
    pki.write(dir.path(), false).unwrap();
    let server = Server::start(&pki, Tickets::Kept);
    let mut text = String::new();
    for (index, share) in [1, 2, 4].into_iter().enumerate() {
        let file = |ending| dir.path().join(format!("client-{index}.{ending}"));
        let section = format!(
            "[[identities]]\nname = \"c{index}\"\ncert = {:?}\nkey = {:?}\nshare = {share}\n",
            file("pem"),
            file("key")
        );
        text.push_str(&section);
    }
    let mut scenario = against_server(dir.path(), server.port(), &format!("ratio = 0.5\n{text}"));
    scenario.identity = None;
    scenario.load.total = Some(140);
    scenario.workers.count = Some(2);
    let record = run(scenario);
    assert!(
        !reasons(&record).contains(&"resumption-missed"),
        "{:?}",
        record.validity
    );
    let trial = &only(&record).trials[0];
    let mut sum = 0;
    for (index, client) in pki.clients().iter().enumerate() {
        // Whom a resumed session authenticates is in its ticket, so the server knows whose it was.
        let seen = server.resumed_by(&client.chain[0]);
        let claimed = trial.identities[&format!("c{index}")].ok_of(OkKind::Resumed);
        assert_eq!(seen, claimed, "client {index}");
        assert!(claimed > 0, "client {index}");
        sum += seen;
    }
    assert_eq!(sum, trial.total.ok_of(OkKind::Resumed));
}

#[test]
fn an_interrupt_ends_priming() {
    let dir = tempfile::tempdir().unwrap();
    pki_in(dir.path());
    // It takes connections in and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let (sender, control) = watch::channel(Interrupt::None);
    let interrupt = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        sender.send_replace(Interrupt::Drain);
        sender
    });
    let start = Instant::now();
    let record =
        run_controlled(against_server(dir.path(), port, ""), &control, &mut |_| {}).unwrap();
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
    interrupt.join().unwrap();
    let trial = &only(&record).trials[0];
    let prime = trial.prime.as_ref().unwrap();
    prime.check().unwrap();
    assert_eq!((prime.cancelled_total(), trial.total.scheduled), (4, 0));
    assert!(trial.interrupted && !record.validity.complete);
}

#[test]
fn priming_ends_whatever_the_server_does() {
    let dir = tempfile::tempdir().unwrap();
    pki_in(dir.path());
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut scenario = against_server(dir.path(), port, "");
    scenario.load.total = None;
    scenario.load.warmup = Some("0s".parse().unwrap());
    scenario.load.duration = Some("100ms".parse().unwrap());
    scenario.load.grace = Some("100ms".parse().unwrap());
    scenario.timeouts.handshake = "60s".parse().unwrap();
    let start = Instant::now();
    let record = run(scenario);
    // Ten seconds of priming, then duration, grace and one second.
    let took = start.elapsed();
    assert!(took < Duration::from_millis(11_200), "{took:?}");
    let trial = &only(&record).trials[0];
    let prime = trial.prime.as_ref().unwrap();
    assert_eq!((prime.cancelled_total(), prime.started), (4, 4));
    assert_eq!(counts(trial).starved, 4);
}

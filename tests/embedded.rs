//! The main job against the embedded target: counts that must agree, loads that must be met,
//! rejections that must not count, runs that must end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::io::Read;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use common::{
    against, evidence, only, pki_in, reasons, run, run_controlled, scenario, sessions_and_lost,
    target, total, try_run,
};
use shakedown::load::{Event, Interrupt};
use shakedown::record::RunRecord;
use shakedown::scenario::{ProtocolKind, Scenario};
use shakedown::stats::{OkKind, Proof};
use shakedown::tls::ServerAuth;
use tokio::sync::watch;

/// The embedded target's own count of every trial equals what the client claims, ± 0.
fn assert_target_agrees(record: &RunRecord) {
    for cell in &record.cells {
        for trial in &cell.trials {
            let counts = trial.target_counts.expect("the target is ours");
            let confirmed = trial.total.ok_total();
            assert_eq!(counts.established(), confirmed, "{}", cell.cell.name);
            let authenticated = if cell.is_mutual() { confirmed } else { 0 };
            assert_eq!(counts.authenticated, authenticated, "{}", cell.cell.name);
            assert_eq!(counts.resumed, 0);
        }
    }
}

#[test]
fn open_loop_agrees_with_the_target_in_every_cell() {
    let record = run(scenario(
        "[load]\nrate = \"200/s\"\nduration = \"500ms\"\nwarmup = \"100ms\"\n\
         [trials]\ncount = 2\n[matrix]\nauth = [\"none\", \"server\", \"mutual\"]\ntls = [\"1.2\", \"1.3\"]\n",
    ));
    let names: Vec<&str> = record.cells.iter().map(|c| c.cell.name.as_str()).collect();
    assert_eq!(names, ["tcp", "tls1.2", "tls1.3", "mtls1.2", "mtls1.3"]);
    assert_target_agrees(&record);
    for cell in &record.cells {
        // 200/s for 0.6 s, the first arrival at zero: the schedule is exact.
        let total = cell.total();
        assert_eq!(total.scheduled, 2 * 120, "{}", cell.cell.name);
        assert_eq!(total.ok_total(), total.scheduled, "{total:?}");
        let kind = if cell.cell.name == "tcp" {
            OkKind::Tcp
        } else {
            OkKind::Full
        };
        assert_eq!(total.ok_of(kind), total.scheduled);
        for observed in cell.trials.iter().flat_map(|t| &t.observed) {
            assert_eq!(observed.certificate_requested, cell.is_mutual());
            assert_eq!(observed.certificate_sent, cell.is_mutual());
            assert_eq!(observed.group, "x25519");
            let version = if cell.cell.name.ends_with("1.2") {
                "TLSv1.2"
            } else {
                "TLSv1.3"
            };
            assert_eq!(observed.version, version);
        }
    }
    assert!(record.validity.complete);
    evidence("outcomes", "target_agrees", &sessions_and_lost(&record));
}

#[test]
fn closed_loop_agrees_with_the_target_for_every_protocol() {
    for protocol in ["handshake", "echo", "http1"] {
        let record = run(scenario(&format!(
            "[load]\nsessions = 8\nduration = \"300ms\"\nwarmup = \"50ms\"\n\
             [workers]\ncount = 2\n[protocol]\nkind = \"{protocol}\"\n",
        )));
        assert_target_agrees(&record);
        let counts = total(&record);
        assert!(
            counts.ok_total() > 0 && counts.failed_total() == 0,
            "{protocol}: {counts:?}"
        );
        let proof = match protocol {
            "handshake" => Proof::OrderlyClose,
            _ => Proof::ApplicationData,
        };
        assert!(
            only(&record).trials[0].proofs.keys().eq([&proof]),
            "{protocol}"
        );
    }
}

#[test]
fn tls12_handshakes_are_confirmed_by_the_servers_finished() {
    let record = run(scenario(
        "[load]\nsessions = 1\ntotal = 20\n[protocol]\nkind = \"handshake\"\n[matrix]\ntls = [\"1.2\"]\n",
    ));
    assert_target_agrees(&record);
    assert_eq!(only(&record).trials[0].proofs[&Proof::ServerFinished], 20);
}

#[test]
fn a_total_is_met_exactly_whatever_the_workers() {
    for (sessions, workers) in [(1, 2), (5, 2), (64, 3)] {
        let record = run(scenario(&format!(
            "[load]\nsessions = {sessions}\ntotal = 101\n[workers]\ncount = {workers}\n",
        )));
        assert_eq!(
            total(&record).ok_total(),
            101,
            "{sessions} sessions, {workers} workers"
        );
        assert_target_agrees(&record);
    }
    let record = run(scenario(
        "[load]\nrate = \"1000/s\"\ntotal = 101\narrivals = \"poisson\"\n[workers]\ncount = 2\n",
    ));
    assert_eq!(total(&record).ok_total(), 101);
}

#[test]
fn large_bodies_and_payloads_go_through() {
    for protocol in [
        "kind = \"echo\"\npayload = \"1MiB\"",
        "kind = \"http1\"\nmethod = \"POST\"\nbody = \"1MiB\"",
    ] {
        let record = run(scenario(&format!(
            "[load]\nsessions = 2\ntotal = 4\n[protocol]\n{protocol}\n"
        )));
        assert_eq!(
            total(&record).ok_total(),
            4,
            "{protocol}: {:?}",
            total(&record)
        );
    }
}

#[test]
fn sessions_are_held_open_at_once() {
    let record = run(scenario(
        "[load]\nsessions = 200\nhold = \"30s\"\nramp-up = \"300ms\"\nduration = \"4s\"\nwarmup = \"0s\"\n",
    ));
    let trial = &only(&record).trials[0];
    assert_eq!(trial.held_max, 200);
    assert_eq!(trial.lost_while_held, 0);
    assert_eq!(trial.total.ok_total(), 200);
    assert_target_agrees(&record);
}

#[test]
fn arrivals_beyond_the_limit_are_not_started_and_make_the_run_invalid() {
    let record = run(scenario(
        "[load]\nrate = \"200/s\"\nmax-in-flight = 5\nhold = \"5s\"\nduration = \"500ms\"\nwarmup = \"0s\"\n",
    ));
    let counts = total(&record);
    assert_eq!(counts.scheduled, 100);
    assert_eq!(counts.started, 5);
    assert_eq!(counts.not_started["max_in_flight"], 95);
    assert!(
        reasons(&record).contains(&"load-not-achieved"),
        "{:?}",
        record.validity
    );
}

#[test]
fn ramps_follow_their_profile() {
    let record = run(scenario(
        "[load]\nstages = [{ over = \"400ms\", rate = \"500/s\" }, { over = \"200ms\", rate = \"500/s\" }]\n",
    ));
    // The area under the ramp: 0.4 s × 500/s ÷ 2 + 0.2 s × 500/s.
    assert_eq!(total(&record).scheduled, 200);
    let record = run(scenario(
        "[load]\nstages = [{ over = \"300ms\", sessions = 20 }, { over = \"300ms\", sessions = 20 }]\nhold = \"10s\"\n",
    ));
    assert_eq!(only(&record).trials[0].held_max, 20);
}

/// A short closed loop that meets TLS 1.3 unless told otherwise.
fn short(extra: &str) -> Scenario {
    scenario(&format!(
        "[load]\nsessions = 2\ntotal = 20\n[matrix]\ntls = [\"1.3\"]\n{extra}"
    ))
}

#[test]
fn a_client_of_another_authority_is_never_ok() {
    let (here, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let pki = pki_in(here.path());
    pki_in(elsewhere.path());
    for protocol in [
        ProtocolKind::Echo,
        ProtocolKind::Http1,
        ProtocolKind::Handshake,
    ] {
        let (target, addr) = target(
            &pki,
            ServerAuth::Required(pki.roots().to_vec().into()),
            protocol,
        );
        let mut wrong = short("");
        wrong.protocol.kind = Some(protocol);
        let url = format!("tls://localhost:{}", addr.port());
        let record = run(against(wrong, &url, here.path(), Some(elsewhere.path())));
        let counts = total(&record);
        assert_eq!(counts.ok_total(), 0, "{counts:?}");
        assert_eq!(counts.failed["alert.unknown_ca"].count, 20, "{counts:?}");
        assert_eq!(target.counts(0).authenticated, 0);
        assert!(reasons(&record).contains(&"nothing-confirmed"));
    }
}

#[test]
fn an_alert_is_not_lost_while_a_session_is_held() {
    let (here, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let pki = pki_in(here.path());
    pki_in(elsewhere.path());
    let required = ServerAuth::Required(pki.roots().to_vec().into());
    let (_target, addr) = target(&pki, required, ProtocolKind::Handshake);
    let url = format!("tls://localhost:{}", addr.port());
    let mut held = short("[protocol]\nkind = \"handshake\"\n");
    held.load.hold = Some(shakedown::units::Span::secs(5));
    let record = run(against(held, &url, here.path(), Some(elsewhere.path())));
    assert_eq!(total(&record).failed["alert.unknown_ca"].count, 20);
    let trial = &only(&record).trials[0];
    assert_eq!((trial.held_max, trial.lost_while_held), (0, 0));
}

#[test]
fn one_session_in_flight_starves_no_arrival_of_a_second_worker() {
    let record = run(scenario(
        "[load]\nrate = \"20/s\"\nmax-in-flight = 1\ntotal = 20\n[workers]\ncount = 2\n",
    ));
    let counts = total(&record);
    assert_eq!(counts.scheduled, 20);
    assert!(counts.started > 10, "{counts:?}");
}

#[test]
fn a_total_of_an_open_loop_lets_sessions_be_held() {
    let record = run(scenario(
        "[load]\nrate = \"100/s\"\ntotal = 20\nhold = \"2500ms\"\n",
    ));
    let trial = &only(&record).trials[0];
    assert_eq!(trial.held_max, 20);
    // Nothing starts or ends in the second second, and all are in flight.
    assert_eq!(trial.timeline[1].started, 0);
    assert_eq!(trial.timeline[1].in_flight_max, 20);
    assert_target_agrees(&record);
}

#[test]
fn a_client_without_a_certificate_learns_why() {
    let dir = tempfile::tempdir().unwrap();
    let pki = pki_in(dir.path());
    let (_target, addr) = target(
        &pki,
        ServerAuth::Required(pki.roots().to_vec().into()),
        ProtocolKind::Echo,
    );
    let url = format!("tls://localhost:{}", addr.port());
    let record = run(against(
        short("[protocol]\nkind = \"echo\"\n"),
        &url,
        dir.path(),
        None,
    ));
    assert_eq!(
        total(&record).failed["alert.certificate_required"].count,
        20,
        "{:?}",
        total(&record)
    );
}

#[test]
fn a_server_that_does_not_ask_makes_a_mutual_run_invalid() {
    let dir = tempfile::tempdir().unwrap();
    let pki = pki_in(dir.path());
    let (_target, addr) = target(&pki, ServerAuth::Off, ProtocolKind::Echo);
    let url = format!("tls://localhost:{}", addr.port());
    let record = run(against(
        short("[protocol]\nkind = \"echo\"\n"),
        &url,
        dir.path(),
        Some(dir.path()),
    ));
    assert_eq!(total(&record).ok_total(), 20);
    assert!(reasons(&record).contains(&"certificate-not-requested"));
}

#[test]
fn we_reject_servers_we_must_not_trust() {
    let (here, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let pki = pki_in(here.path());
    pki_in(elsewhere.path());
    let (_target, addr) = target(&pki, ServerAuth::Off, ProtocolKind::Echo);
    let url = format!("tls://localhost:{}", addr.port());
    let server_only = || short("[protocol]\nkind = \"echo\"\n");
    let unknown = run(against(server_only(), &url, elsewhere.path(), None));
    assert_eq!(
        total(&unknown).failed["server_cert.unknown_issuer"].count,
        20
    );
    let mut other_name = against(server_only(), &url, here.path(), None);
    other_name.tls.sni = Some("other.example".to_owned());
    assert_eq!(total(&run(other_name)).failed["server_cert.name"].count, 20);
    let mut blind = against(server_only(), &url, elsewhere.path(), None);
    blind.tls.cacert = None;
    blind.tls.insecure = true;
    let record = run(blind);
    assert_eq!(total(&record).ok_total(), 20);
    assert!(record.warnings.iter().any(|w| w.code == "insecure"));
}

#[test]
fn nothing_listening_is_refused_and_counted() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let dir = tempfile::tempdir().unwrap();
    pki_in(dir.path());
    let url = format!("tls://127.0.0.1:{port}");
    let record = run(against(short(""), &url, dir.path(), None));
    assert_eq!(total(&record).failed["connect.refused"].count, 20);
}

/// A server that accepts and then says nothing; it counts its connections.
fn silent() -> (u16, std::sync::mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, accepted) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = sender.send(());
            std::thread::spawn(move || {
                let mut stream = stream;
                let mut sink = [0; 1024];
                while stream.read(&mut sink).is_ok_and(|n| n > 0) {}
            });
        }
    });
    (port, accepted)
}

#[test]
fn a_silent_server_times_out_by_stage_and_the_run_ends() {
    let (port, accepted) = silent();
    let dir = tempfile::tempdir().unwrap();
    pki_in(dir.path());
    let stalled = scenario(
        "[load]\nsessions = 4\nduration = \"600ms\"\nwarmup = \"0s\"\ngrace = \"200ms\"\n\
         [timeouts]\nhandshake = \"250ms\"\n",
    );
    let began = Instant::now();
    let record = run(against(
        stalled,
        &format!("tls://127.0.0.1:{port}"),
        dir.path(),
        None,
    ));
    let took = began.elapsed();
    assert!(took < Duration::from_millis(600 + 200 + 1_000), "{took:?}");
    let counts = total(&record);
    let silent = &counts.failed["unanswered.handshake"];
    assert!(silent.count >= 8, "{counts:?}");
    assert_eq!(accepted.try_iter().count() as u64, counts.started);
}

#[test]
fn what_is_in_flight_at_the_deadline_is_unanswered_not_lost() {
    let (port, _accepted) = silent();
    let dir = tempfile::tempdir().unwrap();
    pki_in(dir.path());
    let stalled = scenario(
        "[load]\nsessions = 4\nduration = \"300ms\"\nwarmup = \"0s\"\ngrace = \"100ms\"\n",
    );
    let record = run(against(
        stalled,
        &format!("tls://127.0.0.1:{port}"),
        dir.path(),
        None,
    ));
    let failed = total(&record).failed;
    assert_eq!(failed["unanswered.handshake"].count, 4, "{failed:?}");
}

/// Interrupts a run once it has sessions in flight and says how long it then took.
fn interrupted(sections: &str, with: Interrupt) -> (RunRecord, Duration) {
    let (sender, control) = watch::channel(Interrupt::None);
    let mut at = None;
    let record = run_controlled(scenario(sections), &control, &mut |event| {
        if let Event::Tick { live, .. } = event
            && live.ok > 0
            && at.is_none()
        {
            at = Some(Instant::now());
            sender.send_replace(with);
        }
    })
    .unwrap();
    (record, at.expect("it was interrupted").elapsed())
}

#[test]
fn an_interrupt_ends_the_run_in_order() {
    let long = "[load]\nsessions = 4\nduration = \"60s\"\nwarmup = \"0s\"\n[trials]\ncount = 3\n";
    let (record, took) = interrupted(long, Interrupt::Drain);
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(!record.validity.complete);
    assert_eq!(only(&record).trials.len(), 1);
    assert_eq!(total(&record).cancelled_total(), 0);
    assert_target_agrees(&record);
    let held = "[load]\nsessions = 4\nhold = \"60s\"\nduration = \"60s\"\nwarmup = \"0s\"\n";
    let (record, took) = interrupted(held, Interrupt::Drain);
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(total(&record).ok_total(), 4);
}

#[test]
fn an_abort_ends_the_run_at_once() {
    let long = "[load]\nrate = \"50/s\"\nduration = \"60s\"\nwarmup = \"0s\"\ngrace = \"60s\"\n";
    let (record, took) = interrupted(long, Interrupt::Abort);
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(!record.validity.complete);
}

#[test]
fn a_public_address_is_refused_before_any_packet() {
    let mut scenario = short("");
    scenario.target.url = Some("https://staging.example:443/".to_owned());
    scenario.target.resolve = vec!["staging.example:443:192.0.2.7".to_owned()];
    let error = try_run(scenario).unwrap_err().to_string();
    assert!(
        error.contains("192.0.2.7") && error.contains("--allow-public"),
        "{error}"
    );
}

#[test]
fn key_algorithms_of_the_embedded_target() {
    for (key, scheme) in [
        ("p384", "ecdsa_secp384r1_sha384"),
        ("ed25519", "ed25519"),
        ("rsa2048", "rsa_pss_rsae_sha256"),
    ] {
        let record = run(short(&format!("[target.embedded]\nkey = \"{key}\"\n")));
        assert_eq!(total(&record).ok_total(), 20, "{key}");
        assert_eq!(
            only(&record).trials[0].observed[0].client_signature,
            scheme,
            "{key}"
        );
    }
}

#[test]
fn what_was_pinned_where_is_recorded() {
    let record = run(short("[workers]\ncount = 1\ncores = \"0\"\n"));
    let worker = record
        .plan
        .placements
        .iter()
        .find(|p| p.thread == "worker-0")
        .unwrap();
    assert_eq!((worker.core, worker.pinned), (Some(0), true));
    assert!(
        record
            .plan
            .placements
            .iter()
            .any(|p| p.thread == "target-0")
    );
}

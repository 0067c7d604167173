//! Sessions taken apart: what the ledgers of both ends hold against what the protocol asks for, and
//! the command. Counts only; what times come to is for benches and for `shakedown anatomy` itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use common::process::{code, run as command, text};
use common::{pki_in, run, scenario, target};
use shakedown::analysis::dissect;
use shakedown::crypto::SWITCH;
use shakedown::probe::{ProbePlan, probe, story};
use shakedown::record::{self, CellRecord, LedgerRecord, RunRecord};
use shakedown::report::{Style, render};
use shakedown::scenario::{ProtocolKind, Scenario};
use shakedown::stats::{OkKind, Step, Work};
use shakedown::store;
use shakedown::tls::ServerAuth;

/// A short metered run of every cell of an anatomy.
fn metered() -> RunRecord {
    run(scenario(
        "metered = true\n[resumption]\nmode = \"ticket\"\n[load]\nsessions = 1\ntotal = 20\n\
         [workers]\ncount = 1\n[matrix]\nauth = [\"none\", \"server\", \"mutual\"]\ntls = [\"1.3\"]\n\
         resumed = [0, 1]\n",
    ))
}

/// How often a ledger has an operation, per session.
fn per_session(ledger: &LedgerRecord, work: &str, signatures: Option<bool>) -> u64 {
    let wanted = ledger.entries.iter().filter(|entry| {
        entry.work == work && signatures.is_none_or(|named| entry.algorithm.is_some() == named)
    });
    let count: u64 = wanted.map(|entry| entry.count).sum();
    assert_eq!(
        count % ledger.sessions,
        0,
        "{work}: the same in every session"
    );
    count / ledger.sessions
}

/// Shared secrets, signatures, paths built, signatures in chains, signatures over the handshake.
fn counts(ledger: &LedgerRecord) -> [u64; 5] {
    [
        per_session(ledger, "kx_complete", None),
        per_session(ledger, "sign", None),
        per_session(ledger, "verify_chain", Some(false)),
        per_session(ledger, "verify_chain", Some(true)),
        per_session(ledger, "verify_transcript", None),
    ]
}

#[test]
fn the_ledgers_of_both_ends_hold_what_the_protocol_asks_for() {
    let record = metered();
    for cell in &record.cells {
        let (kind, client, server) = match cell.cell.name.as_str() {
            "tcp" => (OkKind::Tcp, [0; 5], [0; 5]),
            "tls" => (OkKind::Full, [1, 0, 1, 2, 1], [1, 1, 0, 0, 0]),
            "mtls" => (OkKind::Full, [1, 1, 1, 2, 1], [1, 1, 1, 2, 1]),
            _ => (OkKind::Resumed, [1, 0, 0, 0, 0], [1, 0, 0, 0, 0]),
        };
        let trial = &cell.trials[0];
        let anatomy = trial.anatomy.as_ref().expect("it was metered");
        let of_client = &anatomy.client[&kind];
        assert_eq!(of_client.sessions, trial.measured.ok_of(kind));
        assert_eq!(counts(of_client), client, "client of {}", cell.cell.name);
        let of_target = &anatomy.target[&kind];
        assert!(of_target.sessions > 0, "{}", cell.cell.name);
        assert_eq!(counts(of_target), server, "target of {}", cell.cell.name);
        bytes_agree(cell, of_client, kind);
    }
    assert!(record.warnings.iter().any(|note| note.code == "metered"));
    assert!(record.plan.metering.unwrap().span_ns > 0.0);
}

/// What the ledger says of bytes is what the session driver counted by itself.
fn bytes_agree(cell: &CellRecord, ledger: &LedgerRecord, kind: OkKind) {
    let counted = &cell.trials[0].kinds[&kind];
    let sum = |sent| -> u64 {
        let flights = ledger.flights.iter().filter(|f| f.sent == sent);
        flights.map(|flight| flight.bytes).sum()
    };
    assert_eq!(sum(true), counted.handshake_bytes_out, "{}", cell.cell.name);
    assert_eq!(sum(false), counted.handshake_bytes_in, "{}", cell.cell.name);
    assert!(ledger.data_sent >= 64 * ledger.sessions);
    // One round trip for TLS 1.3 until the client has finished.
    let turns = u64::from(kind != OkKind::Tcp);
    assert_eq!(ledger.turns, turns * ledger.sessions, "{}", cell.cell.name);
}

#[test]
fn figures_and_report_are_made_from_the_record_alone() {
    let record = metered();
    let mutual = record.cells.iter().find(|c| c.cell.name == "mtls").unwrap();
    let found = dissect(mutual).unwrap();
    assert_eq!(found.len(), 1, "one kind: {found:?}");
    let (client, target) = (&found[0].client, found[0].target.as_ref().unwrap());
    // Who verifies whom, and what costs only bytes.
    let [
        _,
        _,
        verifies_server,
        request,
        certificate,
        _,
        verifies_client,
        ..,
    ] = Step::ALL;
    assert!(client.step_us(verifies_server) > 0.0 && target.step_us(verifies_client) > 0.0);
    for end in [client, target] {
        assert!(end.step_us(request) + end.step_us(certificate) <= 0.0);
        assert!(end.work_us(Work::Tls) > 0.0 && end.work_us(Work::Socket) > 0.0);
    }
    assert!(client.step_us(verifies_client) <= 0.0 && target.step_us(verifies_server) <= 0.0);
    let ways: Vec<bool> = client.flights.iter().map(|flight| flight.sent).collect();
    assert_eq!(ways, [true, false, true]);
    let report = render(&record, Style::default()).unwrap();
    for part in [
        "tcp: sessions without TLS",
        "mtls: full handshakes",
        "mtls-resumed: resumed handshakes",
        "3 the client verifies the server",
        "verify_chain ecdsa_secp256r1_sha256",
        "verify_chain: path, dates, names",
        "rustls itself",
        "the ledger explains",
        "metering itself takes about",
        "note metered",
    ] {
        assert!(report.contains(part), "{part} is missing:\n{report}");
    }
    // Latency and CPU of metered sessions are no figures to compare.
    assert!(!report.contains("handshake p50"), "{report}");
    for line in report.lines().filter(|line| line.contains('|')) {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn nothing_is_metered_unless_asked_for() {
    let record = run(scenario("[load]\nsessions = 1\ntotal = 5\n"));
    let switched_on = std::env::var_os(SWITCH).is_some_and(|value| value == "1");
    let noted = record.warnings.iter().any(|note| note.code == "metered");
    assert_eq!(record.plan.metering.is_some(), switched_on);
    assert_eq!(record.cells[0].trials[0].anatomy.is_some(), switched_on);
    assert_eq!(noted, switched_on, "a metered run always says so");
}

#[test]
fn a_chain_is_verified_once_where_that_was_asked_and_it_is_said() {
    let run = |verify: &str| {
        let text = format!(
            "metered = true\n[load]\nsessions = 3\ntotal = 20\nwarmup = \"0s\"\n[workers]\ncount = 1\n\
             [matrix]\nauth = [\"mutual\"]\n[tls]\nverify = \"{verify}\"\n"
        );
        let record = run(scenario(&text));
        let ledger = &record.cells[0].trials[0].anatomy.as_ref().unwrap().client[&OkKind::Full];
        let count = |work: &str, signatures: bool| -> u64 {
            let entries = ledger.entries.iter().filter(|entry| entry.work == work);
            let wanted = entries.filter(|entry| entry.algorithm.is_some() == signatures);
            wanted.map(|entry| entry.count).sum()
        };
        // Paths built, signatures in chains, signatures over handshakes.
        let counts = [
            count("verify_chain", false),
            count("verify_chain", true),
            count("verify_transcript", true),
        ];
        let warned = (record.warnings.iter()).any(|note| note.code == "verified-once");
        let report = render(&record, Style::default()).unwrap();
        (counts, warned, report.contains("VERIFIED ONCE"))
    };
    assert_eq!(run("every-handshake"), ([20, 40, 20], false, false));
    assert_eq!(run("once-per-chain"), ([1, 2, 20], true, true));
}

#[test]
fn the_command_prints_what_report_prints_again() {
    let dir = tempfile::tempdir().unwrap();
    let short = "anatomy -q --trials 2 -d 100ms -o a.json";
    let output = command(dir.path(), short);
    let stdout = text(&output.stdout);
    // On a machine as busy as a test run a trial may be invalid, but never incomplete.
    assert!([0, 106].contains(&code(&output)), "{stdout}");
    for cell in ["tcp", "tls", "tls-resumed", "mtls", "mtls-resumed"] {
        assert!(stdout.contains(&format!("\n{cell}: ")), "{cell}:\n{stdout}");
    }
    let again = command(dir.path(), "report a.json");
    assert_eq!(text(&again.stdout), stdout);
    let record = store::load(&dir.path().join("a.json")).unwrap();
    assert!(record.plan.scenario.metered);
    let schema: serde_json::Value = serde_json::from_str(&record::json_schema()).unwrap();
    let value = serde_json::to_value(&record).unwrap();
    assert!(jsonschema::is_valid(&schema, &value));
}

#[test]
fn in_memory_the_command_says_how_much_the_ledger_explains() {
    let dir = tempfile::tempdir().unwrap();
    let output = command(dir.path(), "anatomy --in-memory --json --resumption off");
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&str> = (found["cells"].as_array().unwrap().iter())
        .map(|cell| cell["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["tls", "mtls"]);
    let server = &found["cells"][1]["server"];
    assert!(server["explained"]["median"].is_number());
    // Where the whole process is metered there is nothing to hold it against.
    let switched_on = std::env::var_os("SHAKEDOWN_METERED").is_some_and(|value| value == "1");
    assert_eq!(server["metering"]["median"].is_number(), !switched_on);
}

#[test]
fn a_server_elsewhere_shows_our_end_only() {
    let dir = tempfile::tempdir().unwrap();
    let pki = pki_in(dir.path());
    let trust = ServerAuth::Required(pki.roots().to_vec().into());
    let (_target, addr) = target(&pki, trust, ProtocolKind::Http1);
    let output = command(
        dir.path(),
        &format!(
            "anatomy https://localhost:{port} --resolve localhost:{port}:127.0.0.1 -q --trials 1 -d 100ms \
             --cacert ca.pem --cert client-0.pem --key client-0.key --resumption off",
            port = addr.port()
        ),
    );
    let stdout = text(&output.stdout);
    assert!(
        stdout.contains("\nmtls: full"),
        "{stdout}{}",
        text(&output.stderr)
    );
    assert!(stdout.contains("client µs") && !stdout.contains("target µs"));
}

#[test]
fn a_probe_tells_what_each_step_took() {
    let dir = tempfile::tempdir().unwrap();
    let pki = pki_in(dir.path());
    let trust = ServerAuth::Required(pki.roots().to_vec().into());
    let (_target, addr) = target(&pki, trust, ProtocolKind::Http1);
    let mut asked = Scenario::default();
    asked.target.url = Some(format!("https://localhost:{}/", addr.port()));
    let checked = asked.check("probe", "").unwrap();
    let plan = ProbePlan {
        pinned: vec!["127.0.0.1".to_owned()],
        roots: Some(pki.roots().to_vec()),
        identity: pki.clients().first().cloned(),
        ..ProbePlan::new(&checked, std::time::Duration::from_secs(5)).unwrap()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let report = runtime.block_on(probe(&plan)).unwrap();
    let cost = report.cost.as_ref().unwrap();
    let step = |number: u8| cost.steps.iter().find(|s| s.step == number).unwrap();
    let count = |number: u8, operation: &str| -> u64 {
        let of_step = step(number).operations.iter();
        let wanted = of_step.filter(|o| o.operation == operation);
        wanted.map(|operation| operation.count).sum()
    };
    assert_eq!(count(1, "kx_start"), 1);
    // The path once and two signatures; what is checked again for the reader is not counted.
    assert_eq!(count(3, "verify_chain"), 3);
    assert_eq!((count(6, "sign"), count(6, "verify_transcript")), (1, 1));
    let finished = report.finished.as_ref().unwrap();
    let sent = step(1).bytes_sent + step(8).bytes_sent;
    assert_eq!(sent, finished.bytes_sent);
    assert_eq!(
        step(1).bytes_sent,
        report.client_hello.as_ref().unwrap().bytes
    );
    assert_eq!(step(2).bytes_received, finished.bytes_received);
    assert!(step(9).bytes_sent > 0 && step(9).bytes_received > 0);
    assert_eq!(cost.round_trips, 1);
    let told = story(&report, false);
    assert!(
        told.contains("our time") && told.contains("\ncost:    "),
        "{told}"
    );
}

//! `shakedown audit` and the exit status of expectations, as processes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

#[path = "common/process.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod process;

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use process::{Running, code, run, shakedown, text, went};
use shakedown::record::ExpectationVerdict;
use shakedown::store;

/// Starts `shakedown serve` with the certificates in `pki`; returns its port with it.
fn serve(here: &Path, flags: &str) -> (Running, String) {
    serve_from(here, &format!("--pki pki {flags}"))
}

fn serve_from(here: &Path, flags: &str) -> (Running, String) {
    let mut command = shakedown(here);
    command.args("serve --listen 127.0.0.1:0".split(' '));
    command.args(flags.split_whitespace());
    let mut server = Running::start(command);
    let line = server.first_line();
    let url = line.split_whitespace().find(|w| w.starts_with("https://"));
    let port = url
        .unwrap()
        .trim_end_matches('/')
        .rsplit_once(':')
        .unwrap()
        .1
        .to_owned();
    (server, port)
}

/// A report without what changes from run to run.
fn steady(stdout: &[u8], port: &str) -> String {
    let text = text(stdout).replace(port, "PORT");
    // With SHAKEDOWN_METERED=1 a note says so.
    let noted = text.find("  note metered: ").map(|at| {
        let lines = text[at..].split_inclusive('\n').take(2);
        at..at + lines.map(str::len).sum::<usize>()
    });
    let text = noted.map_or(text.clone(), |note| {
        format!("{}{}", &text[..note.start], &text[note.end..])
    });
    let lines = text.lines().map(|line| match line.split_once(" worker") {
        Some((before, after)) if line.starts_with("against") => {
            let provider = after.rsplit(", ").next().unwrap_or_default();
            format!("{before} worker …, {provider}")
        }
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn an_audit_finds_what_a_server_wrongly_accepts() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    assert_eq!(code(&run(here, "pki new pki --faults")), 0);
    // Without revocation lists it cannot know who is revoked; webpki ignores key usage.
    let files = "--cert pki/server.pem --key pki/server.key --client-ca pki/ca.pem";
    let (_server, port) = serve_from(here, files);
    let audit = format!("audit localhost:{port}?s3cret --pki pki -q -o audit.json");
    let output = run(
        here,
        &audit.replace(&format!("{port}?"), &format!("{port}/?")),
    );
    assert_eq!(code(&output), 99, "{}", text(&output.stderr));
    insta::assert_snapshot!("audit", steady(&output.stdout, &port));
    let record = store::load(&here.join("audit.json")).unwrap();
    let wrong: Vec<&str> = (record.expectations.iter())
        .filter(|e| e.verdict == ExpectationVerdict::WrongAcceptance)
        .map(|e| e.cell.as_str())
        .collect();
    assert_eq!(
        wrong,
        [
            "mtls1.2/no-digital-signature",
            "mtls1.2/revoked",
            "mtls1.3/no-digital-signature",
            "mtls1.3/revoked"
        ]
    );
    let file = fs::read_to_string(here.join("audit.json")).unwrap();
    assert!(!file.contains("s3cret"));
}

#[test]
fn an_audit_of_a_server_that_does_as_it_should_succeeds() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    assert_eq!(code(&run(here, "pki new pki --faults")), 0);
    // The folder has revocation lists.
    let (_server, port) = serve(here, "");
    let output = run(
        here,
        &format!(
            "audit localhost:{port} --pki pki -q --json --case revoked --case none --repeats 3"
        ),
    );
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let record = store::parse(Path::new("stdout"), &output.stdout).unwrap();
    assert_eq!(record.expectations.len(), 2 * 3);
    assert!(
        record
            .expectations
            .iter()
            .all(|e| e.verdict == ExpectationVerdict::Met)
    );
    // A server that trusts another authority rejects the good certificate, too, and that is no success.
    assert_eq!(code(&run(here, "pki new other --faults")), 0);
    let foreign = format!("audit localhost:{port} --pki other -k -q --case none");
    let output = run(here, &foreign);
    assert_eq!(code(&output), 99, "{}", text(&output.stderr));
    let stdout = text(&output.stdout);
    assert!(
        stdout.contains("WRONGLY REJECTED: alert.unknown_ca"),
        "{stdout}"
    );
    assert!(
        stdout.contains("prove nothing") && stdout.contains("INSECURE"),
        "{stdout}"
    );
}

#[test]
fn an_audit_says_what_it_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    assert_eq!(code(&run(here, "pki new plain")), 0);
    for (args, status, part) in [
        ("audit localhost:1 --pki plain", 2, "pki new DIR --faults"),
        ("audit localhost:1", 2, "--pki"),
        (
            "audit localhost:1 --pki plain --case expired",
            2,
            "expired-leaf",
        ),
    ] {
        let output = run(here, args);
        assert_eq!(code(&output), status, "{args}: {}", text(&output.stderr));
        assert!(
            text(&output.stderr).contains(part),
            "{args}: {}",
            text(&output.stderr)
        );
    }
}

#[test]
fn what_was_not_reached_or_not_spoken_is_no_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    assert_eq!(code(&run(here, "pki new pki --faults")), 0);
    // Nothing listens: nothing was learnt, and only the good identity was tried.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let output = run(here, &format!("audit localhost:{port} --pki pki -q"));
    assert_eq!(code(&output), 106, "{}", text(&output.stderr));
    let stdout = text(&output.stdout);
    assert!(
        stdout.contains("expectation-untested") && stdout.contains("connect.refused"),
        "{stdout}"
    );
    assert!(!stdout.contains("expired-leaf"), "{stdout}");
    // A server of one version is audited in that one.
    let (_server, port) = serve(here, "--tls 1.3");
    let output = run(
        here,
        &format!("audit localhost:{port} --pki pki -q --case revoked --json"),
    );
    let stderr = text(&output.stderr);
    assert_eq!(code(&output), 0, "{stderr}");
    assert!(stderr.contains("does not speak TLS 1.2"), "{stderr}");
    let record = store::parse(Path::new("stdout"), &output.stdout).unwrap();
    let cells: Vec<&str> = record.cells.iter().map(|c| c.cell.name.as_str()).collect();
    assert_eq!(cells, ["mtls/valid", "mtls/revoked"]);
    let only = format!("audit localhost:{port} --pki pki -q --case revoked --tls-max 1.2");
    let output = run(here, &only);
    assert_eq!(code(&output), 106);
    assert!(
        text(&output.stdout).contains("version-not-spoken"),
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn an_expectation_that_is_not_met_is_exit_status_99() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    let scenario = |accept: u8| {
        format!(
            "version = 1\nname = \"x\"\nexpect = {{ accept = {accept} }}\n\
             [load]\nsessions = 1\ntotal = 2\n[matrix]\nauth = [\"mutual\"]\n"
        )
    };
    fs::write(here.join("met.toml"), scenario(1)).unwrap();
    fs::write(here.join("unmet.toml"), scenario(0)).unwrap();
    let met = run(here, "run met.toml -q -o met.json");
    assert!(went(code(&met), &text(&met.stdout)));
    let output = run(here, "run unmet.toml -q -o unmet.json");
    assert_eq!(code(&output), 99);
    assert!(text(&output.stdout).contains("WRONGLY ACCEPTED"));
    assert!(here.join("unmet.json").is_file(), "the result is kept");
}

//! `shakedown check`: what is wrong with certificates, or will be.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use common::process::{code, serve, shakedown, text};
use shakedown::check::CheckReport;
use shakedown::pki::{Pki, PkiSpec};

/// A set with faults, as `pki new --faults` writes it, of which nothing expires soon.
fn set(dir: &Path) -> Pki {
    let spec = PkiSpec {
        clients: 2,
        valid_days: 300,
        ..PkiSpec::default()
    };
    let pki = Pki::mint(&spec).unwrap();
    let faults = pki.mint_faults().unwrap();
    pki.write_with_faults(&faults, &dir.join("pki"), false)
        .unwrap();
    pki
}

/// The exit code and the report of a check.
fn check(dir: &Path, args: &str) -> (i32, CheckReport) {
    let output = shakedown(dir)
        .args(["check", "--json"])
        .args(args.split_whitespace())
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout);
    (
        code(&output),
        report.unwrap_or_else(|e| panic!("{e}: {}", text(&output.stderr))),
    )
}

/// The codes of the first subject.
fn codes(report: &CheckReport) -> BTreeSet<&str> {
    report.checked[0]
        .findings
        .iter()
        .map(|f| f.code.as_str())
        .collect()
}

#[test]
fn every_fault_has_its_finding_and_good_certificates_have_none() {
    let dir = tempfile::tempdir().unwrap();
    set(dir.path());
    let against = "--cacert pki/ca.pem --crlfile pki/crl.pem";
    let (status, report) = check(
        dir.path(),
        &format!("pki pki/server.pem {against} --name localhost"),
    );
    assert_eq!((status, report.checked.len()), (0, 3), "{report:?}");
    for (file, expected) in [
        ("client-expired-leaf", "expired"),
        ("client-expired-intermediate", "expired"),
        ("client-not-yet-valid", "not-yet-valid"),
        ("client-unknown-ca", "no-path"),
        ("client-self-signed", "no-path"),
        ("client-missing-intermediate", "no-path"),
        ("client-broken-signature", "no-path"),
        ("client-name-constraint", "no-path"),
        ("client-path-length", "no-path"),
        ("client-unknown-critical", "no-path"),
        ("client-not-a-ca", "wrong-order"),
        ("client-no-digital-signature", "wrong-usage"),
        ("client-revoked", "revoked"),
        ("client-rsa1024", "weak-key"),
        ("server-wrong-name", "wrong-name"),
        ("server-expired-leaf", "expired"),
    ] {
        let args = format!("pki/faults/{file}.pem {against} --name localhost");
        let (status, report) = check(dir.path(), &args);
        assert_eq!(status, 99, "{file}");
        assert!(codes(&report).contains(expected), "{file}: {report:?}");
        for finding in &report.checked[0].findings {
            assert!(!finding.remedy.is_empty(), "{finding:?}");
        }
    }
}

#[test]
fn what_expires_within_the_days_is_found_and_issuers_are_told_once() {
    let dir = tempfile::tempdir().unwrap();
    set(dir.path());
    let (status, report) = check(dir.path(), "pki --cacert pki/ca.pem --days 400");
    assert_eq!(status, 99);
    let counts: Vec<usize> = report.checked.iter().map(|s| s.findings.len()).collect();
    // Leaf and intermediate of the first, the leaf of the second.
    assert_eq!(counts, [2, 1], "{report:?}");
    assert_eq!(codes(&report), BTreeSet::from(["expires-soon"]));
    let (status, _) = check(dir.path(), "pki --cacert pki/ca.pem --days 290");
    assert_eq!(status, 0);
}

#[test]
fn files_that_do_not_fit_are_findings_not_errors() {
    let dir = tempfile::tempdir().unwrap();
    set(dir.path());
    let pki = dir.path().join("pki");
    fs::copy(pki.join("client-0.key"), pki.join("client-1.key")).unwrap();
    fs::write(pki.join("client-0.pem"), "nothing").unwrap();
    let manifest = "cert,key\npki/client-0.pem,pki/client-0.key\npki/client-1.pem,pki/client-1.key\nabsent.pem,absent.key\n";
    fs::write(dir.path().join("fleet.csv"), manifest).unwrap();
    let (status, report) = check(dir.path(), "fleet.csv");
    let found: Vec<&str> = report
        .checked
        .iter()
        .map(|s| s.findings[0].code.as_str())
        .collect();
    assert_eq!(
        (status, &found[..]),
        (99, &["unusable", "mismatch", "unreadable"][..])
    );
}

#[test]
fn a_server_is_checked_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    set(dir.path());
    let (server, port) = serve(dir.path(), "pki", "127.0.0.1:0");
    let (status, report) = check(dir.path(), &format!("localhost:{port} --cacert pki/ca.pem"));
    assert_eq!(status, 0, "{report:?}");
    let (status, report) = check(
        dir.path(),
        &format!("tls://localhost:{port} --name other.example"),
    );
    assert_eq!(
        (status, codes(&report)),
        (99, BTreeSet::from(["wrong-name"]))
    );
    drop(server);
    let (status, report) = check(dir.path(), "localhost:1 --timeout 2s");
    assert_eq!(
        (status, codes(&report)),
        (99, BTreeSet::from(["unreachable"]))
    );
}

#[test]
fn ci_reads_junit_and_people_a_line_each() {
    let dir = tempfile::tempdir().unwrap();
    set(dir.path());
    let output = shakedown(dir.path())
        .args([
            "check",
            "pki",
            "pki/faults/client-expired-leaf.pem",
            "--junit",
            "check.xml",
        ])
        .output()
        .unwrap();
    assert_eq!(code(&output), 99);
    let said = text(&output.stdout);
    assert!(
        said.starts_with("3 subjects checked: 1 with 1 finding\n"),
        "{said}"
    );
    assert!(said.contains("  expired           pki/faults/client-expired-leaf.pem: CN=client-expired-leaf expired ("), "{said}");
    let xml = fs::read(dir.path().join("check.xml")).unwrap();
    let report = quick_junit::Report::deserialize(&xml[..]).unwrap();
    assert_eq!((report.tests, report.failures), (3, 1));
}

#[test]
fn what_cannot_be_checked_says_why() {
    let dir = tempfile::tempdir().unwrap();
    set(dir.path());
    for (args, words) in [
        ("nowhere-*.pem", "no certificate matches"),
        ("pki --cacert absent.pem", "cannot read absent.pem"),
        ("pki --crlfile pki/ca.pem", "no revocation list"),
        ("", "required"),
    ] {
        let output = shakedown(dir.path())
            .arg("check")
            .args(args.split_whitespace())
            .output()
            .unwrap();
        assert!(
            text(&output.stderr).contains(words),
            "{args}: {}",
            text(&output.stderr)
        );
        assert!(matches!(code(&output), 2 | 104), "{args}");
    }
}

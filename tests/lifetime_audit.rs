//! `shakedown audit --lifetime` against the embedded target: held sessions that outlive their certificate, that end
//! with every other one, and that alone are cut. `tests/real_servers/lifetime.rs` has other people's servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

#[path = "common/process.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod process;
#[path = "resumption_audit/server.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod server;

use std::fs;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread::{sleep, spawn};
use std::time::Duration;

use process::{Running, code, run, shakedown, text};
use serde_json::Value;
use server::Restarting;

fn certificates(here: &Path) {
    for dir in ["pki", "other"] {
        let minted = run(here, &format!("pki new {dir} --faults --name localhost"));
        assert_eq!(code(&minted), 0);
    }
    // The embedded target would use the list of the folder from the start.
    fs::rename(here.join("pki/crl.pem"), here.join("crl.pem")).unwrap();
}

fn serve(here: &Path, pki: &str, flags: &str) -> (Running, u16) {
    let mut command = shakedown(here);
    command.args(["serve", "--pki", pki]);
    command.args("--listen 127.0.0.1:0".split(' '));
    command.args(flags.split_whitespace());
    let mut server = Running::start(command);
    let line = server.first_line();
    let url = line.split_whitespace().find(|w| w.starts_with("https://"));
    let (_, port) = url.unwrap().trim_end_matches('/').rsplit_once(':').unwrap();
    (server, port.parse().unwrap())
}

fn audit(here: &Path, port: u16, flags: &[&str]) -> Output {
    let mut command = shakedown(here);
    command.arg("audit").arg(format!("localhost:{port}"));
    command.args("--pki pki --lifetime --watch 1s".split(' '));
    command.args(flags).output().unwrap()
}

/// The verdicts of a report, by change, in TLS 1.2 and 1.3.
fn verdicts(output: &Output) -> Vec<[String; 2]> {
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", text(&output.stderr)));
    let rows = report["rows"].as_array().unwrap().iter();
    let row = |row: &Value| [0, 1].map(|n| verdict(&row["findings"][n]));
    rows.map(row).collect()
}

fn verdict(finding: &Value) -> String {
    finding["verdict"].as_str().unwrap().to_owned()
}

#[test]
fn a_held_session_outlives_an_expired_certificate_and_the_rest_is_said_to_be_untested() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    certificates(here);
    let (_server, port) = serve(here, "pki", "");
    let output = audit(here, port, &["--junit", "audit.xml"]);
    assert_eq!(code(&output), 99, "{}", text(&output.stderr));
    let said = text(&output.stdout);
    let answer = "YES: a held session outlives its certificate's expiry; not tested: its revocation and its CA's removal\n";
    assert!(said.starts_with(answer), "{said}");
    for line in [
        "revoked, TLS 1.2 and 1.3: say with --revoke",
        "ca-changed, TLS 1.2 and 1.3: say with --change-ca",
        "alert.certificate_expired",
        "to do: ",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let xml = fs::read_to_string(here.join("audit.xml")).unwrap();
    assert!(xml.contains("tests=\"6\" skipped=\"4\""), "{xml}");
}

#[test]
fn a_restart_ends_every_session_and_that_is_no_finding() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    certificates(here);
    fs::remove_file(here.join("pki/intermediate.key")).unwrap();
    let target = Restarting::start(here, "");
    let both = ["pki/ca.pem", "other/ca.pem"].map(|ca| fs::read(here.join(ca)).unwrap());
    fs::write(here.join("trusted.pem"), both.concat()).unwrap();
    let again = std::process::Command::new("sh")
        .args(["-c", &target.again("")])
        .status();
    assert!(again.unwrap().success());
    let lists = format!(
        "cat {0}/crl.pem {0}/other/crl.pem > {0}/lists.pem",
        here.display()
    );
    let revoke = format!("{lists} && {}", target.again("--crlfile lists.pem"));
    let restart = target.again("");
    let distrust = format!(
        "cp {0}/other/ca.pem {0}/trusted.pem && {restart}",
        here.display()
    );
    let flags = [
        ["--revoke", &revoke],
        ["--change-ca", &distrust],
        ["--other-ca", "other"],
        ["--settle", "20s"],
    ];
    let flags = [flags.as_flattened(), &["--json"]].concat();
    let output = audit(here, target.port(), &flags);
    let cut = || ["cut-with-good", "cut-with-good"].map(str::to_owned);
    let untested = ["not-tested", "not-tested"].map(str::to_owned);
    assert_eq!(
        verdicts(&output),
        [untested, cut(), cut()],
        "{}",
        text(&output.stdout)
    );
    assert_eq!(code(&output), 0);
}

/// Passes connections on to a server, and once a file is there to another one; then cuts the first and the third, which
/// are the ones under test.
fn cutting(before: u16, after: u16, changed: PathBuf) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    spawn(move || {
        for (number, near) in listener.incoming().enumerate() {
            let near = near.unwrap();
            let to = if changed.exists() { after } else { before };
            let far = TcpStream::connect(("127.0.0.1", to)).unwrap();
            let ends = [near.try_clone().unwrap(), far.try_clone().unwrap()];
            for (mut from, mut to) in [
                (near.try_clone().unwrap(), far.try_clone().unwrap()),
                (far, near),
            ] {
                spawn(move || {
                    // Either end may be gone already.
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
            if number == 0 || number == 2 {
                let changed = changed.clone();
                spawn(move || {
                    while !changed.exists() {
                        sleep(Duration::from_millis(20));
                    }
                    for end in ends {
                        let _ = end.shutdown(Shutdown::Both);
                    }
                });
            }
        }
    });
    port
}

#[test]
fn a_session_that_alone_is_cut_ends_with_its_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    certificates(here);
    fs::remove_file(here.join("pki/intermediate.key")).unwrap();
    let (_old, before) = serve(here, "pki", "");
    let (_new, after) = serve(here, "pki", "--crlfile crl.pem");
    let port = cutting(before, after, here.join("revoked"));
    let output = audit(here, port, &["--revoke", "touch revoked", "--json"]);
    assert_eq!(
        verdicts(&output)[1],
        ["cut", "cut"],
        "{}",
        text(&output.stdout)
    );
    assert_eq!(code(&output), 0);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let answer = report["answer"].as_str().unwrap();
    assert!(
        answer.starts_with("No: a held session ends with its revocation"),
        "{answer}"
    );
}

#[test]
fn a_change_without_effect_is_a_finding_and_a_failed_command_ends_the_audit() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    certificates(here);
    fs::remove_file(here.join("pki/intermediate.key")).unwrap();
    let (_server, port) = serve(here, "pki", "");
    let output = audit(
        here,
        port,
        &["--revoke", "true", "--settle", "300ms", "--json"],
    );
    assert_eq!(code(&output), 99);
    assert_eq!(verdicts(&output)[1], ["no-reaction", "no-reaction"]);
    let output = audit(here, port, &["--revoke", "echo on stderr; exit 3"]);
    let stderr = text(&output.stderr);
    assert_eq!(code(&output), 1, "{stderr}");
    assert!(
        stderr.contains("revoked") && stderr.contains("exit status: 3"),
        "{stderr}"
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn what_cannot_be_audited_is_no_result() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    certificates(here);
    // Nothing listens, and then nobody trusts us.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = closed.local_addr().unwrap().port();
    drop(closed);
    let (_server, port) = serve(here, "other", "");
    for (port, flags) in [(gone, &["--json"][..]), (port, &["--json", "-k"])] {
        let output = audit(here, port, flags);
        assert_eq!(code(&output), 106, "{}", text(&output.stdout));
        assert_eq!(verdicts(&output)[0], ["no-control", "no-control"]);
    }
    let output = run(
        here,
        &format!("audit tls://localhost:{port} --pki pki --lifetime"),
    );
    assert_eq!(code(&output), 2);
    assert!(
        text(&output.stderr).contains("mqtts://"),
        "{}",
        text(&output.stderr)
    );
    let output = audit(here, port, &["--other-ca", "none"]);
    assert_eq!(code(&output), 104);
    assert!(
        text(&output.stderr).contains("pki new none"),
        "{}",
        text(&output.stderr)
    );
}

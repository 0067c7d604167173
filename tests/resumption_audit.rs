//! `shakedown audit --resumption` against servers that do and do not notice: the embedded target, nginx
//! and haproxy. What they do is theirs; where another release does otherwise, the table is to be changed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

#[path = "common/installed.rs"]
mod installed;
#[path = "common/process.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod process;
#[path = "resumption_audit/server.rs"]
mod server;

use std::fs;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use installed::installed;
use process::{Running, code, run, shakedown, text};
use server::{Restarting, haproxy, nginx, openssl};

/// A case with its verdicts in TLS 1.2 and 1.3.
type Expected = (&'static str, [&'static str; 2]);

/// Certificates of an authority that the servers trust, and of one that only some hosts do.
fn certificates(here: &Path) {
    let names = "--name localhost --name other.test";
    for new in ["pki new pki --faults --clients 2", "pki new other"] {
        assert_eq!(code(&run(here, &format!("{new} {names}"))), 0);
    }
}

fn audit(here: &Path, port: u16, flags: &[&str]) -> Output {
    let mut command = shakedown(here);
    command.arg("audit").arg(format!("localhost:{port}"));
    command.args(["--pki", "pki", "--resumption", "--json"]);
    command.args(flags).output().unwrap()
}

fn check(output: &Output, status: i32, expected: &[Expected]) {
    let stderr = text(&output.stderr);
    assert_eq!(code(output), status, "{}{stderr}", text(&output.stdout));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for (case, verdicts) in expected {
        let rows = report["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["case"] == *case).unwrap();
        let found: Vec<&str> = (row["findings"].as_array().unwrap().iter())
            .map(|finding| finding["verdict"].as_str().unwrap())
            .collect();
        assert_eq!(found, verdicts, "{row:#}");
    }
}

fn serve(here: &Path, flags: &str) -> (Running, u16) {
    serve_from(here, "pki", flags)
}

fn serve_from(here: &Path, pki: &str, flags: &str) -> (Running, u16) {
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

#[test]
fn the_embedded_target_does_not_look_at_certificates_again() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    certificates(here);
    for mode in ["stateless", "stateful"] {
        let (_server, port) = serve(here, &format!("--tickets {mode}"));
        let output = audit(here, port, &["--other-host", "other.test"]);
        let expected = [
            ("control", ["resumable"; 2]),
            ("other-identity", ["as-the-ticket"; 2]),
            // rustls compares the name with the one of the ticket.
            ("other-host", ["safe"; 2]),
            // rustls takes the verified chain out of the ticket and does not verify it again.
            ("expired", ["resumes"; 2]),
            ("keys-rotated", ["not-tested"; 2]),
            ("revoked", ["not-tested"; 2]),
            ("ca-changed", ["not-tested"; 2]),
        ];
        check(&output, 99, &expected);
    }
}

#[test]
fn the_embedded_target_forgets_every_session_when_it_is_started_again() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    certificates(here);
    for mode in ["stateless", "stateful"] {
        let target = Restarting::start(here, &format!("--tickets {mode}"));
        let rotate = target.again("");
        let revoke = target.again("--crlfile pki/crl.pem");
        let distrust = format!(
            "cp {0}/other/ca.pem {0}/trusted.pem && {rotate}",
            here.display()
        );
        let flags = [
            ["--rotate", &rotate],
            ["--revoke", &revoke],
            ["--change-ca", &distrust],
        ];
        let expected = [
            ("control", ["resumable"; 2]),
            ("expired", ["resumes"; 2]),
            ("keys-rotated", ["safe"; 2]),
            ("revoked", ["safe"; 2]),
            ("ca-changed", ["safe"; 2]),
        ];
        check(
            &audit(here, target.port(), flags.as_flattened()),
            99,
            &expected,
        );
    }
}

#[test]
fn a_server_without_tickets_is_safe_and_one_that_is_not_there_is_no_result() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    certificates(here);
    let (_server, port) = serve(here, "");
    let expected = [
        ("control", ["nothing-resumes"; 2]),
        ("expired", ["safe"; 2]),
        ("revoked", ["safe"; 2]),
    ];
    check(&audit(here, port, &[]), 0, &expected);
    // One version is audited where one is spoken.
    let (_server, port) = serve(here, "--tls 1.3");
    let expected = [
        ("control", ["not-tested", "nothing-resumes"]),
        ("expired", ["not-tested", "safe"]),
    ];
    check(&audit(here, port, &[]), 0, &expected);
    // Nothing listens, and then nobody trusts us.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = closed.local_addr().unwrap().port();
    drop(closed);
    let expected = [
        ("control", ["no-control"; 2]),
        ("expired", ["not-tested"; 2]),
    ];
    check(&audit(here, gone, &[]), 106, &expected);
    let (_server, port) = serve_from(here, "other", "");
    check(&audit(here, port, &["-k"]), 106, &expected);
}

#[test]
fn a_change_that_fails_or_has_no_effect_is_no_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    certificates(here);
    fs::remove_file(here.join("pki/crl.pem")).unwrap();
    let (_server, port) = serve(here, "--tickets stateless");
    let output = audit(here, port, &["--revoke", "true", "--settle", "300ms"]);
    check(&output, 99, &[("revoked", ["not-tested"; 2])]);
    assert!(text(&output.stdout).contains("did not take effect"));
    let output = audit(here, port, &["--rotate", "echo on stderr; exit 3"]);
    assert_eq!(code(&output), 1);
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("keys-rotated") && stderr.contains("exit status: 3"),
        "{stderr}"
    );
    assert!(
        stderr.contains("on stderr") && output.stdout.is_empty(),
        "{stderr}"
    );
}

/// `reload` for a server whose master is in a pid file, and then waiting until no process from before
/// the change is left: until then it accepts connections too.
fn replacing(pid_file: &Path, reload: &str) -> String {
    format!(
        "main=$(cat {pid}) && old=$(cat /proc/$main/task/$main/children) && {reload} && \
         for wait in $(seq 100); do alive=; \
         for p in $old; do if kill -0 $p 2>/dev/null; then alive=1; fi; done; \
         if [ -z \"$alive\" ]; then exit 0; fi; sleep 0.1; done; \
         echo old processes are still there >&2; exit 1",
        pid = pid_file.display()
    )
}

/// Passes connections on to one of two servers; each connection on a thread of its own.
fn switchboard(choose: impl Fn() -> u16 + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for near in listener.incoming() {
            let near = near.unwrap();
            let far = TcpStream::connect(("127.0.0.1", choose())).unwrap();
            for (mut from, mut to) in [
                (near.try_clone().unwrap(), far.try_clone().unwrap()),
                (far, near),
            ] {
                std::thread::spawn(move || {
                    // Either end may be gone already.
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    port
}

/// A reload as servers do it: for a while processes from before and after the change accept
/// connections side by side. A ticket that meets an old one says nothing of the change.
#[test]
fn what_is_left_of_the_old_server_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    certificates(here);
    // The list of the folder would be used from the start.
    fs::rename(here.join("pki/crl.pem"), here.join("crl.pem")).unwrap();
    let (_old, before) = serve(here, "--tickets stateless");
    let (_new, after) = serve(here, "--tickets stateless --crlfile crl.pem");
    let (reloaded, met_old) = (here.join("reloaded"), Arc::new(AtomicUsize::new(0)));
    let (side_by_side, met) = (AtomicUsize::new(0), Arc::clone(&met_old));
    let port = switchboard(move || {
        if !reloaded.exists() {
            return before;
        }
        let nth = side_by_side.fetch_add(1, Relaxed);
        let old = nth < 6 && nth % 2 == 1;
        met.fetch_add(usize::from(old), Relaxed);
        if old { before } else { after }
    });
    let output = audit(here, port, &["--revoke", "touch reloaded"]);
    check(&output, 99, &[("revoked", ["safe"; 2])]);
    assert_eq!(met_old.load(Relaxed), 3);
}

/// Audits nginx with these settings of resumption in each host.
fn audit_nginx(sessions: &str, expected: &[Expected]) {
    if !installed("nginx") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    certificates(here);
    let server = nginx(here, sessions);
    let dir = here.display();
    let reload = format!("nginx -e {dir}/error.log -p {dir} -c {dir}/nginx.conf -s reload");
    let rotate = replacing(&here.join("nginx.pid"), &reload);
    let revoke = format!("echo 'ssl_crl {dir}/pki/crl.pem;' > {dir}/revoked.conf && {reload}");
    let distrust = format!("cp {dir}/other/ca.pem {dir}/trusted.pem && {reload}");
    let flags = [
        ["--other-host", "other.test"],
        ["--revoke", &revoke],
        ["--rotate", &rotate],
        ["--change-ca", &distrust],
    ];
    let output = audit(here, server.port, flags.as_flattened());
    check(&output, 99, expected);
}

#[test]
fn nginx_with_keys_of_each_configuration() {
    let expected = [
        ("control", ["resumable"; 2]),
        ("other-identity", ["as-the-ticket"; 2]),
        // Repaired in this release: HTTP 421 in TLS 1.2, access_denied in TLS 1.3 (CVE-2025-23419).
        ("other-host", ["safe"; 2]),
        ("expired", ["resumes"; 2]),
        ("keys-rotated", ["safe"; 2]),
        ("revoked", ["safe"; 2]),
        ("ca-changed", ["safe"; 2]),
    ];
    audit_nginx("", &expected);
}

#[test]
fn nginx_with_a_shared_cache() {
    let expected = [
        ("control", ["resumable"; 2]),
        ("other-host", ["safe"; 2]),
        ("expired", ["resumes"; 2]),
        // There are no ticket keys: sessions lie in shared memory, which outlives a reload.
        ("keys-rotated", ["resumes"; 2]),
        ("revoked", ["resumes"; 2]),
        ("ca-changed", ["safe"; 2]),
    ];
    audit_nginx(
        "ssl_session_cache shared:S:1m; ssl_session_tickets off;",
        &expected,
    );
}

/// Audits haproxy with these settings on its line of TLS; its commands change the configuration and have
/// the master replace its worker.
fn audit_haproxy(options: &str, expected: &[Expected]) {
    if !installed("haproxy") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    certificates(here);
    // Three keys of 48 bytes: the one before, the one in use, the next (base64).
    let keys = [["k"; 64].concat(), ["l"; 64].concat(), ["m"; 64].concat()];
    fs::write(here.join("ticket-keys"), keys.join("\n") + "\n").unwrap();
    let dir = here.display();
    let server = haproxy(
        here,
        &options.replace("KEYS", &format!("{dir}/ticket-keys")),
    );
    let reload = format!("kill -s USR2 $(cat {dir}/haproxy.pid)");
    let rotate = replacing(&here.join("haproxy.pid"), &reload);
    let revoke = format!(
        "sed -i 's|verify required|& crl-file {dir}/pki/crl.pem|' {dir}/haproxy.cfg && {reload}"
    );
    let distrust = format!(
        "sed -i 's| crl-file [^ ]*||' {dir}/haproxy.cfg && \
         cp {dir}/other/ca.pem {dir}/trusted.pem && {reload}"
    );
    let flags = [
        ["--other-host", "other.test"],
        ["--revoke", &revoke],
        ["--rotate", &rotate],
        ["--change-ca", &distrust],
    ];
    check(
        &audit(here, server.port, flags.as_flattened()),
        99,
        expected,
    );
}

#[test]
fn haproxy_with_keys_of_each_worker() {
    let expected = [
        ("control", ["resumable"; 2]),
        ("other-identity", ["as-the-ticket"; 2]),
        // One line of TLS with one certificate for both names: it has no rules for the second to apply.
        ("other-host", ["resumes"; 2]),
        ("expired", ["resumes"; 2]),
        // A new worker has new keys and an empty cache.
        ("keys-rotated", ["safe"; 2]),
        ("revoked", ["safe"; 2]),
        ("ca-changed", ["safe"; 2]),
    ];
    audit_haproxy("", &expected);
}

#[test]
fn haproxy_with_keys_from_a_file() {
    let expected = [
        ("control", ["resumable"; 2]),
        ("other-host", ["resumes"; 2]),
        ("expired", ["resumes"; 2]),
        // The same keys are read again, and nothing else in a ticket is looked at.
        ("keys-rotated", ["resumes"; 2]),
        ("revoked", ["resumes"; 2]),
        ("ca-changed", ["resumes"; 2]),
    ];
    audit_haproxy("tls-ticket-keys KEYS", &expected);
}

#[test]
fn openssl_resumes_for_another_name() {
    if !installed("openssl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    certificates(here);
    let server = openssl(here);
    let expected = [
        ("control", ["resumable"; 2]),
        // It has no rules of its own for the second name, and does not compare.
        ("other-host", ["resumes"; 2]),
        ("expired", ["resumes"; 2]),
    ];
    let output = audit(here, server.port, &["--other-host", "other.test"]);
    check(&output, 99, &expected);
}

//! `shakedown serve` as a process: what it says of itself and of whom it refuses, and how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

#[path = "common/process.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod process;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use process::{Running, code, run, shakedown, text};

/// Starts `shakedown serve` with the certificates in `pki`; returns its port and its first line with it.
fn start(here: &Path, flags: &str) -> (Running, u16, String) {
    let mut command = shakedown(here);
    command.args("serve --pki pki --listen 127.0.0.1:0".split(' '));
    command.args(flags.split_whitespace());
    let mut server = Running::start(command);
    let line = server.first_line();
    let port = line.split([':', ' ']).find_map(|word| word.parse().ok());
    let port = port.unwrap_or_else(|| panic!("no port in {line:?}"));
    (server, port, line)
}

fn serve(here: &Path, flags: &str) -> (Running, u16) {
    let (server, port, _) = start(here, flags);
    (server, port)
}

/// Ends a server; returns what it had yet to say on stdout, and what it said on stderr.
fn end(server: Running) -> (String, String) {
    server.signal("TERM");
    let (code, stdout, stderr) = server.wait_with_stderr();
    assert_eq!(code, 0, "{stderr}");
    (stdout, stderr)
}

/// What a client gets that sends this without TLS.
fn plain(port: u16, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(sent).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut came = Vec::new();
    let _ = stream.read_to_end(&mut came);
    String::from_utf8_lossy(&came).into_owned()
}

fn probe(here: &Path, port: u16, flags: &str) {
    run(here, &format!("probe https://localhost:{port} {flags}"));
}

#[test]
fn the_revocation_lists_of_a_folder_are_used() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    assert_eq!(code(&run(here, "pki new pki --faults")), 0);
    let revoked = "--cacert pki/ca.pem --cert pki/faults/client-revoked.pem --key pki/faults/client-revoked.key";
    let (server, port, line) = start(here, "");
    assert!(
        line.ends_with("(1 thread), rejecting what pki/crl.pem revokes\n"),
        "{line}"
    );
    probe(here, port, revoked);
    let (stdout, stderr) = end(server);
    assert!(
        stdout.contains("1 × the client certificate is revoked"),
        "{stdout}"
    );
    assert!(
        stderr.contains(": the client certificate is revoked\n"),
        "{stderr}"
    );
    // Without client certificates there is nothing to look up, and lists that are named take their place.
    let (_server, _, line) = start(here, "--client-auth off");
    assert!(!line.contains("crl.pem"), "{line}");
    std::fs::copy(here.join("pki/crl.pem"), here.join("named.pem")).unwrap();
    let (_server, _, line) = start(here, "--crlfile named.pem");
    assert!(line.contains("rejecting what named.pem revokes"), "{line}");
}

#[test]
fn who_is_refused_is_said_with_address_and_reason() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    for pki in ["pki", "other"] {
        assert_eq!(code(&run(here, &format!("pki new {pki} --clients 1"))), 0);
    }
    let other = "--cert other/client-0.pem --key other/client-0.key";
    let good = "--cert pki/client-0.pem --key pki/client-0.key";
    let cases = [
        ("--cacert pki/ca.pem", "no client certificate"),
        (
            &format!("--cacert pki/ca.pem {other}"),
            "the client certificate is of an unknown issuer",
        ),
        (
            &format!("--cacert other/ca.pem {good}"),
            "the client rejected the server's certificate (alert unknown_ca)",
        ),
    ];
    let (server, port) = serve(here, "--tls 1.3");
    for (flags, _) in cases {
        probe(here, port, flags);
    }
    probe(
        here,
        port,
        &format!("--cacert pki/ca.pem --tls-max 1.2 {good}"),
    );
    probe(here, port, &format!("--cacert pki/ca.pem {good}"));
    drop(TcpStream::connect(("127.0.0.1", port)).unwrap());
    let answer = plain(port, b"GET / HTTP/1.1\r\nHost: \x1b[31mlocalhost\r\n\r\n");
    assert!(
        answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{answer}"
    );
    assert!(answer.contains("use https://"), "{answer}");
    let (stdout, stderr) = end(server);
    for (_, reason) in cases {
        assert!(stderr.contains(reason), "{reason}: {stderr}");
    }
    for reason in [
        "no common TLS parameters",
        "closed before it sent anything",
        "not TLS",
    ] {
        assert!(stderr.contains(reason), "{reason}: {stderr}");
        assert!(stdout.contains(&format!("1 × {reason}")), "{stdout}");
    }
    let refused = stderr
        .lines()
        .filter(|line| line.starts_with("refused 127.0.0.1:"));
    assert_eq!(refused.count(), 6, "{stderr}");
    assert!(stdout.contains("6 failed"), "{stdout}");
}

#[test]
fn a_flood_is_a_few_lines_and_quiet_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    assert_eq!(code(&run(here, "pki new pki")), 0);
    let flood = |port| {
        for _ in 0..200 {
            plain(port, b"\x16\x03\x01\x00\x01\xff");
        }
    };
    let (server, port) = serve(here, "");
    flood(port);
    let (stdout, stderr) = end(server);
    let lines = stderr.matches("refused 127").count();
    // Ten in each window of five seconds.
    assert!((10..=100).contains(&lines), "{stderr}");
    assert!(stderr.contains("more: "), "{stderr}");
    assert!(stdout.contains("refused: 200 × "), "{stdout}");
    let (server, port) = serve(here, "-q");
    flood(port);
    let (stdout, stderr) = end(server);
    assert!(!stderr.contains("refused"), "{stderr}");
    assert!(stdout.contains("refused: 200 × "), "{stdout}");
}

#[test]
fn a_client_without_tls_gets_no_http_from_an_echo_server_and_no_alert() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    assert_eq!(code(&run(here, "pki new pki")), 0);
    let (server, port) = serve(here, "--protocol echo");
    assert_eq!(plain(port, b"SSH-2.0-client\r\n"), "");
    assert!(end(server).1.contains("not TLS"));
}

#[test]
fn signals_end_it_at_once_whoever_is_connected() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    assert_eq!(code(&run(here, "pki new pki")), 0);
    for signal in ["INT", "TERM"] {
        let (server, port) = serve(here, "");
        let _idle = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut half = TcpStream::connect(("127.0.0.1", port)).unwrap();
        half.write_all(b"\x16\x03\x01").unwrap();
        std::thread::sleep(Duration::from_millis(500));
        let began = Instant::now();
        server.signal(signal);
        let (code, stdout) = server.wait();
        assert_eq!(code, 0, "{signal}");
        assert!(stdout.contains("accepted 2,"), "{stdout}");
        assert!(began.elapsed() < Duration::from_secs(3), "{signal}");
    }
    let output = run(here, "serve --pki nowhere");
    assert!(text(&output.stderr).contains("nowhere/server.pem"));
}

//! Against servers that no one here wrote: nginx, haproxy and OpenSSL, as Debian ships them.
//! `scripts/servers` configures and starts them on loopback; `scripts/install-deps` installs them.
//!
//! A missing server fails the test where `SHAKEDOWN_REQUIRE_SERVERS` is set (`scripts/test`, CI) and
//! skips it elsewhere, saying so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use common::{against, only, pki_in, reasons, run, scenario, total};
use shakedown::pki::{KeyAlgorithm, Pki, PkiSpec};
use shakedown::record::RunRecord;
use shakedown::stats::{OkKind, Proof};

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/servers")
}

/// A running server with its certificates; stopped when dropped.
struct Server {
    name: &'static str,
    dir: tempfile::TempDir,
    port: u16,
}

/// Whether the binary of a server is there; panics instead of `false` where it must be.
fn installed(name: &str) -> bool {
    if std::env::var_os("SHAKEDOWN_SKIP_SERVERS").is_some() {
        eprintln!("skipped: {name}, because SHAKEDOWN_SKIP_SERVERS is set");
        return false;
    }
    let paths = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/local/sbin";
    let found = paths
        .split(':')
        .any(|dir| Path::new(dir).join(name).is_file());
    let required = std::env::var_os("SHAKEDOWN_REQUIRE_SERVERS").is_some();
    assert!(
        found || !required,
        "{name} is not installed; run scripts/install-deps"
    );
    if !found {
        eprintln!("skipped: {name} is not installed; scripts/install-deps installs it");
    }
    found
}

impl Server {
    /// Starts a server that requires client certificates, unless it is not installed.
    fn start(name: &'static str, flags: &[&str]) -> Option<Self> {
        if !installed(name) {
            return None;
        }
        Some(Self::start_in(name, flags, |dir| {
            pki_in(dir);
        }))
    }

    /// Starts an installed server with the certificates that `mint` puts into a folder.
    fn start_in(name: &'static str, flags: &[&str], mint: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pki = dir.path().join("pki");
        mint(&pki);
        let run = dir.path().join("run");
        let output = Command::new(script())
            .args(["start", name, "--pki"])
            .arg(&pki)
            .arg("--run")
            .arg(&run)
            .args(flags)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let line = String::from_utf8(output.stdout).unwrap();
        let fields: HashMap<&str, &str> = line
            .split_whitespace()
            .filter_map(|field| field.split_once('='))
            .collect();
        Self {
            name,
            port: fields["port"].parse().unwrap(),
            dir,
        }
    }

    fn pki(&self) -> PathBuf {
        self.dir.path().join("pki")
    }

    fn control(&self, command: &str, extra: &[&str]) -> Output {
        Command::new(script())
            .arg(command)
            .arg("--run")
            .arg(self.dir.path().join("run"))
            .args(extra)
            .output()
            .unwrap()
    }

    /// Requests with status 200 in the server's own log, once it has written `expected` or given up.
    fn logged(&self, expected: u64) -> u64 {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let output = self.control("logcount", &[self.name]);
            let count = String::from_utf8_lossy(&output.stdout)
                .trim()
                .parse()
                .unwrap_or(0);
            if count >= expected || Instant::now() > deadline {
                return count;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs `sections` against it with a client identity from `identity` (or none).
    fn load(&self, sections: &str, scheme: &str, identity: Option<&Path>) -> RunRecord {
        let url = format!("{scheme}://localhost:{}/", self.port);
        run(against(scenario(sections), &url, &self.pki(), identity))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.control("stop", &[]);
    }
}

/// A load of 60 sessions under one TLS version.
fn sixty(version: &str) -> String {
    format!("[load]\nsessions = 3\ntotal = 60\n[matrix]\ntls = [\"{version}\"]\n")
}

/// Every session that we call ok stands in the server's log, and no other: ± 0.
fn counts_agree(name: &'static str) {
    let Some(server) = Server::start(name, &["--threads", "1"]) else {
        return;
    };
    let mut claimed = 0;
    for version in ["1.2", "1.3"] {
        let record = server.load(&sixty(version), "https", Some(&server.pki()));
        let counts = total(&record);
        assert_eq!(counts.ok_total(), 60, "{name} {version}: {counts:?}");
        let trial = &only(&record).trials[0];
        assert_eq!(trial.proofs[&Proof::ApplicationData], 60);
        assert_eq!(trial.observed.len(), 1, "{:?}", trial.observed);
        assert!(trial.observed[0].certificate_sent);
        assert_eq!(trial.observed[0].version, format!("TLSv{version}"));
        assert_eq!(trial.observed[0].group, "x25519");
        claimed += counts.ok_total();
    }
    let open = "[load]\nrate = \"200/s\"\nduration = \"400ms\"\nwarmup = \"100ms\"\n[protocol]\nkind = \"http1\"\nexchanges = 2\n";
    let counts = total(&server.load(open, "https", Some(&server.pki())));
    assert_eq!(
        (counts.ok_total(), counts.scheduled),
        (100, 100),
        "{counts:?}"
    );
    // Two requests in each of these sessions.
    claimed += 2 * counts.ok_total();
    assert_eq!(server.logged(claimed), claimed, "{name}");
}

#[test]
fn nginx_logs_what_we_claim() {
    counts_agree("nginx");
}

#[test]
fn haproxy_logs_what_we_claim() {
    counts_agree("haproxy");
}

/// What a client of another authority, and one without a certificate, sees: never ok.
fn rejections(name: &'static str, unknown_ca: [&str; 2], no_certificate: [&str; 2]) {
    let Some(server) = Server::start(name, &[]) else {
        return;
    };
    let elsewhere = tempfile::tempdir().unwrap();
    pki_in(elsewhere.path());
    for (index, version) in ["1.2", "1.3"].into_iter().enumerate() {
        for (identity, expected) in [
            (Some(elsewhere.path()), unknown_ca[index]),
            (None, no_certificate[index]),
        ] {
            let counts = total(&server.load(&sixty(version), "https", identity));
            assert_eq!(counts.ok_total(), 0, "{name} {version}: {counts:?}");
            let classes: Vec<&String> = counts.failed.keys().collect();
            assert_eq!(classes, [expected], "{name} {version}: {counts:?}");
            assert_eq!(counts.failed[expected].count, 60);
        }
    }
    if name != "openssl" {
        assert_eq!(server.logged(0), 0, "{name} logged an accepted request");
    }
}

#[test]
fn nginx_rejects_in_http() {
    rejections("nginx", ["http.status.400"; 2], ["http.status.400"; 2]);
}

#[test]
fn haproxy_rejects_with_alerts() {
    let missing = ["alert.handshake_failure", "alert.certificate_required"];
    rejections("haproxy", ["alert.unknown_ca"; 2], missing);
}

#[test]
fn openssl_rejects_with_alerts() {
    let missing = ["alert.handshake_failure", "alert.certificate_required"];
    rejections("openssl", ["alert.unknown_ca"; 2], missing);
}

#[test]
fn openssl_serves_one_session_after_the_other() {
    let Some(server) = Server::start("openssl", &[]) else {
        return;
    };
    for version in ["1.2", "1.3"] {
        let one = format!("[load]\nsessions = 1\ntotal = 30\n[matrix]\ntls = [\"{version}\"]\n");
        let counts = total(&server.load(&one, "https", Some(&server.pki())));
        assert_eq!(counts.ok_total(), 30, "{version}: {counts:?}");
    }
}

#[test]
fn the_handshake_protocol_names_its_weaker_proof() {
    for name in ["nginx", "haproxy"] {
        let Some(server) = Server::start(name, &[]) else {
            continue;
        };
        for (version, proof) in [
            ("1.2", Proof::ServerFinished),
            ("1.3", Proof::NewSessionTicket),
        ] {
            let record = server.load(&sixty(version), "tls", Some(&server.pki()));
            assert_eq!(
                only(&record).trials[0].proofs[&proof],
                60,
                "{name} {version}"
            );
            assert!(
                record.warnings.iter().any(|w| w.code == "weak-proof"),
                "{name} {version}"
            );
        }
    }
}

#[test]
fn a_ticket_is_the_proof_when_it_comes_not_when_the_session_closes() {
    let Some(server) = Server::start("nginx", &[]) else {
        return;
    };
    let held = "[load]\nsessions = 5\ntotal = 5\nhold = \"2s\"\n[matrix]\ntls = [\"1.3\"]\n";
    let record = server.load(held, "tls", Some(&server.pki()));
    let trial = &only(&record).trials[0];
    assert_eq!(trial.proofs[&Proof::NewSessionTicket], 5);
    let confirm = trial.kinds[&OkKind::Full].histograms["confirm"]
        .decode()
        .unwrap();
    assert!(
        confirm.max().unwrap() < 2_000_000_000,
        "{:?}",
        confirm.max()
    );
}

#[test]
fn a_server_that_does_not_verify_clients_is_noticed() {
    let Some(server) = Server::start("nginx", &["--client-auth", "off"]) else {
        return;
    };
    let record = server.load(&sixty("1.3"), "https", Some(&server.pki()));
    assert_eq!(total(&record).ok_total(), 60);
    assert!(reasons(&record).contains(&"certificate-not-requested"));
}

#[test]
fn key_algorithms_are_accepted_by_others() {
    for key in [
        KeyAlgorithm::EcdsaP384,
        KeyAlgorithm::Rsa2048,
        KeyAlgorithm::Ed25519,
    ] {
        if !installed("nginx") {
            return;
        }
        let spec = PkiSpec {
            ca_key: key,
            server_key: key,
            client_key: key,
            ..PkiSpec::default()
        };
        let server = Server::start_in("nginx", &[], |dir| {
            Pki::mint(&spec).unwrap().write(dir, false).unwrap();
        });
        let counts = total(&server.load(&sixty("1.3"), "https", Some(&server.pki())));
        assert_eq!(counts.ok_total(), 60, "{key}: {counts:?}");
    }
}

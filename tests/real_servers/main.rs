//! Against servers that no one here wrote, as Debian ships them. `scripts/servers` configures and starts
//! them on loopback; `scripts/install-deps` installs them.
//!
//! A missing server fails the test where `SHAKEDOWN_REQUIRE_SERVERS` is set (`scripts/test`, CI) and
//! skips it elsewhere, saying so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

#[path = "../common/mod.rs"]
mod common;
mod counted;
mod differences;
mod document;
mod events;
mod families;
mod h2;
mod lifetime;
mod resumption;
mod server;
mod unproven;
mod verdicts;
mod way_in;
mod ways;

use common::{only, reasons, total};
use server::{Server, installed};
use shakedown::pki::{KeyAlgorithm, Pki, PkiSpec};
use shakedown::stats::{OkKind, Proof};

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
fn nginx_lets_a_client_without_a_certificate_through_tls_and_the_result_warns() {
    let Some(server) = Server::start("nginx", &[]) else {
        return;
    };
    for version in ["1.2", "1.3"] {
        let record = server.load(&sixty(version), "tls", None);
        assert_eq!(only(&record).measured().ok_total(), 60, "{version}");
        let mut warnings = record.warnings.iter();
        let weak = warnings.find(|warning| warning.code == "weak-proof");
        let message = &weak.unwrap().message;
        assert!(message.contains("asked for a certificate"), "{message}");
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
        .decode::<3>()
        .unwrap();
    assert!(
        confirm.max().unwrap().least() < 2_000_000_000,
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

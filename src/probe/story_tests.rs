//! The story of fixed reports, word for word: one accepted, one rejected, one never reached.

use super::*;
use crate::pki::CertFacts;
use crate::stats::Proof;

fn cert(subject: &str, issuer: &str, is_ca: bool, days: i64) -> ChainCert {
    ChainCert {
        facts: Some(CertFacts {
            subject: subject.to_owned(),
            issuer: issuer.to_owned(),
            serial_hex: "0a".to_owned(),
            not_before: "2026-01-01T00:00:00Z".to_owned(),
            not_after: "2026-12-31T23:59:59Z".to_owned(),
            not_after_unix_s: 1_798_761_599,
            key: "EC P-256".to_owned(),
            signature_algorithm: "ecdsa-with-SHA256".to_owned(),
            san: if is_ca {
                vec![]
            } else {
                vec!["DNS:localhost".to_owned()]
            },
            is_ca,
            eku: if is_ca {
                vec![]
            } else {
                vec!["serverAuth".to_owned()]
            },
            der_len: 480,
        }),
        unreadable: None,
        days_left: Some(days),
    }
}

fn check(status: Status, detail: &str, remedy: Option<&str>) -> Check {
    Check {
        status,
        detail: detail.to_owned(),
        remedy: remedy.map(str::to_owned),
    }
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|s| (*s).to_owned()).collect()
}

fn cost() -> Cost {
    let operation = |operation, algorithm, us, count| OperationCost {
        operation,
        algorithm,
        us,
        count,
    };
    let step = |step, us, operations, bytes_sent, bytes_received| StepCost {
        step,
        us,
        operations,
        bytes_sent,
        bytes_received,
    };
    let hello = vec![
        operation("kx_start", Some("x25519"), 11.2, 1),
        operation("random", None, 0.81, 3),
    ];
    let opened = vec![operation("open", None, 1.5, 1)];
    Cost {
        steps: vec![
            step(1, 12.01, hello, 236, 0),
            step(2, 1.5, opened, 0, 1_400),
            step(8, 0.0, vec![], 1_064, 0),
        ],
        tls_us: 65.4,
        socket_us: 31.0,
        round_trips: 1,
    }
}

#[expect(clippy::too_many_lines, reason = "a whole report, field by field")]
fn accepted() -> ProbeReport {
    ProbeReport {
        format: FORMAT,
        accepted: true,
        target: "localhost:8443".to_owned(),
        server_name: "localhost".to_owned(),
        protocol: "http1",
        network: Network {
            address: Some("127.0.0.1:8443".to_owned()),
            way_in: None,
            failed: strings(&["[::1]:8443: Connection refused"]),
        },
        client_hello: Some(ClientHello {
            bytes: 236,
            versions: strings(&["TLSv1.3", "TLSv1.2"]),
            cipher_suites: strings(&[
                "TLS_AES_256_GCM_SHA384",
                "TLS_AES_128_GCM_SHA256",
                "TLS_CHACHA20_POLY1305_SHA256",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            ]),
            groups: strings(&["x25519"]),
            signature_schemes: strings(&["ed25519"]),
            sni: Some("localhost".to_owned()),
            alpn: Vec::new(),
        }),
        server_hello: Some(ServerHello {
            version: "TLSv1.3".to_owned(),
            cipher_suite: "TLS_AES_256_GCM_SHA384".to_owned(),
            group: Some("x25519".to_owned()),
            hello_retry_request: false,
            alpn: None,
        }),
        server_chain: Some(ServerChain {
            certificates: vec![
                cert("CN=server", "CN=root", false, 5),
                cert("CN=root", "CN=root", true, 900),
            ],
            count: 2,
            bytes: 960,
            root_sent: true,
            intermediate_missing: false,
            in_order: true,
        }),
        verification: Some(Verification {
            accepted: true,
            insecure: false,
            dates: check(
                Status::Warning,
                "all valid today, but only until 2026-12-31T23:59:59Z (5 days left)",
                Some("have it renewed soon"),
            ),
            issuer: check(
                Status::Passed,
                "the chain leads to a trusted root: CN=root",
                None,
            ),
            name: check(Status::Passed, "the certificate names localhost", None),
            other: None,
            alert_sent: None,
        }),
        certificate_request: Some(CertificateRequest {
            requested: true,
            ca_names: strings(&["CN=a", "CN=b"]),
            ca_names_total: 40,
            signature_schemes: strings(&["ed25519"]),
        }),
        client_certificate: Some(ClientCertificate {
            certificates: vec![cert("CN=client-0", "CN=a", false, 200)],
            bytes: 480,
            not_sent: None,
            issuer_listed: Some(true),
        }),
        key_exchange: Some(KeyExchange {
            group: "x25519".to_owned(),
            server_scheme: Some("ecdsa_secp256r1_sha256".to_owned()),
            server_signature: Status::Passed,
            client_scheme: Some("ecdsa_secp256r1_sha256".to_owned()),
        }),
        server_verifies: Some(ServerVerifies {
            status: Status::NotChecked,
            detail: "not known yet".to_owned(),
        }),
        finished: Some(Finished {
            bytes_sent: 1300,
            bytes_received: 1400,
        }),
        answer: Some(Answer {
            status: Status::Passed,
            detail: "application data, as expected".to_owned(),
            http_status_line: Some("HTTP/1.1 200 OK".to_owned()),
            told: Some("HTTP/1.1 200 OK".to_owned()),
            new_session_tickets: 2,
            orderly_close: true,
            alert: None,
        }),
        cost: Some(cost()),
        verdict: Verdict::Accepted {
            proof: Proof::ApplicationData,
        },
        summary: "accepted (proof: application data, HTTP/1.1 200 OK)".to_owned(),
        advice: Vec::new(),
        total_ms: 12,
    }
}

fn refused_by_us() -> ProbeReport {
    let base = accepted();
    let verification = Verification {
        accepted: false,
        issuer: check(
            Status::Failed,
            "the chain leads to CN=root, which --cacert does not hold (it holds CN=other)",
            Some("pass the CA certificate of CN=root with --cacert if you trust it"),
        ),
        alert_sent: Some("unknown_ca".to_owned()),
        ..base.verification.unwrap()
    };
    ProbeReport {
        accepted: false,
        verification: Some(verification),
        client_certificate: None,
        key_exchange: None,
        server_verifies: None,
        finished: None,
        answer: None,
        cost: None,
        verdict: Verdict::ServerRefused {
            class: "server_cert.unknown_issuer".to_owned(),
        },
        summary: "we reject the server: the chain leads to CN=root, which --cacert does not hold"
            .to_owned(),
        advice: strings(&["pass that CA", "or pass --insecure"]),
        ..base
    }
}

fn not_connected() -> ProbeReport {
    ProbeReport {
        network: Network {
            address: None,
            way_in: None,
            failed: strings(&["127.0.0.1:8443: Connection refused"]),
        },
        client_hello: None,
        server_hello: None,
        server_chain: None,
        verification: None,
        certificate_request: None,
        verdict: Verdict::Failed {
            class: "connect.refused".to_owned(),
        },
        summary: "not connected: Connection refused".to_owned(),
        advice: strings(&["check that the server is up"]),
        ..refused_by_us()
    }
}

#[test]
fn stories_are_told_word_for_word() {
    insta::assert_snapshot!("accepted", story(&accepted(), false));
    insta::assert_snapshot!("refused_by_us", story(&refused_by_us(), false));
    insta::assert_snapshot!("not_connected", story(&not_connected(), false));
}

#[test]
fn colour_adds_sequences_and_changes_no_word() {
    for report in [accepted(), refused_by_us(), not_connected()] {
        let plain = story(&report, false);
        assert!(!plain.contains('\u{1b}'));
        let mut bare = story(&report, true);
        assert!(bare.contains("\u{1b}["));
        for code in [
            "\u{1b}[1m",
            "\u{1b}[1;31m",
            "\u{1b}[1;32m",
            "\u{1b}[1;33m",
            "\u{1b}[0m",
        ] {
            bare = bare.replace(code, "");
        }
        assert_eq!(bare, plain);
    }
}

#[test]
fn lines_keep_to_the_width() {
    for line in story(&accepted(), false).lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn json_has_null_for_steps_that_were_not_reached() {
    let json = serde_json::to_value(refused_by_us()).unwrap();
    assert_eq!(json["format"], 1);
    assert!(json["answer"].is_null() && json["finished"].is_null());
    assert_eq!(json["verdict"]["result"], "server_refused");
    assert_eq!(
        json["server_chain"]["certificates"][0]["subject"],
        "CN=server"
    );
    assert_eq!(json["verification"]["issuer"]["status"], "failed");
}

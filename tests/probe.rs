//! The probe against the embedded target: acceptance and every common way to be refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use shakedown::pki::{CertificateDer, Identity, Pki, PkiSpec};
use shakedown::probe::{ProbePlan, ProbeReport, Status, Verdict, probe, story};
use shakedown::protocol::SslNegotiation;
use shakedown::scenario::{ProtocolKind, ProviderName, Scenario, TicketMode, TlsVersion};
use shakedown::stats::Proof;
use shakedown::target::{ListenerSpec, Target, TargetSpec};
use shakedown::tls::{ServerAuth, ServerTls, ServerTlsSpec};

const BOTH: [TlsVersion; 2] = [TlsVersion::Tls12, TlsVersion::Tls13];

fn mint() -> Pki {
    Pki::mint(&PkiSpec::default()).unwrap()
}

fn required(pki: &Pki) -> ServerAuth {
    ServerAuth::Required(pki.roots().to_vec().into())
}

fn start(pki: &Pki, auth: ServerAuth, protocol: ProtocolKind, tickets: TicketMode) -> Target {
    serve(pki.server(), auth, protocol, tickets)
}

fn serve(
    identity: &Identity,
    auth: ServerAuth,
    protocol: ProtocolKind,
    tickets: TicketMode,
) -> Target {
    let tls = ServerTls::new(&ServerTlsSpec {
        provider: ProviderName::default(),
        versions: &BOTH,
        identity,
        auth,
        tickets,
        alpn: &[],
    })
    .unwrap();
    Target::start(&TargetSpec {
        ip: Ipv4Addr::LOCALHOST.into(),
        listeners: vec![ListenerSpec {
            tls: Some(tls),
            protocol,
            port: 0,
        }],
        cores: vec![None],
    })
    .unwrap()
}

/// A plan for `https://localhost` or, for the handshake protocol, `tls://localhost`.
fn plan(port: u16, protocol: ProtocolKind, versions: &[TlsVersion], pki: &Pki) -> ProbePlan {
    let mut scenario = Scenario::default();
    scenario.target.url = Some(match protocol {
        ProtocolKind::Http1 => format!("https://localhost:{port}/"),
        _ => format!("localhost:{port}"),
    });
    scenario.protocol.kind = Some(protocol);
    let checked = scenario.check("probe", "").unwrap();
    let plan = ProbePlan::new(&checked, Duration::from_secs(5)).unwrap();
    ProbePlan {
        pinned: vec!["127.0.0.1".to_owned()],
        versions: versions.to_vec(),
        roots: Some(pki.roots().to_vec()),
        identity: pki.clients().first().cloned(),
        ..plan
    }
}

fn run(plan: &ProbePlan) -> ProbeReport {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(probe(plan)).unwrap()
}

fn probe_http(target: &Target, versions: &[TlsVersion], pki: &Pki) -> ProbePlan {
    plan(target.addrs()[0].port(), ProtocolKind::Http1, versions, pki)
}

fn rejected_class(report: &ProbeReport) -> &str {
    assert!(!report.accepted);
    match &report.verdict {
        Verdict::Rejected { class } => class,
        other => panic!("{other:?}\n{}", story(report, false)),
    }
}

#[test]
fn mutual_tls_is_accepted_in_both_versions() {
    let pki = mint();
    let target = start(&pki, required(&pki), ProtocolKind::Http1, TicketMode::Off);
    for version in BOTH {
        let report = run(&probe_http(&target, &[version], &pki));
        let text = story(&report, false);
        let proof = Proof::ApplicationData;
        assert_eq!(report.verdict, Verdict::Accepted { proof }, "{text}");
        assert!(report.accepted);
        let hello = report.client_hello.as_ref().unwrap();
        assert_eq!(hello.versions, [format!("TLSv{version}")]);
        assert!(hello.bytes > 100);
        assert_eq!(report.server_chain.as_ref().unwrap().count, 2);
        let client = report.client_certificate.as_ref().unwrap();
        assert_eq!(client.certificates.len(), 2);
        assert_eq!(client.issuer_listed, Some(true));
        assert_eq!(report.answer.as_ref().unwrap().status, Status::Passed);
        assert!(text.contains("verdict: accepted (proof: application data, HTTP/1.1 200 OK)"));
        assert!(!text.contains("not reached"), "{text}");
    }
}

#[test]
fn the_handshake_protocol_names_its_weaker_proofs() {
    let pki = mint();
    let cases = [
        (TlsVersion::Tls12, TicketMode::Off, Proof::ServerFinished),
        (
            TlsVersion::Tls13,
            TicketMode::Stateless,
            Proof::NewSessionTicket,
        ),
        (TlsVersion::Tls13, TicketMode::Off, Proof::OrderlyClose),
    ];
    for (version, tickets, proof) in cases {
        let target = start(&pki, required(&pki), ProtocolKind::Handshake, tickets);
        let port = target.addrs()[0].port();
        let report = run(&plan(port, ProtocolKind::Handshake, &[version], &pki));
        assert_eq!(report.verdict, Verdict::Accepted { proof });
        assert!(
            report.advice[0].contains("to be sure"),
            "{:?}",
            report.advice
        );
    }
}

#[test]
fn a_client_of_another_ca_is_rejected_and_told_why() {
    let (pki, other) = (mint(), mint());
    let target = start(&pki, required(&pki), ProtocolKind::Http1, TicketMode::Off);
    for version in BOTH {
        let plan = ProbePlan {
            identity: other.clients().first().cloned(),
            ..probe_http(&target, &[version], &pki)
        };
        let report = run(&plan);
        let text = story(&report, false);
        assert_eq!(rejected_class(&report), "alert.unknown_ca", "{text}");
        let client = report.client_certificate.as_ref().unwrap();
        assert_eq!(client.issuer_listed, Some(false));
        assert!(
            report.advice[0].contains("does not trust our chain"),
            "{text}"
        );
        // Only under TLS 1.3 was our handshake complete before the server looked.
        assert_eq!(report.finished.is_some(), version == TlsVersion::Tls13);
    }
}

#[test]
fn a_missing_client_certificate_is_named() {
    let pki = mint();
    let target = start(&pki, required(&pki), ProtocolKind::Http1, TicketMode::Off);
    for version in BOTH {
        let plan = ProbePlan {
            identity: None,
            ..probe_http(&target, &[version], &pki)
        };
        let report = run(&plan);
        assert_eq!(rejected_class(&report), "alert.certificate_required");
        assert!(report.certificate_request.as_ref().unwrap().requested);
        let client = report.client_certificate.as_ref().unwrap();
        assert!(client.not_sent.as_ref().unwrap().contains("no --cert"));
        assert!(
            report.advice[0].contains("--cert and --key"),
            "{:?}",
            report.advice
        );
    }
}

#[test]
fn a_server_that_does_not_ask_gets_no_certificate() {
    let pki = mint();
    let target = start(&pki, ServerAuth::Off, ProtocolKind::Http1, TicketMode::Off);
    let report = run(&probe_http(&target, &BOTH, &pki));
    assert!(report.accepted);
    assert!(!report.certificate_request.as_ref().unwrap().requested);
    let client = report.client_certificate.as_ref().unwrap();
    assert!(client.not_sent.as_ref().unwrap().contains("did not ask"));
    assert!(
        report.summary.contains("did not ask for one"),
        "{}",
        report.summary
    );
}

/// A refused server: the checks that failed, and that nothing after step 4 was reached.
fn refused(report: &ProbeReport) -> [Status; 3] {
    let text = story(report, false);
    assert!(
        matches!(report.verdict, Verdict::ServerRefused { .. }),
        "{text}"
    );
    assert!(!report.accepted && report.server_chain.is_some());
    assert!(
        report.client_certificate.is_none() && report.finished.is_none(),
        "{text}"
    );
    let verification = report.verification.as_ref().unwrap();
    assert!(!verification.accepted);
    [
        &verification.dates,
        &verification.issuer,
        &verification.name,
    ]
    .map(|check| check.status)
}

#[test]
fn each_check_of_the_server_has_its_own_verdict() {
    use Status::{Failed, Passed};
    let (pki, other) = (mint(), mint());
    let target = start(&pki, required(&pki), ProtocolKind::Http1, TicketMode::Off);
    for version in BOTH {
        let good = probe_http(&target, &[version], &pki);
        let wrong_name = ProbePlan {
            server_name: "other.example".to_owned(),
            ..good.clone()
        };
        let report = run(&wrong_name);
        assert_eq!(refused(&report), [Passed, Passed, Failed]);
        assert!(
            report.advice[0].contains("--sni localhost"),
            "{:?}",
            report.advice
        );
        let alert = report.verification.unwrap().alert_sent;
        assert_eq!(alert.as_deref(), Some("bad_certificate"));

        let wrong_root = ProbePlan {
            roots: Some(other.roots().to_vec()),
            ..wrong_name
        };
        let report = run(&wrong_root);
        assert_eq!(refused(&report), [Passed, Failed, Failed]);
        assert!(!report.server_chain.unwrap().intermediate_missing);

        let no_root = ProbePlan {
            roots: Some(Vec::new()),
            ..good.clone()
        };
        let report = run(&no_root);
        assert_eq!(refused(&report), [Passed, Failed, Passed]);
        assert!(report.summary.contains("no --cacert"), "{}", report.summary);

        let insecure = ProbePlan {
            roots: None,
            server_name: "other.example".to_owned(),
            ..good
        };
        let report = run(&insecure);
        assert!(report.accepted);
        let verification = report.verification.unwrap();
        assert!(verification.insecure);
        assert_eq!(verification.issuer.status, Status::NotChecked);
        assert_eq!(verification.name.status, Status::Warning);
    }
}

#[test]
fn what_is_wrong_with_the_chain_is_seen() {
    let pki = mint();
    let with_chain = |chain: Vec<CertificateDer<'static>>| {
        let identity = Identity {
            chain,
            ..pki.server().clone()
        };
        let target = serve(
            &identity,
            required(&pki),
            ProtocolKind::Http1,
            TicketMode::Off,
        );
        run(&probe_http(&target, &BOTH, &pki))
    };
    let full = pki.server().chain.clone();

    let report = with_chain(full[..1].to_vec());
    refused(&report);
    assert!(report.server_chain.unwrap().intermediate_missing);
    assert!(
        report.advice[0].contains("send its intermediate"),
        "{:?}",
        report.advice
    );

    let report = with_chain([full.clone(), pki.roots().to_vec()].concat());
    assert!(report.accepted);
    assert!(report.server_chain.as_ref().unwrap().root_sent);
    assert!(story(&report, false).contains("root sent"));
}

#[test]
fn the_group_that_was_offered_is_the_one_observed() {
    let pki = mint();
    let target = start(&pki, required(&pki), ProtocolKind::Http1, TicketMode::Off);
    let plan = ProbePlan {
        groups: vec!["secp384r1".to_owned()],
        ..probe_http(&target, &BOTH, &pki)
    };
    let report = run(&plan);
    let hello = report.server_hello.unwrap();
    assert_eq!(hello.group.as_deref(), Some("secp384r1"));
    assert!(!hello.hello_retry_request);
}

#[test]
fn a_closed_port_is_a_report() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let report = run(&plan(port, ProtocolKind::Handshake, &BOTH, &mint()));
    let class = "connect.refused".to_owned();
    assert_eq!(report.verdict, Verdict::Failed { class });
    assert!(report.client_hello.is_none());
    assert_eq!(report.network.failed.len(), 1);
}

#[test]
fn a_server_that_says_nothing_ends_the_probe_in_time() {
    let pki = mint();
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    let waiting = ProbePlan {
        timeout: Duration::from_millis(200),
        ..plan(port, ProtocolKind::Handshake, &BOTH, &pki)
    };
    let report = run(&waiting);
    let class = "unanswered.handshake".to_owned();
    assert_eq!(report.verdict, Verdict::Failed { class });
    assert!(report.client_hello.is_some() && report.total_ms < 5_000);
}

#[test]
fn a_server_that_speaks_no_tls_is_told_so() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let plain = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"SSH-2.0-none\r\n").unwrap();
        // Until the client hangs up: an earlier end might overtake the banner.
        drop(stream.read_to_end(&mut Vec::new()));
    });
    let report = run(&plan(port, ProtocolKind::Handshake, &BOTH, &mint()));
    plain.join().unwrap();
    let class = "tls.plain_text".to_owned();
    assert_eq!(report.verdict, Verdict::Failed { class });
    assert!(report.advice[0].contains("TLS port"), "{:?}", report.advice);
}

#[test]
fn an_answer_in_another_protocol_proves_nothing() {
    let pki = mint();
    let target = start(&pki, required(&pki), ProtocolKind::Echo, TicketMode::Off);
    let report = run(&probe_http(&target, &BOTH, &pki));
    assert!(
        matches!(report.verdict, Verdict::Unconfirmed { .. }),
        "{}",
        report.summary
    );
    let echo = plan(target.addrs()[0].port(), ProtocolKind::Echo, &BOTH, &pki);
    assert_eq!(echo.protocol.kind(), ProtocolKind::Echo);
    assert!(run(&echo).accepted);
}

#[test]
fn conversations_are_told_in_a_line() {
    let pki = mint();
    for (kind, message, told) in [
        (
            ProtocolKind::Framed,
            Some(("mllp", "MSH|^~\\&|A|B|C|D|20261130||ADT^A01|42|P|2.5\r")),
            "HL7 ACK AA for message 42",
        ),
        (
            ProtocolKind::Framed,
            Some(("fix", "8=FIX.4.4|35=A|49=FIRM|56=VENUE|108=7|")),
            "FIX Logon from VENUE, heartbeat 7 s",
        ),
        (ProtocolKind::Framed, Some(("line", "ping")), "\"ping\""),
        (ProtocolKind::Postgres, None, "ReadyForQuery, server 17.0"),
    ] {
        let target = start(&pki, required(&pki), kind, TicketMode::Off);
        let mut scenario = Scenario::default();
        scenario.target.url = Some(format!("tls://localhost:{}", target.addrs()[0].port()));
        scenario.protocol.kind = Some(kind);
        if let Some((frame, message)) = message {
            scenario.protocol.frame = Some(frame.parse().unwrap());
            scenario.protocol.data = Some(message.to_owned());
        } else {
            scenario.protocol.user = Some("app".to_owned());
            scenario.protocol.sslnegotiation = Some(SslNegotiation::Direct);
        }
        let checked = scenario.check("probe", "").unwrap();
        let plan = ProbePlan {
            pinned: vec!["127.0.0.1".to_owned()],
            roots: Some(pki.roots().to_vec()),
            identity: pki.clients().first().cloned(),
            ..ProbePlan::new(&checked, Duration::from_secs(5)).unwrap()
        };
        let report = run(&plan);
        let text = story(&report, false);
        assert!(report.accepted && text.contains(told), "{told}\n{text}");
    }
}

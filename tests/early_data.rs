//! Early data: sent, accepted, rejected and sent again, each counted exactly, and every request
//! arrives once, whatever the server does with it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;
#[path = "resumption/server.rs"]
mod server;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use common::{against, only, pki_in, reasons, run, scenario};
use server::{Server, Tickets};
use shakedown::crypto::Metering;
use shakedown::record::{RunRecord, TrialRecord};
use shakedown::report::{Style, render};
use shakedown::scenario::{ProtocolKind, ProviderName, TicketMode, TlsVersion, Verify};
use shakedown::stats::{EarlyCounts, OkKind, ResumptionCounts};
use shakedown::target::{ListenerSpec, Target, TargetSpec};
use shakedown::tls::{
    ClientTls, ClientTlsSpec, ResumptionSpec, ServerAuth, ServerTls, ServerTlsSpec, TicketSupply,
    TicketUse,
};

fn counts(trial: &TrialRecord) -> ResumptionCounts {
    let counts = trial.resumption.expect("resumption is on");
    counts.check().unwrap();
    counts
}

/// Sixty sessions against the embedded target; half of them are resumed.
fn embedded(early: bool, protocol: &str) -> RunRecord {
    run(scenario(&format!(
        "[load]\nsessions = 6\ntotal = 60\n[workers]\ncount = 2\n[protocol]\n{protocol}\n\
         [target.embedded]\ntickets = \"stateful\"\n\
         [resumption]\nmode = \"ticket\"\nratio = 0.5\nearly-data = {early}\n\
         [matrix]\nauth = [\"server\", \"mutual\"]\ntls = [\"1.3\"]\n",
    )))
}

const PROTOCOLS: [&str; 3] = [
    "kind = \"echo\"\nexchanges = 3",
    "kind = \"echo\"\npayload = \"10KiB\"",
    "kind = \"http1\"\nexchanges = 2",
];

#[test]
fn the_embedded_target_takes_what_was_sent() {
    for protocol in PROTOCOLS {
        let record = embedded(true, protocol);
        assert!(!reasons(&record).contains(&"resumption-missed"));
        for cell in &record.cells {
            let trial = &cell.trials[0];
            let counts = counts(trial);
            let resumed = trial.total.ok_of(OkKind::Resumed);
            assert_eq!(trial.total.ok_total(), 60, "{protocol}: {:?}", trial.total);
            assert!(resumed > 0, "{protocol}");
            let all = EarlyCounts {
                sent: resumed,
                accepted: resumed,
                ..EarlyCounts::default()
            };
            assert_eq!(counts.early, all, "{protocol}");
            let target = trial.target_counts.unwrap();
            assert_eq!(target.early_accepted, resumed, "{protocol}");
            assert_eq!((target.resumed, target.full), (resumed, 60 - resumed));
        }
    }
}

#[test]
fn it_is_off_unless_asked_for_and_counted_apart_from_the_offer() {
    for protocol in PROTOCOLS {
        let (without, with) = (embedded(false, protocol), embedded(true, protocol));
        for (without, with) in without.cells.iter().zip(&with.cells) {
            let trial = &without.trials[0];
            assert!(counts(trial).early.is_empty(), "{protocol}");
            assert_eq!(trial.target_counts.unwrap().early_accepted, 0);
            // The `early_data` extension is empty: a type and a length of two bytes each.
            let bytes = |trial| counts(trial).bytes_per_offer().unwrap();
            let extension = bytes(&with.trials[0]) - bytes(trial);
            assert!((extension - 4.0).abs() < 1e-9, "{protocol}: {extension}");
        }
    }
}

#[test]
fn a_request_larger_than_the_embedded_target_takes_is_refused() {
    let asked = |body: &str| {
        let asked = scenario(&format!(
            "[protocol]\nkind = \"http1\"\nmethod = \"PUT\"\nbody = \"{body}\"\n\
             [resumption]\nmode = \"ticket\"\nearly-data = true\n[matrix]\ntls = [\"1.3\"]\n",
        ));
        asked.check("s.toml", "").map(|_| ())
    };
    let error = asked("20KiB").unwrap_err().to_string();
    assert!(error.contains("takes 16384 bytes of early data"), "{error}");
    asked("10KiB").unwrap();
}

/// Forty sessions of 64 bytes each against a server of its own.
fn against_server(tickets: Tickets, early: bool) -> RunRecord {
    let dir = tempfile::tempdir().unwrap();
    let pki = pki_in(dir.path());
    let server = Server::start(&pki, tickets);
    let asked = scenario(&format!(
        "[load]\nsessions = 4\ntotal = 40\n[workers]\ncount = 1\n[protocol]\nkind = \"echo\"\n\
         [matrix]\ntls = [\"1.3\"]\n[resumption]\nmode = \"ticket\"\nearly-data = {early}\n",
    ));
    let url = format!("tls://localhost:{}", server.port());
    let record = run(against(asked, &url, dir.path(), Some(dir.path())));
    assert!(!reasons(&record).contains(&"resumption-missed"));
    let warned = record
        .warnings
        .iter()
        .any(|w| w.code == "early-data-rejected");
    let rejects = matches!(tickets, Tickets::EarlyRejected | Tickets::AllEarlyRejected);
    assert_eq!(warned, early && rejects, "{:?}", record.warnings);
    let withheld = early && tickets == Tickets::Kept;
    let missed = reasons(&record).contains(&"early-data-not-sent");
    assert_eq!(missed, withheld, "{:?}", record.validity);
    let trial = &only(&record).trials[0];
    assert_eq!(trial.total.ok_of(OkKind::Resumed), 40, "{:?}", trial.total);
    let sessions = 40 + trial.prime.as_ref().unwrap().ok_total();
    assert_eq!(server.bytes(), 64 * sessions, "every request came once");
    record
}

fn early_of(record: &RunRecord) -> EarlyCounts {
    counts(&only(record).trials[0]).early
}

/// What the report says after a label.
fn row(record: &RunRecord, label: &str) -> Option<String> {
    let text = render(record, Style::default()).unwrap();
    let row = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(label));
    row.map(|rest| rest.trim().to_owned())
}

#[test]
fn what_the_server_rejects_is_sent_again() {
    let record = against_server(Tickets::AllEarlyRejected, true);
    let all = EarlyCounts {
        sent: 40,
        rejected: 40,
        replayed: 40,
        ..EarlyCounts::default()
    };
    assert_eq!(early_of(&record), all);
    let told = |label| row(&record, label);
    assert_eq!(
        told("early data sent / accepted").as_deref(),
        Some("40 / 0")
    );
    let label = "rejected / replayed / withheld";
    assert_eq!(told(label).as_deref(), Some("40 / 40 / 0"));
}

#[test]
fn only_what_was_rejected_is_sent_again() {
    let early = early_of(&against_server(Tickets::EarlyRejected, true));
    assert_eq!((early.sent, early.accepted), (40, 20), "{early:?}");
    assert_eq!((early.rejected, early.replayed), (20, 20), "{early:?}");
}

#[test]
fn tickets_that_do_not_allow_for_it_are_offered_without() {
    let early = early_of(&against_server(Tickets::Kept, true));
    assert_eq!((early.withheld, early.sent), (40, 0), "{early:?}");
}

#[test]
fn tickets_that_allow_for_it_are_not_taken_as_a_wish() {
    let record = against_server(Tickets::EarlyRejected, false);
    assert!(early_of(&record).is_empty());
    assert_eq!(row(&record, "early data"), None);
}

/// Sessions that were to send early data to a server that speaks these versions and gives these tickets.
fn asked_of(versions: &[TlsVersion], tickets: TicketMode) -> RunRecord {
    let dir = tempfile::tempdir().unwrap();
    let pki = pki_in(dir.path());
    let tls = ServerTls::new(&ServerTlsSpec {
        provider: ProviderName::default(),
        versions,
        identity: pki.server(),
        auth: ServerAuth::Off,
        tickets,
        alpn: &[],
    });
    let target = Target::start(&TargetSpec {
        ip: Ipv4Addr::LOCALHOST.into(),
        listeners: vec![ListenerSpec {
            tls: Some(tls.unwrap()),
            protocol: ProtocolKind::Echo,
            port: 0,
        }],
        cores: vec![None],
    });
    let asked = scenario(
        "[load]\nsessions = 4\ntotal = 40\n[protocol]\nkind = \"echo\"\n[resumption]\nmode = \"ticket\"\n\
         early-data = true\n",
    );
    let target = target.unwrap();
    let url = format!("tls://{}", target.addrs()[0]);
    run(against(asked, &url, dir.path(), None))
}

#[test]
fn a_run_that_sent_no_early_data_is_invalid_and_says_why() {
    let both = [TlsVersion::Tls12, TlsVersion::Tls13];
    for (versions, tickets, why) in [
        (&both[..1], TicketMode::Stateless, "speaks TLS 1.2"),
        (&both, TicketMode::Stateless, "tickets do not allow"),
        (&both, TicketMode::Off, "no session offered"),
    ] {
        let record = asked_of(versions, tickets);
        let mut found = record.validity.reasons.iter();
        let note = found.find(|note| note.code == "early-data-not-sent");
        let note = note.unwrap_or_else(|| panic!("{why}: {:?}", record.validity));
        assert!(note.message.contains(why), "{note:?}");
    }
}

/// An echo target that takes early data, and a client for it.
fn target_and_client(pki: &shakedown::pki::Pki) -> (Target, ClientTls) {
    let versions = &[TlsVersion::Tls13];
    let spec = ServerTlsSpec {
        provider: ProviderName::default(),
        versions,
        identity: pki.server(),
        auth: ServerAuth::Off,
        tickets: TicketMode::Stateful,
        alpn: &[],
    };
    let supply = TicketSupply {
        early_data: 1_024,
        ..TicketSupply::default()
    };
    let target = Target::start(&TargetSpec {
        ip: Ipv4Addr::LOCALHOST.into(),
        listeners: vec![ListenerSpec {
            tls: Some(ServerTls::supplying(&spec, supply, Metering::default()).unwrap()),
            protocol: ProtocolKind::Echo,
            port: 0,
        }],
        cores: vec![None],
    });
    let client = ClientTls::new(&ClientTlsSpec {
        provider: ProviderName::default(),
        versions,
        groups: &[],
        suites: &[],
        alpn: &[],
        server_name: "localhost",
        expected_names: &[],
        roots: Some(pki.roots()),
        crls: &[],
        verify: Verify::default(),
        identity: None,
        resumption: Some(ResumptionSpec {
            by_id_only: false,
            capacity: 4,
            ticket_use: TicketUse::Once,
            request: None,
            early_data: true,
        }),
    });
    (target.unwrap(), client.unwrap())
}

#[test]
fn the_embedded_target_answers_before_the_handshake_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (target, client) = target_and_client(&pki_in(dir.path()));
    let mut answer = [0; 5];
    let mut conn = client.connection(false).unwrap();
    let mut io = TcpStream::connect(target.addrs()[0]).unwrap();
    let mut stream = rustls::Stream::new(&mut conn, &mut io);
    stream.write_all(b"hello").unwrap();
    stream.read_exact(&mut answer).unwrap();
    assert!(client.store().unwrap().stock() > 0);

    let mut conn = client.connection(true).unwrap();
    let mut io = TcpStream::connect(target.addrs()[0]).unwrap();
    conn.early_data().unwrap().write_all(b"early").unwrap();
    conn.write_tls(&mut io).unwrap();
    // From here on the client says nothing more, its Finished neither.
    while conn.reader().read(&mut answer).is_err() {
        assert!(conn.read_tls(&mut io).unwrap() > 0, "the target hung up");
        conn.process_new_packets().unwrap();
    }
    assert_eq!(&answer, b"early");
    assert!(conn.wants_write() && conn.is_early_data_accepted());
    let counts = target.counts(0);
    assert_eq!((counts.resumed, counts.early_accepted), (1, 1));
}

//! The exchanges of a session over time: one after the other, with time to think, and now and then while held.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{only, run, scenario, total};
use shakedown::record::{CellRecord, LedgerRecord};
use shakedown::report::{Style, render};
use shakedown::stats::OkKind;

#[test]
fn every_exchange_of_a_session_is_recorded() {
    for protocol in ["echo", "http1"] {
        let record = run(scenario(&format!(
            "[load]\nsessions = 2\ntotal = 20\n[protocol]\nkind = \"{protocol}\"\nexchanges = 3\n",
        )));
        let trial = &only(&record).trials[0];
        let full = &trial.kinds[&OkKind::Full];
        assert_eq!(full.histograms["exchange"].count, 60, "{protocol}");
        assert_eq!(full.histograms["confirm"].count, 20);
    }
}

#[test]
fn held_sessions_exchange_now_and_then() {
    for protocol in ["echo", "http1"] {
        let record = run(scenario(&format!(
            "[load]\nsessions = 2\ntotal = 2\nhold = \"1s\"\n\
             [protocol]\nkind = \"{protocol}\"\nevery = \"100ms\"\n",
        )));
        let trial = &only(&record).trials[0];
        assert_eq!((total(&record).ok_total(), trial.lost_while_held), (2, 0));
        let exchanges = trial.kinds[&OkKind::Full].histograms["exchange"].count;
        assert!((4..=20).contains(&exchanges), "{protocol}: {exchanges}");
    }
}

#[test]
fn sessions_think_between_exchanges() {
    let began = Instant::now();
    let record = run(scenario(
        "[load]\nsessions = 1\ntotal = 2\n[protocol]\nkind = \"http1\"\nexchanges = 3\nthink = \"150ms\"\n",
    ));
    let trial = &only(&record).trials[0];
    assert_eq!(trial.kinds[&OkKind::Full].histograms["exchange"].count, 6);
    assert!(began.elapsed() >= Duration::from_millis(2 * 2 * 150));
}

/// Bytes of the payloads that clients sent to a server of our own.
struct Counting {
    port: u16,
    bytes: Arc<AtomicU64>,
}

/// Serves every connection with `serve`, which counts payloads.
fn counting(serve: fn(TcpStream, &AtomicU64) -> Option<()>) -> Counting {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let bytes = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&bytes);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, counted) = (client.unwrap(), Arc::clone(&counted));
            std::thread::spawn(move || serve(client, &counted));
        }
    });
    Counting { port, bytes }
}

fn echo(mut client: TcpStream, bytes: &AtomicU64) -> Option<()> {
    let mut piece = [0; 4096];
    loop {
        let count = client.read(&mut piece).ok().filter(|count| *count > 0)?;
        bytes.fetch_add(count as u64, Ordering::Relaxed);
        client.write_all(&piece[..count]).ok()?;
    }
}

fn http(mut client: TcpStream, bytes: &AtomicU64) -> Option<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).ok()?;
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.trim_end().parse().unwrap();
        client.read_exact(&mut vec![0; length]).ok()?;
        bytes.fetch_add(length as u64, Ordering::Relaxed);
        client.write_all(b"HTTP/1.1 204 x\r\n\r\n").ok()?;
    }
}

fn broker(mut client: TcpStream, bytes: &AtomicU64) -> Option<()> {
    loop {
        let mut kind = [0];
        client.read_exact(&mut kind).ok()?;
        let (mut length, mut shift, mut byte) = (0, 0, [0x80]);
        while byte[0] >= 0x80 {
            client.read_exact(&mut byte).ok()?;
            length |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
        }
        let mut body = vec![0; length];
        client.read_exact(&mut body).ok()?;
        match kind[0] {
            0x10 => client.write_all(&[0x20, 2, 0, 0]).ok()?,
            0x32 => {
                let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let payload = &body[2 + topic + 2..];
                assert!(payload.iter().all(|byte| *byte == b'm'));
                bytes.fetch_add(payload.len() as u64, Ordering::Relaxed);
                let id = &body[2 + topic..2 + topic + 2];
                client.write_all(&[&[0x40, 2], id].concat()).ok()?;
            }
            _ => return None,
        }
    }
}

/// What docs/methodology.md says of the sizes of a worker's sessions, one exchange after the other.
fn drawn(seed: u64, worker: u64, sessions: u64, exchanges: u64, min: u64, max: u64) -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = |mut z: u64| {
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    };
    let step = |from: u64, number: u64| from.wrapping_add((number + 1).wrapping_mul(GOLDEN));
    let of_worker = mixed(step(seed, worker));
    let sizes = (0..sessions).flat_map(|session| {
        let of_session = mixed(step(of_worker, session));
        (0..exchanges).map(move |exchange| u128::from(mixed(step(of_session, exchange))))
    });
    let size = |draw: u128| min + u64::try_from((draw * u128::from(max - min + 1)) >> 64).unwrap();
    sizes.map(size).sum()
}

#[test]
fn drawn_sizes_add_up_to_what_the_seed_says() {
    let cases = [
        (
            "tcp",
            "echo",
            "payload",
            echo as fn(TcpStream, &AtomicU64) -> Option<()>,
        ),
        ("http", "http1", "body", http),
        ("mqtt", "mqtt", "payload", broker),
    ];
    for (scheme, protocol, key, serve) in cases {
        // Of MQTT's lengths, and of what fits into one record, on both sides.
        let (min, max) = (90, 40_000);
        let server = counting(serve);
        let record = run(scenario(&format!(
            "[target]\nurl = \"{scheme}://127.0.0.1:{}\"\n[matrix]\nauth = [\"none\"]\n\
             [load]\nsessions = 4\ntotal = 10\n[workers]\ncount = 2\n[trials]\nseed = 5\n\
             [protocol]\nkind = \"{protocol}\"\nexchanges = 3\n\
             {key} = {{ min = \"{min}\", max = \"{max}\" }}\n",
            server.port
        )));
        assert_eq!(total(&record).ok_total(), 10, "{protocol}");
        // Two workers with five sessions each, in the first round.
        let of = |worker| drawn(5 + 1_000, worker, 5, 3, min, max);
        let sent = server.bytes.load(Ordering::Relaxed);
        assert_eq!(sent, of(0) + of(1), "{protocol}");
    }
}

#[test]
fn the_embedded_target_takes_drawn_sizes() {
    for (protocol, key, kind) in [
        ("echo", "payload", ""),
        ("http1", "body", ""),
        ("mqtt", "payload", "qos = 0\n"),
        ("mqtt", "payload", "mqtt-version = \"5\"\n"),
    ] {
        let record = run(scenario(&format!(
            "[load]\nsessions = 2\ntotal = 10\n[protocol]\nkind = \"{protocol}\"\nexchanges = 4\n{kind}\
             {key} = {{ min = \"1\", max = \"64KiB\" }}\n",
        )));
        assert_eq!(total(&record).ok_total(), 10, "{protocol}");
        let exchanges = only(&record).trials[0].kinds[&OkKind::Full].histograms["exchange"].count;
        assert_eq!(exchanges, 40, "{protocol}");
    }
}

#[test]
fn cells_differ_in_exchanges_and_are_compared() {
    let record = run(scenario(
        "[load]\nsessions = 2\ntotal = 6\n[matrix]\nauth = [\"none\", \"mutual\"]\nexchanges = [1, 3]\n",
    ));
    let exchanges = |cell: &CellRecord| {
        let kinds = cell.trials[0].kinds.values();
        kinds.map(|kind| kind.histograms["exchange"].count).sum()
    };
    let found: Vec<(&str, u64)> = (record.cells.iter())
        .map(|cell| (cell.cell.name.as_str(), exchanges(cell)))
        .collect();
    let expected = [
        ("tcp-x1", 6),
        ("tcp-x3", 18),
        ("mtls-x1", 6),
        ("mtls-x3", 18),
    ];
    assert_eq!(found, expected);
    let report = render(&record, Style::default()).unwrap();
    assert!(
        report.contains("exchanges per session against 1"),
        "{report}"
    );
}

#[test]
fn both_ends_look_certificates_up_in_lists() {
    let record = run(scenario(
        "metered = true\n[load]\nsessions = 1\ntotal = 3\n[matrix]\ntls = [\"1.3\"]\nchain = [2]\ncrl = [false, true]\n",
    ));
    let verified = |cell: &CellRecord| {
        let anatomy = cell.trials[0].anatomy.as_ref().unwrap();
        let count = |end: &BTreeMap<OkKind, LedgerRecord>| {
            let entries = end.values().flat_map(|ledger| &ledger.entries);
            let verified = entries.filter(|entry| entry.work == "verify_chain");
            let signatures = verified.filter(|entry| entry.algorithm.is_some());
            signatures.map(|entry| entry.count).sum::<u64>()
        };
        (count(&anatomy.client), count(&anatomy.target))
    };
    let [without, with] = &record.cells[..] else {
        panic!("{} cells", record.cells.len())
    };
    assert_eq!(
        [&*without.cell.name, &*with.cell.name],
        ["mtls", "mtls-crl"]
    );
    // Its certificates and those of both intermediates are looked up, in signed lists.
    let (without, with) = (verified(without), verified(with));
    assert!(
        with.0 > without.0 && with.1 > without.1,
        "{without:?} {with:?}"
    );
}

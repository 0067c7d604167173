//! The least a session can cost: a handshake in memory, TCP with the same bytes on loopback, and both in one program
//! that does nothing else. `scripts/peers` compares shakedown with it. Times are thread CPU time in µs of each end.
//!
//! usage: floor tls|mtls 1.2|1.3 full|resumed SUITE SESSIONS [CORE CORE]      (the client's and the server's)
//!
//! Prints one line of JSON. The handshake is that of the bench `handshake`: aws-lc-rs, X25519, P-256 chains of leaf and
//! intermediate that are verified. The kernel's part moves the bytes of those flights, a request and its answer
//! (so that it is confirmed), and closes in order. In one program they cost slightly more than apart, as they share the
//! caches.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a tool for those who work on shakedown; it may panic"
)]

mod bytes;
#[path = "../../benches/support/pair.rs"]
#[allow(dead_code, reason = "benches use the rest")]
mod pair;
mod step;
mod tls;

use rustls::HandshakeKind;
use shakedown::affinity::pin_current;
use shakedown::pki::{KeyAlgorithm, Pki, PkiSpec};
use shakedown::scenario::{ProviderName, TlsVersion};

use bytes::Bytes;
use pair::{Case, Pair, Times};
use step::Plan;
use tls::Tls;

/// Sessions before those that count: memory, tables and branch predictors are warm then.
const WARMUP: u32 = 100;
/// Sessions in step.
const AT_ONCE: u32 = 8;
/// Bytes of an HTTP request and of nginx's answer to it, without the record around them.
const REQUEST: usize = 64;
const ANSWER: usize = 180;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (case, suite, sessions, cores) = match &args[..] {
        [auth, version, kind, suite, sessions] => {
            (case(auth, version, kind), suite, sessions, None)
        }
        [auth, version, kind, suite, sessions, client, server] => {
            let cores = (client.parse().unwrap(), server.parse().unwrap());
            (case(auth, version, kind), suite, sessions, Some(cores))
        }
        _ => usage(),
    };
    let sessions: u32 = sessions.parse().unwrap();
    if let Some((core, _)) = cores {
        pin_current("client".to_owned(), Some(core));
    }
    let pair = Pair::with_suite(&Pki::mint(&PkiSpec::default()).unwrap(), case, suite);
    let (memory, sent) = in_memory(&pair, case, sessions);
    let plan = |at_once| Plan {
        turns: sent.len() / 2,
        at_once,
        sessions: [WARMUP, sessions],
        server_core: cores.map(|(_, server)| server),
    };
    let tcp = |at_once| {
        let (client, server) = (|| Bytes::client(&sent), || Bytes::server(&sent));
        step::sessions(plan(at_once), client, server)
    };
    let (tcp, alone) = (tcp(AT_ONCE), tcp(1));
    let whole = in_one_program(&pair, case, plan(AT_ONCE));
    let us = |time: std::time::Duration| time.as_secs_f64() * 1e6 / f64::from(sessions);
    let figures = [
        ("memory_client_us", memory.client),
        ("memory_server_us", memory.server),
        ("tcp_client_us", tcp.client),
        ("tcp_server_us", tcp.server),
        ("tcp_alone_client_us", alone.client),
        ("tcp_alone_server_us", alone.server),
        ("whole_client_us", whole.client),
        ("whole_server_us", whole.server),
    ];
    let figures = figures.map(|(name, time)| format!("\"{name}\":{:.2}", us(time)));
    println!("{{{},\"turns\":{sent:?}}}", figures.join(","));
}

fn usage() -> ! {
    eprintln!("usage: floor tls|mtls 1.2|1.3 full|resumed SUITE SESSIONS [CORE CORE]");
    std::process::exit(2);
}

fn case(auth: &str, version: &str, kind: &str) -> Case {
    Case {
        provider: ProviderName::AwsLcRs,
        version: match version {
            "1.2" => TlsVersion::Tls12,
            "1.3" => TlsVersion::Tls13,
            _ => usage(),
        },
        mutual: match auth {
            "tls" => false,
            "mtls" => true,
            _ => usage(),
        },
        key: KeyAlgorithm::EcdsaP256,
        resumed: match kind {
            "full" => false,
            "resumed" => true,
            _ => usage(),
        },
    }
}

/// The CPU time of `sessions` handshakes, and the bytes of each turn of a session with a request, the client's first.
fn in_memory(pair: &Pair, case: Case, sessions: u32) -> (Times, Vec<usize>) {
    for _ in 0..AT_ONCE {
        pair.prime();
    }
    for _ in 0..WARMUP {
        pair.handshake();
    }
    let mut sum = Times::default();
    for _ in 0..sessions {
        let times = pair.handshake();
        sum.client += times.client;
        sum.server += times.server;
    }
    (sum, turns(case, pair.join().flights))
}

/// Sessions that make their handshakes over TCP.
fn in_one_program(pair: &Pair, case: Case, plan: Plan) -> Times {
    let last = plan.turns - 1;
    let kind = if case.resumed {
        HandshakeKind::Resumed
    } else {
        HandshakeKind::Full
    };
    let client = || Tls {
        conn: pair.client(),
        says: &[b'?'; REQUEST],
        last,
        kind,
    };
    let server = || Tls {
        conn: pair.server(),
        says: &[b'!'; ANSWER],
        last,
        kind,
    };
    step::sessions(plan, client, server)
}

/// Adds a request, which goes along with the client's last flight where that comes last, and its answer.
fn turns(case: Case, mut flights: Vec<usize>) -> Vec<usize> {
    let record = bytes::record_overhead(case.version);
    if case.version == TlsVersion::Tls12 && !case.resumed {
        flights.extend([0, 0]);
    }
    let last = flights.len();
    flights[last - 2] += record + REQUEST;
    flights[last - 1] += record + ANSWER;
    flights.push(record + 2); // close_notify
    flights
}

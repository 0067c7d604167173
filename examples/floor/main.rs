//! What a session cannot cost less than: a handshake in memory, and TCP with the same bytes on loopback.
//! `scripts/peers` holds shakedown against it. Times are thread CPU time in µs of each end.
//!
//! usage: floor tls|mtls 1.2|1.3 full|resumed SUITE SESSIONS [CORE CORE]      (the client's and the server's)
//!
//! Prints one line of JSON. The handshake is that of the bench `handshake`: aws-lc-rs, X25519, P-256 chains of leaf and
//! intermediate that are verified. The kernel's part moves the bytes of those flights, a request and its answer
//! (so that it is confirmed), and closes in order.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a tool for those who work on shakedown; it may panic"
)]

#[path = "../../benches/support/pair.rs"]
#[allow(dead_code, reason = "benches use the rest")]
mod pair;
mod tcp;

use shakedown::affinity::pin_current;
use shakedown::pki::{KeyAlgorithm, Pki, PkiSpec};
use shakedown::scenario::{ProviderName, TlsVersion};

use pair::{Case, Pair, Times};

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
    let (memory, turns) = in_memory(case, suite, sessions);
    let server_core = cores.map(|(_, server)| server);
    let tcp = |at_once| tcp::sessions(&turns, at_once, [WARMUP, sessions], server_core);
    let (tcp, alone) = (tcp(AT_ONCE), tcp(1));
    let us = |time: std::time::Duration| time.as_secs_f64() * 1e6 / f64::from(sessions);
    let figures = [
        ("memory_client_us", memory.client),
        ("memory_server_us", memory.server),
        ("tcp_client_us", tcp.client),
        ("tcp_server_us", tcp.server),
        ("tcp_alone_client_us", alone.client),
        ("tcp_alone_server_us", alone.server),
    ];
    let figures = figures.map(|(name, time)| format!("\"{name}\":{:.2}", us(time)));
    println!("{{{},\"turns\":{turns:?}}}", figures.join(","));
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

/// The CPU time of so many handshakes, and the bytes of each turn of a session with a request, the client's first.
fn in_memory(case: Case, suite: &str, sessions: u32) -> (Times, Vec<usize>) {
    let pki = Pki::mint(&PkiSpec::default()).unwrap();
    let pair = Pair::with_suite(&pki, case, suite);
    pair.prime();
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

/// Adds a request, which goes along with the client's last flight where that comes last, and its answer.
fn turns(case: Case, mut flights: Vec<usize>) -> Vec<usize> {
    let record = tcp::record_overhead(case.version);
    if case.version == TlsVersion::Tls12 && !case.resumed {
        flights.extend([0, 0]);
    }
    let last = flights.len();
    flights[last - 2] += record + REQUEST;
    flights[last - 1] += record + ANSWER;
    flights.push(record + 2); // close_notify
    flights
}

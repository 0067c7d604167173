//! Checks the ledger: its figures beside those of the same operations alone, interleaved in one run. docs/anatomy.md
//! says how to read it. Times are wall time per operation.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot run must stop at once"
)]

mod support;

use std::hint::black_box;
use std::time::{Duration, Instant};

use rustls::crypto::CryptoProvider;
use shakedown::crypto::{self, group_name};
use shakedown::pki::KeyAlgorithm;
use shakedown::scenario::{ProviderName, TlsVersion};
use shakedown::stats::{CryptoOp, SessionLedger, Spread, Work};
use shakedown::tls::MemorySession;
use shakedown::units::three_digits;
use support::material::{Material, providers};
use support::ops::{Signing, answered};
use support::pair::{Case, End, Pair};

const KEYS: [KeyAlgorithm; 3] = [
    KeyAlgorithm::EcdsaP256,
    KeyAlgorithm::Rsa2048,
    KeyAlgorithm::Ed25519,
];

/// How often each operation is done in a round, and how many rounds.
struct Effort {
    times: usize,
    rounds: usize,
}

/// An operation of a session that can be repeated alone.
struct Op {
    name: String,
    end: End,
    work: CryptoOp,
    /// Does it once and returns the time it took.
    alone: Box<dyn FnMut() -> Duration>,
}

/// Medians of one round, in microseconds.
#[derive(Clone, Copy)]
struct Round {
    repeated: f64,
    after_session: f64,
    ledger: f64,
}

fn main() {
    // Without this flag cargo runs it as a test.
    let effort = if std::env::args().any(|argument| argument == "--bench") {
        Effort {
            times: 200,
            rounds: 11,
        }
    } else {
        Effort {
            times: 2,
            rounds: 1,
        }
    };
    let material = Material::mint(&KEYS);
    println!(
        "µs of one operation: repeated alone, alone after a whole session each time, and by the ledger of \
         sessions;\nmedians of {} rounds of {}, in turns, with the least and the most of the ratios\n",
        effort.rounds, effort.times
    );
    println!(
        "{:<44} {:>9} {:>9} {:>9} {:>24} {:>24}",
        "", "repeated", "after", "ledger", "ledger / repeated", "ledger / after"
    );
    for provider in providers() {
        let capabilities = material.capabilities(provider);
        for key in KEYS {
            let case = Case {
                provider,
                version: TlsVersion::Tls13,
                mutual: true,
                key,
                resumed: false,
            };
            match case.lacks(&capabilities) {
                Some(reason) => eprintln!("skipped: {}: {reason}", case.name()),
                None => compare(&material, case, &effort),
            }
        }
    }
}

/// Compares the operations of one kind of session.
fn compare(material: &Material, case: Case, effort: &Effort) {
    let pki = material.pki(case.key);
    let provider = crypto::provider(case.provider).unwrap();
    let signing = Signing::new(&provider, case.key, pki).unwrap();
    let (plain, metered) = (Pair::new(pki, case), Pair::metered(pki, case));
    let mut ops = ops(&provider, case, signing);
    let mut rounds: Vec<Vec<Round>> = vec![Vec::new(); ops.len()];
    for _ in 0..effort.rounds {
        let made = (0..effort.times).map(|_| metered.in_memory());
        let sessions: Vec<MemorySession> = made.collect();
        for (op, rounds) in ops.iter_mut().zip(&mut rounds) {
            let repeated = (0..effort.times).map(|_| us((op.alone)()));
            let repeated = median(repeated.collect());
            let after = (0..effort.times).map(|_| {
                black_box(plain.handshake());
                us((op.alone)())
            });
            let after_session = median(after.collect());
            let ledger = sessions.iter().map(|session| in_ledger(session, op));
            rounds.push(Round {
                repeated,
                after_session,
                ledger: median(ledger.collect()),
            });
        }
    }
    for (op, rounds) in ops.iter().zip(&rounds) {
        row(case.provider, &op.name, rounds);
    }
}

fn ops(provider: &CryptoProvider, case: Case, signing: Signing) -> Vec<Op> {
    let kx = provider.kx_groups.iter().copied();
    // The default first group of clients.
    let kx = kx.filter(|kx| ["x25519", "secp256r1"].contains(&&*group_name(kx.name().into())));
    let kx = kx
        .min_by_key(|kx| group_name(kx.name().into()) != "x25519")
        .unwrap();
    let (group, key) = (group_name(kx.name().into()), case.key);
    let signing = std::rc::Rc::new(signing);
    let verifying = std::rc::Rc::clone(&signing);
    vec![
        Op {
            name: format!("{key}: sign"),
            end: End::Client,
            work: CryptoOp::Sign,
            alone: Box::new(move || timed(|| signing.sign())),
        },
        Op {
            name: format!("{key}: verify_transcript"),
            end: End::Client,
            work: CryptoOp::VerifyTranscript,
            alone: Box::new(move || timed(|| verifying.verify())),
        },
        Op {
            name: format!("{key}: kx_start {group}"),
            end: End::Client,
            work: CryptoOp::KxStart,
            alone: Box::new(move || timed(|| kx.start().unwrap())),
        },
        Op {
            name: format!("{key}: kx_complete {group}"),
            end: End::Client,
            work: CryptoOp::KxComplete,
            alone: Box::new(move || {
                let (client, answer) = answered(kx);
                timed(|| client.complete(&answer).unwrap())
            }),
        },
        Op {
            name: format!("{key}: kx_complete {group}, server"),
            end: End::Server,
            work: CryptoOp::KxComplete,
            alone: Box::new(move || {
                let client = kx.start().unwrap();
                timed(|| kx.start_and_complete(client.pub_key()).unwrap())
            }),
        },
    ]
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The time of an operation in a session, by its ledger.
fn in_ledger(session: &MemorySession, op: &Op) -> f64 {
    let ledger: &SessionLedger = match op.end {
        End::Client => &session.client.ledger,
        End::Server => &session.server.ledger,
    };
    let of_op = ledger
        .entries
        .iter()
        .filter(|(e, _)| e.work == Work::Crypto(op.work));
    let (ns, count) = of_op.fold((0, 0), |(ns, count), (_, spent)| {
        (ns + spent.ns, count + spent.count)
    });
    assert!(count > 0, "{} is not in the ledger", op.name);
    ns as f64 / 1e3 / count as f64
}

fn median(values: Vec<f64>) -> f64 {
    Spread::of(values).unwrap().median
}

fn row(provider: ProviderName, name: &str, rounds: &[Round]) {
    let over = |of: fn(&Round) -> f64| Spread::of(rounds.iter().map(of)).unwrap();
    let time = |of| three_digits(over(of).median);
    let ratio = |of| {
        let Spread {
            median, min, max, ..
        } = over(of);
        format!("{median:.3} [{min:.3} … {max:.3}]")
    };
    println!(
        "{:<44} {:>9} {:>9} {:>9} {:>24} {:>24}",
        format!("{provider} {name}"),
        time(|round| round.repeated),
        time(|round| round.after_session),
        time(|round| round.ledger),
        ratio(|round| round.ledger / round.repeated),
        ratio(|round| round.ledger / round.after_session),
    );
}

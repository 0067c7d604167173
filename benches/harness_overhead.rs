//! The overhead of measuring: counting a session, scheduling arrivals, and metering. docs/anatomy.md says how to read
//! it. Counting and scheduling are wall time, sessions thread CPU time.

#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot run must stop at once"
)]

mod support;

use std::hint::black_box;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use shakedown::crypto::span_cost;
use shakedown::load::{HandOver, Schedule};
use shakedown::pki::KeyAlgorithm;
use shakedown::scenario::{Arrivals, Profile, ProviderName, TlsVersion};
use shakedown::stats::{Observed, OkKind, Outcome, Phase, Proof, Sample, Timing, TrialStats};
use support::brief;
use support::material::Material;
use support::pair::{Case, End, Pair};

/// Arrivals of one schedule, enough for a whole ramp.
const ARRIVALS: u64 = 10_000;

/// A confirmed session of the measure phase, the commonest.
fn sample() -> Sample {
    Sample {
        ended_ns: 1_500_000,
        outcome: Outcome::Ok {
            kind: OkKind::Full,
            proof: Proof::ApplicationData,
        },
        observed: Some(Observed {
            provider: "aws-lc-rs",
            version: 0x0304,
            suite: 0x1301,
            group: 0x001d,
            server_scheme: 0x0403,
            client_scheme: 0x0403,
            certificate_requested: true,
            certificate_sent: true,
            alpn: None,
            resumed: false,
        }),
        lag_ns: 3_000,
        connect: Some(Timing::At(40_000)),
        handshake: Some(Timing::At(600_000)),
        confirm: Some(Timing::At(900_000)),
        service: Some(Timing::At(950_000)),
        handshake_bytes_out: 1_254,
        handshake_bytes_in: 1_421,
        ..Sample::begun(Phase::Measure)
    }
}

fn recorder(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("harness_overhead/recorder");
    let mut stats = TrialStats::default();
    let sample = sample();
    group.bench_function("session", |b| {
        b.iter(|| {
            stats.start(black_box(Phase::Measure));
            stats.finish(black_box(&sample));
        });
    });
    stats.total.check().unwrap();
    group.finish();
}

/// A worker's overhead for live figures: counting a session in the current second, and handing a second over. Prints
/// its share of a handshake.
fn seconds(criterion: &mut Criterion) {
    const NS_PER_S: u64 = 1_000_000_000;
    /// Sessions of a worker in a second, of the figure that is printed.
    const RATE: f64 = 1_000.0;
    let mut group = criterion.benchmark_group("harness_overhead/seconds");
    let sample = sample();
    let (to, inbox) = mpsc::channel();
    let mut over = HandOver::new(0, to);
    let [mut session, mut turn] = [Cost::default(), Cost::default()];
    group.bench_function("session", |b| {
        b.iter_custom(|n| {
            let from = Instant::now();
            for _ in 0..n {
                over.at(black_box(500_000)).started += 1;
                over.at(black_box(1_500_000)).finish(black_box(&sample));
            }
            session.add(from.elapsed(), n)
        });
    });
    let mut at_ns = 0;
    group.bench_function("hand_over", |b| {
        b.iter_custom(|n| {
            let mut used = Duration::ZERO;
            for _ in 0..n {
                at_ns += NS_PER_S;
                let from = Instant::now();
                // The first session of a second finds its histogram cold.
                over.at(black_box(at_ns)).finish(black_box(&sample));
                used += from.elapsed();
                // The engine's part, on another thread in a run.
                drop(inbox.recv());
            }
            turn.add(used, n)
        });
    });
    group.finish();
    let key = KeyAlgorithm::EcdsaP256;
    let material = Material::mint(&[key]);
    let case = Case {
        provider: ProviderName::default(),
        version: TlsVersion::Tls13,
        mutual: true,
        key,
        resumed: false,
    };
    let pair = Pair::new(material.pki(key), case);
    let mut handshake = Cost::default();
    for _ in 0..200 {
        handshake.add(pair.handshake().of(End::Client), 1);
    }
    let watched = session.each() + turn.each() / RATE;
    let share = 100.0 * watched / handshake.each();
    // A test runs each only once.
    if share.is_finite() && session.1 > 1_000 {
        eprintln!(
            "being watched, at {RATE}/s per worker: {:.0} ns a session and {:.1} µs a second, {share:.3} % of the \
             client's CPU time for an mTLS 1.3 handshake in memory",
            session.each() * 1e9,
            turn.each() * 1e6
        );
    }
}

/// Time spent, and on how many of something.
#[derive(Default)]
struct Cost(Duration, u64);

impl Cost {
    /// Adds to it; gives the time back.
    fn add(&mut self, time: Duration, count: u64) -> Duration {
        self.0 += time;
        self.1 += count;
        time
    }

    /// Seconds for each.
    fn each(&self) -> f64 {
        self.0.as_secs_f64() / self.1 as f64
    }
}

fn schedule(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("harness_overhead/schedule");
    let constant = Profile::constant(1_000.0);
    // As many arrivals: 10 s at 1,000/s on average.
    let ramp = Profile::ramp(0.0, [(10.0, 2_000.0)]);
    for (name, profile, arrivals) in [
        ("fixed", &constant, Arrivals::Fixed),
        ("poisson", &constant, Arrivals::Poisson),
        ("fixed_on_a_ramp", &ramp, Arrivals::Fixed),
        ("poisson_on_a_ramp", &ramp, Arrivals::Poisson),
    ] {
        group.throughput(criterion::Throughput::Elements(ARRIVALS));
        group.bench_function(name, |b| {
            b.iter(|| {
                let due = Schedule::new(profile, arrivals, (0, 1), Some(ARRIVALS), 1);
                due.map(black_box).count()
            });
        });
    }
    group.finish();
}

/// The same session with and without metering, interleaved to share noise. Prints the ratio.
fn metering(criterion: &mut Criterion) {
    let key = KeyAlgorithm::EcdsaP256;
    let material = Material::mint(&[key]);
    let mut group = criterion.benchmark_group("harness_overhead/metering");
    for (kind, resumed) in [("full", false), ("resumed", true)] {
        let case = Case {
            provider: ProviderName::default(),
            version: TlsVersion::Tls13,
            mutual: true,
            key,
            resumed,
        };
        let pki = material.pki(key);
        let pairs = [Pair::new(pki, case), Pair::metered(pki, case)];
        for (end_name, end) in End::ALL {
            let mut sums = [Duration::ZERO; 2];
            for (index, name) in ["plain", "metered"].into_iter().enumerate() {
                group.bench_function(format!("{kind}/{end_name}/{name}"), |b| {
                    pairs.iter().for_each(Pair::prime);
                    b.iter_custom(|n| {
                        let mut used = [Duration::ZERO; 2];
                        for turn in 0..n {
                            // The order alternates too.
                            for side in [turn % 2, 1 - turn % 2] {
                                let side = usize::from(side == 1);
                                used[side] += pairs[side].handshake().of(end);
                            }
                        }
                        sums[0] += used[0];
                        sums[1] += used[1];
                        used[index]
                    });
                });
            }
            let ratio = sums[1].as_secs_f64() / sums[0].as_secs_f64();
            if ratio.is_finite() {
                eprintln!(
                    "metering, {kind} mTLS 1.3, {end_name}: {ratio:.3} × the CPU time without"
                );
            }
        }
    }
    group.finish();
    eprintln!("one entry in a ledger: {:?}", span_cost());
}

criterion_group! {
    name = benches;
    config = brief();
    targets = recorder, seconds, schedule, metering
}
criterion_main!(benches);

//! What measuring costs the measured: counting a session, working out when arrivals are due, and metering.
//! docs/benches.md says how to read it. Counting and arithmetic are wall time, sessions thread CPU time.

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
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use shakedown::crypto::span_cost;
use shakedown::load::Schedule;
use shakedown::pki::KeyAlgorithm;
use shakedown::scenario::{Arrivals, Profile, ProviderName, TlsVersion};
use shakedown::stats::{Observed, Offer, OkKind, Outcome, Phase, Proof, Sample, TrialStats};
use support::brief;
use support::material::Material;
use support::pair::{Case, End, Pair};

/// Arrivals of one schedule, so that a ramp is worked out from its beginning to its end.
const ARRIVALS: u64 = 10_000;

/// A confirmed session of the measure phase, the commonest.
fn sample() -> Sample {
    Sample {
        phase: Phase::Measure,
        ended_ns: 1_500_000,
        outcome: Outcome::Ok {
            kind: OkKind::Full,
            proof: Proof::ApplicationData,
        },
        identity: None,
        resumed: None,
        offer: Offer::Undecided,
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
        connect_ns: Some(40_000),
        handshake_ns: Some(600_000),
        confirm_ns: Some(900_000),
        service_ns: Some(950_000),
        handshake_bytes_out: 1_254,
        handshake_bytes_in: 1_421,
    }
}

fn recorder(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("harness_overhead/recorder");
    let mut stats = TrialStats::default();
    let sample = sample();
    group.bench_function("session", |b| {
        b.iter(|| {
            stats.start(Phase::Measure, black_box(500_000), 1);
            stats.finish(black_box(&sample));
        });
    });
    stats.total.check().unwrap();
    group.finish();
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

/// The same session with and without metering, in turns, so that both meet the same noise; the ratio is
/// printed.
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
                            // Who goes first alternates too.
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
    targets = recorder, schedule, metering
}
criterion_main!(benches);

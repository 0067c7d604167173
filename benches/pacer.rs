//! The lag of the open-loop pacer: how late each arrival is, at several rates.
//!
//! Criterion reports the mean lag as the time of one iteration; the distribution is printed below it. Needs an idle
//! machine: a busy one shows the lag of its scheduler.

#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot run must stop at once"
)]

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use shakedown::clock::ns_between;
use shakedown::load::{Pacer, Schedule};
use shakedown::scenario::{Arrivals, Profile};
use shakedown::stats::{LatencyHistogram, Timing};

/// Waits for `count` arrivals and sums up how late each was.
async fn lags(rate: f64, count: u64, lags: &mut LatencyHistogram) -> Duration {
    let pacer = Pacer::new().unwrap();
    let schedule = Schedule::new(
        &Profile::constant(rate),
        Arrivals::Fixed,
        (0, 1),
        Some(count),
        1,
    );
    let start = Instant::now() + Duration::from_millis(1);
    let mut sum = 0;
    for offset in schedule {
        let due = start + offset;
        pacer.wait_until(due).await.unwrap();
        let lag_ns = ns_between(due, Instant::now());
        lags.record(lag_ns);
        sum += lag_ns;
    }
    Duration::from_nanos(sum)
}

fn pacer_lag(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut group = criterion.benchmark_group("pacer_lag");
    group.sample_size(10);
    for rate in [100.0, 500.0, 2_000.0] {
        let mut seen = LatencyHistogram::new();
        group.bench_function(format!("{rate}_per_s"), |b| {
            b.iter_custom(|n| runtime.block_on(lags(rate, n, &mut seen)));
        });
        let show = |timing: Option<Timing>| timing.map_or("–".to_owned(), |t| t.to_string());
        let quantile = |q| show(seen.quantile(q));
        eprintln!(
            "lag at {rate}/s over {} arrivals: p50 {}, p90 {}, p99 {}, max {}",
            seen.count(),
            quantile(0.5),
            quantile(0.9),
            quantile(0.99),
            show(seen.max()),
        );
    }
    group.finish();
}

criterion_group!(benches, pacer_lag);
criterion_main!(benches);

//! The CPU cost of one full mTLS handshake: in memory, client and server apart, and of a whole
//! session through the worker and loopback. The distance between them is the driver and the kernel.
//!
//! Every figure is thread CPU time (`CLOCK_THREAD_CPUTIME_ID`), not wall time; each reading of that
//! clock costs about 0.15 µs and is part of the in-memory figures (eight readings a handshake).

#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot run must stop at once"
)]

mod in_memory;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use in_memory::{End, Pair};
use shakedown::load::Interrupt;
use shakedown::pki::{Pki, PkiSpec};
use shakedown::runner::prepare;
use shakedown::scenario::{Scenario, TlsVersion};
use tokio::sync::watch;

fn full_handshakes(criterion: &mut Criterion) {
    let pki = Pki::mint(&PkiSpec::default()).unwrap();
    let mut group = criterion.benchmark_group("handshake_in_memory");
    for (auth, mutual) in [("tls", false), ("mtls", true)] {
        for (version_name, version) in [("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)] {
            let pair = Pair::full(&pki, version, mutual);
            for (end_name, end) in [("client", End::Client), ("server", End::Server)] {
                group.bench_function(format!("{auth}{version_name}/p256/{end_name}"), |b| {
                    b.iter_custom(|n| (0..n).map(|_| pair.handshake(false, end)).sum());
                });
            }
        }
    }
    group.finish();
}

/// A session through the worker and loopback, one at a time: connect, handshake, 64 bytes echoed,
/// orderly close.
fn through_the_worker(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session_on_loopback");
    group.sample_size(10);
    for auth in ["none", "server", "mutual"] {
        let name = match auth {
            "none" => "tcp/worker".to_owned(),
            "server" => "tls1.3/p256/worker".to_owned(),
            _ => "mtls1.3/p256/worker".to_owned(),
        };
        group.bench_function(name, |b| b.iter_custom(|n| worker_cpu(auth, n)));
    }
    group.finish();
}

fn worker_cpu(auth: &str, sessions: u64) -> Duration {
    let versions = if auth == "none" {
        ""
    } else {
        "tls = [\"1.3\"]"
    };
    let text = format!(
        "version = 1\nname = \"bench\"\n[load]\nsessions = 1\ntotal = {sessions}\n\
         [workers]\ncount = 1\n[matrix]\nauth = [\"{auth}\"]\n{versions}\n",
    );
    let checked = Scenario::parse("bench", &text)
        .unwrap()
        .check("bench", &text)
        .unwrap();
    let (_sender, control) = watch::channel(Interrupt::None);
    let record = prepare(checked)
        .unwrap()
        .run(Vec::new(), &control, &mut |_| {})
        .unwrap();
    let trial = &record.cells[0].trials[0];
    assert_eq!(trial.total.ok_total(), sessions);
    Duration::from_nanos(trial.worker_cpu.cpu_ns)
}

criterion_group!(benches, full_handshakes, through_the_worker);
criterion_main!(benches);

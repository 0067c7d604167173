//! The CPU cost of a whole session through the worker and loopback. The difference from the client's handshake in memory
//! (the bench `handshake`) is the driver and the kernel.
//!
//! Figures are thread CPU time (`CLOCK_THREAD_CPUTIME_ID`), not wall time.

#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot run must stop at once"
)]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use shakedown::load::Interrupt;
use shakedown::runner::prepare;
use shakedown::scenario::Scenario;
use tokio::sync::watch;

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

criterion_group!(benches, through_the_worker);
criterion_main!(benches);

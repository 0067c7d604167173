//! The CPU cost of a resumed handshake against a full one, in memory, client and server apart: TLS and
//! mTLS, 1.2 and 1.3, by stateless ticket. The making and taking of the tickets that follow is part of
//! both.
//!
//! Every figure is thread CPU time (`CLOCK_THREAD_CPUTIME_ID`), not wall time; each reading of that
//! clock costs about 0.15 µs and is part of the figures (eight readings a handshake).

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

use criterion::{Criterion, criterion_group, criterion_main};
use in_memory::{End, Pair};
use shakedown::pki::{Pki, PkiSpec};
use shakedown::scenario::TlsVersion;

fn resumption(criterion: &mut Criterion) {
    let pki = Pki::mint(&PkiSpec::default()).unwrap();
    let mut group = criterion.benchmark_group("resumption_in_memory");
    for (auth, mutual) in [("tls", false), ("mtls", true)] {
        for (version_name, version) in [("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)] {
            let pair = Pair::resuming(&pki, version, mutual);
            for (kind, resumed) in [("full", false), ("resumed", true)] {
                for (end_name, end) in [("client", End::Client), ("server", End::Server)] {
                    let name = format!("{auth}{version_name}/{kind}/{end_name}");
                    group.bench_function(name, |b| {
                        // Tickets for the first; each handshake brings those of the next.
                        pair.handshake(false, end);
                        b.iter_custom(|n| (0..n).map(|_| pair.handshake(resumed, end)).sum());
                    });
                }
            }
        }
    }
    group.finish();
}

criterion_group!(benches, resumption);
criterion_main!(benches);

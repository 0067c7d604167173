//! The same handshakes through two stacks in one run: rustls, and OpenSSL, the system's. Client and server
//! apart, in memory; docs/benches.md says how to read it. A figure is the thread CPU time of one end's calls.

#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot run must stop at once"
)]

mod stacks_openssl;
mod support;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use shakedown::pki::KeyAlgorithm;
use shakedown::scenario::{ProviderName, TlsVersion};
use stacks_openssl::OpensslPair;
use support::brief;
use support::material::Material;
use support::pair::{Case, End, Pair, Times};

const KEYS: [KeyAlgorithm; 2] = [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Rsa2048];

/// Both ends of sessions in memory, of some implementation of TLS.
pub trait Stack {
    /// Gets what the next handshake resumes by, where sessions are resumed.
    fn prime(&self);

    /// One handshake, checked on both ends to be what was asked for.
    fn handshake(&self) -> Times;
}

impl Stack for Pair {
    fn prime(&self) {
        Pair::prime(self);
    }

    fn handshake(&self) -> Times {
        Pair::handshake(self)
    }
}

fn stacks(criterion: &mut Criterion) {
    eprintln!("OpenSSL: {}", openssl::version::version());
    let material = Material::mint(&KEYS);
    let mut group = criterion.benchmark_group("stacks");
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        for (mutual, key) in [false, true].into_iter().flat_map(|m| KEYS.map(|k| (m, k))) {
            for resumed in [false, true] {
                let case = Case {
                    provider: ProviderName::default(),
                    version,
                    mutual,
                    key,
                    resumed,
                };
                let pki = material.pki(key);
                let rustls = Pair::new(pki, case);
                let openssl = OpensslPair::new(pki, case);
                let stacks: [(&str, &dyn Stack); 2] = [("rustls", &rustls), ("openssl", &openssl)];
                for (end_name, end) in End::ALL {
                    for (stack_name, stack) in stacks {
                        let name = format!("{stack_name}/{}/{end_name}", case.kind());
                        group.bench_function(name, |b| {
                            stack.prime();
                            b.iter_custom(|n| {
                                (0..n).map(|_| black_box(stack.handshake()).of(end)).sum()
                            });
                        });
                    }
                }
            }
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = brief();
    targets = stacks
}
criterion_main!(benches);

//! The same handshakes in memory through rustls and the system's OpenSSL in one run, client and server apart.
//! docs/anatomy.md says how to read it. Figures are the thread CPU time of one end's calls.

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

use criterion::{Criterion, criterion_group, criterion_main};
use shakedown::pki::KeyAlgorithm;
use shakedown::scenario::{ProviderName, TlsVersion};
use stacks_openssl::OpensslPair;
use support::brief;
use support::material::Material;
use support::pair::{Case, End, Pair};
use support::stack::{Stack, bench_end};

const KEYS: [KeyAlgorithm; 2] = [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Rsa2048];

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
                        bench_end(&mut group, name, stack, end);
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

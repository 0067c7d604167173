//! The CPU cost of a handshake in memory, client and server apart: by provider, version, authentication,
//! key and kind. docs/anatomy.md says how to read it.
//!
//! Both ends take turns on one thread; figures are the thread CPU time of one end's calls.

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

use criterion::{Criterion, criterion_group, criterion_main};
use shakedown::pki::KeyAlgorithm;
use shakedown::scenario::TlsVersion;
use support::brief;
use support::material::{Material, providers};
use support::pair::{Case, End, Pair};
use support::stack::bench_end;

const KEYS: [KeyAlgorithm; 5] = [
    KeyAlgorithm::EcdsaP256,
    KeyAlgorithm::EcdsaP384,
    KeyAlgorithm::Rsa2048,
    KeyAlgorithm::Ed25519,
    KeyAlgorithm::MlDsa65,
];

fn handshakes(criterion: &mut Criterion) {
    let material = Material::mint(&KEYS);
    let mut group = criterion.benchmark_group("handshake");
    for provider in providers() {
        let capabilities = material.capabilities(provider);
        for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
            for (mutual, key) in [false, true].into_iter().flat_map(|m| KEYS.map(|k| (m, k))) {
                for resumed in [false, true] {
                    let case = Case {
                        provider,
                        version,
                        mutual,
                        key,
                        resumed,
                    };
                    if let Some(reason) = case.lacks(&capabilities) {
                        eprintln!("skipped: handshake/{}: {reason}", case.name());
                        continue;
                    }
                    let pair = Pair::new(material.pki(key), case);
                    for (end_name, end) in End::ALL {
                        let name = format!("{}/{end_name}", case.name());
                        bench_end(&mut group, name, &pair, end);
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
    targets = handshakes
}
criterion_main!(benches);

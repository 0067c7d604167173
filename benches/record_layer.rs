//! Bulk data between two ends in memory, both ways, sender and receiver apart, by provider and suite. docs/anatomy.md
//! says how to read it. Figures are the thread CPU time of one end's calls.

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

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use shakedown::pki::KeyAlgorithm;
use support::brief;
use support::material::{Material, providers};
use support::pair::{Case, End, Pair};

/// Bytes sent at a time: as much as a session buffers, in four full records.
const BURST: usize = 64 * 1024;

fn bulk(criterion: &mut Criterion) {
    let key = KeyAlgorithm::EcdsaP256;
    let material = Material::mint(&[key]);
    let data = vec![b'b'; BURST];
    let mut wire = Vec::with_capacity(2 * BURST);
    let mut group = criterion.benchmark_group("record_layer");
    group.throughput(Throughput::Bytes(BURST as u64));
    for provider in providers() {
        for suite in material.capabilities(provider).suites {
            // The kind of key does not affect records.
            if suite.name.contains("_RSA_") {
                continue;
            }
            let case = Case {
                provider,
                version: suite.version,
                mutual: false,
                key,
                resumed: false,
            };
            let mut joined = Pair::with_suite(material.pki(key), case, &suite.name).join();
            for (direction, to_server) in [("to_server", true), ("to_client", false)] {
                for (end_name, end) in End::ALL {
                    let name = format!("{provider}/{}/{direction}/{end_name}", suite.name);
                    group.bench_function(name, |b| {
                        b.iter_custom(|n| {
                            let burst = |_| {
                                let times = if to_server {
                                    joined.send_to_server(&data, &mut wire)
                                } else {
                                    joined.send_to_client(&data, &mut wire)
                                };
                                times.of(end)
                            };
                            (0..n).map(burst).sum()
                        });
                    });
                }
            }
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = brief();
    targets = bulk
}
criterion_main!(benches);

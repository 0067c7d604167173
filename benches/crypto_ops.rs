//! Single crypto operations of each provider, through the traits by which rustls calls them: wall time of
//! one operation repeated, with warm caches. docs/anatomy.md says how to read it.

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

use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main,
};
use rustls::Tls13CipherSuite;
use rustls::crypto::CryptoProvider;
use rustls::crypto::tls13::OkmBlock;
use shakedown::crypto::{self, cipher_suite_name, group_name};
use shakedown::pki::KeyAlgorithm;
use support::brief;
use support::material::{Material, providers};
use support::ops::{Aead, Signing, answered};

const KEYS: [KeyAlgorithm; 6] = [
    KeyAlgorithm::EcdsaP256,
    KeyAlgorithm::EcdsaP384,
    KeyAlgorithm::Rsa2048,
    KeyAlgorithm::Rsa3072,
    KeyAlgorithm::Ed25519,
    KeyAlgorithm::MlDsa65,
];

/// Bytes of a short record, a middling one and the largest.
const SIZES: [usize; 3] = [64, 1_024, 16_384];

fn operations(criterion: &mut Criterion) {
    let material = Material::mint(&KEYS);
    for name in providers() {
        let provider = crypto::provider(name).unwrap();
        let mut group = criterion.benchmark_group(format!("crypto_ops/{name}"));
        signatures(&mut group, &provider, &material);
        exchanges(&mut group, &provider);
        let suites = provider
            .cipher_suites
            .iter()
            .filter_map(rustls::SupportedCipherSuite::tls13);
        let suites: Vec<&Tls13CipherSuite> = suites.collect();
        for suite in &suites {
            records(&mut group, suite);
        }
        // One suite for each hash.
        let mut hashes = Vec::new();
        for suite in suites {
            let algorithm = suite.common.hash_provider.algorithm();
            if !hashes.contains(&algorithm) {
                hashes.push(algorithm);
                derivations(&mut group, suite);
            }
        }
        group.finish();
    }
}

fn signatures(
    group: &mut BenchmarkGroup<'_, WallTime>,
    provider: &CryptoProvider,
    material: &Material,
) {
    for key in KEYS {
        let Some(signing) = Signing::new(provider, key, material.pki(key)) else {
            eprintln!("skipped: signatures of {key}: the provider has none");
            continue;
        };
        group.bench_function(format!("sign/{key}"), |b| b.iter(|| signing.sign()));
        group.bench_function(format!("verify/{key}"), |b| b.iter(|| signing.verify()));
    }
}

/// The client's key pair and its shared secret; for the server both halves at once, as rustls calls them.
fn exchanges(group: &mut BenchmarkGroup<'_, WallTime>, provider: &CryptoProvider) {
    for kx in provider.kx_groups.iter().copied() {
        let name = group_name(kx.name().into());
        group.bench_function(format!("kx_start/{name}"), |b| {
            b.iter(|| kx.start().unwrap());
        });
        group.bench_function(format!("kx_complete/{name}"), |b| {
            b.iter_batched(
                || answered(kx),
                |(client, answer)| client.complete(&answer).unwrap(),
                BatchSize::SmallInput,
            );
        });
        let client = kx.start().unwrap();
        group.bench_function(format!("kx_start_and_complete/{name}"), |b| {
            b.iter(|| kx.start_and_complete(client.pub_key()).unwrap());
        });
    }
}

fn records(group: &mut BenchmarkGroup<'_, WallTime>, suite: &Tls13CipherSuite) {
    let name = cipher_suite_name(suite.common.suite.into());
    let Some(mut aead) = Aead::new(suite) else {
        eprintln!(
            "skipped: seal and open of {name}: rustls alone makes such keys; see record_layer"
        );
        return;
    };
    for size in SIZES {
        let plain = vec![b'p'; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("seal/{name}/{size}"), |b| {
            b.iter(|| aead.seal(black_box(&plain)));
        });
        let sealed = aead.seal(&plain);
        group.bench_function(format!("open/{name}/{size}"), |b| {
            b.iter_batched_ref(
                || sealed.clone(),
                |sealed| aead.open(sealed),
                BatchSize::SmallInput,
            );
        });
    }
}

fn derivations(group: &mut BenchmarkGroup<'_, WallTime>, suite: &Tls13CipherSuite) {
    let hash = suite.common.hash_provider;
    let name = format!("{:?}", hash.algorithm()).to_lowercase();
    for size in SIZES {
        let data = vec![b'd'; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("hash/{name}/{size}"), |b| {
            b.iter(|| hash.hash(black_box(&data)));
        });
    }
    group.throughput(Throughput::Elements(1));
    let secret = OkmBlock::new(&vec![5; hash.output_len()]);
    let expander = suite.hkdf_provider.expander_for_okm(&secret);
    // As long as the info of a traffic secret: length, label and the hash of the transcript.
    let info = vec![b'i'; 22 + hash.output_len()];
    group.bench_function(format!("hkdf_expand/{name}"), |b| {
        b.iter(|| expander.expand_block(&[black_box(&info)]));
    });
}

criterion_group! {
    name = benches;
    config = brief();
    targets = operations
}
criterion_main!(benches);

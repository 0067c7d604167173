//! Handshakes in memory, whatever implementation of TLS makes them, and how one end of them is timed.

use std::hint::black_box;

use criterion::BenchmarkGroup;
use criterion::measurement::WallTime;

use super::pair::{End, Pair, Times};

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

/// Benches one end's part of handshakes; filling the store is outside of what is measured.
pub fn bench_end(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: String,
    stack: &dyn Stack,
    end: End,
) {
    group.bench_function(name, |b| {
        stack.prime();
        b.iter_custom(|n| (0..n).map(|_| black_box(stack.handshake()).of(end)).sum());
    });
}

//! Handshakes in memory of any TLS implementation, and the timing of one end.

use std::hint::black_box;

use criterion::BenchmarkGroup;
use criterion::measurement::WallTime;

use super::pair::{End, Pair, Times};

/// Both ends of sessions in memory.
pub trait Stack {
    /// Gets a ticket for the next handshake, if sessions are resumed.
    fn prime(&self);

    /// One handshake, checked on both ends.
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

/// Benches one end's part of handshakes; filling the store is not measured.
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

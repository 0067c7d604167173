//! Shared by benches: providers, certificates, and a client and a server joined in memory, each timed by itself. Prints
//! no figures. Times are thread CPU time (`CLOCK_THREAD_CPUTIME_ID`) and include its readings of about 0.15 µs each.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

pub mod material;
pub mod ops;
pub mod pair;
pub mod stack;

use std::time::Duration;

use criterion::Criterion;

/// Settings for a matrix of many short benches; flags of the command line override them.
pub fn brief() -> Criterion {
    Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
}

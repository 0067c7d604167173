//! shakedown: a load tester and benchmark harness for mutual TLS.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod address;
pub mod affinity;
pub mod analysis;
pub mod anatomy;
pub mod audit;
pub mod check;
pub mod clock;
pub mod compare;
pub mod crypto;
pub mod files;
pub mod load;
pub mod meeting;
pub mod merge;
pub mod pki;
pub mod probe;
pub mod protocol;
pub mod record;
pub mod report;
pub mod runner;
pub mod scenario;
pub mod session;
pub mod shard;
pub mod spiffe;
pub mod stats;
pub mod store;
pub mod target;
pub mod text;
pub mod tls;
pub mod units;
pub mod way;

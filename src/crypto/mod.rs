//! Cryptography under TLS: providers, and what they cost.

mod metered;

pub use metered::{Ledger, Metering, SWITCH, attributed, enter, note, span_cost};

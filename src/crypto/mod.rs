//! Cryptography under TLS: providers, and what they cost.

mod metered;

pub use metered::{Ledger, Metered, attributed, enter, metered, note, span_cost};

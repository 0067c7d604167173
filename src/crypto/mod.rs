//! Crypto providers: which there are, which this build has, what each can do, and what each of their
//! operations costs a session. Knows rustls's traits, but no configuration and no certificate.

mod metered;
mod registry;

pub use metered::{Ledger, Metering, SWITCH, attributed, enter, note, span_cost};
pub use registry::{Backend, Entry, ProviderError, entry, provider, ticketer};

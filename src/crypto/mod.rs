//! Crypto providers: which there are, which this build has, and what each can do. Knows rustls's
//! traits, but no configuration, no session and no certificate.

mod registry;

pub use registry::{Backend, Entry, ProviderError, entry, provider, ticketer};

//! Crypto providers: which there are, which this build has, and what each can do. Knows rustls's
//! traits, but no configuration, no session and no certificate.

mod capabilities;
mod names;
mod registry;
mod survey;

pub use capabilities::{Capabilities, Group, KeySupport, Suite};
pub use names::{cipher_suite_name, group_name, scheme_name, version_name};
pub use registry::{Backend, Entry, ProviderError, Ticketer, entry, provider, ticketer};
pub use survey::{Surveyed, survey};

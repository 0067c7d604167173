//! Crypto providers: which there are, which this build has, what each can do, and what each of their
//! operations costs a session. Knows rustls's traits, but no configuration and no certificate.

mod capabilities;
mod metered;
mod names;
mod registry;
mod survey;

pub use capabilities::{Capabilities, Group, KeySupport, Suite};
pub use metered::{Ledger, Metering, SWITCH, attributed, enter, note, span_cost};
pub use names::{cipher_suite_name, group_name, scheme_name, version_name};
pub use registry::{
    Backend, Entry, ProviderError, Ticketer, entry, others_that, provider, ticketer,
};
pub use survey::{Surveyed, survey};

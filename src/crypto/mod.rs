//! Crypto providers: those of this build, their capabilities, and the cost of their operations. Knows rustls's traits,
//! but no configurations or certificates.

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

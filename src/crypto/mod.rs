//! Crypto providers: those of this build, their capabilities, and the cost of their operations. Knows rustls's traits,
//! but no configurations or certificates.

mod capabilities;
mod metered;
mod names;
mod registry;
mod survey;

pub use capabilities::{Capabilities, Group, KeySupport, Suite};
pub use metered::{Ledger, Metering, SWITCH, attributed, span_cost};
pub(crate) use metered::{enter, note};
pub(crate) use names::version_name;
pub use names::{cipher_suite_name, group_name, scheme_name};
pub use registry::{Backend, Entry, ProviderError, Ticketer, entry, provider};
pub(crate) use registry::{others_that, ticketer};
pub use survey::{Surveyed, survey};

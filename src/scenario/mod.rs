//! The scenario: a document that says what to load, with what, how hard and for how long.
//!
//! [`Scenario`] is the file as written (or as flags built it), [`Checked`] what it means once every
//! combination was found possible. Nothing here touches the network or reads certificates.

mod alpn;
mod anatomy;
mod audit;
mod cells;
mod check;
mod check_load;
mod common_plan;
mod dimensions;
mod document;
mod embedded;
mod error;
mod events;
mod expect;
mod explain;
mod fault;
mod fleet;
mod identity;
mod key;
mod model;
mod paths;
mod profile;
mod provider;
mod resolve;
mod resumption;
mod secrets;
mod shipped;
mod source;
mod suites;
mod target;
mod token_uri;
mod url;
mod variables;
mod verification;
mod waits;
mod way_in;

pub use alpn::alpn_conflict;
pub use anatomy::Anatomy;
pub use audit::Audit;
pub use cells::Cell;
pub(crate) use cells::canonical_group;
pub use check::{Checked, LoadModel, Stop, TargetPlan};
pub use dimensions::MOST_INTERMEDIATES;
pub use document::Document;
pub use embedded::EmbeddedPlan;
pub use error::ScenarioError;
pub use events::{EventKind, EventSection};
pub use expect::Expect;
pub use fault::IdentityFault;
pub use fleet::{Draw, FleetSection, MintSection};
pub use identity::IdentitySection;
pub use key::{EndKeys, KeyAlgorithm, UnknownKey};
pub use model::{
    Arrivals, AuthMode, CertType, Close, IdentityFiles, LoadSection, Matrix, Scenario,
    StageSection, Timeouts, TlsSection, TlsVersion, TrialSection, WorkerSection,
};
pub use profile::Profile;
pub use provider::{ProviderName, UnknownProvider};
pub use resumption::{ResumptionMode, ResumptionSection, TARGET_EARLY_DATA};
pub use shipped::{QUICK, SHIPPED, Shipped, UnknownScenario};
pub use source::SourceAddresses;
pub use suites::suite_version;
pub use target::{EmbeddedTarget, TargetSection, TicketMode};
pub(crate) use token_uri::TokenUri;
pub use url::{Place, Url, UrlError};
pub use verification::Verify;
pub use waits::{BackOff, Jitter, Overlap};

pub use crate::way::{ProxyHeader, StartTls, WayIn, WayInSection};

pub use crate::protocol::{
    Header, LARGEST_PAYLOAD, MqttVersion, NotAStatus, ProtocolKind, ProtocolPlan, ProtocolSection,
    StatusRange,
};

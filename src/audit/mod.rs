//! Which changes does a resumed session sleep through? Sessions whose tickets are offered again after
//! the certificate expired, was revoked, or is another, and what the server made of that.
//!
//! A resumed session presents no certificate (RFC 8446 section 2.2), so only the server can notice. [`lifetime`] asks
//! the same of a session that is held.

mod case;
mod change;
pub mod lifetime;
mod run;
mod session;
mod story;
mod verdict;

use std::io;
use std::time::Duration;

pub use case::Case;
pub use run::audit;
pub use story::story;
pub use verdict::{AuditReport, FORMAT, Finding, Row, Verdict};

use crate::pki::{Identity, PkiError};
use crate::probe::ProbePlan;
use crate::tls::TlsConfigError;

/// Everything that an audit of resumption needs.
#[derive(Debug, Clone)]
pub struct AuditPlan {
    /// The server, under the name that tickets are gained with, and the identity that it accepts. Each
    /// of its versions is audited apart.
    pub home: ProbePlan,
    /// The same server under other names, each with a request for that name.
    pub other_hosts: Vec<ProbePlan>,
    /// An identity beside the one of `home`; without it `other-identity` is not tested.
    pub other: Option<Identity>,
    /// An authority that the server trusts; without it `expired` is not tested.
    pub issuer: Option<Identity>,
    /// The identity that `revoke` revokes; without it `revoked` is not tested.
    pub revocable: Option<Identity>,
    /// Shell command after which the server knows that `revocable` is revoked.
    pub revoke: Option<String>,
    /// Shell command after which the server no longer trusts the identity of `home`.
    pub change_ca: Option<String>,
    /// Shell command after which the server has other ticket keys.
    pub rotate: Option<String>,
    /// How long the certificate of `expired` is valid.
    pub lifetime: Duration,
    /// How long a change may take until the server acts on it.
    pub settle: Duration,
}

/// Why an audit could not go on.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The TLS parameters cannot work.
    #[error(transparent)]
    Tls(#[from] TlsConfigError),
    /// The short-lived certificate could not be minted.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The shell could not be started.
    #[error("cannot run the command for the case {case}: {source}; is there a shell called sh?")]
    Shell {
        /// The case.
        case: Case,
        /// What the system said.
        source: io::Error,
    },
    /// A command that was to change the server failed.
    #[error(
        "the command for the case {case} failed ({status}), so the server is as it was or worse; run \
         it by hand: {command}"
    )]
    Command {
        /// The case.
        case: Case,
        /// How it ended.
        status: String,
        /// The command as given.
        command: String,
    },
}

//! Does a held session outlive its certificate? Sessions are held while their certificate expires, is revoked, or
//! loses its authority; beside them one with a certificate that stays good, and new sessions until they are refused.
//!
//! TLS looks at a certificate once, in the handshake. Only a server that ends sessions by itself shuts out a client
//! that is already in.

mod facts;
mod format;
mod held;
mod run;

use std::time::Duration;

pub use facts::{Finding, HeldSession, LifetimeReport, Row, Verdict};
pub use format::{junit, story};
pub use run::audit;

use crate::pki::Identity;
use crate::probe::ProbePlan;

/// Everything that an audit of lifetimes needs.
#[derive(Debug, Clone)]
pub struct LifetimePlan {
    /// The server, and the identity that it accepts. Each of its versions is audited apart.
    pub home: ProbePlan,
    /// An authority that the server trusts; without it no certificate expires.
    pub issuer: Option<Identity>,
    /// The identity that `revoke` revokes.
    pub revocable: Option<Identity>,
    /// Shell command after which the server knows that `revocable` is revoked.
    pub revoke: Option<String>,
    /// Shell command after which the server no longer trusts the authority of `home`'s identity.
    pub change_ca: Option<String>,
    /// An identity of another authority, which stays good when that one no longer is.
    pub other: Option<Identity>,
    /// How long the certificate that expires is valid.
    pub lifetime: Duration,
    /// How long a change may take until new sessions are refused.
    pub settle: Duration,
    /// How long held sessions are watched after that.
    pub watch: Duration,
}

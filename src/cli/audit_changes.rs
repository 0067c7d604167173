//! What the audits of resumption and of lifetimes have in common: the commands that change the server, and the
//! certificates they are made with.

use std::path::Path;

use clap::Args;
use shakedown::pki::{Identity, PkiError};
use shakedown::probe::ProbePlan;
use shakedown::runner::permitted_address;
use shakedown::scenario::Scenario;
use shakedown::units::Span;

/// The group of the flags that choose one of these audits.
pub(crate) const OF_CHANGES: &str = "of_changes";

/// Commands that change the server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Changes (--resumption, --lifetime)")]
pub struct ChangeArgs {
    /// Shell command that loads DIR/crl.pem, which revokes DIR/faults/client-revoked, into the server
    #[arg(long, value_name = "CMD", requires = OF_CHANGES)]
    pub revoke: Option<String>,

    /// Shell command that makes the server distrust DIR/ca.pem for clients
    #[arg(long, value_name = "CMD", requires = OF_CHANGES)]
    pub change_ca: Option<String>,

    /// Time for the server to act on a revocation or CA change
    #[arg(
        long,
        value_name = "TIME",
        default_value = "5s",
        requires = OF_CHANGES
    )]
    pub settle: Span,
}

/// The connection that a scenario describes, to the one address that is used throughout.
pub(crate) fn probe_plan(
    scenario: &Scenario,
    address: Option<Vec<String>>,
) -> anyhow::Result<ProbePlan> {
    let checked = scenario.clone().check("audit", "")?;
    let mut plan = ProbePlan::new(&checked, checked.scenario.timeouts.handshake.0)?;
    plan.pinned = match address {
        Some(address) => address,
        None => vec![permitted_address(&checked)?],
    };
    plan.versions = (checked.cells.iter())
        .flat_map(|cell| cell.versions.clone())
        .collect();
    plan.versions.dedup();
    Ok(plan)
}

/// A certificate of the folder with its key, if it has one.
pub(crate) fn pair(pki: &Path, name: &str) -> Result<Option<Identity>, PkiError> {
    let cert = pki.join(format!("{name}.pem"));
    let key = pki.join(format!("{name}.key"));
    if !cert.exists() || !key.exists() {
        return Ok(None);
    }
    Identity::load(&cert, Some(&key)).map(Some)
}

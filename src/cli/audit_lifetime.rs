//! `shakedown audit --lifetime`: holds sessions while their certificates expire, are revoked or lose their authority,
//! and prints which the server goes on serving.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use shakedown::audit::lifetime::{LifetimePlan, audit, junit, story};
use shakedown::files::write::replace;
use shakedown::scenario::{ProtocolKind, Scenario};
use shakedown::units::Span;

use super::audit_changes::{ChangeArgs, OF_CHANGES, pair, probe_plan};
use super::block_on;
use super::exit::{BadInput, Exit, UsageError};
use super::output::{print, wants_color};

/// How long the certificate that expires is valid: long enough to be accepted with in both versions, and to be
/// exchanged with for a while.
const LIFETIME: Duration = Duration::from_secs(5);
/// Held sessions are looked at five times a second; watched longer, their answers would fill the memory.
const LONGEST_WATCH: Span = Span::secs(24 * 3_600);

/// Flags of the audit of lifetimes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Lifetime")]
pub struct LifetimeArgs {
    /// Audit held sessions instead: do they outlive their certificate's expiry, revocation or CA?
    #[arg(long, group = OF_CHANGES, conflicts_with_all = ["cases", "repeats", "output"])]
    pub lifetime: bool,

    /// Certificates of another CA that the server trusts all along; its client is the control of --change-ca
    #[arg(long, value_name = "DIR", requires = "lifetime")]
    other_ca: Option<PathBuf>,

    /// How long held sessions are watched once new ones are refused
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        requires = "lifetime"
    )]
    watch: Span,

    #[arg(
        long,
        value_name = "FILE",
        requires = "lifetime",
        help = "Also write JUnit XML: one case per change and TLS version"
    )]
    junit: Option<PathBuf>,
}

impl LifetimeArgs {
    /// Makes the audit that `scenario` describes, with the certificates in `pki`, and prints it. What the server
    /// does wrong is an exit code, not an error.
    pub(crate) fn run(
        &self,
        scenario: &Scenario,
        pki: &Path,
        changes: &ChangeArgs,
        json: bool,
    ) -> anyhow::Result<Exit> {
        let plan = self.plan(scenario, pki, changes)?;
        let report = block_on(audit(&plan))??;
        if let Some(path) = &self.junit {
            replace(path, junit(&report)?.as_bytes())?;
        }
        print(&report, json, || Ok(story(&report, wants_color())))?;
        Ok(match (report.has_findings(), report.is_controlled()) {
            (true, _) => Exit::Unmet,
            (false, true) => Exit::Success,
            (false, false) => Exit::Invalid,
        })
    }

    fn plan(
        &self,
        scenario: &Scenario,
        pki: &Path,
        changes: &ChangeArgs,
    ) -> anyhow::Result<LifetimePlan> {
        if self.watch > LONGEST_WATCH {
            let error = UsageError("--watch is at most 24h");
            return Err(error.into());
        }
        let home = probe_plan(scenario, None)?;
        if home.protocol.kind() == ProtocolKind::Handshake {
            let error = "a held session is proved by its exchanges, and tls:// makes none; give the URL of a \
                 protocol, such as https:// or mqtts://";
            return Err(UsageError(error).into());
        }
        let other = match &self.other_ca {
            Some(dir) => Some(pair(dir, "client-0")?.ok_or_else(|| {
                let dir = dir.display();
                BadInput(format!(
                    "--other-ca {dir} has no client-0.pem with client-0.key; `shakedown pki new {dir}` makes one"
                ))
            })?),
            None => None,
        };
        Ok(LifetimePlan {
            issuer: pair(pki, "intermediate")?,
            revocable: pair(pki, "faults/client-revoked")?,
            revoke: changes.revoke.clone(),
            change_ca: changes.change_ca.clone(),
            other,
            lifetime: LIFETIME,
            settle: changes.settle.0,
            watch: self.watch.0,
            home,
        })
    }
}

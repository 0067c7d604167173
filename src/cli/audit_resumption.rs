//! `shakedown audit --resumption`: offers tickets after events that should end a session, and prints which
//! the server resumed all the same.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use shakedown::audit::{AuditPlan, audit, story};
use shakedown::scenario::{Header, ProtocolKind, Scenario};

use super::audit_changes::{ChangeArgs, OF_CHANGES, pair, probe_plan};
use super::block_on;
use super::exit::Exit;
use super::output::{print, wants_color};

/// How long the certificate that expires is valid: long enough to gain a ticket in both versions.
const LIFETIME: Duration = Duration::from_secs(4);

/// Flags of the audit of resumption.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Resumption")]
pub struct ResumptionArgs {
    /// Audit resumption instead: do tickets outlive certificates, revocation or hosts?
    #[arg(long, group = OF_CHANGES, conflicts_with_all = ["cases", "repeats", "output"])]
    pub resumption: bool,

    /// Another virtual host of the server to offer tickets to; repeatable
    #[arg(long, value_name = "NAME", requires = "resumption")]
    other_host: Vec<String>,

    /// Shell command that replaces the server's ticket keys and waits for the change
    #[arg(long, value_name = "CMD", requires = "resumption")]
    rotate: Option<String>,
}

impl ResumptionArgs {
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
    ) -> anyhow::Result<AuditPlan> {
        let home = probe_plan(scenario, None)?;
        let address = home.pinned.clone();
        let others = self.other_host.iter().map(|name| {
            let mut scenario = scenario.clone();
            scenario.tls.sni = Some(name.clone());
            let port = home.port;
            let http = [ProtocolKind::Http1, ProtocolKind::Http2, ProtocolKind::Grpc];
            if http.contains(&home.protocol.kind()) {
                scenario.protocol.headers.push(Header {
                    name: "host".to_owned(),
                    value: format!("{name}:{port}"),
                });
            }
            probe_plan(&scenario, Some(address.clone()))
        });
        let other_hosts = others.collect::<anyhow::Result<_>>()?;
        Ok(AuditPlan {
            other_hosts,
            other: pair(pki, "client-1")?.or(pair(pki, "faults/client-revoked")?),
            issuer: pair(pki, "intermediate")?,
            revocable: pair(pki, "faults/client-revoked")?,
            revoke: changes.revoke.clone(),
            change_ca: changes.change_ca.clone(),
            rotate: self.rotate.clone(),
            lifetime: LIFETIME,
            settle: changes.settle.0,
            home,
        })
    }
}

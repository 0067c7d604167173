//! The audit itself: for each case gain a ticket in every version, change something, offer the ticket.

use std::time::{Duration, Instant};

use super::change::Change;
use super::session::{Ending, Met, session};
use super::verdict::{AuditReport, FORMAT, Finding, Row, Verdict, judge};
use super::{AuditError, AuditPlan, Case};
use crate::pki::{Identity, brief_client};
use crate::probe::ProbePlan;
use crate::scenario::TlsVersion;
use crate::tls::{
    ClientTls, ClientTlsSpec, IdentitySwitch, ResumptionSpec, SessionStore, TicketUse,
    TlsConfigError,
};

/// Tickets kept of one session; servers give a handful at most.
const TICKETS: usize = 16;
/// How long to wait before asking again whether a change has taken effect.
const AGAIN: Duration = Duration::from_millis(100);
/// How long every session must have been rejected before a command's change counts as made. While a server
/// reloads, processes from before and after the change accept connections side by side, for a tenth of a
/// second in nginx.
const STEADY: Duration = Duration::from_secs(1);

/// What a case needs.
#[derive(Debug, Clone, Copy)]
struct Trial<'a> {
    case: Case,
    /// Where the ticket is gained.
    home: &'a ProbePlan,
    /// Where it is offered.
    away: &'a ProbePlan,
    identity: Option<&'a Identity>,
    /// Whom the client would present when it offers the ticket, if that is another.
    other: Option<&'a Identity>,
    change: Change<'a>,
}

/// A client with a ticket in store.
struct Armed {
    tls: ClientTls,
    switch: Option<IdentitySwitch>,
}

/// Audits the server. Cases that change the server come last, the one that shuts out the good identity
/// at the very end.
///
/// # Errors
///
/// Fails if the plan's TLS parameters cannot work, the short-lived certificate cannot be minted, or a
/// command fails. A server that cannot be reached or accepts nothing is a report.
pub async fn audit(plan: &AuditPlan) -> Result<AuditReport, AuditError> {
    let home = &plan.home;
    let control = Trial {
        case: Case::Control,
        home,
        away: home,
        identity: home.identity.as_ref(),
        other: None,
        change: Change::Nothing,
    };
    let mut audit = Audit {
        plan,
        control: run(plan, &control, &home.versions).await?,
        rows: Vec::new(),
    };
    audit.unchanged(&control).await?;
    audit.expired(&control).await?;
    audit.commanded(&control).await?;
    let mut rows = vec![Row {
        case: Case::Control,
        host: None,
        findings: audit.control,
    }];
    rows.append(&mut audit.rows);
    Ok(AuditReport {
        format: FORMAT,
        target: format!("{}:{}", home.host, home.port),
        insecure: home.roots.is_none(),
        rows,
    })
}

/// An audit under way.
struct Audit<'p> {
    plan: &'p AuditPlan,
    control: Vec<Finding>,
    rows: Vec<Row>,
}

impl Audit<'_> {
    /// The cases in which nothing changes at the server or with time.
    async fn unchanged(&mut self, control: &Trial<'_>) -> Result<(), AuditError> {
        let plan = self.plan;
        let identity = plan.other.as_ref().map(|other| Trial {
            case: Case::OtherIdentity,
            other: Some(other),
            ..*control
        });
        let lacking = "there is no second identity; `shakedown pki new DIR --clients 2` makes one";
        self.add(Case::OtherIdentity, None, identity, lacking)
            .await?;
        if plan.other_hosts.is_empty() {
            let lacking = "name another virtual host of the server with --other-host";
            self.add(Case::OtherHost, None, None, lacking).await?;
        }
        for away in &plan.other_hosts {
            let trial = Trial {
                case: Case::OtherHost,
                away,
                ..*control
            };
            let host = Some(away.server_name.clone());
            self.add(Case::OtherHost, host, Some(trial), "").await?;
        }
        Ok(())
    }

    /// The case that needs a certificate of its own. It is minted last, so that it does not run out
    /// before its tickets are gained.
    async fn expired(&mut self, control: &Trial<'_>) -> Result<(), AuditError> {
        let plan = self.plan;
        let minted = match &plan.issuer {
            Some(issuer) if self.resumes() => Some(brief_client(issuer, plan.lifetime)?),
            _ => None,
        };
        let trial = minted.as_ref().map(|(identity, until)| Trial {
            case: Case::Expired,
            identity: Some(identity),
            change: Change::Until(*until),
            ..*control
        });
        let lacking =
            "the key of an authority that the server trusts is missing (intermediate.key)";
        self.add(Case::Expired, None, trial, lacking).await
    }

    /// The cases that a command of the user's makes.
    async fn commanded(&mut self, control: &Trial<'_>) -> Result<(), AuditError> {
        let plan = self.plan;
        let good = control.identity;
        let revocable = plan.revocable.as_ref();
        let cases = [
            (
                Case::KeysRotated,
                good,
                &plan.rotate,
                "say with --rotate how the server's ticket keys are replaced",
            ),
            (
                Case::Revoked,
                revocable,
                &plan.revoke,
                "say with --revoke how the server learns of the revocation list; DIR needs `shakedown pki new --faults`",
            ),
            (
                Case::CaChanged,
                good,
                &plan.change_ca,
                "say with --change-ca how the server's authorities are replaced",
            ),
        ];
        for (case, identity, command, lacking) in cases {
            let given = command.as_deref().filter(|_| identity.is_some());
            let trial = given.map(|command| Trial {
                case,
                identity,
                change: Change::Command(command),
                ..*control
            });
            self.add(case, None, trial, lacking).await?;
        }
        Ok(())
    }

    fn resumes(&self) -> bool {
        let mut control = self.control.iter();
        control.any(|finding| finding.verdict == Verdict::Resumable)
    }

    /// Runs a case in the versions that resume at all, and adds its row.
    async fn add(
        &mut self,
        case: Case,
        host: Option<String>,
        trial: Option<Trial<'_>>,
        lacking: &str,
    ) -> Result<(), AuditError> {
        let resumable: Vec<TlsVersion> = (self.control.iter())
            .filter(|finding| finding.verdict == Verdict::Resumable)
            .map(|finding| finding.tls)
            .collect();
        let mut tried = match trial {
            Some(trial) if !resumable.is_empty() => run(self.plan, &trial, &resumable).await?,
            _ => Vec::new(),
        };
        let findings = self.control.iter().map(|control| {
            let found = tried.iter().position(|finding| finding.tls == control.tls);
            let (verdict, detail) = match (found, control.verdict) {
                (Some(index), _) => return tried.swap_remove(index),
                (None, Verdict::NothingResumes) => (Verdict::Safe, "nothing resumes"),
                (None, Verdict::Resumable) => (Verdict::NotTested, lacking),
                (None, _) => (Verdict::NotTested, "there is no control"),
            };
            finding(control.tls, verdict, detail)
        });
        let findings = findings.collect();
        self.rows.push(Row {
            case,
            host,
            findings,
        });
        Ok(())
    }
}

/// Runs a case: tickets first in every version, then the change, then the offers.
async fn run(
    plan: &AuditPlan,
    trial: &Trial<'_>,
    versions: &[TlsVersion],
) -> Result<Vec<Finding>, AuditError> {
    let mut armed = Vec::new();
    for &version in versions {
        armed.push((version, arm(trial, version).await?));
    }
    if armed.iter().any(|(_, armed)| armed.is_ok()) {
        trial.change.make(trial.case).await?;
    }
    let mut findings = Vec::new();
    for (version, armed) in armed {
        let (verdict, detail) = match armed {
            Ok(armed) => offer(plan, trial, version, &armed).await?,
            Err(found) => found,
        };
        findings.push(finding(version, verdict, detail));
    }
    Ok(findings)
}

fn finding(tls: TlsVersion, verdict: Verdict, detail: impl Into<String>) -> Finding {
    Finding {
        tls,
        verdict,
        detail: detail.into(),
    }
}

/// Gains a ticket, or says why there is none to offer.
async fn arm(
    trial: &Trial<'_>,
    version: TlsVersion,
) -> Result<Result<Armed, (Verdict, String)>, TlsConfigError> {
    let (tls, switch) = client(trial, version)?;
    let met = session(trial.home, &tls, false).await;
    let control = trial.case == Case::Control;
    let failed = if control {
        Verdict::NoControl
    } else {
        Verdict::NotTested
    };
    let stock = tls.store().map_or(0, SessionStore::stock);
    Ok(match met.ending {
        Ending::Accepted if stock > 0 => Ok(Armed { tls, switch }),
        Ending::Accepted if control => Err((
            Verdict::NothingResumes,
            "the server gave no ticket and no session id".to_owned(),
        )),
        Ending::Accepted => Err((
            Verdict::NotTested,
            "the server gave no ticket this time".to_owned(),
        )),
        Ending::NotSpoken => Err((
            Verdict::NotTested,
            format!("the server does not speak TLS {version}"),
        )),
        Ending::Refused(why) | Ending::Unknown(why) => Err((
            failed,
            format!("the first session, which should be accepted, was not: {why}"),
        )),
    })
}

/// Offers the ticket after the change and judges what comes of it.
async fn offer(
    plan: &AuditPlan,
    trial: &Trial<'_>,
    version: TlsVersion,
    armed: &Armed,
) -> Result<(Verdict, String), TlsConfigError> {
    let full = match trial.case {
        Case::Control | Case::OtherIdentity | Case::KeysRotated => None,
        _ => Some(full_handshake(plan, trial, version).await?.ending),
    };
    if trial.case.must_reject() {
        match &full {
            Some(Ending::Refused(_)) => {}
            Some(Ending::Unknown(why)) => return Ok((Verdict::NotTested, why.clone())),
            _ => {
                let detail = "a full handshake with the same certificate is accepted after the \
                    change, too: the change did not take effect, and that is the first thing to mend";
                return Ok((Verdict::NotTested, detail.to_owned()));
            }
        }
    }
    if let Some(switch) = &armed.switch {
        switch.to_other();
    }
    let tls = armed.tls.for_name(&trial.away.server_name)?;
    let met = session(trial.away, &tls, true).await;
    Ok(judge(trial.case, &met, full.as_ref()))
}

/// Makes a full handshake in the place where the ticket will be offered, with a store of its own. Where
/// it has to be rejected, it is repeated until it is, for as long as a change may take; after a command,
/// until every one is rejected.
async fn full_handshake(
    plan: &AuditPlan,
    trial: &Trial<'_>,
    version: TlsVersion,
) -> Result<Met, TlsConfigError> {
    let steady = match trial.change {
        Change::Command(_) => STEADY,
        Change::Nothing | Change::Until(_) => Duration::ZERO,
    };
    let begun = Instant::now();
    let mut rejected_since = None;
    loop {
        let tls = client(trial, version)?
            .0
            .for_name(&trial.away.server_name)?;
        let met = session(trial.away, &tls, false).await;
        let over = if !trial.case.must_reject() {
            true
        } else if matches!(met.ending, Ending::Refused(_)) {
            rejected_since.get_or_insert_with(Instant::now).elapsed() >= steady
        } else {
            rejected_since = None;
            begun.elapsed() >= plan.settle
        };
        if over {
            return Ok(met);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// A client of one version with an empty store.
fn client(
    trial: &Trial<'_>,
    version: TlsVersion,
) -> Result<(ClientTls, Option<IdentitySwitch>), TlsConfigError> {
    let spec = ClientTlsSpec {
        versions: &[version],
        identity: trial.identity,
        resumption: Some(ResumptionSpec {
            by_id_only: false,
            capacity: TICKETS,
            ticket_use: TicketUse::Once,
            request: None,
            early_data: false,
        }),
        ..trial.home.tls()
    };
    match trial.other {
        Some(other) => {
            let (tls, switch) = ClientTls::switching(&spec, other)?;
            Ok((tls, Some(switch)))
        }
        None => Ok((ClientTls::new(&spec)?, None)),
    }
}

//! The audit itself: hold sessions, change something, knock until new ones are refused, and watch the held ones.

use std::time::{Duration, Instant};

use time::OffsetDateTime;
use tokio::task::{LocalSet, spawn_blocking};
use tokio::time::{sleep, sleep_until};

use super::LifetimePlan;
use super::facts::{FORMAT, Finding, HeldSession, LifetimeReport, Row, Verdict, answer};
use super::held::{Held, Log};
use crate::audit::change::{shell, until};
use crate::audit::session::{Ending, session};
use crate::audit::{AuditError, Case};
use crate::pki::{Identity, brief_client};
use crate::probe::ProbePlan;
use crate::scenario::TlsVersion;
use crate::tls::{ClientTls, ClientTlsSpec, TlsConfigError};

/// The time between two looks: at new sessions, and at held ones.
const AGAIN: Duration = Duration::from_millis(50);
/// How long new sessions must have been refused before a change counts as made: while a server reloads, processes
/// from before and after it accept connections side by side.
const STEADY: Duration = Duration::from_secs(1);
/// How long held sessions are exchanged on ahead of a command, and watched once all have ended.
const PROOF: Duration = Duration::from_secs(1);
/// How long a good session may take to be accepted after a change, while a server reloads.
const GOOD_AGAIN: Duration = Duration::from_secs(3);

/// Audits the server. The change that shuts out the good identity comes last.
///
/// # Errors
///
/// Fails if the plan's TLS parameters cannot work, the short-lived certificate cannot be minted, or a
/// command fails. A server that cannot be reached or accepts nothing is a report.
pub async fn audit(plan: &LifetimePlan) -> Result<LifetimeReport, AuditError> {
    let rows = LocalSet::new().run_until(rows(plan)).await?;
    let home = &plan.home;
    Ok(LifetimeReport {
        format: FORMAT,
        target: format!("{}:{}", home.host, home.port),
        protocol: home.protocol.kind(),
        insecure: home.roots.is_none(),
        watched_s: plan.watch.as_secs_f64(),
        answer: answer(&rows),
        rows,
    })
}

async fn rows(plan: &LifetimePlan) -> Result<Vec<Row>, AuditError> {
    let good = plan.home.identity.as_ref();
    let lacking = "the key of an authority that the server trusts is missing (intermediate.key)";
    let expired = match &plan.issuer {
        Some(issuer) => {
            let (identity, until) = brief_client(issuer, plan.lifetime)?;
            let trial = Trial::new(plan, Case::Expired, &identity, good, Change::Until(until));
            trial.run().await?
        }
        None => untested(plan, Case::Expired, lacking),
    };
    let lacking = "say with --revoke how the server learns of the revocation list; DIR needs `shakedown pki new --faults`";
    let revoked = match (&plan.revoke, &plan.revocable) {
        (Some(command), Some(identity)) => {
            let change = Change::Command(command);
            Trial::new(plan, Case::Revoked, identity, good, change)
                .run()
                .await?
        }
        _ => untested(plan, Case::Revoked, lacking),
    };
    let lacking = "say with --change-ca how the server's authorities are replaced";
    let changed = match (&plan.change_ca, good) {
        (Some(command), Some(identity)) => {
            let (good, change) = (plan.other.as_ref(), Change::Command(command));
            Trial::new(plan, Case::CaChanged, identity, good, change)
                .run()
                .await?
        }
        _ => untested(plan, Case::CaChanged, lacking),
    };
    Ok(vec![expired, revoked, changed])
}

fn untested(plan: &LifetimePlan, case: Case, why: &str) -> Row {
    let versions = plan.home.versions.iter();
    let bare = |tls: &TlsVersion| Finding::bare(*tls, Verdict::NotTested, why);
    Row {
        case,
        command_s: None,
        findings: versions.map(bare).collect(),
    }
}

/// What happens while sessions are held.
#[derive(Debug, Clone, Copy)]
enum Change<'a> {
    /// The certificate's notAfter passes.
    Until(OffsetDateTime),
    /// A shell command runs.
    Command(&'a str),
}

/// One change.
struct Trial<'a> {
    plan: &'a LifetimePlan,
    case: Case,
    /// The server, and the identity that goes bad.
    bad: ProbePlan,
    /// The same server, and one that stays good.
    good: Option<ProbePlan>,
    change: Change<'a>,
}

/// The sessions of one TLS version.
struct Lane {
    tls: TlsVersion,
    held: Held,
    good: Option<Held>,
    door: Door,
}

/// New sessions with the identity that goes bad.
struct Door {
    client: ClientTls,
    accepted: Option<Instant>,
    /// Since when all were refused, and how the first was.
    refused: Option<(Instant, String)>,
}

/// When it happened.
struct Changed {
    at: Instant,
    command: Option<Duration>,
}

impl<'a> Trial<'a> {
    fn new(
        plan: &'a LifetimePlan,
        case: Case,
        bad: &Identity,
        good: Option<&Identity>,
        change: Change<'a>,
    ) -> Self {
        let of = |identity: &Identity| ProbePlan {
            identity: Some(identity.clone()),
            ..plan.home.clone()
        };
        Self {
            plan,
            case,
            bad: of(bad),
            good: good.map(of),
            change,
        }
    }

    async fn run(&self) -> Result<Row, AuditError> {
        let (mut lanes, mut findings) = self.arm().await?;
        let mut command_s = None;
        if !lanes.is_empty() {
            let changed = self.change(&mut lanes).await?;
            command_s = changed.command.map(|took| took.as_secs_f64());
            let good = self.good_again(&lanes).await?;
            watch(&lanes, self.plan.watch).await;
            for (lane, good) in lanes.into_iter().zip(good) {
                findings.push(conclude(lane, good, &changed).await);
            }
        }
        findings.sort_by_key(|finding| finding.tls);
        Ok(Row {
            case: self.case,
            command_s,
            findings,
        })
    }

    /// Opens the sessions that are held; where one is not accepted, says so.
    async fn arm(&self) -> Result<(Vec<Lane>, Vec<Finding>), TlsConfigError> {
        let (mut lanes, mut findings) = (Vec::new(), Vec::new());
        for &tls in &self.bad.versions {
            let held = Held::open(&self.bad, client(&self.bad, tls)?);
            let good = match &self.good {
                Some(plan) => Some(Held::open(plan, client(plan, tls)?)),
                None => None,
            };
            let door = Door {
                client: client(&self.bad, tls)?,
                accepted: None,
                refused: None,
            };
            lanes.push(Lane {
                tls,
                held,
                good,
                door,
            });
        }
        let mut armed = Vec::new();
        for lane in lanes {
            lane.held.settled().await;
            if let Some(good) = &lane.good {
                good.settled().await;
            }
            match lane.unfit() {
                Some(finding) => findings.push(finding),
                None => armed.push(lane),
            }
        }
        Ok((armed, findings))
    }

    /// Makes the change, and knocks until new sessions are refused or the time for that is over. Lanes whose sessions
    /// did not last until then stay, and say so in the end.
    async fn change(&self, lanes: &mut [Lane]) -> Result<Changed, AuditError> {
        let (at, mut running) = match self.change {
            Change::Until(moment) => (Instant::now() + until(moment), None),
            Change::Command(command) => {
                sleep(PROOF).await;
                let (command, case) = (command.to_owned(), self.case);
                let at = Instant::now();
                (at, Some(spawn_blocking(move || shell(&command, case))))
            }
        };
        if running.is_none() {
            sleep_until(at.into()).await;
        }
        // The last second named still counts as valid.
        let passed = running.is_none().then(|| at + Duration::from_secs(1));
        let (mut made, mut command) = (passed, None);
        loop {
            for lane in &mut *lanes {
                lane.door.knock(&self.bad).await;
            }
            if let Some(task) = running.take_if(|task| task.is_finished()) {
                match task.await {
                    Ok(ended) => ended?,
                    Err(panic) => std::panic::resume_unwind(panic.into_panic()),
                }
                made = Some(Instant::now());
                command = Some(at.elapsed());
            }
            if let Some(made) = made {
                let over = made.elapsed() >= self.plan.settle;
                if lanes.iter().all(|lane| lane.door.is_decided(over)) {
                    return Ok(Changed { at, command });
                }
            }
            sleep(AGAIN).await;
        }
    }

    /// Whether new sessions with the good identity are accepted after the change, for each lane.
    async fn good_again(&self, lanes: &[Lane]) -> Result<Vec<Option<bool>>, TlsConfigError> {
        let mut all = Vec::new();
        for lane in lanes {
            let Some(plan) = &self.good else {
                all.push(None);
                continue;
            };
            let (client, begun) = (client(plan, lane.tls)?, Instant::now());
            let accepted = loop {
                if session(plan, &client, false).await.ending == Ending::Accepted {
                    break true;
                }
                if begun.elapsed() >= GOOD_AGAIN {
                    break false;
                }
                sleep(AGAIN).await;
            };
            all.push(Some(accepted));
        }
        Ok(all)
    }
}

impl Lane {
    /// Why its sessions are not held.
    fn unfit(&self) -> Option<Finding> {
        let bare = |verdict, detail| Some(Finding::bare(self.tls, verdict, detail));
        let all = [Some(&self.held), self.good.as_ref()];
        let end = all.into_iter().flatten().find_map(|held| {
            let log = held.log();
            log.end.as_ref().map(|(_, end)| (log.accepted, end.clone()))
        })?;
        let (tls, accepted) = (self.tls, end.0);
        match end.1 {
            Ending::NotSpoken => bare(
                Verdict::NotTested,
                format!("the server does not speak TLS {tls}"),
            ),
            Ending::Refused(why) if accepted => bare(Verdict::NotTested, not_held(&why)),
            Ending::Refused(why) | Ending::Unknown(why) => bare(
                Verdict::NoControl,
                format!("a session that should be accepted was not: {why}"),
            ),
            Ending::Accepted => None,
        }
    }
}

fn not_held(why: &str) -> String {
    format!("the server ends held sessions by itself, change or not ({why})")
}

impl Door {
    /// Makes a new session and notes what became of it. One that tells nothing is not counted.
    async fn knock(&mut self, plan: &ProbePlan) {
        let met = session(plan, &self.client, false).await;
        match met.ending {
            Ending::Accepted => {
                self.accepted = Some(Instant::now());
                self.refused = None;
            }
            Ending::Refused(why) => {
                self.refused.get_or_insert_with(|| (Instant::now(), why));
            }
            Ending::NotSpoken | Ending::Unknown(_) => {}
        }
    }

    /// Whether new sessions are refused for good, or still accepted with their time `over`.
    fn is_decided(&self, over: bool) -> bool {
        match &self.refused {
            Some((since, _)) => since.elapsed() >= STEADY,
            None => over,
        }
    }
}

/// Waits while held sessions are watched; once those under test have ended, only a moment longer, for the good ones.
async fn watch(lanes: &[Lane], limit: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < limit {
        if lanes.iter().all(|lane| lane.held.has_ended()) {
            sleep(PROOF.min(limit.saturating_sub(begun.elapsed()))).await;
            return;
        }
        sleep(AGAIN).await;
    }
}

/// Closes the sessions of a lane and says what they showed.
async fn conclude(lane: Lane, good_accepted: Option<bool>, changed: &Changed) -> Finding {
    let tls = lane.tls;
    let held = lane.held.release().await;
    let good = match lane.good {
        Some(good) => Some(good.release().await),
        None => None,
    };
    let before = [Some(&held), good.as_ref()];
    let early = before.into_iter().flatten().find_map(|log| match &log.end {
        Some((at, Ending::Refused(why))) if *at < changed.at => Some(not_held(why)),
        _ => None,
    });
    if let Some(why) = early {
        return Finding::bare(tls, Verdict::NotTested, why);
    }
    let Door {
        accepted, refused, ..
    } = lane.door;
    let since = refused.as_ref().map(|(at, _)| *at);
    let told = |log: &Log| told(log, changed.at, since);
    let finding = Finding {
        last_accepted_s: accepted.map(|at| seconds(at, changed.at)),
        refused_s: since.map(|at| seconds(at, changed.at)),
        refusal: refused.map(|(_, why)| why),
        held: Some(told(&held)),
        good: good.as_ref().map(told),
        good_accepted,
        ..Finding::bare(tls, Verdict::NotTested, "")
    };
    finding.judged()
}

fn told(log: &Log, changed: Instant, refused: Option<Instant>) -> HeldSession {
    let before = log.answers.iter().filter(|at| **at < changed).count();
    let refused = refused.unwrap_or(changed).max(changed);
    let after = log.answers.iter().filter(|at| **at > refused).count();
    let end = log.end.as_ref();
    HeldSession {
        answers_before: before,
        answers_after: after,
        last_answer_s: log.answers.last().map(|at| seconds(*at, changed)),
        ended_s: end.map(|(at, _)| seconds(*at, changed)),
        ended: end.map(|(_, how)| match how {
            Ending::Refused(why) | Ending::Unknown(why) => why.clone(),
            Ending::Accepted | Ending::NotSpoken => "closed".to_owned(),
        }),
    }
}

/// Seconds from the change to a moment, which may be before it.
fn seconds(at: Instant, changed: Instant) -> f64 {
    let after = at.saturating_duration_since(changed).as_secs_f64();
    after - changed.saturating_duration_since(at).as_secs_f64()
}

/// A client of one version, without tickets.
fn client(plan: &ProbePlan, version: TlsVersion) -> Result<ClientTls, TlsConfigError> {
    ClientTls::new(&ClientTlsSpec {
        versions: &[version],
        ..plan.tls()
    })
}

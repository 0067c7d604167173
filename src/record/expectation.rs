//! Did the sessions become what the scenario expects? A rejection can be the success; one wrong
//! acceptance is a failure of the run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CellRecord, RunRecord};
use crate::scenario::{Expect, IdentitySection, Scenario};
use crate::stats::Accounting;

/// A server that does not speak any version offered says so with this (RFC 8446 section 6.2).
const NOT_SPOKEN: &str = "alert.protocol_version";

/// Whether an expectation was met.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ExpectationVerdict {
    /// It was.
    Met,
    /// The server accepted what it should have rejected; or we a server.
    WrongAcceptance,
    /// The server rejected what it should have accepted; or we a server.
    WrongRejection,
    /// Sessions ended in a way that is neither acceptance nor an expected rejection.
    UnexpectedOutcome,
    /// The server does not speak the TLS version, so nothing was tested.
    NotSpoken,
    /// No session ended.
    Untested,
}

impl ExpectationVerdict {
    /// Whether it fails the run.
    pub fn fails(self) -> bool {
        matches!(
            self,
            Self::WrongAcceptance | Self::WrongRejection | Self::UnexpectedOutcome
        )
    }

    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Met => "ok",
            Self::WrongAcceptance => "WRONGLY ACCEPTED",
            Self::WrongRejection => "WRONGLY REJECTED",
            Self::UnexpectedOutcome => "UNEXPECTED",
            Self::NotSpoken => "version not spoken",
            Self::Untested => "not tested",
        }
    }
}

/// What was expected of a set of sessions, and what became of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectationRecord {
    /// The cell.
    pub cell: String,
    /// The identity whose sessions are meant; none for all sessions of the cell.
    pub identity: Option<String>,
    /// What was expected.
    pub expected: Expect,
    /// Sessions that were accepted.
    pub accepted: u64,
    /// Sessions that failed, by class.
    pub failed: BTreeMap<String, u64>,
    /// Whether that is what was expected.
    pub verdict: ExpectationVerdict,
}

/// Holds every cell, and in a mix every identity, against what the scenario expects of it. Warm-up
/// and all trials count. Nothing where the scenario expects nothing.
pub fn expectations(record: &RunRecord) -> Vec<ExpectationRecord> {
    let scenario = &record.plan.scenario;
    let workers = record.plan.placements.iter();
    let workers = workers.filter(|p| p.thread.starts_with("worker")).count();
    record
        .cells
        .iter()
        .flat_map(|cell| of_cell(cell, scenario, workers.max(1) as u64))
        .collect()
}

fn of_cell(cell: &CellRecord, scenario: &Scenario, workers: u64) -> Vec<ExpectationRecord> {
    let names = &cell.cell.identities;
    let section = |name: &String| scenario.identities.iter().find(|i| i.name == *name);
    let held = |identity: Option<&String>, expected: Expect, total: &Accounting, slack| {
        let verdict = verdict(&expected, total, slack);
        let failed = total
            .failed
            .iter()
            .map(|(class, f)| (class.clone(), f.count));
        ExpectationRecord {
            cell: cell.cell.name.clone(),
            identity: identity.cloned(),
            accepted: total.ok_total(),
            failed: failed.collect(),
            expected,
            verdict,
        }
    };
    let total = cell.total();
    if let Some(fault) = cell.cell.server_fault {
        let expected = scenario.expect.clone();
        let expected = expected.unwrap_or_else(|| Expect::refusal(fault));
        return vec![held(None, expected, &total, 1)];
    }
    if let [name] = &names[..] {
        let own = section(name).and_then(IdentitySection::expectation);
        let expected = own.or_else(|| scenario.expect.clone());
        let one = expected.map(|expected| held(Some(name), expected, &total, 1));
        return one.into_iter().collect();
    }
    // A mix: each identity by itself where something is expected of it, and the whole.
    let each = names.iter().filter_map(|name| {
        let expected = section(name)?.expectation()?;
        let counted = cell.of_identity(name);
        Some(held(Some(name), expected, &counted, 1))
    });
    // Each worker may have stopped in the middle of a cycle.
    let slack = workers * names.len().saturating_sub(1).max(1) as u64;
    let whole = scenario.expect.clone();
    let whole = whole.map(|expected| held(None, expected, &total, slack));
    each.chain(whole).collect()
}

/// Compares counts with an expectation. Fewer than `slack` sessions more or less than the share
/// are none: the share of a whole number of sessions is seldom whole.
fn verdict(expected: &Expect, total: &Accounting, slack: u64) -> ExpectationVerdict {
    let (accepted, failed) = (total.ok_total(), total.failed_total());
    let ended = accepted + failed;
    if ended == 0 {
        return ExpectationVerdict::Untested;
    }
    if accepted == 0 && total.failed.keys().all(|class| class == NOT_SPOKEN) {
        return ExpectationVerdict::NotSpoken;
    }
    let share = expected.share();
    let due = share * ended as f64;
    let beyond = accepted as f64 - due;
    // At the ends of the scale every session counts.
    let whole = share <= 0.0 || share >= 1.0;
    let allowed = if whole { 0.0 } else { slack as f64 - 1e-9 };
    let mut odd = total.failed.keys().filter(|class| !expected.allows(class));
    let rejection = Expect::rejection();
    if beyond > allowed {
        ExpectationVerdict::WrongAcceptance
    } else if odd.any(|class| !(share > 0.0 && rejection.allows(class))) {
        ExpectationVerdict::UnexpectedOutcome
    } else if beyond < -allowed {
        ExpectationVerdict::WrongRejection
    } else if total.failed.keys().any(|class| !expected.allows(class)) {
        ExpectationVerdict::UnexpectedOutcome
    } else {
        ExpectationVerdict::Met
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{FailureClass, OkKind, Outcome, Proof, Stage};

    fn counts(ok: u64, failed: &[(FailureClass, u64)]) -> Accounting {
        let mut accounting = Accounting::default();
        let mut add = |outcome: &Outcome| {
            accounting.start();
            accounting.finish(outcome, 0);
        };
        for _ in 0..ok {
            add(&Outcome::Ok {
                kind: OkKind::Full,
                proof: Proof::ApplicationData,
            });
        }
        for (class, count) in failed {
            for _ in 0..*count {
                add(&Outcome::Failed {
                    class: *class,
                    message: String::new(),
                });
            }
        }
        accounting
    }

    fn judged(expect: &str, ok: u64, failed: &[(FailureClass, u64)]) -> ExpectationVerdict {
        let expect: Expect = toml::from_str(expect).unwrap();
        verdict(&expect, &counts(ok, failed), 1)
    }

    const EXPIRED: FailureClass = FailureClass::Alert(45);
    const UNKNOWN_CA: FailureClass = FailureClass::Alert(48);

    #[test]
    fn one_wrong_acceptance_is_enough() {
        use ExpectationVerdict as V;
        let rejected = "alerts = [\"certificate_expired\"]";
        assert_eq!(judged(rejected, 0, &[(EXPIRED, 100)]), V::Met);
        assert_eq!(
            judged(rejected, 1, &[(EXPIRED, 99_999)]),
            V::WrongAcceptance
        );
        assert_eq!(
            judged(rejected, 0, &[(UNKNOWN_CA, 1)]),
            V::UnexpectedOutcome
        );
        assert_eq!(judged(rejected, 0, &[]), V::Untested);
        assert_eq!(judged("accept = 0", 0, &[(UNKNOWN_CA, 5)]), V::Met);
        let late = FailureClass::Timeout(Stage::Confirm);
        assert_eq!(judged("accept = 0", 0, &[(late, 5)]), V::UnexpectedOutcome);
    }

    #[test]
    fn one_wrong_rejection_is_enough() {
        use ExpectationVerdict as V;
        assert_eq!(judged("accept = 1", 100, &[]), V::Met);
        assert_eq!(judged("accept = 1", 99, &[(EXPIRED, 1)]), V::WrongRejection);
        let refused = FailureClass::ConnectRefused;
        assert_eq!(
            judged("accept = 1", 99, &[(refused, 1)]),
            V::UnexpectedOutcome
        );
        let not_spoken = FailureClass::Alert(70);
        assert_eq!(judged("accept = 1", 0, &[(not_spoken, 3)]), V::NotSpoken);
    }

    #[test]
    fn a_share_is_met_to_the_session() {
        use ExpectationVerdict as V;
        let mix = "accept = 0.9\nalerts = [\"certificate_expired\"]";
        assert_eq!(judged(mix, 900, &[(EXPIRED, 100)]), V::Met);
        assert_eq!(judged(mix, 904, &[(EXPIRED, 101)]), V::Met);
        assert_eq!(judged(mix, 901, &[(EXPIRED, 99)]), V::WrongAcceptance);
        assert_eq!(judged(mix, 899, &[(EXPIRED, 101)]), V::WrongRejection);
        assert_eq!(judged(mix, 900, &[(UNKNOWN_CA, 100)]), V::UnexpectedOutcome);
    }
}

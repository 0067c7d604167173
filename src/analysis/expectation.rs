//! Did the sessions become what the scenario expects? A rejection can be the success; one wrong
//! acceptance is a failure of the run.

use crate::record::{CellRecord, ExpectationRecord, ExpectationVerdict, RunRecord};
use crate::scenario::{Expect, IdentitySection, Scenario};
use crate::stats::{Accounting, covers};

/// A server that does not speak any version offered says so with this (RFC 8446 section 6.2).
const NOT_SPOKEN: &str = "alert.protocol_version";

/// Compares every cell, and in a mix every identity, with what the scenario expects of it. Warm-up and all trials count.
pub(crate) fn expectations(record: &RunRecord) -> Vec<ExpectationRecord> {
    let scenario = &record.plan.scenario;
    let cells = record.cells.iter();
    cells.flat_map(|cell| of_cell(cell, scenario)).collect()
}

fn of_cell(cell: &CellRecord, scenario: &Scenario) -> Vec<ExpectationRecord> {
    if let Some(fault) = cell.cell.server_fault {
        let total = cell.total();
        let verdict = verdict(&Expect::refusal(fault), &total, true);
        return vec![held(cell, None, Expect::refusal(fault), &total, verdict)];
    }
    let names = &cell.cell.identities;
    let mut found = Vec::new();
    for name in names {
        if let Some(expected) = of_identity(name, scenario) {
            let total = match &names[..] {
                [_] => cell.total(),
                _ => cell.of_identity(name),
            };
            let verdict = verdict(&expected, &total, false);
            found.push(held(cell, Some(name), expected, &total, verdict));
        }
    }
    let of_all = scenario.expect.as_ref().filter(|expected| {
        // A share is for a mix; in a mix what is said of all is said of each.
        if expected.is_split() {
            names.len() > 1
        } else {
            names.is_empty()
        }
    });
    if let Some(expected) = of_all {
        let total = cell.total();
        let verdict = if expected.is_split() {
            split(expected, cell, scenario)
        } else {
            verdict(expected, &total, false)
        };
        found.push(held(cell, None, expected.clone(), &total, verdict));
    }
    found
}

/// What is expected of an identity: what is said of it, what follows from its fault, what is said of
/// all. Where anything is expected of another identity, one of which nothing is said is a good one.
fn of_identity(name: &str, scenario: &Scenario) -> Option<Expect> {
    let identities = &scenario.identities;
    let own = identities.iter().find(|i| i.name == name)?.expectation();
    let of_all = || scenario.expect.clone().filter(|e| !e.is_split());
    let others = || {
        let expected = identities.iter().any(|i| i.expectation().is_some());
        (expected && scenario.expect.is_none()).then(Expect::acceptance)
    };
    own.or_else(of_all).or_else(others)
}

fn held(
    cell: &CellRecord,
    identity: Option<&String>,
    expected: Expect,
    total: &Accounting,
    verdict: ExpectationVerdict,
) -> ExpectationRecord {
    let failed = total.failed.iter();
    ExpectationRecord {
        cell: cell.cell.name.clone(),
        identity: identity.cloned(),
        expected,
        accepted: total.ok_total(),
        failed: failed.map(|(class, f)| (class.clone(), f.count)).collect(),
        verdict,
    }
}

/// Failures that say nothing of whom the server accepts: it was not reached, did not answer, or was
/// refused by us.
const SAYS_NOTHING: [&str; 12] = [
    "connect",
    "local",
    "unanswered",
    "starttls",
    "proxy",
    "way_in",
    "eof.way_in",
    "reset.way_in",
    "transport.way_in",
    "flood.way_in",
    "tls",
    "server_cert",
];

/// Compares counts with an expectation that all sessions be accepted, or none. `of_server` says that
/// it is we who accept or refuse.
fn verdict(expected: &Expect, total: &Accounting, of_server: bool) -> ExpectationVerdict {
    let (accepted, failed) = (total.ok_total(), total.failed_total());
    let only = |test: &dyn Fn(&String) -> bool| accepted == 0 && total.failed.keys().all(test);
    let odd = |class: &String| !expected.allows(class);
    if only(&|class| class == NOT_SPOKEN && odd(class)) && failed > 0 {
        return ExpectationVerdict::NotSpoken;
    }
    let says_nothing = |class: &String| {
        let patterns = SAYS_NOTHING.iter();
        patterns
            .filter(|p| !(of_server && **p == "server_cert"))
            .any(|p| covers(p, class))
    };
    if only(&|class| says_nothing(class) && odd(class)) {
        return ExpectationVerdict::Untested;
    }
    if accepted > 0 && expected.share() <= 0.0 {
        return ExpectationVerdict::WrongAcceptance;
    }
    unexpected(expected, total).unwrap_or(ExpectationVerdict::Met)
}

/// What is wrong with failures that are not expected, if there are any.
fn unexpected(expected: &Expect, total: &Accounting) -> Option<ExpectationVerdict> {
    let rejection = Expect::rejection();
    let mut odd = total
        .failed
        .keys()
        .filter(|class| !expected.allows(class))
        .peekable();
    odd.peek()?;
    Some(
        if expected.share() > 0.0 && odd.all(|class| rejection.allows(class)) {
            ExpectationVerdict::WrongRejection
        } else {
            ExpectationVerdict::UnexpectedOutcome
        },
    )
}

/// Judges a share of a mix. A server that knows whom it accepts accepts every session of an identity
/// or none; those it accepts must have exactly the expected part of the shares. So nothing depends
/// on how many sessions each had, and one session of the wrong kind is found.
fn split(expected: &Expect, cell: &CellRecord, scenario: &Scenario) -> ExpectationVerdict {
    let (mut always, mut sometimes, mut all) = (0, 0, 0);
    for name in &cell.cell.identities {
        let named = scenario.identities.iter().find(|i| i.name == *name);
        let share = named.map_or(1, IdentitySection::share);
        let counts = cell.of_identity(name);
        let (accepted, failed) = (counts.ok_total(), counts.failed_total());
        if accepted + failed == 0 {
            return ExpectationVerdict::Untested;
        }
        all += share;
        sometimes += if accepted > 0 { share } else { 0 };
        always += if failed == 0 { share } else { 0 };
    }
    let due = expected.share() * f64::from(all);
    if f64::from(sometimes) > due + TOLERANCE {
        return ExpectationVerdict::WrongAcceptance;
    }
    let odd = unexpected(expected, &cell.total());
    if let Some(verdict) = odd {
        verdict
    } else if f64::from(always) < due - TOLERANCE {
        ExpectationVerdict::WrongRejection
    } else {
        ExpectationVerdict::Met
    }
}

/// Shares are whole numbers and the expected one is a decimal fraction of their sum: this is what
/// writing it in a few digits may cost.
const TOLERANCE: f64 = 0.01;

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
        verdict(&expect, &counts(ok, failed), false)
    }

    const EXPIRED: FailureClass = FailureClass::Alert(45);
    const UNKNOWN_CA: FailureClass = FailureClass::Alert(48);
    const NOT_SPOKEN: FailureClass = FailureClass::Alert(70);
    const LATE: FailureClass = FailureClass::Unanswered(Stage::Confirm);

    #[test]
    fn one_wrong_acceptance_is_enough() {
        use ExpectationVerdict as V;
        let rejected = "alerts = [\"certificate_expired\"]";
        assert_eq!(judged(rejected, 0, &[(EXPIRED, 100)]), V::Met);
        assert_eq!(judged(rejected, 1, &[(EXPIRED, 9_999)]), V::WrongAcceptance);
        assert_eq!(judged(rejected, 1, &[(LATE, 9_999)]), V::WrongAcceptance);
        assert_eq!(
            judged(rejected, 0, &[(UNKNOWN_CA, 1)]),
            V::UnexpectedOutcome
        );
        assert_eq!(judged("accept = 0", 0, &[(UNKNOWN_CA, 5)]), V::Met);
        assert_eq!(
            judged("accept = 0", 0, &[(UNKNOWN_CA, 5), (LATE, 1)]),
            V::UnexpectedOutcome
        );
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
    }

    #[test]
    fn a_server_that_was_not_reached_was_not_tested() {
        use ExpectationVerdict as V;
        for expect in ["accept = 0", "accept = 1"] {
            assert_eq!(judged(expect, 0, &[]), V::Untested);
            for class in [
                FailureClass::ConnectRefused,
                FailureClass::TlsProtocol,
                LATE,
            ] {
                assert_eq!(judged(expect, 0, &[(class, 3)]), V::Untested, "{class}");
            }
            assert_eq!(judged(expect, 0, &[(NOT_SPOKEN, 3)]), V::NotSpoken);
        }
        let refused = "alerts = [\"protocol_version\"]";
        assert_eq!(judged(refused, 0, &[(NOT_SPOKEN, 3)]), V::Met);
    }
}

//! Every attempt accounted for (invariant 2): the counts and the two identities they obey.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::labels::{UNANSWERED, covers};
use super::{FailureClass, NotStarted, OkKind, Outcome};
use crate::text::escape_untrusted;

/// The longest example message kept of a failure class, in characters.
const MESSAGE_CAP: usize = 200;

/// What is kept of one failure class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailureRecord {
    /// How often it happened.
    pub count: u64,
    /// When it happened first, in nanoseconds after the trial's start.
    pub first_ns: u64,
    /// When it happened last, in nanoseconds after the trial's start.
    pub last_ns: u64,
    /// The code of the alert, for classes that are alerts (RFC 8446 section 6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<u8>,
    /// One message, capped and escaped.
    pub example: String,
    /// What is wrong and what to do.
    pub advice: String,
}

/// Counts of arrivals and attempts by what became of them.
///
/// `scheduled = started + Σ not_started` and `started = Σ ok + Σ failed + Σ cancelled` hold once
/// nothing is in flight any more; [`Self::check`] says where they do not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accounting {
    /// Arrivals that came due.
    pub scheduled: u64,
    /// Arrivals that became attempts.
    pub started: u64,
    /// Arrivals that did not, by reason.
    pub not_started: BTreeMap<String, u64>,
    /// Confirmed sessions, by kind of handshake.
    pub ok: BTreeMap<String, u64>,
    /// Failed attempts, by class.
    pub failed: BTreeMap<String, FailureRecord>,
    /// Attempts that we cut off, by phase.
    pub cancelled: BTreeMap<String, u64>,
}

/// Counts a failure by its class, `at_ns` nanoseconds after the trial's start.
pub(crate) fn count_failure(
    failures: &mut BTreeMap<String, FailureRecord>,
    class: FailureClass,
    message: &str,
    at_ns: u64,
) {
    let record = failures
        .entry(class.to_string())
        .or_insert_with(|| FailureRecord {
            count: 0,
            first_ns: at_ns,
            last_ns: at_ns,
            alert: class.alert(),
            example: escape_untrusted(message, MESSAGE_CAP),
            advice: class.advice().to_owned(),
        });
    record.count += 1;
    record.last_ns = record.last_ns.max(at_ns);
}

/// Adds other failures, in any order: of two examples the one that happened first is kept.
pub(crate) fn merge_failures(
    failures: &mut BTreeMap<String, FailureRecord>,
    others: &BTreeMap<String, FailureRecord>,
) {
    for (class, theirs) in others {
        let Some(mine) = failures.get_mut(class) else {
            failures.insert(class.clone(), theirs.clone());
            continue;
        };
        mine.count += theirs.count;
        mine.last_ns = mine.last_ns.max(theirs.last_ns);
        if (theirs.first_ns, &theirs.example) < (mine.first_ns, &mine.example) {
            mine.first_ns = theirs.first_ns;
            mine.example.clone_from(&theirs.example);
        }
    }
}

impl Accounting {
    /// Counts an arrival that became an attempt.
    pub(crate) fn start(&mut self) {
        self.scheduled += 1;
        self.started += 1;
    }

    /// Counts arrivals that did not.
    pub(crate) fn skip(&mut self, reason: NotStarted, count: u64) {
        self.scheduled += count;
        bump(&mut self.not_started, reason.label(), count);
    }

    /// Counts what became of an attempt, `at_ns` nanoseconds after the trial's start.
    pub(crate) fn finish(&mut self, outcome: &Outcome, at_ns: u64) {
        match outcome {
            Outcome::Ok { kind, .. } => bump(&mut self.ok, kind.label(), 1),
            Outcome::Cancelled(phase) => bump(&mut self.cancelled, phase.label(), 1),
            Outcome::Failed { class, message } => {
                count_failure(&mut self.failed, *class, message, at_ns);
            }
        }
    }

    /// Adds another's counts, in any order.
    pub fn merge(&mut self, other: &Self) {
        self.scheduled += other.scheduled;
        self.started += other.started;
        for (mine, theirs) in [
            (&mut self.not_started, &other.not_started),
            (&mut self.ok, &other.ok),
            (&mut self.cancelled, &other.cancelled),
        ] {
            for (label, count) in theirs {
                bump(mine, label, *count);
            }
        }
        merge_failures(&mut self.failed, &other.failed);
    }

    /// Confirmed sessions of every kind.
    pub fn ok_total(&self) -> u64 {
        self.ok.values().sum()
    }

    /// Confirmed sessions of one kind.
    pub fn ok_of(&self, kind: OkKind) -> u64 {
        self.ok.get(kind.label()).copied().unwrap_or(0)
    }

    /// Failed attempts of every class.
    pub fn failed_total(&self) -> u64 {
        self.failed.values().map(|f| f.count).sum()
    }

    /// Failed attempts that had no answer, whatever their stage.
    pub fn unanswered_total(&self) -> u64 {
        let silent = |class: &&String| covers(UNANSWERED, class);
        let classes = self.failed.keys().filter(silent);
        classes.map(|class| self.failed[class].count).sum()
    }

    /// Attempts that we cut off.
    pub fn cancelled_total(&self) -> u64 {
        self.cancelled.values().sum()
    }

    /// Arrivals that never became attempts.
    pub fn not_started_total(&self) -> u64 {
        self.not_started.values().sum()
    }

    /// Checks both identities; the error names the one that is broken, with its numbers.
    ///
    /// # Errors
    ///
    /// Fails if an arrival or an attempt is unaccounted for.
    pub fn check(&self) -> Result<(), String> {
        let (scheduled, started, skipped) =
            (self.scheduled, self.started, self.not_started_total());
        if scheduled != started + skipped {
            return Err(format!(
                "scheduled {scheduled} is not started {started} + not started {skipped}"
            ));
        }
        let (ok, failed, cancelled) =
            (self.ok_total(), self.failed_total(), self.cancelled_total());
        if started != ok + failed + cancelled {
            return Err(format!(
                "started {started} is not ok {ok} + failed {failed} + cancelled {cancelled}"
            ));
        }
        Ok(())
    }
}

fn bump(counts: &mut BTreeMap<String, u64>, label: &str, by: u64) {
    if let Some(count) = counts.get_mut(label) {
        *count += by;
    } else {
        counts.insert(label.to_owned(), by);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::{CancelPhase, Proof, Stage};

    /// Applies one of the things that can happen to an arrival.
    fn apply(accounting: &mut Accounting, event: u8, at_ns: u64) {
        let ok = |kind| Outcome::Ok {
            kind,
            proof: Proof::ApplicationData,
        };
        let failed = |class| Outcome::Failed {
            class,
            message: format!("at {at_ns}"),
        };
        let outcome = match event % 6 {
            0 => return accounting.skip(NotStarted::MaxInFlight, 1),
            1 => ok(OkKind::Full),
            2 => ok(OkKind::Tcp),
            3 => failed(FailureClass::Alert(48)),
            4 => failed(FailureClass::Unanswered(Stage::Handshake)),
            _ => Outcome::Cancelled(CancelPhase::Drain),
        };
        accounting.start();
        accounting.finish(&outcome, at_ns);
    }

    fn of(events: &[(u8, u64)]) -> Accounting {
        let mut accounting = Accounting::default();
        for (event, at) in events {
            apply(&mut accounting, *event, *at);
        }
        accounting
    }

    #[test]
    fn a_lost_attempt_is_noticed() {
        let mut accounting = of(&[(1, 0), (3, 1)]);
        assert_eq!(accounting.check(), Ok(()));
        accounting.start();
        assert!(
            accounting
                .check()
                .unwrap_err()
                .contains("started 3 is not ok 1")
        );
    }

    #[test]
    fn messages_are_capped_and_escaped() {
        let mut accounting = Accounting::default();
        count_failure(
            &mut accounting.failed,
            FailureClass::HttpProtocol,
            &"\u{1b}[31m".repeat(500),
            0,
        );
        let example = &accounting.failed["http.protocol"].example;
        assert!(!example.contains('\u{1b}'));
        assert!(
            example.chars().count() <= 2 * MESSAGE_CAP,
            "{}",
            example.len()
        );
    }

    proptest! {
        #[test]
        fn identities_hold_and_merging_is_order_free(
            a in prop::collection::vec((any::<u8>(), 0u64..1000), 0..40),
            b in prop::collection::vec((any::<u8>(), 0u64..1000), 0..40),
        ) {
            let (mut ab, mut ba) = (of(&a), of(&b));
            ab.merge(&of(&b));
            ba.merge(&of(&a));
            prop_assert_eq!(ab.check(), Ok(()));
            prop_assert_eq!(ab.scheduled, (a.len() + b.len()) as u64);
            prop_assert_eq!(ab, ba);
        }
    }
}

//! What came of an event of a trial: sessions before and after it, held ones that it found open, identities that
//! changed, dropped sessions that came back.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Accounting, IdentityTrouble, LatencyHistogram, Outcome, Timing};

/// Sessions on one side of an event, by the certificate that they presented and when they began.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SideCounts {
    /// What became of them.
    pub sessions: Accounting,
    /// When the first was confirmed, in nanoseconds after the trial's start; `null` if none was.
    pub first_ok_ns: Option<u64>,
    /// When the last was confirmed.
    pub last_ok_ns: Option<u64>,
    /// The longest after the event that one which began after it was confirmed, in nanoseconds: for so long a revoked or
    /// expired certificate was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_for_ns: Option<u64>,
    /// When the last was turned away; silence and a server out of reach turn nobody away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_refused_ns: Option<u64>,
}

/// Held sessions that were open when an event happened to their identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutlivedCounts {
    /// All of them.
    pub held: u64,
    /// Those that the server ended afterwards; we ended the others.
    pub lost: u64,
    /// When the first of these was lost, in nanoseconds after the event.
    pub first_lost_ns: Option<u64>,
    /// The longest that one went on after the event, in nanoseconds.
    pub longest_ns: u64,
}

/// Identities that changed to new certificates.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeCounts {
    /// How often one did. An identity that no session presents is not looked at.
    pub changed: u64,
    /// When the first did, in nanoseconds after the trial's start.
    pub first_ns: Option<u64>,
    /// When the last did.
    pub last_ns: Option<u64>,
    /// Changed files that were no identity when they were read; their sessions presented the old certificate.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, u64>,
}

/// Dropped sessions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReturnCounts {
    /// Sessions that were cut.
    pub dropped: u64,
    /// Attempts that they made to come back.
    pub attempts: u64,
    /// From the cut until they were confirmed again; of those that were not, the age at the trial's end.
    pub back: LatencyHistogram,
}

/// What came of one event.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventCounts {
    /// Sessions with the certificate as it was.
    pub before: SideCounts,
    /// Sessions with the new certificate, or with the revoked or expired one.
    pub after: SideCounts,
    /// Sessions that it found open.
    pub outlived: OutlivedCounts,
    /// Identities that changed.
    pub changes: ChangeCounts,
    /// Sessions that it cut; on the heap, as few events have them.
    pub returns: Box<ReturnCounts>,
}

/// The earlier of two times, of which either may be missing.
fn earlier(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.into_iter().chain(b).min()
}

impl SideCounts {
    /// Counts a finished attempt, `at_ns` nanoseconds after the trial's start; `moment_ns` is when the event happened to
    /// its identity, if it has and that is known.
    pub(crate) fn add(&mut self, outcome: &Outcome, at_ns: u64, moment_ns: Option<u64>) {
        self.sessions.start();
        self.sessions.finish(outcome, at_ns);
        if matches!(outcome, Outcome::Ok { .. }) {
            self.first_ok_ns = earlier(self.first_ok_ns, Some(at_ns));
            self.last_ok_ns = self.last_ok_ns.max(Some(at_ns));
            let since = moment_ns.map(|moment| at_ns.saturating_sub(moment));
            self.accepted_for_ns = self.accepted_for_ns.max(since);
        } else if matches!(outcome, Outcome::Failed { class, .. } if class.is_refusal()) {
            self.last_refused_ns = self.last_refused_ns.max(Some(at_ns));
        }
    }

    /// Adds another worker's or trial's.
    pub fn merge(&mut self, other: &Self) {
        self.sessions.merge(&other.sessions);
        self.first_ok_ns = earlier(self.first_ok_ns, other.first_ok_ns);
        self.last_ok_ns = self.last_ok_ns.max(other.last_ok_ns);
        self.accepted_for_ns = self.accepted_for_ns.max(other.accepted_for_ns);
        self.last_refused_ns = self.last_refused_ns.max(other.last_refused_ns);
    }

    /// How long sessions of the after side were accepted, if they were refused from then on; beyond that where they never
    /// were. `None` where none was accepted or refused.
    pub fn reaction(&self) -> Option<Timing> {
        let accepted = self.accepted_for_ns.unwrap_or(0);
        match (self.last_ok_ns, self.last_refused_ns) {
            (None, None) => None,
            (Some(ok), refused) if refused.is_none_or(|at| at < ok) => {
                Some(Timing::Beyond(accepted))
            }
            _ => Some(Timing::At(accepted)),
        }
    }
}

impl OutlivedCounts {
    /// Counts a session that ended so long after the event.
    pub(crate) fn add(&mut self, after_ns: u64, lost: bool) {
        self.held += 1;
        self.longest_ns = self.longest_ns.max(after_ns);
        if lost {
            self.lost += 1;
            self.first_lost_ns = earlier(self.first_lost_ns, Some(after_ns));
        }
    }

    /// Adds another worker's or trial's.
    pub fn merge(&mut self, other: &Self) {
        self.held += other.held;
        self.lost += other.lost;
        self.first_lost_ns = earlier(self.first_lost_ns, other.first_lost_ns);
        self.longest_ns = self.longest_ns.max(other.longest_ns);
    }
}

impl ChangeCounts {
    /// Counts a change.
    pub(crate) fn add(&mut self, at_ns: u64) {
        self.changed += 1;
        self.first_ns = earlier(self.first_ns, Some(at_ns));
        self.last_ns = self.last_ns.max(Some(at_ns));
    }

    /// Counts files that were no identity.
    pub(crate) fn refuse(&mut self, trouble: IdentityTrouble) {
        *self.refused.entry(trouble.label().to_owned()).or_default() += 1;
    }

    /// Adds another worker's or trial's.
    pub fn merge(&mut self, other: &Self) {
        self.changed += other.changed;
        self.first_ns = earlier(self.first_ns, other.first_ns);
        self.last_ns = self.last_ns.max(other.last_ns);
        for (label, count) in &other.refused {
            *self.refused.entry(label.clone()).or_default() += count;
        }
    }
}

impl EventCounts {
    /// Adds another worker's.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.before.merge(&other.before);
        self.after.merge(&other.after);
        self.outlived.merge(&other.outlived);
        self.changes.merge(&other.changes);
        self.returns.dropped += other.returns.dropped;
        self.returns.attempts += other.returns.attempts;
        self.returns.back.merge(&other.returns.back);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{FailureClass, OkKind, Proof, Stage};

    fn ok() -> Outcome {
        Outcome::Ok {
            kind: OkKind::Full,
            proof: Proof::ApplicationData,
        }
    }

    fn refused() -> Outcome {
        Outcome::Failed {
            class: FailureClass::Alert(44),
            message: String::new(),
        }
    }

    #[test]
    fn the_reaction_ends_with_the_last_acceptance() {
        let side = |oks: &[u64], refusals: &[u64]| {
            let mut side = SideCounts::default();
            for at in oks {
                side.add(&ok(), *at, Some(100));
            }
            for at in refusals {
                side.add(&refused(), *at, Some(100));
            }
            side.reaction()
        };
        assert_eq!(side(&[], &[]), None);
        assert_eq!(side(&[], &[150]), Some(Timing::At(0)));
        // Some of a server's processes may refuse before others do.
        assert_eq!(side(&[110, 170], &[150, 180]), Some(Timing::At(70)));
        assert_eq!(side(&[110, 900], &[]), Some(Timing::Beyond(800)));
        assert_eq!(side(&[110, 900], &[150]), Some(Timing::Beyond(800)));
    }

    #[test]
    fn silence_and_a_dead_server_are_no_reaction() {
        let failed = |class| Outcome::Failed {
            class,
            message: String::new(),
        };
        let mut side = SideCounts::default();
        side.add(
            &failed(FailureClass::Unanswered(Stage::Confirm)),
            300,
            Some(100),
        );
        side.add(&failed(FailureClass::ConnectRefused), 400, Some(100));
        assert_eq!(side.reaction(), None);
        side.add(&ok(), 150, Some(100));
        assert_eq!(side.reaction(), Some(Timing::Beyond(50)));
    }

    #[test]
    fn merging_keeps_firsts_and_lasts() {
        let mut one = EventCounts::default();
        one.before.add(&ok(), 50, None);
        one.outlived.add(30, false);
        one.changes.add(7);
        let mut other = EventCounts::default();
        other.before.add(&ok(), 20, None);
        other.outlived.add(10, true);
        other.changes.refuse(IdentityTrouble::Mismatch);
        let mut ab = one.clone();
        ab.merge(&other);
        other.merge(&one);
        assert_eq!(ab, other);
        assert_eq!(
            (ab.before.first_ok_ns, ab.before.last_ok_ns),
            (Some(20), Some(50))
        );
        assert_eq!((ab.outlived.held, ab.outlived.first_lost_ns), (2, Some(10)));
        assert_eq!(
            (ab.changes.first_ns, ab.changes.refused.len()),
            (Some(7), 1)
        );
    }
}

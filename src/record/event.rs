//! What came of an event of a trial: a part of the result file's shape, see `model`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::HistogramRecord;
use crate::scenario::EventKind;
use crate::stats::{ChangeCounts, EventCounts, HistogramError, OutlivedCounts, SideCounts, Timing};

/// What came of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventRecord {
    /// What happened.
    pub kind: EventKind,
    /// When it was to happen, in nanoseconds after the trial's start; `null` for certificates that expire by themselves.
    pub at_ns: Option<u64>,
    /// Revocation: certificates on the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<u64>,
    /// Revocation: when the list was in place, in nanoseconds after the trial's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_place_ns: Option<u64>,
    /// Revocation: when the hook had ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook_ended_ns: Option<u64>,
    /// Why it did not happen as planned, escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Attempts, warm-up included, of the identities that it happened to: those with the certificate as it was before,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<SideCounts>,
    /// and those with the new, the revoked or the expired one. Absent of sessions that were cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<SideCounts>,
    /// Held sessions that it found open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlived: Option<OutlivedCounts>,
    /// Renewal: identities that changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<ChangeCounts>,
    /// Sessions that were cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returns: Option<ReturnRecord>,
}

/// Sessions that an event cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReturnRecord {
    /// How many.
    pub dropped: u64,
    /// Attempts that they made to come back.
    pub attempts: u64,
    /// From the cut until they were confirmed again, with the ages of those that were not when the trial ended.
    pub back: HistogramRecord,
}

impl EventRecord {
    /// Encodes what came of an event.
    ///
    /// Fails only if the compressor does.
    pub(crate) fn of(
        kind: EventKind,
        at_ns: Option<u64>,
        counts: &EventCounts,
    ) -> Result<Self, HistogramError> {
        let cuts = kind == EventKind::Drop;
        let returns = cuts.then(|| {
            Ok(ReturnRecord {
                dropped: counts.returns.dropped,
                attempts: counts.returns.attempts,
                back: HistogramRecord::of(&counts.returns.back)?,
            })
        });
        let sides = || (!cuts).then_some(counts);
        Ok(Self {
            kind,
            at_ns,
            revoked: None,
            in_place_ns: None,
            hook_ended_ns: None,
            error: None,
            before: sides().map(|counts| counts.before.clone()),
            after: sides().map(|counts| counts.after.clone()),
            outlived: sides().map(|counts| counts.outlived),
            changes: (kind == EventKind::Renew).then(|| counts.changes.clone()),
            returns: returns.transpose()?,
        })
    }

    /// How long a revoked or expired certificate was accepted; beyond that if it never was refused. `None` of another
    /// event, or if none of them tried.
    pub fn reaction(&self) -> Option<Timing> {
        let ends = [EventKind::Revoke, EventKind::Expire].contains(&self.kind);
        self.after.as_ref().filter(|_| ends)?.reaction()
    }
}

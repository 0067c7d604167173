//! What became of the plan to resume sessions, session by session (invariant 4).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Early, EarlyCounts, Observed, OkKind, Outcome};

/// What a session that was planned to resume another did about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Offer {
    /// It is not known to have sent its `ClientHello`: it was not connected, or cut off before.
    #[default]
    Undecided,
    /// There was nothing in store.
    Starved,
    /// What was in store had expired, so it was not offered.
    Expired,
    /// It offered to resume.
    Sent {
        /// By how many bytes that made the `ClientHello` larger.
        bytes: u64,
        /// What became of its first request as early data.
        early: Early,
    },
}

/// The sessions of a trial by what was planned and what happened. Sessions are those of the measure
/// phase; `harvested` and `dropped` count tickets from the end of priming to the end of the trial.
///
/// `planned = undecided + starved + expired + offered` and `offered = accepted + refused + unfinished`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResumptionCounts {
    /// Sessions that were planned to be resumed.
    pub planned: u64,
    /// Planned, and not connected or cut off before the `ClientHello` was sent.
    pub undecided: u64,
    /// Planned, with nothing in store: their handshakes were full.
    pub starved: u64,
    /// Planned, and what was in store had expired: their handshakes were full.
    pub expired: u64,
    /// Sessions that offered to resume.
    pub offered: u64,
    /// Offered, and resumed.
    pub accepted: u64,
    /// Offered, and the server made the handshake full.
    pub refused: u64,
    /// Offered, and the handshake did not end well.
    pub unfinished: u64,
    /// Planned to be full, and resumed all the same.
    pub unplanned: u64,
    /// Confirmed sessions that were planned to be resumed.
    pub ok_planned: u64,
    /// Confirmed sessions of another kind than planned.
    pub ok_missed: u64,
    /// Bytes that offering added to the `ClientHello`s, summed over `offered`.
    pub offer_bytes: u64,
    /// Tickets, or TLS 1.2 sessions, that went into the stores.
    pub harvested: u64,
    /// Those that full stores dropped, the oldest first.
    pub dropped: u64,
    /// First requests that were to be early data, over `offered`; absent where early data is off.
    #[serde(default, skip_serializing_if = "EarlyCounts::is_empty")]
    pub early: EarlyCounts,
}

impl ResumptionCounts {
    /// Counts one session that ended.
    pub(crate) fn add(
        &mut self,
        planned: bool,
        offer: Offer,
        observed: Option<&Observed>,
        outcome: &Outcome,
    ) {
        let resumed = observed.map(|observed| observed.resumed);
        if planned {
            self.planned += 1;
            let of_offer = match offer {
                Offer::Undecided => &mut self.undecided,
                Offer::Starved => &mut self.starved,
                Offer::Expired => &mut self.expired,
                Offer::Sent { bytes, early } => {
                    self.offer_bytes += bytes;
                    self.early.add(early);
                    let of_answer = match resumed {
                        Some(true) => &mut self.accepted,
                        Some(false) => &mut self.refused,
                        None => &mut self.unfinished,
                    };
                    *of_answer += 1;
                    &mut self.offered
                }
            };
            *of_offer += 1;
        } else if resumed == Some(true) {
            self.unplanned += 1;
        }
        if let Outcome::Ok { kind, .. } = outcome {
            self.ok_planned += u64::from(planned);
            self.ok_missed += u64::from(planned != (*kind == OkKind::Resumed));
        }
    }

    /// Adds another's counts.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.planned, other.planned),
            (&mut self.undecided, other.undecided),
            (&mut self.starved, other.starved),
            (&mut self.expired, other.expired),
            (&mut self.offered, other.offered),
            (&mut self.accepted, other.accepted),
            (&mut self.refused, other.refused),
            (&mut self.unfinished, other.unfinished),
            (&mut self.unplanned, other.unplanned),
            (&mut self.ok_planned, other.ok_planned),
            (&mut self.ok_missed, other.ok_missed),
            (&mut self.offer_bytes, other.offer_bytes),
            (&mut self.harvested, other.harvested),
            (&mut self.dropped, other.dropped),
        ] {
            *mine += theirs;
        }
        self.early.merge(&other.early);
    }

    /// Checks all sums; the error names the one that is broken, with its numbers.
    ///
    /// # Errors
    ///
    /// Fails if a planned session, or a request that was to be early data, is unaccounted for.
    pub fn check(&self) -> Result<(), String> {
        let parts = self.undecided + self.starved + self.expired + self.offered;
        if self.planned != parts {
            return Err(format!("planned {} is not {parts}: {self:?}", self.planned));
        }
        let parts = self.accepted + self.refused + self.unfinished;
        if self.offered != parts {
            return Err(format!("offered {} is not {parts}: {self:?}", self.offered));
        }
        self.early.check(self.offered)
    }

    /// Bytes that an offer added to its `ClientHello` on average; `None` without an offer.
    pub fn bytes_per_offer(&self) -> Option<f64> {
        (self.offered > 0).then(|| self.offer_bytes as f64 / self.offered as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{CancelPhase, Proof};

    #[test]
    fn every_planned_session_is_accounted_for() {
        let observed = |resumed| Observed {
            resumed,
            ..Observed::default()
        };
        let ok = |kind| Outcome::Ok {
            kind,
            proof: Proof::ApplicationData,
        };
        let (full, resumed) = (observed(false), observed(true));
        let cut = Outcome::Cancelled(CancelPhase::Drain);
        let mut counts = ResumptionCounts::default();
        let sent = Offer::Sent {
            bytes: 200,
            early: Early::Accepted,
        };
        counts.add(true, sent, Some(&resumed), &ok(OkKind::Resumed));
        counts.add(true, sent, Some(&full), &ok(OkKind::Full));
        counts.add(true, sent, None, &cut);
        counts.add(true, Offer::Starved, Some(&full), &ok(OkKind::Full));
        counts.add(true, Offer::Expired, Some(&full), &ok(OkKind::Full));
        counts.add(true, Offer::Undecided, None, &cut);
        counts.add(false, Offer::Undecided, Some(&full), &ok(OkKind::Full));
        assert_eq!(counts.check(), Ok(()));
        assert_eq!((counts.planned, counts.offered), (6, 3));
        assert_eq!((counts.accepted, counts.refused), (1, 1));
        assert_eq!((counts.ok_planned, counts.ok_missed), (4, 3));
        assert_eq!(counts.bytes_per_offer(), Some(200.0));
        assert_eq!((counts.early.sent, counts.early.accepted), (3, 3));
        let mut twice = counts;
        twice.merge(&counts);
        assert_eq!((twice.planned, twice.offer_bytes), (12, 1_200));
        assert_eq!(twice.check(), Ok(()));
        assert_eq!(twice.early.sent, 6);
        twice.early.withheld = 1;
        assert!(twice.check().unwrap_err().contains("offered 6"));
        twice.planned += 1;
        assert!(twice.check().unwrap_err().contains("planned 13"));
    }
}

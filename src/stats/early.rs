//! What became of requests that were sent as early data (RFC 8446 section 2.3).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a session that offered to resume another did with its first request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Early {
    /// It was not to be sent as early data.
    #[default]
    Off,
    /// The ticket does not allow for early data, or not for so much.
    Withheld,
    /// It was sent, and the handshake has not ended well yet.
    Sent,
    /// It was sent, and the server took it.
    Accepted,
    /// It was sent, and the server dropped it.
    Rejected,
    /// The server dropped it, and it was sent again, whole, after the handshake.
    Replayed,
}

/// First requests by what became of them, where early data is asked for.
///
/// `offered = withheld + sent`, `sent = accepted + rejected + unfinished`, and `replayed` is a part of
/// `rejected`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlyCounts {
    /// Sessions that offered a ticket which does not allow for the whole request as early data.
    pub withheld: u64,
    /// Sessions that sent their first request as early data.
    pub sent: u64,
    /// Sent, and the server took it.
    pub accepted: u64,
    /// Sent, and the server dropped it.
    pub rejected: u64,
    /// Sent, and the handshake did not end well.
    pub unfinished: u64,
    /// Rejected, and sent again after the handshake.
    pub replayed: u64,
}

impl EarlyCounts {
    /// Whether nothing was counted, as where early data is off.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Counts one session that offered to resume another.
    pub(crate) fn add(&mut self, early: Early) {
        let of_answer = match early {
            Early::Off => return,
            Early::Withheld => {
                self.withheld += 1;
                return;
            }
            Early::Sent => &mut self.unfinished,
            Early::Accepted => &mut self.accepted,
            Early::Rejected => &mut self.rejected,
            Early::Replayed => {
                self.replayed += 1;
                &mut self.rejected
            }
        };
        *of_answer += 1;
        self.sent += 1;
    }

    /// Adds another's counts.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.withheld, other.withheld),
            (&mut self.sent, other.sent),
            (&mut self.accepted, other.accepted),
            (&mut self.rejected, other.rejected),
            (&mut self.unfinished, other.unfinished),
            (&mut self.replayed, other.replayed),
        ] {
            *mine += theirs;
        }
    }

    /// Checks the sums against the sessions that offered; the error names the one that is broken.
    ///
    /// Fails if a request is unaccounted for.
    pub(crate) fn check(&self, offered: u64) -> Result<(), String> {
        let parts = self.accepted + self.rejected + self.unfinished;
        if self.sent != parts {
            return Err(format!("early sent {} is not {parts}: {self:?}", self.sent));
        }
        if self.replayed > self.rejected {
            return Err(format!("more were replayed than rejected: {self:?}"));
        }
        let parts = self.withheld + self.sent;
        if !self.is_empty() && offered != parts {
            return Err(format!("offered {offered} is not {parts}: {self:?}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_accounted_for() {
        let mut counts = EarlyCounts::default();
        counts.add(Early::Off);
        assert!(counts.is_empty());
        for early in [
            Early::Withheld,
            Early::Sent,
            Early::Accepted,
            Early::Rejected,
            Early::Replayed,
        ] {
            counts.add(early);
        }
        let expected = EarlyCounts {
            withheld: 1,
            sent: 4,
            accepted: 1,
            rejected: 2,
            unfinished: 1,
            replayed: 1,
        };
        assert_eq!(counts, expected);
        assert_eq!(counts.check(5), Ok(()));
        assert!(counts.check(6).unwrap_err().contains("offered 6"));
        let mut twice = counts;
        twice.merge(&counts);
        assert_eq!(twice.check(10), Ok(()));
        twice.accepted += 1;
        assert!(twice.check(10).unwrap_err().contains("early sent 8"));
        twice.accepted -= 1;
        twice.replayed = 5;
        assert!(twice.check(10).unwrap_err().contains("more were replayed"));
    }
}

//! Limits what a server may send unasked. Timeouts bound the time of each stage; these limits bound the work that
//! a fast server can cause within it.

/// Most bytes received in a row without application data: handshake messages, tickets, key updates, alerts and
/// empty records. rustls itself limits the size of a handshake message (64 KiB), empty records in a row (32), key
/// updates since the last data that ask for one of ours (32), warning alerts (4), `ChangeCipherSpec` records (2) and
/// renegotiation requests (1), but neither tickets nor other key updates.
const QUIET_CAP: u64 = 1 << 20;
/// Most TLS 1.3 `NewSessionTicket` messages of one session; each costs a key derivation.
const TICKET_CAP: u32 = 256;
/// Most bytes of application data received while no answer is expected.
const UNASKED_CAP: u64 = 1 << 20;

/// What a server sent too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Flood {
    #[error(
        "the server sent handshake messages, tickets, key updates or empty records of over {QUIET_CAP} bytes without any application data, shakedown's limit"
    )]
    Quiet,
    #[error("the server sent over {TICKET_CAP} session tickets, shakedown's limit")]
    Tickets,
    #[error(
        "the server sent over {UNASKED_CAP} bytes of application data that nobody asked for, shakedown's limit"
    )]
    Unasked,
}

/// The use of one session.
#[derive(Debug, Default)]
pub(super) struct Quota {
    quiet: u64,
    unasked: u64,
}

impl Quota {
    /// Counts `bytes` from the wire; `delivered` if they held application data, which the protocol limits itself.
    /// `tickets` is their number so far.
    pub(crate) fn received(
        &mut self,
        bytes: u64,
        delivered: bool,
        tickets: u32,
    ) -> Result<(), Flood> {
        self.quiet = if delivered { 0 } else { self.quiet + bytes };
        if self.quiet > QUIET_CAP {
            Err(Flood::Quiet)
        } else if tickets > TICKET_CAP {
            Err(Flood::Tickets)
        } else {
            Ok(())
        }
    }

    /// Counts `bytes` of application data that were dropped.
    pub(crate) fn dropped(&mut self, bytes: usize) -> Result<(), Flood> {
        self.unasked += bytes as u64;
        if self.unasked > UNASKED_CAP {
            Err(Flood::Unasked)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cap_is_exact() {
        let mut quota = Quota::default();
        quota.received(QUIET_CAP, false, TICKET_CAP).unwrap();
        assert_eq!(quota.received(1, false, 0), Err(Flood::Quiet));
        quota.received(1, true, 0).unwrap();
        quota.received(1, false, 0).unwrap();
        let tickets = quota.received(1, true, TICKET_CAP + 1);
        assert_eq!(tickets, Err(Flood::Tickets));
        quota.dropped(1 << 20).unwrap();
        assert_eq!(quota.dropped(1), Err(Flood::Unasked));
    }
}

//! How much a server may send that nobody asked for. Each stage has a limit of time; this one is of
//! what a fast server can make us process within it. In bytes on the wire, bytes of data, tickets.

/// Most bytes received without any application data among them: handshake messages, tickets, key
/// updates, alerts and empty records. rustls has caps of its own on the size of a handshake message
/// (64 KiB) and on some counts (32 empty records in a row, 32 key updates that ask for one of ours
/// since the last data, 4 warning alerts, 2 `ChangeCipherSpec` records, 1 renegotiation request), but
/// none on tickets and on key updates that ask for nothing.
const QUIET_CAP: u64 = 1 << 20;
/// Most TLS 1.3 `NewSessionTicket` messages of one session; each costs a key derivation.
const TICKET_CAP: u32 = 256;
/// Most bytes of application data that come while no answer is awaited.
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

/// What one session has used up.
#[derive(Debug, Default)]
pub(super) struct Quota {
    quiet: u64,
    unasked: u64,
}

impl Quota {
    /// Counts `bytes` from the wire. With `delivered` there was application data among them, and
    /// the protocol that reads it has caps of its own. `tickets` is their number so far.
    pub fn received(&mut self, bytes: u64, delivered: bool, tickets: u32) -> Result<(), Flood> {
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
    pub fn dropped(&mut self, bytes: usize) -> Result<(), Flood> {
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

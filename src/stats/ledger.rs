//! Where a session's time went, as one end saw it: every crypto operation, and what is left. Pure
//! data; times are nanoseconds of the monotonic clock, each counted once (exclusive of what it calls).

use std::collections::BTreeMap;

use super::{LatencyHistogram, OkKind};
use crate::text::labelled;

labelled! {
    /// A call into the crypto provider.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum CryptoOp {
        /// Making a key pair for the key exchange.
        KxStart = "kx_start",
        /// Computing the shared secret. A TLS 1.3 server makes its key pair in the same call.
        KxComplete = "kx_complete",
        /// Signing the handshake.
        Sign = "sign",
        /// Verifying a chain: the signatures by algorithm, the building of the path without one.
        VerifyChain = "verify_chain",
        /// Verifying the peer's signature over the handshake.
        VerifyTranscript = "verify_transcript",
        /// The transcript hash.
        Hash = "hash",
        /// The key schedule: HKDF, or the PRF of TLS 1.2, the MACs of Finished and binders included.
        Kdf = "kdf",
        /// Protecting a record, or a ticket.
        Seal = "seal",
        /// Opening a record, or a ticket.
        Open = "open",
        /// Random bytes that rustls asks for; what key generation takes is in [`Self::KxStart`].
        Random = "random",
    }
}

/// What a stretch of a session's time was spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Work {
    /// An operation of the crypto provider.
    Crypto(CryptoOp),
    /// rustls itself (state machine, codec, allocation) and the few lines of the driver around it.
    Tls,
    /// Calls to the socket: the kernel's TCP, and the runtime's check whether it is ready.
    Socket,
    /// Checks for a reader's sake, which no session under load makes: only a probe has them.
    Probe,
}

impl Work {
    /// How many there are.
    pub const COUNT: usize = CryptoOp::ALL.len() + 3;

    /// A number below [`Self::COUNT`].
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Crypto(op) => op as usize,
            Self::Tls => CryptoOp::ALL.len(),
            Self::Socket => CryptoOp::ALL.len() + 1,
            Self::Probe => CryptoOp::ALL.len() + 2,
        }
    }

    /// Every kind of work, at its [`Self::index`].
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let crypto = CryptoOp::ALL.into_iter().map(Self::Crypto);
        crypto.chain([Self::Tls, Self::Socket, Self::Probe])
    }

    /// The stable label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Crypto(op) => op.label(),
            Self::Tls => "tls",
            Self::Socket => "socket",
            Self::Probe => "probe",
        }
    }

    /// The work with this label.
    pub(crate) fn of_label(label: &str) -> Option<Self> {
        Self::all().find(|work| work.label() == label)
    }
}

labelled! {
    serde
    /// How far an end is in its session. What is done in a passage belongs to other steps than the same
    /// operation in another.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
    pub enum Passage {
        /// A client before the server's first byte.
        #[default]
        Offer = "offer",
        /// Until the first protected record was opened: hellos and keys; in TLS 1.2 certificates, too.
        Answer = "answer",
        /// Until this end's handshake is complete.
        Proof = "proof",
        /// After that.
        Data = "data",
    }
}

/// One line of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// What was done.
    pub work: Work,
    /// With which algorithm, where that is told apart: key exchange, signatures, tickets.
    pub algorithm: Option<&'static str>,
    /// When.
    pub passage: Passage,
}

/// What an entry of one session took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Time, without what other entries took meanwhile.
    pub ns: u64,
    /// How often.
    pub count: u64,
}

/// Bytes that went one way without an answer in between, as this end saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flight {
    /// Whether this end sent them.
    pub sent: bool,
    /// TCP payload.
    pub bytes: u64,
}

/// The ledger of one session at one end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionLedger {
    /// Only entries that happened.
    pub entries: Vec<(Entry, Spent)>,
    /// The flights of the handshake, in order.
    pub flights: Vec<Flight>,
    /// Bytes sent once the handshake was complete.
    pub data_sent: u64,
    /// Bytes received once the handshake was complete.
    pub data_received: u64,
    /// How often this end had to wait for the other until its handshake was complete.
    pub turns: u64,
}

impl SessionLedger {
    /// All its time.
    pub(crate) fn ns(&self) -> u64 {
        self.entries.iter().map(|(_, spent)| spent.ns).sum()
    }

    /// How often an operation was done, whatever the algorithm and passage.
    #[cfg(test)]
    pub(crate) fn count(&self, op: CryptoOp) -> u64 {
        let done = self.entries.iter();
        done.filter(|(entry, _)| entry.work == Work::Crypto(op))
            .map(|(_, spent)| spent.count)
            .sum()
    }
}

/// One entry over many sessions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EntryStats {
    /// How often, over all sessions.
    pub count: u64,
    /// Time per session, over those in which it happened.
    pub time: LatencyHistogram,
}

/// One flight over many sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlightStats {
    /// Sessions that had it.
    pub sessions: u64,
    /// Their bytes, summed.
    pub bytes: u64,
}

/// The ledgers of many sessions of one kind at one end, mergeable.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LedgerStats {
    /// Sessions.
    pub sessions: u64,
    /// By entry.
    pub entries: BTreeMap<Entry, EntryStats>,
    /// By place in the handshake, and whether this end sent it.
    pub flights: BTreeMap<(usize, bool), FlightStats>,
    /// Bytes sent once handshakes were complete, summed.
    pub data_sent: u64,
    /// Bytes received once handshakes were complete, summed.
    pub data_received: u64,
    /// Waits for the other end until handshakes were complete, summed.
    pub turns: u64,
}

/// Ledgers by kind of session.
pub type LedgersByKind = BTreeMap<OkKind, LedgerStats>;

/// Adds the ledgers of another worker or thread.
pub(crate) fn merge_ledgers(mine: &mut LedgersByKind, theirs: &LedgersByKind) {
    for (kind, stats) in theirs {
        mine.entry(*kind).or_default().merge(stats);
    }
}

impl LedgerStats {
    /// Adds one session.
    pub(crate) fn add(&mut self, ledger: &SessionLedger) {
        self.sessions += 1;
        for (entry, spent) in &ledger.entries {
            let stats = self.entries.entry(*entry).or_default();
            stats.count += spent.count;
            stats.time.record(spent.ns);
        }
        for (place, flight) in ledger.flights.iter().enumerate() {
            let stats = self.flights.entry((place, flight.sent)).or_default();
            stats.sessions += 1;
            stats.bytes += flight.bytes;
        }
        self.data_sent += ledger.data_sent;
        self.data_received += ledger.data_received;
        self.turns += ledger.turns;
    }

    /// Adds the sessions of another worker or thread.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.sessions += other.sessions;
        for (entry, theirs) in &other.entries {
            let mine = self.entries.entry(*entry).or_default();
            mine.count += theirs.count;
            mine.time.merge(&theirs.time);
        }
        for (place, theirs) in &other.flights {
            let mine = self.flights.entry(*place).or_default();
            mine.sessions += theirs.sessions;
            mine.bytes += theirs.bytes;
        }
        self.data_sent += other.data_sent;
        self.data_received += other.data_received;
        self.turns += other.turns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Timing;

    fn session(ns: u64) -> SessionLedger {
        let entry = |work| Entry {
            work,
            algorithm: None,
            passage: Passage::Answer,
        };
        SessionLedger {
            entries: vec![
                (entry(Work::Crypto(CryptoOp::Sign)), Spent { ns, count: 1 }),
                (entry(Work::Tls), Spent { ns: 10, count: 3 }),
            ],
            flights: vec![
                Flight {
                    sent: true,
                    bytes: 200,
                },
                Flight {
                    sent: false,
                    bytes: 1_000,
                },
            ],
            data_sent: 64,
            data_received: 70,
            turns: 1,
        }
    }

    #[test]
    fn labels_lead_back_to_their_work() {
        for (index, work) in Work::all().enumerate() {
            assert_eq!(work.index(), index);
            assert_eq!(Work::of_label(work.label()), Some(work));
        }
        assert_eq!(Work::all().count(), Work::COUNT);
        assert_eq!(Work::of_label("signing"), None);
    }

    #[test]
    fn sessions_add_up_and_merge_in_any_order() {
        let (one, two) = (session(100), session(300));
        assert_eq!((one.ns(), one.count(CryptoOp::Sign)), (110, 1));
        let mut all = LedgerStats::default();
        all.add(&one);
        all.add(&two);
        let mut parts = [LedgerStats::default(), LedgerStats::default()];
        parts[0].add(&two);
        parts[1].add(&one);
        let [mut first, second] = parts;
        first.merge(&second);
        assert_eq!(first, all);
        assert_eq!((all.sessions, all.turns, all.data_sent), (2, 2, 128));
        assert_eq!(all.flights[&(1, false)].bytes, 2_000);
        let sign = all.entries.values().next().unwrap();
        assert_eq!((sign.count, sign.time.max()), (2, Some(Timing::At(300))));
    }
}

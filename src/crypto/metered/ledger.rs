//! The current ledger of this thread. rustls works synchronously inside a poll, so a thread-local "current session"
//! around each poll is exact, without a lock.
//!
//! Exactly one entry runs at a time: entering another stops the clock of the outer one, so that each nanosecond of a
//! poll is counted once.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use crate::clock::ns_between;
use crate::stats::{CryptoOp, Entry, Flight, Passage, SessionLedger, Spent, Work};

/// Entries without an algorithm are indexed by passage and work.
const PLAIN: usize = Passage::ALL.len() * Work::COUNT;
/// Most flights kept apart; further ones are added to the last.
const MOST_FLIGHTS: usize = 8;

/// The ledger of one end of a session, while it is written.
#[derive(Debug, Clone)]
pub struct Ledger {
    plain: [Spent; PLAIN],
    /// Entries with an algorithm. There are few, so they are searched.
    named: Vec<(Entry, Spent)>,
    passage: Passage,
    /// The running entry, and since when.
    running: usize,
    since: Instant,
    flights: Vec<Flight>,
    data_sent: u64,
    data_received: u64,
    turns: u64,
    /// Whether the last bytes were sent, so that the next received ones end a wait.
    waiting: bool,
}

thread_local! {
    static CURRENT: RefCell<Option<Box<Ledger>>> = const { RefCell::new(None) };
}

impl Ledger {
    /// An empty ledger of a client, which begins by offering.
    pub(crate) fn client() -> Box<Self> {
        Self::new(Passage::Offer)
    }

    /// An empty ledger of a server, which begins by answering.
    pub(crate) fn server() -> Box<Self> {
        Self::new(Passage::Answer)
    }

    fn new(passage: Passage) -> Box<Self> {
        Box::new(Self {
            plain: [Spent::default(); PLAIN],
            named: Vec::new(),
            passage,
            running: 0,
            since: Instant::now(),
            flights: Vec::new(),
            data_sent: 0,
            data_received: 0,
            turns: 0,
            waiting: false,
        })
    }

    /// Notes bytes handed to the kernel.
    pub(crate) fn sent(&mut self, bytes: u64) {
        self.waiting = true;
        self.moved(true, bytes);
    }

    /// Notes bytes taken from the kernel.
    pub(crate) fn received(&mut self, bytes: u64) {
        if bytes == 0 {
            return;
        }
        self.passage = self.passage.max(Passage::Answer);
        self.turns += u64::from(std::mem::take(&mut self.waiting) && self.passage < Passage::Data);
        self.moved(false, bytes);
    }

    fn moved(&mut self, sent: bool, bytes: u64) {
        if self.passage == Passage::Data {
            let data = if sent {
                &mut self.data_sent
            } else {
                &mut self.data_received
            };
            *data += bytes;
            return;
        }
        let full = self.flights.len() >= MOST_FLIGHTS;
        match self.flights.last_mut() {
            Some(last) if last.sent == sent || full => last.bytes += bytes,
            _ => self.flights.push(Flight { sent, bytes }),
        }
    }

    /// Notes that this end's handshake is complete.
    pub(crate) fn established(&mut self) {
        self.passage = Passage::Data;
    }

    /// The entries so far.
    pub(crate) fn read(&self) -> SessionLedger {
        let plain = Passage::ALL.into_iter().flat_map(|passage| {
            Work::all().map(move |work| Entry {
                work,
                algorithm: None,
                passage,
            })
        });
        let entries = plain.zip(self.plain).chain(self.named.iter().copied());
        SessionLedger {
            entries: entries
                .filter(|(_, spent)| *spent != Spent::default())
                .collect(),
            flights: self.flights.clone(),
            data_sent: self.data_sent,
            data_received: self.data_received,
            turns: self.turns,
        }
    }

    /// The place of an entry in this passage.
    fn place(&mut self, work: Work, algorithm: Option<&'static str>) -> usize {
        let passage = self.passage;
        if algorithm.is_none() {
            return passage as usize * Work::COUNT + work.index();
        }
        let entry = Entry {
            work,
            algorithm,
            passage,
        };
        let known = self.named.iter().position(|(known, _)| *known == entry);
        PLAIN
            + known.unwrap_or_else(|| {
                self.named.push((entry, Spent::default()));
                self.named.len() - 1
            })
    }

    /// Stops the running clock and starts that of `place`. Returns the previous place.
    fn switch(&mut self, place: usize) -> usize {
        let now = Instant::now();
        let ns = ns_between(self.since, now);
        self.spent(self.running).ns += ns;
        self.since = now;
        std::mem::replace(&mut self.running, place)
    }

    fn spent(&mut self, place: usize) -> &mut Spent {
        match place.checked_sub(PLAIN) {
            None => &mut self.plain[place],
            Some(named) => &mut self.named[named].1,
        }
    }
}

/// Runs `drive` with `ledger`, if any, as the current one. Time without another entry counts as `work`.
pub fn attributed<T>(ledger: &mut Option<Box<Ledger>>, work: Work, drive: impl FnOnce() -> T) -> T {
    let Some(mut own) = ledger.take() else {
        return drive();
    };
    let place = own.place(work, None);
    own.spent(place).count += 1;
    own.running = place;
    own.since = Instant::now();
    CURRENT.with_borrow_mut(|current| *current = Some(own));
    let result = drive();
    *ledger = CURRENT.with_borrow_mut(Option::take);
    if let Some(own) = ledger {
        own.switch(place);
    }
    result
}

/// Changes the current ledger, if there is one.
pub(crate) fn note(change: impl FnOnce(&mut Ledger)) {
    CURRENT.with_borrow_mut(|current| {
        if let Some(ledger) = current {
            change(ledger);
        }
    });
}

/// Runs the clock of `work` in the current ledger, if there is one, until the result is dropped.
#[must_use = "the clock stops as soon as it is dropped"]
pub(crate) fn enter(work: Work, algorithm: Option<&'static str>) -> Entered {
    CURRENT.with_borrow_mut(|current| {
        let outer = current.as_mut().map(|ledger| {
            let place = ledger.place(work, algorithm);
            ledger.spent(place).count += 1;
            ledger.switch(place)
        });
        Entered {
            outer,
            opens: work == Work::Crypto(CryptoOp::Open) && algorithm.is_none(),
        }
    })
}

/// A running entry.
#[derive(Debug)]
pub struct Entered {
    /// The outer entry; none without a ledger.
    outer: Option<usize>,
    /// Whether it opens a record, after which everything that follows is protected.
    opens: bool,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let Some(outer) = self.outer else { return };
        note(|ledger| {
            ledger.switch(outer);
            if self.opens {
                ledger.passage = ledger.passage.max(Passage::Proof);
            }
        });
    }
}

/// The overhead of one entry with its two clock readings, measured now on this thread: the least of several batches.
/// Excludes the boxes and indirect calls of the decorators.
pub fn span_cost() -> Duration {
    const BATCHES: u32 = 9;
    const SPANS: u32 = 2_000;
    let batch = || {
        let mut ledger = Some(Ledger::client());
        attributed(&mut ledger, Work::Tls, || {
            let start = Instant::now();
            for _ in 0..SPANS {
                drop(enter(Work::Crypto(CryptoOp::Hash), None));
            }
            start.elapsed() / SPANS
        })
    };
    (0..BATCHES).map(|_| batch()).min().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(ledger: Option<Box<Ledger>>) -> SessionLedger {
        ledger.unwrap().read()
    }

    #[test]
    fn an_inner_entry_stops_the_clock_of_the_outer_one() {
        let mut ledger = Some(Ledger::client());
        let nap = Duration::from_millis(3);
        let begun = Instant::now();
        attributed(&mut ledger, Work::Tls, || {
            let _kdf = enter(Work::Crypto(CryptoOp::Kdf), None);
            {
                let _kx = enter(Work::Crypto(CryptoOp::KxComplete), Some("x25519"));
                std::thread::sleep(nap);
            }
        });
        let elapsed = ns_between(begun, Instant::now());
        let read = counts(ledger);
        let of = |wanted: CryptoOp| {
            let found = |(e, _): &&(Entry, Spent)| e.work == Work::Crypto(wanted);
            read.entries.iter().find(found).unwrap().1
        };
        let (kx, kdf) = (of(CryptoOp::KxComplete), of(CryptoOp::Kdf));
        assert_eq!((kx.count, kdf.count), (1, 1));
        // The nap is in one of them only, so together they fit into the time there was.
        assert!(u128::from(kx.ns) >= nap.as_nanos() && kx.ns + kdf.ns <= elapsed);
        assert!(read.ns() <= elapsed, "no nanosecond counts twice");
    }

    #[test]
    fn without_a_ledger_nothing_is_written_and_nothing_fails() {
        let mut none = None;
        assert_eq!(attributed(&mut none, Work::Tls, || 7), 7);
        drop(enter(Work::Socket, None));
        note(Ledger::established);
        assert!(none.is_none());
    }

    #[test]
    fn passages_follow_from_what_happens() {
        let mut ledger = Some(Ledger::client());
        attributed(&mut ledger, Work::Tls, || {
            drop(enter(Work::Crypto(CryptoOp::Hash), None));
            note(|l| l.sent(200));
            note(|l| l.received(0));
            drop(enter(Work::Crypto(CryptoOp::Hash), None));
            note(|l| l.received(900));
            drop(enter(Work::Crypto(CryptoOp::Open), Some("ticket")));
            drop(enter(Work::Crypto(CryptoOp::Hash), None));
            drop(enter(Work::Crypto(CryptoOp::Open), None));
            drop(enter(Work::Crypto(CryptoOp::Hash), None));
            note(|l| l.sent(70));
            note(Ledger::established);
            drop(enter(Work::Crypto(CryptoOp::Hash), None));
            note(|l| l.sent(10));
            note(|l| l.received(20));
        });
        let read = counts(ledger);
        let hashed = |passage| {
            let of = |(e, _): &&(Entry, Spent)| {
                e.work == Work::Crypto(CryptoOp::Hash) && e.passage == passage
            };
            read.entries.iter().find(of).map_or(0, |(_, s)| s.count)
        };
        assert_eq!(Passage::ALL.map(hashed), [2, 1, 1, 1]);
        let sizes: Vec<_> = read.flights.iter().map(|f| (f.sent, f.bytes)).collect();
        assert_eq!(sizes, [(true, 200), (false, 900), (true, 70)]);
        assert_eq!(
            (read.turns, read.data_sent, read.data_received),
            (1, 10, 20)
        );
    }

    #[test]
    fn an_entry_costs_something_and_not_much() {
        let cost = span_cost();
        assert!(!cost.is_zero() && cost < Duration::from_millis(1));
    }
}

//! A client's store of resumable sessions: one per worker and identity, so that nothing is shared and no identity
//! resumes as another.
//!
//! Whether a session may resume is decided before it begins. rustls asks for a ticket exactly once, while it makes
//! the `ClientHello`.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

/// Whether a ticket may be offered repeatedly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketUse {
    /// It is dropped once offered (RFC 8446 appendix C.4). A TLS 1.2 session comes back once it was resumed, since
    /// its server need not issue another.
    Once,
    /// It is kept. TLS 1.2 only: rustls drops a TLS 1.3 ticket once it was offered.
    Reused,
}

/// Whether a client's session was to resume another.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wish {
    pub(super) planned: bool,
    /// Whether the store had something to offer.
    pub(super) given: bool,
    /// Bytes of a `ClientHello` that offers nothing.
    pub(super) full_hello: u64,
}

/// Tickets stored and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreCounts {
    /// Tickets, or TLS 1.2 sessions, that were stored.
    pub harvested: u64,
    /// The oldest, dropped because the store was full.
    pub dropped: u64,
}

/// A store for the one server name and identity of a configuration.
#[derive(Debug)]
pub struct SessionStore {
    inner: Mutex<Inner>,
    capacity: usize,
    ticket_use: TicketUse,
}

#[derive(Debug, Default)]
struct Inner {
    /// Whether the session that begins now may resume.
    offering: bool,
    /// Whether it was given something to offer.
    given: bool,
    tls13: VecDeque<Tls13ClientSessionValue>,
    tls12: VecDeque<Tls12ClientSessionValue>,
    counts: StoreCounts,
}

impl SessionStore {
    /// An empty store that keeps the newest `capacity` tickets.
    pub(crate) fn new(capacity: usize, ticket_use: TicketUse) -> Self {
        Self {
            inner: Mutex::default(),
            capacity,
            ticket_use,
        }
    }

    /// Runs `begin`, which makes a `ClientHello`, offering a ticket if `resume` and one is in store. Says whether
    /// one was offered.
    pub(crate) fn offering<T>(&self, resume: bool, begin: impl FnOnce() -> T) -> (T, bool) {
        self.with(|inner| {
            inner.offering = resume;
            inner.given = false;
        });
        let hello = begin();
        let given = self.with(|inner| {
            inner.offering = false;
            inner.given
        });
        (hello, given)
    }

    /// How many sessions could be resumed now.
    pub fn stock(&self) -> usize {
        self.with(|inner| inner.tls13.len() + inner.tls12.len())
    }

    /// The counts since they were last taken.
    pub(crate) fn take_counts(&self) -> StoreCounts {
        self.with(|inner| std::mem::take(&mut inner.counts))
    }

    /// Forgets every session.
    pub(crate) fn clear(&self) {
        self.with(|inner| {
            inner.tls13.clear();
            inner.tls12.clear();
        });
    }

    /// The lock is never contended: a store belongs to one worker, but rustls requires `Sync`.
    fn with<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Adds the newest, drops the oldest beyond `capacity`.
fn keep<T>(kept: &mut VecDeque<T>, value: T, capacity: usize, counts: &mut StoreCounts) {
    counts.harvested += 1;
    kept.push_back(value);
    if kept.len() > capacity {
        kept.pop_front();
        counts.dropped += 1;
    }
}

impl ClientSessionStore for SessionStore {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    /// Never: a hint would change the key share that later sessions offer.
    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        let capacity = self.capacity;
        self.with(|inner| keep(&mut inner.tls12, value, capacity, &mut inner.counts));
    }

    /// The oldest first, so that none outlives the server's memory of it.
    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.with(|inner| {
            let oldest = inner.offering.then(|| inner.tls12.pop_front()).flatten()?;
            if self.ticket_use == TicketUse::Reused {
                inner.tls12.push_back(oldest.clone());
            }
            inner.given = true;
            Some(oldest)
        })
    }

    /// rustls forgets a name's TLS 1.2 sessions once the server spoke TLS 1.3.
    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.with(|inner| inner.tls12.clear());
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        let capacity = self.capacity;
        self.with(|inner| keep(&mut inner.tls13, value, capacity, &mut inner.counts));
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.with(|inner| {
            let oldest = inner.offering.then(|| inner.tls13.pop_front()).flatten()?;
            inner.given = true;
            Some(oldest)
        })
    }
}

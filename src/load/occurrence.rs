//! The events of a trial as its sessions see them: to whom each happens and when, and on which side of it a session is.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::LoadPlan;
use crate::pki::{Edition, Fleet, Revoker};
use crate::scenario::{BackOff, EventKind, Jitter, Overlap};
use crate::stats::EventCounts;
use crate::units::Ratio;

/// A time that does not come.
const NEVER: u64 = u64::MAX;
const NS_PER_S: i64 = 1_000_000_000;

/// An event of a cell.
#[derive(Debug)]
pub struct EventPlan {
    /// What happens.
    pub kind: EventKind,
    /// When, since the trial's start; none for certificates that expire by themselves.
    pub at: Option<Duration>,
    /// The time over which it reaches one identity after the other.
    pub over: Option<Duration>,
    /// The share of identities or sessions that it happens to.
    pub share: Ratio,
    /// The group that it happens to, as an index into the fleet's names.
    pub group: Option<usize>,
    /// How long a renewed certificate is still valid.
    pub overlap: Option<Overlap>,
    /// How sessions that were cut come back.
    pub back_off: (BackOff, Jitter),
    /// What revokes, if it is a revocation.
    pub revocation: Option<Revocation>,
}

impl EventPlan {
    /// When it is due, since the trial's start.
    pub(super) fn due(&self) -> Duration {
        self.at.unwrap_or_default()
    }
}

/// How certificates are revoked.
#[derive(Debug)]
pub struct Revocation {
    /// Makes the list.
    pub revoker: Revoker,
    /// The file that it is written to; none for the embedded target.
    pub file: Option<PathBuf>,
    /// What makes the server read it.
    pub hook: Option<String>,
}

/// The certificate that a session presents.
#[derive(Debug, Clone, Copy)]
pub(super) struct Presence {
    /// Whose it is.
    pub index: u32,
    /// How often it was renewed in this trial.
    pub edition: u32,
    /// When it expires, in nanoseconds after the trial's start.
    pub expires_ns: u64,
}

/// A side of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Before,
    After,
}

/// The events of one trial of a cell.
#[derive(Debug)]
pub(super) struct Occurrences {
    plan: Arc<LoadPlan>,
    cell: usize,
    /// The trial's start, in nanoseconds since 1970.
    began_ns: i64,
    /// When each revocation was in place, in nanoseconds after the trial's start.
    in_place: Vec<AtomicU64>,
}

impl Occurrences {
    /// Those of a cell's trial; none where it has none.
    pub(super) fn of(plan: &Arc<LoadPlan>, cell: usize, began: SystemTime) -> Option<Arc<Self>> {
        let events = &plan.cells[cell].events;
        let began = began.duration_since(UNIX_EPOCH).unwrap_or_default();
        (!events.is_empty()).then(|| {
            Arc::new(Self {
                plan: Arc::clone(plan),
                cell,
                began_ns: i64::try_from(began.as_nanos()).unwrap_or(i64::MAX),
                in_place: events.iter().map(|_| AtomicU64::new(NEVER)).collect(),
            })
        })
    }

    /// All of them.
    pub(super) fn events(&self) -> &[EventPlan] {
        &self.plan.cells[self.cell].events
    }

    fn fleet(&self) -> Option<&Fleet> {
        self.plan.cells[self.cell]
            .fleet
            .as_ref()
            .map(super::FleetPlan::fleet)
    }

    /// Room for what comes of each.
    pub(super) fn counts(&self) -> Vec<EventCounts> {
        vec![EventCounts::default(); self.events().len()]
    }

    /// Whether certificates change or end in the trial.
    pub(super) fn needs_own_certificates(&self) -> bool {
        let mut kinds = self.events().iter().map(|event| event.kind);
        kinds.any(|kind| matches!(kind, EventKind::Renew | EventKind::Expire))
    }

    /// Notes that a revocation is in place.
    pub(super) fn put_in_place(&self, event: usize, at_ns: u64) {
        self.in_place[event].store(at_ns, Ordering::Relaxed);
    }

    /// Whether an event happens to an identity, or without a fleet to a session of this number.
    pub(super) fn affects(&self, event: usize, index: u32) -> bool {
        let event = &self.events()[event];
        let whole = u64::from(Ratio::WHOLE);
        let below = |n: u64| n * u64::from(event.share.parts()) / whole;
        let drawn = below(u64::from(index) + 1) > below(u64::from(index));
        let grouped = || self.fleet().and_then(|fleet| fleet.counted_by(index));
        drawn && event.group.is_none_or(|group| grouped() == Some(group))
    }

    /// The identities of the fleet that an event happens to.
    pub(super) fn affected(&self, event: usize) -> impl Iterator<Item = u32> {
        let len = self.fleet().map_or(0, Fleet::len);
        (0..len).filter(move |index| self.affects(event, *index))
    }

    /// The serial numbers of the certificates that an event revokes at a time, in nanoseconds after the trial's start.
    ///
    /// Fails with the cause if a file cannot be read.
    pub(super) fn serials(&self, event: usize, now_ns: u64) -> Result<Vec<Vec<u8>>, String> {
        let Some(fleet) = self.fleet() else {
            return Ok(Vec::new());
        };
        let serial = |index| {
            let (edition, _) = self.edition(index, now_ns);
            fleet.serial(index, edition.number)
        };
        let serials = self.affected(event).map(serial);
        serials
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())
    }

    /// When an event reaches an identity, in nanoseconds after the trial's start.
    fn due_ns(&self, event: usize, index: u32) -> u64 {
        let event = &self.events()[event];
        let len = self.fleet().map_or(1, Fleet::len).max(1);
        let spread = event.over.unwrap_or_default().as_nanos();
        let spread = spread * u128::from(index) / u128::from(len);
        u64::try_from(event.due().as_nanos() + spread).unwrap_or(NEVER)
    }

    /// The renewals of an identity, in the order of time.
    fn renewals(&self, index: u32) -> Vec<(u64, usize)> {
        let events = self.events().iter().enumerate();
        let renewals = events.filter(|(number, event)| {
            event.kind == EventKind::Renew && self.affects(*number, index)
        });
        let mut renewals: Vec<_> = renewals
            .map(|(number, _)| (self.due_ns(number, index), number))
            .collect();
        renewals.sort_unstable();
        renewals
    }

    /// The certificate that a minted identity has at a time, in nanoseconds after the trial's start, and the event that
    /// brought it.
    pub(super) fn edition(&self, index: u32, now_ns: u64) -> (Edition, Option<usize>) {
        let renewals = self.renewals(index);
        let past = renewals
            .iter()
            .take_while(|(due, _)| *due <= now_ns)
            .count();
        let brought_by = past.checked_sub(1).map(|last| renewals[last].1);
        let next = renewals.get(past);
        let ends_at_next = next.and_then(|(due, event)| {
            let overlap = self.events()[*event].overlap?;
            Some(overlap.end_ns(i64::try_from(*due).unwrap_or(i64::MAX)))
        });
        let expires = self.expiry_of(
            index,
            next.map(|(due, _)| *due),
            brought_by.map(|_| renewals[past - 1].0),
        );
        let end = ends_at_next.into_iter().chain(expires).min();
        let edition = Edition {
            number: u32::try_from(past).unwrap_or(u32::MAX),
            not_after: end.map(|ns| self.last_second_before(ns)),
        };
        (edition, brought_by)
    }

    /// When a minted certificate that is in use between two renewals is made to expire.
    fn expiry_of(&self, index: u32, until: Option<u64>, from: Option<u64>) -> Option<i64> {
        let events = self.events().iter().enumerate();
        let mut expiries = events.filter(|(number, event)| {
            event.kind == EventKind::Expire && self.affects(*number, index)
        });
        let (number, _) = expiries.next()?;
        let due = self.due_ns(number, index);
        let in_use = from.is_none_or(|from| due >= from) && until.is_none_or(|until| due < until);
        in_use.then(|| i64::try_from(due).unwrap_or(i64::MAX))
    }

    /// The last second of a certificate that is to expire at a time: the last one named still counts as valid
    /// (RFC 5280 section 4.1.2.5), so it expires at the first whole second from then on.
    fn last_second_before(&self, ns: i64) -> i64 {
        let end = self.began_ns.saturating_add(ns);
        end.div_euclid(NS_PER_S) - i64::from(end.rem_euclid(NS_PER_S) == 0)
    }

    /// When a certificate expires, in nanoseconds after the trial's start, of which `not_after` is the last second.
    pub(super) fn expires_ns(&self, not_after: i64) -> u64 {
        let end = not_after.saturating_add(1).saturating_mul(NS_PER_S);
        u64::try_from(end.saturating_sub(self.began_ns)).unwrap_or(0)
    }

    /// The renewal by which files of an identity are watched at a time.
    pub(super) fn watch(&self, index: u32, now_ns: u64) -> Option<usize> {
        let renewals = self.renewals(index).into_iter();
        let mut watching = renewals.filter(|(_, number)| {
            let event = &self.events()[*number];
            let from = event.due();
            let until = event.over.map(|over| from + over);
            let now = Duration::from_nanos(now_ns);
            from <= now && until.is_none_or(|until| now <= until)
        });
        watching.next().map(|(_, number)| number)
    }

    /// On which side of an event a session is that began at a time; `None` where it does not happen to its identity.
    pub(super) fn side(&self, event: usize, presence: &Presence, began_ns: u64) -> Option<Side> {
        if !self.affects(event, presence.index) {
            return None;
        }
        let after = match self.events()[event].kind {
            EventKind::Drop => return None,
            EventKind::Renew => {
                let renewals = self.renewals(presence.index);
                let place = renewals.iter().position(|(_, number)| *number == event)?;
                presence.edition as usize > place
            }
            EventKind::Revoke => began_ns >= self.in_place[event].load(Ordering::Relaxed),
            EventKind::Expire => began_ns >= presence.expires_ns,
        };
        Some(if after { Side::After } else { Side::Before })
    }

    /// When an event happens to the certificate of an open session, in nanoseconds after the trial's start; `None` where
    /// it does not, or that is not known.
    pub(super) fn moment_ns(&self, event: usize, presence: &Presence) -> Option<u64> {
        if !self.affects(event, presence.index) {
            return None;
        }
        let minted = self.fleet().is_some_and(Fleet::is_minted);
        let at_ns = match self.events()[event].kind {
            EventKind::Drop => return None,
            EventKind::Renew if !minted => return None,
            EventKind::Renew => self.due_ns(event, presence.index),
            EventKind::Revoke => self.in_place[event].load(Ordering::Relaxed),
            EventKind::Expire => presence.expires_ns,
        };
        Some(at_ns).filter(|at_ns| *at_ns != NEVER)
    }
}

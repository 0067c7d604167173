//! A worker's part of a fleet: which identity comes next, and those it has loaded.
//!
//! Identity `i` belongs to worker `i mod workers`, so that each is loaded once, and by the same worker in every trial.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, Zipf};

use super::occurrence::{Occurrences, Presence};
use super::schedule::share;
use crate::pki::{CertInspect, Edition, Fleet, PkiError, Stamp};
use crate::scenario::Draw;
use crate::stats::{FailureClass, IdentityTrouble};
use crate::tls::{ClientTls, Failure, SessionStore};

/// How often it is looked whether files of an identity were replaced, and how soon again where they held none.
const LOOK: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The fleet that a cell's sessions present.
#[derive(Debug)]
pub struct FleetPlan {
    fleet: Arc<Fleet>,
    draw: Draw,
    /// By worker. The lock is never contended, but a plan is shared.
    loaded: Vec<Mutex<LruCache<u32, Loaded>>>,
}

/// An identity of a fleet, ready for sessions.
#[derive(Debug)]
pub(super) struct Member {
    pub tls: ClientTls,
    /// Its name, for protocols in which a client has one.
    pub name: Box<str>,
}

/// A loaded identity, and what of its certificates this is.
#[derive(Debug)]
struct Loaded {
    member: Arc<Member>,
    edition: Edition,
    /// When it expires, in nanoseconds after the trial's start.
    expires_ns: u64,
    /// Its files, if it has any, as they were when they were read, ...
    stamp: Option<Stamp>,
    /// ... the certificate in them, ...
    leaf: u64,
    /// ... and when they are looked at again.
    look_at: Instant,
}

/// How a session came to its identity.
#[derive(Debug)]
pub(super) struct Presented {
    /// Why there is none, if it could not be loaded.
    pub member: Result<Arc<Member>, Failure>,
    /// Which certificate it is; as if it were the first where it could not be loaded.
    pub presence: Presence,
    /// How long loading took; `None` if it was loaded already.
    pub loading: Option<Duration>,
    /// What a renewal did to it just now: the event, and why the new files are not used, if they are not.
    pub renewal: Option<(usize, Result<(), IdentityTrouble>)>,
}

/// When a session is about to present its identity.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now<'a> {
    /// The events of its trial.
    pub occurrences: Option<&'a Occurrences>,
    /// Nanoseconds after the trial's start.
    pub ns: u64,
}

impl FleetPlan {
    /// A fleet of which each worker keeps at most `cache` identities loaded.
    pub(crate) fn new(fleet: Arc<Fleet>, draw: Draw, cache: usize, workers: usize) -> Self {
        // Grown as it fills: a cache may be larger than its fleet.
        let most = NonZeroUsize::new(cache).unwrap_or(NonZeroUsize::MIN);
        let cache = || {
            let mut cache = LruCache::unbounded();
            cache.resize(most);
            Mutex::new(cache)
        };
        Self {
            fleet,
            draw,
            loaded: (0..workers).map(|_| cache()).collect(),
        }
    }

    /// Whose identities they are.
    pub(crate) fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// How many identities it has.
    pub fn count(&self) -> u32 {
        self.fleet.len()
    }

    /// What an identity is counted by, as an index into the fleet's names.
    pub(super) fn counted_by(&self, index: u32) -> Option<usize> {
        self.fleet.counted_by(index)
    }

    /// Forgets what a worker has loaded: certificates of another trial.
    pub(super) fn forget(&self, worker: usize) {
        self.cache(worker).clear();
    }

    fn cache(&self, worker: usize) -> MutexGuard<'_, LruCache<u32, Loaded>> {
        let cache = &self.loaded[worker];
        cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The identity of a session, loaded by `base`'s configuration unless it is, and again where it was renewed.
    pub(super) fn present(
        &self,
        worker: usize,
        index: u32,
        base: &ClientTls,
        now: Now<'_>,
    ) -> Presented {
        let (edition, brought_by) = match now.occurrences {
            Some(events) if self.fleet.is_minted() => events.edition(index, now.ns),
            _ => (Edition::default(), None),
        };
        let mut cache = self.cache(worker);
        let mut renewal = None;
        if let Some(loaded) = cache.get_mut(&index) {
            if self.fleet.is_minted() {
                if loaded.edition == edition {
                    return loaded.present(index, None);
                }
                renewal = brought_by.map(|event| (event, Ok(())));
            } else {
                let refreshed = self.refresh(loaded, index, base, now);
                return loaded.present(index, refreshed);
            }
        }
        let began = Instant::now();
        let loaded = self.load(index, edition, base, now.occurrences);
        let mut presented = match loaded {
            Ok(loaded) => {
                let presented = loaded.present(index, renewal);
                cache.put(index, loaded);
                presented
            }
            Err(error) => Presented {
                member: Err((FailureClass::Identity(error.trouble), error.message)),
                presence: Presence {
                    index,
                    edition: 0,
                    expires_ns: u64::MAX,
                },
                loading: None,
                renewal: None,
            },
        };
        presented.loading = Some(began.elapsed());
        presented
    }

    /// Takes over what the files of an identity hold now, if they are watched and changed.
    fn refresh(
        &self,
        loaded: &mut Loaded,
        index: u32,
        base: &ClientTls,
        now: Now<'_>,
    ) -> Option<(usize, Result<(), IdentityTrouble>)> {
        let events = now.occurrences?;
        let event = events.watch(index, now.ns)?;
        let at = Instant::now();
        if at < loaded.look_at {
            return None;
        }
        loaded.look_at = at + LOOK;
        let stamp = self.fleet.stamp(index);
        if stamp.is_some() && stamp == loaded.stamp {
            return None;
        }
        match self.load(index, loaded.edition, base, Some(events)) {
            Ok(new) if new.leaf == loaded.leaf => {
                loaded.stamp = new.stamp;
                None
            }
            Ok(new) => {
                let number = loaded.edition.number + 1;
                *loaded = new;
                loaded.edition.number = number;
                Some((event, Ok(())))
            }
            Err(error) => {
                loaded.look_at = at + LOOK_AGAIN;
                Some((event, Err(error.trouble)))
            }
        }
    }

    fn load(
        &self,
        index: u32,
        edition: Edition,
        base: &ClientTls,
        events: Option<&Occurrences>,
    ) -> Result<Loaded, Unloaded> {
        // Only where they may be watched; files that change between the two are looked at again.
        let stamp = events.and_then(|_| self.fleet.stamp(index));
        let identity = self.fleet.edition(index, edition)?;
        let leaf = identity.chain.first().and_then(CertInspect::parse);
        let name = (leaf.as_ref())
            .and_then(CertInspect::common_name)
            .unwrap_or_else(|| identity.name.clone());
        let expires_ns = match (events, &leaf) {
            (Some(events), Some(leaf)) => events.expires_ns(leaf.validity_unix_s().1),
            _ => u64::MAX,
        };
        let mut hasher = DefaultHasher::new();
        identity.chain.first().hash(&mut hasher);
        let tls = base.presenting(&identity).map_err(|error| Unloaded {
            trouble: IdentityTrouble::Unusable,
            message: error.to_string(),
        })?;
        Ok(Loaded {
            member: Arc::new(Member {
                tls,
                name: name.into(),
            }),
            edition,
            expires_ns,
            stamp,
            leaf: hasher.finish(),
            look_at: Instant::now() + LOOK,
        })
    }

    /// Calls `each` with the stores of a worker's loaded identities.
    pub(super) fn each_store(&self, worker: usize, mut each: impl FnMut(&SessionStore)) {
        if worker < self.loaded.len() {
            let cache = self.cache(worker);
            let stores = cache
                .iter()
                .filter_map(|(_, loaded)| loaded.member.tls.store());
            stores.for_each(&mut each);
        }
    }

    /// The turns of one worker in one trial.
    pub(super) fn turns(&self, part: (usize, usize), seed: u64) -> Turns {
        let own = Own::new(self.fleet.len(), part);
        let way = match self.draw {
            Draw::RoundRobin => Way::RoundRobin(0),
            Draw::Sticky => Way::sticky(own),
            Draw::Zipf(s) => match Zipf::new(f64::from(own.count), s) {
                Ok(zipf) => {
                    let seed = seed.wrapping_add((part.0 as u64) << 32);
                    Way::Zipf(Box::new((zipf, StdRng::seed_from_u64(seed))))
                }
                Err(_) => Way::RoundRobin(0),
            },
        };
        Turns {
            own,
            way: RefCell::new(way),
        }
    }
}

impl Loaded {
    fn present(
        &self,
        index: u32,
        renewal: Option<(usize, Result<(), IdentityTrouble>)>,
    ) -> Presented {
        Presented {
            member: Ok(Arc::clone(&self.member)),
            presence: Presence {
                index,
                edition: self.edition.number,
                expires_ns: self.expires_ns,
            },
            loading: None,
            renewal,
        }
    }
}

/// Why an identity could not be loaded.
struct Unloaded {
    trouble: IdentityTrouble,
    message: String,
}

impl From<PkiError> for Unloaded {
    fn from(error: PkiError) -> Self {
        Self {
            trouble: error.trouble(),
            message: error.to_string(),
        }
    }
}

/// The identities of one worker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own {
    first: u32,
    step: u32,
    pub count: u32,
    /// Whether they are another worker's, too.
    borrowed: bool,
}

impl Own {
    /// Of a fleet with fewer identities than workers, several workers have the same.
    fn new(len: u32, (worker, workers): (usize, usize)) -> Self {
        let (worker, workers) = (worker as u64, workers.max(1) as u64);
        let count = share(u64::from(len), worker, workers);
        let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        if count == 0 {
            return Self {
                first: number(worker % u64::from(len.max(1))),
                step: 1,
                count: 1,
                borrowed: true,
            };
        }
        Self {
            first: number(worker),
            step: number(workers),
            count: number(count),
            borrowed: false,
        }
    }

    /// The `n`-th of them.
    pub(super) fn nth(self, n: u32) -> u32 {
        self.first + self.step * (n % self.count)
    }
}

/// Whose turn it is among a worker's identities.
#[derive(Debug)]
pub(super) struct Turns {
    own: Own,
    way: RefCell<Way>,
}

#[derive(Debug)]
enum Way {
    RoundRobin(u32),
    Sticky {
        /// How many have had a turn.
        fresh: u32,
        /// Those whose session is over, the longest ago first.
        free: Rc<RefCell<VecDeque<u32>>>,
    },
    Zipf(Box<(Zipf<f64>, StdRng)>),
}

impl Way {
    /// What is another worker's, too, has its one session there.
    fn sticky(own: Own) -> Self {
        Self::Sticky {
            fresh: if own.borrowed { own.count } else { 0 },
            free: Rc::default(),
        }
    }
}

/// An identity's turn. While a sticky one lasts, it has no other.
#[derive(Debug)]
pub(super) struct Turn {
    pub index: u32,
    free: Option<Rc<RefCell<VecDeque<u32>>>>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(free) = &self.free {
            free.borrow_mut().push_back(self.index);
        }
    }
}

impl Turns {
    /// The worker's identities.
    pub(super) fn own(&self) -> Own {
        self.own
    }

    /// The next turn; `None` if each identity has a session open and may have but one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank is a whole number from 1 to the count"
    )]
    pub(super) fn next(&self) -> Option<Turn> {
        let own = self.own;
        Some(match &mut *self.way.borrow_mut() {
            Way::RoundRobin(next) => {
                let index = own.nth(*next);
                *next = (*next + 1) % own.count;
                Turn { index, free: None }
            }
            Way::Zipf(drawn) => {
                let (zipf, rng) = &mut **drawn;
                let rank = zipf.sample(rng) as u32;
                Turn {
                    index: own.nth(rank - 1),
                    free: None,
                }
            }
            Way::Sticky { fresh, free } => {
                let index = if *fresh < own.count {
                    *fresh += 1;
                    own.nth(*fresh - 1)
                } else {
                    free.borrow_mut().pop_front()?
                };
                Turn {
                    index,
                    free: Some(Rc::clone(free)),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sticky(own: Own) -> Turns {
        Turns {
            own,
            way: RefCell::new(Way::sticky(own)),
        }
    }

    #[test]
    fn a_sticky_identity_has_one_turn_at_a_time_over_all_workers() {
        let workers = [0, 1, 2].map(|worker| sticky(Own::new(2, (worker, 3))));
        let turns: Vec<Turn> = workers.iter().filter_map(Turns::next).collect();
        let given: Vec<u32> = turns.iter().map(|turn| turn.index).collect();
        assert_eq!(given, [0, 1]);
        assert!(workers.iter().all(|worker| worker.next().is_none()));
        drop(turns);
        assert_eq!(workers[0].next().map(|turn| turn.index), Some(0));
    }

    proptest! {
        #[test]
        fn every_identity_belongs_to_one_worker(len in 1u32..500, workers in 1usize..9) {
            let mut all: Vec<u32> = (0..workers)
                .map(|worker| Own::new(len, (worker, workers)))
                .filter(|own| !own.borrowed)
                .flat_map(|own| (0..own.count).map(move |n| own.nth(n)))
                .collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..len).collect::<Vec<_>>());
        }
    }
}

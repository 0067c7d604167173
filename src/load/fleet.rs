//! A worker's part of a fleet: which identity comes next, and those it has loaded.
//!
//! Identity `i` belongs to worker `i mod workers`, so that each is loaded once, and by the same worker in every trial.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, Zipf};

use super::schedule::share;
use crate::pki::{CertInspect, Fleet};
use crate::scenario::Draw;
use crate::stats::{FailureClass, IdentityTrouble};
use crate::tls::{ClientTls, Failure, SessionStore};

/// The fleet that a cell's sessions present.
#[derive(Debug)]
pub struct FleetPlan {
    fleet: Arc<Fleet>,
    draw: Draw,
    /// By worker. The lock is never contended, but a plan is shared.
    loaded: Vec<Mutex<LruCache<u32, Arc<Member>>>>,
}

/// An identity of a fleet, ready for sessions.
#[derive(Debug)]
pub(super) struct Member {
    pub tls: ClientTls,
    /// Its name, for protocols in which a client has one.
    pub name: Box<str>,
}

/// How a session came to its identity.
#[derive(Debug)]
pub(super) struct Presented {
    /// Why there is none, if it could not be loaded.
    pub member: Result<Arc<Member>, Failure>,
    /// How long loading took; `None` if it was loaded already.
    pub loading: Option<Duration>,
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

    /// What an identity is counted by, as an index into the fleet's names.
    pub(super) fn counted_by(&self, index: u32) -> Option<usize> {
        self.fleet.counted_by(index)
    }

    /// The identity of a session, loaded by `base`'s configuration unless it is.
    pub(super) fn present(&self, worker: usize, index: u32, base: &ClientTls) -> Presented {
        let cache = &self.loaded[worker];
        let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(member) = cache.get(&index) {
            return Presented {
                member: Ok(Arc::clone(member)),
                loading: None,
            };
        }
        let began = Instant::now();
        let member = self.load(index, base).map(Arc::new);
        if let Ok(member) = &member {
            cache.put(index, Arc::clone(member));
        }
        Presented {
            member,
            loading: Some(began.elapsed()),
        }
    }

    fn load(&self, index: u32, base: &ClientTls) -> Result<Member, Failure> {
        let identity = self.fleet.load(index);
        let identity = identity
            .map_err(|error| (FailureClass::Identity(error.trouble()), error.to_string()))?;
        let leaf = identity.chain.first().and_then(CertInspect::parse);
        let name = leaf
            .and_then(|leaf| leaf.common_name())
            .unwrap_or_else(|| identity.name.clone());
        let tls = base.presenting(&identity).map_err(|error| {
            (
                FailureClass::Identity(IdentityTrouble::Unusable),
                error.to_string(),
            )
        })?;
        Ok(Member {
            tls,
            name: name.into(),
        })
    }

    /// Calls `each` with the stores of a worker's loaded identities.
    pub(super) fn each_store(&self, worker: usize, mut each: impl FnMut(&SessionStore)) {
        let Some(cache) = self.loaded.get(worker) else {
            return;
        };
        let cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache
            .iter()
            .filter_map(|(_, member)| member.tls.store())
            .for_each(&mut each);
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

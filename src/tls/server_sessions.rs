//! The embedded target's session cache: LRU, as large as the run needs, and sharded so that threads rarely contend.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use rustls::server::StoresServerSessions;

/// Keys are random, so a part of their first byte serves as the hash.
const SHARDS: usize = 16;

/// Sessions by id or by ticket.
pub(super) struct ServerSessions {
    shards: [Mutex<Shard>; SHARDS],
    /// Most sessions of a shard.
    most: usize,
}

/// Keys and values hold master secrets, so they are not printed.
impl std::fmt::Debug for ServerSessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerSessions")
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Shard {
    /// Each with the number of its last use.
    sessions: HashMap<Vec<u8>, (u64, Vec<u8>)>,
    /// In order. Only the last use of a session counts; earlier ones are skipped.
    uses: VecDeque<(u64, Vec<u8>)>,
    next_use: u64,
}

impl ServerSessions {
    /// Holds at least `capacity` sessions.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            // Random keys fill shards unevenly.
            most: 2 * capacity.div_ceil(SHARDS) + 16,
        }
    }

    fn shard<T>(&self, key: &[u8], change: impl FnOnce(&mut Shard) -> T) -> T {
        let index = key.first().map_or(0, |byte| usize::from(*byte) % SHARDS);
        change(
            &mut self.shards[index]
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

impl Shard {
    fn used(&mut self, key: &[u8], most: usize) -> u64 {
        let number = self.next_use;
        self.next_use += 1;
        self.uses.push_back((number, key.to_vec()));
        if self.uses.len() > 4 * most {
            let sessions = &self.sessions;
            let counts = |(number, key): &(u64, Vec<u8>)| {
                sessions.get(key).is_some_and(|(last, _)| last == number)
            };
            self.uses.retain(counts);
        }
        number
    }

    fn evict(&mut self, most: usize) {
        while self.sessions.len() > most {
            let Some((number, key)) = self.uses.pop_front() else {
                return;
            };
            if self
                .sessions
                .get(&key)
                .is_some_and(|(last, _)| *last == number)
            {
                self.sessions.remove(&key);
            }
        }
    }
}

impl StoresServerSessions for ServerSessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.shard(&key, |shard| {
            let number = shard.used(&key, self.most);
            shard.sessions.insert(key.clone(), (number, value));
            shard.evict(self.most);
        });
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.shard(key, |shard| {
            let value = shard.sessions.get(key)?.1.clone();
            let number = shard.used(key, self.most);
            shard.sessions.get_mut(key)?.0 = number;
            Some(value)
        })
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.shard(key, |shard| {
            shard.sessions.remove(key).map(|(_, value)| value)
        })
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key in the shard of `shard`.
    fn key(shard: u8, number: u64) -> Vec<u8> {
        [&[shard][..], &number.to_be_bytes()].concat()
    }

    #[test]
    fn what_was_taken_is_gone_and_what_was_got_stays() {
        let cache = ServerSessions::new(16);
        assert!(cache.can_cache() && cache.put(key(1, 1), vec![7]));
        assert_eq!(cache.get(&key(1, 1)), Some(vec![7]));
        assert_eq!(cache.get(&key(2, 1)), None);
        assert_eq!(cache.take(&key(1, 1)), Some(vec![7]));
        assert_eq!(cache.take(&key(1, 1)), None);
        assert!(!format!("{cache:?}").contains("sessions"));
    }

    #[test]
    fn the_session_used_longest_ago_goes_first() {
        let cache = ServerSessions::new(1);
        let most = cache.most as u64;
        cache.put(key(0, 0), vec![]);
        for number in 1..100 * most {
            cache.put(key(0, number), vec![]);
            assert!(cache.get(&key(0, 0)).is_some(), "{number}");
        }
        let shard = cache.shards[0].lock().unwrap();
        assert_eq!(shard.sessions.len() as u64, most);
        assert!(shard.uses.len() as u64 <= 4 * most + 1, "it does not grow");
        assert!(shard.sessions.contains_key(&key(0, 100 * most - 1)));
    }
}

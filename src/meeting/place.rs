//! A place that all shards reach: a folder, or the bucket of an object store. What is put there is whole, is put once
//! and is never changed.

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, SystemTime};

use super::CARDS;
use super::folder::Folder;
use super::patience::{Over, Patience, TICK};
use super::start::{Opening, START, Start, parse_opening};
use crate::shard::Shard;
use crate::text::{UNTRUSTED_CAP, escape_untrusted};

/// Where results lie.
pub const RESULTS: &str = "shards";
/// Most of a card or of `start.json`, in bytes; the latter names every shard.
pub(super) const SMALL_CAP: u64 = 16 << 20;
/// What fails for a passing reason is tried again after this time, ...
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// ... which doubles up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Why a store did not do what was asked.
#[derive(Debug)]
pub(super) struct Trouble {
    /// Whether it may do it a moment later.
    pub passing: bool,
    pub why: String,
    pub advice: &'static str,
}

/// When something was put, by the store's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub at: SystemTime,
    /// The step in which that clock counts, in nanoseconds.
    pub step_ns: u64,
}

/// Where shards meet and leave their results.
#[derive(Debug, Clone)]
pub struct Place {
    name: String,
    store: Arc<dyn Store>,
}

/// What a place is made of. Names are relative to it.
pub(super) trait Store: fmt::Debug + Send + Sync {
    /// Puts something whole under a name that nothing has yet; `false` if something has.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<bool, Trouble>;

    /// What lies under a name, of at most `cap` bytes.
    fn get(&self, name: &str, cap: u64) -> Result<Option<Vec<u8>>, Trouble>;

    /// What lies under several names, in their order.
    fn get_all(&self, names: &[String], cap: u64) -> Result<Vec<Option<Vec<u8>>>, Trouble> {
        names.iter().map(|name| self.get(name, cap)).collect()
    }

    /// The names in a folder.
    fn list(&self, folder: &str) -> Result<Vec<String>, Trouble>;

    /// When something was put.
    fn stamp(&self, name: &str) -> Result<Option<Stamp>, Trouble>;

    /// Makes the next look at a folder see what others have put there.
    fn refresh(&self, _folder: &str) {}

    /// Time between two looks.
    fn interval(&self) -> Duration;
}

/// A place that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The text names none.
    #[error("{text:?} is no place where shards can meet: {why}")]
    NoPlace {
        /// What was given.
        text: String,
        /// What is wrong, and what to give.
        why: String,
    },
    /// Object stores are a cargo feature.
    #[error(
        "cannot meet at {url}: this build has no object stores; build it with `cargo build --release --features \
         object-store`, or give a folder that all shards share"
    )]
    NoObjectStores {
        /// What was given.
        url: String,
    },
    /// It does not do what is asked.
    #[error("cannot {doing} {name} at {place}: {why}; {advice}")]
    Failed {
        /// The place.
        place: String,
        /// `read`, `put` or `list`.
        doing: &'static str,
        /// What.
        name: String,
        /// Why.
        why: String,
        /// What to do.
        advice: &'static str,
    },
    /// It does not answer.
    #[error(
        "cannot {doing} {name} at {place}: no answer within {waited:.1?}; look whether this machine reaches it"
    )]
    Silent {
        /// The place.
        place: String,
        /// `read`, `put` or `list`.
        doing: &'static str,
        /// What.
        name: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The result of that shard is there.
    #[error(
        "{place} has a result of shard {shard} already, which is another one: this shard ran twice, or the folder was used \
         before; use a new, empty one for each run, such as one with the job's ID in its path"
    )]
    Taken {
        /// The place.
        place: String,
        /// The shard.
        shard: Shard,
    },
    /// It was interrupted.
    #[error("interrupted while waiting for {place}")]
    Interrupted {
        /// The place.
        place: String,
    },
}

impl Place {
    /// A place as flags name it: the path of a folder, or `s3://`, `gs://` or `az://` with a bucket and a prefix.
    ///
    /// # Errors
    ///
    /// Fails if the text names none, and if the object store cannot be set up from the environment.
    pub fn parse(text: &str) -> Result<Self, PlaceError> {
        let no_place = |why: &str| PlaceError::NoPlace {
            text: escape_untrusted(text, UNTRUSTED_CAP),
            why: why.to_owned(),
        };
        let store = match text.split_once("://") {
            Some((scheme @ ("s3" | "gs" | "az"), rest)) => objects(scheme, rest)?,
            Some(_) => {
                let why = "give the path of a folder that all shards share, or an s3://, gs:// or az:// URL";
                return Err(no_place(why));
            }
            None if text.is_empty() => {
                return Err(no_place("give the path of a folder that all shards share"));
            }
            None => Arc::new(Folder::new(PathBuf::from(text))),
        };
        Ok(Self {
            name: text.to_owned(),
            store,
        })
    }

    #[cfg(test)]
    pub(super) fn of(name: &str, store: impl Store + 'static) -> Self {
        Self {
            name: name.to_owned(),
            store: Arc::new(store),
        }
    }

    /// Leaves the result of a shard, which is there from then on.
    ///
    /// # Errors
    ///
    /// Fails if another result of this shard is there, or the place cannot be written to in time.
    pub fn put_result(
        &self,
        shard: Shard,
        bytes: Vec<u8>,
        patience: &Patience,
    ) -> Result<(), PlaceError> {
        let name = result_name(shard.index);
        if self.put(&name, bytes.into(), patience)? {
            return Ok(());
        }
        Err(PlaceError::Taken {
            place: self.to_string(),
            shard,
        })
    }

    /// Whether shards have come here, or left results.
    ///
    /// # Errors
    ///
    /// Fails if the place cannot be read in time.
    pub fn is_used(&self, patience: &Patience) -> Result<bool, PlaceError> {
        Ok(!self.numbered(CARDS, patience)?.is_empty() || !self.results(patience)?.is_empty())
    }

    /// The numbers of the shards whose results are there, in order.
    ///
    /// # Errors
    ///
    /// Fails if the place cannot be read in time.
    pub fn results(&self, patience: &Patience) -> Result<Vec<u32>, PlaceError> {
        self.numbered(RESULTS, patience)
    }

    /// The result of a shard, of at most `cap` bytes.
    ///
    /// # Errors
    ///
    /// Fails if it is larger, or the place cannot be read in time.
    pub fn result(
        &self,
        index: u32,
        cap: u64,
        patience: &Patience,
    ) -> Result<Option<Vec<u8>>, PlaceError> {
        self.get(&result_name(index), cap, patience)
    }

    /// The start of the run there, if its shards have met.
    ///
    /// # Errors
    ///
    /// Fails if the place cannot be read in time, or what it has is not of shakedown.
    pub fn start(&self, patience: &Patience) -> Result<Option<Start>, PlaceError> {
        Ok(match self.opening(patience)? {
            Some(Opening::Start(start)) => Some(start),
            Some(Opening::Aborted(_)) | None => None,
        })
    }

    pub(super) fn opening(&self, patience: &Patience) -> Result<Option<Opening>, PlaceError> {
        let bytes = self.get(START, SMALL_CAP, patience)?;
        let opening = bytes.map(|bytes| parse_opening(&bytes)).transpose();
        opening.map_err(|why| PlaceError::Failed {
            place: self.to_string(),
            doing: "read",
            name: START.to_owned(),
            why: escape_untrusted(&why, UNTRUSTED_CAP),
            advice: "use a new, empty folder, and the same build for every shard",
        })
    }

    /// Puts something under a name that nothing has yet, and says whether it lies there now: `false` if something else
    /// does.
    pub(super) fn put(
        &self,
        name: &str,
        bytes: Arc<[u8]>,
        patience: &Patience,
    ) -> Result<bool, PlaceError> {
        let (to, content) = (name.to_owned(), bytes.clone());
        let put = move |store: &dyn Store| store.put(&to, &content);
        // What is there may be what a try put whose answer was lost.
        let (from, cap) = (name.to_owned(), bytes.len() as u64 + 1);
        let same = move |store: &dyn Store| match store.get(&from, cap) {
            Ok(found) => Ok(found.map(|found| *found == *bytes)),
            Err(trouble) if trouble.passing => Err(trouble),
            Err(_larger) => Ok(Some(false)),
        };
        let (put, same) = (Arc::new(put), Arc::new(same));
        loop {
            if self.persist(("put", name), patience, &put)? {
                return Ok(true);
            }
            if let Some(same) = self.persist(("read", name), patience, &same)? {
                return Ok(same);
            }
            // Somebody claims the name: it has a content in a moment, or is free again.
            match patience.sleep(FIRST_PAUSE) {
                Ok(()) => {}
                Err(over) => return Err(self.over(over, "put", name, patience)),
            }
        }
    }

    fn get(
        &self,
        name: &str,
        cap: u64,
        patience: &Patience,
    ) -> Result<Option<Vec<u8>>, PlaceError> {
        let from = name.to_owned();
        let get = move |store: &dyn Store| store.get(&from, cap);
        self.persist(("read", name), patience, &Arc::new(get))
    }

    /// What lies under several names, in their order.
    pub(super) fn get_all(
        &self,
        names: Vec<String>,
        patience: &Patience,
    ) -> Result<Vec<Option<Vec<u8>>>, PlaceError> {
        let shown = names.first().cloned().unwrap_or_default();
        let get = move |store: &dyn Store| store.get_all(&names, SMALL_CAP);
        self.persist(("read", &shown), patience, &Arc::new(get))
    }

    /// The numbers of the files in a folder of the place that are called by numbers, in order.
    pub(super) fn numbered(
        &self,
        folder: &'static str,
        patience: &Patience,
    ) -> Result<Vec<u32>, PlaceError> {
        let list = move |store: &dyn Store| store.list(folder);
        let names = self.persist(("list", folder), patience, &Arc::new(list))?;
        let number = |name: &String| {
            let number = name.strip_suffix(".json")?.parse::<u32>().ok()?;
            (*name == format!("{number}.json")).then_some(number)
        };
        let mut numbers: Vec<u32> = names.iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    pub(super) fn stamp(
        &self,
        name: &str,
        patience: &Patience,
    ) -> Result<Option<Stamp>, PlaceError> {
        let of = name.to_owned();
        let stamp = move |store: &dyn Store| store.stamp(&of);
        self.persist(("read", name), patience, &Arc::new(stamp))
    }

    /// Makes the next look at a folder of the place see what others have put there.
    pub(super) fn refresh(
        &self,
        folder: &'static str,
        patience: &Patience,
    ) -> Result<(), PlaceError> {
        let refresh = move |store: &dyn Store| {
            store.refresh(folder);
            Ok(())
        };
        self.persist(("list", folder), patience, &Arc::new(refresh))
    }

    /// Time between two looks at the place.
    pub(super) fn interval(&self) -> Duration {
        self.store.interval()
    }

    fn over(&self, over: Over, doing: &'static str, name: &str, patience: &Patience) -> PlaceError {
        let place = self.to_string();
        match over {
            Over::Stopped => PlaceError::Interrupted { place },
            Over::Late => PlaceError::Silent {
                place,
                doing,
                name: name.to_owned(),
                waited: patience.whole(),
            },
        }
    }

    /// Does something until it works, fails for good, or patience is over. Each try has a thread of its own, since an
    /// NFS server that is gone holds a thread for as long as it likes.
    fn persist<T: Send + 'static>(
        &self,
        (doing, name): (&'static str, &str),
        patience: &Patience,
        what: &Arc<impl Fn(&dyn Store) -> Result<T, Trouble> + Send + Sync + 'static>,
    ) -> Result<T, PlaceError> {
        let failed = |trouble: Trouble| PlaceError::Failed {
            place: self.to_string(),
            doing,
            name: name.to_owned(),
            why: escape_untrusted(&trouble.why, UNTRUSTED_CAP),
            advice: trouble.advice,
        };
        let mut pause = FIRST_PAUSE;
        loop {
            let trouble = match self.try_once(patience, what.clone()) {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(trouble)) => trouble,
                Err(over) => return Err(self.over(over, doing, name, patience)),
            };
            if !trouble.passing {
                return Err(failed(trouble));
            }
            match patience.sleep(pause) {
                Ok(()) => pause = (pause * 2).min(LONGEST_PAUSE),
                // The last failure says more than that time is up.
                Err(Over::Late) => return Err(failed(trouble)),
                Err(over) => return Err(self.over(over, doing, name, patience)),
            }
        }
    }

    fn try_once<T: Send + 'static>(
        &self,
        patience: &Patience,
        what: Arc<impl Fn(&dyn Store) -> Result<T, Trouble> + Send + Sync + 'static>,
    ) -> Result<Result<T, Trouble>, Over> {
        patience.check()?;
        let (done, outcome) = mpsc::sync_channel(1);
        let store = self.store.clone();
        let apart = thread::Builder::new().name("place".to_owned());
        let spawned = apart.spawn(move || {
            let _ = done.send(what(&*store));
        });
        let broken = |why: String| {
            Ok(Err(Trouble {
                passing: true,
                why,
                advice: "look at the limits of this process",
            }))
        };
        if let Err(error) = spawned {
            return broken(format!("cannot start a thread: {error}"));
        }
        loop {
            match outcome.recv_timeout(TICK) {
                Ok(outcome) => return Ok(outcome),
                Err(mpsc::RecvTimeoutError::Timeout) => patience.check()?,
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return broken("its thread ended early".to_owned());
                }
            }
        }
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape_untrusted(&self.name, UNTRUSTED_CAP))
    }
}

pub(super) fn result_name(index: u32) -> String {
    format!("{RESULTS}/{index}.json")
}

#[cfg(feature = "object-store")]
fn objects(scheme: &str, rest: &str) -> Result<Arc<dyn Store>, PlaceError> {
    match super::objects::Objects::new(scheme, rest) {
        Ok(objects) => Ok(Arc::new(objects)),
        Err(why) => Err(PlaceError::NoPlace {
            // It may hold credentials.
            text: if rest.contains(['@', '?']) {
                format!("{scheme}://…")
            } else {
                escape_untrusted(&format!("{scheme}://{rest}"), UNTRUSTED_CAP)
            },
            why: escape_untrusted(&why, UNTRUSTED_CAP),
        }),
    }
}

#[cfg(not(feature = "object-store"))]
fn objects(scheme: &str, _rest: &str) -> Result<Arc<dyn Store>, PlaceError> {
    Err(PlaceError::NoObjectStores {
        url: format!("{scheme}://…"),
    })
}

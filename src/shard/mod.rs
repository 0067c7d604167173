//! A plan that several machines run together: which part of it is whose.
//!
//! Worker `w` of the `W` workers in shard `K` of `N` is worker `K + N·w` of `N·W`. What is dealt out among the workers
//! of one machine is so dealt out among all, and shards together do what one machine with `N·W` workers does.

mod engine;
#[cfg(test)]
mod engine_tests;

use std::fmt::{self, Display};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::engine::{ENGINES, Engine, Environment, ShardChoice, ShardError, variable};

/// One of the processes that run a plan together.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// Its number, from 0.
    pub index: u32,
    /// How many there are, at least 1.
    pub of: u32,
}

impl Shard {
    /// The only one.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// A shard of several.
    ///
    /// # Errors
    ///
    /// Fails if there is no such shard.
    pub fn new(index: u32, of: u32) -> Result<Self, String> {
        match of {
            0 => Err("there is no shard of 0; write 0/1 for the only one".to_owned()),
            _ if index >= of => Err(format!(
                "there is no shard {index} of {of}: they are numbered from 0 to {}",
                of - 1
            )),
            _ => Ok(Self { index, of }),
        }
    }

    /// The number of one of this shard's workers among those of all shards, and how many these are.
    pub fn share(self, worker: usize, workers: usize) -> (usize, usize) {
        let (index, of) = (self.index as usize, self.of as usize);
        (index + of * worker, of * workers)
    }
}

impl Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/');
        let numbers = numbers.and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        let (index, of) = numbers.ok_or_else(|| {
            format!("{text:?} is no shard; write K/N, from 0/N to the one before N/N")
        })?;
        Self::new(index, of)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shards_are_numbered_from_0() {
        assert_eq!("3/8".parse(), Ok(Shard { index: 3, of: 8 }));
        assert_eq!(Shard { index: 3, of: 8 }.to_string(), "3/8");
        for text in [
            "",
            "3",
            "8/8",
            "0/0",
            "-1/2",
            "1/2/3",
            " 1/2",
            "a/b",
            "1/99999999999",
        ] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_worker_of_all_is_one_of_one_shard(of in 1u32..9, workers in 1usize..9) {
            let mut all: Vec<usize> = (0..of)
                .flat_map(|index| (0..workers).map(move |worker| Shard { index, of }.share(worker, workers)))
                .map(|(worker, total)| {
                    assert_eq!(total, of as usize * workers);
                    worker
                })
                .collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..of as usize * workers).collect::<Vec<_>>());
        }
    }
}

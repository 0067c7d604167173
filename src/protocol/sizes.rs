//! Sizes of payloads: one for every exchange, or drawn for each.
//!
//! Draws are `SplitMix64` (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014), so that
//! a size depends on the run's seed, the worker, the session and the exchange alone, and takes no memory but a word.

use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use tokio::io::AsyncWriteExt;

use super::{LARGEST_PAYLOAD, Problem, Wire};
use crate::units::{ByteSize, UnitError};

/// Most bytes that TLS protects in one record (RFC 8446 section 5.1).
const RECORD: usize = 16 * 1024;
/// The step of `SplitMix64`.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The sizes of payloads as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Sizes {
    /// That of every exchange.
    Same(ByteSize),
    /// Drawn for every exchange, one as likely as another.
    Drawn(Between),
}

/// Sizes from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Between {
    /// The smallest.
    pub min: ByteSize,
    /// The largest.
    pub max: ByteSize,
}

impl Sizes {
    /// The smallest that can come.
    pub(crate) fn smallest(self) -> u64 {
        match self {
            Self::Same(size) => size.0,
            Self::Drawn(between) => between.min.0,
        }
    }

    /// The largest that can come.
    pub(crate) fn largest(self) -> u64 {
        match self {
            Self::Same(size) => size.0,
            Self::Drawn(between) => between.max.0,
        }
    }

    /// Checks that every size is from `least` to the largest payload there is; returns the largest of them.
    pub(super) fn within(self, key: &'static str, least: u64) -> Result<usize, Problem> {
        let (min, max) = (self.smallest(), self.largest());
        if min > max {
            return Err(Problem::new(
                key,
                format!("min is {}, above max, {}", ByteSize(min), ByteSize(max)),
                "swap them",
            ));
        }
        let range: RangeInclusive<u64> = least..=LARGEST_PAYLOAD;
        let wrong = [min, max].into_iter().find(|size| !range.contains(size));
        match (wrong, usize::try_from(max)) {
            (None, Ok(max)) => Ok(max),
            (wrong, _) => Err(Problem::new(
                key,
                format!("{} bytes is out of range", wrong.unwrap_or(max)),
                format!("write {least} to {}", ByteSize(LARGEST_PAYLOAD)),
            )),
        }
    }

    /// The sizes to draw from; none where all are the same.
    pub(super) fn drawn(self) -> Option<Between> {
        match self {
            Self::Drawn(between) if between.min < between.max => Some(between),
            _ => None,
        }
    }
}

impl From<ByteSize> for Sizes {
    fn from(size: ByteSize) -> Self {
        Self::Same(size)
    }
}

impl FromStr for Sizes {
    type Err = UnitError;

    /// Reads a size, or two as `MIN-MAX`.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        match text.split_once('-') {
            None => text.parse().map(Self::Same),
            Some((min, max)) => Ok(Self::Drawn(Between {
                min: min.parse()?,
                max: max.parse()?,
            })),
        }
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same(size) => size.fmt(f),
            Self::Drawn(Between { min, max }) => write!(f, "{min} to {max}"),
        }
    }
}

impl<'de> Deserialize<'de> for Sizes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizesVisitor)
    }
}

/// Says what is wrong in a table or a text, which an untagged enum would not.
struct SizesVisitor;

impl<'de> Visitor<'de> for SizesVisitor {
    type Value = Sizes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as \"16KiB\", or { min = \"1KiB\", max = \"16KiB\" }")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Sizes, E> {
        text.parse().map(Sizes::Same).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Sizes, A::Error> {
        Between::deserialize(MapAccessDeserializer::new(map)).map(Sizes::Drawn)
    }
}

/// Draws the sizes of a session, one after the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Draws(u64);

impl Draws {
    /// Those of a session of a worker.
    pub(crate) fn new(seed: u64, worker: usize, session: u64) -> Self {
        let worker = mixed(seed.wrapping_add((worker as u64 + 1).wrapping_mul(GOLDEN)));
        Self(mixed(
            worker.wrapping_add((session + 1).wrapping_mul(GOLDEN)),
        ))
    }

    /// The size of the next exchange.
    pub(super) fn next(&mut self, of: Between) -> usize {
        self.0 = self.0.wrapping_add(GOLDEN);
        let (min, max) = (of.min.0, of.max.0);
        let count = u128::from(max - min) + 1;
        // The upper half of the product: as even as 64 bits can be, without a division.
        let above = u64::try_from((u128::from(mixed(self.0)) * count) >> 64).unwrap_or(0);
        usize::try_from(min + above).unwrap_or(0)
    }
}

fn mixed(mut word: u64) -> u64 {
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

/// Sends the parts of a message; in one piece where TLS can send them in one record.
pub(super) async fn send<S: Wire>(stream: &mut S, parts: [&[u8]; 3]) -> io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    if length <= RECORD {
        stream.write_all(&parts.concat()).await?;
    } else {
        for part in parts {
            stream.write_all(part).await?;
        }
    }
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, Serialize, PartialEq)]
    struct Holder {
        payload: Sizes,
    }

    fn between(min: u64, max: u64) -> Between {
        Between {
            min: ByteSize(min),
            max: ByteSize(max),
        }
    }

    #[test]
    fn sizes_are_those_of_the_seed_and_evenly_spread() {
        // The first outputs of SplitMix64 with state 0, from its reference implementation.
        let mut reference = Draws(0);
        let of = between(0, u64::MAX);
        let first: Vec<u64> = (0..2).map(|_| reference.next(of) as u64).collect();
        assert_eq!(first, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
        let of = between(10, 19);
        let mut counts = [0u32; 10];
        for session in 0..10_000 {
            counts[Draws::new(7, 0, session).next(of) - 10] += 1;
        }
        assert!(
            counts.iter().all(|n| (900..1_100).contains(n)),
            "{counts:?}"
        );
        let sizes = |seed, worker, session| {
            let mut draws = Draws::new(seed, worker, session);
            [(); 8].map(|()| draws.next(between(1, 1 << 20)))
        };
        assert_eq!(sizes(1, 2, 3), sizes(1, 2, 3));
        for other in [sizes(2, 2, 3), sizes(1, 3, 3), sizes(1, 2, 4)] {
            assert_ne!(sizes(1, 2, 3), other);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cause =
            |sizes: Sizes, least| sizes.within("protocol.payload", least).unwrap_err().cause;
        assert!(cause(Sizes::Drawn(between(9, 8)), 0).contains("above max"));
        assert!(cause(Sizes::Drawn(between(0, 8)), 1).contains("0 bytes"));
        let large = Sizes::Drawn(between(0, LARGEST_PAYLOAD + 1));
        assert!(cause(large, 0).contains("16777217 bytes"));
        assert_eq!(Sizes::Drawn(between(8, 8)).drawn(), None);
        assert_eq!(Sizes::Drawn(between(0, 8)).within("x", 0), Ok(8));
    }

    #[test]
    fn both_ways_of_writing_are_read() {
        assert_eq!("64".parse(), Ok(Sizes::Same(ByteSize(64))));
        assert_eq!("1KiB-2KiB".parse(), Ok(Sizes::Drawn(between(1024, 2048))));
        assert!("1KiB-".parse::<Sizes>().is_err());
        let read = |text: &str| toml::from_str::<Holder>(text).map_err(|e| e.to_string());
        let table = "payload = { min = \"1KiB\", max = \"2KiB\" }";
        let holder = read(table).unwrap();
        assert_eq!(holder.payload, Sizes::Drawn(between(1024, 2048)));
        let written = toml::to_string(&holder).unwrap();
        assert_eq!(read(&written), Ok(holder));
        for (wrong, said) in [
            ("payload = { min = \"1\" }", "missing field `max`"),
            (
                "payload = { min = \"1\", max = \"2\", mean = \"1\" }",
                "mean",
            ),
            ("payload = 7", "16KiB"),
            ("payload = \"7x\"", "7x"),
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}

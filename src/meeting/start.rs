//! `start.json`: that the shards begin, and when, or that they do not. One file, so that never both are true.

use std::fmt::{self, Display, Write};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::{from_rfc3339, rfc3339_ns};
use crate::text::{UNTRUSTED_CAP, escape_untrusted, grouped};
use crate::units::Span;

/// Its name.
pub(super) const START: &str = "start.json";
/// So many ranges of shards are named in a message, ...
const MOST_RANGES: usize = 8;
/// ... and so many kinds of difference.
const MOST_DIFFERENCES: usize = 4;

/// What `start.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Opening {
    /// All shards have met.
    Start(Start),
    /// They do not begin.
    Aborted(Abort),
}

/// What the shards of a run have agreed on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// When the run begins, by the clock of shard 0.
    #[serde(with = "at_rfc3339")]
    pub at: SystemTime,
    /// Time from the beginning of one trial to that of the next, in nanoseconds.
    pub slot_ns: u64,
    /// How many shards there are.
    pub of: u32,
    /// Workers of each shard.
    pub workers: u32,
    /// SHA-256 of the plan, in hexadecimal.
    pub plan: String,
    /// The attempt of every shard, in their order. No other process is part of the run.
    pub attempts: Vec<String>,
    /// For each shard, how many of those before it run on the same host.
    pub before: Vec<u32>,
}

/// Why the shards do not begin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Abort {
    /// The shard that gave up, ...
    pub(super) by: u32,
    /// ... its attempt, ...
    pub(super) attempt: String,
    /// ... and how long it had waited.
    pub(super) waited_ns: u64,
    pub(super) of: u32,
    pub(super) reason: Reason,
    /// Shards that had not come.
    pub(super) missing: Vec<u32>,
    /// Shards that came with something else than shard 0.
    pub(super) differing: Vec<Differing>,
}

/// Why a shard gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reason {
    /// It had waited long enough.
    Timeout,
    /// Shards came that never can run together.
    Differing,
    /// It was told to end.
    Interrupted,
    /// It could not use the place any more.
    Failed,
}

/// A shard that is not like shard 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Differing {
    pub shard: u32,
    /// In what.
    pub has: Vec<String>,
}

pub(super) fn parse_opening(bytes: &[u8]) -> Result<Opening, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

impl Abort {
    /// Why, without what to do about it.
    pub(super) fn reason(&self) -> String {
        let step_ns = match self.waited_ns {
            ..2_000_000_000 => 1_000_000,
            _ => 1_000_000_000,
        };
        let waited = Span(Duration::from_nanos(
            self.waited_ns - self.waited_ns % step_ns,
        ));
        let (by, of) = (self.by, self.of);
        let here = of.saturating_sub(count(&self.missing));
        let mut text = match self.reason {
            Reason::Interrupted => format!("shard {by} was interrupted before all had met"),
            Reason::Failed => format!("shard {by} could not use it any more"),
            _ if !self.differing.is_empty() => "not all shards run the same".to_owned(),
            _ if here < of => format!("{here} of {of} shards came within {waited}"),
            _ => format!(
                "shard 0 came and then put no {START} within {waited}, so it has ended or cannot write there"
            ),
        };
        let groups = grouped(self.differing.iter().map(|one| (&one.has, one.shard)));
        for (has, shards) in groups.iter().take(MOST_DIFFERENCES) {
            let has = escape_untrusted(&has.join(" and "), 2 * UNTRUSTED_CAP);
            let verb = if shards.len() > 1 { "have" } else { "has" };
            let _ = write!(text, "; {} {verb} {has}", numbered(shards));
        }
        if groups.len() > MOST_DIFFERENCES {
            text.push_str("; others differ otherwise");
        }
        if !self.missing.is_empty() {
            let _ = write!(text, "; missing: {}", numbered(&self.missing));
        }
        text
    }

    fn advice(&self) -> &'static str {
        match self.reason {
            Reason::Interrupted => "start the run again in a new, empty folder",
            Reason::Failed => {
                "look at the output of that shard, and start the run again in a new, empty folder"
            }
            _ if !self.differing.is_empty() => {
                "start every shard with the same build, files and flags, in a new, empty folder"
            }
            _ => {
                "look at the output of those, or give --meet-timeout more time, and start the run again in a new, empty \
                 folder"
            }
        }
    }
}

impl Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.reason(), self.advice())
    }
}

fn count(shards: &[u32]) -> u32 {
    u32::try_from(shards.len()).unwrap_or(u32::MAX)
}

/// Numbers of shards in a sentence: `shard 3`, `shards 0, 2-4 and 9`. They are in order.
fn numbered(shards: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for shard in shards {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*shard) => *last = *shard,
            _ => ranges.push((*shard, *shard)),
        }
    }
    let shown = ranges.iter().take(MOST_RANGES);
    let rest: u64 = ranges
        .iter()
        .skip(MOST_RANGES)
        .map(|(first, last)| u64::from(last - first) + 1)
        .sum();
    let mut words: Vec<String> = shown
        .flat_map(|(first, last)| match last - first {
            0 => vec![first.to_string()],
            1 => vec![first.to_string(), last.to_string()],
            _ => vec![format!("{first}-{last}")],
        })
        .collect();
    if rest > 0 {
        words.push(format!("{rest} more"));
    }
    let last = words.pop().unwrap_or_default();
    match (words.is_empty(), shards.len()) {
        (true, 0 | 1) => format!("shard {last}"),
        (true, _) => format!("shards {last}"),
        (false, _) => format!("shards {} and {last}", words.join(", ")),
    }
}

/// Times as people read them.
pub(super) mod at_rfc3339 {
    use super::{Deserialize, Deserializer, Serializer, SystemTime, from_rfc3339, rfc3339_ns};

    pub(in super::super) fn serialize<S: Serializer>(
        at: &SystemTime,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(&rfc3339_ns(*at))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(from)?;
        from_rfc3339(&text).ok_or_else(|| serde::de::Error::custom("no time as in RFC 3339"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn abort() -> Abort {
        Abort {
            by: 0,
            attempt: "a".repeat(32),
            waited_ns: 300_400_000_000,
            of: 40,
            reason: Reason::Timeout,
            missing: Vec::new(),
            differing: Vec::new(),
        }
    }

    #[test]
    fn shards_are_named_in_ranges() {
        for (shards, said) in [
            (vec![3], "shard 3"),
            (vec![3, 4], "shards 3 and 4"),
            (vec![0, 2, 3, 4, 9], "shards 0, 2-4 and 9"),
            ((0..1_000).collect(), "shards 0-999"),
            (
                (0..100).map(|n| n * 2).collect(),
                "shards 0, 2, 4, 6, 8, 10, 12, 14 and 92 more",
            ),
        ] {
            assert_eq!(numbered(&shards), said);
        }
    }

    #[test]
    fn an_abort_says_who_is_missing_and_who_differs() {
        let missing = Abort {
            missing: vec![3, 5],
            ..abort()
        };
        let said = missing.to_string();
        assert!(
            said.starts_with("38 of 40 shards came within 5m; missing: shards 3 and 5; "),
            "{said}"
        );
        let has = |shard, has: &str| Differing {
            shard,
            has: vec![has.to_owned()],
        };
        let differing = Abort {
            differing: vec![
                has(1, "4 workers\u{1b}[2J"),
                has(2, "4 workers\u{1b}[2J"),
                has(7, "another plan"),
            ],
            ..abort()
        };
        let said = differing.to_string();
        let begin = r"not all shards run the same; shards 1 and 2 have 4 workers\u{1b}[2J; shard 7 has another plan; start";
        assert!(said.starts_with(begin), "{said}");
        let silent = abort().to_string();
        assert!(
            silent.starts_with("shard 0 came and then put no start.json within 5m"),
            "{silent}"
        );
    }

    #[test]
    fn what_lies_there_reads_back_and_strangers_files_do_not() {
        let start = Opening::Start(Start {
            at: SystemTime::UNIX_EPOCH + Duration::new(1_800_000_000, 123_456_789),
            slot_ns: 7,
            of: 1,
            workers: 2,
            plan: "00".to_owned(),
            attempts: vec!["a".to_owned()],
            before: vec![0],
        });
        let text = serde_json::to_string(&start).unwrap();
        assert!(text.contains("2027-01-15T08:00:00.123456789Z"), "{text}");
        for opening in [start, Opening::Aborted(abort())] {
            let bytes = serde_json::to_vec(&opening).unwrap();
            assert_eq!(parse_opening(&bytes), Ok(opening));
        }
        for text in [
            "",
            "{}",
            "[]",
            "{\"start\":{}}",
            "{\"start\":{\"at\":\"x\"}}",
        ] {
            assert!(parse_opening(text.as_bytes()).is_err(), "{text}");
        }
    }
}

//! What a shard says of itself when it comes, and what must be the same in all.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::start::{Differing, at_rfc3339};
use crate::clock::{ClockState, rfc3339};
use crate::record::BuildInfo;
use crate::shard::Shard;

/// A card is that of a living process unless it is so much older than that process would wait: clocks differ.
const SLACK: Duration = Duration::from_secs(60);
/// So much of a digest or revision is shown.
const SHOWN: usize = 12;

/// `meet/K.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Card {
    /// A random number of 128 bits, in hexadecimal: which process this is.
    pub attempt: String,
    /// SHA-256 of the plan, in hexadecimal.
    pub plan: String,
    pub shard: Shard,
    /// Workers of this shard.
    pub workers: u32,
    pub build: BuildInfo,
    /// What tells its host from others; `null` where nothing does.
    pub host: Option<String>,
    /// When it was written, by the clock of its machine. That of the place is the file's own time.
    #[serde(with = "at_rfc3339")]
    pub at: SystemTime,
    /// When this process will have given up.
    #[serde(with = "at_rfc3339")]
    pub until: SystemTime,
    /// What the kernel knows of the clock.
    pub clock: ClockState,
}

impl Card {
    /// In what another card is not of the same run as this one, seen at `now`.
    fn difference(&self, index: u32, theirs: &Self, now: SystemTime) -> Vec<String> {
        let mut has = Vec::new();
        if theirs.shard.of != self.shard.of {
            let (theirs, ours) = (theirs.shard.of, self.shard.of);
            has.push(format!(
                "{theirs} as the number of shards instead of {ours}"
            ));
        } else if theirs.shard.index != index || index >= self.shard.of {
            has.push(format!("the card of shard {}", theirs.shard.index));
        }
        if theirs.workers != self.workers {
            let (theirs, ours) = (theirs.workers, self.workers);
            has.push(format!("{theirs} workers instead of {ours}"));
        }
        if theirs.plan != self.plan {
            let (theirs, ours) = (shown(&theirs.plan), shown(&self.plan));
            has.push(format!("another plan ({theirs} instead of {ours})"));
        }
        if theirs.build != self.build {
            has.push(other_build(&theirs.build, &self.build));
        }
        if now
            .duration_since(theirs.until)
            .is_ok_and(|late| late > SLACK)
        {
            let at = rfc3339(theirs.at);
            has.push(format!(
                "a card of {at}, which is too old: the folder was used before, or a clock is wrong"
            ));
        }
        has
    }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

fn other_build(theirs: &BuildInfo, ours: &BuildInfo) -> String {
    let name = |build: &BuildInfo| {
        let revision: String = build.git_revision.chars().take(2 * SHOWN).collect();
        format!(
            "{} {revision} {}",
            shown(&build.version),
            shown(&build.profile)
        )
    };
    let (theirs, ours) = (name(theirs), name(ours));
    if theirs == ours {
        "a build with other crates".to_owned()
    } else {
        format!("another build ({theirs} instead of {ours})")
    }
}

/// The cards that were seen, by the number in their name; `None` for what is none of ours.
pub(super) type Cards = BTreeMap<u32, Option<Card>>;

/// Who has not come, and who came with something else.
#[derive(Debug, PartialEq)]
pub(super) struct Survey {
    pub missing: Vec<u32>,
    pub differing: Vec<Differing>,
}

impl Survey {
    /// Compares all with shard 0, or with `own` as long as that is missing.
    pub(super) fn of(own: &Card, cards: &Cards, now: SystemTime) -> Self {
        let first = cards.get(&0).and_then(Option::as_ref).unwrap_or(own);
        let difference = |(index, card): (&u32, &Option<Card>)| {
            let has = match card {
                Some(card) => first.difference(*index, card, now),
                None => vec!["a card that this build cannot read".to_owned()],
            };
            let shard = *index;
            (!has.is_empty()).then_some(Differing { shard, has })
        };
        Self {
            missing: (0..first.shard.of)
                .filter(|index| !cards.contains_key(index))
                .collect(),
            differing: cards.iter().filter_map(difference).collect(),
        }
    }
}

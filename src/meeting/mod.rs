//! How the shards of a run meet, without a coordinator: each leaves a card at a [`Place`] that all reach, shard 0 waits
//! for the cards of all and says when the run begins, and each leaves its result there.
//!
//! ```text
//! meet/K.json     the card of shard K: which process it is, its plan, build and clock
//! start.json      that the run begins, when, and with which processes; or that it does not, and why not
//! shards/K.json   the result of shard K
//! ```
//!
//! Nothing there is ever changed or written over. Start and abort are one file that one process alone can put, so
//! that a shard that gives up keeps all others from starting without it (ADR 0039). Knows nothing of what a plan or
//! a result is.

mod card;
mod folder;
#[cfg(feature = "object-store")]
mod objects;
mod patience;
mod place;
mod start;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant, SystemTime};

use self::card::{Card, Cards, Survey};
use self::patience::Over;
use self::place::result_name;
use self::start::{Opening, Reason, START};
use crate::clock::{ClockState, rfc3339};
use crate::record::BuildInfo;
use crate::shard::Shard;

pub use self::patience::Patience;
pub use self::place::{Place, PlaceError, RESULTS};
pub use self::start::{Abort, Start};

/// Where cards lie.
const CARDS: &str = "meet";
/// The others wait for shard 0 a little longer than it waits for them, and at most so much.
const MARGIN: Duration = Duration::from_secs(10);
/// Time to say that a shard gives up.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// So many shards look at a place without a need to do so less often.
const FEW: u32 = 100;
/// Time between two refreshes of a folder, at least.
const REFRESH: Duration = Duration::from_secs(1);
/// What to do about a place that was used before.
const NEW_FOLDER: &str =
    "use a new, empty folder for each run, such as one with the job's ID in its path";

/// What a shard comes with. All but its number and host must be the same for all.
#[derive(Debug, Clone)]
pub struct Meeting {
    /// Which one it is.
    pub shard: Shard,
    /// Its workers.
    pub workers: u32,
    /// SHA-256 of the plan, in hexadecimal.
    pub plan: String,
    /// What tells this host from others; none where nothing does.
    pub host: Option<String>,
    /// Time from the beginning of one trial to that of the next.
    pub slot: Duration,
    /// Time between the meeting and the start.
    pub lead: Duration,
    /// How long is waited for the others.
    pub timeout: Duration,
}

/// What a shard goes with.
#[derive(Debug, Clone, PartialEq)]
pub struct Met {
    /// What all have agreed on. Its time may have passed.
    pub start: Start,
    /// Which of the attempts this process is.
    pub attempt: String,
    /// How many shards before this one run on its host.
    pub before: u32,
    /// How far the clock of this machine can be trusted.
    pub clock: ClockState,
}

/// The shards do not begin, or do so without this process.
#[derive(Debug, thiserror::Error)]
pub enum MeetError {
    /// The place cannot be used.
    #[error(transparent)]
    Place(PlaceError),
    /// Not all came, or not all came with the same.
    #[error("the shards did not meet at {place}: {abort}")]
    Aborted {
        /// The place.
        place: String,
        /// Why.
        abort: Box<Abort>,
    },
    /// A run has begun there, or was given up, without this process.
    #[error("{place} cannot be used: {why}")]
    Used {
        /// The place.
        place: String,
        /// What was found there, and what to do.
        why: String,
    },
    /// Another process came as the same shard.
    #[error(
        "shard {shard} is already at {place}{since}: it was started twice, it is the restart of one that ended, or the folder was \
         used before; start the whole run again, each shard once, and {NEW_FOLDER}"
    )]
    Twice {
        /// The place.
        place: String,
        /// The shard.
        shard: Shard,
        /// Since when, in words, where that is known.
        since: String,
    },
    /// The system has no random numbers.
    #[error(
        "cannot tell this process from others: {0}; this machine needs a working random number generator"
    )]
    Random(String),
    /// This process was told to end.
    #[error("interrupted before the shards had met at {place}")]
    Interrupted {
        /// The place.
        place: String,
    },
}

/// Comes to a place and waits until all shards are there. Ends early once `stop` says so.
///
/// # Errors
///
/// Fails if they are not all there in time, if they do not run the same plan with the same build, if this process is
/// not one of those that begin, and if the place cannot be used.
pub fn meet(place: &Place, meeting: &Meeting, stop: &dyn Fn() -> bool) -> Result<Met, MeetError> {
    Visit::new(place, meeting, BuildInfo::current(), &SystemTime::now, stop)?.meet()
}

/// One shard at a place.
struct Visit<'a> {
    place: &'a Place,
    meeting: &'a Meeting,
    card: Card,
    now: &'a dyn Fn() -> SystemTime,
    begun: Instant,
    patience: Patience<'a>,
    cards: Cards,
    refreshed: Option<Instant>,
}

impl<'a> Visit<'a> {
    fn new(
        place: &'a Place,
        meeting: &'a Meeting,
        build: BuildInfo,
        now: &'a dyn Fn() -> SystemTime,
        stop: &'a dyn Fn() -> bool,
    ) -> Result<Self, MeetError> {
        let margin = match meeting.shard.index {
            0 => Duration::ZERO,
            _ => MARGIN.min(meeting.timeout / 10) + 2 * place.interval(),
        };
        let time = meeting.timeout.saturating_add(margin);
        let at = now();
        let card = Card {
            attempt: attempt()?,
            plan: meeting.plan.clone(),
            shard: meeting.shard,
            workers: meeting.workers,
            build,
            host: meeting.host.clone(),
            at,
            until: at.checked_add(time).unwrap_or(at),
            clock: ClockState::of_kernel(),
        };
        Ok(Self {
            place,
            meeting,
            card,
            now,
            begun: Instant::now(),
            patience: Patience::new(time, stop),
            cards: Cards::new(),
            refreshed: None,
        })
    }

    fn meet(mut self) -> Result<Met, MeetError> {
        if let Some(opening) = self.opening(&self.patience)? {
            return Err(self.used(&opening));
        }
        let clock = match self.leave_card() {
            Err(MeetError::Interrupted { .. }) => {
                // The card may be there, and then the others count on this process.
                self.give_up(Reason::Interrupted)?;
                return Err(self.interrupted());
            }
            left => left?,
        };
        let start = match self.wait() {
            Err(MeetError::Interrupted { .. }) => self.give_up(Reason::Interrupted),
            Err(MeetError::Place(PlaceError::Silent { .. })) => self.give_up(Reason::Timeout),
            Err(MeetError::Place(error)) => {
                let start = self.give_up(Reason::Failed);
                start.map_err(|_same| MeetError::Place(error))
            }
            ended => ended,
        };
        let start = start?;
        let own = self.meeting.shard.index as usize;
        Ok(Met {
            before: start.before.get(own).copied().unwrap_or(0),
            start,
            attempt: self.card.attempt,
            clock,
        })
    }

    fn wait(&mut self) -> Result<Start, MeetError> {
        let leads = self.meeting.shard.index == 0;
        // Shards that came at the same time look at different ones.
        let phase = u32::from_str_radix(&self.card.attempt[..2], 16).unwrap_or(0);
        let mut pause = self.interval() * phase / 256;
        loop {
            if let Some(opening) = self.opening(&self.patience)? {
                return self.enter(opening);
            }
            if leads && let Some(start) = self.gather()? {
                return Ok(start);
            }
            match self.patience.sleep(pause) {
                Ok(()) => pause = self.interval(),
                Err(Over::Late) => return self.give_up(Reason::Timeout),
                Err(Over::Stopped) => return Err(self.interrupted()),
            }
            self.refresh(if leads { CARDS } else { "" })?;
        }
    }

    /// Time between two looks. Many shards look less often, but not so seldom that the start would come too soon.
    fn interval(&self) -> Duration {
        let base = self.place.interval();
        let grown = base * (self.meeting.shard.of / FEW).max(1);
        grown.min(base.max(self.meeting.lead / 4))
    }

    fn refresh(&mut self, folder: &'static str) -> Result<(), MeetError> {
        let due = self.refreshed.is_none_or(|at| at.elapsed() >= REFRESH);
        if due {
            let refreshed = self.place.refresh(folder, &self.patience);
            refreshed.map_err(|error| self.error(error))?;
            self.refreshed = Some(Instant::now());
        }
        Ok(())
    }

    fn opening(&self, patience: &Patience) -> Result<Option<Opening>, MeetError> {
        let opening = self.place.opening(patience);
        opening.map_err(|error| self.error(error))
    }

    /// Puts the card, and compares the clock with that of the place.
    fn leave_card(&self) -> Result<ClockState, MeetError> {
        let name = card_name(self.meeting.shard.index);
        let bytes = serde_json::to_vec(&self.card).unwrap_or_default();
        let before = (self.now)();
        let put = self.place.put(&name, bytes.into(), &self.patience);
        let after = (self.now)();
        if !put.map_err(|error| self.error(error))? {
            return Err(self.twice(&name));
        }
        let stamp = self
            .place
            .stamp(&name, &self.patience)
            .map_err(|error| self.error(error))?;
        let clock = self.card.clock;
        Ok(match stamp {
            Some(stamp) => clock.beside(before, after, stamp.at, stamp.step_ns),
            None => clock,
        })
    }

    /// What shard 0 does at every look: with all there, it says so.
    fn gather(&mut self) -> Result<Option<Start>, MeetError> {
        self.see_cards(&self.patience.clone())?;
        let survey = Survey::of(&self.card, &self.cards, (self.now)());
        if !survey.differing.is_empty() {
            // They will not become equal.
            return self.abort(survey, Reason::Differing).map(Some);
        }
        if !survey.missing.is_empty() {
            return Ok(None);
        }
        let now = (self.now)();
        let cards = || self.cards.values().flatten();
        let hosts: Vec<&Option<String>> = cards().map(|card| &card.host).collect();
        let before = |(index, host): (usize, &&Option<String>)| {
            let same = hosts[..index]
                .iter()
                .filter(|other| host.is_some() && **other == *host);
            u32::try_from(same.count()).unwrap_or(u32::MAX)
        };
        let start = Start {
            at: now.checked_add(self.meeting.lead).unwrap_or(now),
            slot_ns: ns(self.meeting.slot),
            of: self.meeting.shard.of,
            workers: self.meeting.workers,
            plan: self.meeting.plan.clone(),
            attempts: cards().map(|card| card.attempt.clone()).collect(),
            before: hosts.iter().enumerate().map(before).collect(),
        };
        let opening = Opening::Start(start);
        self.open(opening, &self.patience).map(Some)
    }

    fn see_cards(&mut self, patience: &Patience) -> Result<(), MeetError> {
        let there = self
            .place
            .numbered(CARDS, patience)
            .map_err(|error| self.error(error))?;
        let new: Vec<u32> = (there.into_iter())
            .filter(|index| !self.cards.contains_key(index))
            .collect();
        let names = new.iter().map(|index| card_name(*index)).collect();
        let found = self
            .place
            .get_all(names, patience)
            .map_err(|error| self.error(error))?;
        for (index, bytes) in new.into_iter().zip(found) {
            if let Some(bytes) = bytes {
                self.cards.insert(index, read_card(&bytes));
            }
        }
        Ok(())
    }

    /// Says that the run does not begin, with who is missing, unless it has begun.
    fn give_up(&mut self, reason: Reason) -> Result<Start, MeetError> {
        self.see_cards(&last_words())?;
        let survey = Survey::of(&self.card, &self.cards, (self.now)());
        let start = self.abort(survey, reason)?;
        match reason {
            Reason::Interrupted => Err(self.interrupted()),
            // All had met in the last moment.
            _ => Ok(start),
        }
    }

    fn abort(&self, survey: Survey, reason: Reason) -> Result<Start, MeetError> {
        let abort = Abort {
            by: self.meeting.shard.index,
            attempt: self.card.attempt.clone(),
            waited_ns: ns(self.begun.elapsed()),
            of: self.meeting.shard.of,
            reason,
            missing: survey.missing,
            differing: survey.differing,
        };
        self.open(Opening::Aborted(abort), &last_words())
    }

    /// Puts `start.json`, or reads the one that another shard put first.
    fn open(&self, opening: Opening, patience: &Patience) -> Result<Start, MeetError> {
        let bytes = serde_json::to_vec(&opening).unwrap_or_default();
        let put = self.place.put(START, bytes.into(), patience);
        if put.map_err(|error| self.error(error))? {
            return self.enter(opening);
        }
        // NFS may know no better than that it was not there a moment ago.
        let refreshed = self.place.refresh("", patience);
        refreshed.map_err(|error| self.error(error))?;
        match self.opening(patience)? {
            Some(opening) => self.enter(opening),
            None => Err(self.refused(format!(
                "{START} was removed while shards met; {NEW_FOLDER}"
            ))),
        }
    }

    /// The start, if this process is part of it.
    fn enter(&self, opening: Opening) -> Result<Start, MeetError> {
        let own = self.meeting.shard.index as usize;
        match opening {
            Opening::Start(start) if start.attempts.get(own) == Some(&self.card.attempt) => {
                Ok(start)
            }
            Opening::Aborted(abort) => {
                let ours = abort.attempt == self.card.attempt;
                if ours && abort.reason == Reason::Interrupted {
                    return Err(self.interrupted());
                }
                Err(MeetError::Aborted {
                    place: self.place.to_string(),
                    abort: Box::new(abort),
                })
            }
            opening @ Opening::Start(_) => Err(self.used(&opening)),
        }
    }

    /// Why a process cannot take part in what `start.json` says.
    fn used(&self, opening: &Opening) -> MeetError {
        let shard = self.meeting.shard;
        let start = match opening {
            Opening::Start(start) => start,
            Opening::Aborted(abort) => {
                let why = abort.reason();
                return self.refused(format!(
                    "a meeting there was given up before this shard came ({why}); start the run again, and {NEW_FOLDER}"
                ));
            }
        };
        let begun = format!("a run began there at {}", rfc3339(start.at));
        let (theirs, ours) = (
            (&start.plan, start.of, start.workers),
            (&self.card.plan, shard.of, self.card.workers),
        );
        if theirs != ours {
            return self.refused(format!("{begun}, which is another one; {NEW_FOLDER}"));
        }
        let result = self.place.stamp(&result_name(shard.index), &self.patience);
        if matches!(result, Ok(Some(_))) {
            return self.refused(format!(
                "{begun}, and the result of shard {shard} is there; {NEW_FOLDER}"
            ));
        }
        self.refused(format!(
            "{begun} with another process as shard {shard}: this one is its restart or a second one, or the folder is of \
             an earlier run; a run that has begun takes nobody in, so start all of it again, and {NEW_FOLDER}"
        ))
    }

    /// Somebody else's card is in the place of ours.
    fn twice(&self, name: &str) -> MeetError {
        match self.opening(&self.patience) {
            Ok(Some(opening)) => return self.used(&opening),
            Err(error) => return error,
            Ok(None) => {}
        }
        let there = self.place.get_all(vec![name.to_owned()], &self.patience);
        let there = there.ok().and_then(|found| found.into_iter().next()?);
        let card = there.and_then(|bytes| read_card(&bytes));
        MeetError::Twice {
            place: self.place.to_string(),
            shard: self.meeting.shard,
            since: card.map_or_else(String::new, |card| format!(" since {}", rfc3339(card.at))),
        }
    }

    fn refused(&self, why: String) -> MeetError {
        MeetError::Used {
            place: self.place.to_string(),
            why,
        }
    }

    fn interrupted(&self) -> MeetError {
        MeetError::Interrupted {
            place: self.place.to_string(),
        }
    }

    fn error(&self, error: PlaceError) -> MeetError {
        match error {
            PlaceError::Interrupted { .. } => self.interrupted(),
            error => MeetError::Place(error),
        }
    }
}

/// Which process this is.
fn attempt() -> Result<String, MeetError> {
    let half = || getrandom::u64().map_err(|error| MeetError::Random(error.to_string()));
    Ok(format!("{:016x}{:016x}", half()?, half()?))
}

fn last_words() -> Patience<'static> {
    Patience::new(LAST_WORDS, &|| false)
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn card_name(index: u32) -> String {
    format!("{CARDS}/{index}.json")
}

fn read_card(bytes: &[u8]) -> Option<Card> {
    let card: Card = serde_json::from_slice(bytes).ok()?;
    let digits = card.attempt.bytes().all(|b| b.is_ascii_hexdigit());
    (card.attempt.len() == 32 && digits).then_some(card)
}

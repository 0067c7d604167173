//! An A/B run from its first block to its verdict: whose turn it is, which rounds count, and when enough is
//! known. Runs nothing and reads no clock: the caller makes each block and says how long all of it took.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::blocks::{BLOCKS_PER_ROUND, Look, Round, Rounds, Side, looks, order};
use super::differences::{Difference, invalid};
use super::policy::Policy;
use super::{AbRun, CompareError, Results, is_open, judge_rounds};
use crate::record::{BlocksRecord, Comparison, Note, RunRecord, Verdict};

/// A run ends early once it threw away this many rounds more than it kept: most of what this host measures
/// is not the target.
const PATIENCE: usize = 3;

/// What an A/B run is asked to do.
#[derive(Debug, Clone)]
pub struct AbSetup<'a> {
    /// Seed of the order.
    pub seed: u64,
    /// Rounds at which it is judged at the latest, at least two.
    pub rounds_max: usize,
    /// What is demanded of the candidate.
    pub policy: &'a Policy,
    /// Differences that are let pass. With [`Difference::Validity`] rounds with invalid runs are kept.
    pub despite: &'a [Difference],
    /// Whether the sides differ in what they are asked to do.
    pub on_purpose: bool,
    /// What the baseline and its control are.
    pub baseline: String,
    /// What the candidate is.
    pub candidate: String,
}

/// A block that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Whose it is.
    pub side: Side,
    /// Rounds that were kept before its own.
    pub kept: usize,
    /// Its place in its round, from 0.
    pub place: usize,
}

/// What a caller may want to show.
#[derive(Debug)]
pub enum AbEvent<'a> {
    /// A block is due.
    Due(Turn),
    /// A round was thrown away, for this reason.
    Discarded(&'a Note),
    /// A round was kept: how many there are now.
    Kept(usize),
    /// The rounds so far were judged, and more could change what they say.
    Open(&'a Comparison),
}

/// What came of an A/B run.
#[derive(Debug)]
pub struct AbOutcome {
    /// The verdict and everything behind it.
    pub comparison: Comparison,
    /// Whether it was interrupted; then the verdict is invalid.
    pub interrupted: bool,
}

/// Why an A/B run came to no comparison.
#[derive(Debug, thiserror::Error)]
pub enum AbError<E> {
    /// A block could not be run.
    #[error(transparent)]
    Block(E),
    /// The sides cannot be compared.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// Every round was thrown away.
    #[error(
        "no round could be kept, because a run in each was invalid:{0}\n  run one block by itself with `shakedown run` to see all of it"
    )]
    NothingKept(String),
    /// Interrupted too early.
    #[error("interrupted before the first round was whole; there is nothing to judge")]
    Interrupted,
}

/// Runs blocks until every figure that gates is decided at a look, or the cap is reached, and judges
/// them. `run` makes the result of a block, or `None` if it was interrupted; `seconds` says how
/// long it has taken so far.
///
/// # Errors
///
/// Fails with what a block failed with, if the sides cannot be compared, and if no round was kept.
pub fn conduct<E>(
    setup: &AbSetup<'_>,
    run: &mut dyn FnMut(Turn) -> Result<Option<RunRecord>, E>,
    observe: &mut dyn FnMut(AbEvent<'_>),
    seconds: &dyn Fn() -> u64,
) -> Result<AbOutcome, AbError<E>> {
    let mut state = State::new(setup);
    for order in order(setup.seed, 2 * setup.rounds_max + PATIENCE) {
        match state.round(order, run, observe)? {
            Became::Kept => {}
            Became::Discarded if state.is_hopeless() => break,
            Became::Discarded => continue,
            Became::Interrupted => return state.interrupted(seconds()),
        }
        let kept = state.rounds.count();
        let look = state.looks.iter().find(|look| look.rounds == kept);
        if let Some(Look { confidence, .. }) = look.copied() {
            state.looked += 1;
            let comparison = state.judge(confidence, seconds())?;
            if kept >= setup.rounds_max || !is_open(&comparison) {
                return Ok(AbOutcome {
                    comparison,
                    interrupted: false,
                });
            }
            observe(AbEvent::Open(&comparison));
        } else if kept == 1 {
            // What cannot be compared is refused now, not after minutes.
            state.judge(setup.policy.confidence, seconds())?;
        }
    }
    state.give_up(seconds())
}

/// What became of a round.
enum Became {
    Kept,
    Discarded,
    Interrupted,
}

/// A run as far as it has come.
struct State<'a> {
    setup: &'a AbSetup<'a>,
    looks: Vec<Look>,
    looked: usize,
    rounds: Rounds,
    baseline: Results,
    candidate: Results,
    /// Reasons by code: how many rounds, and the first one.
    discarded: BTreeMap<String, (usize, Note)>,
}

impl<'a> State<'a> {
    fn new(setup: &'a AbSetup<'a>) -> Self {
        let none = |source: &String| Results {
            source: source.clone(),
            records: Vec::new(),
        };
        Self {
            setup,
            looks: looks(setup.rounds_max, setup.policy.confidence),
            looked: 0,
            rounds: Rounds::default(),
            baseline: none(&setup.baseline),
            candidate: none(&setup.candidate),
            discarded: BTreeMap::new(),
        }
    }

    /// Runs the blocks of one round. The first invalid one ends it: its round is thrown away.
    fn round<E>(
        &mut self,
        order: [Side; BLOCKS_PER_ROUND],
        run: &mut dyn FnMut(Turn) -> Result<Option<RunRecord>, E>,
        observe: &mut dyn FnMut(AbEvent<'_>),
    ) -> Result<Became, AbError<E>> {
        let mut blocks = Vec::new();
        for (place, side) in order.into_iter().enumerate() {
            let turn = Turn {
                side,
                kept: self.rounds.count(),
                place,
            };
            observe(AbEvent::Due(turn));
            let Some(record) = run(turn).map_err(AbError::Block)? else {
                return Ok(Became::Interrupted);
            };
            if !self.setup.despite.contains(&Difference::Validity)
                && let Some(note) = reason_against(side, &record)
            {
                return Ok(self.discard(note, observe));
            }
            blocks.push((side, record));
        }
        let round = Round::of(&blocks).map_err(CompareError::Damaged)?;
        if let Some(absent) = round.uneven(self.setup.policy) {
            let message = format!("{absent}: only one of two blocks has it");
            let advice = "take longer blocks, or leave it out of the policy";
            return Ok(self.discard(Note::new("figure-absent", message, advice), observe));
        }
        self.rounds.add(round);
        for (side, record) in blocks {
            match side {
                Side::Baseline => self.baseline.records.push(record),
                Side::Candidate => self.candidate.records.push(record),
                Side::Control => {}
            }
        }
        observe(AbEvent::Kept(self.rounds.count()));
        Ok(Became::Kept)
    }

    fn discard(&mut self, note: Note, observe: &mut dyn FnMut(AbEvent<'_>)) -> Became {
        observe(AbEvent::Discarded(&note));
        let entry = self.discarded.entry(note.code.clone());
        entry.or_insert((0, note)).0 += 1;
        Became::Discarded
    }

    fn discarded_rounds(&self) -> usize {
        self.discarded.values().map(|(count, _)| count).sum()
    }

    fn is_hopeless(&self) -> bool {
        self.discarded_rounds() >= self.rounds.count() + PATIENCE
    }

    fn judge(&self, confidence: f64, seconds: u64) -> Result<Comparison, CompareError> {
        let reasons = self.discarded.values();
        let blocks = BlocksRecord {
            seed: self.setup.seed,
            rounds: self.rounds.count(),
            rounds_max: self.setup.rounds_max,
            looks: self.looked,
            discarded: reasons.map(|(count, note)| counted(*count, note)).collect(),
            discarded_rounds: self.discarded_rounds(),
            seconds,
        };
        let run = AbRun {
            rounds: &self.rounds,
            baseline: &self.baseline,
            candidate: &self.candidate,
            on_purpose: self.setup.on_purpose,
            confidence,
        };
        judge_rounds(&run, blocks, self.setup.policy, self.setup.despite)
    }

    /// The confidence of the look that would have been next.
    fn next_confidence(&self) -> f64 {
        let kept = self.rounds.count();
        let next = self.looks.iter().find(|look| look.rounds >= kept);
        next.map_or(self.setup.policy.confidence, |look| look.confidence)
    }

    /// What there is after an interrupt. It was no look, so it decides nothing.
    fn interrupted<E>(mut self, seconds: u64) -> Result<AbOutcome, AbError<E>> {
        let kept = self.rounds.count();
        if kept == 0 {
            return Err(AbError::Interrupted);
        }
        self.looked += 1;
        let mut comparison = self.judge(self.next_confidence(), seconds)?;
        let note = Note::new(
            "interrupted",
            format!("interrupted after {kept} rounds, before a look at which it would be judged"),
            "run it to its end",
        );
        comparison.reasons.insert(0, note);
        comparison.verdict = Verdict::Invalid;
        Ok(AbOutcome {
            comparison,
            interrupted: true,
        })
    }

    /// The end where more is thrown away than kept.
    fn give_up<E>(mut self, seconds: u64) -> Result<AbOutcome, AbError<E>> {
        if self.rounds.count() == 0 {
            let mut text = String::new();
            for (count, note) in self.discarded.values() {
                let Note {
                    code,
                    message,
                    advice,
                } = counted(*count, note);
                let _ = write!(text, "\n  {code}: {message}\n    help: {advice}");
            }
            return Err(AbError::NothingKept(text));
        }
        self.looked += 1;
        let comparison = self.judge(self.next_confidence(), seconds)?;
        Ok(AbOutcome {
            comparison,
            interrupted: false,
        })
    }
}

/// Why a block is not to be used, if it is not: the first thing that its run says against itself.
fn reason_against(side: Side, record: &RunRecord) -> Option<Note> {
    let found = invalid(side.label(), record)?;
    let first = record.validity.reasons.first();
    Some(first.map_or(found.note, |reason| Note {
        message: format!("{}: {}", side.label(), reason.message),
        ..reason.clone()
    }))
}

/// A reason with how many rounds it took.
fn counted(count: usize, note: &Note) -> Note {
    let rounds = if count == 1 { "round" } else { "rounds" };
    Note {
        message: format!("{count} {rounds}; first {}", note.message),
        ..note.clone()
    }
}

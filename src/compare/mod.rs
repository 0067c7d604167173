//! Holding results against each other: which cells are the same, what sets them apart, and whether that
//! is worse than a policy allows. Pure functions of records; knows neither sockets nor reports.

mod beyond;
mod blocks;
mod checks;
mod conduct;
mod differences;
mod judge;
mod learn;
mod observe;
mod policy;
mod threshold;
mod verdict;

#[cfg(test)]
mod conduct_tests;
#[cfg(test)]
mod identity_tests;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

pub use blocks::{BLOCKS_PER_ROUND, Look, Round, Rounds, Side};
pub use conduct::{AbError, AbEvent, AbOutcome, AbSetup, Turn, conduct};
pub(crate) use differences::find as differences;
pub use differences::{Difference, Found, invalid, is_metered};
pub use judge::Aligned;
pub(crate) use judge::{align, alone, judge};
pub use learn::{alike, learn};
pub use observe::{CellSeries, Observation, series, unit_of};
pub use policy::{Policy, PolicyError, Required, Rules};
pub use threshold::{Observed, Subject, Threshold};

use differences::silence_left_out;

use crate::record::{
    BlocksRecord, BuildInfo, COMPARISON_SCHEMA, Comparison, Note, RunRecord, SideRecord, UnitKind,
    Verdict,
};
use crate::stats::HistogramError;

/// Why results could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// They differ in something that makes the comparison say something else.
    #[error("{}", refusal(.0))]
    Refused(Vec<Found>),
    /// Some were metered and some were not: then the cost of the ledger is in some of the figures.
    #[error(
        "metered results are never compared with others: {metered} of these {results} kept a ledger of every session, which takes time itself; run all of them without `metered` (and without SHAKEDOWN_METERED)"
    )]
    Metered {
        /// How many were metered.
        metered: usize,
        /// How many there are.
        results: usize,
    },
    /// A stored histogram is damaged.
    #[error("a result is damaged: {0}")]
    Damaged(#[from] HistogramError),
    /// The policy does not fit the results.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// No cell is on both sides.
    #[error(
        "the two have no cell in common: the baseline has {baseline}, the candidate {candidate}; compare results of the same scenario"
    )]
    NothingInCommon {
        /// Names of the baseline's cells, and its file.
        baseline: String,
        /// Names of the candidate's, and its file.
        candidate: String,
    },
}

fn refusal(found: &[Found]) -> String {
    let mut text = "these results cannot be compared:".to_owned();
    for Note {
        code,
        message,
        advice,
    } in found.iter().map(Found::refusal)
    {
        let _ = write!(text, "\n  {code}: {message}\n    help: {advice}");
    }
    text
}

/// The results of one side with what they came from.
#[derive(Debug, Clone)]
pub struct Results {
    /// The file, folder or command.
    pub source: String,
    /// At least one.
    pub records: Vec<RunRecord>,
}

impl Results {
    fn side(&self) -> Option<SideRecord> {
        let first = self.records.first()?;
        Some(SideRecord {
            source: self.source.clone(),
            results: self.records.len(),
            scenario: first.plan.scenario.name.clone(),
            started_at: first.started_at.clone(),
            host_class: first.environment.host_class(),
            build: first.build.clone(),
        })
    }
}

/// Compares results that were there before, and judges the candidate. Without a baseline only thresholds
/// and required minimums are judged.
///
/// # Errors
///
/// Refuses what cannot be compared unless `despite` lets it pass; fails if the policy names a cell
/// that is not there, or a stored histogram is damaged.
pub fn compare(
    baseline: Option<&Results>,
    candidate: &Results,
    policy: &Policy,
    despite: &[Difference],
) -> Result<Comparison, CompareError> {
    let old = baseline.map_or(&[][..], |results| &results.records);
    let unit = unit_of(old, &candidate.records);
    let metered = metered(old, &candidate.records)?;
    let mut notes = passed(differences(old, &candidate.records)?, despite)?;
    notes.extend(metered);
    notes.extend(silence_left_out(old, &candidate.records));
    let (left, right) = (series(old, unit)?, series(&candidate.records, unit)?);
    let names: Vec<String> = right.iter().map(|cell| cell.name.clone()).collect();
    policy.check_cells(&names)?;
    let mut comparison = empty(baseline, candidate, unit, policy.confidence)?;
    comparison.notes = notes;
    let aligned = align(&left, &right, despite.contains(&Difference::Plan));
    if baseline.is_some() {
        if aligned.pairs.is_empty() {
            let sides = [baseline, Some(candidate)];
            return Err(nothing_in_common(sides, [&left, &right]));
        }
        comparison.notes.push(not_interleaved());
        fill(&mut comparison, &aligned, policy);
    }
    let partners = aligned.pairs.iter().map(|(_, cell)| &cell.identity);
    let partners: Vec<&String> = partners.collect();
    let rest = right
        .iter()
        .filter(|cell| !partners.contains(&&cell.identity));
    comparison.cells.extend(rest.map(alone));
    checks::add(&mut comparison, &candidate.records, policy)?;
    verdict::conclude(&mut comparison);
    Ok(comparison)
}

/// The comparison of results that were refused: invalid, with what was found as its reasons, so that a
/// refusal is read where a verdict is.
///
/// # Errors
///
/// Fails if the candidate has no result.
pub fn refused(
    baseline: Option<&Results>,
    candidate: &Results,
    policy: &Policy,
    found: &[Found],
) -> Result<Comparison, CompareError> {
    let old = baseline.map_or(&[][..], |results| &results.records);
    let unit = unit_of(old, &candidate.records);
    Ok(Comparison {
        reasons: found.iter().map(Found::refusal).collect(),
        ..empty(baseline, candidate, unit, policy.confidence)?
    })
}

/// What the rounds of an A/B run come to.
#[derive(Debug, Clone, Copy)]
pub struct AbRun<'a> {
    /// The rounds so far.
    pub rounds: &'a Rounds,
    /// The results of the baseline's blocks.
    pub baseline: &'a Results,
    /// The results of the candidate's.
    pub candidate: &'a Results,
    /// Whether the sides differ in what they were asked to do.
    pub on_purpose: bool,
    /// The confidence of this look.
    pub confidence: f64,
}

/// Judges an A/B run as far as it has come.
///
/// As [`compare`].
pub(crate) fn judge_rounds(
    run: &AbRun<'_>,
    blocks: BlocksRecord,
    policy: &Policy,
    despite: &[Difference],
) -> Result<Comparison, CompareError> {
    let mut despite = despite.to_vec();
    if run.on_purpose {
        despite.push(Difference::Plan);
    }
    let metered = metered(&run.baseline.records, &run.candidate.records)?;
    let found = differences(&run.baseline.records, &run.candidate.records)?;
    let found = found.into_iter().map(Found::in_turns).collect();
    let mut comparison = empty(
        Some(run.baseline),
        run.candidate,
        UnitKind::Round,
        run.confidence,
    )?;
    comparison.notes = passed(found, &despite)?;
    comparison.notes.extend(metered);
    let reference = run.rounds.reference();
    let candidate = run.rounds.side(Side::Candidate);
    let names: Vec<String> = candidate.iter().map(|cell| cell.name.clone()).collect();
    policy.check_cells(&names)?;
    let aligned = align(&reference, candidate, run.on_purpose);
    if aligned.pairs.is_empty() {
        let sides = [Some(run.baseline), Some(run.candidate)];
        return Err(nothing_in_common(sides, [&reference, candidate]));
    }
    fill(&mut comparison, &aligned, policy);
    let [baseline, control] = [Side::Baseline, Side::Control].map(|side| run.rounds.side(side));
    let control = align(baseline, control, false).pairs;
    comparison.control = judge(&control, policy, UnitKind::Round, run.confidence);
    comparison.blocks = Some(blocks);
    checks::add(&mut comparison, &run.candidate.records, policy)?;
    verdict::conclude(&mut comparison);
    Ok(comparison)
}

/// What both sides' cells come to, and which cells have no partner.
fn fill(comparison: &mut Comparison, aligned: &Aligned<'_>, policy: &Policy) {
    let (unit, confidence) = (comparison.unit, comparison.confidence);
    comparison.cells = judge(&aligned.pairs, policy, unit, confidence);
    comparison.notes.extend(by_place(aligned));
    comparison.missing.clone_from(&aligned.missing);
    comparison.new.clone_from(&aligned.new);
}

/// Whether more rounds could still change what a comparison of rounds says: a figure that gates, or its
/// control, is not decided, or there are too few samples or units yet.
pub(crate) fn is_open(comparison: &Comparison) -> bool {
    let cells = comparison.cells.iter().chain(&comparison.control);
    let mut gated = cells.flat_map(|cell| &cell.figures).filter(|f| f.gated);
    let mut checks = comparison.cells.iter().flat_map(|cell| &cell.checks);
    gated.any(|figure| figure.verdict == Some(Verdict::Inconclusive))
        || checks.any(checks::grows_with_rounds)
}

fn empty(
    baseline: Option<&Results>,
    candidate: &Results,
    unit: UnitKind,
    confidence: f64,
) -> Result<Comparison, CompareError> {
    let Some(side) = candidate.side() else {
        return Err(nothing_in_common([baseline, Some(candidate)], [&[], &[]]));
    };
    Ok(Comparison {
        schema: COMPARISON_SCHEMA,
        build: BuildInfo::current(),
        baseline: baseline.and_then(Results::side),
        candidate: side,
        unit,
        confidence,
        cells: Vec::new(),
        missing: Vec::new(),
        new: Vec::new(),
        blocks: None,
        control: Vec::new(),
        notes: Vec::new(),
        reasons: Vec::new(),
        verdict: Verdict::Invalid,
    })
}

/// The notes of differences that are let pass; refuses the others.
fn passed(found: Vec<Found>, despite: &[Difference]) -> Result<Vec<Note>, CompareError> {
    let (passed, refused): (Vec<Found>, Vec<Found>) = found
        .into_iter()
        .partition(|found| despite.contains(&found.kind));
    if refused.is_empty() {
        Ok(passed.into_iter().map(|found| found.note).collect())
    } else {
        Err(CompareError::Refused(refused))
    }
}

/// A note if all results were metered; refuses a mixture.
fn metered(baseline: &[RunRecord], candidate: &[RunRecord]) -> Result<Option<Note>, CompareError> {
    let all = baseline.iter().chain(candidate);
    let results = baseline.len() + candidate.len();
    let metered = all.filter(|result| is_metered(result)).count();
    if metered > 0 && metered < results {
        return Err(CompareError::Metered { metered, results });
    }
    Ok((metered > 0).then(|| {
        Note::new(
            "metered",
            "every session of these results kept a ledger, whose cost is in the figures",
            "to judge what users get, compare runs without `metered`",
        )
    }))
}

fn by_place(aligned: &Aligned<'_>) -> Option<Note> {
    let pairs = aligned.by_place.iter();
    let pairs: Vec<String> = pairs.map(|(a, b)| format!("{a} with {b}")).collect();
    (!pairs.is_empty()).then(|| {
        Note::new(
            "put-together",
            format!(
                "cells that are not the same are compared: {}",
                pairs.join(", ")
            ),
            "write the cells in the same order on both sides",
        )
    })
}

fn nothing_in_common(sides: [Option<&Results>; 2], cells: [&[CellSeries]; 2]) -> CompareError {
    let told = |side: usize| {
        let names: Vec<&str> = cells[side].iter().map(|cell| cell.name.as_str()).collect();
        let source = sides[side].map_or(String::new(), |results| format!(" ({})", results.source));
        format!("{}{source}", names.join(", "))
    };
    CompareError::NothingInCommon {
        baseline: told(0),
        candidate: told(1),
    }
}

fn not_interleaved() -> Note {
    Note::new(
        "not-interleaved",
        "the two sides were measured one after the other, so what the machine did differently in \
         between is in the effects and not in their intervals",
        "where the verdict matters, interleave them with `shakedown ab`",
    )
}

//! What a candidate must reach or keep to by itself: absolute thresholds and required minimums.

use super::observe::identity;
use super::policy::{Policy, Required, Rules};
use super::threshold::Observed;
use crate::analysis::{AchievedLoad, achieved_load};
use crate::record::{
    CellComparison, CellRecord, CheckRecord, Comparison, FigureComparison, RunRecord, Verdict,
};
use crate::stats::{HistogramError, OkKind};

/// Keys of minimums that are counts.
const SAMPLES: &str = "samples";
const UNITS: &str = "units";
/// Why a threshold is not decided.
const OPEN: &str = "sessions without an answer hide on which side of the limit it is";
/// Why there is nothing to hold against one.
const ABSENT: &str = "there is no such figure, or too few samples for it";

/// Adds to every cell of the candidate what became of its thresholds and minimums.
pub(crate) fn add(
    comparison: &mut Comparison,
    results: &[RunRecord],
    policy: &Policy,
) -> Result<(), HistogramError> {
    let floor = results.iter().filter_map(RunRecord::memory_floor).min();
    for cell in whole_cells(results) {
        let rules = policy.of(&cell.cell.name);
        let mut checks = thresholds(&rules, &cell, floor)?;
        checks.extend(minimums(&rules.required, &cell, results));
        let mut known = comparison.cells.iter_mut();
        if let Some(known) = known.find(|known| known.name == cell.cell.name) {
            checks.extend(units(&rules.required, known));
            known.checks = checks;
        } else {
            comparison.cells.push(CellComparison {
                name: cell.cell.name,
                figures: Vec::new(),
                checks,
            });
        }
    }
    Ok(())
}

/// Whether it is a minimum that was missed and that more rounds may reach.
pub(crate) fn grows_with_rounds(check: &CheckRecord) -> bool {
    let counts = [SAMPLES, UNITS]
        .iter()
        .any(|key| check.rule.starts_with(key));
    counts && !check.threshold && check.verdict == Verdict::Invalid
}

/// The cells of several results, each with its trials of all of them.
fn whole_cells(results: &[RunRecord]) -> Vec<CellRecord> {
    let mut cells: Vec<(String, CellRecord)> = Vec::new();
    for result in results {
        for cell in &result.cells {
            let identity = identity(result, cell);
            match cells.iter_mut().find(|(known, _)| *known == identity) {
                Some((_, known)) => known.trials.extend(cell.trials.iter().cloned()),
                None => cells.push((identity, cell.clone())),
            }
        }
    }
    cells.into_iter().map(|(_, cell)| cell).collect()
}

fn thresholds(
    rules: &Rules,
    cell: &CellRecord,
    memory_floor: Option<u64>,
) -> Result<Vec<CheckRecord>, HistogramError> {
    let mut checks = Vec::new();
    for threshold in &rules.thresholds {
        let observed = threshold.observed(cell, memory_floor)?;
        let (verdict, reason) = match observed.map(|observed| threshold.keeps(observed)) {
            Some(Some(true)) => (Verdict::Pass, None),
            Some(Some(false)) => (Verdict::Regress, None),
            Some(None) => (Verdict::Inconclusive, Some(OPEN)),
            None => (Verdict::Invalid, Some(ABSENT)),
        };
        checks.push(CheckRecord {
            threshold: true,
            rule: threshold.to_string(),
            observed: observed.map(Observed::least),
            beyond: observed.is_some_and(Observed::is_beyond),
            limit: threshold.limit,
            unit: threshold.unit().to_owned(),
            verdict,
            reason: reason.map(str::to_owned),
        });
    }
    Ok(checks)
}

fn minimums(required: &Required, cell: &CellRecord, results: &[RunRecord]) -> Vec<CheckRecord> {
    let measured = cell.measured();
    let confirmed = measured.ok_total() as f64;
    let mut checks = Vec::new();
    if let Some(least) = required.samples {
        checks.push(minimum(SAMPLES, least as f64, Some(confirmed)));
    }
    if let Some(least) = required.achieved_load {
        checks.push(achieved(least, cell, results));
    }
    if let Some(least) = required.resumed_share {
        let resumed = measured.ok_of(OkKind::Resumed) as f64;
        let share = (confirmed > 0.0).then(|| resumed / confirmed);
        checks.push(minimum("resumed-share", least, share));
    }
    checks
}

/// Units on each side, of the figure that has most; of the one side where there is no other.
fn units(required: &Required, cell: &CellComparison) -> Option<CheckRecord> {
    let least = required.units?;
    let of = |figure: &FigureComparison| match (&figure.effect, &figure.baseline) {
        (Some(effect), _) => effect.units,
        (None, None) => figure.candidate.map_or(0, |spread| spread.trials),
        (None, Some(_)) => 0,
    };
    let most = cell.figures.iter().map(of).max().unwrap_or(0);
    Some(minimum(UNITS, least as f64, Some(most as f64)))
}

/// Whether enough of the asked load was achieved, by the rule of a result's own validity.
fn achieved(least: f64, cell: &CellRecord, results: &[RunRecord]) -> CheckRecord {
    const KEY: &str = "achieved-load";
    match results
        .first()
        .map(|first| achieved_load(cell, &first.plan))
    {
        Some(AchievedLoad::Share(share, _)) => minimum(KEY, least, Some(share)),
        Some(AchievedLoad::Exempt(why)) => CheckRecord {
            verdict: Verdict::Pass,
            reason: Some(why.to_owned()),
            ..minimum(KEY, least, None)
        },
        Some(AchievedLoad::NothingDue) | None => minimum(KEY, least, None),
    }
}

fn minimum(key: &str, least: f64, observed: Option<f64>) -> CheckRecord {
    let reached = observed.is_some_and(|value| value >= least);
    CheckRecord {
        threshold: false,
        rule: format!("{key}: {least}"),
        observed,
        beyond: false,
        limit: least,
        unit: String::new(),
        verdict: if reached {
            Verdict::Pass
        } else {
            Verdict::Invalid
        },
        reason: (!reached).then(|| "less than is required".to_owned()),
    }
}

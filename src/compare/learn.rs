//! Limits learned from past results: how much did figures change from one to the next when nobody
//! objected?

use std::collections::BTreeMap;

use super::differences::{Difference, find as differences, invalid, is_metered};
use super::observe::{CellSeries, series};
use super::policy::Policy;
use crate::analysis::Figure;
use crate::record::{Note, RunRecord, UnitKind};
use crate::stats::{HistogramError, LEAST_CHANGES, learned_limit};

/// Replaces the limits of the figures that gate by the third quartile and three times the distance
/// between the quartiles of the changes from each past result to the next. Returns a note for each
/// limit: what was learned, or why nothing was.
///
/// # Errors
///
/// Fails if a stored histogram is damaged.
pub fn learn(
    policy: &mut Policy,
    past: &[RunRecord],
    cells: &[CellSeries],
) -> Result<Vec<Note>, HistogramError> {
    let mut ordered = past.to_vec();
    ordered.sort_by(|a, b| a.started_at.cmp(&b.started_at));
    let past = series(&ordered, UnitKind::Run)?;
    let mut notes = Vec::new();
    for cell in cells {
        let Some(known) = past.iter().find(|known| known.identity == cell.identity) else {
            notes.push(nothing(&cell.name, "past results do not have this cell"));
            continue;
        };
        let mut limits = BTreeMap::new();
        for figure in policy.of(&cell.name).allowed.keys() {
            let changes = changes(known, *figure);
            let place = format!("{} {figure}", cell.name);
            let Some(limit) = learned_limit(&changes) else {
                let why = format!("{} changes, it takes {LEAST_CHANGES}", changes.len());
                notes.push(nothing(&place, &why));
                continue;
            };
            let limit = figure.scale().kept_change(limit);
            limits.insert(*figure, limit);
            notes.push(Note::new(
                "limit-learned",
                format!(
                    "{place}: {} from {} changes",
                    figure.scale().change(limit),
                    changes.len()
                ),
                "it takes the place of the policy's limit",
            ));
        }
        policy.learn(&cell.name, &limits);
    }
    Ok(notes)
}

/// The past results from which something is learned about `candidate`: those that could be compared with
/// it. Returns a note about the others.
///
/// # Errors
///
/// Fails if a stored histogram is damaged.
pub fn alike(
    past: Vec<RunRecord>,
    candidate: &RunRecord,
) -> Result<(Vec<RunRecord>, Option<Note>), HistogramError> {
    let mut kept = Vec::new();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for result in past {
        let found = differences(
            std::slice::from_ref(&result),
            std::slice::from_ref(candidate),
        )?;
        // What is wrong with the candidate itself is told where it is judged.
        let found = found
            .iter()
            .filter(|found| found.kind != Difference::Validity);
        let mut codes: Vec<String> = found.map(|found| found.note.code.clone()).collect();
        codes.extend(invalid("result", &result).map(|found| found.note.code));
        if is_metered(&result) != is_metered(candidate) {
            codes.push("metered".to_owned());
        }
        if codes.is_empty() {
            kept.push(result);
        }
        for code in codes {
            *reasons.entry(code).or_default() += 1;
        }
    }
    let list: Vec<String> = reasons
        .iter()
        .map(|(code, n)| format!("{code} {n}"))
        .collect();
    let note = Note::new(
        "past-left-out",
        format!(
            "past results that teach nothing about this one, by reason: {}",
            list.join(", ")
        ),
        "keep results of the same host class and plan in the folder",
    );
    Ok((kept, (!list.is_empty()).then_some(note)))
}

/// From each result to the next, on the scale of effects.
fn changes(cell: &CellSeries, figure: Figure) -> Vec<f64> {
    let values: Vec<f64> = cell
        .units
        .iter()
        .filter_map(|unit| unit.values.get(&figure))
        .map(|value| figure.scale().of(*value))
        .collect();
    values.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

fn nothing(place: &str, why: &str) -> Note {
    Note::new(
        "limit-not-learned",
        format!("{place}: {why}"),
        "the policy's limit stays; keep more results of the same host class and plan",
    )
}

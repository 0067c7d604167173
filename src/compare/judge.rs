//! From observations to verdicts: an effect with its interval for every figure of every cell, and what
//! follows from it under a policy.

use super::beyond::{self, Bounded, at_least};
use super::observe::CellSeries;
use super::policy::{Policy, Rules};
use crate::analysis::Figure;
use crate::record::{CellComparison, EffectRecord, FigureComparison, Scale, UnitKind, Verdict};
use crate::stats::{Estimate, Spread, holm};

/// Cells that belong together, and those that have no partner.
#[derive(Debug, Clone, PartialEq)]
pub struct Aligned<'a> {
    /// Baseline and candidate.
    pub pairs: Vec<(&'a CellSeries, &'a CellSeries)>,
    /// Of the baseline only.
    pub missing: Vec<String>,
    /// Of the candidate only.
    pub new: Vec<String>,
    /// Names of the baseline's and the candidate's cells that were put together by their place.
    pub by_place: Vec<(String, String)>,
}

/// Finds for each of the candidate's cells the baseline's that is the same in all but its name. Where
/// the sides differ on purpose, what is left over is put together in the order in which it is written, if
/// it is as many on both sides.
pub(crate) fn align<'a>(
    baseline: &'a [CellSeries],
    candidate: &'a [CellSeries],
    on_purpose: bool,
) -> Aligned<'a> {
    let mut left: Vec<&CellSeries> = baseline.iter().collect();
    let mut partners: Vec<(Option<&CellSeries>, &CellSeries)> = candidate
        .iter()
        .map(|cell| {
            let at = left.iter().position(|c| c.identity == cell.identity);
            (at.map(|at| left.remove(at)), cell)
        })
        .collect();
    let alone = partners.iter().filter(|(partner, _)| partner.is_none());
    let mut by_place = Vec::new();
    if on_purpose && alone.count() == left.len() {
        let mut rest = left.drain(..);
        for (partner, cell) in partners.iter_mut().filter(|(p, _)| p.is_none()) {
            *partner = rest.next();
            by_place.extend(partner.map(|partner| (partner.name.clone(), cell.name.clone())));
        }
    }
    let new = partners.iter().filter(|(partner, _)| partner.is_none());
    Aligned {
        new: new.map(|(_, cell)| cell.name.clone()).collect(),
        missing: left.iter().map(|cell| cell.name.clone()).collect(),
        pairs: partners
            .into_iter()
            .filter_map(|(partner, cell)| Some((partner?, cell)))
            .collect(),
        by_place,
    }
}

/// One figure before it is judged.
struct Draft {
    cell: usize,
    figure: Figure,
    record: FigureComparison,
    /// The effect with the sign that makes worse positive.
    worse: Option<Estimate>,
}

/// Judges every figure of every pair of cells. Units of both sides at the same place belong together if
/// the unit is a round.
pub(crate) fn judge(
    pairs: &[(&CellSeries, &CellSeries)],
    policy: &Policy,
    unit: UnitKind,
    confidence: f64,
) -> Vec<CellComparison> {
    let mut drafts = Vec::new();
    for (cell, (baseline, candidate)) in pairs.iter().enumerate() {
        let rules = policy.of(&candidate.name);
        for figure in Figure::all() {
            let sides = (*baseline, *candidate);
            let record = draft(figure, sides, &rules, unit, confidence);
            drafts.extend(record.map(|(record, worse)| Draft {
                cell,
                figure,
                record,
                worse,
            }));
        }
    }
    let alpha = (1.0 - confidence) / 2.0;
    let gated = |draft: &&Draft| draft.record.gated && draft.record.reason.is_none();
    let p_values: Vec<f64> = drafts.iter().filter(gated).map(p_worse).collect();
    let mut regressed = holm(&p_values, alpha).into_iter();
    let mut cells: Vec<CellComparison> = pairs
        .iter()
        .map(|(_, candidate)| CellComparison {
            name: candidate.name.clone(),
            figures: Vec::new(),
            checks: Vec::new(),
        })
        .collect();
    for mut draft in drafts {
        if draft.record.reason.is_none() {
            // Holm's correction is for figures that gate; the others are told one by one.
            let is_worse = if draft.record.gated {
                regressed.next().unwrap_or(false)
            } else {
                p_worse(&draft) <= alpha
            };
            draft.record.verdict = Some(verdict(&draft, is_worse, confidence));
        }
        cells[draft.cell].figures.push(draft.record);
    }
    cells
}

/// What a cell measured, where there is nothing to hold it against.
pub(crate) fn alone(cell: &CellSeries) -> CellComparison {
    let figures = Figure::all().into_iter().filter_map(|figure| {
        let beyond = at_least(cell, figure);
        let candidate = Spread::of(values(cell, figure)).filter(|_| beyond.is_none());
        (candidate.is_some() || beyond.is_some()).then(|| FigureComparison {
            candidate,
            candidate_beyond: beyond.and_then(median),
            ..blank(figure, None)
        })
    });
    CellComparison {
        name: cell.name.clone(),
        figures: figures.collect(),
        checks: Vec::new(),
    }
}

/// A figure of which nothing is known yet but what the policy says of it.
fn blank(figure: Figure, gated: Option<&f64>) -> FigureComparison {
    FigureComparison {
        figure: figure.to_string(),
        unit: figure.unit().to_owned(),
        smaller_is_better: figure.smaller_is_better(),
        baseline: None,
        candidate: None,
        baseline_beyond: None,
        candidate_beyond: None,
        effect: None,
        rounds: Vec::new(),
        allowed: gated.copied().unwrap_or(figure.default_allowed()),
        gated: gated.is_some(),
        verdict: None,
        reason: None,
    }
}

fn p_worse(draft: &Draft) -> f64 {
    let limit = draft.figure.scale().of_change(draft.record.allowed);
    draft.worse.map_or(1.0, |worse| worse.p_not_above(limit))
}

/// The interval holds every effect that the units allow for: worse if all of it is beyond the limit,
/// better if all of it is as far on the other side, the same if none of it is beyond the limit.
fn verdict(draft: &Draft, is_worse: bool, confidence: f64) -> Verdict {
    let Some(worse) = draft.worse else {
        return Verdict::Inconclusive;
    };
    let limit = draft.figure.scale().of_change(draft.record.allowed);
    let (_, upper) = worse.interval(confidence);
    if is_worse {
        Verdict::Regress
    } else if upper < -limit {
        Verdict::Improve
    } else if upper <= limit {
        Verdict::Pass
    } else {
        Verdict::Inconclusive
    }
}

/// One figure of two cells; `None` where neither has it and it does not gate.
fn draft(
    figure: Figure,
    (baseline, candidate): (&CellSeries, &CellSeries),
    rules: &Rules,
    unit: UnitKind,
    confidence: f64,
) -> Option<(FigureComparison, Option<Estimate>)> {
    let gated = rules.allowed.get(&figure);
    let (left, right) = (values(baseline, figure), values(candidate, figure));
    let hidden = [at_least(baseline, figure), at_least(candidate, figure)];
    if hidden.iter().any(Option::is_some) {
        let known = [left, right];
        let record = bounded(figure, (baseline, candidate), &known, &hidden, gated, unit);
        return Some((record, None));
    }
    if left.is_empty() && right.is_empty() && gated.is_none() {
        return None;
    }
    let whole = left.len() == baseline.units.len() && right.len() == candidate.units.len();
    let scale = figure.scale();
    let scaled = |side: &[f64]| side.iter().map(|v| scale.of(*v)).collect::<Vec<f64>>();
    let (a, b) = (scaled(&left), scaled(&right));
    let mut rounds = Vec::new();
    let estimate = if unit == UnitKind::Round {
        // A unit without the figure would shift the partners of those after it.
        if whole && a.len() == b.len() {
            rounds.extend(a.iter().zip(&b).map(|(a, b)| b - a));
        }
        Estimate::paired(&rounds)
    } else {
        Estimate::of_two(&a, &b)
    };
    let worse = estimate.map(|estimate| {
        if figure.smaller_is_better() {
            estimate
        } else {
            estimate.reversed()
        }
    });
    let blank = blank(figure, gated);
    let least = least_samples(baseline, candidate);
    let refusal = refusal(
        figure,
        (&left, &right),
        whole,
        least,
        estimate.is_some(),
        unit,
    );
    let limit = scale.of_change(blank.allowed);
    let record = FigureComparison {
        effect: estimate.map(|estimate| EffectRecord {
            p_worse: worse.map_or(1.0, |worse| worse.p_not_above(limit)),
            ..effect(scale, &estimate, confidence)
        }),
        baseline: Spread::of(left),
        candidate: Spread::of(right),
        rounds: rounds.into_iter().map(|e| scale.kept(e)).collect(),
        // An absent figure that gates must not pass for a good one; a p99 of too few samples is named.
        verdict: refusal
            .as_ref()
            .and_then(|r| r.invalid.then_some(Verdict::Invalid)),
        reason: refusal.map(|r| r.reason),
        ..blank
    };
    Some((record, worse))
}

/// A figure of which some units are only known to be beyond an age: without an effect, since no number could be
/// computed as if it were exact.
fn bounded(
    figure: Figure,
    (baseline, candidate): (&CellSeries, &CellSeries),
    known: &[Vec<f64>; 2],
    hidden: &[Option<Vec<f64>>; 2],
    gated: Option<&f64>,
    unit: UnitKind,
) -> FigureComparison {
    let blank = blank(figure, gated);
    let sides = [0, 1].map(|side| Bounded {
        values: hidden[side].as_deref().unwrap_or(&known[side]),
        beyond: hidden[side].is_some(),
    });
    let [left, right] = sides;
    let counts = (left.values.len(), right.values.len());
    let whole = counts == (baseline.units.len(), candidate.units.len());
    let refusal = refusal(
        figure,
        (left.values, right.values),
        whole,
        least_samples(baseline, candidate),
        counts.0.min(counts.1) > 1,
        unit,
    );
    let (verdict, reason) = match refusal {
        // What a candidate's silence hides is never passed over for want of samples.
        Some(refusal) if refusal.invalid || !right.beyond => {
            (refusal.invalid.then_some(Verdict::Invalid), refusal.reason)
        }
        _ => {
            let (verdict, why) = beyond::judge(left, right, blank.allowed);
            (Some(verdict), why)
        }
    };
    let exact = |side: usize| {
        let none = hidden[side].is_none();
        Spread::of(known[side].iter().copied()).filter(|_| none)
    };
    FigureComparison {
        baseline: exact(0),
        candidate: exact(1),
        baseline_beyond: hidden[0].clone().and_then(median),
        candidate_beyond: hidden[1].clone().and_then(median),
        verdict,
        reason: Some(reason),
        ..blank
    }
}

fn median(values: Vec<f64>) -> Option<f64> {
    Spread::of(values).map(|spread| spread.median)
}

/// Sessions of the unit that has fewest.
fn least_samples(baseline: &CellSeries, candidate: &CellSeries) -> u64 {
    let units = baseline.units.iter().chain(&candidate.units);
    units.map(|unit| unit.samples).min().unwrap_or(0)
}

/// Why a figure is not judged.
struct Refusal {
    reason: String,
    /// Whether that makes it invalid; else it is only not judged.
    invalid: bool,
}

fn refusal(
    figure: Figure,
    (left, right): (&[f64], &[f64]),
    whole: bool,
    least: u64,
    estimated: bool,
    unit: UnitKind,
) -> Option<Refusal> {
    let unit = unit.label();
    if least < figure.least_samples() {
        return Some(Refusal {
            reason: format!(
                "not judged: a {unit} has {least} sessions, and this figure takes {}",
                figure.least_samples()
            ),
            invalid: false,
        });
    }
    let side = match (left.is_empty(), right.is_empty()) {
        (true, true) if !figure.is_universal() => {
            return Some(Refusal {
                reason: "not judged: neither side has it".to_owned(),
                invalid: false,
            });
        }
        (true, true) => Some("neither side has it"),
        (true, false) => Some("the baseline does not have it"),
        (false, true) => Some("the candidate does not have it"),
        _ if !whole => Some("not every unit has it"),
        _ => None,
    };
    if let Some(side) = side {
        return Some(Refusal {
            reason: format!("{side}; too many failures, or too few samples"),
            invalid: true,
        });
    }
    (!estimated).then(|| Refusal {
        reason: format!("a single {unit} says nothing about noise; take at least five"),
        invalid: true,
    })
}

fn values(series: &CellSeries, figure: Figure) -> Vec<f64> {
    let units = series.units.iter();
    units
        .filter_map(|unit| unit.values.get(&figure).copied())
        .collect()
}

/// An estimate as it is kept.
fn effect(scale: Scale, estimate: &Estimate, confidence: f64) -> EffectRecord {
    let (lower, upper) = estimate.interval(confidence);
    EffectRecord {
        scale,
        estimate: scale.kept(estimate.effect),
        lower: scale.kept(lower),
        upper: scale.kept(upper),
        detectable: scale.kept_change(estimate.detectable(confidence)),
        p_worse: 1.0,
        units: estimate.units,
    }
}

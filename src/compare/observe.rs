//! From results to observations: which cells are the same, and what each unit of them says.

use std::collections::BTreeMap;

use crate::analysis::Figure;
use crate::record::{CellRecord, RunRecord, TrialRecord, UnitKind};
use crate::stats::{HistogramError, Timing};

/// Results of a side from which on the result is the unit instead of the trial: trials of one run share
/// what the machine did to that run.
const RUNS_AS_UNITS: usize = 5;

/// Intermediates of the embedded target's chains where a result does not say how many.
const USUAL_CHAIN: u8 = 1;

/// What one unit says about one cell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Observation {
    /// By figure, as far as there are any.
    pub values: BTreeMap<Figure, f64>,
    /// Percentiles that fall among sessions without an answer: what they are beyond. They have no value.
    pub beyond: BTreeMap<Figure, f64>,
    /// Sessions of its measure phase that percentiles are over: confirmed, or without an answer.
    pub samples: u64,
}

impl Observation {
    fn of(trial: &TrialRecord, memory_floor: Option<u64>) -> Result<Self, HistogramError> {
        let (mut values, mut beyond) = (BTreeMap::new(), BTreeMap::new());
        for (figure, timing) in Figure::percentiles(trial)? {
            let of = match timing {
                Timing::At(_) => &mut values,
                Timing::Beyond(_) => &mut beyond,
            };
            of.insert(figure, timing.least() as f64);
        }
        for figure in Figure::all() {
            values.extend(figure.of(trial, memory_floor).map(|value| (figure, value)));
        }
        values.retain(|_, value| value.is_finite());
        Ok(Self {
            values,
            beyond,
            samples: trial.measured.ok_total() + trial.measured.unanswered_total(),
        })
    }

    /// Several as one: means of logarithms where ratios are formed, else of values. A figure that one of
    /// them lacks is left out. `None` of none.
    pub(crate) fn joined(parts: &[&Self]) -> Option<Self> {
        let first = parts.first()?;
        let count = parts.len() as f64;
        let mean = |figure: &Figure, of: &dyn Fn(&Self) -> Option<f64>| {
            let values: Option<Vec<f64>> = parts
                .iter()
                .map(|part| of(part).map(|v| figure.scale().of(v)))
                .collect();
            let mean = values?.iter().sum::<f64>() / count;
            Some(figure.scale().kept(mean))
        };
        let exact = |f: &Figure| mean(f, &|part| part.values.get(f).copied());
        // The mean of what each is at least is what their mean is at least.
        let least = |f: &Figure| {
            mean(f, &|part| {
                part.values.get(f).or(part.beyond.get(f)).copied()
            })
        };
        let beyond = parts.iter().flat_map(|part| part.beyond.keys());
        Some(Self {
            values: (first.values.keys())
                .filter_map(|f| Some((*f, exact(f)?)))
                .collect(),
            beyond: beyond.filter_map(|f| Some((*f, least(f)?))).collect(),
            samples: parts.iter().map(|part| part.samples).min().unwrap_or(0),
        })
    }
}

/// One cell of one side.
#[derive(Debug, Clone, PartialEq)]
pub struct CellSeries {
    /// What makes it the same cell: everything about it but its name.
    pub identity: String,
    /// Its name.
    pub name: String,
    /// What its units say, in the order in which they were measured.
    pub units: Vec<Observation>,
}

/// What makes a cell the same in another result: all of its fields but the name, so that a dimension
/// which is added to cells counts without a change here. What files of before that dimension leave out is
/// filled in from their plan.
pub(crate) fn identity(result: &RunRecord, cell: &CellRecord) -> String {
    let plan = &result.plan;
    let mut full = cell.cell.nameless();
    let is_tls = !full.versions.is_empty();
    if is_tls && full.provider.is_none() {
        full.provider = plan.provider.parse().ok();
    }
    if is_tls && plan.scenario.target.url.is_none() {
        let embedded = plan.scenario.target.embedded.as_ref();
        let keys = embedded.and_then(|embedded| embedded.key);
        let chain = embedded.and_then(|embedded| embedded.chain);
        full.keys = full.keys.or(Some(keys.unwrap_or_default()));
        full.chain = full.chain.or(Some(chain.unwrap_or(USUAL_CHAIN)));
    }
    serde_json::to_string(&full).unwrap_or_default()
}

/// The unit of two sides that were not interleaved.
pub fn unit_of(baseline: &[RunRecord], candidate: &[RunRecord]) -> UnitKind {
    if baseline.len().min(candidate.len()) >= RUNS_AS_UNITS {
        UnitKind::Run
    } else {
        UnitKind::Trial
    }
}

/// What the units of a side's results say, by cell, in the order in which cells first occur.
///
/// # Errors
///
/// Fails if a stored histogram is damaged.
pub fn series(results: &[RunRecord], unit: UnitKind) -> Result<Vec<CellSeries>, HistogramError> {
    let mut all: Vec<CellSeries> = Vec::new();
    for result in results {
        let floor = result.memory_floor();
        for cell in &result.cells {
            let trials: Vec<Observation> = cell
                .trials
                .iter()
                .map(|trial| Observation::of(trial, floor))
                .collect::<Result<_, _>>()?;
            let units = match unit {
                UnitKind::Trial => trials,
                UnitKind::Run | UnitKind::Round => {
                    let parts: Vec<&Observation> = trials.iter().collect();
                    Observation::joined(&parts).into_iter().collect()
                }
            };
            let identity = identity(result, cell);
            if let Some(known) = all.iter_mut().find(|known| known.identity == identity) {
                known.units.extend(units);
            } else {
                all.push(CellSeries {
                    identity,
                    name: cell.cell.name.clone(),
                    units,
                });
            }
        }
    }
    Ok(all)
}

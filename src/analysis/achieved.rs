//! The share of the asked load that was achieved: one rule for a result's validity and for a gate's `achieved-load`.

use crate::record::{Asked, CellRecord, PlanRecord};
use crate::scenario::EventKind;

/// How much of the asked load a cell achieved.
#[derive(Debug, Clone, PartialEq)]
pub enum AchievedLoad {
    /// A share, 0 to 1, and the figures that it comes from.
    Share(f64, String),
    /// No arrival was due, or there is no trial.
    NothingDue,
    /// Not judged, for this reason.
    Exempt(&'static str),
}

/// Open loop: the share of the arrivals due in the measure phase that were started. Closed loop: the mean number of
/// sessions in flight over the number asked for.
pub(crate) fn achieved_load(cell: &CellRecord, plan: &PlanRecord) -> AchievedLoad {
    let Asked::Sessions { mean: asked, .. } = plan.asked() else {
        let measured = cell.measured();
        let (started, due) = (measured.started, measured.scheduled);
        if due == 0 {
            return AchievedLoad::NothingDue;
        }
        let figures = format!("{started} of {due} arrivals were started");
        return AchievedLoad::Share(started as f64 / due as f64, figures);
    };
    if plan.scenario.load.total.is_some() {
        // Its last sessions run out one by one, so the mean says nothing.
        return AchievedLoad::Exempt("not judged of a closed loop with a total");
    }
    let mut events = plan.scenario.events.iter();
    if events.any(|event| event.kind == EventKind::Drop) {
        return AchievedLoad::Exempt("not judged where sessions are cut on purpose");
    }
    if asked <= 0.0 || cell.trials.is_empty() {
        return AchievedLoad::NothingDue;
    }
    let sum: f64 = cell.trials.iter().map(|trial| trial.in_flight_mean).sum();
    let mean = sum / cell.trials.len() as f64;
    let figures = format!("{mean:.1} of {asked:.1} sessions were in flight on average");
    AchievedLoad::Share(mean / asked, figures)
}

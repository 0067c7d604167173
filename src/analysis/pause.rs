//! Did the server stall? The longest time without an answer shows what percentiles may hide.

use super::summary::{CellSummary, Quantiles};
use crate::record::{Asked, CellRecord, Note, PlanRecord};
use crate::session::SETTLES;
use crate::stats::{Metric, Proof, Timing};
use crate::units::format_ns;

/// A time without an answer that is shorter than this goes without saying, in nanoseconds.
const LEAST_PAUSE_NS: u64 = 200_000_000;
/// A pause that is longer than the highest percentile times this is not in the percentiles, ...
const PAUSE_OVER_HIGHEST: u64 = 3;
/// ... and one longer than the median times this, ...
const PAUSE_OVER_MEDIAN: u64 = 10;
/// ... and than this part of the measure phase, is a standstill of the server.
const PAUSE_OF_PHASE: f64 = 0.05;

/// Shorter ones go without saying. Where the first session waited whether the server hangs up, that was our pause.
fn least(cell: &CellRecord, plan: &PlanRecord) -> u64 {
    let proofs = cell.trials.iter().flat_map(|trial| trial.proofs.keys());
    let weak = proofs
        .into_iter()
        .any(|proof| *proof != Proof::ApplicationData);
    let waited = weak && plan.scenario.target.url.is_some();
    let settles = u64::try_from(SETTLES.as_nanos()).unwrap_or(u64::MAX);
    LEAST_PAUSE_NS + if waited { settles } else { 0 }
}

/// A long time in which sessions waited and none had an answer. Percentiles count sessions, of which a closed loop
/// begins none meanwhile, so it may be in none of them.
pub(super) fn long_pause(
    cell: &CellRecord,
    summary: &CellSummary,
    plan: &PlanRecord,
) -> Option<Note> {
    let pause = summary.longest_pause?;
    let of = |which: fn(&Quantiles) -> Option<Timing>| {
        let metrics = [Metric::Service, Metric::Exchange];
        let of_each = metrics
            .iter()
            .filter_map(|m| which(summary.metrics.get(m)?));
        of_each.max_by_key(|timing| timing.least())
    };
    let (name, highest) = [
        ("p99", of(|q| q.p99)),
        ("p90", of(|q| q.p90)),
        ("p50", of(|q| q.p50)),
    ]
    .into_iter()
    .find_map(|(name, ns)| Some((name, ns?)))?;
    let share = pause.length_ns as f64 / (plan.duration_s * 1e9);
    let hidden = pause.length_ns >= highest.least().saturating_mul(PAUSE_OVER_HIGHEST);
    let median = of(|q| q.p50).unwrap_or(highest);
    let standstill = pause.length_ns >= median.least().saturating_mul(PAUSE_OVER_MEDIAN)
        && share >= PAUSE_OF_PHASE;
    if pause.length_ns < least(cell, plan) || !(hidden || standstill) {
        return None;
    }
    let own = cell.trials.iter().map(|t| t.stalls.longest_ns).max()?;
    let own = if own >= pause.length_ns / 2 {
        format!(
            "; the generator itself stood still for up to {}",
            format_ns(own)
        )
    } else {
        String::new()
    };
    Some(cell.note(
        "long-pause",
        format!(
            "for {} sessions waited and none had an answer ({:.0} % of the measure phase; {name} is {}){own}",
            format_ns(pause.length_ns),
            share * 100.0,
            highest
        ),
        if matches!(plan.asked(), Asked::Sessions { .. }) {
            "a closed loop begins no sessions while the server stalls, so its percentiles understate this; see the timeline, and measure with --rate"
        } else {
            "see the timeline, and the server's log of that time"
        },
    ))
}

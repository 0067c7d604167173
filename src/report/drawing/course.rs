//! A cell's trials second by second, summed up for drawing: whole seconds only, and several as one step where
//! there are many. Latencies are merged before a percentile is taken.

use crate::record::{CellRecord, TrialRecord};
use crate::stats::{HistogramError, SecondHistogram};

/// Fewer whole seconds than this are no course of time.
const LEAST_SECONDS: usize = 4;
/// More steps than this cannot be told apart in a drawing, and make a page large.
const MOST_STEPS: usize = 80;

/// What happened over time.
#[derive(Debug)]
pub(in crate::report) struct Course {
    /// Seconds of a step.
    pub grain: usize,
    /// From the beginning of the trials on.
    pub steps: Vec<Step>,
}

/// An event in a drawing over time.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) struct Mark {
    /// Seconds since the trial began.
    pub second: f64,
    pub name: &'static str,
}

/// One step: the means per second over the trials that had it.
#[derive(Debug, Default)]
pub(in crate::report) struct Step {
    pub begun: f64,
    pub confirmed: f64,
    pub failed: f64,
    /// The most at once.
    pub in_flight: f64,
    /// Of every trial together.
    pub latency: SecondHistogram,
    /// Seconds of all trials in it.
    seconds: u32,
}

impl Course {
    /// The course of a cell; none where its trials are shorter than a few seconds.
    pub(crate) fn of(cell: &CellRecord) -> Result<Option<Self>, HistogramError> {
        let length = cell.trials.iter().map(whole_seconds).max().unwrap_or(0);
        if length < LEAST_SECONDS {
            return Ok(None);
        }
        let grain = length.div_ceil(MOST_STEPS);
        let mut steps: Vec<Step> = Vec::new();
        steps.resize_with(length.div_ceil(grain), Step::default);
        for trial in &cell.trials {
            for row in trial.timeline.iter().take(whole_seconds(trial)) {
                let place = usize::try_from(row.second).unwrap_or(usize::MAX) / grain;
                let Some(step) = steps.get_mut(place) else {
                    continue;
                };
                step.begun += row.started as f64;
                step.confirmed += row.ok as f64;
                step.failed += row.failed as f64;
                step.in_flight = step.in_flight.max(row.in_flight_max as f64);
                step.latency.merge(&row.latency()?);
                step.seconds += 1;
            }
            // Who had no answer by the deadline ends just behind the last whole second.
            for row in trial.timeline.iter().skip(whole_seconds(trial)) {
                let latency = row.latency()?;
                if let Some(last) = steps.last_mut().filter(|_| latency.pending() > 0) {
                    last.latency.merge(&latency);
                    last.failed += row.failed as f64;
                }
            }
        }
        let covered = steps.iter().take_while(|step| step.seconds > 0).count();
        steps.truncate(covered);
        for step in &mut steps {
            let seconds = f64::from(step.seconds);
            for sum in [&mut step.begun, &mut step.confirmed, &mut step.failed] {
                *sum /= seconds;
            }
        }
        Ok(Some(Self { grain, steps }))
    }

    /// The shortest and the longest latency in it that ended, in nanoseconds; none without any.
    pub(crate) fn range(&self) -> Option<(u64, u64)> {
        let latencies = || self.steps.iter().map(|step| &step.latency);
        let ranges = latencies().filter_map(SecondHistogram::range);
        ranges.reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)))
    }

    /// How long a step is, in words.
    pub(crate) fn step_in_words(&self) -> String {
        match self.grain {
            1 => "a second".to_owned(),
            grain => format!("{grain} seconds"),
        }
    }
}

/// Whether latencies of a cell are drawn over time: [`Course::of`] has some, by seconds.
pub(in crate::report) fn has_latency(cell: &CellRecord) -> bool {
    let trials = || cell.trials.iter();
    trials().any(|trial| whole_seconds(trial) >= LEAST_SECONDS)
        && trials()
            .flat_map(|t| &t.timeline)
            .any(|row| row.latency.is_some())
}

/// The last second of a trial is shorter, and would look like a drop.
fn whole_seconds(trial: &TrialRecord) -> usize {
    usize::try_from(trial.length_ns / 1_000_000_000).unwrap_or(0)
}

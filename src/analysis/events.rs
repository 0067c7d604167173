//! What came of the events of a cell, over all of its trials.

use crate::record::{CellRecord, EventRecord};
use crate::stats::{
    ChangeCounts, HistogramError, LatencyHistogram, OutlivedCounts, SideCounts, Timing,
};

/// What came of one event of a cell's trials.
#[derive(Debug, Clone)]
pub struct EventSummary<'a> {
    /// The event in each trial.
    pub trials: Vec<&'a EventRecord>,
    /// Sessions with the certificate as it was.
    pub before: SideCounts,
    /// Sessions with the new, the revoked or the expired one.
    pub after: SideCounts,
    /// Held sessions that it found open.
    pub outlived: OutlivedCounts,
    /// Identities that changed.
    pub changes: ChangeCounts,
    /// Sessions that were cut, and attempts that they made to come back.
    pub dropped: (u64, u64),
    /// From the cut until they were back.
    pub recovery: LatencyHistogram,
    /// The slowest reaction of the server: a revoked or expired certificate was accepted for so long.
    pub reaction: Option<Timing>,
}

/// Every event of a cell, in the order of the scenario.
///
/// Fails if a stored histogram is damaged.
pub(crate) fn events(cell: &CellRecord) -> Result<Vec<EventSummary<'_>>, HistogramError> {
    let count = cell.trials.iter().map(|trial| trial.events.len()).max();
    (0..count.unwrap_or(0))
        .map(|number| {
            let trials = cell.trials.iter();
            EventSummary::of(
                trials
                    .filter_map(|trial| trial.events.get(number))
                    .collect(),
            )
        })
        .collect()
}

impl<'a> EventSummary<'a> {
    fn of(trials: Vec<&'a EventRecord>) -> Result<Self, HistogramError> {
        let mut sum = Self {
            trials,
            before: SideCounts::default(),
            after: SideCounts::default(),
            outlived: OutlivedCounts::default(),
            changes: ChangeCounts::default(),
            dropped: (0, 0),
            recovery: LatencyHistogram::new(),
            reaction: None,
        };
        for record in &sum.trials {
            let sides = [
                (&mut sum.before, &record.before),
                (&mut sum.after, &record.after),
            ];
            for (mine, theirs) in sides {
                if let Some(theirs) = theirs {
                    mine.merge(theirs);
                }
            }
            if let Some(theirs) = &record.outlived {
                sum.outlived.merge(theirs);
            }
            if let Some(theirs) = &record.changes {
                sum.changes.merge(theirs);
            }
            if let Some(returns) = &record.returns {
                sum.dropped.0 += returns.dropped;
                sum.dropped.1 += returns.attempts;
                sum.recovery.merge(&returns.back.decode()?);
            }
            let slower = |timing: &Timing| (timing.least(), timing.exact().is_none());
            let reactions = sum.reaction.into_iter().chain(record.reaction());
            sum.reaction = reactions.max_by_key(slower);
        }
        Ok(sum)
    }

    /// The first of its trials: what is the same in all of them.
    pub(crate) fn first(&self) -> Option<&'a EventRecord> {
        self.trials.first().copied()
    }
}

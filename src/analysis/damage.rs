//! Finds damaged histograms: they are text, decoded only when a figure needs one.

use crate::record::{CellRecord, RunRecord, TrialRecord};
use crate::stats::{HistogramError, LatencyHistogram};

impl RunRecord {
    /// The first histogram that cannot be read: its cell, trial and metric, and why. `None` if all can.
    pub fn damage(&self) -> Option<String> {
        self.cells.iter().find_map(damage_of)
    }
}

fn damage_of(cell: &CellRecord) -> Option<String> {
    let trials = (1..).zip(&cell.trials);
    let mut damaged = trials.filter_map(|(number, trial)| Some((number, first_damaged(trial)?)));
    damaged.next().map(|(number, (what, why))| {
        format!("cell {}, trial {number}, {what}: {why}", cell.cell.name)
    })
}

fn first_damaged(trial: &TrialRecord) -> Option<(String, HistogramError)> {
    let kinds = trial.kinds.iter().flat_map(|(kind, record)| {
        record.histograms.iter().map(move |(metric, stored)| {
            let decoded: Result<LatencyHistogram, _> = stored.decode();
            (format!("{metric} of {}", kind.label()), decoded.err())
        })
    });
    let seconds = trial
        .timeline
        .iter()
        .map(|row| (format!("second {}", row.second), row.latency().err()));
    let cut = trial
        .cut_off
        .iter()
        .map(|(phase, cut)| (format!("ages at {}", phase.label()), cut.decode().err()));
    let mut all = kinds.chain(seconds).chain(cut);
    all.find_map(|(what, why)| Some((what, why?)))
}

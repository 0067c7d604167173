//! What a run says of its fleet: how its identities were drawn, what loading them cost, and its groups.

use std::fmt::Write;

use super::document::{Field, Grid, Section};
use crate::record::{CellRecord, RunRecord};
use crate::stats::FleetCounts;
use crate::units::{counted, format_count, format_ns};

/// Most groups that are shown; results have all.
const MOST_SHOWN: usize = 20;

/// The fleet's section; empty without one.
pub(super) fn fleet(record: &RunRecord) -> Section {
    let mut section = Section::new("fleet", "Fleet");
    let Some(plan) = &record.plan.scenario.fleet else {
        return section;
    };
    section.prose(format!(
        "Identities are drawn {}, each worker keeps up to {} loaded. Loading comes before the connect call: it counts as lag, not as handshake.",
        plan.draw,
        format_count(plan.cache() as u64)
    ));
    section.list(record.cells.iter().filter_map(loading));
    section.table(groups(record));
    section
}

/// What loading cost in one cell, over all trials.
fn loading(cell: &CellRecord) -> Option<String> {
    let trials = cell.trials.iter();
    let all = trials
        .filter_map(|trial| trial.fleet)
        .reduce(|mut sum, next| {
            sum.merge(&next);
            sum
        })?;
    let FleetCounts {
        hits,
        loaded,
        failed,
        load_ns,
        longest_load_ns,
    } = all;
    let mut words = format!(
        "{}: {} presented a loaded identity, {} one that was loaded first",
        cell.cell.name,
        counted(hits, "session"),
        format_count(loaded)
    );
    if let Some(mean_ns) = load_ns.checked_div(loaded) {
        // Writing to a string cannot fail.
        let _ = write!(
            words,
            " (in {} each, at most {})",
            format_ns(mean_ns),
            format_ns(longest_load_ns)
        );
    }
    if failed > 0 {
        let _ = write!(words, "; {} could not be loaded", format_count(failed));
    }
    Some(words)
}

/// The groups of the fleet, over all cells and trials.
fn groups(record: &RunRecord) -> Grid {
    let mut grid = Grid::new(
        "Sessions of all cells, warm-up included",
        ["group", "sessions", "confirmed", "failed"],
    );
    let mut names: Vec<&String> = Vec::new();
    for trial in record.cells.iter().flat_map(|cell| &cell.trials) {
        names.extend(trial.identities.keys());
    }
    names.sort_unstable();
    names.dedup();
    for name in names.iter().take(MOST_SHOWN) {
        let cells = record.cells.iter().map(|cell| cell.of_identity(name));
        let (mut started, mut ok, mut failed) = (0, 0, 0);
        for accounting in cells {
            started += accounting.started;
            ok += accounting.ok_total();
            failed += accounting.failed_total();
        }
        grid.row(
            name,
            [started, ok, failed].map(|n| Field::from(format_count(n))),
        );
    }
    grid
}

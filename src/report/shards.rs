//! The section of a page about the shards that a result was merged from.

use std::cmp::Reverse;

use super::document::{Extent, Grid, Section};
use super::tables::or_nothing;
use crate::record::{MergedShard, RunRecord};
use crate::units::{format_count, format_ns};

/// Of more shards than this, those that are not valid and then the slowest are shown.
const MOST: usize = 60;

/// The shards of a result; empty for one of a single process.
pub(super) fn shards(record: &RunRecord) -> Section {
    let mut section = Section::new("shards", "Shards").of_extent(Extent::Detail);
    if record.shards.is_empty() {
        return section;
    }
    let mut shown: Vec<&MergedShard> = record.shards.iter().collect();
    if shown.len() > MOST {
        shown.sort_by_key(|shard| (shard.reasons.is_empty(), Reverse(median(shard))));
        shown.truncate(MOST);
        shown.sort_by_key(|shard| shard.part.shard.index);
        section.prose(format!(
            "{MOST} of {} shards: those with trouble of their own, then the slowest; the result file has all of them.",
            format_count(record.shards.len() as u64)
        ));
    }
    let header = [
        "shard",
        "host",
        "cores of its workers",
        "began late by",
        "median latency, the slowest cell",
        "by itself",
    ];
    let mut grid = Grid::new("Each shard", header);
    for shard in shown {
        grid.row(&shard.part.shard.index.to_string(), fields(record, shard));
    }
    section.table(grid);
    section
}

fn median(shard: &MergedShard) -> Option<u64> {
    shard.medians_ns.values().max().copied()
}

fn fields(record: &RunRecord, shard: &MergedShard) -> [String; 5] {
    let host = record.hosts.get(shard.host);
    let workers = shard.placements.iter();
    let cores: Vec<String> = workers
        .filter(|placement| placement.thread.starts_with("worker"))
        .map(|p| p.core.map_or("any".to_owned(), |core| core.to_string()))
        .collect();
    let reasons: Vec<&str> = shard.reasons.iter().map(|r| r.code.as_str()).collect();
    let itself = match (shard.complete, reasons.is_empty()) {
        (true, true) => "valid".to_owned(),
        (true, false) => reasons.join(", "),
        (false, _) => format!("incomplete {}", reasons.join(", "))
            .trim_end()
            .to_owned(),
    };
    [
        host.map_or_else(String::new, |host| host.environment.host_class()),
        cores.join(","),
        format_ns(shard.late_ns),
        or_nothing(median(shard), format_ns),
        itself,
    ]
}

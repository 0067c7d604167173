//! What the shards of one run have in common; what differs is named.

use crate::record::{CellRecord, PlanRecord, RunRecord, ShardRecord};

/// What is said where two values differ.
fn differ<T: PartialEq>(what: &str, a: &T, b: &T) -> Option<String> {
    (a != b).then(|| what.to_owned())
}

/// In which of their common facts two shards differ.
pub(super) fn parts(a: &ShardRecord, b: &ShardRecord) -> Option<String> {
    None.or_else(|| differ("the number of shards", &a.shard.of, &b.shard.of))
        .or_else(|| differ("the plan", &a.plan_sha256, &b.plan_sha256))
        .or_else(|| differ("the number of workers", &a.workers, &b.workers))
        .or_else(|| differ("the start", &a.start_unix_ns, &b.start_unix_ns))
        .or_else(|| {
            differ(
                "the time between two trials' beginnings",
                &a.slot_ns,
                &b.slot_ns,
            )
        })
}

/// In which of their common facts two results differ.
pub(super) fn runs(a: &RunRecord, b: &RunRecord) -> Option<String> {
    let (p, q) = (&a.plan, &b.plan);
    None.or_else(|| differ("the version of the file", &a.schema, &b.schema))
        .or_else(|| differ("the build of shakedown", &a.build, &b.build))
        .or_else(|| {
            let (a, b) = (p.scenario.common_plan(), q.scenario.common_plan());
            differ("the scenario", &a, &b)
        })
        .or_else(|| differ("the load", &p.asked_rate, &q.asked_rate))
        .or_else(|| differ("the load", &p.asked_sessions, &q.asked_sessions))
        .or_else(|| differ("the load", &p.asked_sessions_max, &q.asked_sessions_max))
        .or_else(|| {
            let times = |p: &PlanRecord| (p.warmup_s, p.duration_s, p.grace_s);
            differ("the length of trials", &times(p), &times(q))
        })
        .or_else(|| differ("the provider", &p.provider, &q.provider))
        .or_else(|| differ("the suites", &p.common_suites, &q.common_suites))
        .or_else(|| differ("the cells that were skipped", &p.skipped, &q.skipped))
        .or_else(|| {
            differ(
                "whether sessions were metered",
                &p.metering.is_some(),
                &q.metering.is_some(),
            )
        })
}

/// In which of their cells two results differ.
pub(super) fn cells<'a>(
    mine: impl ExactSizeIterator<Item = &'a CellRecord>,
    theirs: &[CellRecord],
) -> Option<String> {
    if mine.len() != theirs.len() {
        return Some("the number of cells".to_owned());
    }
    mine.zip(theirs).find_map(|(a, b)| {
        differ("the cells", &a.cell, &b.cell)
            .or_else(|| differ("what handshakes had to negotiate", &a.pins, &b.pins))
            .map(|what| format!("{what} ({})", b.cell.name))
    })
}

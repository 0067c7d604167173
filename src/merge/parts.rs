//! What of a result is a shard's own, and what comes of it in the whole.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::record::{Environment, HostRecord, MergedShard, PlanRecord, PreflightRecord, RunRecord};
use crate::stats::{HistogramError, Metric, Timing};

/// The shards of a result with their hosts; none of a whole run.
///
/// Fails if a stored histogram is damaged.
pub(super) fn of(
    record: &mut RunRecord,
) -> Result<Vec<(Environment, MergedShard)>, HistogramError> {
    let merged = std::mem::take(&mut record.shards).into_iter();
    let mut parts: Vec<(Environment, MergedShard)> = merged
        .map(|shard| {
            let host = record.hosts.get(shard.host);
            let environment = host.map_or(&record.environment, |host| &host.environment);
            (environment.clone(), shard)
        })
        .collect();
    if let Some(part) = record.shard.take() {
        let mut medians_ns = BTreeMap::new();
        for cell in &record.cells {
            let median = cell.histogram(Metric::Latency)?.median();
            medians_ns.extend(median.map(|median| (cell.cell.name.clone(), Timing::least(median))));
        }
        let trials = record.cells.iter().flat_map(|cell| &cell.trials);
        let plan = &record.plan;
        let shard = MergedShard {
            part,
            host: 0,
            started_at: record.started_at.clone(),
            ended_at: record.ended_at.clone(),
            command: record.command.clone(),
            placements: plan.placements.clone(),
            cores: plan.scenario.workers.cores.clone(),
            addresses: plan.addresses.clone(),
            sources: plan.sources.clone(),
            identity: plan.identity.clone(),
            preflight: plan.preflight.clone(),
            late_ns: trials.filter_map(|t| t.late_ns).max().unwrap_or(0),
            medians_ns,
            complete: record.validity.complete,
            reasons: record.validity.reasons.clone(),
            warnings: record.warnings.clone(),
        };
        parts.push((record.environment.clone(), shard));
    }
    Ok(parts)
}

/// A result as the first of several: what is a shard's own is with the shard.
pub(super) fn alone(mut record: RunRecord) -> RunRecord {
    let plan = &mut record.plan;
    plan.scenario.workers.cores = None;
    plan.placements = Vec::new();
    plan.preflight.shortages = Vec::new();
    record
}

/// What two results say of the whole run. Facts of one machine are those of the lowest shard.
pub(super) fn together(
    mine: &RunRecord,
    theirs: RunRecord,
    my_lowest: Option<u32>,
    their_lowest: Option<u32>,
) -> RunRecord {
    let theirs = alone(theirs);
    let (p, q) = (&mine.plan, &theirs.plan);
    let (command, scenario) = match my_lowest.cmp(&their_lowest) {
        Ordering::Less => (&mine.command, &p.scenario),
        _ => (&theirs.command, &q.scenario),
    };
    let sources: BTreeSet<&String> = p.sources.iter().chain(&q.sources).collect();
    RunRecord {
        started_at: mine.started_at.clone().min(theirs.started_at),
        ended_at: mine.ended_at.clone().max(theirs.ended_at),
        command: command.clone(),
        plan: PlanRecord {
            scenario: scenario.clone(),
            identity: p.identity.clone().filter(|_| p.identity == q.identity),
            addresses: if p.addresses == q.addresses {
                p.addresses.clone()
            } else {
                Vec::new()
            },
            sources: sources.into_iter().cloned().collect(),
            metering: p.metering.zip(q.metering).map(|(mut a, b)| {
                a.span_ns = a.span_ns.max(b.span_ns);
                a
            }),
            server_verified: p.server_verified && q.server_verified,
            preflight: preflight(&p.preflight, &q.preflight),
            ..p.clone()
        },
        ..mine.clone()
    }
}

/// The most that one shard needs, and the least that one has.
fn preflight(a: &PreflightRecord, b: &PreflightRecord) -> PreflightRecord {
    let known = [a.memory_available, b.memory_available];
    PreflightRecord {
        files_needed: a.files_needed.max(b.files_needed),
        files_limit: a.files_limit.min(b.files_limit),
        memory_needed: a.memory_needed.max(b.memory_needed),
        memory_available: known.into_iter().flatten().min(),
        shortages: Vec::new(),
    }
}

/// The addresses of a cell in two results: all of them, in order, unless they are the same.
pub(super) fn addresses(mine: &str, theirs: &str) -> String {
    if mine == theirs {
        return mine.to_owned();
    }
    let all: BTreeSet<&str> = mine.split(", ").chain(theirs.split(", ")).collect();
    all.into_iter().collect::<Vec<_>>().join(", ")
}

/// The shards in order, each with its host; hosts that are alike are one.
pub(super) fn by_host(
    shards: BTreeMap<u32, (MergedShard, Environment, String)>,
) -> (Vec<MergedShard>, Vec<HostRecord>) {
    let mut hosts: Vec<HostRecord> = Vec::new();
    let mut all = Vec::with_capacity(shards.len());
    for (index, (mut shard, environment, _)) in shards {
        // What changes from moment to moment makes no other host.
        let environment = Environment {
            load_average: None,
            ..environment
        };
        let known = hosts.iter().position(|h| h.environment == environment);
        shard.host = known.unwrap_or(hosts.len());
        match hosts.get_mut(shard.host) {
            Some(host) => host.shards.push(index),
            None => hosts.push(HostRecord {
                environment,
                shards: vec![index],
            }),
        }
        all.push(shard);
    }
    (all, hosts)
}

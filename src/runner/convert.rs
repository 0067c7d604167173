//! From what the engine counted to what is kept: names for code points, histograms encoded.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::rfc3339;
use crate::crypto::{cipher_suite_name, group_name, scheme_name, version_name};
use crate::load::{CellPlan, EventPlan, Happened, TrialResult};
use crate::record::{
    AnatomyRecord, CutOffRecord, EventRecord, HistogramRecord, KindRecord, ObservedRecord,
    TrialRecord,
};
use crate::stats::{
    EventCounts, HistogramError, KindStats, LedgersByKind, Metric, Observed, ObservedTally,
    TargetCounts,
};

/// What is kept of a trial. `target_ledgers` are those of the embedded target, of which there may be
/// none; they are given if the run was metered.
pub(super) fn trial(
    result: &TrialResult,
    site: &CellPlan,
    target_counts: Option<TargetCounts>,
    target_ledgers: Option<&LedgersByKind>,
) -> Result<TrialRecord, HistogramError> {
    let stats = &result.stats;
    let wall_ns = stats.worker_cpu.wall_ns;
    let kinds = stats
        .kinds
        .iter()
        .map(|(kind, stats)| Ok((*kind, kind_record(stats)?)))
        .collect::<Result<_, HistogramError>>()?;
    Ok(TrialRecord {
        round: result.round,
        started_at: rfc3339(result.started_at),
        length_ns: result.length_ns,
        total: stats.total.clone(),
        measured: stats.measured.clone(),
        identities: (site.counted.iter().cloned())
            .zip(stats.identities.iter().cloned())
            .collect(),
        addresses: (site.addrs.iter().map(ToString::to_string))
            .zip(stats.addresses.iter().cloned())
            .collect(),
        kinds,
        anatomy: target_ledgers
            .map(|target| AnatomyRecord::of(&stats.ledgers, target))
            .transpose()?,
        proofs: stats.proofs.clone(),
        observed: all_observed(&stats.observed),
        observed_before: all_observed(&stats.observed_before),
        resumption: site.cell.resumed.map(|_| stats.resumption),
        fleet: site.fleet.as_ref().map(|_| stats.fleet),
        token: Some(stats.token).filter(|token| token.asked() > 0),
        events: (site.events.iter().zip(&stats.events))
            .zip(&result.happened)
            .map(|((plan, counts), happened)| event_record(plan, counts, happened))
            .collect::<Result<_, HistogramError>>()?,
        prime: result.prime.clone(),
        worker_cpu: stats.worker_cpu,
        target_cpu: result.target_cpu,
        stolen: result.stolen,
        throttled: result.throttled,
        stalls: stats.stalls,
        longest_pause: Some(result.longest_pause),
        target_counts,
        in_flight_mean: if wall_ns > 0 {
            stats.in_flight_area_ns as f64 / wall_ns as f64
        } else {
            0.0
        },
        in_flight_area_us: result.scheduled.map(|_| stats.in_flight_area_ns / 1_000),
        in_flight_max: result.in_flight_max,
        held_max: result.held_max,
        lost_while_held: stats.lost.values().map(|lost| lost.count).sum(),
        lost: stats.lost.clone(),
        cut_off: stats
            .cut_off
            .iter()
            .map(|(phase, cut)| Ok((*phase, CutOffRecord::of(cut)?)))
            .collect::<Result<_, HistogramError>>()?,
        memory_before: result.memory_before,
        memory_max: result.memory_max,
        scheduled_ns: result.scheduled.map(|(at, _)| ns(at)),
        late_ns: result.scheduled.map(|(_, late)| ns(late)),
        timeline: result.timeline.clone(),
        interrupted: result.interrupted,
    })
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn event_record(
    plan: &EventPlan,
    counts: &EventCounts,
    happened: &Happened,
) -> Result<EventRecord, HistogramError> {
    let at_ns = plan.at.and_then(|at| u64::try_from(at.as_nanos()).ok());
    let record = EventRecord::of(plan.kind, at_ns, counts)?;
    Ok(EventRecord {
        revoked: plan.revocation.as_ref().map(|_| happened.revoked),
        in_place_ns: happened.in_place_ns,
        hook_ended_ns: happened.hook_ended_ns,
        error: happened.error.clone(),
        ..record
    })
}

fn kind_record(stats: &KindStats) -> Result<KindRecord, HistogramError> {
    let mut histograms = BTreeMap::new();
    for metric in Metric::ALL {
        let histogram = stats.histogram(metric);
        if histogram.samples() + histogram.overflow() > 0 {
            histograms.insert(metric.label().to_owned(), HistogramRecord::of(histogram)?);
        }
    }
    Ok(KindRecord {
        histograms,
        handshake_bytes_out: stats.handshake_bytes_out,
        handshake_bytes_in: stats.handshake_bytes_in,
    })
}

fn all_observed(tally: &ObservedTally) -> Vec<ObservedRecord> {
    let sorted = tally.sorted();
    sorted.iter().map(|(o, n)| observed(o, *n)).collect()
}

fn observed(observed: &Observed, count: u64) -> ObservedRecord {
    ObservedRecord {
        count,
        provider: observed.provider.to_owned(),
        version: version_name(observed.version),
        cipher_suite: cipher_suite_name(observed.suite),
        group: group_name(observed.group),
        server_signature: scheme_name(observed.server_scheme),
        client_signature: scheme_name(observed.client_scheme),
        certificate_requested: observed.certificate_requested,
        certificate_sent: observed.certificate_sent,
        alpn: observed.alpn.map(|id| id.to_string()),
        resumed: observed.resumed,
    }
}

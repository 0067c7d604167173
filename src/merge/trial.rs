//! One trial of several shards.

use std::collections::BTreeMap;

use crate::record::{
    AnatomyRecord, CutOffRecord, EntryRecord, EventRecord, HistogramRecord, LedgerRecord,
    ObservedRecord, PlanRecord, ReturnRecord, TimelineRecord, TrialRecord, WaitsRecord,
};
use crate::stats::{
    CancelPhase, HistogramError, OkKind, PauseWatch, SparseHistogram, Stage, Timing, merge_failures,
};

/// Sums of histograms that results keep.
type Durations = SparseHistogram<3>;

/// What is summed of a trial.
#[derive(Debug)]
pub(super) struct TrialFold {
    /// All but the histograms.
    sum: TrialRecord,
    histograms: Histograms,
}

/// Sums of the histograms of a trial.
#[derive(Debug, Default)]
struct Histograms {
    kinds: BTreeMap<OkKind, BTreeMap<String, Durations>>,
    /// By kind of session, and by work, algorithm and passage.
    entries: BTreeMap<(OkKind, Entry), Durations>,
    cut_off: BTreeMap<CancelPhase, Durations>,
    /// By event.
    back: BTreeMap<usize, Durations>,
    latency: BTreeMap<u64, SparseHistogram<2>>,
}

/// What an entry of a ledger is of.
type Entry = (String, Option<String>, String);

impl TrialFold {
    /// That of the first shard.
    ///
    /// Fails if a stored histogram is damaged.
    pub(super) fn of(mut trial: TrialRecord) -> Result<Self, HistogramError> {
        let mut histograms = Histograms::default();
        histograms.take(&mut trial)?;
        Ok(Self {
            sum: alone(trial),
            histograms,
        })
    }

    /// Adds a shard's, or that of several that were merged.
    ///
    /// Fails if a stored histogram is damaged.
    pub(super) fn add(&mut self, mut trial: TrialRecord) -> Result<(), HistogramError> {
        self.histograms.take(&mut trial)?;
        add(&mut self.sum, alone(trial));
        Ok(())
    }

    /// The trial of all shards; `whole` if there will be no more.
    ///
    /// Fails only if the compressor of histograms does.
    pub(super) fn finish(
        self,
        plan: &PlanRecord,
        whole: bool,
    ) -> Result<TrialRecord, HistogramError> {
        let mut trial = self.sum;
        self.histograms.put(&mut trial)?;
        trial.observed.sort_by_key(order);
        trial.observed_before.sort_by_key(order);
        recompute(&mut trial, plan);
        if whole {
            trial.timeline.iter_mut().for_each(|row| row.waits = None);
        }
        Ok(trial)
    }
}

impl Histograms {
    /// Takes those of a trial out of it, and adds them.
    fn take(&mut self, trial: &mut TrialRecord) -> Result<(), HistogramError> {
        for (kind, record) in &mut trial.kinds {
            let sums = self.kinds.entry(*kind).or_default();
            for (metric, stored) in std::mem::take(&mut record.histograms) {
                sums.entry(metric).or_default().add(&stored.decode()?);
            }
        }
        for (kind, ledger) in trial.anatomy.iter_mut().flat_map(|a| &mut a.client) {
            for entry in &mut ledger.entries {
                let sum = self.entries.entry((*kind, of_entry(entry))).or_default();
                sum.add(&taken(&mut entry.time).decode()?);
            }
        }
        for (phase, cut) in &mut trial.cut_off {
            let sum = self.cut_off.entry(*phase).or_default();
            sum.add(&taken(&mut cut.age).decode()?);
        }
        for (index, event) in trial.events.iter_mut().enumerate() {
            if let Some(returns) = &mut event.returns {
                let sum = self.back.entry(index).or_default();
                sum.add(&taken(&mut returns.back).decode()?);
            }
        }
        for row in &mut trial.timeline {
            if let Some(stored) = row.latency.take() {
                let sum = self.latency.entry(row.second).or_default();
                sum.add(&stored.decode()?);
            }
        }
        Ok(())
    }

    /// Puts the sums into a trial.
    fn put(self, trial: &mut TrialRecord) -> Result<(), HistogramError> {
        for (kind, sums) in self.kinds {
            if let Some(record) = trial.kinds.get_mut(&kind) {
                for (metric, sum) in sums {
                    let stored = HistogramRecord::of(&sum.dense())?;
                    record.histograms.insert(metric, stored);
                }
            }
        }
        for (kind, ledger) in trial.anatomy.iter_mut().flat_map(|a| &mut a.client) {
            for entry in &mut ledger.entries {
                if let Some(sum) = self.entries.get(&(*kind, of_entry(entry))) {
                    entry.time = HistogramRecord::of(&sum.dense())?;
                }
            }
        }
        for (phase, sum) in self.cut_off {
            if let Some(cut) = trial.cut_off.get_mut(&phase) {
                let age = sum.dense();
                cut.median_ns = age.median().and_then(Timing::exact);
                cut.age = HistogramRecord::of(&age)?;
            }
        }
        for (index, sum) in self.back {
            if let Some(returns) = trial.events.get_mut(index).and_then(|e| e.returns.as_mut()) {
                returns.back = HistogramRecord::of(&sum.dense())?;
            }
        }
        for row in &mut trial.timeline {
            if let Some(sum) = self.latency.get(&row.second) {
                row.latency = Some(HistogramRecord::of(&sum.dense())?);
            }
        }
        Ok(())
    }
}

/// A trial without what is the target's, which is none or another of each shard.
fn alone(trial: TrialRecord) -> TrialRecord {
    let anatomy = trial.anatomy.map(|anatomy| AnatomyRecord {
        target: BTreeMap::new(),
        ..anatomy
    });
    TrialRecord {
        anatomy,
        target_cpu: None,
        target_counts: None,
        ..trial
    }
}

/// Adds a trial to another; neither has histograms any more.
fn add(sum: &mut TrialRecord, mut other: TrialRecord) {
    sum.started_at = std::mem::take(&mut sum.started_at).min(other.started_at);
    sum.length_ns = sum.length_ns.max(other.length_ns);
    sum.total.merge(&other.total);
    sum.measured.merge(&other.measured);
    add_each(&mut sum.identities, other.identities, |a, b| a.merge(&b));
    add_each(&mut sum.addresses, other.addresses, |a, b| a.merge(&b));
    add_each(&mut sum.kinds, other.kinds, |a, b| {
        a.handshake_bytes_out += b.handshake_bytes_out;
        a.handshake_bytes_in += b.handshake_bytes_in;
    });
    if let (Some(mine), Some(theirs)) = (&mut sum.anatomy, other.anatomy) {
        add_each(&mut mine.client, theirs.client, add_ledger);
    }
    add_each(&mut sum.proofs, other.proofs, |a, b| *a += b);
    add_observed(&mut sum.observed, other.observed);
    add_observed(&mut sum.observed_before, other.observed_before);
    add_option(&mut sum.resumption, other.resumption, |a, b| a.merge(&b));
    add_option(&mut sum.fleet, other.fleet, |a, b| a.merge(&b));
    add_option(&mut sum.token, other.token, |a, b| a.merge(&b));
    // A trial that was not loaded has none.
    if sum.events.is_empty() {
        sum.events = std::mem::take(&mut other.events);
    }
    for (mine, theirs) in sum.events.iter_mut().zip(other.events) {
        add_event(mine, theirs);
    }
    add_option(&mut sum.prime, other.prime, |a, b| a.merge(&b));
    sum.worker_cpu.merge(&other.worker_cpu);
    add_option(&mut sum.stolen, other.stolen, |a, b| *a = a.max(b));
    add_option(&mut sum.throttled, other.throttled, |a, b| {
        a.periods += b.periods;
        a.throttled_ns += b.throttled_ns;
    });
    sum.stalls.merge(&other.stalls);
    add_option(
        &mut sum.in_flight_area_us,
        other.in_flight_area_us,
        |a, b| *a += b,
    );
    sum.in_flight_max = sum.in_flight_max.max(other.in_flight_max);
    sum.held_max = sum.held_max.max(other.held_max);
    sum.lost_while_held += other.lost_while_held;
    merge_failures(&mut sum.lost, &other.lost);
    add_each(&mut sum.cut_off, other.cut_off, add_cut_off);
    add_option(&mut sum.memory_before, other.memory_before, |a, b| *a += b);
    add_option(&mut sum.memory_max, other.memory_max, |a, b| *a += b);
    add_option(&mut sum.late_ns, other.late_ns, |a, b| *a = b.max(*a));
    add_timeline(&mut sum.timeline, other.timeline);
    sum.interrupted |= other.interrupted;
}

/// Computes what is no sum of the shards' values.
fn recompute(trial: &mut TrialRecord, plan: &PlanRecord) {
    let wall_ns = trial.worker_cpu.wall_ns;
    let area_us = trial.in_flight_area_us.unwrap_or(0);
    trial.in_flight_mean = match wall_ns {
        0 => 0.0,
        wall_ns => area_us as f64 * 1e3 / wall_ns as f64,
    };
    let rows = || trial.timeline.iter();
    let in_flight = rows().map(|row| row.in_flight_max).max();
    let held = rows().map(|row| row.held).max();
    trial.held_max = trial.held_max.max(held.unwrap_or(0));
    if rows().any(|row| row.waits.is_some()) {
        let ns = |seconds: f64| std::time::Duration::from_secs_f64(seconds).as_nanos();
        let ns = |seconds: f64| u64::try_from(ns(seconds)).unwrap_or(u64::MAX);
        let measure = ns(plan.warmup_s)..ns(plan.warmup_s + plan.duration_s);
        let mut watch = PauseWatch::of(measure);
        for row in rows() {
            if let Some(waits) = row.waits {
                watch.see(row.second, waits.waiting, waits.answered);
            }
        }
        trial.longest_pause = Some(watch.longest());
    }
    trial.in_flight_max = trial.in_flight_max.max(in_flight.unwrap_or(0));
}

fn add_each<K: Ord, V>(mine: &mut BTreeMap<K, V>, theirs: BTreeMap<K, V>, add: impl Fn(&mut V, V)) {
    for (key, value) in theirs {
        match mine.get_mut(&key) {
            Some(sum) => add(sum, value),
            None => {
                mine.insert(key, value);
            }
        }
    }
}

fn add_option<V>(mine: &mut Option<V>, theirs: Option<V>, add: impl Fn(&mut V, V)) {
    match (mine, theirs) {
        (Some(mine), Some(theirs)) => add(mine, theirs),
        (mine @ None, theirs) => *mine = theirs,
        (Some(_), None) => {}
    }
}

fn add_ledger(sum: &mut LedgerRecord, other: LedgerRecord) {
    sum.sessions += other.sessions;
    sum.data_sent += other.data_sent;
    sum.data_received += other.data_received;
    sum.turns += other.turns;
    for entry in other.entries {
        let of = of_entry(&entry);
        match sum.entries.iter_mut().find(|mine| of_entry(mine) == of) {
            Some(mine) => mine.count += entry.count,
            None => sum.entries.push(entry),
        }
    }
    sum.entries.sort_by_key(of_entry);
    for flight in other.flights {
        let same = |mine: &&mut _| place(mine) == place(&flight);
        match sum.flights.iter_mut().find(same) {
            Some(mine) => {
                mine.sessions += flight.sessions;
                mine.bytes += flight.bytes;
            }
            None => sum.flights.push(flight),
        }
    }
    sum.flights.sort_by_key(place);
}

fn place(flight: &crate::record::FlightRecord) -> (usize, bool) {
    (flight.place, flight.sent)
}

fn of_entry(entry: &EntryRecord) -> Entry {
    let passage = entry.passage.to_string();
    (entry.work.clone(), entry.algorithm.clone(), passage)
}

fn add_observed(sum: &mut Vec<ObservedRecord>, other: Vec<ObservedRecord>) {
    for observed in other {
        let same = |mine: &&mut ObservedRecord| {
            observed
                == ObservedRecord {
                    count: observed.count,
                    ..(**mine).clone()
                }
        };
        match sum.iter_mut().find(same) {
            Some(mine) => mine.count += observed.count,
            None => sum.push(observed),
        }
    }
}

/// The most frequent first, as in the result of one process.
fn order(observed: &ObservedRecord) -> impl Ord + use<> {
    let o = observed.clone();
    let kind = (o.version, o.cipher_suite, o.group, o.provider);
    let signatures = (o.server_signature, o.client_signature);
    let certificate = (o.certificate_requested, o.certificate_sent);
    (
        u64::MAX - o.count,
        kind,
        signatures,
        certificate,
        o.alpn,
        o.resumed,
    )
}

fn add_event(sum: &mut EventRecord, other: EventRecord) {
    add_option(&mut sum.revoked, other.revoked, |a, b| *a = b.max(*a));
    add_option(&mut sum.in_place_ns, other.in_place_ns, |a, b| {
        *a = b.min(*a);
    });
    add_option(&mut sum.hook_ended_ns, other.hook_ended_ns, |a, b| {
        *a = b.max(*a);
    });
    add_option(&mut sum.error, other.error, |a, b| {
        *a = std::mem::take(a).min(b);
    });
    add_option(&mut sum.before, other.before, |a, b| a.merge(&b));
    add_option(&mut sum.after, other.after, |a, b| a.merge(&b));
    add_option(&mut sum.outlived, other.outlived, |a, b| a.merge(&b));
    add_option(&mut sum.changes, other.changes, |a, b| a.merge(&b));
    add_option(&mut sum.returns, other.returns, |a, b: ReturnRecord| {
        a.dropped += b.dropped;
        a.attempts += b.attempts;
    });
}

fn add_cut_off(sum: &mut CutOffRecord, other: CutOffRecord) {
    let none = |cut: &CutOffRecord| cut.stages.values().sum::<u64>() == 0;
    if none(&other) {
        return;
    }
    if none(sum) {
        sum.youngest_ns = other.youngest_ns;
    }
    sum.youngest_ns = sum.youngest_ns.min(other.youngest_ns);
    sum.oldest_ns = sum.oldest_ns.max(other.oldest_ns);
    sum.confirmed += other.confirmed;
    add_each::<Stage, u64>(&mut sum.stages, other.stages, |a, b| *a += b);
}

/// Rows of one second are added; there may be none of a second in which nothing happened.
fn add_timeline(sum: &mut Vec<TimelineRecord>, other: Vec<TimelineRecord>) {
    for row in other {
        let place = sum.binary_search_by_key(&row.second, |mine| mine.second);
        match place {
            Ok(index) => {
                let mine = &mut sum[index];
                mine.started += row.started;
                mine.not_started += row.not_started;
                mine.ok += row.ok;
                mine.failed += row.failed;
                add_each(&mut mine.failures, row.failures, |a, b| *a += b);
                mine.in_flight_max += row.in_flight_max;
                mine.held += row.held;
                add_option(&mut mine.waits, row.waits, |a: &mut WaitsRecord, b| {
                    a.waiting.merge(b.waiting);
                    a.answered.merge(b.answered);
                });
            }
            Err(index) => sum.insert(index, row),
        }
    }
}

/// Takes a stored histogram, and leaves an empty one.
fn taken(stored: &mut HistogramRecord) -> HistogramRecord {
    let empty = HistogramRecord {
        count: 0,
        overflow: 0,
        hdr_v2_deflate: String::new(),
        ages: None,
    };
    std::mem::replace(stored, empty)
}

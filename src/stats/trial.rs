//! The statistics of one trial. Each worker has its own; the engine merges them.
//!
//! A sample belongs to the phase of its scheduled start. The accounting has every attempt; the histograms have those of
//! the measure phase that were not refused, right-censored at their age where a duration did not end.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Accounting, CancelPhase, CutOff, EventCounts, FailureRecord, FleetCounts, LatencyHistogram,
    LedgersByKind, Metric, NotStarted, ObservedTally, OkKind, Outcome, Phase, Proof,
    ResumptionCounts, Sample, Stage, Stalls, Timing, TokenCounts, merge_failures, merge_ledgers,
};

/// Histograms of the sessions of one kind that were not refused, and sums of the confirmed ones.
#[derive(Debug, Clone, PartialEq)]
pub struct KindStats {
    histograms: [LatencyHistogram; Metric::ALL.len()],
    /// Sum over sessions of [`Sample::handshake_bytes_out`].
    pub handshake_bytes_out: u64,
    /// Sum over sessions of [`Sample::handshake_bytes_in`].
    pub handshake_bytes_in: u64,
}

impl KindStats {
    fn new() -> Self {
        Self {
            histograms: std::array::from_fn(|_| LatencyHistogram::new()),
            handshake_bytes_out: 0,
            handshake_bytes_in: 0,
        }
    }

    /// The histogram of one metric.
    pub(crate) fn histogram(&self, metric: Metric) -> &LatencyHistogram {
        &self.histograms[metric as usize]
    }

    fn record(&mut self, metric: Metric, timing: Option<Timing>) {
        if let Some(timing) = timing {
            self.histograms[metric as usize].add(timing);
        }
    }

    fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.histograms.iter_mut().zip(&other.histograms) {
            mine.merge(theirs);
        }
        self.handshake_bytes_out += other.handshake_bytes_out;
        self.handshake_bytes_in += other.handshake_bytes_in;
    }
}

/// CPU of a set of threads over a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WindowRecord")]
pub struct CpuWindow {
    /// CPU time, user and system, of all threads.
    pub cpu_ns: u64,
    /// CPU time of the busiest worker.
    #[serde(default)]
    pub busiest_cpu_ns: u64,
    /// Wall time.
    pub wall_ns: u64,
    /// Attempts that ended in it.
    pub ended: u64,
    /// Sessions that were confirmed in it.
    pub confirmed: u64,
}

impl CpuWindow {
    /// Adds another thread's window.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.cpu_ns += other.cpu_ns;
        self.busiest_cpu_ns = self.busiest_cpu_ns.max(other.busiest_cpu_ns);
        self.wall_ns = self.wall_ns.max(other.wall_ns);
        self.ended += other.ended;
        self.confirmed += other.confirmed;
    }

    /// The share of the time that the busiest thread was on the CPU.
    pub(crate) fn busiest(&self) -> f64 {
        self.busiest_cpu_ns as f64 / self.wall_ns.max(1) as f64
    }

    /// CPU microseconds per session that ended in the window. `None` if more than one in a hundred
    /// failed: what failures cost says nothing about a session.
    pub fn us_per_session(&self) -> Option<f64> {
        let counts = self.ended > 0 && self.confirmed as f64 >= 0.99 * self.ended as f64;
        counts.then(|| self.cpu_ns as f64 / 1e3 / self.ended as f64)
    }
}

/// Everything counted in one trial by one worker, or by all once merged.
#[derive(Debug, Clone, Default)]
pub struct TrialStats {
    /// Every arrival, whatever its phase.
    pub total: Accounting,
    /// Arrivals of the measure phase.
    pub measured: Accounting,
    /// Attempts by the identity they presented, where a cell has several, whatever their phase.
    pub identities: Vec<Accounting>,
    /// Attempts by the address they connected to, where a cell has several, whatever their phase.
    pub addresses: Vec<Accounting>,
    /// Sessions of the measure phase that were not refused, by kind.
    pub kinds: BTreeMap<OkKind, KindStats>,
    /// Where the time of these sessions went, by kind; empty unless they are metered.
    pub ledgers: LedgersByKind,
    /// What proved acceptance, over confirmed sessions of the measure phase.
    pub proofs: BTreeMap<Proof, u64>,
    /// What was negotiated, over handshakes of the measure phase that the client finished.
    pub observed: ObservedTally,
    /// The same over handshakes before the measure phase, those that fill the stores among them.
    pub observed_before: ObservedTally,
    /// What became of the plan to resume sessions; zeros where resumption is off.
    pub resumption: ResumptionCounts,
    /// Identities loaded and found loaded; zeros without a fleet.
    pub fleet: FleetCounts,
    /// Signatures made in PKCS#11 tokens; zeros where no key is in one.
    pub token: TokenCounts,
    /// What came of the cell's events, in their order.
    pub events: Vec<EventCounts>,
    /// The workers' CPU time in the measure phase.
    pub worker_cpu: CpuWindow,
    /// Σ over attempts of the time in flight within the CPU window, in session-nanoseconds.
    pub in_flight_area_ns: u64,
    /// Confirmed sessions that the server ended while we held them open, by how.
    pub lost: BTreeMap<String, FailureRecord>,
    /// What the trial's end cut off and is no failure, whatever its phase.
    pub cut_off: BTreeMap<CancelPhase, CutOff>,
    /// Stalls of workers in the measure phase.
    pub stalls: Stalls,
}

impl TrialStats {
    /// Counts an attempt's start.
    pub fn start(&mut self, phase: Phase) {
        self.total.start();
        if phase == Phase::Measure {
            self.measured.start();
        }
    }

    /// Counts arrivals of one phase that never became attempts.
    pub(crate) fn skip(&mut self, phase: Phase, reason: NotStarted, count: u64) {
        self.total.skip(reason, count);
        if phase == Phase::Measure {
            self.measured.skip(reason, count);
        }
    }

    /// Counts a finished attempt.
    pub fn finish(&mut self, sample: &Sample) {
        self.total.finish(&sample.outcome, sample.ended_ns);
        let shares = [
            (&mut self.identities, sample.identity),
            (&mut self.addresses, sample.address),
        ];
        for (counts, index) in shares {
            if let Some(index) = index {
                let count = nth(counts, index);
                count.start();
                count.finish(&sample.outcome, sample.ended_ns);
            }
        }
        if sample.phase == Phase::Measure {
            self.measured.finish(&sample.outcome, sample.ended_ns);
            self.measure(sample);
        } else if let Some(observed) = sample.observed {
            self.observed_before.add(observed, 1);
        }
    }

    /// Counts an attempt that was cancelled in `stage`, or a confirmed session that was held or closing.
    pub(crate) fn cut(&mut self, by: CancelPhase, stage: Stage, age_ns: u64, confirmed: bool) {
        let cut = self.cut_off.entry(by).or_default();
        cut.add(stage, age_ns, confirmed);
    }

    fn measure(&mut self, sample: &Sample) {
        if let Some(planned) = sample.resumed {
            let observed = sample.observed.as_ref();
            self.resumption
                .add(planned, sample.offer, observed, &sample.outcome);
        }
        if let Some(observed) = sample.observed {
            self.observed.add(observed, 1);
        }
        if !sample.outcome.is_timed() {
            return;
        }
        let stats = self.kinds.entry(sample.kind).or_insert_with(KindStats::new);
        stats.record(Metric::Connect, sample.connect);
        stats.record(Metric::WayIn, sample.way_in);
        stats.record(Metric::Handshake, sample.handshake);
        stats.record(Metric::Confirm, sample.confirm);
        stats.record(Metric::Exchange, sample.exchange);
        stats.record(Metric::Service, sample.service);
        stats.record(Metric::Latency, sample.latency());
        stats.record(Metric::Lag, Some(Timing::At(sample.lag_ns)));
        if let Outcome::Ok { proof, .. } = sample.outcome {
            *self.proofs.entry(proof).or_default() += 1;
            stats.handshake_bytes_out += sample.handshake_bytes_out;
            stats.handshake_bytes_in += sample.handshake_bytes_in;
        }
    }

    /// Records one exchange of a session of the measure phase.
    pub(crate) fn exchange(&mut self, kind: OkKind, timing: Timing) {
        let stats = self.kinds.entry(kind).or_insert_with(KindStats::new);
        stats.record(Metric::Exchange, Some(timing));
    }

    /// Adds another worker's statistics, in any order.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.total.merge(&other.total);
        self.measured.merge(&other.measured);
        for (mine, theirs) in [
            (&mut self.identities, &other.identities),
            (&mut self.addresses, &other.addresses),
        ] {
            for (index, theirs) in theirs.iter().enumerate() {
                nth(mine, index).merge(theirs);
            }
        }
        for (kind, stats) in &other.kinds {
            self.kinds
                .entry(*kind)
                .or_insert_with(KindStats::new)
                .merge(stats);
        }
        merge_ledgers(&mut self.ledgers, &other.ledgers);
        for (proof, count) in &other.proofs {
            *self.proofs.entry(*proof).or_default() += count;
        }
        self.observed.merge(&other.observed);
        self.observed_before.merge(&other.observed_before);
        self.resumption.merge(&other.resumption);
        self.fleet.merge(&other.fleet);
        self.token.merge(&other.token);
        if self.events.len() < other.events.len() {
            self.events
                .resize_with(other.events.len(), EventCounts::default);
        }
        for (mine, theirs) in self.events.iter_mut().zip(&other.events) {
            mine.merge(theirs);
        }
        self.worker_cpu.merge(&other.worker_cpu);
        self.in_flight_area_ns += other.in_flight_area_ns;
        merge_failures(&mut self.lost, &other.lost);
        for (phase, cut) in &other.cut_off {
            self.cut_off.entry(*phase).or_default().merge(cut);
        }
        self.stalls.merge(&other.stalls);
    }
}

/// A count by its index, made if it is not there yet.
fn nth(counts: &mut Vec<Accounting>, index: usize) -> &mut Accounting {
    if counts.len() <= index {
        counts.resize(index + 1, Accounting::default());
    }
    &mut counts[index]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::FailureClass;

    fn sample(phase: Phase, outcome: Outcome) -> Sample {
        Sample {
            ended_ns: 1_500_000_000,
            outcome,
            lag_ns: 10,
            connect: Some(Timing::At(100)),
            handshake: Some(Timing::At(200)),
            confirm: Some(Timing::At(300)),
            service: Some(Timing::At(400)),
            handshake_bytes_out: 5,
            handshake_bytes_in: 6,
            ..Sample::begun(phase)
        }
    }

    fn ok() -> Outcome {
        Outcome::Ok {
            kind: OkKind::Full,
            proof: Proof::ApplicationData,
        }
    }

    #[test]
    fn warmup_is_accounted_but_not_measured() {
        let mut stats = TrialStats::default();
        stats.start(Phase::Warmup);
        stats.finish(&sample(Phase::Warmup, ok()));
        stats.start(Phase::Measure);
        stats.finish(&sample(Phase::Measure, ok()));
        stats.skip(Phase::Measure, NotStarted::MaxInFlight, 1);
        assert_eq!(stats.total.scheduled, 3);
        assert_eq!(stats.measured.scheduled, 2);
        let full = &stats.kinds[&OkKind::Full];
        assert_eq!(full.histogram(Metric::Confirm).count(), 1);
        assert_eq!(full.histogram(Metric::Latency).max(), Some(Timing::At(410)));
        stats.total.check().unwrap();
        stats.measured.check().unwrap();
    }

    #[test]
    fn who_is_refused_stays_out_of_the_percentiles() {
        let mut stats = TrialStats::default();
        stats.start(Phase::Measure);
        let failed = Outcome::Failed {
            class: FailureClass::ConnectRefused,
            message: String::new(),
        };
        stats.finish(&sample(Phase::Measure, failed));
        assert!(stats.kinds.is_empty());
        assert_eq!(stats.measured.failed_total(), 1);
    }

    #[test]
    fn who_has_no_answer_counts_with_its_age() {
        let mut stats = TrialStats::default();
        stats.start(Phase::Measure);
        let silent = Outcome::Failed {
            class: FailureClass::Unanswered(Stage::Confirm),
            message: String::new(),
        };
        let age = 5_000_000_000;
        let silent = Sample {
            confirm: Some(Timing::Beyond(age)),
            exchange: Some(Timing::Beyond(age)),
            service: Some(Timing::Beyond(age)),
            ..sample(Phase::Measure, silent)
        };
        stats.finish(&silent);
        stats.start(Phase::Measure);
        stats.finish(&sample(Phase::Measure, ok()));
        let full = &stats.kinds[&OkKind::Full];
        for (metric, ended, pending) in [
            (Metric::Connect, 2, 0),
            (Metric::Handshake, 2, 0),
            (Metric::Confirm, 1, 1),
            (Metric::Exchange, 0, 1),
            (Metric::Latency, 1, 1),
            (Metric::Lag, 2, 0),
        ] {
            let histogram = full.histogram(metric);
            let counts = (histogram.count(), histogram.pending());
            assert_eq!(counts, (ended, pending), "{}", metric.label());
        }
        assert_eq!(full.handshake_bytes_out, 5, "of the confirmed one");
    }

    #[test]
    fn merging_sums_workers() {
        let mut a = TrialStats::default();
        a.start(Phase::Measure);
        a.finish(&sample(Phase::Measure, ok()));
        let mut merged = TrialStats::default();
        merged.merge(&a);
        merged.merge(&a);
        assert_eq!(merged.total.started, 2);
        assert_eq!(merged.kinds[&OkKind::Full].handshake_bytes_in, 12);
        assert_eq!(merged.proofs[&Proof::ApplicationData], 2);
    }
}

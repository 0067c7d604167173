//! The mergeable statistics of one trial: what every worker keeps for itself and the engine sums.
//!
//! A sample belongs to the phase of its scheduled start. Only samples of the measure phase enter
//! the histograms, whenever they end; every attempt of every phase enters the accounting.

use std::collections::BTreeMap;

use super::{
    Accounting, CancelPhase, CutOff, LatencyHistogram, LedgersByKind, NotStarted, Observed,
    ObservedTally, Offer, OkKind, Outcome, Proof, ResumptionCounts, Stage, Stalls, merge_ledgers,
};

/// The part of a trial that an arrival falls into by its scheduled start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Runs, is accounted for, is not measured.
    Warmup,
    /// Is measured.
    Measure,
}

/// A duration that is kept as a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// From the connect call to the established TCP connection.
    Connect,
    /// From the established connection until the client has sent its last handshake flight.
    Handshake,
    /// From the established connection to the first proof that the server accepted us.
    Confirm,
    /// From a request's first byte sent to its response's last byte read.
    Exchange,
    /// From the scheduled start to the proof: what a user who wanted a session then waited.
    Latency,
    /// From the actual start to the proof: latency without the generator's own delay.
    Service,
    /// From the scheduled to the actual start: the generator's own delay.
    Lag,
}

impl Metric {
    /// Every metric, in the order of display.
    pub const ALL: [Self; 7] = [
        Self::Connect,
        Self::Handshake,
        Self::Confirm,
        Self::Exchange,
        Self::Latency,
        Self::Service,
        Self::Lag,
    ];

    /// The stable label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Handshake => "handshake",
            Self::Confirm => "confirm",
            Self::Exchange => "exchange",
            Self::Latency => "latency",
            Self::Service => "service",
            Self::Lag => "lag",
        }
    }
}

/// One finished attempt. Durations are `None` for what was not reached.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The phase its scheduled start falls into.
    pub phase: Phase,
    /// When it ended, in nanoseconds after the trial's start.
    pub ended_ns: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// Which of the cell's identities it presented, where there are several.
    pub identity: Option<usize>,
    /// Whether it was planned to resume an earlier session; `None` where resumption is off.
    pub resumed: Option<bool>,
    /// What became of that plan.
    pub offer: Offer,
    /// What its handshake negotiated, if one completed.
    pub observed: Option<Observed>,
    /// See [`Metric::Lag`].
    pub lag_ns: u64,
    /// See [`Metric::Connect`].
    pub connect_ns: Option<u64>,
    /// See [`Metric::Handshake`].
    pub handshake_ns: Option<u64>,
    /// See [`Metric::Confirm`].
    pub confirm_ns: Option<u64>,
    /// See [`Metric::Service`].
    pub service_ns: Option<u64>,
    /// TCP payload bytes sent until the client's handshake was finished.
    pub handshake_bytes_out: u64,
    /// TCP payload bytes received until the client's handshake was finished.
    pub handshake_bytes_in: u64,
}

impl Sample {
    /// An attempt that has begun and reached nothing yet. Unless an outcome is recorded, it was cut off.
    pub fn begun(phase: Phase) -> Self {
        Self {
            phase,
            ended_ns: 0,
            outcome: Outcome::Cancelled(CancelPhase::Drain),
            identity: None,
            resumed: None,
            offer: Offer::default(),
            observed: None,
            lag_ns: 0,
            connect_ns: None,
            handshake_ns: None,
            confirm_ns: None,
            service_ns: None,
            handshake_bytes_out: 0,
            handshake_bytes_in: 0,
        }
    }

    /// See [`Metric::Latency`].
    pub fn latency_ns(&self) -> Option<u64> {
        let service_ns = self.service_ns?;
        Some(service_ns.saturating_add(self.lag_ns))
    }
}

/// Histograms and sums of the confirmed sessions of one kind.
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
    pub fn histogram(&self, metric: Metric) -> &LatencyHistogram {
        &self.histograms[metric as usize]
    }

    fn record(&mut self, metric: Metric, ns: Option<u64>) {
        if let Some(ns) = ns {
            self.histograms[metric as usize].record(ns);
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

/// CPU time of a set of threads over a stretch of wall time, and what was done in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuWindow {
    /// CPU time, user and system, of all threads together.
    pub cpu_ns: u64,
    /// CPU time of the busiest of them.
    pub busiest_cpu_ns: u64,
    /// Wall time, of the longest thread.
    pub wall_ns: u64,
    /// Sessions that ended (any outcome) between the two clock readings.
    pub ended: u64,
    /// Sessions that were confirmed between the two clock readings.
    pub confirmed: u64,
}

impl CpuWindow {
    /// Adds another thread's window.
    pub fn merge(&mut self, other: &Self) {
        self.cpu_ns += other.cpu_ns;
        self.busiest_cpu_ns = self.busiest_cpu_ns.max(other.busiest_cpu_ns);
        self.wall_ns = self.wall_ns.max(other.wall_ns);
        self.ended += other.ended;
        self.confirmed += other.confirmed;
    }
}

/// One second of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimelineRow {
    /// Attempts that began in it.
    pub started: u64,
    /// Arrivals in it that never became attempts.
    pub not_started: u64,
    /// Sessions confirmed in it.
    pub ok: u64,
    /// Attempts that failed in it.
    pub failed: u64,
    /// Most attempts in flight at once, summed over workers.
    pub in_flight_max: u64,
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
    /// Confirmed sessions of the measure phase, by kind.
    pub kinds: BTreeMap<OkKind, KindStats>,
    /// Where the time of these sessions went, by kind; empty unless they are metered.
    pub ledgers: LedgersByKind,
    /// What proved acceptance, over confirmed sessions of the measure phase.
    pub proofs: BTreeMap<Proof, u64>,
    /// What was negotiated, over handshakes of the measure phase that the client finished.
    pub observed: ObservedTally,
    /// What became of the plan to resume sessions; zeros where resumption is off.
    pub resumption: ResumptionCounts,
    /// The workers' CPU time in the measure phase.
    pub worker_cpu: CpuWindow,
    /// Σ over attempts of the time in flight within the CPU window, in session-nanoseconds.
    pub in_flight_area_ns: u64,
    /// Confirmed sessions that the server closed while we held them open.
    pub lost_while_held: u64,
    /// What the trial's end cut off and is no failure, whatever its phase.
    pub cut_off: BTreeMap<CancelPhase, CutOff>,
    /// Times in the measure phase in which a worker stood still.
    pub stalls: Stalls,
    /// Seconds since the trial's start.
    pub timeline: Vec<TimelineRow>,
}

impl TrialStats {
    /// Counts an attempt's start.
    pub fn start(&mut self, phase: Phase, at_ns: u64, in_flight: u64) {
        self.total.start();
        if phase == Phase::Measure {
            self.measured.start();
        }
        let row = self.row(at_ns);
        row.started += 1;
        row.in_flight_max = row.in_flight_max.max(in_flight);
    }

    /// Notes that `in_flight` attempts were in flight from one time to another.
    pub fn in_flight_between(&mut self, from_ns: u64, to_ns: u64, in_flight: u64) {
        for second in from_ns / 1_000_000_000..=to_ns / 1_000_000_000 {
            let row = self.row(second * 1_000_000_000);
            row.in_flight_max = row.in_flight_max.max(in_flight);
        }
    }

    /// Counts arrivals of one phase and second that never became attempts.
    pub fn skip(&mut self, phase: Phase, at_ns: u64, reason: NotStarted, count: u64) {
        self.total.skip(reason, count);
        if phase == Phase::Measure {
            self.measured.skip(reason, count);
        }
        self.row(at_ns).not_started += count;
    }

    /// Counts a finished attempt.
    pub fn finish(&mut self, sample: &Sample) {
        self.total.finish(&sample.outcome, sample.ended_ns);
        if let Some(index) = sample.identity {
            let identity = self.identity(index);
            identity.start();
            identity.finish(&sample.outcome, sample.ended_ns);
        }
        let row = self.row(sample.ended_ns);
        match sample.outcome {
            Outcome::Ok { .. } => row.ok += 1,
            Outcome::Failed { .. } => row.failed += 1,
            Outcome::Cancelled(_) => {}
        }
        if sample.phase == Phase::Measure {
            self.measured.finish(&sample.outcome, sample.ended_ns);
            self.measure(sample);
        }
    }

    /// Counts an attempt that was cancelled in `stage`, or a confirmed session that was held or closing.
    pub fn cut(&mut self, by: CancelPhase, stage: Stage, age_ns: u64, confirmed: bool) {
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
        let Outcome::Ok { kind, proof } = sample.outcome else {
            return;
        };
        *self.proofs.entry(proof).or_default() += 1;
        let stats = self.kinds.entry(kind).or_insert_with(KindStats::new);
        stats.record(Metric::Connect, sample.connect_ns);
        stats.record(Metric::Handshake, sample.handshake_ns);
        stats.record(Metric::Confirm, sample.confirm_ns);
        stats.record(Metric::Service, sample.service_ns);
        stats.record(Metric::Latency, sample.latency_ns());
        stats.record(Metric::Lag, Some(sample.lag_ns));
        stats.handshake_bytes_out += sample.handshake_bytes_out;
        stats.handshake_bytes_in += sample.handshake_bytes_in;
    }

    /// Records one exchange of a session of the measure phase.
    pub fn exchange(&mut self, kind: OkKind, ns: u64) {
        let stats = self.kinds.entry(kind).or_insert_with(KindStats::new);
        stats.record(Metric::Exchange, Some(ns));
    }

    /// Adds another worker's statistics; the order of merging does not matter.
    pub fn merge(&mut self, other: &Self) {
        self.total.merge(&other.total);
        self.measured.merge(&other.measured);
        for (index, theirs) in other.identities.iter().enumerate() {
            self.identity(index).merge(theirs);
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
        self.resumption.merge(&other.resumption);
        self.worker_cpu.merge(&other.worker_cpu);
        self.in_flight_area_ns += other.in_flight_area_ns;
        self.lost_while_held += other.lost_while_held;
        for (phase, cut) in &other.cut_off {
            self.cut_off.entry(*phase).or_default().merge(cut);
        }
        self.stalls.merge(&other.stalls);
        for (second, row) in other.timeline.iter().enumerate() {
            let mine = self.row_of_second(second);
            mine.started += row.started;
            mine.not_started += row.not_started;
            mine.ok += row.ok;
            mine.failed += row.failed;
            mine.in_flight_max += row.in_flight_max;
        }
    }

    fn identity(&mut self, index: usize) -> &mut Accounting {
        if self.identities.len() <= index {
            self.identities.resize(index + 1, Accounting::default());
        }
        &mut self.identities[index]
    }

    fn row(&mut self, at_ns: u64) -> &mut TimelineRow {
        self.row_of_second(usize::try_from(at_ns / 1_000_000_000).unwrap_or(usize::MAX))
    }

    fn row_of_second(&mut self, second: usize) -> &mut TimelineRow {
        if self.timeline.len() <= second {
            self.timeline.resize(second + 1, TimelineRow::default());
        }
        &mut self.timeline[second]
    }
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
            connect_ns: Some(100),
            handshake_ns: Some(200),
            confirm_ns: Some(300),
            service_ns: Some(400),
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
        stats.start(Phase::Warmup, 0, 1);
        stats.finish(&sample(Phase::Warmup, ok()));
        stats.start(Phase::Measure, 1_000_000_000, 1);
        stats.finish(&sample(Phase::Measure, ok()));
        stats.skip(Phase::Measure, 1_000_000_000, NotStarted::MaxInFlight, 1);
        assert_eq!(stats.total.scheduled, 3);
        assert_eq!(stats.measured.scheduled, 2);
        let full = &stats.kinds[&OkKind::Full];
        assert_eq!(full.histogram(Metric::Confirm).count(), 1);
        assert_eq!(full.histogram(Metric::Latency).max(), Some(410));
        assert_eq!(
            stats.timeline[1],
            TimelineRow {
                started: 1,
                not_started: 1,
                ok: 2,
                failed: 0,
                in_flight_max: 1
            }
        );
        stats.total.check().unwrap();
        stats.measured.check().unwrap();
    }

    #[test]
    fn failures_stay_out_of_the_percentiles() {
        let mut stats = TrialStats::default();
        stats.start(Phase::Measure, 0, 1);
        let failed = Outcome::Failed {
            class: FailureClass::ConnectRefused,
            message: String::new(),
        };
        stats.finish(&sample(Phase::Measure, failed));
        assert!(stats.kinds.is_empty());
        assert_eq!(stats.measured.failed_total(), 1);
    }

    #[test]
    fn merging_sums_workers() {
        let mut a = TrialStats::default();
        a.start(Phase::Measure, 0, 2);
        a.finish(&sample(Phase::Measure, ok()));
        let mut merged = TrialStats::default();
        merged.merge(&a);
        merged.merge(&a);
        assert_eq!(merged.total.started, 2);
        assert_eq!(merged.kinds[&OkKind::Full].handshake_bytes_in, 12);
        assert_eq!(merged.timeline[0].in_flight_max, 4);
        assert_eq!(merged.proofs[&Proof::ApplicationData], 2);
    }
}

//! The shape of a result file. Field names are a promise: a change needs a new schema version and a
//! fixture of the old one.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AnatomyRecord, BuildInfo, CutOffRecord, Environment, EventRecord, ExpectationRecord,
    HistogramRecord, HostRecord, MergedShard, Pins, PlanRecord, ShardRecord,
};
use crate::clock::from_rfc3339;
use crate::scenario::{AuthMode, Cell};
use crate::stats::{
    Accounting, CancelPhase, CpuWindow, CutOff, FailureRecord, FleetCounts, HistogramError,
    Hundredths, LatencyHistogram, Metric, OkKind, Pause, Proof, ResumptionCounts, SecondHistogram,
    Stalls, TargetCounts, Throttled, TokenCounts,
};

/// Version of the result file's shape.
pub const SCHEMA_VERSION: u32 = 2;
/// The oldest version that is read. In files of schema 1 percentiles are over confirmed sessions alone: who had
/// no answer is in none, and is cancelled where the trial ended before its timeout.
pub const OLDEST_SCHEMA: u32 = 1;

/// A whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// Version of this shape.
    pub schema: u32,
    /// What made it.
    pub build: BuildInfo,
    /// When the first trial began, RFC 3339, UTC.
    pub started_at: String,
    /// When the last trial ended, RFC 3339, UTC.
    pub ended_at: String,
    /// The command line, without secrets: keys are only ever given as files.
    pub command: Vec<String>,
    /// What was asked, as resolved.
    pub plan: PlanRecord,
    /// On what; of merged shards the host of the first.
    pub environment: Environment,
    /// Which part of a run this is, where several processes did it together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<ShardRecord>,
    /// The shards that were merged, by their number; none of a run of one process.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<MergedShard>,
    /// The hosts that these ran on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostRecord>,
    /// What was measured.
    pub cells: Vec<CellRecord>,
    /// What the scenario expects to become of sessions, and whether it did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expectations: Vec<ExpectationRecord>,
    /// What a reader should know.
    pub warnings: Vec<Note>,
    /// Whether the run did what was asked.
    pub validity: Validity,
}

/// One cell and its trials.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CellRecord {
    /// What it was.
    pub cell: Cell,
    /// The address it connected to; several that took turns are separated by commas.
    pub address: String,
    /// What its handshakes had to negotiate.
    #[serde(default, skip_serializing_if = "Pins::is_empty")]
    pub pins: Pins,
    /// Its trials, in the order they ran.
    pub trials: Vec<TrialRecord>,
}

impl RunRecord {
    /// How many workers it had, over all shards.
    pub(crate) fn workers(&self) -> u64 {
        let of = |shard: &MergedShard| shard.part.workers as u64;
        match &self.shards[..] {
            [] => self.plan.workers(),
            shards => shards.iter().map(of).sum(),
        }
    }

    /// A time of a record; none if it is not RFC 3339.
    pub(crate) fn time(text: &str) -> Option<SystemTime> {
        from_rfc3339(text)
    }
}

impl CellRecord {
    /// The accounting of every phase, over all trials.
    pub fn total(&self) -> Accounting {
        self.sum(|trial| &trial.total)
    }

    /// The accounting of every phase, over all trials, of the attempts that presented an identity.
    pub fn of_identity(&self, name: &str) -> Accounting {
        let mut sum = Accounting::default();
        let counted = self.trials.iter().filter_map(|t| t.identities.get(name));
        counted.for_each(|accounting| sum.merge(accounting));
        sum
    }

    /// The accounting of the measure phase, over all trials.
    pub fn measured(&self) -> Accounting {
        self.sum(|trial| &trial.measured)
    }

    /// What became of the plan to resume sessions, over all trials; none where resumption is off.
    pub(crate) fn resumption(&self) -> Option<ResumptionCounts> {
        let trials = self.trials.iter();
        trials.filter_map(|t| t.resumption).reduce(|mut sum, next| {
            sum.merge(&next);
            sum
        })
    }

    /// What was cut off, over all trials.
    ///
    /// Fails if a stored histogram is damaged.
    pub(crate) fn cut_off(&self) -> Result<BTreeMap<CancelPhase, CutOff>, HistogramError> {
        let mut sum: BTreeMap<CancelPhase, CutOff> = BTreeMap::new();
        for (phase, stored) in self.trials.iter().flat_map(|trial| &trial.cut_off) {
            sum.entry(*phase).or_default().merge(&stored.decode()?);
        }
        Ok(sum)
    }

    fn sum(&self, of: impl Fn(&TrialRecord) -> &Accounting) -> Accounting {
        let mut sum = Accounting::default();
        self.trials.iter().for_each(|trial| sum.merge(of(trial)));
        sum
    }

    /// One metric's histogram over all trials.
    ///
    /// # Errors
    ///
    /// Fails if a stored histogram is damaged.
    pub fn histogram(&self, metric: Metric) -> Result<LatencyHistogram, HistogramError> {
        merged(self.trials.iter().map(|trial| trial.histogram(metric)))
    }

    /// Something a reader should know of it; the message begins with its name.
    pub(crate) fn note(&self, code: &str, message: impl Display, advice: &str) -> Note {
        Note::new(code, format!("{}: {message}", self.cell.name), advice)
    }

    /// Whether it used mutual authentication.
    pub fn is_mutual(&self) -> bool {
        self.cell.auth == AuthMode::Mutual
    }
}

fn merged(
    mut all: impl Iterator<Item = Result<LatencyHistogram, HistogramError>>,
) -> Result<LatencyHistogram, HistogramError> {
    let mut sum = all.next().transpose()?.unwrap_or_default();
    for next in all {
        sum.merge(&next?);
    }
    Ok(sum)
}

/// One trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrialRecord {
    /// The round it belongs to; trials of one round ran next to each other.
    pub round: usize,
    /// When it began, RFC 3339, UTC.
    pub started_at: String,
    /// From the first arrival until nothing was in flight any more.
    pub length_ns: u64,
    /// Every attempt, warm-up included.
    pub total: Accounting,
    /// Attempts whose scheduled start lay in the measure phase.
    pub measured: Accounting,
    /// Every attempt by the identity it presented, where the cell deals sessions out among several.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub identities: BTreeMap<String, Accounting>,
    /// Every attempt by the address it connected to, where there were several.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub addresses: BTreeMap<String, Accounting>,
    /// Sessions of the measure phase that were not refused, by kind.
    pub kinds: BTreeMap<OkKind, KindRecord>,
    /// Where the time of sessions went; absent where the run was not metered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anatomy: Option<AnatomyRecord>,
    /// What proved acceptance, over the confirmed sessions of the measure phase.
    pub proofs: BTreeMap<Proof, u64>,
    /// What was negotiated, over the handshakes of the measure phase.
    pub observed: Vec<ObservedRecord>,
    /// What was negotiated before the measure phase, priming included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed_before: Vec<ObservedRecord>,
    /// What became of the plan to resume sessions; `null` where resumption is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumption: Option<ResumptionCounts>,
    /// Identities of the fleet loaded and found loaded; `null` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<FleetCounts>,
    /// Signatures made in PKCS#11 tokens; `null` where none was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenCounts>,
    /// What came of the events of the trial.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventRecord>,
    /// Full sessions made ahead of the trial to fill the stores, of no other count or figure; `null`
    /// where no session was to be resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prime: Option<Accounting>,
    /// CPU of the workers in the measure phase.
    pub worker_cpu: CpuWindow,
    /// CPU of the embedded target in the measure phase.
    pub target_cpu: Option<CpuWindow>,
    /// Share of all CPU time, 0 to 1, that a hypervisor gave to others in the measure phase.
    #[serde(default)]
    pub stolen: Option<f64>,
    /// How a CPU quota stopped the process in the measure phase; `null` where there is none to see.
    #[serde(default)]
    pub throttled: Option<Throttled>,
    /// Times in the measure phase in which a worker stood still.
    #[serde(default)]
    pub stalls: Stalls,
    /// The longest wait for any answer in the measure phase; absent in results of earlier versions.
    #[serde(default)]
    pub longest_pause: Option<Pause>,
    /// The embedded target's own counts over the whole trial, priming left out.
    pub target_counts: Option<TargetCounts>,
    /// Attempts in flight on average over the measure phase.
    pub in_flight_mean: f64,
    /// Of shards: the time in flight within the measure phase in microseconds, summed over attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight_area_us: Option<u64>,
    /// Most attempts seen in flight at once.
    pub in_flight_max: u64,
    /// Most confirmed sessions seen held open at once.
    pub held_max: u64,
    /// Confirmed sessions that the server closed while they were held.
    pub lost_while_held: u64,
    /// The same by how the server ended them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lost: BTreeMap<String, FailureRecord>,
    /// What the trial's end cut off and is no failure, by how it ended.
    #[serde(default)]
    pub cut_off: BTreeMap<CancelPhase, CutOffRecord>,
    /// Memory of the process before the trial, in bytes.
    pub memory_before: Option<u64>,
    /// Most memory of the process during the trial, in bytes.
    pub memory_max: Option<u64>,
    /// Of shards: when the load was to begin, in nanoseconds after the start of all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_ns: Option<u64>,
    /// Of shards: how much later it did. A trial that would have begun more than 50 ms late is not loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_ns: Option<u64>,
    /// One row per second since the trial's start.
    pub timeline: Vec<TimelineRecord>,
    /// Whether the run was interrupted in it.
    pub interrupted: bool,
}

impl TrialRecord {
    /// One metric's histogram over sessions of every kind.
    ///
    /// # Errors
    ///
    /// Fails if a stored histogram is damaged.
    pub fn histogram(&self, metric: Metric) -> Result<LatencyHistogram, HistogramError> {
        merged(self.kinds.values().map(|kind| kind.histogram(metric)))
    }

    /// A sum over sessions of every kind.
    pub(crate) fn sum(&self, of: impl Fn(&KindRecord) -> u64) -> u64 {
        self.kinds.values().map(of).sum()
    }
}

/// Histograms of the sessions of one kind that were not refused, and sums of the confirmed ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KindRecord {
    /// By metric: connect, handshake, confirm, exchange, latency, service, lag. Empty ones are left
    /// out.
    pub histograms: BTreeMap<String, HistogramRecord>,
    /// TCP payload bytes sent until the client's handshakes were finished, summed.
    pub handshake_bytes_out: u64,
    /// TCP payload bytes received until then, summed.
    pub handshake_bytes_in: u64,
}

impl KindRecord {
    /// One metric's histogram; an empty one if nothing was recorded.
    ///
    /// Fails if the stored histogram is damaged.
    pub(crate) fn histogram(&self, metric: Metric) -> Result<LatencyHistogram, HistogramError> {
        match self.histograms.get(metric.label()) {
            Some(stored) => stored.decode(),
            None => Ok(LatencyHistogram::new()),
        }
    }
}

/// One combination of negotiated parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObservedRecord {
    /// How many handshakes negotiated it.
    pub count: u64,
    /// The provider of the client's cryptography in these; empty in results before providers could be chosen.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub provider: String,
    /// Protocol version.
    pub version: String,
    /// Cipher suite.
    pub cipher_suite: String,
    /// Key exchange group.
    pub group: String,
    /// Scheme of the server's handshake signature.
    pub server_signature: String,
    /// Scheme of the client's.
    pub client_signature: String,
    /// Whether the server asked for a certificate.
    pub certificate_requested: bool,
    /// Whether the client sent one.
    pub certificate_sent: bool,
    /// The protocol chosen by ALPN.
    pub alpn: Option<String>,
    /// Whether an earlier session was resumed. Then nobody signs and no certificate is asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumed: bool,
}

/// One second of a trial.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimelineRecord {
    /// Seconds since the trial's start.
    pub second: u64,
    /// Attempts begun.
    pub started: u64,
    /// Arrivals that did not become attempts.
    pub not_started: u64,
    /// Sessions confirmed.
    pub ok: u64,
    /// Attempts failed.
    pub failed: u64,
    /// The same by class; absent without any, and in results of earlier versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failures: BTreeMap<String, u64>,
    /// Most attempts in flight, summed over workers.
    pub in_flight_max: u64,
    /// Confirmed sessions held open at its end; absent where there were none, and in results of earlier versions.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub held: u64,
    /// When sessions waited for an answer and when they had one; only in results of shards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<WaitsRecord>,
    /// Latencies of the sessions that ended in it and were not refused, to two significant digits; whatever
    /// their phase, so warm-up and drain have them too. Absent without any, and in results of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<HistogramRecord>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The hundredths of a second in which sessions waited for an answer, and in which one had it: 128 bits in hexadecimal
/// digits, of which the last stands for the first hundredths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitsRecord {
    /// Sessions waited.
    pub waiting: Hundredths,
    /// One was answered.
    pub answered: Hundredths,
}

impl TimelineRecord {
    /// Latencies of the sessions that ended in it; an empty histogram if there are none.
    ///
    /// # Errors
    ///
    /// Fails if the stored histogram is damaged.
    pub fn latency(&self) -> Result<SecondHistogram, HistogramError> {
        match &self.latency {
            Some(stored) => stored.decode(),
            None => Ok(SecondHistogram::new()),
        }
    }
}

/// Something a reader should know, with a stable code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// Stable, for machines.
    pub code: String,
    /// What happened, with its numbers.
    pub message: String,
    /// What to do.
    pub advice: String,
}

impl Note {
    /// Builds a note.
    pub(crate) fn new(code: &str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            advice: advice.into(),
        }
    }
}

/// Whether the run did what was asked (invariant 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Validity {
    /// Whether every planned trial ran to its end.
    pub complete: bool,
    /// Whether the numbers answer the question that was asked.
    pub valid: bool,
    /// Why not.
    pub reasons: Vec<Note>,
}

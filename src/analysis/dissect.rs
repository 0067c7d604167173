//! Where the time of a cell's sessions went, in figures: by step and operation, over its trials.
//!
//! The trial is the unit: of every entry the median session of each trial is taken, and of the trials
//! their median with the smallest and the largest. Times are microseconds per session.

use std::collections::BTreeMap;

use crate::record::{AnatomyRecord, CellRecord, LedgerRecord, TrialRecord};
use crate::stats::{End, Entry, HistogramError, LatencyHistogram, OkKind, Spread, Step, Work};

/// A kind may be other than the rest of its cell in no more than this share for the CPU of the cell's
/// threads to be put down to it.
const MOST_OTHERS: f64 = 0.01;

/// The sessions of one kind of one cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Dissection {
    /// Their kind.
    pub kind: OkKind,
    /// The client's end.
    pub client: EndFigures,
    /// The embedded target's end, where the target is ours.
    pub target: Option<EndFigures>,
}

/// One end of these sessions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EndFigures {
    /// Sessions, over all trials.
    pub sessions: u64,
    /// What they spent their time on, by step, work and algorithm. What has no step comes last.
    pub entries: Vec<EntryFigures>,
    /// All crypto operations.
    pub crypto_us: Option<Spread>,
    /// CPU time of this end's threads per session; none where the cell has sessions of other kinds.
    pub cpu_us: Option<Spread>,
    /// CPU time that no entry explains.
    pub rest_us: Option<Spread>,
    /// The share of the CPU time that entries explain.
    pub explained: Option<Spread>,
    /// Entries made per session, each of which costs the metering itself.
    pub spans: f64,
    /// The flights of the handshake.
    pub flights: Vec<FlightFigures>,
    /// Bytes sent and received per session once the handshake was complete.
    pub data: (f64, f64),
    /// How often this end waited for the other in the handshake.
    pub turns: f64,
}

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryFigures {
    /// The step it belongs to.
    pub step: Option<Step>,
    /// What was done.
    pub work: Work,
    /// With which algorithm.
    pub algorithm: Option<String>,
    /// Exclusive time per session.
    pub us: Spread,
    /// How often per session.
    pub times: f64,
}

/// One flight of a handshake.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlightFigures {
    /// Whether this end sent it.
    pub sent: bool,
    /// Bytes per session that had it.
    pub bytes: f64,
}

impl EndFigures {
    /// The sum over the entries of a step; zero where nothing belongs to it.
    pub fn step_us(&self, step: Step) -> f64 {
        let of_step = self.entries.iter().filter(|e| e.step == Some(step));
        of_step.map(|entry| entry.us.median).sum()
    }

    /// The time of a kind of work, whatever step and algorithm.
    pub fn work_us(&self, work: Work) -> f64 {
        let of_work = self.entries.iter().filter(|e| e.work == work);
        of_work.map(|entry| entry.us.median).sum()
    }
}

/// Dissects a cell, kind by kind; nothing where it was not metered.
///
/// # Errors
///
/// Fails if a stored histogram is damaged.
pub fn dissect(cell: &CellRecord) -> Result<Vec<Dissection>, HistogramError> {
    let anatomies = cell.trials.iter().filter_map(|t| t.anatomy.as_ref());
    let mut kinds: Vec<OkKind> = anatomies.flat_map(|a| a.client.keys().copied()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let each = kinds.into_iter().map(|kind| {
        Ok(Dissection {
            kind,
            client: end(cell, kind, End::Client)?.unwrap_or_default(),
            target: end(cell, kind, End::Server)?,
        })
    });
    each.collect()
}

/// Which work, with which algorithm, in which step. Its order is that of display.
type Key = (u8, Work, Option<String>);

/// One trial of one end: the median session's time by key, and how often over all sessions.
#[derive(Default)]
struct TrialFigures {
    us: BTreeMap<Key, f64>,
    counts: BTreeMap<Key, u64>,
    cpu_us: Option<f64>,
}

impl TrialFigures {
    fn of(trial: &TrialRecord, kind: OkKind, end: End) -> Result<Option<Self>, HistogramError> {
        let Some(ledger) = trial.anatomy.as_ref().and_then(|a| a.ledger(kind, end)) else {
            return Ok(None);
        };
        let mut figures = Self {
            cpu_us: cpu_us(trial, kind, end),
            ..Self::default()
        };
        for stored in &ledger.entries {
            let Some(work) = Work::of_label(&stored.work) else {
                continue;
            };
            let entry = Entry {
                work,
                // Only whether there is one matters for the step.
                algorithm: stored.algorithm.as_ref().map(|_| ""),
                passage: stored.passage,
            };
            // What has no step sorts behind those that have one.
            let step = Step::of(end, &entry).map_or(u8::MAX, Step::number);
            let key = (step, work, stored.algorithm.clone());
            let time: LatencyHistogram = stored.time.decode()?;
            let ns = time.median_among(ledger.sessions);
            *figures.us.entry(key.clone()).or_default() += ns.unwrap_or(0) as f64 / 1e3;
            *figures.counts.entry(key).or_default() += stored.count;
        }
        Ok(Some(figures))
    }

    fn sum(&self, of: impl Fn(Work) -> bool) -> f64 {
        let all = self.us.iter();
        all.filter(|((_, work, _), _)| of(*work))
            .map(|(_, us)| us)
            .sum()
    }
}

/// CPU per session of an end's threads, if practically all sessions were of this kind.
fn cpu_us(trial: &TrialRecord, kind: OkKind, end: End) -> Option<f64> {
    let (of_kind, all) = (trial.measured.ok_of(kind), trial.measured.ok_total());
    let others = (all - of_kind) as f64;
    let window = match end {
        End::Client => trial.worker_cpu,
        End::Server => trial.target_cpu?,
    };
    (all > 0 && others <= MOST_OTHERS * all as f64)
        .then(|| window.us_per_session())
        .flatten()
}

fn end(cell: &CellRecord, kind: OkKind, end: End) -> Result<Option<EndFigures>, HistogramError> {
    let mut trials = Vec::new();
    for trial in &cell.trials {
        trials.extend(TrialFigures::of(trial, kind, end)?);
    }
    let anatomies = cell.trials.iter().filter_map(|t| t.anatomy.as_ref());
    let ledgers: Vec<&LedgerRecord> = anatomies.filter_map(|a| a.ledger(kind, end)).collect();
    let sessions: u64 = ledgers.iter().map(|ledger| ledger.sessions).sum();
    if sessions == 0 {
        return Ok(None);
    }
    let per_session = |sum: u64| sum as f64 / sessions as f64;
    let over_trials =
        |of: &dyn Fn(&TrialFigures) -> Option<f64>| Spread::of(trials.iter().filter_map(of));
    let mut keys: Vec<&Key> = trials.iter().flat_map(|trial| trial.us.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let entries = keys.into_iter().filter_map(|key| {
        let count = trials
            .iter()
            .filter_map(|trial| trial.counts.get(key))
            .sum();
        Some(EntryFigures {
            step: Step::ALL.into_iter().find(|step| step.number() == key.0),
            work: key.1,
            algorithm: key.2.clone(),
            us: over_trials(&|trial| Some(trial.us.get(key).copied().unwrap_or(0.0)))?,
            times: per_session(count),
        })
    });
    let is_crypto = |work| matches!(work, Work::Crypto(_));
    let spans = trials.iter().flat_map(|trial| trial.counts.values()).sum();
    let sum = |of: fn(&LedgerRecord) -> u64| per_session(ledgers.iter().map(|l| of(l)).sum());
    Ok(Some(EndFigures {
        sessions,
        entries: entries.collect(),
        crypto_us: over_trials(&|trial| Some(trial.sum(is_crypto))),
        cpu_us: over_trials(&|trial| trial.cpu_us),
        rest_us: over_trials(&|trial| Some(trial.cpu_us? - trial.sum(|_| true))),
        explained: over_trials(&|trial| Some(trial.sum(|_| true) / trial.cpu_us?)),
        spans: per_session(spans),
        flights: flights(&ledgers),
        data: (sum(|l| l.data_sent), sum(|l| l.data_received)),
        turns: sum(|l| l.turns),
    }))
}

/// The flights that most sessions had.
fn flights(ledgers: &[&LedgerRecord]) -> Vec<FlightFigures> {
    let sessions: u64 = ledgers.iter().map(|ledger| ledger.sessions).sum();
    let mut sums: BTreeMap<(usize, bool), (u64, u64)> = BTreeMap::new();
    for flight in ledgers.iter().flat_map(|ledger| &ledger.flights) {
        let (had, bytes) = sums.entry((flight.place, flight.sent)).or_default();
        *had += flight.sessions;
        *bytes += flight.bytes;
    }
    let common = sums.into_iter().filter(|(_, (had, _))| *had > sessions / 2);
    common
        .map(|((_, sent), (had, bytes))| FlightFigures {
            sent,
            bytes: bytes as f64 / had as f64,
        })
        .collect()
}

impl AnatomyRecord {
    fn ledger(&self, kind: OkKind, end: End) -> Option<&LedgerRecord> {
        match end {
            End::Client => self.client.get(&kind),
            End::Server => self.target.get(&kind),
        }
    }
}

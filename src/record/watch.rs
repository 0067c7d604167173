//! What the generator noticed about itself in a trial, its CPU time, and what the trial's end cut off: parts of the
//! result file's shape, see `model`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::HistogramRecord;
use crate::stats::{CutOff, HistogramError, Stage, Timing};

/// What a CPU quota did to the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ThrottledRecord {
    /// Periods of the quota in which the process was stopped.
    pub periods: u64,
    /// How long, summed over cores.
    pub throttled_ns: u64,
}

/// Times in which a worker's watchdog woke more than 50 ms late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StallRecord {
    /// How many, over all workers.
    pub count: u64,
    /// The longest.
    pub longest_ns: u64,
    /// The sum of the worker that lost most.
    pub worst_ns: u64,
}

/// CPU of a set of threads over a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowRecord {
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

impl WindowRecord {
    /// The share of the time that the busiest thread was on the CPU.
    pub fn busiest(&self) -> f64 {
        self.busiest_cpu_ns as f64 / self.wall_ns.max(1) as f64
    }

    /// CPU microseconds per session that ended in the window. `None` if more than one in a hundred
    /// failed: what failures cost says nothing about a session.
    pub fn us_per_session(&self) -> Option<f64> {
        let counts = self.ended > 0 && self.confirmed as f64 >= 0.99 * self.ended as f64;
        counts.then(|| self.cpu_ns as f64 / 1e3 / self.ended as f64)
    }
}

/// Cancelled attempts and confirmed sessions that were in flight when a trial was cut off; files of schema 1
/// have here what had no answer by the deadline, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CutOffRecord {
    /// How many were in each stage.
    pub stages: BTreeMap<Stage, u64>,
    /// How many of them are counted as ok, because the server had confirmed them; the others are
    /// counted as cancelled.
    pub confirmed: u64,
    /// From the scheduled start of the youngest to the cut.
    pub youngest_ns: u64,
    /// The median age, from the histogram; `null` if one is too old for it.
    pub median_ns: Option<u64>,
    /// From the scheduled start of the oldest to the cut.
    pub oldest_ns: u64,
    /// Every age.
    pub age: HistogramRecord,
}

impl CutOffRecord {
    /// Encodes what was cut off.
    ///
    /// # Errors
    ///
    /// Fails only if the compressor does.
    pub fn of(cut: &CutOff) -> Result<Self, HistogramError> {
        Ok(Self {
            stages: cut.stages.clone(),
            confirmed: cut.confirmed,
            youngest_ns: cut.youngest_ns,
            median_ns: cut.age.median().and_then(Timing::exact),
            oldest_ns: cut.oldest_ns,
            age: HistogramRecord::of(&cut.age)?,
        })
    }

    /// Decodes it again.
    ///
    /// # Errors
    ///
    /// Fails if the stored histogram is damaged.
    pub fn decode(&self) -> Result<CutOff, HistogramError> {
        Ok(CutOff {
            stages: self.stages.clone(),
            confirmed: self.confirmed,
            youngest_ns: self.youngest_ns,
            oldest_ns: self.oldest_ns,
            age: self.age.decode()?,
        })
    }
}

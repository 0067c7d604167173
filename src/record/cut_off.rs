//! What a trial's end cut off: a part of the result file's shape, see `model`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::HistogramRecord;
use crate::stats::{CutOff, HistogramError, Stage, Timing};

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
    /// Fails only if the compressor does.
    pub(crate) fn of(cut: &CutOff) -> Result<Self, HistogramError> {
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
    /// Fails if the stored histogram is damaged.
    pub(crate) fn decode(&self) -> Result<CutOff, HistogramError> {
        Ok(CutOff {
            stages: self.stages.clone(),
            confirmed: self.confirmed,
            youngest_ns: self.youngest_ns,
            oldest_ns: self.oldest_ns,
            age: self.age.decode()?,
        })
    }
}

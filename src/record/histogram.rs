//! A histogram as it is kept in a result file. Nanoseconds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::stats::{DurationHistogram, HistogramError};

/// A histogram of nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistogramRecord {
    /// Durations in it, all of which ended.
    pub count: u64,
    /// Durations too long for it.
    pub overflow: u64,
    /// `HdrHistogram` V2, deflated, in base64.
    pub hdr_v2_deflate: String,
    /// Durations that had not ended, by their age; absent where all had, and in files of schema 1. A percentile is
    /// over both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ages: Option<AgesRecord>,
}

/// Ages, in nanoseconds, of durations that had not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgesRecord {
    /// How many.
    pub count: u64,
    /// `HdrHistogram` V2, deflated, in base64. What is older than the histogram goes is kept at its end.
    pub hdr_v2_deflate: String,
}

impl HistogramRecord {
    /// Encodes a histogram.
    ///
    /// # Errors
    ///
    /// Fails only if the compressor does.
    pub fn of<const DIGITS: u8>(
        histogram: &DurationHistogram<DIGITS>,
    ) -> Result<Self, HistogramError> {
        let ages = histogram.encode_ages()?;
        Ok(Self {
            count: histogram.count(),
            overflow: histogram.overflow(),
            hdr_v2_deflate: histogram.encode()?,
            ages: ages.map(|hdr_v2_deflate| AgesRecord {
                count: histogram.pending(),
                hdr_v2_deflate,
            }),
        })
    }

    /// Decodes it again.
    ///
    /// # Errors
    ///
    /// Fails on anything that is not such a histogram.
    pub fn decode<const DIGITS: u8>(&self) -> Result<DurationHistogram<DIGITS>, HistogramError> {
        let ended = DurationHistogram::decode(&self.hdr_v2_deflate, self.overflow)?;
        match &self.ages {
            Some(ages) => ended.with_ages(&ages.hdr_v2_deflate),
            None => Ok(ended),
        }
    }
}

//! A histogram for other tools: its distribution step by step, and `HdrHistogram` logs of several.

use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::{DurationHistogram, HistogramError, LatencyHistogram};

/// A step through a distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DistributionStep {
    /// No sample up to `quantile` is larger, in nanoseconds, to the histogram's precision.
    pub ns: u64,
    /// From 0 to 1.
    pub quantile: f64,
    /// Samples that are not larger.
    pub count: u64,
}

impl LatencyHistogram {
    /// The distribution in steps that get finer towards its end: `ticks` each time the samples beyond
    /// have halved. It has all that ended, so the last step is the largest sample; where some had not
    /// ended, it comes to the share that they leave.
    pub(crate) fn distribution(&self, ticks: u32) -> Vec<DistributionStep> {
        if self.pending() > 0 {
            return self.estimated(ticks);
        }
        let mut count = 0;
        let steps = self.counts().iter_quantiles(ticks).map(|step| {
            count += step.count_since_last_iteration();
            DistributionStep {
                ns: step.value_iterated_to(),
                quantile: step.quantile_iterated_to(),
                count,
            }
        });
        steps.collect()
    }

    /// The steps of the estimate where some had not ended.
    fn estimated(&self, ticks: u32) -> Vec<DistributionStep> {
        let (mut count, mut next) = (0u64, 0.0);
        let mut steps = Vec::new();
        let mut falls = self.falls().peekable();
        while let Some(fall) = falls.next() {
            count = count.saturating_add(fall.ended);
            let quantile = 1.0 - fall.after;
            if quantile >= next || falls.peek().is_none() {
                steps.push(DistributionStep {
                    ns: fall.ns,
                    quantile,
                    count,
                });
                let halvings = (1.0 / fall.after.max(f64::EPSILON)).log2().floor() + 1.0;
                next = quantile + 1.0 / (f64::from(ticks) * halvings.exp2());
            }
        }
        steps
    }

    /// The ages of what had not ended, as durations; none where all had.
    pub(crate) fn ages_alone(&self) -> Option<Self> {
        let ages = self.ages()?;
        let mut alone = Self::new();
        for step in ages.iter_recorded() {
            alone.record_n(step.value_iterated_to(), step.count_at_value());
        }
        Some(alone)
    }

    /// The standard deviation in nanoseconds; none once a sample overflowed or had not ended.
    pub(crate) fn deviation(&self) -> Option<f64> {
        self.mean().map(|_| self.counts().stdev())
    }
}

impl<const DIGITS: u8> DurationHistogram<DIGITS> {
    /// How many of those that ended lie above the end before and not above each of these `ends`, which ascend;
    /// the first has all from zero. What lies above the last is left out.
    pub fn counts_between(&self, ends: &[u64]) -> Vec<u64> {
        let mut counts = vec![0; ends.len()];
        for step in self.counts().iter_recorded() {
            let place = ends.partition_point(|end| *end < step.value_iterated_to());
            if let Some(count) = counts.get_mut(place) {
                *count += step.count_since_last_iteration();
            }
        }
        counts
    }
}

/// An interval of a log: whose samples, from when after the log's start, for how long.
#[derive(Debug, Clone)]
pub struct LogInterval {
    /// Tells series of one log apart.
    pub tag: String,
    /// After the start of the log.
    pub start: Duration,
    /// How long samples were recorded.
    pub length: Duration,
    /// What was recorded.
    pub histogram: LatencyHistogram,
}

/// Nanoseconds of the unit in which a log gives the largest value of each interval.
const LARGEST_IN_NS: f64 = 1e6;

/// An `HdrHistogram` log, version 1.3: each interval in V2 deflate, with nanoseconds as values.
///
/// Fails only if the compressor does.
pub(crate) fn histogram_log(
    start: SystemTime,
    comment: &str,
    intervals: &[LogInterval],
) -> Result<String, HistogramError> {
    let broken = |e: &dyn std::fmt::Display| HistogramError::other(e.to_string());
    let mut out = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment(&format!("[{comment}]"))
        .with_start_time(start)
        .with_base_time(start)
        .with_max_value_divisor(LARGEST_IN_NS)
        .begin_log_with(&mut out, &mut serializer)
        .map_err(|e| broken(&e))?;
    for interval in intervals {
        let tag: String = interval
            .tag
            .replace(|c: char| c == ',' || c.is_whitespace(), "_");
        log.write_histogram(
            interval.histogram.counts(),
            interval.start,
            interval.length,
            Tag::new(&tag),
        )
        .map_err(|e| broken(&e))?;
    }
    String::from_utf8(out).map_err(|e| broken(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thousand() -> LatencyHistogram {
        let mut histogram = LatencyHistogram::new();
        (1..=1_000).for_each(|us| histogram.record(us * 1_000));
        histogram
    }

    #[test]
    fn a_distribution_ends_with_every_sample_and_gets_finer() {
        let steps = thousand().distribution(5);
        let last = steps.last().unwrap();
        assert_eq!((last.count, last.quantile), (1_000, 1.0));
        assert!(
            steps
                .windows(2)
                .all(|w| w[0].quantile <= w[1].quantile && w[0].ns <= w[1].ns)
        );
        let tail = steps.iter().filter(|step| step.quantile > 0.99).count();
        assert!(tail > 10, "{tail} steps beyond p99");
        assert!(LatencyHistogram::new().distribution(5).is_empty());
    }

    #[test]
    fn where_some_had_not_ended_a_distribution_stops_short() {
        let mut histogram = thousand();
        (0..1_000).for_each(|_| histogram.record_beyond(5_000_000_000));
        let steps = histogram.distribution(5);
        let last = steps.last().unwrap();
        assert_eq!(last.count, 1_000);
        assert!((last.quantile - 0.5).abs() < 1e-9, "{last:?}");
        assert!(steps.len() < 40, "{}", steps.len());
        let ages = histogram.ages_alone().unwrap();
        assert_eq!((ages.count(), ages.pending()), (1_000, 0));
        assert_eq!(thousand().ages_alone(), None);
    }

    #[test]
    fn a_log_has_a_line_per_interval_and_tags_without_separators() {
        let interval = LogInterval {
            tag: "mtls 1.3,x".to_owned(),
            start: Duration::from_millis(1_500),
            length: Duration::from_secs(2),
            histogram: thousand(),
        };
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let log = histogram_log(start, "latency in ns", &[interval.clone(), interval]).unwrap();
        let lines: Vec<&str> = log.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines.len(), 2, "{log}");
        assert!(
            lines[0].starts_with("Tag=mtls_1.3_x,1.500,2.000,1.000,HISTF"),
            "{log}"
        );
        assert!(
            log.contains("[StartTime: 1000.000 (seconds since epoch)]"),
            "{log}"
        );
    }
}

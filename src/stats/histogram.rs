//! A latency histogram that refuses to say what it does not know.
//!
//! Values are nanoseconds, kept to three significant digits up to [`LatencyHistogram::MAX_NS`], or to two
//! where there is one for every second.
//! What is larger is counted as overflow, never clamped; a percentile is only given when at least
//! ten samples lie beyond it. What had not ended is kept with its age, see `survival`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

use super::Timing;

/// A stored histogram that could not be read back.
#[derive(Debug, thiserror::Error)]
#[error("histogram is not valid HdrHistogram V2 deflate in base64: {0}")]
pub struct HistogramError(String);

impl HistogramError {
    pub(super) fn other(why: String) -> Self {
        Self(why)
    }
}

/// A histogram of durations in nanoseconds, each kept to `DIGITS` significant decimal digits.
#[derive(Debug, Clone)]
pub struct DurationHistogram<const DIGITS: u8> {
    counts: Histogram<u64>,
    overflow: u64,
    /// Ages of what had not ended; there is none unless something had not.
    ages: Option<Box<Histogram<u64>>>,
}

/// What percentiles of trials are taken from: three digits, about 280 kB.
pub type LatencyHistogram = DurationHistogram<3>;

/// What percentiles of a single second are taken from: two digits, about 35 kB.
pub type SecondHistogram = DurationHistogram<2>;

impl<const DIGITS: u8> DurationHistogram<DIGITS> {
    /// The largest duration that is recorded; longer ones are counted as overflow.
    pub const MAX_NS: u64 = 600_000_000_000;
    /// Significant decimal digits kept of every value.
    pub const SIGNIFICANT_DIGITS: u8 = DIGITS;
    /// Samples that must lie beyond a percentile before it is given, so that p99 takes 1,000
    /// samples and p99.9 takes 10,000.
    pub const SAMPLES_BEYOND: f64 = 10.0;

    /// An empty histogram.
    ///
    /// # Panics
    ///
    /// Never: the bounds are constants that the histogram library accepts.
    pub fn new() -> Self {
        Self {
            counts: Self::empty(),
            overflow: 0,
            ages: None,
        }
    }

    #[expect(clippy::expect_used, reason = "constant bounds, covered by every test")]
    fn empty() -> Histogram<u64> {
        Histogram::new_with_bounds(1, Self::MAX_NS, Self::SIGNIFICANT_DIGITS)
            .expect("constant bounds are valid")
    }

    /// What the library keeps.
    pub(super) fn counts(&self) -> &Histogram<u64> {
        &self.counts
    }

    /// Ages of what had not ended, as the library keeps them.
    pub(super) fn ages(&self) -> Option<&Histogram<u64>> {
        self.ages.as_deref()
    }

    /// Counts one duration, or one that had not ended.
    pub(crate) fn add(&mut self, timing: Timing) {
        match timing {
            Timing::At(ns) => self.record(ns),
            Timing::Beyond(age_ns) => self.record_beyond(age_ns),
        }
    }

    /// Counts one duration that had not ended at an age. A duration beyond a higher age than
    /// [`Self::MAX_NS`] is beyond that as well.
    pub fn record_beyond(&mut self, age_ns: u64) {
        let ages = self.ages.get_or_insert_with(|| Box::new(Self::empty()));
        ages.saturating_record(age_ns.clamp(1, Self::MAX_NS));
    }

    /// Counts one duration.
    pub fn record(&mut self, ns: u64) {
        if ns > Self::MAX_NS || self.counts.record(ns.max(1)).is_err() {
            self.overflow += 1;
        }
    }

    /// Counts one duration several times.
    pub(super) fn record_n(&mut self, ns: u64, count: u64) {
        if self.counts.record_n(ns.max(1), count).is_err() {
            self.overflow += count;
        }
    }

    /// Adds all of `other`'s samples; the order of merging does not matter.
    pub fn merge(&mut self, other: &Self) {
        self.overflow += other.overflow;
        if self.counts.add(&other.counts).is_err() {
            // Both sides have the same constant bounds; should that change, nothing may vanish.
            self.overflow += other.counts.len();
        }
        if let Some(theirs) = &other.ages {
            let ages = self.ages.get_or_insert_with(|| Box::new(Self::empty()));
            if ages.add(theirs.as_ref()).is_err() {
                self.overflow += theirs.len();
            }
        }
    }

    /// Durations that ended, without those that overflowed.
    pub fn count(&self) -> u64 {
        self.counts.len()
    }

    /// Durations that had not ended.
    pub fn pending(&self) -> u64 {
        self.ages.as_ref().map_or(0, |ages| ages.len())
    }

    /// All that percentiles are over: what ended and what had not, without what overflowed.
    pub fn samples(&self) -> u64 {
        self.count().saturating_add(self.pending())
    }

    /// Durations that ended and are longer than [`Self::MAX_NS`].
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    /// The quantile `q` (0 to 1), if enough samples lie beyond it and none that overflowed could have
    /// changed it. With fewer it is still beyond an age if the highest quantile with samples enough is.
    pub fn quantile(&self, q: f64) -> Option<Timing> {
        if self.overflow > 0 {
            return None;
        }
        let all = self.samples() as f64;
        // A hair of tolerance: 1,000 samples must give p99 although 1 - 0.99 rounds below 0.01.
        if all * (1.0 - q) + 1e-6 >= Self::SAMPLES_BEYOND {
            return Some(self.at(q, Self::SAMPLES_BEYOND));
        }
        let highest = 1.0 - Self::SAMPLES_BEYOND / all;
        (self.ages.is_some() && highest > 0.0)
            .then(|| self.at(highest, Self::SAMPLES_BEYOND))
            .filter(|timing| timing.exact().is_none())
    }

    fn at(&self, q: f64, beyond: f64) -> Timing {
        match self.ages {
            None => Timing::At(self.counts.value_at_quantile(q)),
            Some(_) => self.kaplan_meier(q, beyond),
        }
    }

    /// The largest, exact to the histogram's precision.
    pub fn max(&self) -> Option<Timing> {
        let largest = || match &self.ages {
            None => Timing::At(self.counts.max()),
            Some(_) => Timing::Beyond(self.at_least(self.samples() as f64)),
        };
        (self.samples() > 0 && self.overflow == 0).then(largest)
    }

    /// The smallest and the largest of those that ended, in nanoseconds, exact to the histogram's precision.
    pub(crate) fn range(&self) -> Option<(u64, u64)> {
        (self.count() > 0 && self.overflow == 0).then(|| (self.counts.min(), self.counts.max()))
    }

    /// The smallest, in nanoseconds; none if one that had not ended may be smaller.
    pub(crate) fn min(&self) -> Option<u64> {
        let smallest = (self.count() > 0).then(|| self.counts.min())?;
        let younger = |ages: &Histogram<u64>| ages.min() < smallest;
        (!self.ages().is_some_and(younger)).then_some(smallest)
    }

    /// The mean in nanoseconds; none once a sample overflowed or had not ended, which would have raised it.
    pub fn mean(&self) -> Option<f64> {
        let known = self.count() > 0 && self.overflow == 0 && self.ages.is_none();
        known.then(|| self.counts.mean())
    }

    /// What the mean is at least where some had not ended: as if they had ended at their age.
    pub fn mean_at_least(&self) -> Option<f64> {
        let ages = self.ages.as_ref().filter(|_| self.overflow == 0)?;
        let ended = self.counts.mean() * self.count() as f64;
        let pending = ages.mean() * self.pending() as f64;
        Some((ended + pending) / self.samples() as f64)
    }

    /// The median whatever the sample count: for comparing trials, where the trial is the unit and its
    /// median is a single observation.
    pub fn median(&self) -> Option<Timing> {
        (self.samples() > 0 && self.overflow == 0).then(|| self.at(0.5, 0.0))
    }

    /// The median in nanoseconds over `all` samples, of which those that were not recorded are zero;
    /// whatever the sample count, as [`Self::median`].
    pub(crate) fn median_among(&self, all: u64) -> Option<u64> {
        let zeros = all.checked_sub(self.count())?;
        if all == 0 || self.overflow > 0 {
            return None;
        }
        if zeros >= all - zeros {
            return Some(0);
        }
        let rank = (all as f64 / 2.0 - zeros as f64) / self.count() as f64;
        Some(self.counts.value_at_quantile(rank))
    }

    /// The durations that ended as `HdrHistogram` V2 deflate in base64, which other tools can read.
    ///
    /// Fails only if the compressor does.
    pub(crate) fn encode(&self) -> Result<String, HistogramError> {
        text_of(&self.counts)
    }

    /// The ages of what had not ended, in the same encoding; none where all had.
    ///
    /// Fails only if the compressor does.
    pub(crate) fn encode_ages(&self) -> Result<Option<String>, HistogramError> {
        self.ages().map(text_of).transpose()
    }

    /// Reads back what [`Self::encode`] wrote, with the overflow kept beside it.
    ///
    /// Fails if the text is not base64 or not a V2 deflate histogram.
    pub(crate) fn decode(text: &str, overflow: u64) -> Result<Self, HistogramError> {
        Ok(Self {
            counts: Self::decoded(text)?,
            overflow,
            ages: None,
        })
    }

    /// The same with the ages that [`Self::encode_ages`] wrote.
    ///
    /// As [`Self::decode`].
    pub(crate) fn with_ages(self, text: &str) -> Result<Self, HistogramError> {
        let ages = Some(Box::new(Self::decoded(text)?)).filter(|ages| !ages.is_empty());
        Ok(Self { ages, ..self })
    }

    /// Of the durations that ended, then of the ages of those that had not: each value that is kept, in order, and how
    /// many have it.
    pub(super) fn values(&self) -> [Vec<(u64, u64)>; 2] {
        let values = |counts: &Histogram<u64>| {
            let recorded = counts.iter_recorded();
            recorded
                .map(|value| (value.value_iterated_to(), value.count_at_value()))
                .collect()
        };
        [
            values(&self.counts),
            self.ages().map_or_else(Vec::new, values),
        ]
    }

    /// The histogram of what [`Self::values`] gave.
    pub(super) fn of_values([ended, ages]: &[Vec<(u64, u64)>; 2], overflow: u64) -> Self {
        let mut histogram = Self {
            overflow,
            ..Self::new()
        };
        for (ns, count) in ended {
            histogram.record_n(*ns, *count);
        }
        for (age_ns, count) in ages {
            let ages = histogram
                .ages
                .get_or_insert_with(|| Box::new(Self::empty()));
            ages.saturating_record_n((*age_ns).min(Self::MAX_NS), *count);
        }
        histogram
    }

    fn decoded(text: &str) -> Result<Histogram<u64>, HistogramError> {
        let stored = stored(text)?;
        let setup = (stored.low(), stored.high(), stored.sigfig());
        if setup == (1, Self::MAX_NS, Self::SIGNIFICANT_DIGITS) {
            return Ok(stored);
        }
        let mut decoded = Self::empty();
        decoded
            .add(stored)
            .map_err(|e| HistogramError(e.to_string()))?;
        Ok(decoded)
    }
}

fn text_of(counts: &Histogram<u64>) -> Result<String, HistogramError> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(counts, &mut bytes)
        .map_err(|e| HistogramError(e.to_string()))?;
    Ok(STANDARD.encode(bytes))
}

/// How a histogram was set up: values of differently set up ones are rounded differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistogramSetup {
    /// The smallest value that is told from zero, in nanoseconds.
    pub low_ns: u64,
    /// The largest value, in nanoseconds.
    pub high_ns: u64,
    /// Significant decimal digits.
    pub digits: u8,
}

impl HistogramSetup {
    /// The set-up of a histogram as [`LatencyHistogram::encode`] wrote it.
    ///
    /// Fails as [`LatencyHistogram::decode`] does.
    pub(crate) fn of(text: &str) -> Result<Self, HistogramError> {
        let stored = stored(text)?;
        Ok(Self {
            low_ns: stored.low(),
            high_ns: stored.high(),
            digits: stored.sigfig(),
        })
    }
}

fn stored(text: &str) -> Result<Histogram<u64>, HistogramError> {
    let bytes = STANDARD
        .decode(text)
        .map_err(|e| HistogramError(e.to_string()))?;
    Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .map_err(|e| HistogramError(e.to_string()))
}

impl<const DIGITS: u8> Default for DurationHistogram<DIGITS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const DIGITS: u8> PartialEq for DurationHistogram<DIGITS> {
    fn eq(&self, other: &Self) -> bool {
        self.overflow == other.overflow && self.counts == other.counts && self.ages == other.ages
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> LatencyHistogram {
        let mut histogram = LatencyHistogram::new();
        for value in values {
            histogram.record(*value);
        }
        histogram
    }

    #[test]
    fn samples_that_were_not_recorded_are_zero() {
        let mut histogram = LatencyHistogram::new();
        for ns in [100, 200, 300] {
            histogram.record(ns);
        }
        assert_eq!(histogram.median_among(3), Some(200));
        // Of 0 0 100 200 300 the middle is 100; of six and more it is zero.
        assert_eq!(histogram.median_among(5), Some(100));
        assert_eq!(histogram.median_among(6), Some(0));
        assert_eq!(histogram.median_among(2), None, "fewer than were recorded");
        assert_eq!(LatencyHistogram::new().median_among(4), Some(0));
        assert_eq!(LatencyHistogram::new().median_among(0), None);
    }

    #[test]
    fn percentiles_need_ten_samples_beyond() {
        let values: Vec<u64> = (1..=999).collect();
        assert_eq!(of(&values).quantile(0.99), None);
        let values: Vec<u64> = (1..=1_000).collect();
        assert!(of(&values).quantile(0.99).is_some());
        assert_eq!(of(&values).quantile(0.999), None);
        assert_eq!(LatencyHistogram::new().max(), None);
    }

    #[test]
    fn overflow_is_counted_and_silences_what_it_could_change() {
        let mut histogram = of(&vec![5; 2_000]);
        histogram.record(u64::MAX);
        assert_eq!(histogram.count(), 2_000);
        assert_eq!(histogram.overflow(), 1);
        assert_eq!(histogram.quantile(0.5), None);
        assert_eq!(histogram.max(), None);
    }

    #[test]
    fn a_second_is_kept_to_two_digits_and_refuses_as_much() {
        let mut second = SecondHistogram::new();
        for ns in 0..999 {
            second.record(1_000_000 + ns);
        }
        assert_eq!(second.quantile(0.99), None);
        second.record(1_234_567);
        let p99 = second.quantile(0.99).unwrap().least();
        assert!(p99.abs_diff(1_000_990) <= 10_000, "{p99}");
        assert_eq!(
            HistogramSetup::of(&second.encode().unwrap())
                .unwrap()
                .digits,
            2
        );
        let back = SecondHistogram::decode(&second.encode().unwrap(), 0).unwrap();
        assert_eq!(back, second);
        second.record(u64::MAX);
        assert_eq!((second.overflow(), second.quantile(0.5)), (1, None));
    }

    #[test]
    fn ages_are_kept_beside_and_read_back() {
        let mut histogram = of(&[5, 6, 7]);
        assert_eq!(histogram.encode_ages().unwrap(), None);
        histogram.record_beyond(u64::MAX);
        histogram.record_beyond(4);
        let back = LatencyHistogram::decode(&histogram.encode().unwrap(), 0).unwrap();
        assert_eq!(back, of(&[5, 6, 7]), "who knows no ages reads the rest");
        let back = back
            .with_ages(&histogram.encode_ages().unwrap().unwrap())
            .unwrap();
        assert_eq!(back, histogram);
        assert_eq!(back.min(), None, "one of age 4 may have ended at 4.5");
        assert!(back.max().unwrap().least() > 599_000_000_000);
    }

    #[test]
    fn garbage_is_an_error_not_a_panic() {
        for bad in ["", "%%%", "AAAA", "HISTFAAAAA=="] {
            assert!(LatencyHistogram::decode(bad, 0).is_err(), "{bad}");
            assert!(LatencyHistogram::new().with_ages(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn merging_is_order_free(a in prop::collection::vec(0u64..10_000_000_000, 0..50),
                                 b in prop::collection::vec(0u64..u64::MAX, 0..50)) {
            let (mut ab, mut ba) = (of(&a), of(&b));
            ab.merge(&of(&b));
            ba.merge(&of(&a));
            prop_assert_eq!(ab.count() + ab.overflow(), (a.len() + b.len()) as u64);
            prop_assert_eq!(ab, ba);
        }

        #[test]
        fn encoding_round_trips(values in prop::collection::vec(1u64..600_000_000_000, 0..100)) {
            let histogram = of(&values);
            let back = LatencyHistogram::decode(&histogram.encode().unwrap(), 3).unwrap();
            prop_assert_eq!(back.count(), histogram.count());
            prop_assert_eq!(back.median(), None);
            let back = LatencyHistogram::decode(&histogram.encode().unwrap(), 0).unwrap();
            prop_assert_eq!(back, histogram);
        }
    }
}

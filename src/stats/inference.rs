//! Effects from few noisy units (blocks, trials, runs): estimate, confidence interval, smallest detectable effect, and
//! Holm's correction for multiple comparisons.
//!
//! The estimate is a mean without the outer fifths, the interval Student's t with the winsorised variance
//! (Yuen 1974; Wilcox 2017, chapters 3 to 5). ADR 0020 has the simulation that chose it. Pure: no clocks,
//! no chance. Effects are whatever the caller subtracts, mostly natural logarithms of ratios.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// The share of units trimmed at each end.
const TRIM: f64 = 0.2;

/// Statistical power at [`Estimate::detectable`].
pub const POWER: f64 = 0.8;

/// Fewer units have no interval: Student's t is so wide then, and the spread so uncertain, that it would mean little.
pub const LEAST_UNITS: usize = 5;

/// An estimated effect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The effect.
    pub effect: f64,
    /// Its standard error; 0 where all units are equal.
    pub standard_error: f64,
    /// Degrees of freedom of Student's distribution.
    pub degrees: f64,
    /// How many units it was made of, on the smaller side.
    pub units: usize,
}

impl Estimate {
    /// The mean effect over paired units, such as blocks in mirrored order, in which a linear drift cancels out. `None`
    /// for fewer than two units, or one that is not finite.
    pub fn paired(effects: &[f64]) -> Option<Self> {
        let trimmed = Trimmed::of(effects)?;
        Some(Self {
            effect: trimmed.mean,
            standard_error: trimmed.variance.sqrt(),
            degrees: trimmed.kept - 1.0,
            units: effects.len(),
        })
    }

    /// The difference of two unpaired sides of unequal variance (Welch, Yuen). `None` as for [`Self::paired`].
    pub fn of_two(baseline: &[f64], candidate: &[f64]) -> Option<Self> {
        let (a, b) = (Trimmed::of(baseline)?, Trimmed::of(candidate)?);
        let variance = a.variance + b.variance;
        let spread = |side: &Trimmed| side.variance.powi(2) / (side.kept - 1.0);
        let degrees = variance.powi(2) / (spread(&a) + spread(&b));
        Some(Self {
            effect: b.mean - a.mean,
            standard_error: variance.sqrt(),
            degrees: if degrees.is_finite() {
                degrees
            } else {
                a.kept + b.kept - 2.0
            },
            units: baseline.len().min(candidate.len()),
        })
    }

    /// The confidence interval at this level (0 to 1).
    pub fn interval(&self, confidence: f64) -> (f64, f64) {
        let half = self.half_width(confidence);
        (self.effect - half, self.effect + half)
    }

    /// The smallest true effect that an interval at this level separates from zero with [`POWER`].
    pub(crate) fn detectable(&self, confidence: f64) -> f64 {
        self.half_width(confidence) + self.quantile(POWER) * self.standard_error
    }

    /// One-sided p-value of the effect being at most `limit`.
    pub(crate) fn p_not_above(&self, limit: f64) -> f64 {
        let distance = self.effect - limit;
        if self.standard_error == 0.0 {
            return if distance > 0.0 { 0.0 } else { 1.0 };
        }
        self.distribution()
            .map_or(1.0, |t| t.sf(distance / self.standard_error))
    }

    /// The effect with its sign reversed.
    #[must_use]
    pub(crate) fn reversed(self) -> Self {
        Self {
            effect: -self.effect,
            ..self
        }
    }

    fn half_width(&self, confidence: f64) -> f64 {
        if self.standard_error == 0.0 {
            return 0.0;
        }
        self.quantile(f64::midpoint(1.0, confidence)) * self.standard_error
    }

    fn quantile(&self, share: f64) -> f64 {
        self.distribution()
            .map_or(f64::INFINITY, |t| t.inverse_cdf(share))
    }

    fn distribution(&self) -> Option<StudentsT> {
        StudentsT::new(0.0, 1.0, self.degrees).ok()
    }
}

/// A trimmed mean.
struct Trimmed {
    mean: f64,
    /// Squared standard error of the mean.
    variance: f64,
    /// Values that were kept.
    kept: f64,
}

impl Trimmed {
    fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        if sorted.len() < 2 || sorted.iter().any(|v| !v.is_finite()) {
            return None;
        }
        sorted.sort_by(f64::total_cmp);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a length"
        )]
        let cut = (TRIM * sorted.len() as f64).floor() as usize;
        let last = sorted.len() - 1 - cut;
        let kept = (sorted.len() - 2 * cut) as f64;
        let mean = sorted[cut..=last].iter().sum::<f64>() / kept;
        let (low, high) = (sorted[cut], sorted[last]);
        let winsorised: Vec<f64> = sorted.iter().map(|v| v.clamp(low, high)).collect();
        let middle = winsorised.iter().sum::<f64>() / sorted.len() as f64;
        let squares: f64 = winsorised.iter().map(|v| (v - middle).powi(2)).sum();
        Some(Self {
            mean,
            variance: squares / (kept * (kept - 1.0)),
            kept,
        })
    }
}

/// The hypotheses that are rejected at a family-wise error rate of `alpha` (Holm 1979): the smallest p-value is compared
/// with `alpha / n`, the next with `alpha / (n - 1)`, until one is not rejected.
pub(crate) fn holm(p_values: &[f64], alpha: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut rejected = vec![false; p_values.len()];
    for (rank, &index) in order.iter().enumerate() {
        let left = (p_values.len() - rank) as f64;
        // A p-value that is not a number rejects nothing.
        if p_values[index].is_nan() || p_values[index] > alpha / left {
            break;
        }
        rejected[index] = true;
    }
    rejected
}

/// A limit learned from accepted changes: the third quartile plus three times the interquartile range. `None` for fewer
/// than ten.
pub(crate) fn learned_limit(changes: &[f64]) -> Option<f64> {
    let mut sorted: Vec<f64> = changes.iter().map(|change| change.abs()).collect();
    if sorted.len() < LEAST_CHANGES || sorted.iter().any(|v| !v.is_finite()) {
        return None;
    }
    sorted.sort_by(f64::total_cmp);
    let (first, third) = (quartile(&sorted, 0.25), quartile(&sorted, 0.75));
    Some(third + 3.0 * (third - first))
}

/// The fewest changes that a limit is learned from.
pub const LEAST_CHANGES: usize = 10;

/// A quantile of sorted values, between the two nearest (Hyndman and Fan's seventh definition).
fn quartile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a position within the values"
    )]
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - position.floor()) * (sorted[above] - sorted[below])
}

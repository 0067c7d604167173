//! Ratio or difference of two interleaved sides over rounds, with a confidence interval if there are enough rounds.

use super::{Estimate, LEAST_UNITS};

/// Confidence of the intervals.
pub const CONFIDENCE: f64 = 0.95;

/// An effect over rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoundEffect {
    /// The estimate: a trimmed mean over rounds, for ratios of their logarithms.
    pub estimate: f64,
    /// The 95 % interval; none of fewer than [`LEAST_UNITS`] rounds.
    pub interval: Option<(f64, f64)>,
    /// Rounds in which both sides were measured.
    pub rounds: usize,
}

impl RoundEffect {
    /// First side minus second. `None` without a round, or where a value is not finite.
    pub(crate) fn difference(pairs: &[(f64, f64)]) -> Option<Self> {
        Self::of(pairs.iter().map(|(a, b)| a - b), |effect| effect)
    }

    /// First side over second. `None` also where a value is not positive.
    pub(crate) fn ratio(pairs: &[(f64, f64)]) -> Option<Self> {
        Self::of(pairs.iter().map(|(a, b)| (a / b).ln()), f64::exp)
    }

    fn of(effects: impl Iterator<Item = f64>, back: fn(f64) -> f64) -> Option<Self> {
        let effects: Vec<f64> = effects.collect();
        if let [only] = effects[..] {
            return only.is_finite().then(|| Self {
                estimate: back(only),
                interval: None,
                rounds: 1,
            });
        }
        let estimate = Estimate::paired(&effects)?;
        let interval = (estimate.units >= LEAST_UNITS).then(|| {
            let (low, high) = estimate.interval(CONFIDENCE);
            (back(low), back(high))
        });
        Some(Self {
            estimate: back(estimate.effect),
            interval,
            rounds: estimate.units,
        })
    }

    /// Whether the interval excludes this value; without an interval it excludes nothing.
    pub(crate) fn excludes(&self, value: f64) -> bool {
        self.interval
            .is_some_and(|(low, high)| value < low || value > high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_than_five_rounds_have_no_interval_and_tell_nothing_apart() {
        let pairs = |rounds: usize| vec![(2.0, 1.0); rounds];
        for rounds in 1..LEAST_UNITS {
            for effect in [RoundEffect::ratio, RoundEffect::difference] {
                let effect = effect(&pairs(rounds)).unwrap();
                assert_eq!((effect.interval, effect.rounds), (None, rounds));
                assert!(!effect.excludes(1.0));
            }
        }
        let five = RoundEffect::ratio(&pairs(LEAST_UNITS)).unwrap();
        assert!(
            five.excludes(1.0) && !five.excludes(five.estimate),
            "{five:?}"
        );
        assert_eq!(RoundEffect::ratio(&[]), None);
        assert_eq!(RoundEffect::ratio(&[(1.0, 0.0); 5]), None);
        assert_eq!(RoundEffect::ratio(&[(0.0, 1.0); 5]), None);
        assert_eq!(RoundEffect::difference(&[(f64::NAN, 1.0); 5]), None);
    }

    #[test]
    fn the_interval_is_that_of_the_logarithms() {
        let pairs = [1.1, 1.2, 1.3, 1.25, 1.15, 1.2].map(|ratio| (ratio * 3.0, 3.0));
        let ratio = RoundEffect::ratio(&pairs).unwrap();
        let logs: Vec<f64> = pairs.iter().map(|(a, b)| (a / b).ln()).collect();
        let expected = Estimate::paired(&logs).unwrap();
        let (low, high) = expected.interval(0.95);
        assert!((ratio.estimate - expected.effect.exp()).abs() < 1e-12);
        assert_eq!(ratio.interval, Some((low.exp(), high.exp())));
        // A ratio and its inverse are symmetric.
        let turned = RoundEffect::ratio(&pairs.map(|(a, b)| (b, a))).unwrap();
        assert!((turned.estimate * ratio.estimate - 1.0).abs() < 1e-12);
    }
}

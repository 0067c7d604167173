//! When arrivals are due: pure arithmetic over a rate profile, one share of it per worker.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::scenario::{Arrivals, Profile};

/// The due times of one worker's arrivals, as offsets from the start of the load, in order.
///
/// Fixed arrivals are dealt out like cards: of `n` workers, worker `w` takes arrivals `w`, `w + n`,
/// …, so that together they keep the exact spacing. Poisson arrivals are split by thinning: each
/// worker runs an independent process at `1/n` of the rate, and their sum is Poisson again.
#[derive(Debug)]
pub struct Schedule {
    profile: Profile,
    spacing: Spacing,
    left: u64,
}

#[derive(Debug)]
enum Spacing {
    Fixed {
        next: u64,
        step: u64,
    },
    Poisson {
        area: f64,
        workers: f64,
        rng: Box<StdRng>,
    },
}

impl Schedule {
    /// The share of worker `worker` of `workers` in at most `total` arrivals.
    pub fn new(
        profile: &Profile,
        arrivals: Arrivals,
        (worker, workers): (usize, usize),
        total: Option<u64>,
        seed: u64,
    ) -> Self {
        let (index, count) = (worker as u64, workers.max(1) as u64);
        let spacing = match arrivals {
            Arrivals::Fixed => Spacing::Fixed {
                next: index,
                step: count,
            },
            Arrivals::Poisson => Spacing::Poisson {
                area: 0.0,
                workers: count as f64,
                rng: Box::new(StdRng::seed_from_u64(seed.wrapping_add(index))),
            },
        };
        Self {
            profile: profile.clone(),
            spacing,
            left: total.map_or(u64::MAX, |total| share(total, index, count)),
        }
    }
}

/// The share of one worker in `total`: as even as whole numbers allow.
pub(super) fn share(total: u64, worker: u64, workers: u64) -> u64 {
    total / workers + u64::from(worker < total % workers)
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let area = match &mut self.spacing {
            Spacing::Fixed { next, step } => {
                let due = *next;
                *next += *step;
                due as f64
            }
            Spacing::Poisson { area, workers, rng } => {
                // An exponential gap by inversion; 1 - u is in (0, 1], so the logarithm is finite.
                let u: f64 = rng.random();
                *area -= (1.0 - u).ln();
                *area * *workers
            }
        };
        let seconds = self.profile.time_of_area(area)?;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn due(profile: &Profile, arrivals: Arrivals, workers: usize, until: f64) -> Vec<f64> {
        let mut all: Vec<f64> = (0..workers)
            .flat_map(|w| {
                Schedule::new(profile, arrivals, (w, workers), None, 7)
                    .map(|d| d.as_secs_f64())
                    .take_while(|t| *t < until)
                    .collect::<Vec<_>>()
            })
            .collect();
        all.sort_by(f64::total_cmp);
        all
    }

    #[test]
    fn workers_together_keep_the_fixed_spacing() {
        let all = due(&Profile::constant(100.0), Arrivals::Fixed, 3, 1.0);
        assert_eq!(all.len(), 100);
        assert!(all.windows(2).all(|w| (w[1] - w[0] - 0.01).abs() < 1e-9));
    }

    #[test]
    fn poisson_has_the_rate_and_the_spread_of_a_poisson_process() {
        let all = due(&Profile::constant(1_000.0), Arrivals::Poisson, 4, 20.0);
        // 20,000 expected, standard deviation 141: five of them.
        assert!((19_293..=20_707).contains(&all.len()), "{}", all.len());
        let gaps: Vec<f64> = all.windows(2).map(|w| w[1] - w[0]).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // An exponential distribution's standard deviation is its mean.
        assert!(
            (variance.sqrt() / mean - 1.0).abs() < 0.1,
            "{} {mean}",
            variance.sqrt()
        );
    }

    #[test]
    fn a_total_is_dealt_out_exactly() {
        let profile = Profile::constant(10.0);
        let counts: Vec<usize> = (0..3)
            .map(|w| Schedule::new(&profile, Arrivals::Fixed, (w, 3), Some(10), 1).count())
            .collect();
        assert_eq!(counts, [4, 3, 3]);
    }

    proptest! {
        #[test]
        fn never_more_arrivals_than_the_rate_allows(rate in 1.0f64..5_000.0, workers in 1usize..5, t in 0.1f64..2.0) {
            let profile = Profile::constant(rate);
            let all = due(&profile, Arrivals::Fixed, workers, t);
            prop_assert!(all.len() as f64 <= profile.area(t) + 1.0);
            prop_assert!(all.len() as f64 >= profile.area(t) - 1.0);
        }
    }
}

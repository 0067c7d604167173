//! Series of effects with a known truth, as noisy machines would make them: what the tests of the inference and
//! `examples/judging.rs` measure it with. Logarithms of ratios, no units.

use rand::Rng;
use rand::rngs::StdRng;

/// What is wrong with a simulated machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Noise {
    /// Nothing but independent noise.
    White,
    /// What disturbs one run disturbs the next (first-order autoregression, 0.7).
    Correlated,
    /// It gets slower by 2 % from each run to the next.
    Drift,
    /// One run in ten is slower by 20 % on average.
    Outliers,
}

impl Noise {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::White, Self::Correlated, Self::Drift, Self::Outliers];
}

/// Effects of mirrored blocks (baseline, candidate, candidate, baseline, or the reverse).
pub(crate) fn blocks(rng: &mut StdRng, noise: Noise, effect: f64, count: usize) -> Vec<f64> {
    let mut state = normal(rng);
    let mut run = 0.0;
    (0..count)
        .map(|_| {
            let first: usize = rng.random_range(0..2);
            let mut sides = [0.0, 0.0];
            for side in [first, 1 - first, 1 - first, first] {
                let rho: f64 = if noise == Noise::Correlated { 0.7 } else { 0.0 };
                state = rho * state + (1.0 - rho * rho).sqrt() * normal(rng);
                let mut value = 0.02 * state + effect * side as f64;
                if noise == Noise::Drift {
                    value += 0.02 * run;
                }
                if noise == Noise::Outliers && rng.random_bool(0.1) {
                    value -= 0.2 * (1.0 - rng.random::<f64>()).ln();
                }
                run += 1.0;
                sides[side] += value / 2.0;
            }
            sides[1] - sides[0]
        })
        .collect()
}

/// A value of the standard normal distribution (Box and Muller).
pub(crate) fn normal(rng: &mut StdRng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

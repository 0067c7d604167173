//! The inference against simulated series: known effects in noise that is correlated, drifts, or has
//! outliers. Seeds are fixed. `scripts/judging.py simulate` does the same at length.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::simulated::{Noise, blocks, normal};
use super::{Estimate, holm, learned_limit};

#[test]
fn intervals_hold_the_true_effect_as_often_as_they_claim() {
    let mut rng = StdRng::seed_from_u64(6);
    for noise in Noise::ALL {
        let (mut held, mut all) = (0.0, 0.0);
        for count in [6, 8, 12, 20] {
            for _ in 0..1_000 {
                let effects = blocks(&mut rng, noise, 0.05, count);
                let (low, high) = Estimate::paired(&effects).unwrap().interval(0.95);
                held += f64::from(u8::from((low..=high).contains(&0.05)));
                all += 1.0;
            }
        }
        let coverage = held / all;
        assert!((0.93..=0.97).contains(&coverage), "{noise:?}: {coverage}");
    }
}

/// The interval of the mean that resampling gives: the percentiles of the means of 400 resamples.
fn bootstrap(rng: &mut StdRng, effects: &[f64]) -> (f64, f64) {
    let count = effects.len();
    let mut means: Vec<f64> = (0..400)
        .map(|_| {
            let drawn = (0..count).map(|_| effects[rng.random_range(0..count)]);
            drawn.sum::<f64>() / count as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    (means[10], means[389])
}

#[test]
fn a_bootstrap_of_as_few_units_claims_more_than_it_holds() {
    let mut rng = StdRng::seed_from_u64(9);
    let mut coverage = |count: usize| {
        let held = (0..1_000).filter(|_| {
            let effects = blocks(&mut rng, Noise::White, 0.05, count);
            let (low, high) = bootstrap(&mut rng, &effects);
            (low..=high).contains(&0.05)
        });
        held.count() as f64 / 1_000.0
    };
    let held = [6, 8, 12, 20].map(&mut coverage);
    assert!(held[0] < 0.90 && held[1] < 0.92, "{held:?}");
    assert!(held.is_sorted() && held[3] > 0.92, "{held:?}");
}

#[test]
fn intervals_of_sides_that_are_not_paired_hold_the_difference() {
    let mut rng = StdRng::seed_from_u64(7);
    let (mut held, mut all) = (0.0, 0.0);
    for (left, right, scatter) in [(5, 5, 1.0), (8, 20, 3.0), (20, 6, 0.5)] {
        for _ in 0..1_000 {
            let a: Vec<f64> = (0..left).map(|_| normal(&mut rng)).collect();
            let b: Vec<f64> = (0..right)
                .map(|_| 1.0 + scatter * normal(&mut rng))
                .collect();
            let (low, high) = Estimate::of_two(&a, &b).unwrap().interval(0.95);
            held += f64::from(u8::from((low..=high).contains(&1.0)));
            all += 1.0;
        }
    }
    let coverage = held / all;
    assert!((0.93..=0.97).contains(&coverage), "{coverage}");
}

#[test]
fn what_is_called_detectable_is_detected_as_often_as_promised() {
    let mut rng = StdRng::seed_from_u64(8);
    let typical = (0..500).map(|_| {
        let effects = blocks(&mut rng, Noise::White, 0.0, 12);
        Estimate::paired(&effects).unwrap().detectable(0.95)
    });
    let detectable = typical.sum::<f64>() / 500.0;
    let found = (0..1_000).filter(|_| {
        let effects = blocks(&mut rng, Noise::White, detectable, 12);
        Estimate::paired(&effects).unwrap().interval(0.95).0 > 0.0
    });
    let power = found.count() as f64 / 1_000.0;
    assert!((0.75..=0.87).contains(&power), "{power}");
}

#[test]
fn one_wild_block_does_not_carry_the_estimate_away() {
    let calm = [0.01, 0.011, 0.009, 0.01, 0.012, 0.008, 0.01];
    let mut wild = calm;
    wild[3] = 0.9;
    let (a, b) = (
        Estimate::paired(&calm).unwrap(),
        Estimate::paired(&wild).unwrap(),
    );
    assert!((a.effect - b.effect).abs() < 0.002, "{a:?} {b:?}");
}

#[test]
fn equal_units_have_an_interval_of_no_width_and_few_units_have_none() {
    let same = Estimate::paired(&[0.1; 4]).unwrap();
    assert_eq!(same.interval(0.95), (0.1, 0.1));
    assert_eq!((same.p_not_above(0.0), same.p_not_above(0.2)), (0.0, 1.0));
    let both = Estimate::of_two(&[1.0; 3], &[1.0; 3]).unwrap();
    assert_eq!(both.interval(0.95), (0.0, 0.0));
    assert_eq!(Estimate::paired(&[0.1]), None);
    assert_eq!(Estimate::paired(&[0.1, f64::NAN]), None);
    assert_eq!(Estimate::of_two(&[0.1], &[0.1, 0.2]), None);
}

#[test]
fn the_p_value_is_the_intervals_other_face() {
    let estimate = Estimate::paired(&[0.01, 0.03, 0.02, 0.05, 0.03, 0.02]).unwrap();
    let (low, _) = estimate.interval(0.95);
    let p = estimate.p_not_above(low);
    assert!((p - 0.025).abs() < 1e-6, "{p}");
    let mirrored = estimate.reversed();
    assert!((mirrored.interval(0.95).1 + low).abs() < 1e-12);
}

#[test]
fn holm_stops_at_the_first_that_is_not_rejected() {
    // Holm's own steps: 0.01 <= 0.05/4, 0.013 <= 0.05/3, 0.03 > 0.05/2, so the last is not looked at.
    let rejected = holm(&[0.013, 0.04, 0.01, 0.03], 0.05);
    assert_eq!(rejected, [true, false, true, false]);
    assert_eq!(holm(&[0.03, f64::NAN], 0.05), [false, false]);
    assert_eq!(holm(&[], 0.05), [false; 0]);
}

#[test]
fn limits_are_learned_from_ten_changes_or_not_at_all() {
    let changes: Vec<f64> = (1..=11).map(|i| f64::from(i) * -0.01).collect();
    // Quartiles 0.035 and 0.085.
    let limit = learned_limit(&changes).unwrap();
    assert!((limit - 0.235).abs() < 1e-12, "{limit}");
    assert_eq!(learned_limit(&changes[..9]), None);
}

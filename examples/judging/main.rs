//! How often the judging is wrong: what `scripts/judging.py` prints and docs/methodology.md shows.
//!
//! usage: judging simulate | judging replay FOLDER
//!
//! `simulate` measures intervals against series with a known truth. `replay` judges real blocks, which
//! `scripts/judging.py record` kept, as `shakedown ab` would have judged them while they ran.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a tool for those who work on shakedown; it may panic"
)]

mod replay;
#[path = "../../src/stats/simulated.rs"]
mod simulated;

use std::fmt::Write as _;
use std::path::Path;

use rand::SeedableRng;
use rand::rngs::StdRng;
use shakedown::stats::Estimate;

use simulated::{Noise, blocks, normal};

/// Series of each kind and length.
const SERIES: usize = 20_000;
/// Units of a series: what a look of an A/B run has.
const COUNTS: [usize; 5] = [4, 6, 10, 15, 20];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["simulate"] => simulate(),
        ["replay", folder] => replay::replay(Path::new(folder)),
        _ => {
            eprintln!("usage: judging simulate | judging replay FOLDER");
            std::process::exit(2);
        }
    }
}

/// How often the 95 % interval holds the true effect of 5 %, and how often one lies wholly beyond it
/// on the side where a regression would be called.
fn simulate() {
    println!("| noise of a block | 4 rounds | 6 | 10 | 15 | 20 | all |");
    println!("|---|---|---|---|---|---|---|");
    let mut rng = StdRng::seed_from_u64(6);
    for noise in Noise::ALL {
        let mut row = format!("| {} |", name(noise));
        let mut all = 0.0;
        for count in COUNTS {
            let held = (0..SERIES).filter(|_| {
                let effects = blocks(&mut rng, noise, 0.05, count);
                let interval = Estimate::paired(&effects).unwrap().interval(0.95);
                (interval.0..=interval.1).contains(&0.05)
            });
            let coverage = held.count() as f64 / SERIES as f64;
            all += coverage / COUNTS.len() as f64;
            let _ = write!(row, " {:.1} % |", coverage * 100.0);
        }
        println!("{row} **{:.1} %** |", all * 100.0);
    }
    let held = (0..SERIES).filter(|_| {
        let a: Vec<f64> = (0..6).map(|_| normal(&mut rng)).collect();
        let b: Vec<f64> = (0..10).map(|_| 1.0 + 2.0 * normal(&mut rng)).collect();
        let interval = Estimate::of_two(&a, &b).unwrap().interval(0.95);
        (interval.0..=interval.1).contains(&1.0)
    });
    let unpaired = held.count() as f64 / SERIES as f64;
    println!();
    println!(
        "Sides that are not paired (6 units against 10 that scatter twice as much): {:.1} %.",
        unpaired * 100.0
    );
}

fn name(noise: Noise) -> &'static str {
    match noise {
        Noise::White => "independent",
        Noise::Correlated => "correlated from block to block (0.7)",
        Noise::Drift => "drifts by 2 % a block",
        Noise::Outliers => "one block in ten 20 % slower",
    }
}

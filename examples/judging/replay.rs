//! Real blocks judged again and again: stretches of a recorded series, with the sides dealt out anew.
//!
//! A series is a folder of results `ROUND-PLACE-SIDE.json`. In some rounds all of three sides are the same
//! (`a`, `b`, `c`); in the others `a` and `b` are, and `2`, `5` and `10` burn so many percent more CPU time.
//! Every round is mirrored, so any assignment of equal sides is as good as the one that was drawn.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::path::Path;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use shakedown::compare::{AbSetup, Policy, Side, Turn, conduct};
use shakedown::record::{RunRecord, Verdict};
use shakedown::stats::Spread;
use shakedown::store;

/// Rounds of a verdict at the most: with blocks as short as these, half the minutes that `shakedown ab` takes
/// with its own.
const ROUNDS: usize = 60;
/// Verdicts over equal sides.
const VERDICTS: usize = 240;
/// Verdicts over slowed candidates, which are always the same blocks: more would only repeat them.
const SLOWED_VERDICTS: usize = 60;
/// The slowdowns, in percent.
const SLOWED: [&str; 3] = ["2", "5", "10"];

/// The results of a round by side, each side's in the order in which they ran.
type Round = BTreeMap<String, Vec<RunRecord>>;

/// Judges the series in a folder, and prints tables.
pub fn replay(folder: &Path) {
    let (same, slowed): (Vec<Round>, Vec<Round>) = load(folder)
        .into_values()
        .filter(is_whole)
        .partition(|round| round.contains_key("c"));
    noise(&same);
    println!();
    println!(
        "| sides | verdicts | pass or improve | regress | inconclusive | invalid | rounds, median | seconds, median |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let length = seconds_of_a_round(folder);
    for percent in [0.0, 2.0, 5.0, 10.0] {
        let name = if percent == 0.0 {
            "equal".to_owned()
        } else {
            let factor = 1.0 + percent / 100.0;
            format!("equal, the candidate's CPU time multiplied by {factor:.2}")
        };
        let verdicts = verdicts(&same, VERDICTS, ["a", "b", "c"], percent);
        row(&name, &verdicts, length);
    }
    for side in SLOWED {
        let verdicts = verdicts(&slowed, SLOWED_VERDICTS, ["a", "b", side], 0.0);
        row(
            &format!("the candidate burns {side} % more"),
            &verdicts,
            length,
        );
    }
    println!();
    println!(
        "{} rounds of equal sides, {} with slowed ones; at most {ROUNDS} in a verdict.",
        same.len(),
        slowed.len()
    );
}

/// Verdicts from places that are drawn.
fn verdicts(rounds: &[Round], count: usize, sides: [&str; 3], percent: f64) -> Vec<Judged> {
    let mut rng = StdRng::seed_from_u64(6);
    let last = rounds.len().saturating_sub(ROUNDS);
    (0..count as u64)
        .map(|seed| judged(rounds, rng.random_range(0..=last), seed, sides, percent))
        .collect()
}

/// A row of the table: how often each verdict came, and how long it took.
fn row(name: &str, verdicts: &[Judged], seconds_per_round: f64) {
    let share = |wanted: &[Verdict]| {
        let count = verdicts.iter().filter(|j| wanted.contains(&j.verdict));
        let count = count.count();
        let percent = 100.0 * count as f64 / verdicts.len().max(1) as f64;
        format!("{count} ({percent:.1} %)")
    };
    let taken = Spread::of(verdicts.iter().map(|j| j.rounds as f64));
    let median = taken.map_or(0.0, |spread| spread.median);
    println!(
        "| {name} | {} | {} | {} | {} | {} | {median:.0} | {:.0} |",
        verdicts.len(),
        share(&[Verdict::Pass, Verdict::Improve]),
        share(&[Verdict::Regress]),
        share(&[Verdict::Inconclusive]),
        share(&[Verdict::Invalid]),
        median * seconds_per_round,
    );
}

/// What came of a verdict.
struct Judged {
    verdict: Verdict,
    rounds: usize,
}

/// Judges the rounds from `start` on as they would have been while they ran. The first sides are equal and
/// dealt out anew in each round; with three of them so is the candidate, whose CPU time is multiplied.
fn judged(rounds: &[Round], start: usize, seed: u64, sides: [&str; 3], percent: f64) -> Judged {
    let policy = Policy::built_in().unwrap();
    let setup = AbSetup {
        seed,
        rounds_max: ROUNDS,
        policy: &policy,
        despite: &[],
        on_purpose: false,
        baseline: "baseline".to_owned(),
        candidate: "candidate".to_owned(),
    };
    let equal = if sides[2] == "c" { 3 } else { 2 };
    let mut rng = StdRng::seed_from_u64(seed);
    let mut dealt = sides;
    let mut next = start;
    let mut taken: [usize; 3] = [0; 3];
    let mut block = |turn: Turn| -> Result<Option<RunRecord>, Infallible> {
        if turn.place == 0 {
            dealt[..equal].shuffle(&mut rng);
            taken = [0; 3];
            next += 1;
        }
        let side = turn.side as usize;
        let round = &rounds[(next - 1) % rounds.len()];
        let mut record = round[dealt[side]][taken[side]].clone();
        taken[side] += 1;
        if turn.side == Side::Candidate {
            slow(&mut record, percent);
        }
        Ok(Some(record))
    };
    // Rounds are never all invalid here: then nothing was recorded that is worth a table.
    let outcome = conduct(&setup, &mut block, &mut |_| {}, &|| 0).unwrap();
    Judged {
        verdict: outcome.comparison.verdict,
        rounds: outcome.comparison.blocks.map_or(0, |blocks| blocks.rounds),
    }
}

/// As if every session had taken so many percent more CPU time of the client.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a CPU time times about one"
)]
fn slow(record: &mut RunRecord, percent: f64) {
    for trial in record.cells.iter_mut().flat_map(|cell| &mut cell.trials) {
        let cpu = &mut trial.worker_cpu.cpu_ns;
        *cpu = (*cpu as f64 * (1.0 + percent / 100.0)).round() as u64;
    }
}

/// What a block of equal sides costs, and how far one is from the mean of its round.
fn noise(rounds: &[Round]) {
    let mut all = Vec::new();
    let mut apart = Vec::new();
    for round in rounds {
        let costs: Vec<f64> = round.values().flatten().filter_map(cost).collect();
        let mean = costs.iter().map(|us| us.ln()).sum::<f64>() / costs.len() as f64;
        apart.extend(costs.iter().map(|us| (us.ln() - mean).powi(2)));
        all.extend(costs);
    }
    let deviation = (apart.iter().sum::<f64>() / apart.len().max(1) as f64).sqrt();
    let invalid = rounds.iter().flat_map(BTreeMap::values).flatten();
    let invalid = invalid.filter(|record| !record.validity.valid).count();
    if let Some(spread) = Spread::of(all) {
        println!(
            "Client CPU per session over {} blocks of equal sides: median {:.0} µs, from {:.0} to {:.0}; a block is {:.1} % from \
             the mean of its round (standard deviation). {invalid} runs were invalid, whose rounds are thrown away.",
            apart.len(),
            spread.median,
            spread.min,
            spread.max,
            deviation * 100.0
        );
    }
}

fn cost(record: &RunRecord) -> Option<f64> {
    record.cells[0].trials[0].worker_cpu.us_per_session()
}

fn is_whole(round: &Round) -> bool {
    round.values().all(|results| results.len() == 2)
}

/// Every result by round and side. Most of a result is histograms that no verdict looks at.
fn load(folder: &Path) -> BTreeMap<String, Round> {
    let mut rounds: BTreeMap<String, Round> = BTreeMap::new();
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.matches('-').count() == 2)
        .collect();
    names.sort_unstable();
    for name in names {
        let parts: Vec<&str> = name.trim_end_matches(".json").split('-').collect();
        let mut record = store::load(&folder.join(&name)).unwrap();
        let trials = record.cells.iter_mut().flat_map(|cell| &mut cell.trials);
        for kind in trials.flat_map(|trial| trial.kinds.values_mut()) {
            kind.histograms.retain(|metric, _| metric == "latency");
        }
        let round = rounds.entry(parts[0].to_owned()).or_default();
        round.entry(parts[2].to_owned()).or_default().push(record);
    }
    rounds
}

/// How long a round of three sides took, as `scripts/judging.py` noted it.
fn seconds_of_a_round(folder: &Path) -> f64 {
    let text = fs::read_to_string(folder.join("series.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value["round_s"].as_f64().unwrap()
}

//! A/B runs of made-up blocks: when they end, what they keep, and what they say.

use std::convert::Infallible;

use super::tests::{CPU, WOBBLE, policy, result};
use super::*;
use crate::record::{Note, RunRecord, Verdict};

/// What a block of a side is, by the number of the block.
type Block<'a> = &'a dyn Fn(usize, Side) -> Option<RunRecord>;

/// A made-up block: `factor` times the client CPU of the fixture and a little noise.
fn block(number: usize, factor: f64) -> RunRecord {
    let mut record = result(factor * (1.0 + WOBBLE[(7 * number) % 10]));
    record.cells.truncate(1);
    record.cells[0].trials.truncate(1);
    record
}

fn broken(number: usize) -> RunRecord {
    let mut record = block(number, 1.0);
    record.validity.valid = false;
    let note = Note::new("load-not-achieved", "mtls: 80 of 100", "ask for less");
    record.validity.reasons.push(note);
    record
}

/// Conducts a run of at most `rounds` rounds; says also how many blocks it took.
fn conducted(
    rules: &str,
    rounds: usize,
    made: Block<'_>,
) -> (Result<AbOutcome, AbError<Infallible>>, usize) {
    let policy = policy(rules);
    let setup = AbSetup {
        seed: 3,
        rounds_max: rounds,
        policy: &policy,
        despite: &[],
        on_purpose: false,
        baseline: "old".to_owned(),
        candidate: "new".to_owned(),
    };
    let mut blocks = 0;
    let outcome = conduct(
        &setup,
        &mut |turn| {
            blocks += 1;
            Ok(made(blocks - 1, turn.side))
        },
        &mut |_| {},
        &|| 7,
    );
    (outcome, blocks)
}

fn times(candidate: f64) -> impl Fn(usize, Side) -> Option<RunRecord> {
    move |number, side| {
        let factor = if side == Side::Candidate {
            candidate
        } else {
            1.0
        };
        Some(block(number, factor))
    }
}

#[test]
fn a_clear_answer_ends_the_run_at_a_look_and_an_unclear_one_at_the_cap() {
    let (outcome, blocks) = conducted(CPU, 20, &times(1.2));
    let comparison = outcome.unwrap().comparison;
    assert_eq!(comparison.verdict, Verdict::Regress);
    let record = comparison.blocks.unwrap();
    assert_eq!((record.rounds, record.looks, record.seconds), (6, 1, 7));
    assert_eq!(blocks, 6 * BLOCKS_PER_ROUND);
    // Right at the limit nothing is ever clear.
    let (outcome, blocks) = conducted(CPU, 10, &times(1.02));
    let comparison = outcome.unwrap().comparison;
    assert_eq!(comparison.verdict, Verdict::Inconclusive);
    let record = comparison.blocks.unwrap();
    assert_eq!((record.rounds, record.looks), (10, 4));
    assert_eq!(blocks, 10 * BLOCKS_PER_ROUND);
    assert!((comparison.confidence - 0.98).abs() < 1e-9);
}

#[test]
fn too_few_samples_are_a_reason_to_go_on() {
    let sessions = {
        let record = block(0, 1.0);
        record.cells[0].measured().ok_total()
    };
    // Reached with two blocks of the candidate in each of eight rounds, not in six.
    let rules = format!("{CPU}[required]\nsamples = {}\n", 15 * sessions);
    let (outcome, _) = conducted(&rules, 20, &times(1.0));
    let comparison = outcome.unwrap().comparison;
    assert_eq!(comparison.verdict, Verdict::Pass);
    assert_eq!(comparison.blocks.unwrap().rounds, 10);
}

#[test]
fn an_invalid_block_throws_its_round_away_and_is_told() {
    // The second block of the run and of its fourth round.
    let (outcome, blocks) = conducted(CPU, 20, &|number, side| {
        if number == 1 || number == 2 + 2 * BLOCKS_PER_ROUND + 1 {
            return Some(broken(number));
        }
        times(1.2)(number, side)
    });
    let comparison = outcome.unwrap().comparison;
    assert_eq!(comparison.verdict, Verdict::Regress);
    let record = comparison.blocks.unwrap();
    assert_eq!((record.rounds, record.discarded_rounds), (6, 2));
    assert_eq!(blocks, 2 + 2 + 6 * BLOCKS_PER_ROUND);
    assert_eq!(record.discarded.len(), 1);
    let note = &record.discarded[0];
    assert_eq!(note.code, "load-not-achieved");
    assert!(note.message.starts_with("2 rounds; first "), "{note:?}");
}

#[test]
fn a_host_that_spoils_most_rounds_ends_the_run_early() {
    let (outcome, blocks) = conducted(CPU, 20, &|number, _| Some(broken(number)));
    assert_eq!(blocks, 3);
    let text = outcome.unwrap_err().to_string();
    assert!(
        text.contains("load-not-achieved: 3 rounds") && text.contains("ask for less"),
        "{text}"
    );
    let (outcome, _) = conducted(CPU, 20, &|number, side| {
        if number >= 2 * BLOCKS_PER_ROUND {
            return Some(broken(number));
        }
        times(1.0)(number, side)
    });
    let comparison = outcome.unwrap().comparison;
    assert_eq!(comparison.verdict, Verdict::Invalid);
    assert_eq!(comparison.reasons[0].code, "too-noisy");
}

#[test]
fn a_figure_that_one_block_lacks_spoils_its_round_and_one_that_a_side_lacks_the_verdict() {
    // So many failures that there is no CPU time per session.
    let without = |number| {
        let mut record = block(number, 1.0);
        record.cells[0].trials[0].worker_cpu.confirmed = 0;
        Some(record)
    };
    let (outcome, _) = conducted(CPU, 20, &|number, side| {
        if number == 2 {
            return without(number);
        }
        times(1.2)(number, side)
    });
    let comparison = outcome.unwrap().comparison;
    assert_eq!(comparison.verdict, Verdict::Regress);
    let blocks = comparison.blocks.unwrap();
    assert_eq!(blocks.discarded_rounds, 1);
    assert_eq!(blocks.discarded[0].code, "figure-absent");
    let (outcome, _) = conducted(CPU, 20, &|number, side| match side {
        Side::Candidate => without(number),
        _ => Some(block(number, 1.0)),
    });
    let comparison = outcome.unwrap().comparison;
    assert_eq!(comparison.verdict, Verdict::Invalid);
    assert_eq!(comparison.reasons[0].code, "figure-absent");
}

#[test]
fn a_control_that_moves_invalidates_what_the_candidate_shows() {
    let mut seen_control = std::cell::Cell::new(0);
    let (outcome, _) = conducted(CPU, 20, &|number, side| {
        if side == Side::Control {
            seen_control.set(seen_control.get() + 1);
            return Some(block(number, 1.2));
        }
        times(1.2)(number, side)
    });
    let comparison = outcome.unwrap().comparison;
    assert_eq!(comparison.verdict, Verdict::Invalid);
    assert_eq!(comparison.reasons[0].code, "control-moved");
    assert_eq!(
        *seen_control.get_mut(),
        2 * comparison.blocks.unwrap().rounds
    );
}

#[test]
fn an_interrupt_keeps_whole_rounds_and_decides_nothing() {
    let until = |end: usize| {
        conducted(CPU, 20, &move |number, side| {
            (number < end).then(|| times(1.2)(number, side)).flatten()
        })
        .0
    };
    assert!(matches!(until(4), Err(AbError::Interrupted)));
    let outcome = until(3 * BLOCKS_PER_ROUND + 2).unwrap();
    assert!(outcome.interrupted);
    let comparison = outcome.comparison;
    assert_eq!(comparison.verdict, Verdict::Invalid);
    assert_eq!(comparison.reasons[0].code, "interrupted");
    assert_eq!(comparison.blocks.unwrap().rounds, 3);
}

#[test]
fn what_cannot_be_compared_is_refused_after_the_first_round() {
    let (outcome, blocks) = conducted(CPU, 20, &|number, side| {
        let mut record = block(number, 1.0);
        if side == Side::Candidate {
            record.build.profile = "other".to_owned();
        }
        Some(record)
    });
    let text = outcome.unwrap_err().to_string();
    assert!(text.contains("--despite profile"), "{text}");
    assert_eq!(blocks, BLOCKS_PER_ROUND);
}

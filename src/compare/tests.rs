//! Verdicts over made-up results: a fixture whose figures are scaled as the test wants them.

use std::path::Path;
use std::sync::LazyLock;

use super::*;
use crate::analysis::Figure;
use crate::compare::blocks::order;
use crate::record::{BlocksRecord, FigureComparison};
use crate::stats::FailureRecord;

/// Trials of the made-up results, each with noise of up to one percent that is the same for all.
pub(super) const WOBBLE: [f64; 10] = [
    0.0, 0.004, -0.007, 0.002, -0.003, 0.008, -0.005, 0.006, -0.001, -0.004,
];

/// A valid result whose client CPU is `factor` times the fixture's, in as many trials as there are wobbles.
pub(super) fn result(factor: f64) -> RunRecord {
    static FIXTURE: LazyLock<RunRecord> = LazyLock::new(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(root.join("tests/fixtures/result-v1-tax.json")).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    });
    let mut record = FIXTURE.clone();
    // Most of the time of these tests would go into histograms that none of them looks at.
    let trials = record.cells.iter_mut().flat_map(|cell| &mut cell.trials);
    for kind in trials.flat_map(|trial| trial.kinds.values_mut()) {
        kind.histograms.retain(|metric, _| metric == "confirm");
    }
    record.validity.valid = true;
    record.validity.complete = true;
    record.validity.reasons.clear();
    for cell in &mut record.cells {
        let model = cell.trials[0].clone();
        cell.trials = WOBBLE
            .iter()
            .enumerate()
            .map(|(round, wobble)| {
                let mut trial = model.clone();
                trial.round = round;
                trial.worker_cpu.cpu_ns = scaled(trial.worker_cpu.cpu_ns, factor * (1.0 + wobble));
                trial
            })
            .collect();
    }
    record
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a CPU time times about one"
)]
fn scaled(ns: u64, factor: f64) -> u64 {
    (ns as f64 * factor) as u64
}

fn results(records: Vec<RunRecord>) -> Results {
    Results {
        source: "made up".to_owned(),
        records,
    }
}

pub(super) fn policy(rules: &str) -> Policy {
    let text = format!("version = 1\n{rules}");
    Policy::parse("p.toml", &text).unwrap_or_else(|e| panic!("{e}"))
}

pub(super) const CPU: &str = "[allowed]\nclient-cpu = \"2%\"\n";

fn against(factor: f64, rules: &str) -> Comparison {
    let (a, b) = (results(vec![result(1.0)]), results(vec![result(factor)]));
    compare(Some(&a), &b, &policy(rules), &[]).unwrap_or_else(|e| panic!("{e}"))
}

fn figure<'a>(comparison: &'a Comparison, label: &str) -> &'a FigureComparison {
    let mut figures = comparison.cells.iter().flat_map(|cell| &cell.figures);
    figures.find(|figure| figure.figure == label).unwrap()
}

#[test]
fn effects_beyond_the_limit_regress_and_others_pass_improve_or_stay_open() {
    assert_eq!(against(1.0, CPU).verdict, Verdict::Pass);
    assert_eq!(against(1.05, CPU).verdict, Verdict::Regress);
    assert_eq!(against(0.95, CPU).verdict, Verdict::Improve);
    let open = against(1.02, CPU);
    assert_eq!(open.verdict, Verdict::Inconclusive);
    assert_eq!(open.reasons[0].code, "inconclusive");
    let cpu = figure(&open, "client-cpu");
    let effect = cpu.effect.unwrap();
    assert!((effect.estimate - 1.02).abs() < 0.002, "{effect:?}");
    assert!(effect.lower < 1.02 && effect.upper > 1.02 && effect.detectable > 0.0);
}

#[test]
fn what_does_not_gate_is_told_and_does_not_count() {
    let comparison = against(1.05, "[allowed]\nbytes-out = \"1%\"\n");
    assert_eq!(comparison.verdict, Verdict::Pass);
    let cpu = figure(&comparison, "client-cpu");
    assert_eq!((cpu.verdict, cpu.gated), (Some(Verdict::Regress), false));
}

#[test]
fn results_that_differ_in_more_than_the_code_are_refused_unless_told_to() {
    let refused = |change: fn(&mut RunRecord), code: &str, kind: Difference| {
        let mut other = result(1.0);
        change(&mut other);
        let (a, b) = (results(vec![result(1.0)]), results(vec![other]));
        let error = compare(Some(&a), &b, &policy(CPU), &[]).unwrap_err();
        let text = error.to_string();
        let way_out = format!("--despite {}", kind.label());
        assert!(text.contains(code) && text.contains(&way_out), "{text}");
        let passed = compare(Some(&a), &b, &policy(CPU), &[kind]).unwrap();
        assert!(passed.notes.iter().any(|note| note.code == code));
    };
    refused(
        |r| r.environment.cpu = Some("Another CPU".to_owned()),
        "other-host-class",
        Difference::Host,
    );
    refused(
        |r| r.plan.asked_rate = Some(7.0),
        "other-plan",
        Difference::Plan,
    );
    refused(
        |r| r.build.profile = "other".to_owned(),
        "other-profile",
        Difference::Profile,
    );
    refused(
        |r| r.validity.valid = false,
        "invalid-run",
        Difference::Validity,
    );
    refused(
        |r| {
            let kinds = r.cells[0].trials[0].kinds.values_mut();
            let stored = kinds.flat_map(|kind| kind.histograms.values_mut()).next();
            stored.unwrap().hdr_v2_deflate = other_histogram();
        },
        "other-histogram",
        Difference::Histogram,
    );
}

/// An encoded histogram of two digits instead of three.
fn other_histogram() -> String {
    use base64::Engine;
    use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
    let mut histogram = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 1_000_000, 2).unwrap();
    histogram.record(1_000).unwrap();
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(&histogram, &mut bytes)
        .unwrap();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn names_of_scenarios_and_cells_do_not_matter_and_cells_without_partner_are_listed() {
    let (old, mut new) = (result(1.0), result(1.0));
    new.plan.scenario.name = "renamed".to_owned();
    new.cells[0].cell.name = "renamed".to_owned();
    let gone = new.cells.pop().unwrap();
    let (a, b) = (results(vec![old]), results(vec![new]));
    let comparison = compare(Some(&a), &b, &policy(CPU), &[]).unwrap();
    assert_eq!(comparison.cells[0].name, "renamed");
    assert_eq!(
        comparison.missing[..],
        *std::slice::from_ref(&gone.cell.name)
    );
    assert_eq!(comparison.verdict, Verdict::Invalid);
    assert!(comparison.reasons.iter().any(|r| r.code == "cells-missing"));
    let back = compare(Some(&b), &a, &policy(CPU), &[]).unwrap();
    assert_eq!(back.new, [gone.cell.name]);
    assert_eq!(back.verdict, Verdict::Pass);
}

#[test]
fn thresholds_and_minimums_are_judged_without_a_baseline() {
    let judged = |rules: &str| {
        let candidate = results(vec![result(1.0)]);
        compare(None, &candidate, &policy(rules), &[]).unwrap()
    };
    assert_eq!(
        judged("[thresholds]\nconfirm = [\"p50<10s\"]\n").verdict,
        Verdict::Pass
    );
    let crossed = judged("[thresholds]\nconfirm = [\"p50<1ns\"]\n");
    assert_eq!(crossed.verdict, Verdict::Regress);
    assert_eq!(crossed.reasons[0].code, "threshold-crossed");
    let few = judged("[thresholds]\nconfirm = [\"p50<10s\"]\n[required]\nsamples = 100000000\n");
    assert_eq!(few.verdict, Verdict::Invalid);
    assert_eq!(few.reasons[0].code, "minimum-missed");
    let none = judged("[allowed]\nclient-cpu = \"2%\"\n");
    assert_eq!(none.reasons[0].code, "nothing-judged");
}

#[test]
fn p99_of_few_sessions_is_named_as_not_judged() {
    let rules = format!("{CPU}confirm-p99 = \"25%\"\n");
    let comparison = against(1.0, &rules);
    assert_eq!(comparison.verdict, Verdict::Pass);
    let p99 = figure(&comparison, "confirm-p99");
    assert_eq!(p99.verdict, None);
    assert!(p99.reason.as_ref().unwrap().contains("10000"), "{p99:?}");
    assert!(
        comparison
            .notes
            .iter()
            .any(|note| note.code == "not-judged")
    );
}

#[test]
fn figures_that_gate_and_are_absent_do_not_pass_for_good_ones() {
    // Nothing was held, so there is no memory per session; that alone gates nothing.
    let rules = "[allowed]\nmemory = \"10%\"\n";
    let comparison = against(1.0, rules);
    assert_eq!(comparison.verdict, Verdict::Invalid);
    assert_eq!(comparison.reasons[0].code, "nothing-judged");
    // With many failures there is no CPU time per session, which every good run has.
    let mut failing = result(1.0);
    for trial in failing.cells.iter_mut().flat_map(|cell| &mut cell.trials) {
        trial.worker_cpu.confirmed = 0;
    }
    let side = results(vec![failing]);
    let comparison = compare(Some(&side), &side, &policy(CPU), &[]).unwrap();
    assert_eq!(comparison.verdict, Verdict::Invalid);
    assert_eq!(comparison.reasons[0].code, "figure-absent");
}

#[test]
fn many_cells_are_corrected_for() {
    // One of five cells is worse by what is significant alone, and not among five.
    let (old, mut new) = (result(1.0), result(1.0));
    let shift = |record: &mut RunRecord, cell: usize, factor: f64| {
        for trial in &mut record.cells[cell].trials {
            trial.worker_cpu.cpu_ns = scaled(trial.worker_cpu.cpu_ns, factor);
        }
    };
    let cells = new.cells.len();
    assert!(cells >= 3, "{cells}");
    shift(&mut new, 0, 1.0268);
    let judged = |records: (&RunRecord, &RunRecord)| {
        let (a, b) = (
            results(vec![records.0.clone()]),
            results(vec![records.1.clone()]),
        );
        let comparison = compare(Some(&a), &b, &policy(CPU), &[]).unwrap();
        let figure = figure(&comparison, "client-cpu").clone();
        (figure.verdict.unwrap(), figure.effect.unwrap().p_worse)
    };
    let (among, p) = judged((&old, &new));
    assert!(p < 0.025 && p > 0.025 / cells as f64, "{p}");
    assert_eq!(among, Verdict::Inconclusive);
    let (mut one, mut other) = (old, new);
    one.cells.truncate(1);
    other.cells.truncate(1);
    assert_eq!(judged((&one, &other)).0, Verdict::Regress);
}

#[test]
fn limits_are_learned_from_past_results() {
    let mut past = Vec::new();
    for (minute, factor) in [0.0, 0.01].into_iter().cycle().take(12).enumerate() {
        let mut record = result(1.0 + factor);
        record.started_at = format!("2026-11-23T16:{minute:02}:00Z");
        past.insert(0, record);
    }
    let candidate = [result(1.0)];
    let cells = series(&candidate, UnitKind::Trial).unwrap();
    let mut learned = policy(CPU);
    let notes = learn(&mut learned, &past, &cells).unwrap();
    assert_eq!(notes[0].code, "limit-learned", "{notes:?}");
    let limit = learned.of(&cells[0].name).allowed[&Figure::ClientCpu];
    assert!((limit - 0.01).abs() < 1e-4, "{limit}");
    let notes = learn(&mut policy(CPU), &past[..10], &cells).unwrap();
    assert_eq!(notes[0].code, "limit-not-learned");
    assert!(notes[0].message.contains("9 changes"), "{notes:?}");
}

/// An A/B run in which the control and the candidate are this many times the baseline.
fn ab(control: f64, candidate: f64, rounds: usize, discarded: usize) -> Comparison {
    let mut collected = Rounds::default();
    let mut sides = (Vec::new(), Vec::new());
    for (round, order) in order(3, rounds).into_iter().enumerate() {
        let blocks: Vec<(Side, RunRecord)> = order
            .into_iter()
            .enumerate()
            .map(|(place, side)| {
                let factor = match side {
                    Side::Baseline => 1.0,
                    Side::Control => control,
                    Side::Candidate => candidate,
                };
                // The machine gets slower all the time, and every block is a little off.
                let drift = 1.0 + 0.01 * (round * BLOCKS_PER_ROUND + place) as f64;
                let mut record = result(factor * drift * (1.0 + WOBBLE[(7 * round + place) % 10]));
                record.cells.truncate(2);
                record
                    .cells
                    .iter_mut()
                    .for_each(|cell| cell.trials.truncate(1));
                (side, record)
            })
            .collect();
        collected.add(Round::of(&blocks).unwrap());
        for (side, record) in blocks {
            match side {
                Side::Baseline => sides.0.push(record),
                Side::Control => {}
                Side::Candidate => sides.1.push(record),
            }
        }
    }
    let run = AbRun {
        rounds: &collected,
        baseline: &results(sides.0),
        candidate: &results(sides.1),
        on_purpose: false,
        confidence: 0.95,
    };
    let blocks = BlocksRecord {
        seed: 3,
        rounds,
        rounds_max: rounds,
        looks: 1,
        discarded: Vec::new(),
        discarded_rounds: discarded,
        seconds: 0,
    };
    judge_rounds(&run, blocks, &policy(CPU), &[]).unwrap()
}

#[test]
fn interleaved_rounds_see_a_slowdown_through_drift() {
    let same = ab(1.0, 1.0, 10, 0);
    assert_eq!(same.verdict, Verdict::Pass, "{:?}", same.reasons);
    assert!(!is_open(&same));
    let slower = ab(1.0, 1.05, 10, 0);
    assert_eq!(slower.verdict, Verdict::Regress, "{:?}", slower.reasons);
    let effect = figure(&slower, "client-cpu").effect.unwrap();
    assert!((effect.estimate - 1.05).abs() < 0.005, "{effect:?}");
    let rounds = &figure(&slower, "client-cpu").rounds;
    assert_eq!(rounds.len(), 10);
    // Ratios, as the effect is, and not their logarithms.
    let (least, most) = (1.05 * 0.9, 1.05 * 1.1);
    assert!(
        rounds.iter().all(|r| (least..most).contains(r)),
        "{rounds:?}"
    );
}

#[test]
fn a_control_that_moves_or_a_host_that_throws_most_rounds_away_invalidates_everything() {
    for control in [1.05, 0.95] {
        let moved = ab(control, 1.2, 10, 0);
        assert_eq!(moved.verdict, Verdict::Invalid);
        assert_eq!(moved.reasons[0].code, "control-moved");
    }
    let noisy = ab(1.0, 1.0, 6, 7);
    assert_eq!(noisy.verdict, Verdict::Invalid);
    assert_eq!(noisy.reasons[0].code, "too-noisy");
}

#[test]
fn a_total_is_exempt_from_the_achieved_load_here_as_in_the_result() {
    let with = |total: Option<u64>, rate: Option<f64>| {
        let mut record = result(1.0);
        record.plan.asked_rate = rate;
        record.plan.asked_sessions = rate.is_none().then_some(100.0);
        record.plan.scenario.load.total = total;
        for trial in record.cells.iter_mut().flat_map(|cell| &mut cell.trials) {
            trial.in_flight_mean = 50.0;
        }
        let rules = policy("[required]\nachieved-load = 0.99\nsamples = 1\n");
        let comparison = compare(None, &results(vec![record]), &rules, &[]).unwrap();
        let mut checks = comparison.cells[0].checks.iter();
        checks
            .find(|check| check.rule == "achieved-load: 0.99")
            .cloned()
            .unwrap()
    };
    let missed = with(None, None);
    assert_eq!(
        (missed.verdict, missed.observed),
        (Verdict::Invalid, Some(0.5))
    );
    let exempt = with(Some(1_000), None);
    assert_eq!((exempt.verdict, exempt.observed), (Verdict::Pass, None));
    assert!(exempt.reason.unwrap().contains("total"));
    // Arrivals are judged with a total, too.
    let open = with(Some(1_000), Some(100.0));
    assert_eq!((open.verdict, open.observed), (Verdict::Pass, Some(1.0)));
}

#[test]
fn a_share_changes_by_percentage_points_and_a_ratio_by_percent() {
    let failing = |failed: u64| {
        let mut record = result(1.0);
        for trial in record.cells.iter_mut().flat_map(|cell| &mut cell.trials) {
            let ok = trial.measured.ok.values_mut().next();
            *ok.unwrap() -= failed;
            let record = FailureRecord {
                count: failed,
                first_ns: 0,
                last_ns: 0,
                alert: None,
                example: String::new(),
                advice: String::new(),
            };
            trial
                .measured
                .failed
                .insert("unconfirmed".to_owned(), record);
        }
        results(vec![record])
    };
    let rules = policy("[allowed]\nfailure-rate = \"0.1%\"\n");
    let comparison = compare(Some(&failing(0)), &failing(2), &rules, &[]).unwrap();
    let reason = &comparison.reasons[0];
    assert_eq!(reason.code, "regressed", "{:?}", comparison.reasons);
    assert!(reason.message.contains(" pp [+"), "{}", reason.message);
    assert!(
        reason.message.contains("allowed is +0.10 pp"),
        "{}",
        reason.message
    );
    let cpu = against(1.05, CPU);
    assert!(
        cpu.reasons[0].message.contains("+5.0 % ["),
        "{:?}",
        cpu.reasons
    );
}

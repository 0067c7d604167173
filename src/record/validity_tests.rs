//! Tests of the validity rules, on a record as it was written.

use super::{Note, RunRecord, ThrottledRecord, TrialRecord, Validity, judge, load, summarise};
use crate::stats::Proof;

/// A valid record of three cells and two trials each, changed by `change`, and judged.
fn judged(change: impl FnOnce(&mut RunRecord)) -> (Validity, Vec<Note>) {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut record = load(&root.join("tests/fixtures/result-v1-tax.json")).unwrap();
    change(&mut record);
    let summaries = summarise(&record).unwrap();
    judge(&record, &summaries, 6)
}

fn codes(notes: &[Note]) -> Vec<&str> {
    notes.iter().map(|note| note.code.as_str()).collect()
}

/// The reasons after a change to the first trial of the mutual cell.
fn reasons(change: impl FnOnce(&mut TrialRecord)) -> Vec<String> {
    let (validity, _) = judged(|record| change(&mut record.cells[2].trials[0]));
    assert!(validity.complete);
    assert_eq!(validity.valid, validity.reasons.is_empty());
    validity.reasons.into_iter().map(|r| r.code).collect()
}

#[test]
fn what_was_asked_and_happened_is_valid() {
    let (validity, warnings) = judged(|_| {});
    assert!(validity.valid && validity.complete, "{validity:?}");
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn what_did_not_happen_as_asked_is_named() {
    assert_eq!(
        reasons(|t| t.measured.scheduled += 100),
        ["load-not-achieved"]
    );
    assert_eq!(
        reasons(|t| t.worker_cpu.busiest_cpu_ns = t.worker_cpu.wall_ns),
        ["generator-limited"]
    );
    let (validity, _) = judged(|record| {
        for trial in &mut record.cells[2].trials {
            trial.stolen = Some(0.2);
        }
    });
    assert_eq!(codes(&validity.reasons), ["generator-limited"]);
    assert_eq!(
        reasons(|t| t.observed[0].certificate_requested = false),
        ["certificate-not-requested"]
    );
    assert_eq!(
        reasons(|t| t.observed[0].certificate_sent = false),
        ["certificate-not-sent"]
    );
    let resumed = |t: &mut TrialRecord| {
        t.measured.ok.insert("resumed".to_owned(), 1);
    };
    assert_eq!(reasons(resumed), ["resumed-unasked"]);
    let (validity, _) = judged(|record| record.plan.scenario.tls.alpn = vec!["h2".to_owned()]);
    assert_eq!(codes(&validity.reasons), ["alpn-not-negotiated"; 2]);
    let (validity, _) = judged(|record| {
        for trial in &mut record.cells[1].trials {
            trial.measured.ok.clear();
        }
    });
    assert_eq!(codes(&validity.reasons), ["nothing-confirmed"]);
}

#[test]
fn the_generator_names_what_held_it_up() {
    // In thousandths of the time.
    let limits = |stolen: u32, throttled, stalled| {
        let (validity, warnings) = judged(|record| {
            for trial in &mut record.cells[2].trials {
                let part = |thousandths| trial.worker_cpu.wall_ns / 1_000 * thousandths;
                trial.stolen = Some(f64::from(stolen) / 1e3);
                trial.throttled = Some(ThrottledRecord {
                    periods: 1,
                    throttled_ns: part(throttled),
                });
                trial.stalls.worst_ns = part(stalled);
                trial.stalls.count = u64::from(stalled > 0);
            }
        });
        let reasons: Vec<String> = (validity.reasons.iter())
            .map(|note| format!("{} {} {}", note.code, note.message, note.advice))
            .collect();
        assert!(reasons.len() < 2, "{reasons:?}");
        (reasons.concat(), codes(&warnings).join(" "))
    };
    assert_eq!(limits(40, 9, 0), (String::new(), String::new()));
    let (quota, _) = limits(0, 20, 0);
    assert!(quota.starts_with("generator-limited"), "{quota}");
    assert!(quota.contains("stopped the generator for 2 %") && quota.contains("cpu.max"));
    let (stalled, warnings) = limits(0, 0, 60);
    assert!(stalled.contains("stood still 6 % of the time"), "{stalled}");
    assert_eq!(warnings, "");
    let (few, warnings) = limits(0, 0, 40);
    assert_eq!((few.as_str(), warnings.as_str()), ("", "worker-stalled"));
    let (all, _) = limits(200, 200, 200);
    for cause in ["quota", "hypervisor", "stood still"] {
        assert!(all.contains(cause), "{cause}: {all}");
    }
}

#[test]
fn too_few_concurrent_sessions_are_not_the_asked_load() {
    let achieved = |mean: f64| {
        let (validity, _) = judged(|record| {
            record.plan.asked_rate = None;
            record.plan.asked_sessions = Some(100.0);
            for trial in record.cells.iter_mut().flat_map(|c| &mut c.trials) {
                trial.in_flight_mean = 100.0;
            }
            for trial in &mut record.cells[2].trials {
                trial.in_flight_mean = mean;
            }
        });
        validity.reasons
    };
    assert!(achieved(99.0).is_empty());
    assert_eq!(codes(&achieved(98.9)), ["load-not-achieved"]);
}

#[test]
fn a_missing_or_interrupted_trial_is_incomplete_not_invalid() {
    let (validity, _) = judged(|record| drop(record.cells[0].trials.pop()));
    assert!(!validity.complete && validity.valid);
    let (validity, _) = judged(|record| record.cells[0].trials[1].interrupted = true);
    assert!(!validity.complete && validity.valid);
}

#[test]
fn what_a_reader_should_know_is_a_warning() {
    let (validity, warnings) = judged(|record| {
        record.plan.server_verified = false;
        record.plan.placements[0].pinned = false;
        let quiet = record.cells[2].trials[1].clone();
        record.cells[2].trials.push(quiet);
        let trial = &mut record.cells[2].trials[0];
        trial.stolen = Some(0.2);
        trial.lost_while_held = 3;
        trial.proofs = [(Proof::NewSessionTicket, 5)].into();
    });
    assert!(validity.valid);
    assert_eq!(
        codes(&warnings),
        [
            "crowded-trial",
            "weak-proof",
            "lost-while-held",
            "insecure",
            "not-pinned"
        ]
    );
}

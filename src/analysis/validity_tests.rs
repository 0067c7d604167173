//! Tests of the validity rules, on a record as it was written.

use super::{Decoded, judge};
use crate::record::{Note, RunRecord, TrialRecord, Validity};
use crate::scenario::StageSection;
use crate::stats::{EarlyCounts, Pause, Proof, ResumptionCounts, Throttled};
use crate::units::{Ratio, Span};

/// A valid record of three cells and two trials each, changed by `change`, and judged.
fn judged(change: impl FnOnce(&mut RunRecord)) -> (Validity, Vec<Note>) {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(root.join("tests/fixtures/result-v1-tax.json")).unwrap();
    let mut record = serde_json::from_slice(&bytes).unwrap();
    change(&mut record);
    let decoded = Decoded::of(&record).unwrap();
    judge(&record, decoded.summaries(), 6)
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
fn what_was_negotiated_against_a_pin_is_named() {
    let (validity, _) = judged(|record| {
        record.cells[2].pins.group = Some("secp384r1".to_owned());
        record.cells[1].pins.versions = vec!["TLSv1.3".to_owned()];
    });
    assert_eq!(codes(&validity.reasons), ["negotiated-otherwise"]);
    let message = &validity.reasons[0].message;
    assert!(
        message.contains("the group was x25519, and secp384r1 was asked for"),
        "{message}"
    );
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
fn a_long_time_without_an_answer_is_named_where_percentiles_hide_it() {
    // The fixture's p99 of the mutual cell is some milliseconds, and it measures for one second.
    let warned = |length_ms: u64, model: &str, stall_ms: u64| {
        let (validity, warnings) = judged(|record| {
            if model == "closed" {
                record.plan.asked_rate = None;
            }
            let trial = &mut record.cells[2].trials[1];
            trial.stalls.longest_ns = stall_ms * 1_000_000;
            trial.longest_pause = Some(Pause {
                from_ns: 0,
                length_ns: length_ms * 1_000_000,
            });
        });
        assert!(validity.valid);
        warnings
    };
    assert!(warned(190, "closed", 0).is_empty());
    let closed = warned(400, "closed", 0);
    assert_eq!(codes(&closed), ["long-pause"]);
    assert!(closed[0].message.contains("for 400 ms"), "{closed:?}");
    assert!(closed[0].advice.contains("understate"), "{closed:?}");
    let open = warned(400, "open", 300);
    assert_eq!(codes(&open), ["long-pause"]);
    assert!(
        open[0].message.contains("the generator itself stood still"),
        "{open:?}"
    );
    assert!(!open[0].advice.contains("closed loop"), "{open:?}");
}

/// The reason why a share was missed, after a change to the counts of a cell in which nine of ten
/// sessions were to be resumed, and were.
fn missed(change: impl FnOnce(&mut TrialRecord, &mut ResumptionCounts)) -> Option<String> {
    let (validity, _) = judged(|record| {
        let cell = &mut record.cells[2];
        cell.cell.resumed = Ratio::new(0.9);
        for trial in &mut cell.trials {
            let full = trial.measured.ok_total() / 10;
            let resumed = trial.measured.ok_total() - full;
            trial.measured.ok = [("full", full), ("resumed", resumed)]
                .map(|(kind, count)| (kind.to_owned(), count))
                .into();
            trial.resumption = Some(ResumptionCounts {
                planned: resumed,
                offered: resumed,
                accepted: resumed,
                ok_planned: resumed,
                harvested: 1,
                ..ResumptionCounts::default()
            });
        }
        let trial = &mut cell.trials[0];
        let mut counts = trial.resumption.unwrap();
        change(trial, &mut counts);
        trial.resumption = Some(counts);
    });
    let reason = validity.reasons.first()?;
    assert_eq!(codes(&validity.reasons), ["resumption-missed"]);
    Some(format!("{}; {}", reason.message, reason.advice))
}

#[test]
fn a_missed_share_of_resumed_sessions_says_why() {
    assert_eq!(missed(|_, _| {}), None);
    let one_missed = |change: fn(&mut ResumptionCounts)| {
        let missed = missed(|_, counts| {
            counts.ok_missed = 1;
            change(counts);
        });
        missed.unwrap()
    };
    let starved = one_missed(|c| c.starved = 3);
    assert!(
        starved.contains("for 3 there was no ticket in store"),
        "{starved}"
    );
    assert!(starved.contains("longer warm-up"), "{starved}");
    let expired = one_missed(|c| c.expired = 4);
    assert!(
        expired.contains("for 4 the ticket had expired"),
        "{expired}"
    );
    assert!(expired.contains("raise the lifetime"), "{expired}");
    let refused = one_missed(|c| c.refused = 5);
    assert!(
        refused.contains("5 were refused by the server;"),
        "{refused}"
    );
    assert!(refused.contains("one ticket key"), "{refused}");
    let unplanned = one_missed(|c| c.unplanned = 6);
    assert!(
        unplanned.contains("6 were resumed although planned"),
        "{unplanned}"
    );
    assert!(unplanned.contains("a bug in shakedown"), "{unplanned}");
}

#[test]
fn a_changed_cipher_suite_is_told_beside_refusals() {
    let changed = missed(|trial, counts| {
        (counts.ok_missed, counts.refused) = (1, 1);
        let mut other = trial.observed[0].clone();
        "TLS_CHACHA20_POLY1305_SHA256".clone_into(&mut other.cipher_suite);
        trial.observed.push(other);
    });
    let changed = changed.unwrap();
    assert!(changed.contains("the cipher suite changed"), "{changed}");
}

#[test]
fn failures_that_shift_the_share_make_it_missed() {
    let resume_less = |fewer: u64| {
        missed(|trial, counts| {
            if let Some(resumed) = trial.measured.ok.get_mut("resumed") {
                *resumed -= fewer;
            }
            counts.ok_planned -= fewer;
        })
    };
    // One session of the one worker's deal may be cut off at either end.
    assert_eq!(resume_less(1), None);
    let shifted = resume_less(100).unwrap();
    assert!(shifted.contains("not the share of 0.9"), "{shifted}");
}

#[test]
fn resumed_sessions_are_not_asked_for_a_certificate_again() {
    let again = |resumed| {
        reasons(|t| {
            t.observed[0].certificate_requested = false;
            t.observed[0].resumed = resumed;
        })
    };
    assert!(again(true).is_empty());
    assert_eq!(again(false), ["certificate-not-requested"]);
}

#[test]
fn the_generator_names_what_held_it_up() {
    // In thousandths of the time.
    let limits = |stolen: u32, throttled, stalled| {
        let (validity, warnings) = judged(|record| {
            for trial in &mut record.cells[2].trials {
                let part = |thousandths| trial.worker_cpu.wall_ns / 1_000 * thousandths;
                trial.stolen = Some(f64::from(stolen) / 1e3);
                trial.throttled = Some(Throttled {
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
fn a_ramp_that_is_not_followed_is_a_finding_and_no_fault() {
    let (validity, warnings) = judged(|record| {
        record.plan.scenario.load.stages = vec![StageSection {
            over: Span::secs(2),
            rate: Some("1000/s".parse().unwrap()),
            sessions: None,
        }];
        record.cells[2].trials[0].measured.scheduled *= 10;
    });
    assert!(validity.valid, "{validity:?}");
    assert_eq!(codes(&warnings), ["load-not-achieved"]);
    assert!(warnings[0].advice.contains("timeline"), "{warnings:?}");
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

#[test]
fn a_weak_proof_is_named_wherever_the_server_asked_for_a_certificate() {
    // The second cell is server-authenticated TLS.
    let warned = |proof: Proof, asked: bool| {
        let (_, warnings) = judged(|record| {
            assert!(!record.cells[1].is_mutual());
            let trial = &mut record.cells[1].trials[0];
            trial.proofs = [(proof, 20)].into();
            trial.observed[0].certificate_requested = asked;
        });
        warnings
    };
    for proof in Proof::ALL {
        let (asked, unasked) = (warned(proof, true), warned(proof, false));
        if proof == Proof::ApplicationData {
            assert!(asked.is_empty(), "{asked:?}");
        } else {
            assert_eq!(codes(&asked), ["weak-proof"], "{proof:?}");
            assert!(
                asked[0].message.contains("asked for a certificate"),
                "{asked:?}"
            );
        }
        assert!(unasked.is_empty(), "{unasked:?}");
    }
}

/// The reasons and warnings after a change to the plan and to a mutual cell in which every session resumed and sent
/// early data that was taken.
fn resumed(
    change: impl FnOnce(&mut RunRecord, &mut ResumptionCounts),
) -> (Vec<String>, Vec<String>) {
    let (validity, warnings) = judged(|record| {
        record.plan.scenario.resumption.early_data = true;
        let ok = record.cells[2].trials[0].measured.ok_total();
        let mut counts = ResumptionCounts {
            planned: ok,
            offered: ok,
            accepted: ok,
            ok_planned: ok,
            early: EarlyCounts {
                sent: ok,
                accepted: ok,
                ..EarlyCounts::default()
            },
            ..ResumptionCounts::default()
        };
        let cell = &mut record.cells[2];
        cell.cell.resumed = Ratio::new(1.0);
        for trial in &mut cell.trials {
            trial.measured.ok = [("resumed".to_owned(), ok)].into();
            trial.observed_before = trial.observed.clone();
            trial.observed[0].resumed = true;
            trial.observed[0].certificate_requested = false;
        }
        change(record, &mut counts);
        for trial in &mut record.cells[2].trials {
            trial.resumption = Some(counts);
        }
    });
    let names = |notes: Vec<Note>| notes.into_iter().map(|note| note.code).collect();
    (names(validity.reasons), names(warnings))
}

#[test]
fn early_data_that_was_not_sent_or_not_taken_is_named() {
    let early = |sent: u64, withheld: u64, rejected: u64| {
        resumed(|_, counts| {
            counts.early = EarlyCounts {
                sent,
                withheld,
                rejected,
                accepted: sent - rejected,
                ..EarlyCounts::default()
            };
        })
    };
    assert_eq!(early(1_200, 0, 0), (vec![], vec![]));
    assert_eq!(early(1_195, 5, 0), (vec![], vec![]));
    assert_eq!(early(0, 1_200, 0).0, ["early-data-not-sent"]);
    assert_eq!(early(1_100, 100, 0).0, ["early-data-not-sent"]);
    assert_eq!(early(1_200, 0, 600).1, ["early-data-rejected"]);
}

#[test]
fn where_all_sessions_resumed_the_full_ones_before_say_whether_it_was_mutual() {
    let (reasons, _) = resumed(|record, _| {
        record.cells[2].pins.client_signature = Some("ed448".to_owned());
        for trial in &mut record.cells[2].trials {
            trial.observed_before[0].certificate_requested = false;
        }
    });
    assert_eq!(
        reasons,
        ["certificate-not-requested", "negotiated-otherwise"]
    );
}

#[test]
fn what_the_plan_cannot_let_happen_is_named() {
    let warned = |change: fn(&mut RunRecord)| {
        let (validity, warnings) = judged(change);
        assert!(validity.valid, "{validity:?}");
        warnings.into_iter().map(|w| w.code).collect::<Vec<_>>()
    };
    let hold = |record: &mut RunRecord| {
        record.plan.scenario.load.hold = Some(Span::secs(60));
    };
    assert_eq!(warned(hold), ["hold-cut-short"]);
    let total = |record: &mut RunRecord| {
        record.plan.scenario.load.sessions = Some(10);
        record.plan.scenario.load.total = Some(3);
    };
    assert_eq!(warned(total), ["total-below-sessions"]);
    let idle = |record: &mut RunRecord| {
        record.plan.scenario.workers.count = Some(1);
        record.plan.asked_rate = None;
    };
    assert_eq!(warned(idle), ["idle-workers"]);
}

//! Did the run do what was asked? What was asked is checked against what happened (invariant 4),
//! and the generator against itself (invariant 5).

use std::collections::BTreeSet;

use super::negotiated::negotiated_otherwise;
use super::pause::long_pause;
use super::plan_notes::plan_warnings;
use super::resumption::{early_data_missed, early_data_rejected, resumption_missed};
use super::shards::{self, late};
use super::summary::CellSummary;
use super::{AchievedLoad, achieved_load};
use crate::record::{
    CellRecord, ExpectationRecord, ExpectationVerdict, Note, ObservedRecord, PlanRecord, RunRecord,
    TrialRecord, Validity,
};
use crate::scenario::{IdentityFault, IdentitySection};
use crate::stats::{Metric, OkKind, Proof, Spread, Timing};
use crate::units::{counted, format_count, format_ns, three_digits};

/// Least part of the asked load that must be achieved.
const LEAST_ACHIEVED: f64 = 0.99;
/// Workers busier than this part of the time make latency their own.
const MOST_BUSY: f64 = 0.95;
/// A median lag above this part of the median service time makes latency the generator's own, ...
const MOST_LAG: f64 = 0.10;
/// ... unless it is below this, in nanoseconds: waking a thread takes tens of microseconds.
const LEAST_LAG_NS: u64 = 250_000;

/// A larger part of failed attempts than this is pointed out.
const MOST_FAILED: f64 = 0.01;
/// More CPU time than this taken by a hypervisor makes latency and rate its own.
const MOST_STOLEN: f64 = 0.05;
/// A larger part of the time in which a CPU quota stopped the process makes latency the quota's.
const MOST_THROTTLED: f64 = 0.01;
/// A worker that stalled for a larger part of the time makes latency its own.
const MOST_STALLED: f64 = 0.05;

/// Judges a record from its cells and their summaries: why it is invalid, and what else a reader
/// should know.
pub(crate) fn judge(
    record: &RunRecord,
    summaries: &[CellSummary],
    planned: usize,
) -> (Validity, Vec<Note>) {
    let ran: usize = record.cells.iter().map(|c| c.trials.len()).sum();
    let interrupted = record
        .cells
        .iter()
        .flat_map(|c| &c.trials)
        .any(|t| t.interrupted);
    let mut reasons = Vec::new();
    let mut warnings = Vec::new();
    for (cell, summary) in record.cells.iter().zip(summaries) {
        if cell.trials.is_empty() {
            continue;
        }
        let here = |e: &&ExpectationRecord| e.cell == cell.cell.name;
        let expected = record.expectations.iter().filter(here);
        // Where every session is to be rejected, failures are the finding and there is no latency.
        let speaks_of_load = |e: &ExpectationRecord| {
            let tested = !matches!(
                e.verdict,
                ExpectationVerdict::NotSpoken | ExpectationVerdict::Untested
            );
            tested && e.expected.share() > 0.0
        };
        if expected.clone().count() == 0 || expected.clone().any(speaks_of_load) {
            // How much of the load was achieved is a question to all shards together.
            let whole = record.shard.is_none();
            reasons.extend(nothing_confirmed(cell).filter(|_| whole));
            let missed = load_not_achieved(cell, &record.plan).filter(|_| whole);
            if record.plan.scenario.load.stages.is_empty() {
                reasons.extend(missed);
            } else {
                warnings.extend(missed.map(found_by_ramp));
            }
            reasons.extend(generator_limited(cell, summary));
        }
        warnings.extend(unanswered(cell, summary));
        warnings.extend(unloaded(cell));
        if expected.count() == 0 {
            warnings.extend(failures(cell));
            warnings.extend(unproven(cell));
        }
        reasons.extend(exhausted(cell));
        reasons.extend(late(cell));
        reasons.extend(events_failed(cell));
        reasons.extend(observed_otherwise(cell, &record.plan));
        reasons.extend(negotiated_otherwise(cell));
        reasons.extend(resumption_missed(cell, record.workers()));
        reasons.extend(early_data_missed(cell, &record.plan));
        reasons.extend(alpn_ignored(cell, &record.plan));
        warnings.extend(long_pause(cell, summary, &record.plan));
        warnings.extend(early_data_rejected(cell));
        warnings.extend(crowded(cell));
        warnings.extend(stalled(cell));
        warnings.extend(weak_proof(cell));
        warnings.extend(lost_sessions(cell));
    }
    if record.shard.is_none() {
        reasons.extend(untested(&record.expectations));
    }
    warnings.extend(plan_warnings(&record.plan));
    shards::judge(record, &mut reasons, &mut warnings);
    let complete = ran == planned && !interrupted && shards::complete(record);
    let valid = reasons.is_empty();
    (
        Validity {
            complete,
            valid,
            reasons,
        },
        warnings,
    )
}

impl CellRecord {
    /// A sum over its trials.
    fn sum_of(&self, count: impl Fn(&TrialRecord) -> u64) -> u64 {
        self.trials.iter().map(count).sum()
    }
}

/// Sessions that failed because the generator's host ran out of something, of which the server knows nothing.
fn exhausted(cell: &CellRecord) -> Option<Note> {
    let failed = cell.total().failed;
    let ours = failed
        .iter()
        .filter(|(class, _)| class.starts_with("local."));
    let each: Vec<String> = ours
        .map(|(class, failure)| format!("{} {class}", format_count(failure.count)))
        .collect();
    (!each.is_empty()).then(|| {
        cell.note(
            "generator-exhausted",
            format!(
                "this host ran out of what sessions need: {}",
                each.join(", ")
            ),
            "lower the load, or see what frees ports, files and memory: docs/failures.md",
        )
    })
}

/// Sessions without their identity of a fleet.
fn unloaded(cell: &CellRecord) -> Option<Note> {
    let failed = cell.sum_of(|trial| trial.fleet.map_or(0, |fleet| fleet.failed));
    (failed > 0).then(|| {
        cell.note(
            "identities-unloaded",
            format!(
                "{} had no identity to present: it could not be loaded",
                counted(failed, "session")
            ),
            "see the failures below for files and causes; the server knows nothing of these sessions",
        )
    })
}

/// Events that did not happen as planned.
fn events_failed(cell: &CellRecord) -> Option<Note> {
    let events = cell.trials.iter().flat_map(|trial| &trial.events);
    let mut failed = events.filter_map(|event| Some((event.kind, event.error.as_ref()?)));
    let (kind, error) = failed.next()?;
    Some(cell.note(
        "event-failed",
        format!("the event {kind} did not happen as planned: {error}"),
        "try its file and its hook by hand, as this user and from this folder",
    ))
}

fn nothing_confirmed(cell: &CellRecord) -> Option<Note> {
    let measured = cell.measured();
    (measured.ok_total() == 0).then(|| {
        cell.note(
            "nothing-confirmed",
            format!("none of {} attempts was confirmed", measured.started),
            "look at the failures below; `shakedown probe` tells one handshake step by step",
        )
    })
}

/// Expectations are met or not met by what servers answer; without an answer nothing was learnt.
fn untested(expectations: &[ExpectationRecord]) -> Vec<Note> {
    let cells = |verdict: ExpectationVerdict| {
        let with = expectations.iter().filter(|e| e.verdict == verdict);
        with.map(|e| e.cell.as_str()).collect::<Vec<_>>().join(", ")
    };
    let mut notes = Vec::new();
    let idle = cells(ExpectationVerdict::Untested);
    if !idle.is_empty() {
        notes.push(Note::new(
            "expectation-untested",
            format!("no session came to an answer in {idle}, so what was expected of it was not tested"),
            "is the server up, and is it a TLS server? See the failures; `shakedown probe` tells one handshake step by step",
        ));
    }
    let spoken = |e: &ExpectationRecord| e.verdict != ExpectationVerdict::NotSpoken;
    if !expectations.is_empty() && !expectations.iter().any(spoken) {
        notes.push(Note::new(
            "version-not-spoken",
            "the server speaks none of the TLS versions offered, so nothing was tested",
            "offer others: matrix.tls, --tlsv1.3, --tls-max",
        ));
    }
    notes
}

/// Silence is a finding about the server, not a fault of the run.
fn unanswered(cell: &CellRecord, summary: &CellSummary) -> Option<Note> {
    let measured = cell.measured();
    let (silent, started) = (measured.unanswered_total(), measured.started);
    let share = silent as f64 * 100.0 / started.max(1) as f64;
    let latency = summary.metrics.get(&Metric::Latency);
    let oldest = latency.and_then(|latency| latency.max).map(Timing::least);
    (silent > 0).then(|| {
        cell.note(
            "unanswered",
            format!(
                "{silent} of {started} sessions ({} %) had no answer, after up to {}",
                three_digits(share),
                format_ns(oldest.unwrap_or(0))
            ),
            "they have failed and count in the percentiles with their age, so one that falls among them is printed as `> age`; see the server, or give it longer with the timeouts and --grace",
        )
    })
}

/// Failures are a finding, not a fault of the run; but nobody should overlook them.
fn failures(cell: &CellRecord) -> Option<Note> {
    let measured = cell.measured();
    let started = measured.started;
    // Who was not answered has a note of its own.
    let failed = measured.failed_total() - measured.unanswered_total();
    (failed as f64 > MOST_FAILED * started as f64 && measured.ok_total() > 0).then(|| {
        cell.note(
            "failures",
            format!(
                "{failed} of {started} attempts failed{}",
                if measured.unanswered_total() > 0 {
                    " in other ways"
                } else {
                    ""
                }
            ),
            "they are in no percentile; the failures are listed by class",
        )
    })
}

/// What was offered by ALPN and ignored by the server (RFC 7301 lets it).
fn alpn_ignored(cell: &CellRecord, plan: &PlanRecord) -> Option<Note> {
    let observed = || cell.trials.iter().flat_map(|t| &t.observed);
    let ignored: u64 = observed()
        .filter(|o| o.alpn.is_none())
        .map(|o| o.count)
        .sum();
    (!plan.scenario.tls.alpn.is_empty() && ignored > 0).then(|| {
        cell.note(
            "alpn-not-negotiated",
            format!("in {ignored} handshakes the server chose no ALPN protocol"),
            "configure ALPN at the server, or drop --alpn",
        )
    })
}

fn load_not_achieved(cell: &CellRecord, plan: &PlanRecord) -> Option<Note> {
    let AchievedLoad::Share(share, figures) = achieved_load(cell, plan) else {
        return None;
    };
    (share < LEAST_ACHIEVED).then(|| {
        cell.note(
            "load-not-achieved",
            figures,
            "raise max-in-flight if the server is only slow; else ask for less, or add workers",
        )
    })
}

/// The load that is not achieved is what a ramp looks for, and no fault of the run.
fn found_by_ramp(missed: Note) -> Note {
    let advice = "the ramp went beyond what was taken: `timeline` in the result has the second from which on";
    Note {
        advice: advice.to_owned(),
        ..missed
    }
}

fn generator_limited(cell: &CellRecord, summary: &CellSummary) -> Option<Note> {
    let busiest = (cell.trials.iter())
        .map(|trial| trial.worker_cpu.busiest())
        .fold(0.0, f64::max);
    // From so few sessions no latency is reported, so there is none to be spoilt.
    summary.metrics.get(&Metric::Service)?.p50?;
    // A median beyond the ages of who had no answer is longer still, and the lag a smaller part of it.
    let median = |metric| {
        let p50 = summary.metrics.get(&metric).and_then(|q| q.p50);
        p50.map(Timing::least)
    };
    let lag = match (median(Metric::Lag), median(Metric::Service)) {
        (Some(lag), Some(service)) if lag > LEAST_LAG_NS => lag as f64 / service.max(1) as f64,
        _ => 0.0,
    };
    // The trial is the unit: one crowded trial of several shows in the spread, see `crowded`.
    let stolen = Spread::of(cell.trials.iter().filter_map(|t| t.stolen)).map_or(0.0, |s| s.median);
    let throttled = median_share(cell, |t| t.throttled.map_or(0, |q| q.throttled_ns));
    let stalled = median_share(cell, |t| t.stalls.worst_ns);
    let percent = |share: f64| share * 100.0;
    let causes = [
        (throttled > MOST_THROTTLED).then(|| {
            format!(
                "a CPU quota stopped the generator for {:.0} % of the time, summed over cores",
                percent(throttled)
            )
        }),
        (stolen > MOST_STOLEN).then(|| {
            format!(
                "in most trials a hypervisor gave {:.0} % of the CPU time to others",
                percent(stolen)
            )
        }),
        (stalled > MOST_STALLED)
            .then(|| format!("a worker stood still {:.0} % of the time", percent(stalled))),
        (busiest > MOST_BUSY).then(|| {
            format!(
                "a worker was on the CPU {:.0} % of the time",
                percent(busiest)
            )
        }),
        (lag > MOST_LAG).then(|| {
            format!(
                "the median schedule lag is {:.0} % of the median service time",
                percent(lag)
            )
        }),
    ];
    let causes: Vec<String> = causes.into_iter().flatten().collect();
    if causes.is_empty() {
        return None;
    }
    let advice = if throttled > MOST_THROTTLED {
        "raise the quota of the control group (cpu.max or cpu.cfs_quota_us, `--cpus` of a container, CPUQuota= of a unit), or ask for less"
    } else {
        "use a quieter machine, ask for less, or add workers and cores; CPU figures suffer least"
    };
    Some(cell.note(
        "generator-limited",
        format!(
            "{}, so latency and rate are not the server's alone",
            causes.join("; ")
        ),
        advice,
    ))
}

/// A part of the measure phase's length, in the median trial: one bad trial of several shows in the
/// spread, and in the warnings.
fn median_share(cell: &CellRecord, ns: impl Fn(&TrialRecord) -> u64) -> f64 {
    let shares = cell.trials.iter().filter_map(|trial| {
        let wall = trial.worker_cpu.wall_ns;
        (wall > 0).then(|| ns(trial) as f64 / wall as f64)
    });
    Spread::of(shares).map_or(0.0, |share| share.median)
}

/// Stalls that are too few to make the run invalid, but long enough to be its maxima.
fn stalled(cell: &CellRecord) -> Option<Note> {
    let count = cell.sum_of(|t| t.stalls.count);
    let longest = cell.trials.iter().map(|t| t.stalls.longest_ns).max()?;
    let few = median_share(cell, |t| t.stalls.worst_ns) <= MOST_STALLED;
    (count > 0 && few).then(|| {
        cell.note(
            "worker-stalled",
            format!(
                "a worker stood still for more than 50 ms {count} ×, at most for {}",
                format_ns(longest)
            ),
            "trust medians over trials; high percentiles and maxima are the generator's",
        )
    })
}

/// A trial in which a hypervisor took more than it may, among others in which it did not.
fn crowded(cell: &CellRecord) -> Option<Note> {
    let stolen = Spread::of(cell.trials.iter().filter_map(|t| t.stolen))?;
    (stolen.max > MOST_STOLEN && stolen.median <= MOST_STOLEN).then(|| {
        cell.note(
            "crowded-trial",
            format!(
                "in one trial a hypervisor gave {:.0} % of the CPU time to others",
                stolen.max * 100.0
            ),
            "trust medians over trials; high percentiles and maxima are the host's",
        )
    })
}

fn observed_otherwise(cell: &CellRecord, plan: &PlanRecord) -> Vec<Note> {
    // An identity that is no identity sends nothing, as it should.
    let none = |i: &&IdentitySection| i.fault == Some(IdentityFault::None);
    let mut empty = plan.scenario.identities.iter().filter(none);
    let bare = empty.any(|i| cell.cell.identities.contains(&i.name));
    let mut notes = Vec::new();
    let all = |test: &dyn Fn(&ObservedRecord) -> bool| -> (u64, u64) {
        let observed = || cell.trials.iter().flat_map(TrialRecord::judged_handshakes);
        let matching = observed().filter(|o| test(o)).map(|o| o.count).sum();
        (matching, observed().map(|o| o.count).sum())
    };
    if cell.is_mutual() {
        // Who resumes is not asked again: the certificate was verified in the session it came from.
        let (total, _) = all(&|o| !o.resumed);
        let (unasked, _) = all(&|o| !o.resumed && !o.certificate_requested);
        if unasked > 0 {
            notes.push(cell.note(
                "certificate-not-requested",
                format!("in {unasked} of {total} handshakes the server sent no CertificateRequest, so they were not mutual"),
                "switch client verification on at the server, for the host and not per path (nginx: ssl_verify_client on; Apache: SSLVerifyClient in the virtual host)",
            ));
        }
        let (unsent, total) = all(&|o| o.certificate_requested && !o.certificate_sent);
        if unsent > 0 && !bare {
            notes.push(cell.note(
                "certificate-not-sent",
                format!("in {unsent} of {total} handshakes our key fitted none of the server's signature schemes"),
                "use a key type the server accepts",
            ));
        }
    }
    let resumed = cell.measured().ok_of(OkKind::Resumed);
    if resumed > 0 && cell.cell.resumed.is_none() {
        notes.push(cell.note(
            "resumed-unasked",
            format!("{resumed} sessions were resumed though resumption is off"),
            "this is a bug in shakedown, please report it",
        ));
    }
    notes
}

/// Sessions that TLS alone confirmed, where a certificate matters: the cell presents one, or the server asked for one.
fn weak_proof(cell: &CellRecord) -> Option<Note> {
    let proofs = cell.trials.iter().flat_map(|trial| &trial.proofs);
    let weak = proofs.filter(|(proof, _)| **proof != Proof::ApplicationData);
    let count: u64 = weak.map(|(_, count)| count).sum();
    let mut observed = cell.trials.iter().flat_map(TrialRecord::judged_handshakes);
    let asked = observed.any(|kind| kind.certificate_requested);
    (count > 0 && (asked || cell.is_mutual())).then(|| {
        let whose = if cell.is_mutual() {
            ""
        } else {
            ", although the server asked for a certificate and got none"
        };
        cell.note(
            "weak-proof",
            format!("{count} sessions were confirmed by TLS alone, without application data{whose}"),
            "some servers (nginx) accept any certificate, or none, in TLS and reject it in HTTP; use --protocol http1, or an https:// URL, to be sure",
        )
    })
}

/// Sessions that ended without telling whether the server accepted them.
fn unproven(cell: &CellRecord) -> Option<Note> {
    let total = cell.total();
    let unconfirmed = total.failed.get("unconfirmed").map_or(0, |f| f.count);
    (unconfirmed > 0).then(|| {
        cell.note(
            "unproven",
            format!(
                "{} of {} sessions ended without telling whether the server accepts them",
                format_count(unconfirmed),
                format_count(total.started)
            ),
            "speak the server's protocol (an https:// URL, --protocol), which proves it",
        )
    })
}

fn lost_sessions(cell: &CellRecord) -> Option<Note> {
    let lost = cell.sum_of(|t| t.lost_while_held);
    let classes: BTreeSet<&str> = cell
        .trials
        .iter()
        .flat_map(|t| t.lost.keys())
        .map(String::as_str)
        .collect();
    let mut how = classes.into_iter().collect::<Vec<_>>().join(", ");
    if !how.is_empty() {
        how = format!(" ({how})");
    }
    (lost > 0).then(|| {
        cell.note(
            "lost-while-held",
            format!("the server ended {lost} sessions while they were held open{how}"),
            "raise the server's idle timeout, or lower --hold",
        )
    })
}

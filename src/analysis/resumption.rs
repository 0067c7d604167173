//! Was the asked share of sessions resumed, and if not, why (invariant 4)?

use crate::record::{CellRecord, Note, ObservedRecord, PlanRecord};
use crate::stats::{OkKind, ResumptionCounts};
use crate::units::Ratio;

/// Judges a cell that resumes sessions: every confirmed session must be of the kind that was planned
/// for it, and the kinds of each trial must come to the share that was asked for, to one session of each
/// worker and identity, whose deals may be cut in the middle.
pub(super) fn resumption_missed(cell: &CellRecord, workers: u64) -> Option<Note> {
    let asked = cell.cell.resumed?;
    let counts = cell.resumption()?;
    let measured = cell.measured();
    let (ok, resumed) = (measured.ok_total(), measured.ok_of(OkKind::Resumed));
    if counts.ok_missed > 0 {
        return Some(cell.note(
            "resumption-missed",
            format!(
                "{resumed} of {ok} confirmed sessions were resumed, and {} were to be: {}",
                counts.ok_planned,
                reasons(cell, &counts).join("; ")
            ),
            advice(&counts),
        ));
    }
    let deals = workers * cell.cell.identities.len().max(1) as u64;
    let off = cell.trials.iter().any(|trial| {
        let measured = &trial.measured;
        let resumed = measured.ok_of(OkKind::Resumed) * u64::from(Ratio::WHOLE);
        let due = measured.ok_total() * u64::from(asked.parts());
        let without = measured.cancelled_total() + measured.unanswered_total();
        let slack = (deals + without) * u64::from(Ratio::WHOLE);
        resumed.abs_diff(due) > slack
    });
    off.then(|| {
        cell.note(
            "resumption-missed",
            format!(
                "{resumed} of {ok} confirmed sessions were resumed, which is not the share of {asked}, because {} attempts failed",
                measured.failed_total()
            ),
            "look at the failures below; those of resumed and of full sessions do not balance",
        )
    })
}

/// More than this part of the requests must go ahead as early data where that is asked for.
const LEAST_EARLY: f64 = 0.99;

/// Judges a cell whose resumed sessions were to send their first request as early data: those that resumed must
/// have sent it.
pub(super) fn early_data_missed(cell: &CellRecord, plan: &PlanRecord) -> Option<Note> {
    let resumes = cell.cell.resumed.is_some_and(|share| share > Ratio::ZERO);
    if !resumes || !plan.scenario.resumption.early_data {
        return None;
    }
    let counts = cell.resumption()?;
    let early = counts.early;
    let missed = early.sent == 0 || (early.sent as f64) < LEAST_EARLY * counts.offered as f64;
    missed.then(|| {
        let tls12 = |o: &ObservedRecord| o.version == "TLSv1.2";
        let (why, advice) = if counts.offered == 0 {
            (
                "no session offered to resume another",
                "let the server issue tickets for TLS 1.3, and see that it resumes without early data first",
            )
        } else if cell.trials.iter().flat_map(|t| &t.observed).any(tls12) {
            (
                "the server speaks TLS 1.2, which has none",
                "let it speak TLS 1.3 (--tlsv1.3 makes sure), or drop --early-data",
            )
        } else {
            (
                "the tickets do not allow for it, or not for the whole request",
                "switch it on at the server (nginx: ssl_early_data on), make the request smaller, or drop --early-data",
            )
        };
        cell.note(
            "early-data-not-sent",
            format!(
                "{} of {} sessions that offered to resume sent early data: {why}",
                early.sent, counts.offered
            ),
            advice,
        )
    })
}

/// A larger part of rejected early data than this is pointed out.
const MOST_REJECTED: f64 = 0.01;

/// Early data that the server dropped: those sessions waited a round trip longer.
pub(super) fn early_data_rejected(cell: &CellRecord) -> Option<Note> {
    let early = cell.resumption()?.early;
    (early.rejected as f64 > MOST_REJECTED * early.sent as f64).then(|| {
        cell.note(
            "early-data-rejected",
            format!(
                "the server dropped the early data of {} of {} sessions, which sent it again",
                early.rejected, early.sent
            ),
            "their latencies are not those of 0-RTT; see the server's protection against replays",
        )
    })
}

/// Why sessions were not of the planned kind, with numbers.
fn reasons(cell: &CellRecord, counts: &ResumptionCounts) -> Vec<String> {
    let suites = || {
        let observed = cell.trials.iter().flat_map(|t| &t.observed);
        observed.map(|o| o.cipher_suite.as_str())
    };
    let varied = suites().any(|suite| Some(suite) != suites().next());
    let given_up = cell.trials.iter().filter_map(|t| t.prime.as_ref());
    let primed: u64 = given_up.map(crate::stats::Accounting::ok_total).sum();
    let starved = if counts.harvested == 0 {
        format!(
            "for {} there was no ticket, since the server gave none in the load after {primed} priming sessions",
            counts.starved
        )
    } else {
        format!("for {} there was no ticket in store", counts.starved)
    };
    let refused = if varied {
        format!(
            "{} were refused by the server, and the cipher suite changed between sessions",
            counts.refused
        )
    } else {
        format!("{} were refused by the server", counts.refused)
    };
    [
        (counts.starved, starved),
        (
            counts.expired,
            format!("for {} the ticket had expired", counts.expired),
        ),
        (counts.refused, refused),
        (
            counts.unplanned,
            format!(
                "{} were resumed although planned to be full",
                counts.unplanned
            ),
        ),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(_, reason)| reason)
    .collect()
}

/// What to do about the commonest reason.
fn advice(counts: &ResumptionCounts) -> &'static str {
    let most = counts.starved.max(counts.expired).max(counts.refused);
    if counts.unplanned > 0 {
        "this is a bug in shakedown, please report it"
    } else if counts.expired == most {
        "raise the lifetime of tickets at the server (nginx: ssl_session_timeout), or run shorter trials"
    } else if counts.refused == most {
        "give the server one ticket key or session cache for all its processes, large enough for the load"
    } else {
        "let the server issue tickets (nginx: ssl_session_tickets on), as many as are used; give a longer warm-up, or ask for a smaller share"
    }
}

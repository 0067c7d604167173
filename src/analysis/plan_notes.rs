//! What a reader should know of a plan, whatever became of its sessions: what it leaves out, and what it does not let
//! happen as it was asked.

use crate::record::{Asked, Note, PlanRecord};

/// What the plan leaves out of its figures, or cannot do.
pub(super) fn plan_warnings(plan: &PlanRecord) -> Vec<Note> {
    let mut notes = plan.preflight.shortages.clone();
    if !plan.server_verified {
        notes.push(Note::new(
            "insecure",
            "the server's chain and name were NOT verified, so their cost is missing from every figure",
            "pass --cacert instead of --insecure",
        ));
    }
    if plan.verifies_once() {
        notes.push(Note::new(
            "verified-once",
            "each distinct chain of the server was verified once per worker, cell and client identity, so most of that cost is missing from every figure",
            "for what a client pays, leave out --verify once-per-chain",
        ));
    }
    if let Some(metering) = plan.metering {
        notes.push(Note::new(
            "metered",
            format!(
                "every session kept a ledger of where its time went, at about {:.0} ns an entry",
                metering.span_ns
            ),
            "read it as an anatomy; take figures to compare from a run without `metered` (and without SHAKEDOWN_METERED)",
        ));
    }
    notes.extend(less_than_asked(plan));
    let loose: Vec<&str> = plan
        .placements
        .iter()
        .filter(|p| !p.pinned)
        .map(|p| p.thread.as_str())
        .collect();
    if !loose.is_empty() {
        notes.push(Note::new(
            "not-pinned",
            format!("not pinned to a core: {}", loose.join(", ")),
            "the system does not allow it (cgroup, container, macOS); expect more spread",
        ));
    }
    notes
}

/// What the plan itself does not let happen as it was asked.
fn less_than_asked(plan: &PlanRecord) -> Vec<Note> {
    let load = &plan.scenario.load;
    let mut notes = Vec::new();
    let hold = load.hold.unwrap_or_default().0.as_secs_f64();
    if hold > 0.0 && hold >= plan.warmup_s + plan.duration_s {
        notes.push(Note::new(
            "hold-cut-short",
            "no session was held for as long as asked: the load ends before, and held sessions with it",
            "write a longer duration, or a shorter hold",
        ));
    }
    if let (Some(sessions), Some(total)) = (load.sessions, load.total)
        && total < sessions
    {
        notes.push(Note::new(
            "total-below-sessions",
            format!("with a total of {total} sessions, {sessions} were never in flight at once"),
            "raise the total, or ask for fewer concurrent sessions",
        ));
    }
    let workers = plan.workers();
    if let Asked::Sessions { most, .. } = plan.asked()
        && plan.scenario.workers.count.is_some()
        && most < workers
    {
        notes.push(Note::new(
            "idle-workers",
            format!("{} of {workers} workers had no session, since no more than {most} were asked for at once", workers - most),
            "use fewer workers, or more sessions",
        ));
    }
    notes
}

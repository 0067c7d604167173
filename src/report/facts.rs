//! What every report says of a record, before it is known how it looks: titles, conditions, what was
//! negotiated, what failed and why.

use std::collections::HashSet;

use super::addresses;
use crate::analysis::{CellSummary, Contrast, Decoded, Dimension, Question, Tax};
use crate::record::{
    Asked, BuildInfo, CellRecord, ExpectationVerdict, Note, ObservedRecord, PlanRecord, RunRecord,
};
use crate::stats::{
    CONFIDENCE, CancelPhase, FailureRecord, HistogramError, LEAST_UNITS, Metric, RoundEffect,
};
use crate::units::{Span, counted, format_count, format_ns, trimmed};

/// What a figure of a run without verification of the server lacks.
const INSECURE: &str = "INSECURE: the server's chain and name were not verified (-k), nor is their cost in these figures";
/// What a figure of a run with fewer verifications than a client makes lacks.
const VERIFIED_ONCE: &str = "VERIFIED ONCE: each chain of the server was verified once (--verify once-per-chain), not in every handshake, and that cost is not in these figures";
/// What percentiles of a closed loop cannot show.
const CLOSED_LOOP: &str = "A closed loop begins no sessions while the server stalls, so its percentiles understate stalls (coordinated omission): see \"longest without answer\", or use --rate.";
/// What an interrupted run is.
pub(super) const INCOMPLETE: &str =
    "INCOMPLETE: the run ended before its plan; every attempt until then is accounted for";

/// Whether a run is valid, in a sentence.
pub(super) fn validity(record: &RunRecord) -> &'static str {
    let unproven = |note: &Note| matches!(&note.code[..], "weak-proof" | "unproven");
    if record.validity.valid && record.warnings.iter().any(unproven) {
        "valid, but TLS alone does not prove that the server accepts these clients: the run did what was asked"
    } else if record.validity.valid {
        "valid: the run did what was asked"
    } else {
        "INVALID: the run did not do what was asked"
    }
}

/// What was not verified of the server, if something was not.
pub(super) fn unverified(plan: &PlanRecord) -> Option<&'static str> {
    if plan.server_verified {
        plan.verifies_once().then_some(VERIFIED_ONCE)
    } else {
        Some(INSECURE)
    }
}

/// How sessions began, how often and for how long.
pub(super) fn load(record: &RunRecord) -> String {
    let (plan, scenario) = (&record.plan, &record.plan.scenario);
    let trials = scenario.trials.count;
    let repeats = if trials == 1 {
        "1 trial".to_owned()
    } else {
        format!("{trials} interleaved trials")
    };
    let length = match scenario.load.total {
        Some(total) => format!("up to {} sessions", format_count(total)),
        None => seconds(plan.duration_s),
    };
    let model = match plan.asked() {
        Asked::Rate(rate) => format!("open loop, {}/s", trimmed(rate)),
        Asked::Sessions { most, .. } => format!("closed loop, {} sessions", format_count(most)),
    };
    format!("{model}, {repeats} of {length} per cell")
}

/// What percentiles of a closed loop cannot show.
pub(super) fn closed_loop(plan: &PlanRecord) -> Option<&'static str> {
    matches!(plan.asked(), Asked::Sessions { .. }).then_some(CLOSED_LOOP)
}

/// Against what, from which threads, with whose cryptography.
pub(super) fn place(record: &RunRecord) -> String {
    let (plan, scenario) = (&record.plan, &record.plan.scenario);
    let target = match (&scenario.target.url, record.cells.first()) {
        (Some(url), Some(_)) => format!("{url} ({})", addresses::reached(record)),
        _ => "the embedded target".to_owned(),
    };
    let mut places = match record.shards.first() {
        Some(first) => format!(
            "{} of {}",
            counted(record.shards.len() as u64, "shard"),
            counted(first.part.workers as u64, "worker")
        ),
        None => threads(plan, "worker"),
    };
    if scenario.target.url.is_none() && record.shards.is_empty() {
        places = format!("{places}, {}", threads(plan, "target"));
    }
    let provider = match &plan.target_provider {
        Some(theirs) if *theirs != plan.provider => {
            format!("providers: client {}, target {theirs}", plan.provider)
        }
        _ => format!("provider {}", plan.provider),
    };
    format!("against {target}, {places}, {provider}")
}

/// The suites that were offered because all compared providers have them.
pub(super) fn common_suites(record: &RunRecord) -> Option<String> {
    let suites = &record.plan.common_suites;
    (!suites.is_empty()).then(|| {
        let suites = suites.join(", ");
        format!("suites, the first that all providers have: {suites}")
    })
}

/// How many threads of a kind there were, and on which cores: `2 workers on cores 0,1`.
fn threads(plan: &PlanRecord, kind: &str) -> String {
    let cores: Vec<String> = (plan.placements.iter())
        .filter(|p| p.thread.starts_with(kind))
        .map(|p| p.core.map_or("any".to_owned(), |core| core.to_string()))
        .collect();
    let plural = if cores.len() == 1 { "" } else { "s" };
    let name = if kind == "target" {
        "target thread"
    } else {
        kind
    };
    let threads = counted(cores.len() as u64, name);
    format!("{threads} on core{plural} {}", cores.join(","))
}

fn seconds(s: f64) -> String {
    std::time::Duration::try_from_secs_f64(s)
        .map_or_else(|_| "?".to_owned(), |d| Span(d).to_string())
}

/// Whether a cell has figures to show. One of which outcomes were expected has none where rejection
/// was, or where it had just enough sessions to see what becomes of them.
pub(super) fn has_figures(record: &RunRecord, summary: &CellSummary) -> bool {
    let expects = record.expectations.iter().any(|e| e.cell == summary.name);
    let latency = summary.metrics.get(&Metric::Service);
    !expects || latency.is_some_and(|quantiles| quantiles.p50.is_some())
}

/// The summaries of the cells that have figures.
pub(super) fn shown(decoded: &Decoded<'_>) -> Vec<CellSummary> {
    let summaries = decoded.summaries().iter();
    let shown = summaries.filter(|summary| has_figures(decoded.record(), summary));
    shown.cloned().collect()
}

/// Title of a tax, and how its figures come about.
pub(super) fn tax_title(tax: &Tax) -> (String, String) {
    let rounds = tax.rows.iter().map(|row| row.difference.rounds).max();
    let what = match tax.question {
        Question::MutualTax => "mTLS tax",
        Question::Resumption => "what resumption saves",
    };
    (
        format!("{what}: {} against {}", tax.cell, tax.base),
        by_rounds(rounds.unwrap_or(0)),
    )
}

/// Title of a contrast, and how its figures come about.
pub(super) fn contrast_title(contrast: &Contrast) -> (String, String) {
    let what = match contrast.dimension {
        Dimension::Provider => "providers",
        Dimension::Keys => "keys",
        Dimension::Group => "groups",
        Dimension::Chain => "chains of other lengths",
        Dimension::Lists => "revocation lists",
        Dimension::Exchanges => "exchanges per session",
        Dimension::Streams => "streams of an exchange",
    };
    let rows = contrast.sets.iter().flat_map(|set| &set.cells);
    let rounds = rows.flat_map(|(_, rows)| rows).map(|r| r.base.trials).max();
    (
        format!("{what} against {}", contrast.base),
        format!("ratios {}", by_rounds(rounds.unwrap_or(0))),
    )
}

/// How effects over this many rounds come about.
fn by_rounds(rounds: usize) -> String {
    let percent = CONFIDENCE * 100.0;
    match rounds {
        0 => "round by round".to_owned(),
        rounds if rounds < LEAST_UNITS => {
            let rounds = counted(rounds as u64, "round");
            format!("{rounds}, no interval: {LEAST_UNITS} are needed")
        }
        rounds => format!("over {rounds} rounds, trimmed mean [{percent:.0} % interval]"),
    }
}

/// An effect over rounds with its interval, or with its number of rounds where these are too few for one.
pub(super) fn effect(effect: &RoundEffect, show: impl Fn(f64) -> String) -> String {
    let estimate = show(effect.estimate);
    match effect.interval {
        Some((low, high)) => format!("{estimate} [{} … {}]", show(low), show(high)),
        None => format!("{estimate} {}", few_rounds(effect)),
    }
}

/// How many rounds there are, where these are too few for an interval; else nothing.
pub(super) fn few_rounds(effect: &RoundEffect) -> String {
    match (effect.interval, effect.rounds) {
        (Some(_), _) => String::new(),
        (None, 1) => "(1 round)".to_owned(),
        (None, rounds) => format!("({rounds} rounds)"),
    }
}

/// What was negotiated in the cells that are shown: a line each, none where no cell used TLS.
pub(super) fn negotiated(record: &RunRecord, shown: &[CellSummary]) -> Vec<String> {
    let cells = shown_cells(record, shown);
    let of_cell = |cell: &CellRecord| -> Vec<String> {
        let name = &cell.cell.name;
        let lines = (negotiated_by(&[cell]).into_iter())
            .map(|(text, count, _)| format!("{name}: {} × {text}", format_count(count)));
        lines.collect()
    };
    cells.into_iter().flat_map(of_cell).collect()
}

/// The same of many cells: a line for what was negotiated, with how many negotiated it.
pub(super) fn negotiated_by_all(record: &RunRecord, shown: &[CellSummary]) -> Vec<String> {
    let lines = negotiated_by(&shown_cells(record, shown)).into_iter();
    lines
        .map(|(text, count, cells)| {
            let [count, cells] = [count, cells].map(format_count);
            format!("{count} × {text}, in {cells} cells")
        })
        .collect()
}

/// Which build of shakedown.
pub(super) fn build(build: &BuildInfo) -> String {
    let BuildInfo {
        version,
        git_revision,
        profile,
        ..
    } = build;
    format!("{version} ({git_revision}, {profile})")
}

/// The cells that are shown, with all that was kept of them.
pub(super) fn shown_cells<'a>(record: &'a RunRecord, shown: &[CellSummary]) -> Vec<&'a CellRecord> {
    let names: HashSet<&str> = shown.iter().map(|s| s.name.as_str()).collect();
    let cells = record.cells.iter();
    cells
        .filter(|c| names.contains(c.cell.name.as_str()))
        .collect()
}

/// What these cells negotiated, how many handshakes did, and in how many of the cells.
fn negotiated_by(cells: &[&CellRecord]) -> Vec<(String, u64, u64)> {
    let mut sums: Vec<(String, u64, u64)> = Vec::new();
    for cell in cells {
        let mut here: Vec<usize> = Vec::new();
        for observed in cell.trials.iter().flat_map(|t| &t.observed) {
            let text = describe(observed);
            let known = sums.iter().position(|(known, _, _)| *known == text);
            let place = known.unwrap_or_else(|| {
                sums.push((text, 0, 0));
                sums.len() - 1
            });
            sums[place].1 += observed.count;
            if !here.contains(&place) {
                here.push(place);
                sums[place].2 += 1;
            }
        }
    }
    sums
}

fn describe(observed: &ObservedRecord) -> String {
    let client = match (observed.certificate_requested, observed.certificate_sent) {
        (false, _) => "no client certificate requested".to_owned(),
        (true, false) => "client certificate requested, none sent".to_owned(),
        (true, true) => format!("client certificate sent, {}", observed.client_signature),
    };
    let ends = if observed.resumed {
        "resumed, so nobody signed".to_owned()
    } else {
        format!("server {}, {client}", observed.server_signature)
    };
    let alpn = observed
        .alpn
        .as_ref()
        .map(|a| format!(", ALPN {a}"))
        .unwrap_or_default();
    format!(
        "{} {} {}, {ends}{alpn}",
        observed.version, observed.cipher_suite, observed.group
    )
}

/// The failures of one cell by class, warm-up included.
pub(super) struct Failures {
    pub cell: String,
    pub by_class: Vec<(String, FailureRecord)>,
}

/// The cells with failures, but for those where they were what was expected.
pub(super) fn failures(record: &RunRecord) -> Vec<Failures> {
    let mut all = Vec::new();
    for cell in &record.cells {
        let total = cell.total();
        let mut expectations = record
            .expectations
            .iter()
            .filter(|e| e.cell == cell.cell.name);
        let settled = expectations.clone().count() > 0
            && expectations.all(|e| {
                matches!(
                    e.verdict,
                    ExpectationVerdict::Met | ExpectationVerdict::NotSpoken
                )
            });
        if !total.failed.is_empty() && !settled {
            all.push(Failures {
                cell: cell.cell.name.clone(),
                by_class: total.failed.into_iter().collect(),
            });
        }
    }
    all
}

/// What the end of the trials cut off: a line per cell and phase.
pub(super) fn cut_off(record: &RunRecord) -> Result<Vec<String>, HistogramError> {
    let mut lines = Vec::new();
    for cell in &record.cells {
        for (phase, cut) in cell.cut_off()? {
            let when = match phase {
                CancelPhase::Drain => "deadline",
                CancelPhase::Abort => "abort",
            };
            let stages: Vec<String> = (cut.stages.iter())
                .map(|(stage, count)| format!("{} {}", stage.label(), format_count(*count)))
                .collect();
            let confirmed = match cut.confirmed {
                0 => String::new(),
                count => format!(", {} of them confirmed", format_count(count)),
            };
            let median = (cut.age.median()).map_or(String::new(), |age| format!("median {age}, "));
            lines.push(format!(
                "cut off in {}: {} in flight at the {when} ({}){confirmed}, age {median}oldest {}",
                cell.cell.name,
                format_count(cut.count()),
                stages.join(", "),
                format_ns(cut.oldest_ns)
            ));
        }
    }
    Ok(lines)
}

//! The report for people at a terminal.

use std::fmt::Write;

use super::{anatomy, expectations, tables};
use crate::record::{
    CellRecord, CellSummary, Dimension, ExpectationVerdict, ObservedRecord, PlanRecord, Question,
    RunRecord, contrasts, summarise, taxes,
};
use crate::stats::{CancelPhase, HistogramError, Metric};
use crate::units::{Span, format_count, format_ns, three_digits};

/// How a report looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether ANSI colours are used.
    pub color: bool,
    /// Characters that bars may take.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            color: false,
            width: 100,
        }
    }
}

impl Style {
    pub(super) fn paint(self, code: &str, text: &str) -> String {
        if self.color {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    pub(super) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }
}

/// Renders a record. Everything in it comes from the record; strings that a server sent were
/// escaped when they were recorded.
///
/// # Errors
///
/// Fails if a stored histogram is damaged.
pub fn render(record: &RunRecord, style: Style) -> Result<String, HistogramError> {
    let summaries = summarise(record)?;
    let mut out = String::new();
    header(&mut out, record, style);
    insecure_mark(&mut out, record, style);
    let expected = expectations::section(record, style);
    if !expected.is_empty() {
        line(&mut out, &expected);
    }
    let shown: Vec<CellSummary> = (summaries.into_iter())
        .filter(|summary| has_figures(record, summary))
        .collect();
    if record.plan.scenario.metered {
        // An anatomy: latencies and costs of metered sessions are not for comparing.
        line(&mut out, &anatomy::sections(record, style)?);
    } else {
        cost(&mut out, record, &shown, style)?;
    }
    skipped(&mut out, record, style);
    negotiated(&mut out, record, &shown, style);
    failures(&mut out, record, style);
    cut_off(&mut out, record, style)?;
    verdict(&mut out, record, style);
    reading(&mut out, record, style);
    Ok(out)
}

/// The cells side by side, and against each other.
fn cost(
    out: &mut String,
    record: &RunRecord,
    shown: &[CellSummary],
    style: Style,
) -> Result<(), HistogramError> {
    if !shown.is_empty() {
        line(out, &tables::cells(shown, &record.plan));
    }
    for tax in taxes(record)? {
        let rounds = tax.rows.first().map_or(0, |row| row.difference.trials);
        let what = match tax.question {
            Question::MutualTax => "mTLS tax",
            Question::Resumption => "what resumption saves",
        };
        let title = format!("{what}: {} against {}", tax.cell, tax.base);
        let how = format!("round by round, median [min … max] of {rounds}");
        line(out, &format!("\n{} ({how})", style.bold(&title)));
        line(out, &tables::tax(&tax));
    }
    compared(out, record, style)
}

/// What another provider, key, group or chain costs against the first.
fn compared(out: &mut String, record: &RunRecord, style: Style) -> Result<(), HistogramError> {
    for contrast in contrasts(record)? {
        let what = match contrast.dimension {
            Dimension::Provider => "providers",
            Dimension::Keys => "keys",
            Dimension::Group => "groups",
            Dimension::Chain => "chains of other lengths",
        };
        let rows = contrast.sets.iter().flat_map(|set| &set.cells);
        let rounds = rows.flat_map(|(_, rows)| rows).map(|r| r.base.trials).max();
        let title = format!("{what} against {}", contrast.base);
        let how = format!(
            "ratios round by round, median [min … max] of {}",
            rounds.unwrap_or(0)
        );
        line(out, &format!("\n{} ({how})", style.bold(&title)));
        line(out, &tables::contrast(&contrast.sets));
    }
    Ok(())
}

/// The cells that could not be run, each with its reason.
fn skipped(out: &mut String, record: &RunRecord, style: Style) {
    if !record.plan.skipped.is_empty() {
        line(out, &format!("\n{}", style.bold("skipped")));
    }
    for skipped in &record.plan.skipped {
        let name = style.bad(&skipped.cell.name);
        line(out, &format!("  {name}: {}", skipped.reason));
    }
}

/// Renders the expected outcomes of a record and nothing of its figures: what an audit is about.
pub fn verdicts(record: &RunRecord, style: Style) -> String {
    let mut out = String::new();
    header(&mut out, record, style);
    insecure_mark(&mut out, record, style);
    line(&mut out, &expectations::section(record, style));
    failures(&mut out, record, style);
    verdict(&mut out, record, style);
    reading(&mut out, record, style);
    out
}

fn reading(out: &mut String, record: &RunRecord, style: Style) {
    if !record.plan.scenario.reading.is_empty() {
        line(out, &format!("\n{}", style.bold("how to read this")));
        wrap(out, record.plan.scenario.reading.trim(), 2, 96);
    }
}

pub(super) fn line(out: &mut String, text: &str) {
    for row in text.split('\n') {
        out.push_str(row.trim_end());
        out.push('\n');
    }
}

fn header(out: &mut String, record: &RunRecord, style: Style) {
    let plan = &record.plan;
    let scenario = &plan.scenario;
    let question = if scenario.question.is_empty() {
        String::new()
    } else {
        format!(": {}", scenario.question)
    };
    line(out, &format!("{}{question}", style.bold(&scenario.name)));
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
    line(
        out,
        &format!("{}, {repeats} of {length} per cell", load(plan)),
    );
    let target = match (&scenario.target.url, record.cells.first()) {
        (Some(url), Some(cell)) => format!("{url} ({})", cell.address),
        _ => "the embedded target".to_owned(),
    };
    let mut places = threads(plan, "worker");
    if scenario.target.url.is_none() {
        let _ = write!(places, ", {}", threads(plan, "target"));
    }
    let provider = match &plan.target_provider {
        Some(theirs) if *theirs != plan.provider => {
            format!("providers: client {}, target {theirs}", plan.provider)
        }
        _ => format!("provider {}", plan.provider),
    };
    line(out, &format!("against {target}, {places}, {provider}"));
    if !plan.common_suites.is_empty() {
        let suites = plan.common_suites.join(", ");
        line(
            out,
            &format!("suites, the first that all providers have: {suites}"),
        );
    }
    line(out, "");
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
    format!(
        "{} {name}{plural} on core{plural} {}",
        cores.len(),
        cores.join(",")
    )
}

fn load(plan: &PlanRecord) -> String {
    match (plan.asked_rate, plan.asked_sessions_max) {
        (Some(rate), _) => format!("open loop, {}/s", trimmed(rate)),
        (None, Some(sessions)) => format!("closed loop, {} sessions", format_count(sessions)),
        (None, None) => plan.load_model.clone(),
    }
}

/// A rate without the zeros that say nothing.
fn trimmed(rate: f64) -> String {
    if rate.fract() == 0.0 {
        format!("{rate:.0}")
    } else {
        three_digits(rate)
    }
}

fn seconds(s: f64) -> String {
    std::time::Duration::try_from_secs_f64(s)
        .map_or_else(|_| "?".to_owned(), |d| Span(d).to_string())
}

/// The loud mark of an unverified server.
fn insecure_mark(out: &mut String, record: &RunRecord, style: Style) {
    if !record.plan.server_verified {
        let text = "INSECURE: the server's chain and name were not verified (-k), nor is their cost in these figures";
        line(out, &format!("{}\n", style.bad(text)));
    }
}

/// Whether a cell has figures to show. One of which outcomes were expected has none where rejection
/// was, or where it had just enough sessions to see what becomes of them.
fn has_figures(record: &RunRecord, summary: &CellSummary) -> bool {
    let expects = record.expectations.iter().any(|e| e.cell == summary.name);
    let latency = summary.metrics.get(&Metric::Service);
    !expects || latency.is_some_and(|quantiles| quantiles.p50.is_some())
}

fn negotiated(out: &mut String, record: &RunRecord, shown: &[CellSummary], style: Style) {
    let described = |cell: &CellRecord| -> Vec<(String, u64)> {
        let mut sums: Vec<(String, u64)> = Vec::new();
        for observed in cell.trials.iter().flat_map(|t| &t.observed) {
            let text = describe(observed);
            match sums.iter_mut().find(|(known, _)| *known == text) {
                Some((_, count)) => *count += observed.count,
                None => sums.push((text, observed.count)),
            }
        }
        sums
    };
    let cells: Vec<_> = record
        .cells
        .iter()
        .filter(|c| shown.iter().any(|s| s.name == c.cell.name))
        .map(|c| (&c.cell.name, described(c)))
        .collect();
    if cells.iter().all(|(_, sums)| sums.is_empty()) {
        return;
    }
    line(out, &format!("\n{}", style.bold("negotiated, as observed")));
    for (name, sums) in cells {
        for (text, count) in sums {
            line(out, &format!("  {name}: {} × {text}", format_count(count)));
        }
    }
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

fn failures(out: &mut String, record: &RunRecord, style: Style) {
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
        if total.failed.is_empty() || settled {
            continue;
        }
        line(
            out,
            &format!(
                "\n{}",
                style.bold(&format!(
                    "failures of {} (warm-up included)",
                    cell.cell.name
                ))
            ),
        );
        for (class, failure) in &total.failed {
            line(
                out,
                &format!(
                    "  {} × {}: {}",
                    format_count(failure.count),
                    style.bad(class),
                    failure.example
                ),
            );
            line(out, &format!("    help: {}", failure.advice));
        }
    }
}

/// What the end of the trials cut off: a line per cell.
fn cut_off(out: &mut String, record: &RunRecord, style: Style) -> Result<(), HistogramError> {
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
            let median = (cut.age.median())
                .map_or(String::new(), |ns| format!("median {}, ", format_ns(ns)));
            let text = format!(
                "cut off in {}: {} in flight at the {when} ({}){confirmed}, age {median}oldest {}",
                cell.cell.name,
                format_count(cut.count()),
                stages.join(", "),
                format_ns(cut.oldest_ns)
            );
            line(out, &format!("\n{}", style.bold(&text)));
        }
    }
    Ok(())
}

fn verdict(out: &mut String, record: &RunRecord, style: Style) {
    let validity = &record.validity;
    line(out, "");
    if !validity.complete {
        line(out, &style.bad("INCOMPLETE: the run ended before its plan; every attempt until then is accounted for"));
    }
    if validity.valid {
        line(out, &style.good("valid: the run did what was asked"));
    } else {
        line(
            out,
            &style.bad("INVALID: the run did not do what was asked"),
        );
    }
    let notes = validity.reasons.iter().map(|note| (note, true));
    for (note, bad) in notes.chain(record.warnings.iter().map(|note| (note, false))) {
        let code = if bad {
            style.bad(&note.code)
        } else {
            style.bold(&format!("note {}", note.code))
        };
        line(out, &format!("  {code}: {}", note.message));
        line(out, &format!("    help: {}", note.advice));
    }
}

/// Breaks a paragraph into lines of at most `width` characters.
fn wrap(out: &mut String, text: &str, indent: usize, width: usize) {
    let mut current = String::new();
    for word in text.split_whitespace() {
        if !current.is_empty()
            && current.chars().count() + 1 + word.chars().count() > width - indent
        {
            let _ = writeln!(out, "{:indent$}{current}", "");
            current.clear();
        }
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
    }
    if !current.is_empty() {
        let _ = writeln!(out, "{:indent$}{current}", "");
    }
}

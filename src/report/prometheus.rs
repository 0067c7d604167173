//! The figures of a result as a Prometheus textfile, for a node exporter's collector. Durations are seconds. Families
//! come one after the other, as the exposition format asks for.

use std::time::UNIX_EPOCH;

use super::ReportError;
use super::exposition::Family;
use super::figures::{FigureLine, of_cell};
use crate::analysis::Decoded;
use crate::record::RunRecord;

/// A label with its value.
type Label<'a> = (&'a str, &'a str);

/// What became of cells: the name of a family, its type, and what it is.
const OF_CELLS: [(&str, &str, &str); 7] = [
    (
        SESSIONS,
        "gauge",
        "Sessions of the measure phase by what became of them.",
    ),
    (
        FAILURES,
        "gauge",
        "Failed sessions of the measure phase by class.",
    ),
    (
        RATE,
        "gauge",
        "Sessions confirmed per second, the median over trials.",
    ),
    (
        DURATION,
        "summary",
        "Durations of sessions that were not refused by event, over all trials.",
    ),
    (
        BEYOND,
        "gauge",
        "What a percentile that is +Inf is beyond: it falls among sessions without an answer.",
    ),
    (
        CPU,
        "gauge",
        "CPU time per session in seconds, the median over trials.",
    ),
    (
        BYTES,
        "gauge",
        "TCP payload bytes per handshake, as the client counted them.",
    ),
];
const SESSIONS: &str = "sessions";
const FAILURES: &str = "failures";
const RATE: &str = "confirmed_per_second";
const DURATION: &str = "duration_seconds";
const BEYOND: &str = "duration_beyond_seconds";
const CPU: &str = "cpu_seconds_per_session";
const BYTES: &str = "handshake_bytes";

/// One result.
///
/// Fails if a stored histogram or time is damaged.
pub(super) fn render(record: &RunRecord) -> Result<String, ReportError> {
    let scenario = ("scenario", record.plan.scenario.name.as_str());
    let ended = super::time(&record.ended_at)?;
    let ended = ended.duration_since(UNIX_EPOCH).unwrap_or_default();
    let of_run = |name, help, labels: &[Label<'_>], value| {
        let mut family = Family::new(name, "gauge", help);
        family.add("", &[&[scenario], labels].concat(), value);
        family
    };
    let build = [
        ("version", record.build.version.as_str()),
        ("revision", &record.build.git_revision),
    ];
    let valid = f64::from(u8::from(record.validity.valid));
    let help = "When the run ended, in seconds since the epoch.";
    let mut families = vec![
        of_run("run_info", "What made the result; always 1.", &build, 1.0),
        of_run(
            "run_valid",
            "Whether the run did what was asked.",
            &[],
            valid,
        ),
        of_run("run_ended_seconds", help, &[], ended.as_secs_f64()),
    ];
    let mut of_cells = OF_CELLS.map(|(name, kind, help)| (name, Family::new(name, kind, help)));
    for summary in Decoded::of(record)?.summaries() {
        let mut add = |family, suffix, labels: &[Label<'_>], value| {
            let labels = [&[scenario, ("cell", &summary.name)], labels].concat();
            for (_, family) in of_cells.iter_mut().filter(|(name, _)| *name == family) {
                family.add(suffix, &labels, value);
            }
        };
        for figure in &of_cell(summary) {
            for (family, labels, value) in samples(figure) {
                add(family, "", &labels, value);
            }
        }
        for (metric, all) in &summary.metrics {
            let event = [("event", metric.label())];
            if let Some(mean) = all.mean {
                add(DURATION, "_sum", &event, mean * all.count as f64 / 1e9);
            }
            if all.samples() > 0 {
                add(DURATION, "_count", &event, all.samples() as f64);
            }
        }
    }
    families.extend(of_cells.map(|(_, family)| family));
    Ok(Family::write_all(&families))
}

/// The samples of a figure, each with the family that it is of. A percentile that falls among sessions without an answer
/// is infinite, so that no alert takes it for a short one.
fn samples(figure: &FigureLine) -> Vec<(&'static str, Vec<Label<'_>>, f64)> {
    let value = figure.value.unwrap_or(f64::INFINITY);
    let (family, labels, value) = match (figure.of.as_str(), figure.statistic.as_str()) {
        ("sessions", "not-started") => (SESSIONS, vec![("outcome", "not_started")], value),
        ("sessions", outcome @ ("confirmed" | "failed" | "cancelled")) => {
            (SESSIONS, vec![("outcome", outcome)], value)
        }
        ("failures", class) => (FAILURES, vec![("class", class)], value),
        ("confirmed", _) => (RATE, Vec::new(), value),
        ("client-cpu", _) => (CPU, vec![("end", "client")], value / 1e6),
        ("target-cpu", _) => (CPU, vec![("end", "target")], value / 1e6),
        ("handshake-bytes-out", _) => (BYTES, vec![("direction", "out")], value),
        ("handshake-bytes-in", _) => (BYTES, vec![("direction", "in")], value),
        (event, percentile) => {
            let quantile = match percentile {
                "p50" => "0.5",
                "p90" => "0.9",
                "p99" => "0.99",
                "p99.9" => "0.999",
                _ => return Vec::new(),
            };
            let labels = vec![("event", event), ("quantile", quantile)];
            let beyond = figure.beyond.map(|ns| (BEYOND, labels.clone(), ns / 1e9));
            let duration = (DURATION, labels, value / 1e9);
            return std::iter::once(duration).chain(beyond).collect();
        }
    };
    vec![(family, labels, value)]
}

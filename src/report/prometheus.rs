//! A result as a Prometheus textfile, for a node exporter's collector. Durations are seconds. Families come
//! one after the other, as the exposition format asks for.

use super::ReportError;
use super::exposition::Family;
use crate::analysis::{CellSummary, Decoded, Quantiles};
use crate::record::RunRecord;
use crate::stats::Timing;

/// One result.
///
/// # Errors
///
/// Fails if a stored histogram or time is damaged.
pub(super) fn render(record: &RunRecord) -> Result<String, ReportError> {
    let decoded = Decoded::of(record)?;
    let summaries = decoded.summaries();
    let families = [
        info(record),
        validity(record),
        ended(record)?,
        sessions(record, summaries),
        failures(record, summaries),
        rates(record, summaries),
        durations(record, summaries),
        beyond(record, summaries),
        cpu(record, summaries),
        bytes(record, summaries),
    ];
    Ok(Family::write_all(&families))
}

fn scenario(record: &RunRecord) -> (&'static str, &str) {
    ("scenario", &record.plan.scenario.name)
}

fn info(record: &RunRecord) -> Family {
    let mut family = Family::new("run_info", "gauge", "What made the result; always 1.");
    let labels = [
        scenario(record),
        ("version", record.build.version.as_str()),
        ("revision", record.build.git_revision.as_str()),
    ];
    family.add("run_info", &labels, 1.0);
    family
}

fn validity(record: &RunRecord) -> Family {
    let mut family = Family::new("run_valid", "gauge", "Whether the run did what was asked.");
    let valid = f64::from(u8::from(record.validity.valid));
    family.add("run_valid", &[scenario(record)], valid);
    family
}

fn ended(record: &RunRecord) -> Result<Family, ReportError> {
    let help = "When the run ended, in seconds since the epoch.";
    let mut family = Family::new("run_ended_seconds", "gauge", help);
    let at = super::time(&record.ended_at)?;
    let at = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    family.add("run_ended_seconds", &[scenario(record)], at.as_secs_f64());
    Ok(family)
}

fn sessions(record: &RunRecord, summaries: &[CellSummary]) -> Family {
    let help = "Sessions of the measure phase by what became of them.";
    let mut family = Family::new("sessions", "gauge", help);
    for summary in summaries {
        let counts = &summary.measured;
        for (outcome, count) in [
            ("confirmed", counts.ok_total()),
            ("failed", counts.failed_total()),
            ("cancelled", counts.cancelled_total()),
            ("not_started", counts.not_started_total()),
        ] {
            let labels = [
                scenario(record),
                ("cell", &summary.name),
                ("outcome", outcome),
            ];
            family.add("sessions", &labels, count as f64);
        }
    }
    family
}

fn failures(record: &RunRecord, summaries: &[CellSummary]) -> Family {
    let help = "Failed sessions of the measure phase by class.";
    let mut family = Family::new("failures", "gauge", help);
    for summary in summaries {
        for (class, failure) in &summary.measured.failed {
            let labels = [scenario(record), ("cell", &summary.name), ("class", class)];
            family.add("failures", &labels, failure.count as f64);
        }
    }
    family
}

fn rates(record: &RunRecord, summaries: &[CellSummary]) -> Family {
    let help = "Sessions confirmed per second, the median over trials.";
    let mut family = Family::new("confirmed_per_second", "gauge", help);
    for summary in summaries {
        if let Some(rate) = summary.confirmed_rate {
            let labels = [scenario(record), ("cell", &summary.name)];
            family.add("confirmed_per_second", &labels, rate.median);
        }
    }
    family
}

/// The percentiles of a metric by what Prometheus calls them.
fn quantiles(of: &Quantiles) -> [(&'static str, Option<Timing>); 4] {
    [
        ("0.5", of.p50),
        ("0.9", of.p90),
        ("0.99", of.p99),
        ("0.999", of.p999),
    ]
}

/// What percentiles are beyond that fall among sessions without an answer.
fn beyond(record: &RunRecord, summaries: &[CellSummary]) -> Family {
    let help =
        "What a percentile that is +Inf is beyond: it falls among sessions without an answer.";
    let mut family = Family::new("duration_beyond_seconds", "gauge", help);
    for summary in summaries {
        for (metric, all) in &summary.metrics {
            for (name, timing) in quantiles(all) {
                if let Some(Timing::Beyond(ns)) = timing {
                    let labels = [
                        scenario(record),
                        ("cell", summary.name.as_str()),
                        ("event", metric.label()),
                        ("quantile", name),
                    ];
                    family.add("duration_beyond_seconds", &labels, ns as f64 / 1e9);
                }
            }
        }
    }
    family
}

/// Percentiles only where there are samples enough for them, the count always. A percentile that falls among
/// sessions without an answer is infinite, so that no alert takes it for a short one.
fn durations(record: &RunRecord, summaries: &[CellSummary]) -> Family {
    let help = "Durations of sessions that were not refused by event, over all trials.";
    let mut family = Family::new("duration_seconds", "summary", help);
    for summary in summaries {
        for (metric, all) in &summary.metrics {
            let labels = [
                scenario(record),
                ("cell", summary.name.as_str()),
                ("event", metric.label()),
            ];
            for (name, timing) in quantiles(all) {
                if let Some(timing) = timing {
                    let labels: Vec<_> = labels.into_iter().chain([("quantile", name)]).collect();
                    let seconds = timing.exact().map(|ns| ns as f64 / 1e9);
                    family.add(
                        "duration_seconds",
                        &labels,
                        seconds.unwrap_or(f64::INFINITY),
                    );
                }
            }
            if let Some(mean) = all.mean {
                let sum = mean * all.count as f64 / 1e9;
                family.add("duration_seconds_sum", &labels, sum);
            }
            if all.samples() > 0 {
                let count = all.samples() as f64;
                family.add("duration_seconds_count", &labels, count);
            }
        }
    }
    family
}

fn cpu(record: &RunRecord, summaries: &[CellSummary]) -> Family {
    let help = "CPU time per session in seconds, the median over trials.";
    let mut family = Family::new("cpu_seconds_per_session", "gauge", help);
    for summary in summaries {
        for (end, spread) in [
            ("client", summary.client_cpu_us),
            ("target", summary.target_cpu_us),
        ] {
            if let Some(spread) = spread {
                let labels = [scenario(record), ("cell", &summary.name), ("end", end)];
                family.add("cpu_seconds_per_session", &labels, spread.median / 1e6);
            }
        }
    }
    family
}

fn bytes(record: &RunRecord, summaries: &[CellSummary]) -> Family {
    let help = "TCP payload bytes per handshake, as the client counted them.";
    let mut family = Family::new("handshake_bytes", "gauge", help);
    for summary in summaries {
        for (direction, bytes) in [("out", summary.bytes_out), ("in", summary.bytes_in)] {
            if let Some(bytes) = bytes {
                let labels = [
                    scenario(record),
                    ("cell", &summary.name),
                    ("direction", direction),
                ];
                family.add("handshake_bytes", &labels, bytes);
            }
        }
    }
    family
}

//! What a run says of its events: each a step in time, with what was before, around and after it.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::document::{Extent, Section};
use super::drawing::course::Mark;
use super::drawing::recovery::{self, Line};
use super::drawing::svg::SERIES;
use crate::analysis::{EventSummary, events};
use crate::record::{CellRecord, EventKind, RunRecord};
use crate::stats::{HistogramError, OutlivedCounts, SideCounts, Timing};
use crate::units::{counted, format_count, format_ns};

/// How far around an event failures are told, in seconds.
const AROUND_S: u64 = 5;
/// Most failure classes that are named.
const MOST_CLASSES: usize = 5;

/// The events of all cells; empty without any.
///
/// Fails if a stored histogram is damaged.
pub(super) fn happened(record: &RunRecord) -> Result<Section, HistogramError> {
    let mut section = Section::new("events", "Events");
    for cell in &record.cells {
        for event in events(cell)? {
            let title = format!("{}, {}", cell.cell.name, name(&event));
            section.heading(&title).list(in_words(cell, &event));
        }
    }
    if !section.is_empty() {
        section.prose("Times are since the trial began, warm-up included. A session is on the side of the certificate that it presented, or of a list that was in place when it began.");
    }
    Ok(section)
}

/// How fast sessions that were cut came back, a line for each cell and event; empty if none were.
///
/// Fails if a stored histogram is damaged.
pub(super) fn returned(cells: &[&CellRecord]) -> Result<Section, HistogramError> {
    let mut section = Section::new("recovery", "Coming back").of_extent(Extent::Page);
    let mut lines = Vec::new();
    for cell in cells {
        for event in events(cell)? {
            if event.dropped.0 > 0 {
                lines.push(Line {
                    name: format!("{}, {}", cell.cell.name, name(&event)),
                    back: event.recovery,
                });
            }
        }
    }
    lines.truncate(SERIES);
    let drawing = recovery::plot(&section.drawing_id(), &lines);
    section.drawing(
        drawing,
        "Share of the sessions that were cut which were confirmed again. A line that ends below 100 % ends with the trial.",
    );
    Ok(section)
}

/// When events of a cell were to happen, in seconds since its trials began, and what they are.
pub(super) fn marks(cell: &CellRecord) -> Vec<Mark> {
    let first = cell.trials.first().map_or(&[][..], |trial| &trial.events);
    let marks = first.iter().filter_map(|event| {
        Some(Mark {
            second: event.at_ns? as f64 / 1e9,
            name: event.kind.label(),
        })
    });
    marks.collect()
}

/// What happened and when.
fn name(event: &EventSummary<'_>) -> String {
    let Some(first) = event.first() else {
        return String::new();
    };
    match first.at_ns {
        Some(at_ns) => format!("{} at {}", first.kind, format_ns(at_ns)),
        None => first.kind.to_string(),
    }
}

fn in_words(cell: &CellRecord, event: &EventSummary<'_>) -> Vec<String> {
    let mut sentences = match event.first().map(|first| first.kind) {
        Some(EventKind::Renew) => renewed(event),
        Some(EventKind::Revoke) => revoked(event),
        Some(EventKind::Expire) => expired(event),
        Some(EventKind::Drop) => dropped(event),
        None => Vec::new(),
    };
    sentences.extend(around(cell, event));
    sentences.extend(event.trials.iter().find_map(|trial| {
        let error = trial.error.as_ref()?;
        Some(format!("it did not happen as planned: {error}"))
    }));
    sentences
}

fn renewed(event: &EventSummary<'_>) -> Vec<String> {
    let changes = &event.changes;
    let mut words = match (changes.first_ns, changes.last_ns) {
        (Some(first), Some(last)) => format!(
            "{} changed, from {} to {}",
            counted(changes.changed, "certificate"),
            format_ns(first),
            format_ns(last)
        ),
        _ => "no certificate changed while its session was about to begin".to_owned(),
    };
    if !changes.refused.is_empty() {
        let refused = changes
            .refused
            .iter()
            .map(|(why, count)| (why.as_str(), *count));
        let _ = write!(
            words,
            "; new files could not be used ({}), so the old certificate was",
            listed(refused)
        );
    }
    let mut sentences = vec![
        words,
        format!("with the old certificate: {}", side(&event.before)),
        format!("with the new one: {}", side(&event.after)),
    ];
    sentences.extend(outlived(&event.outlived, "were open when it was renewed"));
    sentences
}

fn revoked(event: &EventSummary<'_>) -> Vec<String> {
    let mut words = String::new();
    if let Some(first) = event.first()
        && let Some(in_place) = first.in_place_ns
    {
        words = format!(
            "{} on the list, in place at {}",
            counted(first.revoked.unwrap_or(0), "certificate"),
            format_ns(in_place)
        );
        if let Some(ended) = first.hook_ended_ns {
            let took = format_ns(ended.saturating_sub(in_place));
            let _ = write!(words, ", its hook done {took} later");
        }
    }
    let mut sentences: Vec<String> = [words]
        .into_iter()
        .filter(|words| !words.is_empty())
        .collect();
    sentences.push(format!(
        "sessions that began after it: {}",
        side(&event.after)
    ));
    sentences.extend(reaction(event));
    sentences.extend(outlived(
        &event.outlived,
        "were open when theirs was revoked",
    ));
    sentences
}

fn expired(event: &EventSummary<'_>) -> Vec<String> {
    let mut sentences = vec![
        format!("with a valid certificate: {}", side(&event.before)),
        format!("with an expired one: {}", side(&event.after)),
    ];
    sentences.extend(reaction(event));
    sentences.extend(outlived(&event.outlived, "were open when theirs expired"));
    sentences
}

fn dropped(event: &EventSummary<'_>) -> Vec<String> {
    let (dropped, attempts) = event.dropped;
    let back = &event.recovery;
    let mut words = format!(
        "{} cut, which made {} to come back",
        if dropped == 1 {
            "1 session was".to_owned()
        } else {
            format!("{} sessions were", format_count(dropped))
        },
        counted(attempts, "attempt")
    );
    let told = |timing: Timing| match timing {
        Timing::At(ns) => format!("after {}", format_ns(ns)),
        Timing::Beyond(ns) => format!("later than {}", format_ns(ns)),
    };
    let shares = [(0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %")];
    let mut times: Vec<String> = shares
        .iter()
        .filter_map(|(share, label)| Some(format!("{label} {}", told(back.quantile(*share)?))))
        .collect();
    if back.pending() == 0 {
        times.extend(back.max().map(|last| format!("the last {}", told(last))));
    }
    if !times.is_empty() {
        let _ = write!(words, "; back were {}", times.join(", "));
    }
    let mut sentences = vec![words];
    if back.pending() > 0 {
        let missing = counted(back.pending(), "session");
        sentences.push(format!("{missing} had not come back when the trial ended"));
    }
    sentences
}

/// What became of the sessions of one side.
fn side(side: &SideCounts) -> String {
    let sessions = &side.sessions;
    if sessions.started == 0 {
        return "none".to_owned();
    }
    let (ok, failed) = (sessions.ok_total(), sessions.failed_total());
    let mut words = format!("{} accepted", format_count(ok));
    if let (Some(first), Some(last)) = (side.first_ok_ns, side.last_ok_ns) {
        let _ = write!(words, " ({} … {})", format_ns(first), format_ns(last));
    }
    if failed > 0 {
        let classes = sessions.failed.iter();
        let classes = classes.map(|(class, failure)| (class.as_str(), failure.count));
        let _ = write!(
            words,
            ", {} failed ({})",
            format_count(failed),
            listed(classes)
        );
    } else {
        words.push_str(", none failed");
    }
    words
}

/// How long the server went on accepting.
fn reaction(event: &EventSummary<'_>) -> Option<String> {
    Some(match event.reaction? {
        Timing::At(0) => "the server refused from then on".to_owned(),
        Timing::At(ns) => format!("the server accepted them for another {}", format_ns(ns)),
        Timing::Beyond(ns) => format!(
            "the server had not refused when the trial ended; it accepted one {} later",
            format_ns(ns)
        ),
    })
}

fn outlived(counts: &OutlivedCounts, what: &str) -> Option<String> {
    if counts.held == 0 {
        return None;
    }
    let ended = match (counts.lost, counts.first_lost_ns) {
        (0, _) | (_, None) => "the server ended none".to_owned(),
        (lost, Some(first)) => format!(
            "the server ended {}, the first {} later",
            format_count(lost),
            format_ns(first)
        ),
    };
    Some(format!(
        "{} {what}: {ended}, the longest went on for {}",
        counted(counts.held, "held session"),
        format_ns(counts.longest_ns)
    ))
}

/// The failures of all sessions just before and after it.
fn around(cell: &CellRecord, event: &EventSummary<'_>) -> Option<String> {
    let at_s = event.first()?.at_ns? / 1_000_000_000;
    let in_seconds = |from: u64, to: u64| {
        let rows = cell.trials.iter().flat_map(|trial| &trial.timeline);
        let mut sum: BTreeMap<&str, u64> = BTreeMap::new();
        for row in rows.filter(|row| (from..to).contains(&row.second)) {
            for (class, count) in &row.failures {
                *sum.entry(class).or_default() += count;
            }
        }
        if sum.is_empty() {
            "none".to_owned()
        } else {
            listed(sum.into_iter())
        }
    };
    Some(format!(
        "failures in the {AROUND_S} s before it: {}; in the {AROUND_S} s from it on: {}",
        in_seconds(at_s.saturating_sub(AROUND_S), at_s),
        in_seconds(at_s, at_s + AROUND_S)
    ))
}

/// Counts by their label, the largest first.
fn listed<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> String {
    let mut counts: Vec<(&str, u64)> = counts.collect();
    counts.sort_by_key(|(label, count)| (std::cmp::Reverse(*count), *label));
    let more = counts.len().saturating_sub(MOST_CLASSES);
    counts.truncate(MOST_CLASSES);
    let mut words: Vec<String> = counts
        .iter()
        .map(|(label, count)| format!("{} × {label}", format_count(*count)))
        .collect();
    if more > 0 {
        words.push(format!("{more} more"));
    }
    words.join(", ")
}

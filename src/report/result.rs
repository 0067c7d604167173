//! The report of one result.

use super::Titled;
use super::document::{Banner, Document};
use super::style::Tone;
use super::{
    anatomy, background, differences, events, expectations, facts, fleet, pictures, sections,
    shards, token,
};
use crate::analysis::{Decoded, taxes};
use crate::record::RunRecord;
use crate::stats::HistogramError;

/// Everything that a result says; its drawings, which only a page shows, where they are asked for. Strings that a server
/// sent were escaped when they were recorded.
///
/// Fails if a stored histogram is damaged.
pub(super) fn document(result: &Titled<'_>, drawn: bool) -> Result<Document, HistogramError> {
    let record = result.record;
    let decoded = Decoded::of(record)?;
    let shown = facts::shown(&decoded);
    let cells = facts::shown_cells(record, &shown);
    // Latencies and costs of metered sessions are not for comparing.
    let figures = if record.plan.scenario.metered {
        vec![anatomy::taken_apart(record)?]
    } else {
        let taxes = taxes(&decoded);
        let mut figures = vec![
            sections::answer(&taxes),
            differences::differences(&decoded, &taxes),
            sections::cells(record, &shown),
        ];
        if drawn {
            figures.insert(2, pictures::latency(&cells)?);
            figures.extend([
                pictures::rounds(&cells)?,
                events::returned(&cells)?,
                pictures::time(record, &cells)?,
            ]);
        }
        figures
    };
    Ok(head(result)
        .sections([expectations::expected(record), events::happened(record)?])
        .sections(figures)
        .sections([
            sections::negotiated(record, &shown),
            fleet::fleet(record),
            token::token(record),
            sections::failures(record)?,
            sections::reading(record),
            shards::shards(record),
            background::generator(record, &shown),
            background::environment(record),
            background::again(record),
        ]))
}

/// The expected outcomes of a result and nothing of its figures: what an audit is about.
///
/// Fails if a stored histogram is damaged.
pub(super) fn verdicts(result: &Titled<'_>) -> Result<Document, HistogramError> {
    let record = result.record;
    Ok(head(result).sections([
        expectations::expected(record),
        sections::failures(record)?,
        sections::reading(record),
    ]))
}

fn head(result: &Titled<'_>) -> Document {
    let record = result.record;
    let (scenario, build) = (&record.plan.scenario, &record.build);
    let source = format!(
        "{}, measured by shakedown {}, revision {}, from {} to {}. {RANGES}",
        result.name, build.version, build.git_revision, record.started_at, record.ended_at
    );
    let suites = facts::common_suites(record);
    Document::new(&scenario.name, &scenario.question, &source)
        .conditions(
            [facts::load(record), facts::place(record)]
                .into_iter()
                .chain(suites),
        )
        .banners([banner(record, facts::validity(record))])
}

/// How the two kinds of ranges of one result come about.
const RANGES: &str =
    "Square brackets hold 95 % intervals, round ones the smallest and the largest trial.";

/// Whether a run is valid, with its reasons and notes.
pub(super) fn banner(record: &RunRecord, words: &str) -> Banner {
    let validity = &record.validity;
    let tone = if validity.valid {
        Tone::Good
    } else {
        Tone::Bad
    };
    let marks = [
        facts::unverified(&record.plan),
        (!validity.complete).then_some(facts::INCOMPLETE),
    ];
    Banner {
        marks: marks.into_iter().flatten().collect(),
        ..Banner::new(tone, words)
    }
    .notes(&validity.reasons, &record.warnings)
}

//! The page of one result.

use super::document::{Ids, Section};
use super::html::{Banner, Head, NoteLine, Tone, page};
use super::{background, differences, pictures, sections};
use crate::analysis::{Decoded, taxes};
use crate::record::RunRecord;
use crate::report::{ReportError, Style, Titled, expectations, facts};
use crate::stats::HistogramError;
use crate::text::defuse;

/// One result.
///
/// # Errors
///
/// Fails if a stored histogram is damaged.
pub(super) fn render(result: &Titled<'_>) -> Result<String, ReportError> {
    let record = result.record;
    let scenario = &record.plan.scenario;
    let conditions = [
        Some(facts::load(record)),
        Some(facts::place(record)),
        facts::common_suites(record),
    ];
    let build = &record.build;
    let head = Head {
        name: scenario.name.clone(),
        question: scenario.question.clone(),
        conditions: conditions.into_iter().flatten().collect(),
        banners: vec![banner(record, facts::validity(record))],
        source: format!(
            "{}, measured by shakedown {}, revision {}. {RANGES}",
            result.name, build.version, build.git_revision
        ),
    };
    page(head, sections(record)?)
}

/// How the two kinds of ranges of one result come about.
pub(super) const RANGES: &str =
    "Square brackets hold 95 % intervals, round ones the smallest and the largest trial.";

/// Whether a run is valid, with its reasons and notes.
pub(super) fn banner(record: &RunRecord, words: &str) -> Banner {
    let marks = [
        facts::unverified(&record.plan),
        (!record.validity.complete).then_some(facts::INCOMPLETE),
    ];
    let notes = facts::notes(record).map(|(note, bad)| NoteLine::of(note, bad));
    Banner {
        tone: if record.validity.valid {
            Tone::Good
        } else {
            Tone::Bad
        },
        words: defuse(words),
        marks: marks.into_iter().flatten().collect(),
        notes: notes.collect(),
    }
}

fn sections(record: &RunRecord) -> Result<Vec<Section>, HistogramError> {
    let decoded = Decoded::of(record)?;
    let shown = facts::shown(&decoded);
    let cells = facts::shown_cells(record, &shown);
    let mut ids = Ids::default();
    let mut all = Vec::new();
    let metered = record.plan.scenario.metered;
    let taxes = if metered { Vec::new() } else { taxes(&decoded) };
    all.push(sections::answer(record, &taxes));
    all.push(expected(record));
    all.push(pictures::taken_apart(record, &mut ids)?);
    // Latencies and costs of metered sessions are not for comparing.
    if !metered {
        all.push(differences::differences(&decoded, &taxes, &mut ids));
        all.push(pictures::latency(&cells, &mut ids)?);
        all.push(sections::cells(record, &shown));
        all.push(pictures::rounds(&cells, &mut ids)?);
        all.push(pictures::time(record, &cells, &mut ids)?);
    }
    all.push(sections::failures(record)?);
    all.push(sections::resumption(&shown));
    all.push(background::generator(record, &shown));
    all.push(background::environment(record));
    all.push(background::again(record));
    Ok(all)
}

fn expected(record: &RunRecord) -> Section {
    let mut section = Section::new("expected", "Expected outcomes");
    let text = expectations::section(record, Style::default());
    if !text.is_empty() {
        section.code(&text);
    }
    section
}

//! The report as one HTML page: a file of its own that asks for nothing from outside, runs no script, and reads
//! on a screen, in the dark, on paper and without colours. ADR 0023 says why it is made this way.

mod background;
mod course;
mod drawings;
mod effects;
mod frame;
mod heat;
mod page;
mod percentiles;
mod scale;
mod sections;
mod series;
mod stack;
mod svg;

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::{ReportError, Titled, expectations, facts};
use crate::record::{CellRecord, RunRecord};
use crate::report::Style;
use crate::stats::HistogramError;
use crate::text::defuse;
use page::{Block, Ids, Section};

/// The style of the page. Its hash is the only thing that the page's policy admits.
const STYLE: &str = include_str!("style.css");

/// The page, as the template takes it.
#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    style: &'static str,
    style_hash: String,
    name: String,
    question: String,
    valid: bool,
    verdict: &'static str,
    marks: Vec<&'static str>,
    notes: Vec<NoteLine>,
    conditions: Vec<String>,
    sections: Vec<Section>,
    source: String,
    made_by: String,
}

/// A reason why a run is invalid, or something else to know.
struct NoteLine {
    bad: bool,
    code: String,
    message: String,
    advice: String,
}

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
    let marks = [
        facts::unverified(&record.plan),
        (!record.validity.complete).then_some(facts::INCOMPLETE),
    ];
    let notes = facts::notes(record).map(|(note, bad)| NoteLine {
        bad,
        code: defuse(&note.code),
        message: defuse(&note.message),
        advice: defuse(&note.advice),
    });
    let page = Page {
        style: STYLE,
        style_hash: STANDARD.encode(Sha256::digest(STYLE)),
        name: defuse(&scenario.name),
        question: defuse(&scenario.question),
        valid: record.validity.valid,
        verdict: facts::validity(record),
        marks: marks.into_iter().flatten().collect(),
        notes: notes.collect(),
        conditions: conditions
            .into_iter()
            .flatten()
            .map(|text| defuse(&text))
            .collect(),
        sections: sections(record)?,
        source: defuse(result.name),
        made_by: defuse(&format!(
            "shakedown {}, revision {}",
            record.build.version, record.build.git_revision
        )),
    };
    page.render().map_err(|e| ReportError::Html(e.to_string()))
}

fn sections(record: &RunRecord) -> Result<Vec<Section>, HistogramError> {
    let shown = facts::shown(record)?;
    let cells: Vec<&CellRecord> = (record.cells.iter())
        .filter(|cell| shown.iter().any(|summary| summary.name == cell.cell.name))
        .collect();
    let mut ids = Ids::default();
    let mut all = Vec::new();
    let metered = record.plan.scenario.metered;
    let taxes = if metered {
        Vec::new()
    } else {
        sections::all_taxes(record)?
    };
    all.push(sections::answer(record, &taxes));
    all.push(expected(record));
    all.push(drawings::taken_apart(record, &mut ids)?);
    // Latencies and costs of metered sessions are not for comparing.
    if !metered {
        all.push(sections::differences(record, &taxes, &mut ids)?);
        all.push(drawings::latency(&cells, &mut ids)?);
        all.push(sections::cells(record, &shown));
        all.push(drawings::rounds(&cells, &mut ids)?);
        all.push(drawings::time(record, &cells, &mut ids)?);
    }
    all.push(sections::failures(record)?);
    all.push(sections::resumption(&shown));
    all.push(background::generator(record, &shown));
    all.push(background::environment(record));
    all.push(background::again(record));
    all.retain(|section| !section.is_empty());
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

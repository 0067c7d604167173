//! Figures as JSON: what the tables say, for programs that need not merge histograms themselves.

use serde::Serialize;

use super::figures::{CellFigures, figures};
use super::{ReportError, Titled};
use crate::analysis::Decoded;
use crate::record::Note;

/// Version of this document's shape. Since 2 a figure may have no `value`, but one that it is `beyond`.
const VERSION: u32 = 2;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    results: Vec<Figures<'a>>,
}

#[derive(Serialize)]
struct Figures<'a> {
    result: &'a str,
    scenario: &'a str,
    question: &'a str,
    started_at: &'a str,
    valid: bool,
    complete: bool,
    reasons: &'a [Note],
    warnings: &'a [Note],
    cells: Vec<CellFigures>,
}

/// The figures of all results.
///
/// Fails if a stored histogram is damaged.
pub(super) fn render(results: &[Titled<'_>]) -> Result<String, ReportError> {
    let mut all = Vec::new();
    for Titled { name, record } in results {
        all.push(Figures {
            result: name,
            scenario: &record.plan.scenario.name,
            question: &record.plan.scenario.question,
            started_at: &record.started_at,
            valid: record.validity.valid,
            complete: record.validity.complete,
            reasons: &record.validity.reasons,
            warnings: &record.warnings,
            cells: figures(&Decoded::of(record)?),
        });
    }
    let document = Document {
        version: VERSION,
        results: all,
    };
    let mut text =
        serde_json::to_string_pretty(&document).map_err(|e| ReportError::Json(e.to_string()))?;
    text.push('\n');
    Ok(text)
}

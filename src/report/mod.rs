//! Reports: pure functions of a record or comparison, so that any of them can be made again from an old file.

mod addresses;
mod anatomy;
mod background;
mod bar;
pub mod comparison;
mod csv;
mod differences;
mod document;
mod drawing;
mod events;
mod expectations;
mod exposition;
mod facts;
mod figures;
mod fleet;
mod hdr;
mod html;
mod json;
mod markdown;
mod pictures;
mod prometheus;
mod result;
mod sections;
mod several;
mod shards;
mod style;
mod tables;
mod text;
mod token;

use std::time::SystemTime;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::record::{Comparison, RunRecord};
use crate::stats::HistogramError;

pub use exposition::Family;
pub use hdr::Which;
pub use style::Style;

use document::Document;

/// What a report is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// For people at a terminal.
    Text,
    /// For pull requests and wikis.
    Markdown,
    /// Figures for programs.
    Json,
    /// Figures for spreadsheets and data frames.
    Csv,
    /// The percentile distribution of one cell, as `HdrHistogram`'s tools plot it.
    Hgrm,
    /// An `HdrHistogram` log of all trials.
    Hlog,
    /// A textfile for Prometheus' node exporter.
    Prometheus,
    /// A page to look at, with drawings.
    Html,
}

impl Format {
    /// Whether it is made of one metric's histograms.
    pub fn is_of_histograms(self) -> bool {
        matches!(self, Self::Hgrm | Self::Hlog)
    }
}

/// A record, and what it is called: the file that it came from.
#[derive(Debug, Clone, Copy)]
pub struct Titled<'a> {
    /// Its name.
    pub name: &'a str,
    /// The record.
    pub record: &'a RunRecord,
}

/// A report that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A stored histogram cannot be read.
    #[error("the result is damaged: {0}; take another copy of it, or run it again")]
    Histogram(#[from] HistogramError),
    /// A stored time cannot be read.
    #[error(
        "the result is damaged: {0:?} is not a time as RFC 3339 has it; take another copy of it"
    )]
    Time(String),
    /// Figures that cannot be written as CSV.
    #[error("cannot write CSV: {0}; please report this")]
    Csv(String),
    /// Figures that cannot be written as JSON.
    #[error("cannot write JSON: {0}; please report this")]
    Json(String),
    /// A page that cannot be written.
    #[error("cannot write HTML: {0}; please report this")]
    Html(String),
    /// Something that was asked for is not in the result.
    #[error("the result has no {what} {name:?}\n  help: it has {known}")]
    NoSuch {
        /// Cell or metric.
        what: &'static str,
        /// As asked.
        name: String,
        /// What there is.
        known: String,
    },
    /// A distribution is of one cell.
    #[error(
        "a distribution is of one cell, and this result has several\n  help: give --cell with one of {0}"
    )]
    WhichCell(String),
    /// A format for one result was given several.
    #[error("this format holds one result, and several were given\n  help: make a report of each")]
    Several,
    /// There is no distribution.
    #[error(
        "there is no distribution of {metric} in {cell}: it has no samples, or some that were too long to be recorded \
         ({overflow})\n  help: take another metric or cell, or look at the failures in the text report"
    )]
    Nothing {
        /// The cell.
        cell: String,
        /// The metric.
        metric: &'static str,
        /// Samples beyond the histogram.
        overflow: u64,
    },
}

/// A result for people at a terminal.
///
/// # Errors
///
/// Fails if a stored histogram is damaged.
pub fn render(record: &RunRecord, style: Style) -> Result<String, HistogramError> {
    Ok(text::write(
        &result::document(&unnamed(record), false)?,
        style,
    ))
}

/// The expected outcomes of a result and nothing of its figures: what an audit is about.
///
/// # Errors
///
/// Fails if a stored histogram is damaged.
pub fn verdicts(record: &RunRecord, style: Style) -> Result<String, HistogramError> {
    Ok(text::write(&result::verdicts(&unnamed(record))?, style))
}

/// Text does not say from which file it is.
fn unnamed(record: &RunRecord) -> Titled<'_> {
    Titled { name: "", record }
}

/// Makes a report of one or several results.
///
/// # Errors
///
/// Fails if a result is damaged, or cannot be told in this format.
pub fn render_as(
    results: &[Titled<'_>],
    format: Format,
    which: &Which,
) -> Result<String, ReportError> {
    let each = |write: &dyn Fn(&Document) -> String| {
        let all = results
            .iter()
            .map(|result| Ok(write(&result::document(result, false)?)));
        all.collect::<Result<Vec<_>, ReportError>>()
            .map(|all| all.join("\n"))
    };
    let only = |one: &dyn Fn(&RunRecord) -> Result<String, ReportError>| match results {
        [result] => one(result.record),
        _ => Err(ReportError::Several),
    };
    match format {
        Format::Text => each(&|document| text::write(document, Style::default())),
        Format::Markdown => each(&markdown::write),
        Format::Json => json::render(results),
        Format::Csv => csv::render(results),
        Format::Hgrm => only(&|record| hdr::distribution(record, which)),
        Format::Hlog => only(&|record| hdr::log(record, which)),
        Format::Prometheus => only(&prometheus::render),
        Format::Html => page(results, &[]),
    }
}

/// Makes the page of one or several results. `against` has what sets each but the first apart from the first,
/// in their order.
///
/// # Errors
///
/// Fails if a result is damaged.
pub fn page(results: &[Titled<'_>], against: &[Comparison]) -> Result<String, ReportError> {
    html::write(&match results {
        [result] => result::document(result, true)?,
        _ => several::document(results, against)?,
    })
}

/// A time of a record.
fn time(text: &str) -> Result<SystemTime, ReportError> {
    RunRecord::time(text).ok_or_else(|| ReportError::Time(text.to_owned()))
}

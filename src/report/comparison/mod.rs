//! Reports of a comparison, each a pure function of it. Strings from files are made safe in every one of
//! them, in the way of its format.

mod annotations;
mod benchmarks;
mod document;
mod figures;
pub(super) mod judged;
mod junit;
pub(super) mod words;

#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod tests;

use super::{ReportError, Style, html as page, markdown as plain, text};
use crate::record::Comparison;

pub use annotations::annotations;
pub use benchmarks::{Benchmark, Benchmarks, Metric, bencher, benchmarks};
pub use junit::junit;

/// For people at a terminal.
pub fn render(comparison: &Comparison, style: Style) -> String {
    text::write(&document::document(comparison), style)
}

/// For a job's summary or a comment.
pub fn markdown(comparison: &Comparison) -> String {
    plain::write(&document::document(comparison))
}

/// A page to look at.
///
/// # Errors
///
/// Fails only if the page cannot be written.
pub fn html(comparison: &Comparison) -> Result<String, ReportError> {
    page::write(&document::document(comparison))
}

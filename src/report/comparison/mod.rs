//! Reports of a comparison, each a pure function of it. Strings from files are made safe in every one of
//! them, in the way of its format.

mod annotations;
mod benchmarks;
mod document;
pub(super) mod judged;
mod junit;
mod markdown;
mod text;
pub(super) mod words;

#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod tests;

pub use annotations::annotations;
pub use benchmarks::{Benchmark, Benchmarks, Metric, bencher, benchmarks};
pub use document::render as html;
pub use junit::junit;
pub use markdown::markdown;
pub use text::render;

//! Reports of a comparison, each a pure function of it. Strings from files are made safe in every one of
//! them, in the way of its format.

mod annotations;
mod benchmarks;
mod junit;
mod markdown;
mod text;
pub(super) mod words;

#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod tests;

pub use super::html::comparison as html;
pub use annotations::annotations;
pub use benchmarks::{Benchmark, Benchmarks, Metric, bencher, benchmarks};
pub use junit::junit;
pub use markdown::markdown;
pub use text::render;

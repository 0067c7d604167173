//! Reports: pure functions of a record or comparison, so that any of them can be made again from an old file.

mod anatomy;
mod bar;
pub mod comparison;
mod expectations;
mod tables;
mod text;

pub use text::{Style, render, verdicts};

//! What a result means: its figures, cell against cell, where time went, and whether the run did what was asked.
//!
//! Pure functions of a record. It knows no files and no formats of reports.

mod achieved;
mod damage;
mod decoded;
mod dissect;
mod events;
mod expectation;
mod figure;
mod negotiated;
mod pause;
mod plan_notes;
mod resumption;
mod shards;
mod summary;
mod tax;
mod validity;

#[cfg(test)]
mod validity_tests;

pub use achieved::AchievedLoad;
pub(crate) use achieved::achieved_load;
pub use decoded::Decoded;
pub use dissect::{Dissection, EndFigures, EntryFigures, FlightFigures, dissect};
pub use events::EventSummary;
pub(crate) use events::events;
pub(crate) use expectation::expectations;
pub use figure::{Figure, P99_SAMPLES, Percentile};
pub use summary::{CellSummary, Quantiles};
pub use tax::{Contrast, ContrastSet, Dimension, Question, Tax, TaxRow};
pub(crate) use tax::{contrasts, taxes};
pub(crate) use validity::judge;

//! The result of a run as it is kept: everything measured, what was asked, and on what machine.
//!
//! The file is versioned JSON. Reports and comparisons are made from it alone.

mod achieved;
mod anatomy;
mod baselines;
mod build;
mod collect;
mod comparison;
mod damage;
mod decoded;
mod dissect;
mod environment;
mod expectation;
mod harmless;
mod histogram;
mod model;
mod pause;
mod pins;
mod plan;
mod plan_notes;
mod resumption;
mod store;
mod summary;
mod tax;
mod validity;
mod watch;

#[cfg(test)]
mod validity_tests;

pub use achieved::{AchievedLoad, achieved_load};
pub use anatomy::{AnatomyRecord, EntryRecord, FlightRecord, LedgerRecord, MeteringRecord};
pub use baselines::{
    BASELINES, Baseline, baselines, find_baseline, holds_baselines, record_baseline,
};
pub use build::BuildInfo;
pub use collect::{Kept, load_all, load_any, load_comparison, result_files};
pub use comparison::{
    BlocksRecord, COMPARISON_SCHEMA, CellComparison, CheckRecord, Comparison, EffectRecord,
    FigureComparison, OLDEST_COMPARISON, Scale, SideRecord, UnitKind, Verdict,
};
pub use decoded::Decoded;
pub use dissect::{Dissection, EndFigures, EntryFigures, FlightFigures, dissect};
pub use environment::Environment;
pub use expectation::{ExpectationRecord, ExpectationVerdict, expectations};
pub use histogram::{AgesRecord, HistogramRecord};
pub use model::{
    CellRecord, KindRecord, Note, OLDEST_SCHEMA, ObservedRecord, RunRecord, SCHEMA_VERSION,
    TimelineRecord, TrialRecord, Validity,
};
pub use pins::Pins;
pub use plan::{AddressRecord, PlanRecord, PreflightRecord, SkippedRecord};
pub use store::{
    StoreError, check_writable, expected_size, load, parse, save, save_comparison, save_new,
    save_text,
};
pub use summary::{CellSummary, Quantiles};
pub use tax::{Contrast, ContrastSet, Dimension, Question, Tax, TaxRow, contrasts, taxes};
pub use validity::judge;
pub use watch::{CutOffRecord, StallRecord, ThrottledRecord, WindowRecord};

/// The JSON Schema of a result file, as kept in `docs/result.schema.json`.
pub fn json_schema() -> String {
    written(&schemars::schema_for!(RunRecord))
}

/// The JSON Schema of a comparison file, as kept in `docs/comparison.schema.json`.
pub fn comparison_schema() -> String {
    written(&schemars::schema_for!(Comparison))
}

fn written(schema: &schemars::Schema) -> String {
    let mut text = serde_json::to_string_pretty(schema).unwrap_or_default();
    text.push('\n');
    text
}

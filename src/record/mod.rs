//! The shape of what is kept: the result of a run and the comparison of several, as versioned JSON.
//!
//! `store` writes and reads the files, `analysis` says what they mean. Reports are made from these types alone.

mod anatomy;
mod build;
mod comparison;
mod cut_off;
mod environment;
mod event;
mod expectation;
mod histogram;
mod model;
mod pins;
mod plan;
mod shard;

pub use crate::scenario::EventKind;
pub use anatomy::{AnatomyRecord, EntryRecord, FlightRecord, LedgerRecord, MeteringRecord};
pub use build::BuildInfo;
pub use comparison::{
    BlocksRecord, COMPARISON_SCHEMA, CellComparison, CheckRecord, Comparison, EffectRecord,
    FigureComparison, OLDEST_COMPARISON, Scale, SideRecord, UnitKind, Verdict,
};
pub use cut_off::CutOffRecord;
pub use environment::Environment;
pub use event::{EventRecord, ReturnRecord};
pub use expectation::{ExpectationRecord, ExpectationVerdict};
pub use histogram::{AgesRecord, HistogramRecord};
pub use model::{
    CellRecord, KindRecord, Note, OLDEST_SCHEMA, ObservedRecord, RunRecord, SCHEMA_VERSION,
    TimelineRecord, TrialRecord, Validity, WaitsRecord,
};
pub use pins::Pins;
pub use plan::{AddressRecord, Asked, PlanRecord, PreflightRecord, SkippedRecord};
pub use shard::{HostRecord, MergedShard, ShardRecord};

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

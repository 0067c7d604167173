//! What a run counts and how it is summed: histograms, outcomes, accounting, mergeable statistics.
//!
//! Everything here is pure data; it knows neither sockets nor TLS libraries. Durations are
//! nanoseconds.

mod accounting;
mod alert;
mod cut_off;
mod distribution;
mod early;
mod event;
mod fleet;
mod histogram;
mod inference;
mod labels;
mod ledger;
mod observed;
mod outcome;
mod pause;
mod resumption;
mod rounds;
mod sample;
mod second;
mod server_cert;
mod sparse;
mod spread;
mod stalls;
mod step;
mod survival;
mod target_counts;
mod timing;
mod token;
mod trial;

#[cfg(test)]
mod inference_tests;
#[cfg(test)]
mod simulated;

pub use accounting::{Accounting, FailureRecord};
pub(crate) use accounting::{count_failure, merge_failures};
pub(crate) use alert::{alert_code, alert_name, alert_text};
pub use cut_off::CutOff;
pub(crate) use distribution::histogram_log;
pub use distribution::{DistributionStep, LogInterval};
pub use early::{Early, EarlyCounts};
pub use event::{ChangeCounts, EventCounts, OutlivedCounts, ReturnCounts, SideCounts};
pub use fleet::FleetCounts;
pub use histogram::{
    DurationHistogram, HistogramError, HistogramSetup, LatencyHistogram, SecondHistogram,
};
pub use inference::{Estimate, LEAST_CHANGES, LEAST_UNITS, POWER};
pub(crate) use inference::{holm, learned_limit};
pub(crate) use labels::{covers, covers_common, renamed};
pub(crate) use ledger::merge_ledgers;
pub use ledger::{
    CryptoOp, Entry, EntryStats, Flight, FlightStats, LedgerStats, LedgersByKind, Passage,
    SessionLedger, Spent, Work,
};
pub use observed::{AlpnId, Observed, ObservedTally};
pub use outcome::{
    AnswerCode, AnswerFault, CancelPhase, FailureClass, IdentityTrouble, LocalResource, NotStarted,
    OkKind, Outcome, Proof, Stage,
};
pub use pause::{Hundredths, Pause, PauseWatch};
pub use resumption::{Offer, ResumptionCounts};
pub use rounds::{CONFIDENCE, RoundEffect};
pub use sample::{Metric, Phase, Sample};
pub use second::Second;
pub use server_cert::ServerCertFault;
pub use sparse::SparseHistogram;
pub use spread::Spread;
pub use stalls::{Stalls, Throttled};
pub use step::{End, Step};
pub use target_counts::TargetCounts;
pub use timing::Timing;
pub use token::TokenCounts;
pub use trial::{CpuWindow, KindStats, TrialStats};

//! Exit codes, as promised in the documentation.

use std::process::ExitCode;

use shakedown::compare::{AbError, CompareError, PolicyError};
use shakedown::merge::MergeError;
use shakedown::pki::PkiError;
use shakedown::probe::ProbeError;
use shakedown::record::{Note, RunRecord, Verdict};
use shakedown::report::ReportError;
use shakedown::runner::{BlockError, RunError};
use shakedown::scenario::{ScenarioError, UnknownScenario};
use shakedown::shard::ShardError;
use shakedown::store::StoreError;

/// Conflicting flags that the parser cannot detect.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub &'static str);

/// A flag whose value does not fit the others, or the environment.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadFlag(pub String);

/// A well-formed file or value that does not fit its purpose.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadInput(pub String);

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done as asked.
    Success = 0,
    /// Something failed while running.
    Failure = 1,
    /// The arguments do not fit; most of these errors are the parser's own.
    Usage = 2,
    /// Something that was demanded is not so: a session was accepted or rejected against the
    /// scenario's expectations, something regressed, or a threshold was crossed.
    Unmet = 99,
    /// A scenario, policy, certificate, key or result file is bad.
    BadInput = 104,
    /// Interrupted; the measurements so far are written.
    Interrupted = 105,
    /// The run did not do what was asked, so its figures do not answer the question; or a comparison
    /// is invalid or inconclusive.
    Invalid = 106,
}

impl Exit {
    /// The code of a run. What was expected and did not happen is certain even where the run ended
    /// early or its figures are invalid.
    pub(crate) fn of_record(record: &RunRecord) -> Self {
        let validity = &record.validity;
        let whole = validity.complete && validity.valid;
        if !(record.shards.is_empty() || whole) {
            return Self::Invalid;
        }
        if engine_failed(record) {
            return Self::Failure;
        }
        if record.expectations.iter().any(|e| e.verdict.fails()) {
            return Self::Unmet;
        }
        match (validity.complete, validity.valid) {
            (false, _) => Self::Interrupted,
            (true, false) => Self::Invalid,
            (true, true) => Self::Success,
        }
    }

    /// The code of a shard whose result is kept. Engines end the others if it is not 0, so whether its result is valid is
    /// for the merger to say.
    pub(crate) fn of_shard(record: &RunRecord) -> Self {
        let mut trials = record.cells.iter().flat_map(|cell| &cell.trials);
        let interrupted = trials.any(|trial| trial.interrupted);
        if interrupted || !(record.validity.complete || engine_failed(record)) {
            Self::Interrupted
        } else {
            Self::Success
        }
    }

    /// The code of a comparison.
    pub(crate) fn of_verdict(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass | Verdict::Improve => Self::Success,
            Verdict::Regress => Self::Unmet,
            Verdict::Inconclusive | Verdict::Invalid => Self::Invalid,
        }
    }

    /// The code for an error.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        if error.is::<UsageError>() || error.is::<BadFlag>() || error.is::<ShardError>() {
            return Self::Usage;
        }
        if let Some(AbError::Interrupted) = error.downcast_ref::<AbError<BlockError>>() {
            return Self::Interrupted;
        }
        let not_comparable = is(error, |e: &AbError<BlockError>| {
            matches!(e, AbError::NothingKept(_))
        }) || is(error, |e| {
            matches!(e, CompareError::Refused(_) | CompareError::Metered { .. })
        });
        if not_comparable {
            return Self::Invalid;
        }
        let bad_input = error.is::<BadInput>()
            || error.is::<ScenarioError>()
            || error.is::<UnknownScenario>()
            || error.is::<ProbeError>()
            || error.is::<ReportError>()
            || error.is::<PolicyError>()
            || error.is::<CompareError>()
            || error.is::<MergeError>()
            || is(error, |e| !matches!(e, PkiError::Write { .. }))
            || is(error, |e| {
                !matches!(
                    e,
                    StoreError::Unwritable { .. } | StoreError::Unsaved { .. }
                )
            })
            || is(error, |e| {
                matches!(
                    e,
                    RunError::Pki(_)
                        | RunError::Shards(_)
                        | RunError::Tls { .. }
                        | RunError::TargetProvider(_)
                        | RunError::Unsupported(_)
                        | RunError::Cores { .. }
                        | RunError::Source(_)
                )
            })
            || is(error, BlockError::is_bad_input);
        if bad_input {
            Self::BadInput
        } else {
            Self::Failure
        }
    }
}

/// Whether the run could not go on.
fn engine_failed(record: &RunRecord) -> bool {
    let failed = |reason: &Note| reason.code == "engine-failed";
    record.validity.reasons.iter().any(failed)
}

/// Whether it is one of these errors, of this kind.
fn is<E: std::error::Error + Send + Sync + 'static>(
    error: &anyhow::Error,
    kind: impl Fn(&E) -> bool,
) -> bool {
    error.downcast_ref().is_some_and(kind)
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

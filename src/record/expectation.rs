//! What the scenario expects to become of sessions, and whether it did: parts of the result file's shape, see
//! `model`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::Expect;

/// Whether an expectation was met.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ExpectationVerdict {
    /// It was.
    Met,
    /// The server accepted what it should have rejected; or we a server.
    WrongAcceptance,
    /// The server rejected what it should have accepted; or we a server.
    WrongRejection,
    /// Sessions ended in a way that is neither acceptance nor an expected rejection.
    UnexpectedOutcome,
    /// The server does not speak the TLS version, so nothing was tested.
    NotSpoken,
    /// No session ended.
    Untested,
}

impl ExpectationVerdict {
    /// Whether it fails the run.
    pub fn fails(self) -> bool {
        matches!(
            self,
            Self::WrongAcceptance | Self::WrongRejection | Self::UnexpectedOutcome
        )
    }

    /// For people.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Met => "ok",
            Self::WrongAcceptance => "WRONGLY ACCEPTED",
            Self::WrongRejection => "WRONGLY REJECTED",
            Self::UnexpectedOutcome => "UNEXPECTED",
            Self::NotSpoken => "version not spoken",
            Self::Untested => "not tested",
        }
    }
}

/// What was expected of a set of sessions, and what became of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectationRecord {
    /// The cell.
    pub cell: String,
    /// The identity whose sessions are meant; none for all sessions of the cell.
    pub identity: Option<String>,
    /// What was expected.
    pub expected: Expect,
    /// Sessions that were accepted.
    pub accepted: u64,
    /// Sessions that failed, by class.
    pub failed: BTreeMap<String, u64>,
    /// Whether that is what was expected.
    pub verdict: ExpectationVerdict,
}

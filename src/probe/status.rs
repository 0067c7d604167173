//! How a check or a line of a probe stands.

use serde::Serialize;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Well.
    Passed,
    /// Well, but something is amiss.
    Warning,
    /// Not well.
    Failed,
    /// There was nothing to check it with, or no need.
    NotChecked,
}

//! The change between two sessions: none, time passing, or a user's command.

use std::process::{Command, Stdio};
use std::time::Duration;

use time::OffsetDateTime;

use super::{AuditError, Case};

/// A change, still to be made.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change<'a> {
    /// None.
    Nothing,
    /// This moment passes.
    Until(OffsetDateTime),
    /// A shell command.
    Command(&'a str),
}

impl Change<'_> {
    /// Makes it. What a command prints goes to stderr, since stdout belongs to the report.
    pub(crate) async fn make(self, case: Case) -> Result<(), AuditError> {
        match self {
            Self::Nothing => Ok(()),
            Self::Until(moment) => {
                // The last second named still counts as valid.
                tokio::time::sleep(until(moment + time::Duration::seconds(1))).await;
                Ok(())
            }
            // Nothing else goes on meanwhile.
            Self::Command(command) => shell(command, case),
        }
    }
}

/// The time left until a moment.
pub(super) fn until(moment: OffsetDateTime) -> Duration {
    Duration::try_from(moment - OffsetDateTime::now_utc()).unwrap_or_default()
}

/// Runs the command to its end, and blocks.
pub(super) fn shell(command: &str, case: Case) -> Result<(), AuditError> {
    let status = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .map_err(|source| AuditError::Shell { case, source })?;
    if status.success() {
        return Ok(());
    }
    Err(AuditError::Command {
        case,
        status: status.to_string(),
        command: command.to_owned(),
    })
}

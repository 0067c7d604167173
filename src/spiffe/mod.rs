//! The SPIFFE Workload API: the SVIDs that an agent gives this process, over a Unix socket.
//!
//! Chains and keys are bytes here; `pki` reads them. Builds without the feature `spiffe` only say so.

#[cfg_attr(not(feature = "spiffe"), path = "absent.rs")]
mod client;
mod wire;

pub use client::Agent;
pub use wire::{Svid, message_of, svids_of};

use std::path::PathBuf;
use std::sync::Arc;

/// Names the endpoint where nothing else does (SPIFFE Workload Endpoint, section 4).
pub(crate) const VARIABLE: &str = "SPIFFE_ENDPOINT_SOCKET";

/// Why an agent gives no SVIDs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum AgentError {
    #[error(
        "this build has no SPIFFE Workload API; build it with `cargo build --release --features spiffe`"
    )]
    NotBuilt,
    #[error(
        "no SPIFFE agent is named: {VARIABLE} is not set; set it, or write --fleet spiffe:unix:///… (fleet.spiffe in a scenario)"
    )]
    NoVariable,
    #[error("{0}; write unix:///run/spire/sockets/agent.sock, say")]
    Endpoint(String),
    #[error("no SVID from the SPIFFE agent at {}: {cause}; {next}", socket.display())]
    Agent {
        socket: PathBuf,
        cause: String,
        next: String,
    },
}

/// An answer of the agent; each replaces the one before.
#[derive(Debug, Clone)]
pub struct Answer {
    /// How many there were before it.
    pub number: u64,
    /// All that this process has; never empty.
    pub svids: Arc<[Svid]>,
}

/// The socket that an endpoint names; the environment's where it is empty.
fn socket_of(endpoint: &str) -> Result<PathBuf, AgentError> {
    if !endpoint.is_empty() {
        return unix_path(endpoint).map_err(AgentError::Endpoint);
    }
    match std::env::var(VARIABLE) {
        Ok(endpoint) if !endpoint.is_empty() => unix_path(&endpoint)
            .map_err(|cause| AgentError::Endpoint(format!("{VARIABLE}: {cause}"))),
        _ => Err(AgentError::NoVariable),
    }
}

/// The path of an endpoint such as `unix:///run/spire/sockets/agent.sock`.
///
/// Fails with a clause if it is none.
pub(crate) fn unix_path(endpoint: &str) -> Result<PathBuf, String> {
    if endpoint.starts_with("tcp:") {
        return Err(format!(
            "{endpoint:?}: SPIFFE agents are read over Unix sockets alone"
        ));
    }
    let path = endpoint
        .strip_prefix("unix:")
        .map(|rest| rest.strip_prefix("//").unwrap_or(rest));
    match path {
        Some(path) if path.starts_with('/') && !path.contains(['?', '#']) => Ok(path.into()),
        _ => Err(format!(
            "{endpoint:?} is no Unix socket with its whole path"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_unix_sockets_with_their_whole_path() {
        for endpoint in ["unix:///run/a.sock", "unix:/run/a.sock"] {
            assert_eq!(unix_path(endpoint), Ok("/run/a.sock".into()));
        }
        for wrong in [
            "/run/a.sock",
            "unix:run/a.sock",
            "unix://run/a.sock",
            "unix://",
            "unix:///a?b",
            "http://a",
        ] {
            assert!(unix_path(wrong).unwrap_err().contains("no Unix socket"));
        }
        let error = unix_path("tcp://127.0.0.1:1").unwrap_err();
        assert!(error.contains("over Unix sockets alone"), "{error}");
    }
}

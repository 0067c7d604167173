//! The agent of builds without the feature `spiffe`: there is none.

use std::convert::Infallible;
use std::path::Path;

use super::{AgentError, Answer, socket_of};

/// An agent's Workload API.
#[derive(Debug)]
pub struct Agent(Infallible);

impl Agent {
    /// Fails always.
    pub(crate) fn open(endpoint: &str) -> Result<Self, AgentError> {
        socket_of(endpoint)?;
        Err(AgentError::NotBuilt)
    }

    /// The socket.
    pub(crate) fn socket(&self) -> &Path {
        match self.0 {}
    }

    /// The newest answer.
    pub(crate) fn newest(&self) -> Answer {
        match self.0 {}
    }
}

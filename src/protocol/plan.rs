//! What is spoken on the sessions of a run, ready to be sent.

use super::{ProtocolKind, StatusRange};

/// What happens on a session once it is up.
#[derive(Debug, Clone, PartialEq)]
pub enum ProtocolPlan {
    /// Nothing.
    Handshake,
    /// Echo.
    Echo {
        /// Bytes per exchange.
        payload: usize,
        /// Exchanges per session.
        exchanges: u32,
    },
    /// HTTP/1.1.
    Http1 {
        /// The request, ready to be sent.
        request: Vec<u8>,
        /// Whether responses have no body whatever their headers say (HEAD).
        head: bool,
        /// Accepted statuses; empty stands for 2xx.
        expect_status: Vec<StatusRange>,
        /// Requests per session.
        exchanges: u32,
    },
}

impl ProtocolPlan {
    /// Whether nobody said which HTTP statuses to expect.
    pub fn expects_no_status(&self) -> bool {
        match self {
            Self::Http1 { expect_status, .. } => expect_status.is_empty(),
            Self::Handshake | Self::Echo { .. } => true,
        }
    }

    /// Which protocol it is.
    pub fn kind(&self) -> ProtocolKind {
        match self {
            Self::Handshake => ProtocolKind::Handshake,
            Self::Echo { .. } => ProtocolKind::Echo,
            Self::Http1 { .. } => ProtocolKind::Http1,
        }
    }

    /// Bytes of the first request.
    pub(crate) fn opening_size(&self) -> usize {
        match self {
            Self::Handshake => 0,
            Self::Echo { payload, .. } => *payload,
            Self::Http1 { request, .. } => request.len(),
        }
    }
}

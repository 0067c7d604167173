//! What ends a session early.

use std::{fmt, io};

use super::quota::Flood;
use super::reject::{self, Rejection};
use super::wording::plain;

/// What ended a session before it was done.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// An alert from the server, or what we rejected.
    #[error("{0}")]
    Tls(TlsFault),
    /// The server closed the connection without `close_notify`.
    #[error("the server closed the connection without a TLS alert")]
    Eof,
    /// The transport failed.
    #[error("{0}")]
    Io(io::Error),
    /// The server exceeded a limit on unasked data.
    #[error("{0}")]
    Flood(#[from] Flood),
    /// The bytes are not TLS; their beginning, not yet escaped.
    #[error("what came is not TLS; it begins \"{0}\"")]
    NotTls(String),
    /// The server asked for a certificate after the handshake, and this followed.
    #[error(
        "the server asked for a certificate after the handshake, which is not supported; then: {0}"
    )]
    LateRequest(String),
    /// The server's data came before our request; its beginning, not yet escaped.
    #[error("the server sent data before our request, which answers nothing; it begins \"{0}\"")]
    SpokeFirst(String),
}

impl Fault {
    /// Whether it is a fatal alert from the server.
    pub(super) fn is_alert(&self) -> bool {
        use rustls::AlertDescription::CloseNotify;
        matches!(
            self,
            Self::Tls(TlsFault { error: rustls::Error::AlertReceived(alert), .. })
                if *alert != CloseNotify
        )
    }
}

/// An error of TLS in our words.
#[derive(Debug, Clone)]
pub struct TlsFault {
    pub(super) error: rustls::Error,
    rejection: Option<Box<Rejection>>,
}

impl TlsFault {
    /// The rejection of the peer's chain, if that is the error.
    pub(crate) fn rejection(&self) -> Option<&Rejection> {
        self.rejection.as_deref()
    }
}

impl From<rustls::Error> for TlsFault {
    fn from(error: rustls::Error) -> Self {
        let rejection = reject::take(&error);
        Self { error, rejection }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rejection {
            Some(rejection) => f.write_str(&rejection.sentence),
            None => f.write_str(&plain(&self.error)),
        }
    }
}

impl From<rustls::Error> for Fault {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error.into())
    }
}

/// The fault of reading again after the end of a stream: rustls repeats the missing `close_notify`.
pub(super) fn again(error: io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Fault::Eof,
        _ => Fault::Io(error),
    }
}

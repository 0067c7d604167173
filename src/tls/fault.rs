//! What ends a session: TLS, the end of the stream, the transport, or too much of it.

use std::{fmt, io};

use super::quota::Flood;
use super::reject::{self, Rejection};

/// What ended a session before it was done.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// TLS: an alert from the server, or what we refused.
    #[error("{0}")]
    Tls(TlsFault),
    /// The server closed the connection without `close_notify`.
    #[error("the server closed the connection without a TLS alert")]
    Eof,
    /// The transport failed.
    #[error("{0}")]
    Io(io::Error),
    /// The server sent more than anyone asked for.
    #[error("{0}")]
    Flood(#[from] Flood),
    /// What came is no TLS; its beginning, not yet escaped.
    #[error("what came is not TLS; it begins \"{0}\"")]
    NotTls(String),
    /// The server asked for a certificate after the handshake, and this followed.
    #[error(
        "the server asked for a certificate after the handshake, which is not supported; then: {0}"
    )]
    LateRequest(String),
    /// The server's data came before our request, so it answers nothing; its beginning, not yet escaped.
    #[error("the server sent data before our request, which answers nothing; it begins \"{0}\"")]
    SpokeFirst(String),
}

impl Fault {
    /// Whether the server said with an alert what it thinks of us.
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
    /// The peer's chain that was rejected, if that is what it was.
    pub fn rejection(&self) -> Option<&Rejection> {
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
            None => f.write_str(&reject::plain(&self.error)),
        }
    }
}

impl From<rustls::Error> for Fault {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error.into())
    }
}

/// The fault of a stream that is read again after its end: rustls repeats the missing `close_notify`.
pub(super) fn again(error: io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Fault::Eof,
        _ => Fault::Io(error),
    }
}

//! What ends a session: TLS, the end of the stream, the transport, or too much of it.

use std::io;

use super::quota::Flood;

/// What ended a session before it was done.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// TLS: an alert from the server, or what we refused.
    #[error("{0}")]
    Tls(rustls::Error),
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
        matches!(self, Self::Tls(rustls::Error::AlertReceived(alert)) if *alert != CloseNotify)
    }
}

/// The fault of a stream that is read again after its end: rustls repeats the missing `close_notify`.
pub(super) fn again(error: io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Fault::Eof,
        _ => Fault::Io(error),
    }
}

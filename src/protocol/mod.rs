//! What happens on a session once it is up, over any byte stream: echo and HTTP/1.1, both ends.
//!
//! Nothing here knows TLS, so plain TCP is a cell like any other.

mod echo;
pub(crate) mod http1;
mod plan;
mod section;

use std::borrow::Cow;
use std::io;

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite};

pub use self::http1::{NotAStatus, StatusRange};
pub use self::plan::ProtocolPlan;
pub(crate) use self::section::Problem;
pub use self::section::{Header, LARGEST_PAYLOAD, ProtocolKind, ProtocolSection};
use crate::stats::FailureClass;

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// The stream failed; the session knows more.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer answered, but not as expected.
    #[error("{message}")]
    Answer {
        /// The class that is counted.
        class: FailureClass,
        /// What came instead, not yet escaped.
        message: String,
    },
}

/// What becomes of the session after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The next exchange can be made on it.
    Open,
    /// The peer announced that it closes.
    Closes,
}

/// What a page of an HTTP server says about a client certificate that it refuses, where we know the wording.
pub fn refusal(answer: &[u8]) -> Option<&'static str> {
    http1::refusal(answer)
}

/// Makes one exchange: a request, and its response to the last byte. `scratch` is a buffer that
/// exchanges of one session share.
///
/// # Errors
///
/// Fails if the stream does, or if the answer is not the expected one.
pub async fn exchange<S>(
    plan: &ProtocolPlan,
    stream: &mut S,
    scratch: &mut Vec<u8>,
) -> Result<Next, ProtocolError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match plan {
        ProtocolPlan::Handshake => Ok(Next::Open),
        ProtocolPlan::Echo { payload, .. } => {
            echo::exchange(*payload, stream, scratch).await?;
            Ok(Next::Open)
        }
        ProtocolPlan::Http1 {
            request,
            head,
            expect_status,
            ..
        } => {
            let expected = http1::Expected {
                head: *head,
                status: expect_status,
            };
            http1::exchange(request, &expected, stream, scratch).await
        }
    }
}

/// What the first exchange of a session writes before it reads anything; empty if nothing. It can be
/// sent ahead of the exchange, which writes it all the same.
pub fn opening(plan: &ProtocolPlan) -> Cow<'_, [u8]> {
    match plan {
        ProtocolPlan::Handshake => Cow::Borrowed(&[]),
        ProtocolPlan::Echo { payload, .. } => Cow::Owned(echo::opening(*payload)),
        ProtocolPlan::Http1 { request, .. } => Cow::Borrowed(request),
    }
}

/// Serves one session until the client closes it. The handshake protocol needs nothing but that,
/// which echo does too.
///
/// # Errors
///
/// Fails if the stream does, or if the client does not keep to the protocol.
pub async fn serve<S>(kind: ProtocolKind, stream: &mut S) -> Result<(), ProtocolError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match kind {
        ProtocolKind::Handshake | ProtocolKind::Echo => echo::serve(stream).await,
        ProtocolKind::Http1 => http1::server::serve(stream).await,
    }
}

/// Tells a client that came to a TLS port without TLS so, in HTTP.
///
/// # Errors
///
/// Fails if the stream does.
pub async fn refuse_plain_http<S>(stream: &mut S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let why = "this port speaks TLS: use https://";
    http1::foreign::refuse(stream, StatusCode::BAD_REQUEST, why).await
}

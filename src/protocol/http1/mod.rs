//! HTTP/1.1 client exchanges: a request prepared once, the response parsed by `httparse`.
//!
//! Framing follows RFC 9112 section 6. Sizes are capped, bodies are read and dropped, nothing is
//! decompressed. See ADR 0004 for why no full client is used here.

mod body;
pub(super) mod foreign;
mod head;
mod request;
mod server;
#[cfg(test)]
mod server_tests;
mod status;
#[cfg(test)]
mod tests;

use tokio::io::AsyncRead;

use self::body::Incoming;
pub(super) use self::head::without_query as location;
use self::head::{Body, Head};
pub(crate) use self::request::Request;
pub(super) use self::server::serve;
pub use self::status::{NotAStatus, StatusRange};
use super::{Converse, Draws, Next, ProtocolError, ProtocolKind, Scheme, Traits, Who, Wire, quiet};
use crate::stats::FailureClass;
use crate::text::escape_untrusted;

/// Largest response head that is read, in bytes.
const HEAD_CAP: usize = 64 * 1024;
const HEAD_CAP_TEXT: &str = "64 KiB";
/// Most interim responses before the final one.
const MAX_INTERIM: usize = 32;
/// Largest response body that is read, in bytes.
const BODY_CAP: u64 = 64 << 20;
const BODY_CAP_TEXT: &str = "64 MiB";

/// Most characters of a status line that are shown.
const LINE_CAP: usize = 80;

/// What nginx writes into the page of a refused client certificate, and what it means.
const REFUSALS: [(&str, &str); 2] = [
    (
        "No required SSL certificate was sent",
        "nginx requires a client certificate and got none",
    ),
    (
        "The SSL certificate error",
        "nginx could not verify our client certificate",
    ),
];
/// What TLS ports answer to plain HTTP: nginx, Apache, Go, Tomcat.
const TLS_PORTS: [&str; 4] = [
    "plain HTTP request was sent to HTTPS port",
    "speaking plain HTTP to an SSL-enabled server port",
    "sent an HTTP request to an HTTPS server",
    "This combination of host and port requires TLS",
];
const TLS_PORT: &str =
    "plain HTTP came to a TLS port; write https:// if the URL has http://, else a proxy does it";

pub(super) const TRAITS: Traits = Traits {
    label: "http1",
    name: "HTTP/1.1",
    schemes: &[
        Scheme {
            name: "https",
            port: Some(443),
            tls: true,
            kind: ProtocolKind::Http1,
        },
        Scheme {
            name: "http",
            port: Some(80),
            tls: false,
            kind: ProtocolKind::Http1,
        },
    ],
    alpn: &["http/1.1", "http/1.0", "http/0.9"],
    offers: &[],
    server_may_speak_first: false,
    keys: &[
        "exchanges",
        "think",
        "every",
        "method",
        "path",
        "headers",
        "body",
        "data",
        "data-file",
        "expect-status",
    ],
    faults: &[],
    tell: |answer| Some(status_line(answer)?.0),
};

/// The exchanges of one session.
#[derive(Debug)]
pub struct Conversation<'p> {
    request: &'p Request,
    draws: Draws,
    /// What came and was not yet taken.
    buffer: Vec<u8>,
}

impl<'p> Conversation<'p> {
    pub(in crate::protocol) fn new(request: &'p Request, who: Who<'_>) -> Self {
        Self {
            request,
            draws: who.draws,
            buffer: Vec::new(),
        }
    }
}

impl Converse for Conversation<'_> {
    async fn exchange<S: Wire>(&mut self, stream: &mut S) -> Result<Next, ProtocolError> {
        let Self {
            request,
            draws,
            buffer,
        } = self;
        request.send(draws, stream).await?;
        buffer.clear();
        let mut answer = Incoming::new(stream, buffer);
        let head = final_head(request.head, &mut answer).await?;
        let accepted = request.accepts(head.status);
        if !accepted {
            answer.keep_excerpt();
        }
        match head.body {
            Body::Length(length) => answer.drop_sized(length).await?,
            Body::Chunked => answer.drop_chunked().await?,
            Body::UntilClose => answer.drop_until_close().await?,
        }
        if !accepted {
            let target = head.location.as_deref();
            return Err(refused(head.status, target, answer.excerpt()));
        }
        // After 101 what follows is another protocol's.
        if !buffer.is_empty() && head.status != 101 {
            return Err(broken(format!(
                "{} bytes follow the response",
                buffer.len()
            )));
        }
        Ok(if head.closes {
            Next::Closes
        } else {
            Next::Open
        })
    }

    async fn idle<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
        // A held session needs no room for an answer.
        self.buffer = Vec::new();
        quiet(stream).await
    }
}

/// What a page of an HTTP server says about a client certificate that it refuses, where we know the wording.
pub(super) fn refusal(page: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(page);
    let mut known = REFUSALS.into_iter();
    let said = known.find(|(wording, _)| text.contains(wording));
    said.map(|(_, meaning)| meaning)
}

/// The status line of an HTTP answer with its status, escaped and capped.
pub(crate) fn status_line(answer: &[u8]) -> Option<(String, u16)> {
    let line = answer.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    let line = line.trim_end_matches('\r');
    let rest = line.strip_prefix("HTTP/1.")?;
    let status = rest.split(' ').nth(1)?.parse().ok()?;
    Some((escape_untrusted(line, LINE_CAP), status))
}

/// What a page says about why the server does not answer as asked.
fn reason(page: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(page);
    let to_tls_port = || TLS_PORTS.iter().any(|wording| text.contains(wording));
    refusal(page).or_else(|| to_tls_port().then_some(TLS_PORT))
}

/// A status that is not an expected one; `location` is where a redirect leads.
pub(super) fn refused(status: u16, location: Option<&str>, excerpt: &[u8]) -> ProtocolError {
    let (class, message) = match (location, reason(excerpt)) {
        (Some(target), _) => (
            FailureClass::HttpRedirect(status),
            format!("HTTP {status} redirects to {target}"),
        ),
        (None, _) if (300..400).contains(&status) => (
            FailureClass::HttpRedirect(status),
            format!("HTTP status {status}"),
        ),
        (None, Some(meaning)) => (
            FailureClass::HttpStatus(status),
            format!("HTTP status {status}: {meaning}"),
        ),
        (None, None) => (
            FailureClass::HttpStatus(status),
            format!("HTTP status {status}"),
        ),
    };
    ProtocolError::Answer { class, message }
}

fn broken(message: String) -> ProtocolError {
    ProtocolError::Answer {
        class: FailureClass::HttpProtocol,
        message,
    }
}

/// Not a fault of the server: more than we accept.
fn over_limit(what: &str, limit: &str) -> ProtocolError {
    broken(format!("{what} over shakedown's limit of {limit}"))
}

/// Reads the head of the final response and drops it with the interim ones, which come before it
/// (RFC 9110 section 15.2).
async fn final_head<S: AsyncRead + Unpin>(
    head_request: bool,
    answer: &mut Incoming<'_, S>,
) -> Result<Head, ProtocolError> {
    for _ in 0..=MAX_INTERIM {
        let head = answer.head(head_request).await?;
        if !head.is_interim() {
            return Ok(head);
        }
    }
    Err(over_limit(
        "the interim responses before the final one are",
        "32",
    ))
}

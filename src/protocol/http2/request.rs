//! The HTTP/2 request of a scenario (RFC 9113 section 8.3.1).

use std::borrow::Cow;
use std::fmt;

use http::header::{CONNECTION, CONTENT_LENGTH, TE, UPGRADE};
use http::uri::Scheme;
use http::{HeaderMap, Method, Uri};
use hyper::body::Bytes;

use super::client::{Answer, Ask};
use crate::protocol::http1::{StatusRange, location, refused};
use crate::protocol::message::Message;
use crate::protocol::{Asked, Between, Draws, Problem, ProtocolError, ProtocolSection, Sizes};

/// Most concurrent requests of an exchange.
pub(super) const MOST_STREAMS: u32 = 1_000;

/// What is sent on every stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    method: Method,
    uri: Uri,
    fields: HeaderMap,
    body: Bytes,
    /// The sizes of bodies, where they differ; `body` has the largest.
    drawn: Option<Between>,
    /// How many requests make an exchange.
    pub(super) streams: usize,
}

impl Prepared {
    pub(in crate::protocol) fn new(
        message: Message,
        section: &ProtocolSection,
        asked: Option<&Asked<'_>>,
    ) -> Result<Self, Problem> {
        let streams = section.streams.unwrap_or(1);
        if !(1..=MOST_STREAMS).contains(&streams) {
            return Err(Problem::new(
                "protocol.streams",
                format!("{streams} is out of range"),
                format!("write 1 to {MOST_STREAMS}"),
            ));
        }
        let plain = asked.is_some_and(|asked| !asked.tls);
        let uri = Uri::builder()
            .scheme(if plain { Scheme::HTTP } else { Scheme::HTTPS })
            .authority(message.authority)
            .path_and_query(message.path)
            .build();
        let uri = uri.map_err(|_| {
            Problem::new(
                "protocol.headers",
                "the host header is not a host and port, which HTTP/2 sends as :authority",
                "write host:port, or drop it",
            )
        })?;
        let mut fields = HeaderMap::new();
        for (name, value) in message.fields {
            let of_connection = name == CONNECTION
                || name == UPGRADE
                || name == "keep-alive"
                || name == "proxy-connection"
                || name == TE && value != "trailers";
            if of_connection {
                return Err(Problem::new(
                    "protocol.headers",
                    format!("HTTP/2 has no {name} header (RFC 9113 section 8.2.2)"),
                    "drop it",
                ));
            }
            fields.append(name, value);
        }
        Ok(Self {
            method: message.method,
            uri,
            fields,
            body: message.body.into(),
            drawn: section.body.and_then(Sizes::drawn),
            streams: usize::try_from(streams).unwrap_or(1),
        })
    }

    /// One request without fields.
    pub(super) fn bare(method: Method) -> Self {
        Self {
            method,
            uri: Uri::from_static("https://localhost/"),
            fields: HeaderMap::new(),
            body: Bytes::new(),
            drawn: None,
            streams: 1,
        }
    }

    /// Its path and query.
    pub(in crate::protocol) fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", |path| path.as_str())
    }

    /// The next request, and its body.
    pub(super) fn request(&self, draws: &mut Draws) -> (http::Request<()>, Bytes) {
        let mut request = http::Request::new(());
        request.method_mut().clone_from(&self.method);
        request.uri_mut().clone_from(&self.uri);
        request.headers_mut().clone_from(&self.fields);
        let Some(between) = self.drawn else {
            return (request, self.body.clone());
        };
        let body = self.body.slice(..draws.next(between));
        request
            .headers_mut()
            .insert(CONTENT_LENGTH, body.len().into());
        (request, body)
    }

    /// ` on N streams`, where there are several.
    pub(in crate::protocol) fn on_streams(&self) -> String {
        match self.streams {
            1 => String::new(),
            streams => format!(" on {streams} streams"),
        }
    }
}

/// The request of every stream, and the responses that are taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    prepared: Prepared,
    /// Accepted statuses; empty stands for 2xx.
    expect_status: Vec<StatusRange>,
}

impl Request {
    pub(in crate::protocol) fn new(
        section: &ProtocolSection,
        asked: Option<&Asked<'_>>,
    ) -> Result<Self, Problem> {
        let message = Message::new(section, asked)?;
        Ok(Self {
            prepared: Prepared::new(message, section, asked)?,
            expect_status: section.expect_status.clone(),
        })
    }

    /// Nothing is sent ahead: a server may answer a first request only after it was sent.
    #[expect(clippy::unused_self, reason = "every request has an opening")]
    pub(in crate::protocol) fn opening(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&[])
    }

    /// Whether somebody said which statuses to expect.
    pub(in crate::protocol) fn is_strict(&self) -> bool {
        !self.expect_status.is_empty()
    }
}

impl Ask for Request {
    fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    fn reads(&self, status: u16) -> bool {
        !StatusRange::accept(&self.expect_status, status)
    }

    fn judge(&self, answer: &Answer) -> Result<(), ProtocolError> {
        if StatusRange::accept(&self.expect_status, answer.status) {
            return Ok(());
        }
        let target = answer.fields.get(http::header::LOCATION);
        let target = target.map(|target| location(target.as_bytes()));
        Err(refused(answer.status, target.as_deref(), &answer.excerpt))
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let streams = self.prepared.on_streams();
        write!(f, "HTTP/2 {}{streams}", self.prepared.method)?;
        match self.prepared.drawn {
            Some(between) => write!(f, " with bodies of {} bytes", Sizes::Drawn(between)),
            None => Ok(()),
        }
    }
}

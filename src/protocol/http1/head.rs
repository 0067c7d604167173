//! The head of a response: its status, how its body is framed, whether the session ends with it, and
//! what to say of what is no response.

use httparse::{EMPTY_HEADER, Header, ParserConfig, Response, Status};

use super::{BODY_CAP, HEAD_CAP, HEAD_CAP_TEXT, broken, over_limit};
use crate::protocol::ProtocolError;
use crate::text::first_line;

/// Header fields for which there is room without asking for memory.
const USUAL_FIELDS: usize = 64;
/// The shortest field is `a:` and a line end of one byte.
const MOST_FIELDS: usize = HEAD_CAP / 3;
/// Most bytes shown of a malformed response, and of a redirect's target.
const SHOWN: usize = 128;

/// How long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Length(u64),
    Chunked,
    UntilClose,
}

/// A parsed response head.
#[derive(Debug)]
pub(super) struct Head {
    pub status: u16,
    pub body: Body,
    /// Whether the server closes after this answer (RFC 9112 section 9.6).
    pub closes: bool,
    /// Where a redirect leads, without its query; not yet escaped.
    pub location: Option<String>,
    /// Bytes of the head, blank line included.
    pub length: usize,
}

impl Head {
    /// Whether another response follows (RFC 9110 section 15.2). After 101 the server speaks another
    /// protocol, so that is the last one.
    pub(crate) fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }

    /// Reads a head; `None` if more of it is to come.
    pub(crate) fn parse(bytes: &[u8], head_request: bool) -> Result<Option<Self>, ProtocolError> {
        let mut usual = [EMPTY_HEADER; USUAL_FIELDS];
        let mut response = Response::new(&mut usual);
        match parser().parse_response(&mut response, bytes) {
            Ok(Status::Complete(length)) => Self::of(&response, length, head_request).map(Some),
            Ok(Status::Partial) => Ok(None),
            // Only a whole head is worth the memory.
            Err(httparse::Error::TooManyHeaders) if !has_blank_line(bytes) => Ok(None),
            Err(httparse::Error::TooManyHeaders) => Self::parse_long(bytes, head_request),
            Err(error) => Err(not_http(error, bytes)),
        }
    }

    /// As [`Self::parse`], for more fields than usual: heads are capped in size, not in fields.
    fn parse_long(bytes: &[u8], head_request: bool) -> Result<Option<Self>, ProtocolError> {
        let mut fields = vec![EMPTY_HEADER; MOST_FIELDS];
        let mut response = Response::new(&mut fields);
        match parser().parse_response(&mut response, bytes) {
            Ok(Status::Complete(length)) => Self::of(&response, length, head_request).map(Some),
            Ok(Status::Partial) => Ok(None),
            Err(httparse::Error::TooManyHeaders) => {
                Err(over_limit("the response head is", HEAD_CAP_TEXT))
            }
            Err(error) => Err(not_http(error, bytes)),
        }
    }

    fn of(
        response: &Response<'_, '_>,
        length: usize,
        head_request: bool,
    ) -> Result<Self, ProtocolError> {
        let status = response.code.unwrap_or(0);
        if status < 100 {
            return Err(broken(format!("{status:03} is not an HTTP status")));
        }
        let fields = &*response.headers;
        let body = if head_request || status < 200 || status == 204 || status == 304 {
            Body::Length(0)
        } else {
            body_of(fields)?
        };
        let option = |name| connection_has(fields, name);
        let closes = match response.version {
            // HTTP/1.0 knows no sessions that stay open unless both ends say so.
            Some(0) => !option("keep-alive"),
            _ => option("close"),
        };
        let location = (300..400).contains(&status).then(|| location(fields));
        Ok(Self {
            status,
            closes: closes || status == 101 || body == Body::UntilClose,
            body,
            location: location.flatten(),
            length,
        })
    }
}

/// As lenient as curl: folded lines (RFC 9112 section 5.2), and spaces where there should be none.
fn parser() -> ParserConfig {
    let mut parser = ParserConfig::default();
    parser
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_multiple_spaces_in_response_status_delimiters(true);
    parser
}

fn has_blank_line(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

/// The values of a field, in order.
fn values<'a>(fields: &'a [Header<'a>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let named = move |field: &&Header<'_>| field.name.eq_ignore_ascii_case(name);
    fields
        .iter()
        .filter(named)
        .map(|field| field.value.trim_ascii())
}

fn connection_has(fields: &[Header<'_>], option: &str) -> bool {
    let is = |given: &[u8]| given.trim_ascii().eq_ignore_ascii_case(option.as_bytes());
    values(fields, "connection").any(|value| value.split(|byte| *byte == b',').any(is))
}

/// Finds how the body is framed (RFC 9112 section 6.3).
fn body_of(fields: &[Header<'_>]) -> Result<Body, ProtocolError> {
    // Codings are not undone, so of several only the last, the framing, matters.
    if let Some(codings) = values(fields, "transfer-encoding").last() {
        let last = codings.rsplit(|byte| *byte == b',').next();
        let chunked = last.is_some_and(|c| c.trim_ascii().eq_ignore_ascii_case(b"chunked"));
        return Ok(if chunked {
            Body::Chunked
        } else {
            Body::UntilClose
        });
    }
    // The same length may stand there more than once (RFC 9110 section 8.6).
    let lengths = values(fields, "content-length").flat_map(|v| v.split(|byte| *byte == b','));
    let mut lengths = lengths.map(<[u8]>::trim_ascii);
    let Some(length) = lengths.next() else {
        return Ok(Body::UntilClose);
    };
    if lengths.any(|other| other != length) {
        return Err(broken("several content-lengths that differ".to_owned()));
    }
    let text = String::from_utf8_lossy(shown(length));
    if length.is_empty() || !length.iter().all(u8::is_ascii_digit) {
        return Err(broken(format!("content-length \"{text}\" is not a number")));
    }
    match text.parse() {
        Ok(length) if length <= BODY_CAP => Ok(Body::Length(length)),
        _ => Err(over_limit(
            &format!("a body of {text} bytes is"),
            super::BODY_CAP_TEXT,
        )),
    }
}

/// The target of a redirect. Its query may repeat ours, which may be a secret.
fn location(fields: &[Header<'_>]) -> Option<String> {
    values(fields, "location").next().map(without_query)
}

/// The target of a redirect as it may be shown; not yet escaped.
pub(in crate::protocol) fn without_query(target: &[u8]) -> String {
    let mut parts = target.split(|byte| matches!(byte, b'?' | b'#'));
    let plain = parts.next().unwrap_or_default();
    let query = if plain.len() < target.len() {
        "?(redacted)"
    } else {
        ""
    };
    format!("{}{query}", String::from_utf8_lossy(shown(plain)))
}

fn shown(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(SHOWN)]
}

/// Says what came instead of a response, where that can be seen.
fn not_http(error: httparse::Error, bytes: &[u8]) -> ProtocolError {
    let begin = first_line(shown(bytes));
    let what = match bytes {
        // An alert or handshake record (RFC 8446 section 5.1), which only plain TCP gets to see.
        [0x14..=0x17, 3, 0..=4, ..] => {
            "TLS came where plain HTTP was spoken: write https:// instead of http://".to_owned()
        }
        // The frame with which every HTTP/2 server begins, SETTINGS, or GOAWAY (RFC 9113 section 3.4).
        [0, 0, _, 4 | 7, ..] => "the server answers in HTTP/2: add --http2 to speak it".to_owned(),
        _ => format!("not an HTTP/1.1 response ({error})"),
    };
    broken(format!("{what}; it begins \"{begin}\""))
}

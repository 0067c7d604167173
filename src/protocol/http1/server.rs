//! The HTTP/1.1 responder of the embedded target: every request gets 200 and three bytes.
//!
//! Plain requests, such as those of shakedown itself, are answered here without an allocation, since what
//! the target costs is measured. At the first request that is not plain, hyper takes over the connection
//! (`foreign`). ADR 0032 says why there are two.

use std::io;

use http::StatusCode;
use httparse::{EMPTY_HEADER, Header, Request, Status};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::foreign::{self, BODY_CAP, HEAD_CAP, HEAD_PATIENCE, PATIENCE, refuse};
use crate::protocol::{ProtocolError, Wire};

/// An answer with these last headers and body.
macro_rules! answer {
    ($rest:literal) => {
        concat!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n",
            $rest
        )
        .as_bytes()
    };
}

/// Most header fields of a plain request.
const MAX_HEADERS: usize = 64;
/// Bytes read at a time where more is expected.
const READ_SIZE: usize = 4 * 1024;

/// What stands at the beginning of the bytes received.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Not all of a request's head has come.
    Partial,
    /// A plain request.
    Plain(Plain),
    /// A request that two parsers could read in two ways, or of another protocol version.
    Refused(StatusCode, &'static str),
    /// Anything else: for hyper to answer.
    Foreign,
}

/// The head of a plain request.
#[derive(Debug, PartialEq, Eq)]
struct Plain {
    /// Bytes of the head, blank line included.
    length: usize,
    /// Bytes of the body.
    body: u64,
    without_body: bool,
    close: bool,
}

impl Plain {
    fn answer(&self) -> &'static [u8] {
        match (self.close, self.without_body) {
            (false, false) => answer!("\r\nok\n"),
            (false, true) => answer!("\r\n"),
            (true, false) => answer!("connection: close\r\n\r\nok\n"),
            (true, true) => answer!("connection: close\r\n\r\n"),
        }
    }
}

/// Serves one session until either end closes it.
pub(in crate::protocol) async fn serve<S: Wire>(stream: &mut S) -> Result<(), ProtocolError> {
    let mut buffer = Vec::with_capacity(1024);
    loop {
        if buffer.is_empty() && stream.read_buf(&mut buffer).await? == 0 {
            stream.shutdown().await?;
            return Ok(());
        }
        let mut next = look(&buffer);
        if next == Next::Partial {
            // Rare, so boxed: it takes no memory in held sessions.
            let rest = Box::pin(timeout(HEAD_PATIENCE, complete(stream, &mut buffer)));
            next = match rest.await {
                Ok(next) => next?,
                Err(_) => Next::Refused(StatusCode::REQUEST_TIMEOUT, "the request took too long"),
            };
        }
        let head = match next {
            Next::Plain(head) => head,
            Next::Refused(status, why) => return Ok(Box::pin(refuse(stream, status, why)).await?),
            Next::Partial | Next::Foreign => {
                return Ok(Box::pin(foreign::serve(stream, buffer)).await?);
            }
        };
        buffer.drain(..head.length);
        drop_body(head.body, stream, &mut buffer).await?;
        stream.write_all(head.answer()).await?;
        stream.flush().await?;
        if head.close {
            stream.shutdown().await?;
            return Ok(());
        }
    }
}

/// Reads until the head has come whole.
async fn complete<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut Vec<u8>) -> io::Result<Next> {
    loop {
        if buffer.len() > HEAD_CAP {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return Ok(Next::Refused(status, "the head is longer than 64 KiB"));
        }
        buffer.reserve(READ_SIZE);
        if stream.read_buf(buffer).await? == 0 {
            let why = "the request ended before its head did";
            return Ok(Next::Refused(StatusCode::BAD_REQUEST, why));
        }
        match look(buffer) {
            Next::Partial => {}
            next => return Ok(next),
        }
    }
}

/// Drops `length` bytes of body, those already in the buffer first.
async fn drop_body<S: AsyncRead + Unpin>(
    length: u64,
    stream: &mut S,
    buffer: &mut Vec<u8>,
) -> io::Result<()> {
    let mut left = length;
    loop {
        let here = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        buffer.drain(..here);
        left -= here as u64;
        if left == 0 {
            return Ok(());
        }
        buffer.reserve(READ_SIZE);
        if timeout(PATIENCE, stream.read_buf(buffer)).await?? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Tells plain requests from others.
fn look(bytes: &[u8]) -> Next {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut request = Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Next::Partial,
        Err(httparse::Error::Version) if names_other_version(bytes) => {
            let status = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
            return Next::Refused(status, "this server speaks HTTP/1.1");
        }
        Err(_) => return Next::Foreign,
    };
    if has_bare_line_feed(&bytes[..length]) {
        let why = "a line ends with LF alone, not with CRLF";
        return Next::Refused(StatusCode::BAD_REQUEST, why);
    }
    match plain(&request) {
        Some(mut head) => {
            head.length = length;
            Next::Plain(head)
        }
        None if is_framed_twice(request.headers) => {
            let why = "content-length and transfer-encoding exclude each other";
            Next::Refused(StatusCode::BAD_REQUEST, why)
        }
        None => Next::Foreign,
    }
}

/// Whether the request line, of which not all may have come, names a version of HTTP (RFC 9112 section 2.3).
fn names_other_version(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or(bytes);
    let version = line.split(|byte| *byte == b' ').nth(2);
    matches!(version, Some([b'H', b'T', b'T', b'P', b'/', major, ..]) if major.is_ascii_digit())
}

/// RFC 9112 section 2.2 lets a server take a line feed alone for the end of a line. Where another parser in
/// front of it does not, the two see different requests.
fn has_bare_line_feed(head: &[u8]) -> bool {
    let mut before = 0;
    head.iter().any(|byte| {
        let bare = *byte == b'\n' && before != b'\r';
        before = *byte;
        bare
    })
}

/// A body with two lengths is how requests are smuggled (RFC 9112 section 6.1).
fn is_framed_twice(headers: &[Header<'_>]) -> bool {
    let has = |name: &str| headers.iter().any(|h| h.name.eq_ignore_ascii_case(name));
    has("content-length") && has("transfer-encoding")
}

/// The head of a request in which there is nothing to interpret but the length of its body and whether
/// the session goes on; its own length is left to the caller.
fn plain(request: &Request<'_, '_>) -> Option<Plain> {
    let (method, path) = (request.method?, request.path?);
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    let is_plain_path = path.starts_with('/')
        && (path.bytes()).all(|byte| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte));
    if request.version != Some(1) || !methods.contains(&method) || !is_plain_path {
        return None;
    }
    let (mut host, mut length, mut connection) = (None, None, None);
    for header in &*request.headers {
        let name = |name: &str| header.name.eq_ignore_ascii_case(name);
        let slot = match header.name.len() {
            4 if name("host") => &mut host,
            14 if name("content-length") => &mut length,
            10 if name("connection") => &mut connection,
            6 if name("expect") => return None,
            7 if name("upgrade") => return None,
            17 if name("transfer-encoding") => return None,
            _ => continue,
        };
        if slot.replace(header.value).is_some() {
            return None;
        }
    }
    let is_plain_host = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(byte);
    if !host?.iter().all(is_plain_host) {
        return None;
    }
    Some(Plain {
        length: 0,
        body: length.map_or(Some(0), body_length)?,
        without_body: method == "HEAD",
        close: match connection {
            None => false,
            Some(option) if option.eq_ignore_ascii_case(b"close") => true,
            Some(option) if option.eq_ignore_ascii_case(b"keep-alive") => false,
            Some(_) => return None,
        },
    })
}

/// Digits and nothing else (RFC 9110 section 8.6); `parse` would take a sign.
fn body_length(value: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(value).ok()?;
    let all = digits.bytes().all(|byte| byte.is_ascii_digit());
    let length = digits.parse().ok().filter(|_| all)?;
    (length <= BODY_CAP).then_some(length)
}

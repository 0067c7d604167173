//! HTTP/1.1 client exchanges: a request prepared once, the response parsed by `httparse`.
//!
//! Framing follows RFC 9112 section 6. Sizes are capped, bodies are read and dropped, nothing is
//! decompressed. See ADR 0004 for why no full client is used here.

use std::io;

use httparse::{EMPTY_HEADER, Response, Status};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::ProtocolError;
use crate::stats::FailureClass;

/// Largest response head that is read, in bytes.
const HEAD_CAP: usize = 64 * 1024;
/// Most header fields.
const MAX_HEADERS: usize = 64;
/// Most interim responses before the final one.
const MAX_INTERIM: usize = 32;
/// Largest response body that is read, in bytes.
const BODY_CAP: u64 = 64 << 20;
/// Longest line with a chunk's size and its extensions, in bytes.
const CHUNK_LINE_CAP: usize = 4 * 1024;
/// Bytes read at a time.
const READ_SIZE: usize = 4 * 1024;

/// What a response must be.
pub(super) struct Expected<'a> {
    /// No body follows, whatever the headers say (RFC 9110 section 9.3.2).
    pub head: bool,
    /// Accepted statuses; empty stands for 200 to 399.
    pub status: &'a [u16],
}

impl Expected<'_> {
    fn accepts(&self, status: u16) -> bool {
        if self.status.is_empty() {
            (200..400).contains(&status)
        } else {
            self.status.contains(&status)
        }
    }
}

/// How long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Length(u64),
    Chunked,
    UntilClose,
}

/// A parsed response head.
#[derive(Debug)]
struct Head {
    status: u16,
    body: Body,
    /// Bytes of the head, blank line included.
    length: usize,
}

pub(super) async fn exchange<S>(
    request: &[u8],
    expected: &Expected<'_>,
    stream: &mut S,
    buffer: &mut Vec<u8>,
) -> Result<(), ProtocolError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(request).await?;
    stream.flush().await?;
    buffer.clear();
    let head = read_final_head(expected.head, stream, buffer).await?;
    match head.body {
        Body::Length(length) => read_sized(length, stream, buffer).await?,
        Body::Chunked => read_chunked(stream, buffer).await?,
        Body::UntilClose => read_until_close(stream, buffer).await?,
    }
    if !buffer.is_empty() {
        return Err(broken(format!(
            "{} bytes follow the response",
            buffer.len()
        )));
    }
    if expected.accepts(head.status) {
        return Ok(());
    }
    Err(ProtocolError::Answer {
        class: FailureClass::HttpStatus(head.status),
        message: format!("HTTP status {}", head.status),
    })
}

fn broken(message: String) -> ProtocolError {
    ProtocolError::Answer {
        class: FailureClass::HttpProtocol,
        message,
    }
}

/// Reads more into the buffer.
///
/// # Errors
///
/// Fails at the end of the stream, too: the callers need more.
async fn fill<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.reserve(READ_SIZE);
    match stream.read_buf(buffer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// Reads the head of the final response and drops it with the interim ones, which come before it
/// (RFC 9110 section 15.2).
async fn read_final_head<S: AsyncRead + Unpin>(
    head_request: bool,
    stream: &mut S,
    buffer: &mut Vec<u8>,
) -> Result<Head, ProtocolError> {
    for _ in 0..=MAX_INTERIM {
        let head = read_head(head_request, stream, buffer).await?;
        buffer.drain(..head.length);
        if head.status >= 200 {
            return Ok(head);
        }
    }
    Err(broken(format!(
        "more than {MAX_INTERIM} interim responses came before the final one"
    )))
}

async fn read_head<S: AsyncRead + Unpin>(
    head_request: bool,
    stream: &mut S,
    buffer: &mut Vec<u8>,
) -> Result<Head, ProtocolError> {
    loop {
        let head = if buffer.is_empty() {
            None
        } else {
            parse_head(buffer, head_request)?
        };
        // The cap holds for what came, and also for a head that came whole: segments decide nothing.
        if head.as_ref().map_or(buffer.len(), |head| head.length) > HEAD_CAP {
            return Err(broken(format!(
                "the response head is longer than {HEAD_CAP} bytes"
            )));
        }
        if let Some(head) = head {
            return Ok(head);
        }
        fill(stream, buffer).await?;
    }
}

fn parse_head(bytes: &[u8], head_request: bool) -> Result<Option<Head>, ProtocolError> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut response = Response::new(&mut headers);
    let length = match response.parse(bytes) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(error) => {
            let begin = String::from_utf8_lossy(&bytes[..bytes.len().min(32)]);
            return Err(broken(format!(
                "not an HTTP/1.1 response ({error}): \"{begin}\""
            )));
        }
    };
    let status = response.code.unwrap_or(0);
    let body = if head_request || status < 200 || status == 204 || status == 304 {
        Body::Length(0)
    } else {
        body_of(response.headers)?
    };
    Ok(Some(Head {
        status,
        body,
        length,
    }))
}

/// Finds how the body is framed (RFC 9112 section 6.3).
fn body_of(headers: &[httparse::Header<'_>]) -> Result<Body, ProtocolError> {
    let find = |name: &str| {
        headers
            .iter()
            .find(|h| h.name.eq_ignore_ascii_case(name))
            .map(|h| h.value)
    };
    if let Some(coding) = find("transfer-encoding") {
        return if coding.eq_ignore_ascii_case(b"chunked") {
            Ok(Body::Chunked)
        } else {
            Err(broken(format!(
                "transfer coding \"{}\" is not supported",
                String::from_utf8_lossy(coding)
            )))
        };
    }
    let Some(value) = find("content-length") else {
        return Ok(Body::UntilClose);
    };
    let several = headers
        .iter()
        .filter(|h| h.name.eq_ignore_ascii_case("content-length"));
    if several.clone().any(|h| h.value != value) {
        return Err(broken("several content-lengths that differ".to_owned()));
    }
    // Digits and nothing else (RFC 9110 section 8.6); `parse` would take a sign.
    let digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
    let length = std::str::from_utf8(value)
        .ok()
        .map(str::trim)
        .filter(digits)
        .and_then(|text| text.parse().ok());
    match length {
        Some(length) if length <= BODY_CAP => Ok(Body::Length(length)),
        _ => Err(broken(format!(
            "content-length \"{}\" is not a size up to {BODY_CAP}",
            String::from_utf8_lossy(value)
        ))),
    }
}

/// Drops `length` bytes of body, those already in the buffer first.
pub(super) async fn read_sized<S: AsyncRead + Unpin>(
    length: u64,
    stream: &mut S,
    buffer: &mut Vec<u8>,
) -> Result<(), ProtocolError> {
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
        fill(stream, buffer).await?;
    }
}

/// Drops a chunked body with its trailers (RFC 9112 section 7.1).
async fn read_chunked<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
) -> Result<(), ProtocolError> {
    let mut total = 0u64;
    loop {
        let (consumed, size) = loop {
            match httparse::parse_chunk_size(buffer) {
                Ok(Status::Complete(parsed)) if parsed.0 <= CHUNK_LINE_CAP => break parsed,
                Ok(Status::Partial) if buffer.len() < CHUNK_LINE_CAP => {
                    fill(stream, buffer).await?;
                }
                _ => return Err(broken("a chunk's size cannot be read".to_owned())),
            }
        };
        buffer.drain(..consumed);
        total = total.saturating_add(size);
        if total > BODY_CAP {
            return Err(broken(format!("the body is longer than {BODY_CAP} bytes")));
        }
        if size == 0 {
            return read_trailers(stream, buffer).await;
        }
        read_sized(size, stream, buffer).await?;
        if !take_line(stream, buffer).await?.blank {
            return Err(broken(
                "a chunk does not end where its size says".to_owned(),
            ));
        }
    }
}

async fn read_trailers<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
) -> Result<(), ProtocolError> {
    let mut seen = 0;
    loop {
        let line = take_line(stream, buffer).await?;
        seen += line.length;
        if line.blank {
            return Ok(());
        }
        if seen > HEAD_CAP {
            return Err(broken(format!("trailers are longer than {HEAD_CAP} bytes")));
        }
    }
}

/// A line that was dropped.
struct Line {
    /// In bytes, line end included.
    length: usize,
    /// Whether there was nothing but the line end.
    blank: bool,
}

/// Drops one line.
async fn take_line<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
) -> Result<Line, ProtocolError> {
    loop {
        if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let blank = matches!(&buffer[..end], b"" | b"\r");
            buffer.drain(..=end);
            return Ok(Line {
                length: end + 1,
                blank,
            });
        }
        if buffer.len() > HEAD_CAP {
            return Err(broken(format!("a line is longer than {HEAD_CAP} bytes")));
        }
        fill(stream, buffer).await?;
    }
}

/// Drops a body that ends with the stream.
async fn read_until_close<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
) -> Result<(), ProtocolError> {
    let mut total = 0u64;
    loop {
        total += buffer.len() as u64;
        buffer.clear();
        if total > BODY_CAP {
            return Err(broken(format!("the body is longer than {BODY_CAP} bytes")));
        }
        match fill(stream, buffer).await {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exchanges with a peer that sends `answer` in pieces of `piece` bytes and then closes.
    fn answered(answer: &[u8], piece: usize, head: bool) -> Result<(), ProtocolError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (mut client, mut server) = tokio::io::duplex(1 << 20);
            let answer = answer.to_vec();
            let serve = async move {
                let mut request = [0; 4];
                server.read_exact(&mut request).await.unwrap();
                for part in answer.chunks(piece) {
                    server.write_all(part).await.unwrap();
                    tokio::task::yield_now().await;
                }
            };
            let expected = Expected { head, status: &[] };
            let mut buffer = Vec::new();
            let (result, ()) = tokio::join!(
                exchange(b"GET ", &expected, &mut client, &mut buffer),
                serve
            );
            result
        })
    }

    #[test]
    fn every_framing_is_read_whole_whatever_the_pieces() {
        let answers: [&[u8]; 6] = [
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
            b"HTTP/1.1 204 No Content\r\n\r\n",
            b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 302 Found\r\ncontent-length: 1\r\n\r\nx",
        ];
        for answer in answers {
            for piece in [1, 7, 10_000] {
                answered(answer, piece, false)
                    .unwrap_or_else(|e| panic!("{e}: {:?}", String::from_utf8_lossy(answer)));
            }
        }
        answered(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", 9, true).unwrap();
    }

    #[test]
    fn caps_hold_whatever_the_pieces() {
        let status = "HTTP/1.1 200 OK\r\n";
        let head = |length: usize| {
            let fill = "a".repeat(length - status.len() - 6);
            format!("{status}x:{fill}\r\n\r\n")
        };
        let chunk_line = |length: usize| {
            let extension = "x".repeat(length - 4);
            format!("{status}transfer-encoding: chunked\r\n\r\n1;{extension}\r\na\r\n0\r\n\r\n")
        };
        for (make, cap) in [
            (&head as &dyn Fn(usize) -> String, HEAD_CAP),
            (&chunk_line, CHUNK_LINE_CAP),
        ] {
            for piece in [1_000, 1 << 20] {
                answered(make(cap).as_bytes(), piece, false).unwrap();
                let error = answered(make(cap + 1).as_bytes(), piece, false).unwrap_err();
                assert!(matches!(error, ProtocolError::Answer { .. }), "{error}");
            }
        }
    }

    #[test]
    fn a_rejecting_status_is_its_own_class() {
        let error = answered(
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
            99,
            false,
        )
        .unwrap_err();
        assert!(matches!(
            error,
            ProtocolError::Answer {
                class: FailureClass::HttpStatus(400),
                ..
            }
        ));
    }

    #[test]
    fn what_is_not_http_or_too_large_is_a_protocol_failure() {
        let long = [b"HTTP/1.1 200 OK\r\nx: ".as_slice(), &vec![b'a'; 70_000]].concat();
        let interim = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(MAX_INTERIM + 1);
        let fields = [b"HTTP/1.1 200 OK\r\n".as_slice(), &b"x: y\r\n".repeat(65)].concat();
        let answers: [&[u8]; 11] = [
            b"HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
            b"SSH-2.0-OpenSSH\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nextra",
            &long,
            &interim,
            &fields,
        ];
        for answer in answers {
            let error = answered(answer, 100_000, false).unwrap_err();
            assert!(
                matches!(
                    error,
                    ProtocolError::Answer {
                        class: FailureClass::HttpProtocol,
                        ..
                    }
                ),
                "{error}"
            );
        }
        let error = answered(
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
            99,
            false,
        )
        .unwrap_err();
        assert!(matches!(error, ProtocolError::Io(_)), "{error}");
    }
}

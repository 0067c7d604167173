//! A response as it comes in: its head, its body dropped, and where it broke off if it did.

use std::io;

use httparse::Status;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::head::Head;
use super::{BODY_CAP, BODY_CAP_TEXT, HEAD_CAP, HEAD_CAP_TEXT, broken, over_limit};
use crate::protocol::ProtocolError;
use crate::stats::FailureClass;

/// Longest line with a chunk's size and its extensions, in bytes.
pub(super) const CHUNK_LINE_CAP: usize = 4 * 1024;
/// Bytes read at a time.
const READ_SIZE: usize = 4 * 1024;
/// Most bytes of a body that are kept to see why a server refuses.
const EXCERPT_CAP: usize = 1024;

/// What of a response is being read.
#[derive(Debug, Clone, Copy)]
enum Part {
    Head,
    Sized(u64),
    Chunked,
    UntilClose,
}

/// A response that is being read. What came and was not yet taken is in the buffer.
pub(super) struct Incoming<'a, S> {
    stream: &'a mut S,
    buffer: &'a mut Vec<u8>,
    part: Part,
    /// Bytes of heads that were taken.
    heads: usize,
    /// Bytes of body that were taken.
    body: u64,
    /// The beginning of the body, where it is kept.
    excerpt: Option<Vec<u8>>,
}

impl<'a, S: AsyncRead + Unpin> Incoming<'a, S> {
    pub(crate) fn new(stream: &'a mut S, buffer: &'a mut Vec<u8>) -> Self {
        Self {
            stream,
            buffer,
            part: Part::Head,
            heads: 0,
            body: 0,
            excerpt: None,
        }
    }

    /// Keeps the beginning of the body from here on.
    pub(crate) fn keep_excerpt(&mut self) {
        self.excerpt = Some(Vec::new());
    }

    /// The beginning of the body, where it was kept.
    pub(crate) fn excerpt(&self) -> &[u8] {
        self.excerpt.as_deref().unwrap_or_default()
    }

    /// Reads a head and drops it.
    pub(crate) async fn head(&mut self, head_request: bool) -> Result<Head, ProtocolError> {
        loop {
            let head = if self.buffer.is_empty() {
                None
            } else {
                Head::parse(self.buffer, head_request)?
            };
            // The cap holds for what came, and also for a head that came whole: segments decide nothing.
            if head.as_ref().map_or(self.buffer.len(), |head| head.length) > HEAD_CAP {
                return Err(over_limit("the response head is", HEAD_CAP_TEXT));
            }
            if let Some(head) = head {
                self.buffer.drain(..head.length);
                self.heads += head.length;
                return Ok(head);
            }
            self.fill().await?;
        }
    }

    /// Drops a body of `length` bytes.
    pub(crate) async fn drop_sized(&mut self, length: u64) -> Result<(), ProtocolError> {
        self.part = Part::Sized(length);
        self.take_body(length).await
    }

    /// Drops a chunked body with its trailers (RFC 9112 section 7.1).
    pub(crate) async fn drop_chunked(&mut self) -> Result<(), ProtocolError> {
        self.part = Part::Chunked;
        let mut total = 0u64;
        loop {
            let (consumed, size) = loop {
                match httparse::parse_chunk_size(self.buffer) {
                    Ok(Status::Complete(parsed)) if parsed.0 <= CHUNK_LINE_CAP => break parsed,
                    Ok(Status::Partial) if self.buffer.len() < CHUNK_LINE_CAP => {
                        self.fill().await?;
                    }
                    Ok(_) => return Err(over_limit("the line with a chunk's size is", "4 KiB")),
                    Err(_) => return Err(broken("a chunk's size cannot be read".to_owned())),
                }
            };
            self.buffer.drain(..consumed);
            total = total.saturating_add(size);
            if total > BODY_CAP {
                return Err(over_limit("the body is", BODY_CAP_TEXT));
            }
            if size == 0 {
                return self.drop_trailers().await;
            }
            self.take_body(size).await?;
            if !self.take_line().await?.blank {
                let what = "a chunk does not end where its size says";
                return Err(broken(what.to_owned()));
            }
        }
    }

    async fn drop_trailers(&mut self) -> Result<(), ProtocolError> {
        let mut seen = 0;
        loop {
            let line = self.take_line().await?;
            seen += line.length;
            if line.blank {
                return Ok(());
            }
            if seen > HEAD_CAP {
                return Err(over_limit("the trailers are", HEAD_CAP_TEXT));
            }
        }
    }

    /// Drops a body that ends with the stream.
    pub(crate) async fn drop_until_close(&mut self) -> Result<(), ProtocolError> {
        self.part = Part::UntilClose;
        loop {
            self.take_front(self.buffer.len());
            if self.body > BODY_CAP {
                return Err(over_limit("the body is", BODY_CAP_TEXT));
            }
            match self.read().await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(self.broke_off(error)),
            }
        }
    }

    /// Drops `length` bytes of body, those already in the buffer first.
    async fn take_body(&mut self, length: u64) -> Result<(), ProtocolError> {
        let mut left = length;
        loop {
            let here = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(self.buffer.len());
            self.take_front(here);
            left -= here as u64;
            if left == 0 {
                return Ok(());
            }
            self.fill().await?;
        }
    }

    fn take_front(&mut self, bytes: usize) {
        if let Some(excerpt) = &mut self.excerpt {
            let room = EXCERPT_CAP - excerpt.len();
            excerpt.extend_from_slice(&self.buffer[..bytes.min(room)]);
        }
        self.buffer.drain(..bytes);
        self.body += bytes as u64;
    }

    /// Drops one line.
    async fn take_line(&mut self) -> Result<Line, ProtocolError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let blank = matches!(&self.buffer[..end], b"" | b"\r");
                self.buffer.drain(..=end);
                return Ok(Line {
                    length: end + 1,
                    blank,
                });
            }
            if self.buffer.len() > HEAD_CAP {
                return Err(over_limit("a line of the trailers is", HEAD_CAP_TEXT));
            }
            self.fill().await?;
        }
    }

    async fn read(&mut self) -> io::Result<usize> {
        self.buffer.reserve(READ_SIZE);
        self.stream.read_buf(self.buffer).await
    }

    /// Reads more into the buffer; the end of the stream is an error, since more is needed.
    async fn fill(&mut self) -> Result<(), ProtocolError> {
        match self.read().await {
            Ok(0) => Err(self.broke_off(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(()),
            Err(error) => Err(self.broke_off(error)),
        }
    }

    /// What the end of the stream means here: before the answer has begun the session knows more.
    fn broke_off(&self, error: io::Error) -> ProtocolError {
        let end = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the answer ended",
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                "the connection was reset"
            }
            _ => return error.into(),
        };
        let body = self.body;
        let message = match self.part {
            Part::Head if self.heads == 0 && self.buffer.is_empty() => return error.into(),
            Part::Head => format!(
                "{end} after {} bytes of its head",
                self.heads + self.buffer.len()
            ),
            Part::Sized(length) => format!("{end} after {body} of {length} bytes"),
            Part::Chunked => format!("{end} after {body} bytes, before its last chunk"),
            Part::UntilClose => format!("{end} after {body} bytes"),
        };
        ProtocolError::Answer {
            class: FailureClass::HttpCutShort,
            message,
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

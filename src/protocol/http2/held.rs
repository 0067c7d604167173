//! A session that is only held: what h2 does for it, without the 28 KiB of buffers that h2 keeps while its connection
//! lives.
//!
//! It takes over at the end of a frame, with every stream closed. From there on the client answers PING and SETTINGS
//! and notices GOAWAY (RFC 9113 section 6); nothing can be asked any more.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use h2::Reason;
use tokio::io::ReadBuf;

use super::frame::{self, GOAWAY, Head, PING, SETTINGS};
use super::{GOAWAY as LEFT, PROTOCOL};
use crate::protocol::{ProtocolError, Wire};
use crate::stats::{AnswerCode, FailureClass, Stage};

/// Bytes read from the stream at a time.
const READ_SIZE: usize = 1024;
/// Largest payload, unless a client grants more (RFC 9113 section 6.5.2).
const LARGEST: usize = 16 * 1024;
/// Most bytes of a payload that are kept: what a GOAWAY has to say, and some of its text.
const KEPT: usize = 8 + 64;
/// Most bytes of answers that wait for the stream; with more, nothing is read.
const MOST_WAITING: usize = 4 * 1024;

/// The state of a held session.
#[derive(Debug)]
pub(super) struct Held {
    reader: Reader,
    /// What is to be written.
    outbound: Vec<u8>,
    unflushed: bool,
    /// How many more bytes the server may send.
    allowance: u64,
    /// Whether leave was taken.
    left: bool,
}

impl Held {
    pub(super) fn new(allowance: u64) -> Self {
        Self {
            reader: Reader::default(),
            outbound: Vec::new(),
            unflushed: false,
            allowance,
            left: false,
        }
    }

    /// Keeps the session alive until the server ends it. It may be dropped at any time.
    pub(super) async fn hold<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
        poll_fn(|cx| self.poll(cx, stream)).await
    }

    /// Says GOAWAY, unless it was said.
    pub(super) async fn leave<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
        self.say_goaway(Reason::NO_ERROR);
        poll_fn(|cx| self.write(cx, stream)).await?;
        Ok(())
    }

    fn poll<S: Wire>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
    ) -> Poll<Result<(), ProtocolError>> {
        loop {
            let mut write_failed = None;
            match self.write(cx, stream) {
                Poll::Pending if self.outbound.len() > MOST_WAITING => return Poll::Pending,
                // What the server still has to say tells more: it is read first.
                Poll::Ready(Err(error)) => write_failed = Some(error),
                Poll::Pending | Poll::Ready(Ok(())) => {}
            }
            match self.read(cx, stream) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(ended)) => {
                    // As far as it goes: the server has ended the session.
                    let _ = self.write(cx, stream);
                    return Poll::Ready(ended.into_result());
                }
                Poll::Pending => {
                    return match write_failed {
                        Some(error) => Poll::Ready(Err(error.into())),
                        None => Poll::Pending,
                    };
                }
            }
        }
    }

    /// Writes what waits; ready once nothing does.
    fn write<S: Wire>(&mut self, cx: &mut Context<'_>, stream: &mut S) -> Poll<io::Result<()>> {
        while !self.outbound.is_empty() {
            match Pin::new(&mut *stream).poll_write(cx, &self.outbound) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Err(error)) => {
                    self.outbound.clear();
                    return Poll::Ready(Err(error));
                }
                Poll::Ready(Ok(written)) => {
                    self.outbound.drain(..written);
                }
            }
            self.unflushed = true;
        }
        if self.unflushed {
            std::task::ready!(Pin::new(&mut *stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once, and takes in what came; ready with the number of bytes.
    fn read<S: Wire>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
    ) -> Poll<Result<usize, Ended>> {
        let mut room = [MaybeUninit::uninit(); READ_SIZE];
        let mut room = ReadBuf::uninit(&mut room);
        match Pin::new(&mut *stream).poll_read(cx, &mut room) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(Ended::Io(error))),
            Poll::Ready(Ok(())) => {}
        }
        let mut bytes = room.filled();
        let count = bytes.len();
        let Some(left) = self.allowance.checked_sub(count as u64) else {
            return Poll::Ready(Err(Ended::Flood));
        };
        self.allowance = left;
        while !bytes.is_empty() {
            match self.reader.take(&mut bytes) {
                Ok(None) => {}
                Ok(Some(reply)) => self.outbound.extend(reply),
                Err(ended) => {
                    self.say_goaway(ended.reason());
                    return Poll::Ready(Err(ended));
                }
            }
        }
        Poll::Ready(Ok(count))
    }

    /// Puts a GOAWAY behind what is to be written. The server has opened no stream.
    fn say_goaway(&mut self, reason: Reason) {
        if !std::mem::replace(&mut self.left, true) {
            let mut payload = [0; 8];
            payload[4..].copy_from_slice(&u32::from(reason).to_be_bytes());
            self.outbound.extend(frame::bytes(GOAWAY, 0, &payload));
        }
    }
}

/// Why the session cannot go on.
#[derive(Debug)]
enum Ended {
    Io(io::Error),
    /// The server took leave.
    Left {
        reason: Reason,
        text: Vec<u8>,
    },
    Broken {
        reason: Reason,
        message: String,
    },
    /// The server sent more than the allowance.
    Flood,
}

impl Ended {
    /// What is answered.
    fn reason(&self) -> Reason {
        match self {
            Self::Broken { reason, .. } => *reason,
            _ => Reason::NO_ERROR,
        }
    }

    fn into_result(self) -> Result<(), ProtocolError> {
        let (class, message) = match self {
            Self::Io(error) => return Err(error.into()),
            Self::Left { reason, .. } if reason == Reason::NO_ERROR => return Ok(()),
            Self::Left { reason, text } => {
                let text = match text.as_slice() {
                    [] => String::new(),
                    text => format!(" (\"{}\")", text.escape_ascii()),
                };
                let message = format!("HTTP/2 connection error received: {reason}{text}");
                (LEFT.class(AnswerCode::Number(u32::from(reason))), message)
            }
            Self::Broken { message, .. } => (PROTOCOL.class(AnswerCode::None), message),
            Self::Flood => (
                FailureClass::Flood(Stage::Hold),
                "frames that nobody asked for".to_owned(),
            ),
        };
        Err(ProtocolError::Answer { class, message })
    }
}

/// Reads frames in pieces of any size.
#[derive(Debug, Default)]
struct Reader {
    /// The beginning of the frame that is being read: its head, and what of its payload is kept.
    frame: Vec<u8>,
    /// Bytes of the payload that are still to come.
    rest: usize,
}

impl Reader {
    /// Takes bytes of one frame from the front, and returns the reply to it where it is whole and wants one.
    fn take(&mut self, bytes: &mut &[u8]) -> Result<Option<Vec<u8>>, Ended> {
        if self.frame.len() < Head::SIZE {
            let count = bytes.len().min(Head::SIZE - self.frame.len());
            self.keep(bytes, count, Head::SIZE);
        } else {
            let count = bytes.len().min(self.rest);
            self.keep(bytes, count, Head::SIZE + KEPT);
            self.rest -= count;
        }
        let Some((head, payload)) = self.frame.split_first_chunk() else {
            return Ok(None);
        };
        let head = Head::of(head);
        if payload.is_empty() && self.rest == 0 {
            self.rest = check(&head)?;
        }
        if self.rest > 0 {
            return Ok(None);
        }
        let reply = reply(&head, payload)?;
        self.frame.clear();
        Ok(reply)
    }

    fn keep(&mut self, bytes: &mut &[u8], count: usize, most: usize) {
        let (taken, rest) = bytes.split_at(count);
        let room = most - self.frame.len();
        self.frame.extend_from_slice(&taken[..count.min(room)]);
        *bytes = rest;
    }
}

/// The length of a payload that can follow this head.
fn check(head: &Head) -> Result<usize, Ended> {
    let broken = |reason, what: &str| {
        Err(Ended::Broken {
            reason,
            message: format!("HTTP/2: the server sent {} {what}", head.name()),
        })
    };
    let length = head.length;
    let fits = length <= LARGEST
        && match head.kind {
            SETTINGS if head.is_ack() => length == 0,
            SETTINGS => length.is_multiple_of(6),
            PING => length == 8,
            GOAWAY => length >= 8,
            frame::PRIORITY => length == 5,
            frame::RST_STREAM | frame::WINDOW_UPDATE => length == 4,
            _ => true,
        };
    if !fits {
        let what = format!("with {length} bytes");
        return broken(Reason::FRAME_SIZE_ERROR, &what);
    }
    match (head.kind, head.stream) {
        (frame::DATA | frame::HEADERS | frame::PUSH_PROMISE | frame::CONTINUATION, _) => {
            broken(Reason::PROTOCOL_ERROR, "with no request open")
        }
        (frame::PRIORITY | frame::RST_STREAM, 0) => {
            broken(Reason::PROTOCOL_ERROR, "without a stream")
        }
        (SETTINGS | PING | GOAWAY, 1..) => broken(Reason::PROTOCOL_ERROR, "on a stream"),
        _ => Ok(length),
    }
}

/// The reply to a whole frame. Settings and windows matter only to requests, and no stream is left to be reset.
fn reply(head: &Head, payload: &[u8]) -> Result<Option<Vec<u8>>, Ended> {
    Ok(match head.kind {
        SETTINGS if !head.is_ack() => Some(frame::bytes(SETTINGS, frame::ACK, &[])),
        PING if !head.is_ack() => Some(frame::bytes(PING, frame::ACK, payload)),
        GOAWAY => {
            let code = payload.get(4..8).and_then(|code| code.first_chunk());
            return Err(Ended::Left {
                reason: code.map_or(0, |code| u32::from_be_bytes(*code)).into(),
                text: payload.get(8..).unwrap_or_default().to_vec(),
            });
        }
        _ => None,
    })
}

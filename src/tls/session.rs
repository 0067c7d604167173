//! The interface of every cell's byte stream, plain or TLS, with its marks.

use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Fault;
use crate::crypto::Ledger;
use crate::stats::{Observed, Offer, OkKind};

/// TCP payload bytes of a session so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bytes {
    /// Sent by us.
    pub sent: u64,
    /// Received by us.
    pub received: u64,
}

/// The times of the server's first signs of acceptance.
#[derive(Debug, Clone, Copy, Default)]
pub struct Marks {
    /// First application data.
    pub data: Option<Instant>,
    /// First TLS 1.3 `NewSessionTicket`.
    pub ticket: Option<Instant>,
    /// Orderly end of the server's stream: `close_notify`, or FIN on plain TCP.
    pub closed: Option<Instant>,
}

/// A session's byte stream.
pub trait SessionStream: AsyncRead + AsyncWrite + Unpin {
    /// Completes the handshake until our last flight is handed to the kernel; at once for plain
    /// TCP. After a write error it keeps reading until the server's alert or end of stream is seen.
    ///
    /// # Errors
    ///
    /// Fails with what ended the handshake.
    fn handshake(&mut self) -> impl Future<Output = Result<(), Fault>>;

    /// Reads until the server ends the stream, discarding what comes; for the close, and to find
    /// the alert behind a write error.
    ///
    /// # Errors
    ///
    /// Fails with what ended the stream, unless it was an orderly close.
    fn read_to_end(&mut self) -> impl Future<Output = Result<(), Fault>>;

    /// How the session was established; `None` before the handshake is complete.
    fn kind(&self) -> Option<OkKind>;

    /// What was negotiated; `None` before the handshake is complete, and for plain TCP.
    fn observed(&self) -> Option<Observed>;

    /// The outcome so far of the plan to resume an earlier session.
    fn offer(&self) -> Offer;

    /// Whether finishing the handshake proves that the server verified us: TLS 1.2, where the
    /// server's Finished comes last in a full handshake (RFC 5246 section 7.3) but not in a resumed one.
    fn finish_proves_acceptance(&self) -> bool;

    /// The server's signs of acceptance.
    fn marks(&self) -> Marks;

    /// Bytes so far.
    fn bytes(&self) -> Bytes;

    /// Takes the fault that ended the stream, if it was more than an I/O error.
    fn take_fault(&mut self) -> Option<Fault>;

    /// Makes the socket close with RST instead of FIN, so that its port does not stay in `TIME_WAIT`. The server may
    /// lose data it has not read (RFC 9293 section 3.10.7).
    ///
    /// # Errors
    ///
    /// Fails if the system refuses.
    fn reset_on_close(&self) -> io::Result<()>;

    /// Closes the socket and returns the ledger, if metered.
    fn into_ledger(self) -> Option<Box<Ledger>>;
}

/// Reads once and says how much, for [`SessionStream::read_to_end`]. Held sessions wait here, so the buffer lives only
/// as long as a poll.
pub(super) async fn read_away(
    mut poll: impl FnMut(&mut Context<'_>, &mut ReadBuf<'_>) -> Poll<io::Result<()>>,
) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut scratch = [MaybeUninit::uninit(); 1024];
        let mut buf = ReadBuf::uninit(&mut scratch);
        let polled = poll(cx, &mut buf);
        polled.map_ok(|()| buf.filled().len())
    })
    .await
}

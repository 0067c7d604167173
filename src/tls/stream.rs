//! A TLS session as a stream: rustls on a non-blocking socket.
//!
//! Hands each flight to the kernel whole, counts bytes, marks the server's signs of acceptance, and after a write error
//! reads on until it has the server's alert (invariant 3).

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use rustls::server::{ReadEarlyData, ServerConnection};
use rustls::{ConnectionCommon, SideData};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::adapter::Adapter;
use super::early::EarlyData;
use super::fault::{Fault, again};
use super::observe::Current;
use super::quota::{Flood, Quota};
use super::refusal::Refusal;
use super::resume::Wish;
use super::session::{Bytes, Marks, read_away};
use super::sight::{SHOWN, Sight};
use super::socket::Socket;
use crate::crypto::{Ledger, attributed, enter, note};
use crate::stats::{SessionLedger, Work};
use crate::text::first_line;

/// A TLS session on a socket; `C` is rustls's connection of either side.
#[derive(Debug)]
pub struct TlsStream<C> {
    pub(super) io: Socket,
    pub(super) conn: C,
    pub(super) bytes: Bytes,
    pub(super) marks: Marks,
    pub(super) current: Current,
    pub(super) fault: Option<Fault>,
    /// A fault that arrived with data, which is read first.
    pub(super) behind_data: Option<Fault>,
    pub(super) write_failed: Option<io::Error>,
    pub(super) quota: Quota,
    pub(super) sight: Sight,
    /// TLS 1.3 tickets received; a server receives none.
    pub(super) tickets: fn(&C) -> u32,
    /// Bytes of the `ClientHello` once sent; zero before, and for a server.
    pub(super) hello: u64,
    /// The plan to resume.
    pub(super) wish: Wish,
    /// Of a client.
    pub(super) early: EarlyData,
    /// A server's access to early data.
    pub(super) early_of: fn(&mut C) -> Option<ReadEarlyData<'_>>,
}

impl TlsStream<ServerConnection> {
    /// Begins a server's connection. The handshake counts as complete once early data is accepted, so that it is
    /// answered before the client's Finished arrives.
    pub(super) fn server(
        io: Socket,
        begin: impl FnOnce() -> Result<ServerConnection, Fault>,
        ledger: Option<Box<Ledger>>,
    ) -> Result<Self, Fault> {
        let mut current = Current {
            ledger,
            ..Current::default()
        };
        let conn = current.attribute(begin)?;
        Ok(Self {
            early_of: ServerConnection::early_data,
            current,
            ..Self::new(io, conn)
        })
    }

    /// Why `fault` ended the handshake.
    pub(crate) fn refusal(&self, fault: &Fault) -> Refusal {
        Refusal::of(fault, self.bytes.received)
    }

    /// The socket, to answer a client that speaks no TLS.
    pub(crate) fn into_socket(self) -> Socket {
        self.io
    }

    /// Whether early data was accepted; known once the handshake is complete.
    pub(crate) fn takes_early_data(&mut self) -> bool {
        self.conn.early_data().is_some()
    }
}

impl<C, D> TlsStream<C>
where
    C: DerefMut<Target = ConnectionCommon<D>> + Unpin,
    D: SideData,
{
    /// Wraps a connection of either side.
    pub(crate) fn new(io: Socket, conn: C) -> Self {
        Self {
            io,
            conn,
            bytes: Bytes::default(),
            marks: Marks::default(),
            current: Current::default(),
            fault: None,
            behind_data: None,
            write_failed: None,
            quota: Quota::default(),
            sight: Sight::default(),
            tickets: |_| 0,
            hello: 0,
            wish: Wish::default(),
            early: EarlyData::default(),
            early_of: |_| None,
        }
    }

    /// rustls's side of the session.
    pub(crate) fn connection(&self) -> &C {
        &self.conn
    }

    /// Drives the handshake; see [`SessionStream::handshake`](super::SessionStream::handshake).
    ///
    /// Fails with what ended the handshake.
    pub(crate) async fn complete_handshake(&mut self) -> Result<(), Fault> {
        poll_fn(|cx| self.attributed(|stream| stream.poll_handshake(cx))).await
    }

    /// Polls with this session as the current one.
    pub(super) fn attributed<T>(&mut self, poll: impl FnOnce(&mut Self) -> T) -> T {
        let mut current = std::mem::take(&mut self.current);
        let result = current.attribute(|| poll(self));
        self.current = current;
        result
    }

    /// Ends the session and gives its ledger, if it is metered.
    pub(crate) fn into_ledger(self) -> Option<Box<Ledger>> {
        let Self {
            io, mut current, ..
        } = self;
        attributed(&mut current.ledger, Work::Socket, || drop(io));
        current.ledger
    }

    /// Where the session's time went so far, if it is metered.
    pub(crate) fn ledger(&self) -> Option<SessionLedger> {
        self.current.ledger.as_ref().map(|ledger| ledger.read())
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        loop {
            let flushed = self.poll_flush_tls(cx);
            if self.hello == 0 && flushed.is_ready() && self.write_failed.is_none() {
                self.hello = match self.early.hello {
                    0 => self.bytes.sent,
                    ahead => ahead,
                };
            }
            let done = !self.conn.is_handshaking() || (self.early_of)(&mut self.conn).is_some();
            if done && self.write_failed.is_none() {
                if flushed.is_ready() {
                    note(Ledger::established);
                    self.poll_rest(cx);
                }
                return flushed.map(|()| Ok(()));
            }
            if self.conn.wants_write() && flushed.is_pending() && !self.conn.wants_read() {
                return Poll::Pending;
            }
            if let Err(fault) = ready!(self.poll_fill(cx)) {
                return Poll::Ready(Err(fault));
            }
            if self.conn.is_handshaking() && self.sight.closes_in_the_clear() {
                return Poll::Ready(Err(self.end_of_stream()));
            }
            if self.write_failed.is_some() {
                self.drop_plaintext()?;
            }
        }
    }

    /// Reads what arrived with the end of the handshake but did not fit into the last read, so that segmentation does
    /// not decide whether the server spoke first.
    fn poll_rest(&mut self, cx: &mut Context<'_>) {
        while self.sight.may_have_more() && self.behind_data.is_none() {
            match self.poll_fill(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(fault)) => self.behind_data = Some(fault),
                Poll::Pending => return,
            }
        }
    }

    /// Drops application data ahead of the alert that we look for, as rustls reads no more while its buffer is full.
    fn drop_plaintext(&mut self) -> Result<(), Flood> {
        let mut scratch = [0u8; 1024];
        while let Ok(dropped @ 1..) = self.conn.reader().read(&mut scratch) {
            self.quota.dropped(dropped)?;
        }
        Ok(())
    }

    /// Sends rustls's output. A transport error is remembered, not returned, as the server's reason is yet to be read.
    pub(super) fn poll_flush_tls(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_send(cx, false)
    }

    /// As [`Self::poll_flush_tls`]; `more` if the caller ends the stream next.
    fn poll_send(&mut self, cx: &mut Context<'_>, more: bool) -> Poll<()> {
        while self.conn.wants_write() && self.write_failed.is_none() {
            let mut writer = Adapter {
                io: &mut self.io,
                cx,
                sight: &mut self.sight,
                more,
            };
            match self.conn.write_tls(&mut writer) {
                Ok(sent) => {
                    self.bytes.sent += sent as u64;
                    note(|ledger| ledger.sent(sent as u64));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(e) => self.write_failed = Some(e),
            }
        }
        Poll::Ready(())
    }

    /// Reads once from the socket and lets rustls process it. An end of stream that is not an
    /// orderly close is a fault.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let filled = self.poll_fill_once(cx);
        filled.map_err(|fault| self.sight.explain(fault))
    }

    fn poll_fill_once(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let mut reader = Adapter {
            io: &mut self.io,
            cx,
            sight: &mut self.sight,
            more: false,
        };
        let received = match self.conn.read_tls(&mut reader) {
            Ok(0) => return Poll::Ready(Err(self.end_of_stream())),
            Ok(received) => received as u64,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Err(e) => return Poll::Ready(Err(Fault::Io(e))),
        };
        self.bytes.received += received;
        note(|ledger| ledger.received(received));
        match self.conn.process_new_packets() {
            Ok(state) => {
                if state.peer_has_closed() && self.marks.closed.is_none() {
                    self.marks.closed = Some(Instant::now());
                }
                let delivered = state.plaintext_bytes_to_read() > 0;
                if delivered {
                    self.sight.delivered();
                }
                let tickets = (self.tickets)(&self.conn);
                let within = self.quota.received(received, delivered, tickets);
                Poll::Ready(within.map_err(Fault::Flood))
            }
            Err(error) => {
                // Our alert is best effort. A client that speaks no TLS could not read it.
                if self.bytes.sent > 0 || !self.sight.is_strange() {
                    let _ = self.poll_flush_tls(cx);
                }
                Poll::Ready(Err(error.into()))
            }
        }
    }

    fn end_of_stream(&mut self) -> Fault {
        match self.write_failed.take() {
            Some(error) => Fault::Io(error),
            None => Fault::Eof,
        }
    }

    fn poll_plaintext(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if let Some(mut early) = (self.early_of)(&mut self.conn)
                && let Ok(n @ 1..) = early.read(buf.initialize_unfilled())
            {
                buf.advance(n);
                return Poll::Ready(Ok(()));
            }
            match self.conn.reader().read(buf.initialize_unfilled()) {
                Ok(n) => {
                    if n > 0 && self.marks.data.is_none() {
                        self.marks.data = Some(Instant::now());
                    }
                    buf.advance(n);
                    return Poll::Ready(Ok(()));
                }
                Err(e) => {
                    if let Some(fault) = self.behind_data.take() {
                        return Poll::Ready(Err(self.fail(fault)));
                    }
                    if e.kind() != io::ErrorKind::WouldBlock {
                        return Poll::Ready(Err(e));
                    }
                }
            }
            let nothing_to_send = !self.conn.wants_write();
            if let Err(fault) = ready!(self.poll_fill(cx)) {
                self.behind_data = Some(fault);
                continue;
            }
            if nothing_to_send && self.conn.wants_write() {
                self.sight.answered_unasked(self.conn.protocol_version());
            }
            // Key updates and warnings may have to be answered.
            let _ = self.poll_flush_tls(cx);
        }
    }

    /// Keeps the fault for the driver and returns an I/O error for the protocol.
    fn fail(&mut self, fault: Fault) -> io::Error {
        let kind = match &fault {
            Fault::Io(e) => e.kind(),
            Fault::Eof => io::ErrorKind::UnexpectedEof,
            Fault::Tls(_)
            | Fault::Flood(_)
            | Fault::NotTls(_)
            | Fault::LateRequest(_)
            | Fault::SpokeFirst(_) => io::ErrorKind::InvalidData,
        };
        let error = io::Error::new(kind, fault.to_string());
        self.fault = Some(fault);
        error
    }

    fn poll_write_plaintext(
        &mut self,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(fault) = self.behind_data.take() {
            return Poll::Ready(Err(self.fail(fault)));
        }
        let swallowed = self.early.swallow(data);
        if swallowed > 0 {
            self.sight.asked();
            return Poll::Ready(Ok(swallowed));
        }
        if self.sight.spoke_first() {
            let fault = Fault::SpokeFirst(self.unasked());
            return Poll::Ready(Err(self.fail(fault)));
        }
        loop {
            let pending = self.poll_flush_tls(cx).is_pending();
            if let Some(error) = &self.write_failed {
                return Poll::Ready(Err(error.kind().into()));
            }
            if pending {
                return Poll::Pending;
            }
            let taken = self.conn.writer().write(data)?;
            if taken > 0 {
                self.sight.asked();
                self.early.sent(taken);
                let _ = self.poll_flush_tls(cx);
                return Poll::Ready(Ok(taken));
            }
        }
    }

    /// The beginning of unread application data.
    fn unasked(&mut self) -> String {
        let mut shown = [0; SHOWN];
        let read = self.conn.reader().read(&mut shown).unwrap_or(0);
        first_line(&shown[..read])
    }

    fn poll_flush_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush_tls(cx));
        match &self.write_failed {
            Some(error) => Poll::Ready(Err(error.kind().into())),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Reads and discards until the stream ends; `after_poll` runs after every read, with or without application
    /// data.
    pub(super) async fn discard(
        &mut self,
        mut after_poll: impl FnMut(&mut Self),
    ) -> Result<(), Fault> {
        loop {
            let read = read_away(|cx, buf| {
                let polled = self.attributed(|stream| stream.poll_plaintext(cx, buf));
                after_poll(self);
                polled
            });
            match read.await {
                Ok(0) => return Ok(()),
                Ok(dropped) => self.quota.dropped(dropped)?,
                Err(error) => return Err(self.fault.take().unwrap_or_else(|| again(error))),
            }
        }
    }
}

impl<C, D> AsyncRead for TlsStream<C>
where
    C: DerefMut<Target = ConnectionCommon<D>> + Unpin,
    D: SideData,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        (self.get_mut()).attributed(|stream| stream.poll_plaintext(cx, buf))
    }
}

impl<C, D> AsyncWrite for TlsStream<C>
where
    C: DerefMut<Target = ConnectionCommon<D>> + Unpin,
    D: SideData,
{
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        (self.get_mut()).attributed(|stream| stream.poll_write_plaintext(cx, data))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (self.get_mut()).attributed(|stream| stream.poll_flush_all(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().attributed(|stream| {
            stream.conn.send_close_notify();
            ready!(stream.poll_send(cx, true));
            // Everything was sent, so this only reports a failed write.
            ready!(stream.poll_flush_all(cx))?;
            let _socket = enter(Work::Socket, None);
            Pin::new(&mut stream.io).poll_shutdown(cx)
        })
    }
}

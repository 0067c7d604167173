//! Plain TCP behind the same interface, so that the cost of TLS has a baseline on the same path.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Fault;
use super::quota::Quota;
use super::session::{Bytes, Marks, SessionStream, read_away};
use super::socket::Socket;
use crate::crypto::{Ledger, attributed, note};
use crate::stats::{Observed, Offer, OkKind, Work};

/// A connection that counts and marks like a TLS session, at either end.
#[derive(Debug)]
pub struct PlainStream {
    io: Socket,
    ledger: Option<Box<Ledger>>,
    bytes: Bytes,
    marks: Marks,
    quota: Quota,
}

impl PlainStream {
    /// Wraps a connected socket. There is no handshake, so all bytes are data to a `ledger`.
    pub(crate) fn new(io: impl Into<Socket>, mut ledger: Option<Box<Ledger>>) -> Self {
        if let Some(ledger) = &mut ledger {
            ledger.established();
        }
        Self {
            io: io.into(),
            ledger,
            bytes: Bytes::default(),
            marks: Marks::default(),
            quota: Quota::default(),
        }
    }
}

impl SessionStream for PlainStream {
    async fn handshake(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    async fn read_to_end(&mut self) -> Result<(), Fault> {
        loop {
            match read_away(|cx, buf| Pin::new(&mut *self).poll_read(cx, buf)).await {
                Ok(0) => return Ok(()),
                Ok(dropped) => self.quota.dropped(dropped)?,
                Err(error) => return Err(Fault::Io(error)),
            }
        }
    }

    fn kind(&self) -> Option<OkKind> {
        Some(OkKind::Tcp)
    }

    fn observed(&self) -> Option<Observed> {
        None
    }

    fn offer(&self) -> Offer {
        Offer::Undecided
    }

    fn finish_proves_acceptance(&self) -> bool {
        false
    }

    fn marks(&self) -> Marks {
        self.marks
    }

    fn bytes(&self) -> Bytes {
        self.bytes
    }

    fn take_fault(&mut self) -> Option<Fault> {
        None
    }

    fn reset_on_close(&self) -> io::Result<()> {
        self.io.set_zero_linger()
    }

    fn into_ledger(self) -> Option<Box<Ledger>> {
        let Self { io, mut ledger, .. } = self;
        attributed(&mut ledger, Work::Socket, || drop(io));
        ledger
    }
}

impl AsyncRead for PlainStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let (io, ledger) = (&mut this.io, &mut this.ledger);
        ready!(attributed(ledger, Work::Socket, || {
            let polled = Pin::new(io).poll_read(cx, buf);
            note(|ledger| ledger.received((buf.filled().len() - before) as u64));
            polled
        }))?;
        let received = buf.filled().len() - before;
        this.bytes.received += received as u64;
        let mark = if received > 0 {
            &mut this.marks.data
        } else {
            &mut this.marks.closed
        };
        mark.get_or_insert_with(Instant::now);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for PlainStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let (io, ledger) = (&mut this.io, &mut this.ledger);
        let sent = ready!(attributed(ledger, Work::Socket, || {
            let polled = Pin::new(io).poll_write(cx, data);
            if let Poll::Ready(Ok(sent)) = &polled {
                note(|ledger| ledger.sent(*sent as u64));
            }
            polled
        }))?;
        this.bytes.sent += sent as u64;
        Poll::Ready(Ok(sent))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, ledger, .. } = self.get_mut();
        attributed(ledger, Work::Socket, || Pin::new(io).poll_shutdown(cx))
    }
}

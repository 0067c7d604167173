//! Plain TCP behind the same interface, so that the cost of TLS has a baseline on the same path.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Fault;
use super::quota::Quota;
use super::session::{Bytes, Marks, SessionStream};
use crate::stats::{Observed, Offer, OkKind};

/// A TCP connection that counts and marks like a TLS session.
#[derive(Debug)]
pub struct PlainStream {
    io: TcpStream,
    bytes: Bytes,
    marks: Marks,
    quota: Quota,
}

impl PlainStream {
    /// Wraps a connected socket.
    pub fn new(io: TcpStream) -> Self {
        Self {
            io,
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
        let mut scratch = [0u8; 1024];
        loop {
            match self.read(&mut scratch).await {
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
}

impl AsyncRead for PlainStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
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
        let sent = ready!(Pin::new(&mut this.io).poll_write(cx, data))?;
        this.bytes.sent += sent as u64;
        Poll::Ready(Ok(sent))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

//! rustls's blocking interface on a non-blocking socket.

use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

#[cfg(target_os = "linux")]
use socket2::SockRef;
#[cfg(target_os = "linux")]
use tokio::io::Interest;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::sight::Sight;
use super::socket::Socket;
use crate::crypto::enter;
use crate::stats::Work;

/// Reports a socket that is not ready as `WouldBlock`.
pub(super) struct Adapter<'a, 'b> {
    pub io: &'a mut Socket,
    pub cx: &'a mut Context<'b>,
    pub sight: &'a mut Sight,
    /// More is written at once, so the kernel may hold this back to send both in one segment.
    pub more: bool,
}

impl Read for Adapter<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let _socket = enter(Work::Socket, None);
        let mut buf = ReadBuf::new(buf);
        match Pin::new(&mut *self.io).poll_read(self.cx, &mut buf) {
            Poll::Ready(result) => {
                result?;
                self.sight.received(buf.filled(), buf.remaining() == 0);
                Ok(buf.filled().len())
            }
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Adapter<'_, '_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let _socket = enter(Work::Socket, None);
        ready_or_would_block(Pin::new(&mut *self.io).poll_write(self.cx, data))
    }

    fn write_vectored(&mut self, data: &[IoSlice<'_>]) -> io::Result<usize> {
        let _socket = enter(Work::Socket, None);
        if self.more {
            return send_before_more(self.io, self.cx, data);
        }
        ready_or_would_block(Pin::new(&mut *self.io).poll_write_vectored(self.cx, data))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hands data to the kernel, which may hold it back until more follows or the stream ends.
#[cfg(target_os = "linux")]
fn send_before_more(
    io: &mut Socket,
    cx: &mut Context<'_>,
    data: &[IoSlice<'_>],
) -> io::Result<usize> {
    let Socket::Tcp(io) = io else {
        // A Unix socket has no segments.
        return ready_or_would_block(Pin::new(io).poll_write_vectored(cx, data));
    };
    loop {
        match io.poll_write_ready(cx) {
            Poll::Ready(ready) => ready?,
            Poll::Pending => return Err(io::ErrorKind::WouldBlock.into()),
        }
        let flags = nix::libc::MSG_MORE | nix::libc::MSG_NOSIGNAL;
        let sent = io.try_io(Interest::WRITABLE, || {
            SockRef::from(&*io).send_vectored_with_flags(data, flags)
        });
        match sent {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            sent => return sent,
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn send_before_more(
    io: &mut Socket,
    cx: &mut Context<'_>,
    data: &[IoSlice<'_>],
) -> io::Result<usize> {
    ready_or_would_block(Pin::new(io).poll_write_vectored(cx, data))
}

fn ready_or_would_block(poll: Poll<io::Result<usize>>) -> io::Result<usize> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

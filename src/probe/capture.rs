//! A byte stream that keeps the beginning of what the peer says, for a reader. Untrusted: escape it before
//! showing it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Most bytes of the answer that are kept.
const KEPT: usize = 8 * 1024;

/// Passes everything through and keeps the first bytes read.
pub(super) struct Tap<'a, S> {
    inner: &'a mut S,
    kept: &'a mut Vec<u8>,
}

impl<'a, S> Tap<'a, S> {
    /// Taps a stream, and keeps what is read first.
    pub(crate) fn new(inner: &'a mut S, kept: &'a mut Vec<u8>) -> Self {
        Self { inner, kept }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<'_, S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut *this.inner).poll_read(cx, buf))?;
        let new = &buf.filled()[before..];
        let room = KEPT.saturating_sub(this.kept.len());
        this.kept.extend_from_slice(&new[..new.len().min(room)]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<'_, S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.get_mut().inner).poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[test]
    fn the_beginning_is_kept_and_everything_passes() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let data = vec![7u8; 3 * KEPT];
        let mut source = &data[..];
        let mut passed = Vec::new();
        let mut kept = Vec::new();
        let mut tap = Tap::new(&mut source, &mut kept);
        runtime.block_on(tap.read_to_end(&mut passed)).unwrap();
        assert_eq!(kept, data[..KEPT]);
        assert_eq!(passed, data);
    }
}

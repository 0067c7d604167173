//! A dialogue before TLS: what is sent, and what comes, capped.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::WayError;
use crate::text::first_line;

/// Most bytes that are read before TLS.
pub(super) const CAP: usize = 16 * 1024;

/// A stream, with what came and is not yet read.
pub(super) struct Talk<'s, S> {
    stream: &'s mut S,
    buffer: Vec<u8>,
    received: usize,
}

impl<'s, S: AsyncRead + AsyncWrite + Unpin> Talk<'s, S> {
    pub(super) fn new(stream: &'s mut S) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            received: 0,
        }
    }

    /// Sends something. What came until now must be read: an answer follows its question.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), WayError> {
        if !self.buffer.is_empty() {
            let begin = first_line(&self.buffer);
            let message = format!("data came that nobody asked for; it begins \"{begin}\"");
            return Err(WayError::protocol(message));
        }
        self.stream.write_all(bytes).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// Reads until `parse` finds what it looks for, with its length. It sees everything that came and is not yet read.
    pub(super) async fn read<T>(
        &mut self,
        mut parse: impl FnMut(&[u8]) -> Result<Option<(usize, T)>, WayError>,
    ) -> Result<T, WayError> {
        loop {
            if let Some((length, found)) = parse(&self.buffer)? {
                self.buffer.drain(..length);
                return Ok(found);
            }
            if self.received >= CAP {
                return Err(WayError::flood());
            }
            let mut piece = [0; 1024];
            let most = piece.len().min(CAP - self.received);
            let received = self.stream.read(&mut piece[..most]).await?;
            if received == 0 {
                let kind = std::io::ErrorKind::UnexpectedEof;
                let message = "the server closed the connection before TLS";
                return Err(std::io::Error::new(kind, message).into());
            }
            self.received += received;
            self.buffer.extend_from_slice(&piece[..received]);
        }
    }

    /// Reads a line, without its end.
    pub(super) async fn line(&mut self) -> Result<String, WayError> {
        self.read(|bytes| {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            Ok(end.map(|end| {
                let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
                (end + 1, String::from_utf8_lossy(line).into_owned())
            }))
        })
        .await
    }

    /// Ends the dialogue: nothing may follow.
    pub(super) fn end(self) -> Result<(), WayError> {
        if self.buffer.is_empty() {
            Ok(())
        } else {
            Err(WayError::injected())
        }
    }
}

//! Early data (RFC 8446 section 2.3): the first request, sent ahead with the `ClientHello`.
//!
//! The protocol is unaware and writes its request as always. If the server accepted the early data, that write is
//! swallowed; if not, it is the replay.

use std::io::{self, IoSlice, Write};

use rustls::client::ClientConnection;

use crate::stats::Early;

/// The first request of a session that may send it early.
#[derive(Debug, Default)]
pub(super) struct EarlyData {
    fate: Early,
    /// The request, once it was sent ahead.
    request: Vec<u8>,
    /// Bytes of it that the protocol has written since.
    written: usize,
    /// Bytes of the `ClientHello` in front of it; zero if nothing was sent ahead.
    pub hello: u64,
}

impl EarlyData {
    /// Puts `request` behind the unsent `ClientHello` if the session offers a ticket with room for all of it.
    pub(crate) fn send(&mut self, conn: &mut ClientConnection, request: &[u8]) {
        self.fate = Early::Withheld;
        let room = conn.early_data().map_or(0, |early| early.bytes_left());
        if request.is_empty() || room < request.len() {
            return;
        }
        let mut measure = FirstRecord(0);
        let measured = conn.write_tls(&mut measure).is_ok();
        let Some(mut early) = conn.early_data().filter(|_| measured) else {
            return;
        };
        // There is room, so it is never sent in part.
        if early.write_all(request).is_ok() {
            self.fate = Early::Sent;
            self.request = request.to_vec();
            self.hello = measure.0;
        }
    }

    /// Notes whether the server accepted it.
    pub(crate) fn answered(&mut self, accepted: bool) {
        if self.fate == Early::Sent {
            self.fate = if accepted {
                Early::Accepted
            } else {
                Early::Rejected
            };
        }
    }

    /// How many bytes of `data` the server has already.
    pub(crate) fn swallow(&mut self, data: &[u8]) -> usize {
        let taken = if self.fate == Early::Accepted {
            data.len().min(self.request.len() - self.written)
        } else {
            0
        };
        debug_assert_eq!(data[..taken], self.request[self.written..][..taken]);
        self.written += taken;
        taken
    }

    /// Notes bytes that the protocol sent after the handshake.
    pub(crate) fn sent(&mut self, bytes: usize) {
        if self.fate == Early::Rejected {
            self.written += bytes;
            if self.written >= self.request.len() {
                self.fate = Early::Replayed;
            }
        }
    }

    pub(crate) fn fate(&self) -> Early {
        self.fate
    }
}

/// Measures the first record to be written, without taking it.
struct FirstRecord(u64);

impl Write for FirstRecord {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        self.0 = record.len() as u64;
        Ok(0)
    }

    fn write_vectored(&mut self, records: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write(records.first().map_or(&[], |record| record))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

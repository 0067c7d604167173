//! An end that moves given numbers of bytes without TLS: the kernel's part of a session.

use std::io::{Read, Write};
use std::net::TcpStream;

use shakedown::scenario::TlsVersion;

use crate::step::{End, read};

/// More than is sent in any turn.
const ROOM: usize = 4096;

/// Bytes that a record of AES-GCM adds: header, tag, and the explicit nonce (TLS 1.2) or content type (1.3).
pub fn record_overhead(version: TlsVersion) -> usize {
    match version {
        TlsVersion::Tls12 => 5 + 8 + 16,
        TlsVersion::Tls13 => 5 + 1 + 16,
    }
}

/// One end of a session.
pub struct Bytes<'a> {
    /// Sent in each turn, the client's first, then in turns; the last closes, both ways.
    sent: &'a [usize],
    /// Where in a turn it sends, and the other end.
    own: usize,
    other: usize,
}

impl<'a> Bytes<'a> {
    pub fn client(sent: &'a [usize]) -> Self {
        let (own, other) = (0, 1);
        Self { sent, own, other }
    }

    pub fn server(sent: &'a [usize]) -> Self {
        let (own, other) = (1, 0);
        Self { sent, own, other }
    }
}

impl End for Bytes<'_> {
    fn send(&mut self, turn: usize, stream: &mut TcpStream) {
        let bytes = self.sent[2 * turn + self.own];
        stream.write_all(&[0; ROOM][..bytes]).unwrap();
    }

    fn receive(&mut self, turn: usize, stream: &mut TcpStream) {
        let mut left = self.sent[2 * turn + self.other];
        while left > 0 {
            left -= read(stream, &mut [0; ROOM]);
        }
    }

    fn close(&mut self, stream: &mut TcpStream) {
        let closing = self.sent[self.sent.len() - 1];
        stream.write_all(&[0; ROOM][..closing]).unwrap();
    }

    fn drain(&mut self, stream: &mut TcpStream) {
        while stream.read(&mut [0; ROOM]).unwrap() > 0 {}
    }
}

//! An end that makes its handshake over TCP as simply as possible: both parts of the floor in one program.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::DerefMut;

use rustls::{ConnectionCommon, HandshakeKind, SideData};

use crate::step::End;

/// One end of a session; `C` is rustls's connection of either side.
pub struct Tls<C> {
    pub conn: C,
    /// Sent in the last turn: a request or its answer.
    pub says: &'static [u8],
    /// The last turn.
    pub last: usize,
    /// The expected handshake.
    pub kind: HandshakeKind,
}

impl<C, D> Tls<C>
where
    C: DerefMut<Target = ConnectionCommon<D>>,
    D: SideData,
{
    fn flush(&mut self, stream: &mut TcpStream) {
        while self.conn.wants_write() {
            self.conn.write_tls(stream).unwrap();
        }
    }
}

impl<C, D> End for Tls<C>
where
    C: DerefMut<Target = ConnectionCommon<D>>,
    D: SideData,
{
    fn send(&mut self, turn: usize, stream: &mut TcpStream) {
        if turn == self.last {
            self.conn.writer().write_all(self.says).unwrap();
        }
        self.flush(stream);
    }

    fn receive(&mut self, turn: usize, stream: &mut TcpStream) {
        loop {
            let came = self.conn.read_tls(stream).unwrap();
            assert!(came > 0, "the other end closed early");
            let plaintext = self.conn.process_new_packets().unwrap();
            let heard = if turn == self.last {
                plaintext.plaintext_bytes_to_read() > 0
            } else {
                self.conn.wants_write() || !self.conn.is_handshaking()
            };
            if heard {
                break;
            }
        }
        if turn == self.last {
            let _ = self.conn.reader().read(&mut [0; 4096]).unwrap();
        }
    }

    fn close(&mut self, stream: &mut TcpStream) {
        assert_eq!(self.conn.handshake_kind(), Some(self.kind));
        self.conn.send_close_notify();
        self.flush(stream);
    }

    fn drain(&mut self, stream: &mut TcpStream) {
        while self.conn.read_tls(stream).unwrap() > 0 {
            self.conn.process_new_packets().unwrap();
        }
    }
}

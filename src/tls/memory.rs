//! A whole session in memory, both ends on this thread without socket or runtime: each end's ledger beside the CPU
//! time it took.

use std::ops::DerefMut;
use std::time::Duration;

use rustls::{ConnectionCommon, SideData};

use super::observe::{Current, ok_kind};
use super::{ClientTls, Fault, ServerTls};
use crate::clock::thread_cpu;
use crate::crypto::{Ledger, note};
use crate::stats::{OkKind, SessionLedger};

/// Sent to the server and echoed once the handshake is complete.
const PAYLOAD: [u8; 64] = [b'e'; 64];
/// Most turns of both ends: a handshake takes three, with a `HelloRetryRequest` four.
const MOST_TURNS: usize = 16;

/// One end of a session in memory.
#[derive(Debug, Clone)]
pub struct MemoryEnd {
    /// Where its time went; empty if its configuration is not metered.
    pub ledger: SessionLedger,
    /// What it cost this thread, by the thread's CPU clock.
    pub cpu: Duration,
}

/// The outcome of a session in memory.
#[derive(Debug, Clone)]
pub struct MemorySession {
    /// How it was established.
    pub kind: OkKind,
    /// The version on the wire.
    pub version: u16,
    /// The client's end.
    pub client: MemoryEnd,
    /// The server's end.
    pub server: MemoryEnd,
}

/// Makes a session: a handshake, which resumes an earlier session if `resume` and one is in store, then 64 bytes
/// there and back.
///
/// # Errors
///
/// Fails if an end refuses the other.
pub fn session_in_memory(
    client: &ClientTls,
    server: &ServerTls,
    resume: bool,
) -> Result<MemorySession, Fault> {
    let mut client = Side::begin(client.ledger(), || Ok(client.begin(resume)?.conn))?;
    let mut server = Side::begin(server.ledger(), || server.connection())?;
    let mut to_server = Vec::new();
    let mut to_client = Vec::new();
    let (mut done, mut sent) = (false, false);
    for _ in 0..MOST_TURNS {
        // A turn after Finished, so that the server's ledger keeps the data apart from the handshake.
        let speaks = done && !std::mem::replace(&mut sent, done);
        client.turn(&mut to_client, &mut to_server, |conn| {
            if speaks {
                write(conn, &PAYLOAD)
            } else {
                read(conn).map(drop)
            }
        })?;
        done = !client.conn.is_handshaking();
        server.turn(&mut to_server, &mut to_client, |conn| {
            let came = read(conn)?;
            if came.is_empty() {
                Ok(())
            } else {
                write(conn, &came)
            }
        })?;
        if sent && to_client.is_empty() {
            break;
        }
    }
    let kind = client.conn.handshake_kind().ok_or(Fault::Eof)?;
    let version = client.conn.protocol_version().map_or(0, u16::from);
    Ok(MemorySession {
        kind: ok_kind(kind),
        version,
        client: client.end(),
        server: server.end(),
    })
}

struct Side<C> {
    conn: C,
    current: Current,
    cpu: Duration,
}

impl<C, D> Side<C>
where
    C: DerefMut<Target = ConnectionCommon<D>>,
    D: SideData,
{
    fn begin(
        ledger: Option<Box<Ledger>>,
        begin: impl FnOnce() -> Result<C, Fault>,
    ) -> Result<Self, Fault> {
        let mut current = Current {
            ledger,
            ..Current::default()
        };
        let before = thread_cpu();
        let conn = current.attribute(begin)?;
        Ok(Self {
            conn,
            current,
            cpu: thread_cpu().saturating_sub(before),
        })
    }

    /// Reads `input`, lets `speak` use the session, and appends what is to be sent to `output`.
    fn turn(
        &mut self,
        input: &mut Vec<u8>,
        output: &mut Vec<u8>,
        speak: impl FnOnce(&mut ConnectionCommon<D>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let before = thread_cpu();
        let conn = &mut self.conn;
        let result = self.current.attribute(|| {
            note(|ledger| ledger.received(input.len() as u64));
            let mut left = &input[..];
            while !left.is_empty() {
                conn.read_tls(&mut left).map_err(Fault::Io)?;
                conn.process_new_packets().map_err(Fault::from)?;
            }
            input.clear();
            put_out(conn, output)?;
            if !conn.is_handshaking() {
                note(Ledger::established);
            }
            speak(conn)?;
            put_out(conn, output)
        });
        self.cpu += thread_cpu().saturating_sub(before);
        result
    }

    fn end(self) -> MemoryEnd {
        let ledger = self.current.ledger.map(|ledger| ledger.read());
        MemoryEnd {
            ledger: ledger.unwrap_or_default(),
            cpu: self.cpu,
        }
    }
}

fn put_out<D: SideData>(conn: &mut ConnectionCommon<D>, output: &mut Vec<u8>) -> Result<(), Fault> {
    while conn.wants_write() {
        let sent = conn.write_tls(output).map_err(Fault::Io)? as u64;
        note(|ledger| ledger.sent(sent));
    }
    Ok(())
}

fn write<D>(conn: &mut ConnectionCommon<D>, data: &[u8]) -> Result<(), Fault> {
    use std::io::Write;
    conn.writer().write_all(data).map_err(Fault::Io)
}

fn read<D>(conn: &mut ConnectionCommon<D>) -> Result<Vec<u8>, Fault> {
    use std::io::Read;
    let mut came = vec![0; PAYLOAD.len()];
    match conn.reader().read(&mut came) {
        Ok(count) => {
            came.truncate(count);
            Ok(came)
        }
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(Vec::new()),
        Err(error) => Err(Fault::Io(error)),
    }
}

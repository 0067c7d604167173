//! What can be done in the protocol, over a session that is in order.

use std::io;

use super::behaviour::{Behaviour, Case};
use super::peer::{Peer, end, reset, wait_for_end};
use super::server::{EVIL, Witness};

/// An answer that is in order.
pub const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Whether an HTTP request without body has come whole.
pub fn is_request(data: &[u8]) -> bool {
    data.ends_with(b"\r\n\r\n")
}

pub fn act(case: &Case, mut peer: Peer, witness: &Witness) -> io::Result<()> {
    use Behaviour::*;
    peer.complete()?;
    if matches!(case.behaviour, LongEcho | WrongEcho) {
        let sent = peer.request(|data| !data.is_empty())?;
        let answer = match case.behaviour {
            LongEcho => [sent.as_slice(), b"e"].concat(),
            _ => EVIL.repeat(sent.len()).as_bytes()[..sent.len()].to_vec(),
        };
        witness.fire();
        peer.answer(&answer)?;
        wait_for_end(&mut peer.tcp);
        return Ok(());
    }
    peer.request(is_request)?;
    match case.behaviour {
        DripHead => {
            witness.fire();
            for byte in OK {
                peer.answer(&[*byte])?;
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        }
        EndlessInterim => {
            endless(
                &mut peer,
                witness,
                b"",
                &b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100),
            )?;
        }
        TinyChunks => {
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            endless(&mut peer, witness, head, &b"1\r\nx\r\n".repeat(100))?;
        }
        HalfAnswer | HalfAnswerAndReset => {
            witness.fire();
            peer.answer(&OK[..OK.len() - 1])?;
            match case.behaviour {
                HalfAnswer => end(peer.tcp),
                _ => reset(peer.tcp),
            }
            return Ok(());
        }
        EndlessBody => endless(&mut peer, witness, b"HTTP/1.1 200 OK\r\n\r\n", &[0; 16_000])?,
        _ => {
            witness.fire();
            peer.answer(&response(case.behaviour))?;
        }
    }
    wait_for_end(&mut peer.tcp);
    Ok(())
}

/// The responses that are bad from head to end.
fn response(behaviour: Behaviour) -> Vec<u8> {
    use Behaviour::*;
    let ok = b"HTTP/1.1 200 OK\r\n".as_slice();
    match behaviour {
        HugeHead => [ok, b"x: ", &vec![b'a'; 1_000_000], b"\r\n\r\n"].concat(),
        ManyFields => [ok, &b"x: y\r\n".repeat(20_000), b"\r\n"].concat(),
        NoStatus => b"HTTP/1.1 000 Nothing\r\n\r\n".to_vec(),
        Switching => b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n".to_vec(),
        Redirect => {
            b"HTTP/1.1 302 Found\r\nlocation: http://localhost/no\r\ncontent-length: 0\r\n\r\n"
                .to_vec()
        }
        AnnouncedClose => [ok, b"connection: close\r\ncontent-length: 0\r\n\r\n"].concat(),
        EvilStatusLine => format!("HTTP/1.1 200 {EVIL}\r\n\r\n").into_bytes(),
        EvilReason => {
            // What httparse lets pass: no ASCII control, but all of it in UTF-8.
            let reason = "\u{9b}31m\u{85}\u{202e}\u{2066}\u{200b}\u{feff}".repeat(50);
            format!("HTTP/1.1 500 {reason}\r\ncontent-length: 4\r\n\r\n\u{1b}[2J").into_bytes()
        }
        HugeContentLength => [ok, b"content-length: 18446744073709551615\r\n\r\n", b"x"].concat(),
        HugeChunk => [
            ok,
            b"transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
        ]
        .concat(),
        GzipBomb => {
            // The body is only counted, so its content is of no matter; that it is not inflated is.
            let body = vec![0x1f; 100_000];
            let fields = b"content-encoding: gzip\r\ncontent-length: 100000\r\n\r\n";
            [ok, fields, &body].concat()
        }
        _ => OK.to_vec(),
    }
}

/// Sends a head and then the same part again and again.
fn endless(peer: &mut Peer, witness: &Witness, head: &[u8], part: &[u8]) -> io::Result<()> {
    peer.answer(head)?;
    let mut tcp = peer.tcp.try_clone()?;
    witness.flood(&mut tcp, || peer.sealed(part))
}

//! How each behaviour is done. A thread per session, blocking; errors mean that the client has hung up.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::ServerConfig;
use shakedown::scenario::TlsVersion;

use super::behaviour::{Behaviour, Case};
use super::peer::{Peer, end, reset, wait_for_end};
use super::server::Witness;
use super::wire::{
    AES_128_GCM_SHA256, ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, ECDHE_ECDSA_CHACHA20,
    HANDSHAKE, SECP256R1, SERVER_HELLO, ServerHello, TLS11, TLS12, TLS13, X25519, alert,
    message_claiming, read_record, record, record_claiming, records,
};
use super::{after, answers, frames, mqtt};

/// Serves one session as badly as the case says.
pub fn act(
    case: &Case,
    tcp: TcpStream,
    config: &Arc<ServerConfig>,
    witness: &Witness,
) -> io::Result<()> {
    use Behaviour::*;
    match case.behaviour {
        Silent
        | PlainHttp
        | AlertFirst(_)
        | CloseNotifyFirst
        | CloseNotifyStays
        | OversizeRecord
        | UnknownContentType
        | EmptyHandshakeRecords
        | HugeMessage
        | ByteRecords
        | GarbageServerHello
        | RetryTwice
        | RetrySameGroup
        | UnofferedSuite
        | UnofferedVersion
        | UnofferedAlpn
        | ChangeCipherSpecFlood
        | EofFirst
        | ResetFirst => begin(case, tcp, witness),
        StallAfterServerHello
        | StallMidFlight
        | DripFlight
        | EofMidFlight
        | ResetMidFlight
        | EofAfterFlight
        | ResetAfterFlight
        | AlertMidFlight
        | EarlyChangeCipherSpec
        | BadMac
        | LongChain
        | GarbageCertificate => flight(case, Peer::new(tcp, config), witness),
        EvilNames | DripHead | HugeHead | ManyFields | EndlessInterim | EvilStatusLine
        | NoStatus | Redirect | Switching | HalfAnswer | HalfAnswerAndReset | AnnouncedClose
        | EvilReason | HugeContentLength | HugeChunk | TinyChunks | EndlessBody | GzipBomb
        | NoAlpn | LongEcho | WrongEcho => answers::act(case, Peer::new(tcp, config), witness),
        EndlessConnacks | DripPacket | HalfPacket | LongLength | HugePacket | OtherPuback => {
            mqtt::act(case, Peer::new(tcp, config), witness)
        }
        Frames(frames) => frames::act(frames, Peer::new(tcp, config), witness),
        _ => after::act(case, Peer::new(tcp, config), witness),
    }
}

/// What can be done without keys.
fn begin(case: &Case, mut tcp: TcpStream, witness: &Witness) -> io::Result<()> {
    use Behaviour::*;
    let hello = read_record(&mut tcp)?;
    let noise: Vec<u8> = (0..200u8).collect();
    let bytes = match case.behaviour {
        Silent => Vec::new(),
        PlainHttp => b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        AlertFirst(code) => alert(code),
        CloseNotifyStays => record(ALERT, &[1, 0]),
        OversizeRecord => record_claiming(HANDSHAKE, (1 << 14) + 256 + 2_049, &noise),
        UnknownContentType => record(99, &noise),
        HugeMessage => {
            let huge = message_claiming(SERVER_HELLO, (1 << 24) - 1, &noise);
            record(HANDSHAKE, &huge)
        }
        ByteRecords => {
            let long = message_claiming(SERVER_HELLO, 60_000, &vec![3; 60_000]);
            long.iter().flat_map(|b| record(HANDSHAKE, &[*b])).collect()
        }
        GarbageServerHello => record(HANDSHAKE, &message_claiming(SERVER_HELLO, 200, &noise)),
        EmptyHandshakeRecords => {
            return witness.flood(&mut tcp, || record(HANDSHAKE, &[]).repeat(100));
        }
        CloseNotifyFirst | EofFirst => {
            if case.behaviour == CloseNotifyFirst {
                tcp.write_all(&record(ALERT, &[1, 0]))?;
            }
            witness.fire();
            end(tcp);
            return Ok(());
        }
        ResetFirst => {
            witness.fire();
            reset(tcp);
            return Ok(());
        }
        _ => return bad_hello(case, tcp, &hello, witness),
    };
    witness.fire();
    tcp.write_all(&bytes)?;
    wait_for_end(&mut tcp);
    Ok(())
}

/// Answers a `ClientHello` with well-formed messages that must not be.
fn bad_hello(case: &Case, mut tcp: TcpStream, hello: &[u8], witness: &Witness) -> io::Result<()> {
    use Behaviour::*;
    let retry = ServerHello {
        legacy_version: TLS12,
        retry: true,
        suite: AES_128_GCM_SHA256,
        version: Some(TLS13),
        group: Some(SECP256R1),
        alpn: None,
    };
    // One of the client's version, and without extensions.
    let plain = ServerHello {
        retry: false,
        suite: ECDHE_ECDSA_CHACHA20,
        version: None,
        group: None,
        ..retry
    };
    let bytes = match case.behaviour {
        RetryTwice => {
            tcp.write_all(&retry.answering(hello))?;
            let mut second = read_record(&mut tcp)?;
            while second[0] != HANDSHAKE {
                second = read_record(&mut tcp)?;
            }
            retry.answering(&second)
        }
        RetrySameGroup => {
            let group = Some(X25519);
            ServerHello { group, ..retry }.answering(hello)
        }
        UnofferedSuite => {
            let tls13 = case.version == TlsVersion::Tls13;
            ServerHello {
                suite: 0x00ff,
                version: tls13.then_some(TLS13),
                group: tls13.then_some(X25519),
                ..plain
            }
            .answering(hello)
        }
        UnofferedAlpn => {
            let alpn = Some(b"h2".as_slice());
            ServerHello { alpn, ..plain }.answering(hello)
        }
        ChangeCipherSpecFlood => {
            tcp.write_all(&retry.answering(hello))?;
            return witness.flood(&mut tcp, || record(CHANGE_CIPHER_SPEC, &[1]).repeat(100));
        }
        _ => ServerHello {
            legacy_version: TLS11,
            ..plain
        }
        .answering(hello),
    };
    witness.fire();
    tcp.write_all(&bytes)?;
    wait_for_end(&mut tcp);
    Ok(())
}

/// What can be done to the server's first flight.
fn flight(case: &Case, mut peer: Peer, witness: &Witness) -> io::Result<()> {
    use Behaviour::*;
    let flight = peer.next_flight()?;
    let hello = first_message(&flight);
    let half = flight.len() / 2;
    match case.behaviour {
        StallAfterServerHello => {
            peer.tcp.write_all(&hello)?;
            witness.fire();
        }
        StallMidFlight => {
            peer.tcp.write_all(&flight[..half])?;
            witness.fire();
        }
        DripFlight => witness.drip(&mut peer.tcp, &flight)?,
        EofMidFlight | EofAfterFlight => {
            let end_at = if case.behaviour == EofMidFlight {
                half
            } else {
                flight.len()
            };
            peer.tcp.write_all(&flight[..end_at])?;
            witness.fire();
            end(peer.tcp);
            return Ok(());
        }
        ResetMidFlight => {
            peer.tcp.write_all(&flight[..half])?;
            witness.fire();
            reset(peer.tcp);
            return Ok(());
        }
        ResetAfterFlight => {
            peer.tcp.write_all(&flight)?;
            // The client's flight is on its way or has come: nothing of it is read.
            let _ = peer.tcp.peek(&mut [0])?;
            witness.fire();
            reset(peer.tcp);
            return Ok(());
        }
        AlertMidFlight => {
            peer.tcp.write_all(&[hello, alert(80)].concat())?;
            witness.fire();
        }
        EarlyChangeCipherSpec => {
            let early = record(CHANGE_CIPHER_SPEC, &[1]);
            peer.tcp.write_all(&[hello, early].concat())?;
            witness.fire();
        }
        BadMac => bad_mac(&mut peer, flight, witness)?,
        _ => {
            peer.tcp.write_all(&flight)?;
            witness.fire();
        }
    }
    wait_for_end(&mut peer.tcp);
    Ok(())
}

/// The `ServerHello` in a record of its own; rustls packs a whole TLS 1.2 flight into one.
fn first_message(flight: &[u8]) -> Vec<u8> {
    let length = u32::from_be_bytes([0, flight[6], flight[7], flight[8]]);
    let end = 5 + 4 + usize::try_from(length).unwrap();
    record(HANDSHAKE, &flight[5..end])
}

/// Flips the last bit of the last encrypted record of the handshake: part of its tag.
fn bad_mac(peer: &mut Peer, flight: Vec<u8>, witness: &Witness) -> io::Result<()> {
    let encrypted = |flight: &[u8]| records(flight).iter().any(|r| r.1 == APPLICATION_DATA);
    let mut last = flight;
    if !encrypted(&last) {
        // TLS 1.2: only the server's Finished is encrypted, and that answers the client's.
        peer.tcp.write_all(&last)?;
        last = peer.next_flight()?;
    }
    if let Some(byte) = last.last_mut() {
        *byte ^= 1;
    }
    witness.fire();
    peer.tcp.write_all(&last)
}

//! What can be done once the handshake is complete, with the keys in hand.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use super::answers::{OK, is_request};
use super::behaviour::{Behaviour, Case, Cut};
use super::peer::{Peer, end, reset, wait_for_end};
use super::server::Witness;
use super::wire::{
    ALERT, APPLICATION_DATA, CERTIFICATE_REQUEST, HANDSHAKE, HELLO_REQUEST, NEW_SESSION_TICKET,
    message, record,
};
use shakedown::scenario::{ProtocolKind, TlsVersion};

/// Records that are sealed at a time, so that floods are fast.
const BATCH: usize = 16;

pub fn act(case: &Case, mut peer: Peer, witness: &Witness) -> io::Result<()> {
    use Behaviour::*;
    if matches!(case.behaviour, EarlyAnswer(_) | EarlyAnswerAndEof) {
        return early(case, peer, witness);
    }
    peer.complete()?;
    match case.behaviour {
        LateRequest => {
            peer.request(is_request)?;
            return late_request(case, peer, witness);
        }
        NoAnswer => witness.fire(),
        NoSecondAnswer => {
            peer.request(is_request)?;
            peer.answer(OK)?;
            peer.request(is_request)?;
            witness.fire();
        }
        EofAfterFinished => {
            peer.request(is_request)?;
            witness.fire();
            end(peer.tcp);
            return Ok(());
        }
        ResetAfterFinished => {
            witness.fire();
            reset(peer.tcp);
            return Ok(());
        }
        CloseNotifyAfterFinished => {
            peer.request(is_request)?;
            witness.fire();
            peer.close_notify()?;
        }
        GarbageAfterFinished => {
            witness.fire();
            peer.tcp.write_all(&record(APPLICATION_DATA, &[0x5a; 80]))?;
        }
        AlertAtOnce => return alert_and_reset(peer, witness),
        AlertUnread | SecondAlertUnread => {
            if case.asks_twice() {
                peer.request(is_request)?;
                peer.answer(OK)?;
            }
            peer.asked()?;
            return alert_and_reset(peer, witness);
        }
        AlertBehindAnswer | AlertBehindFirstAnswer => {
            peer.request(is_request)?;
            witness.fire();
            let mut sealer = peer.into_sealer();
            let answer = sealer.seal(APPLICATION_DATA, OK);
            let alert = sealer.seal(ALERT, &[2, 49]);
            sealer.tcp.write_all(&[answer, alert].concat())?;
            wait_for_end(&mut sealer.tcp);
            return Ok(());
        }
        UnknownAlert => {
            peer.request(is_request)?;
            witness.fire();
            let mut sealer = peer.into_sealer();
            sealer.send(ALERT, &[2, 200])?;
            wait_for_end(&mut sealer.tcp);
            return Ok(());
        }
        _ => return floods(case, peer, witness),
    }
    wait_for_end(&mut peer.tcp);
    Ok(())
}

/// Answers before the client has finished, and says what it thinks of it only then.
fn early(case: &Case, mut peer: Peer, witness: &Witness) -> io::Result<()> {
    let flight = peer.next_flight()?;
    let answer = match case.protocol {
        ProtocolKind::Echo => peer.sealed(&[b'e'; 64]),
        _ => peer.sealed(OK),
    };
    witness.fire();
    let all = [flight.as_slice(), &answer].concat();
    let pause = || thread::sleep(Duration::from_millis(30));
    let first = match case.behaviour {
        Behaviour::EarlyAnswer(Cut::Apart) => flight.len(),
        Behaviour::EarlyAnswer(Cut::Middle) => flight.len() + answer.len() / 2,
        _ => all.len(),
    };
    peer.tcp.write_all(&all[..first])?;
    if first < all.len() {
        pause();
        peer.tcp.write_all(&all[first..])?;
    }
    peer.complete()?;
    if case.behaviour == Behaviour::EarlyAnswerAndEof {
        end(peer.tcp);
        return Ok(());
    }
    let mut sealer = peer.into_sealer();
    sealer.send(ALERT, &[2, 49])?;
    wait_for_end(&mut sealer.tcp);
    Ok(())
}

/// Asks for a certificate after the handshake, as Apache does per path, and gives up.
fn late_request(case: &Case, peer: Peer, witness: &Witness) -> io::Result<()> {
    witness.fire();
    let mut sealer = peer.into_sealer();
    if case.version == TlsVersion::Tls12 {
        sealer.send(HANDSHAKE, &message(HELLO_REQUEST, &[]))?;
        // The client declines.
        let _ = sealer.tcp.peek(&mut [0])?;
    } else {
        // A context, and the signature scheme ecdsa_secp256r1_sha256 (RFC 8446 section 4.3.2).
        let body = [1, 7, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3];
        sealer.send(HANDSHAKE, &message(CERTIFICATE_REQUEST, &body))?;
    }
    sealer.send(ALERT, &[2, 40])?;
    wait_for_end(&mut sealer.tcp);
    Ok(())
}

/// What is bad because it does not end.
fn floods(case: &Case, mut peer: Peer, witness: &Witness) -> io::Result<()> {
    use Behaviour::*;
    match case.behaviour {
        WarningFlood => flood(peer, witness, &[(ALERT, &[1, 100])]),
        TicketFlood => flood(peer, witness, &[(HANDSHAKE, &ticket(4))]),
        HugeTickets => {
            let ticket = ticket(60_000);
            let parts: Vec<_> = ticket.chunks(16_000).map(|p| (HANDSHAKE, p)).collect();
            flood(peer, witness, &parts)
        }
        KeyUpdateFlood => {
            let mut tcp = peer.tcp.try_clone()?;
            witness.flood(&mut tcp, || {
                (0..BATCH).flat_map(|_| peer.key_update()).collect()
            })
        }
        EmptyRecords => flood(peer, witness, &[(APPLICATION_DATA, &[])]),
        RenegotiationFlood => {
            let request = message(HELLO_REQUEST, &[]);
            flood(peer, witness, &[(HANDSHAKE, &request)])
        }
        DataAfterAnswer => {
            answer_well(case, &mut peer)?;
            if case.hold {
                // Nothing tells when the client has taken in its answer and rests.
                thread::sleep(Duration::from_millis(500));
            } else {
                peer.request(|_| false).unwrap_err();
            }
            flood(peer, witness, &[(APPLICATION_DATA, &[b'e'; 4_000])])
        }
        _ => flood(peer, witness, &[(APPLICATION_DATA, &[b'u'; 4_000])]),
    }
}

/// A fatal `access_denied` and nothing read any more.
fn alert_and_reset(peer: Peer, witness: &Witness) -> io::Result<()> {
    witness.fire();
    let mut sealer = peer.into_sealer();
    sealer.send(ALERT, &[2, 49])?;
    reset(sealer.tcp);
    Ok(())
}

/// Repeats records, sealed anew each time.
fn flood(peer: Peer, witness: &Witness, records: &[(u8, &[u8])]) -> io::Result<()> {
    let mut sealer = peer.into_sealer();
    let mut tcp = sealer.tcp.try_clone()?;
    witness.flood(&mut tcp, || {
        let mut batch = Vec::new();
        for (kind, payload) in std::iter::repeat_n(records, BATCH).flatten() {
            batch.extend(sealer.seal(*kind, payload));
        }
        batch
    })
}

fn answer_well(case: &Case, peer: &mut Peer) -> io::Result<()> {
    if case.protocol == ProtocolKind::Http1 {
        peer.request(is_request)?;
        return peer.answer(OK);
    }
    let request = peer.request(|data| !data.is_empty())?;
    peer.answer(&request)
}

/// A session ticket (RFC 8446 section 4.6.1): lifetime, age, nonce, ticket, no extensions.
fn ticket(length: u16) -> Vec<u8> {
    let ticket = vec![4; length.into()];
    let before = [0, 0, 1, 0, 0, 0, 0, 0, 1, 7];
    let body = [&before, &length.to_be_bytes()[..], &ticket, &[0, 0]].concat();
    message(NEW_SESSION_TICKET, &body)
}

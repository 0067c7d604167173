//! What a broker can do wrong, over a session that is in order.

use std::io;

use super::behaviour::{Behaviour, Case};
use super::peer::{Peer, end, wait_for_end};
use super::server::Witness;

/// CONNACK of MQTT 3.1.1 that lets the client in.
const CONNACK: &[u8] = &[0x20, 2, 0, 0];

pub fn act(case: &Case, mut peer: Peer, witness: &Witness) -> io::Result<()> {
    use Behaviour::*;
    peer.complete()?;
    peer.request(is_packet)?;
    match case.behaviour {
        EndlessConnacks => {
            let mut tcp = peer.tcp.try_clone()?;
            return witness.flood(&mut tcp, || peer.sealed(&CONNACK.repeat(1_000)));
        }
        DripPacket => {
            witness.fire();
            peer.answer(&[0x20, 100])?;
            for _ in 0..100 {
                peer.answer(&[0])?;
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        }
        HalfPacket => {
            witness.fire();
            peer.answer(&CONNACK[..3])?;
            end(peer.tcp);
            return Ok(());
        }
        LongLength => {
            witness.fire();
            peer.answer(&[0x20, 0xff, 0xff, 0xff, 0xff, 1])?;
        }
        HugePacket => {
            // It claims 256 MiB, and would send them.
            peer.answer(&[0x20, 0xff, 0xff, 0xff, 0x7f])?;
            let mut tcp = peer.tcp.try_clone()?;
            return witness.flood(&mut tcp, || peer.sealed(&[0; 16_000]));
        }
        _ => {
            peer.answer(CONNACK)?;
            peer.request(is_packet)?;
            witness.fire();
            peer.answer(&[0x40, 2, 0, 7])?;
        }
    }
    wait_for_end(&mut peer.tcp);
    Ok(())
}

/// Whether a packet has come whole, which is shorter than 128 bytes.
fn is_packet(data: &[u8]) -> bool {
    data.get(1)
        .is_some_and(|body| data.len() >= 2 + usize::from(*body))
}

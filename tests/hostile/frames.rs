//! What can be done in HTTP/2.

use std::io;
use std::thread;
use std::time::Duration;

use shakedown::scenario::ProtocolKind::{Grpc, Http2};
use shakedown::scenario::TlsVersion::{Tls12, Tls13};

use super::behaviour::{Behaviour, Case, case};
use super::peer::{Peer, end, wait_for_end};
use super::server::{EVIL, Witness};

/// A way to misbehave in frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Frames {
    /// SETTINGS without end, each of which wants an answer.
    SettingsFlood,
    /// PINGs without end.
    PingFlood,
    /// A list of fields that goes on in CONTINUATION without end.
    ContinuationFlood,
    /// Window updates without end.
    WindowFlood,
    /// DATA of one byte without end.
    TinyData,
    /// DATA of no byte without end.
    EmptyData,
    /// Interim responses without end.
    Interim,
    /// The stream is reset, again and again.
    RapidResets,
    /// GOAWAY with a reason, and escape sequences beside it.
    Leave,
    /// Half of a frame, then FIN.
    HalfFrame,
    /// A PING whose length cannot be.
    WrongLength,
    /// A frame that claims 16 MB.
    HugeFrame,
    /// A response in single bytes.
    Drip,
    /// An answer in HTTP/1.1.
    OldHttp,
}

const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [
        length[1], length[2], length[3], kind, flags, 0, 0, 0, stream,
    ];
    [&head, payload].concat()
}

pub fn cases() -> Vec<Case> {
    use Frames::*;
    let broken = &["http2.protocol"];
    // A client that cannot send its answers takes in nothing more.
    let flood = &["flood.confirm", "unanswered.confirm"];
    let of = |frames, expect| case(Behaviour::Frames(frames), Tls13, Http2, expect);
    vec![
        of(SettingsFlood, flood),
        of(PingFlood, flood),
        case(Behaviour::Frames(PingFlood), Tls12, Grpc, flood),
        of(WindowFlood, &["flood.confirm", "http2.protocol"]),
        of(ContinuationFlood, broken),
        of(TinyData, &["flood.confirm", "http2.protocol"]),
        of(EmptyData, &["flood.confirm", "http2.protocol"]),
        of(Interim, &["flood.confirm", "http2.protocol"]),
        of(RapidResets, &["http2.reset.8"]),
        of(Leave, &["http2.goaway.11"]),
        case(Behaviour::Frames(Leave), Tls12, Grpc, &["http2.goaway.11"]),
        of(HalfFrame, &["unconfirmed"]),
        of(WrongLength, broken),
        of(HugeFrame, broken),
        of(Drip, &["unanswered.confirm"]),
        of(OldHttp, &["http2.absent"]),
    ]
}

pub fn act(frames: Frames, mut peer: Peer, witness: &Witness) -> io::Result<()> {
    use Frames::*;
    peer.complete()?;
    // Preface, SETTINGS and the request come together.
    peer.request(|data| data.len() > 64)?;
    if frames != OldHttp {
        peer.answer(SETTINGS)?;
    }
    let answer = frame(1, 4, 1, &[0x88]);
    let endless: (Vec<u8>, Vec<u8>) = match frames {
        SettingsFlood => (Vec::new(), SETTINGS.to_vec()),
        PingFlood => (Vec::new(), frame(6, 0, 0, &[0; 8])),
        WindowFlood => (Vec::new(), frame(8, 0, 0, &[0, 0, 0, 1])),
        ContinuationFlood => (frame(1, 0, 1, &[0x88]), frame(9, 0, 1, &[0; 0])),
        TinyData => (answer, frame(0, 0, 1, b"x")),
        EmptyData => (answer, frame(0, 0, 1, b"")),
        // `:status: 103`
        Interim => (Vec::new(), frame(1, 4, 1, &[0x08, 3, b'1', b'0', b'3'])),
        RapidResets => (Vec::new(), frame(3, 0, 1, &[0, 0, 0, 8])),
        other => return once(other, peer, witness),
    };
    let (first, part) = endless;
    peer.answer(&first)?;
    let mut tcp = peer.tcp.try_clone()?;
    witness.flood(&mut tcp, || peer.sealed(&part.repeat(100)))
}

/// What is done once.
fn once(frames: Frames, mut peer: Peer, witness: &Witness) -> io::Result<()> {
    use Frames::*;
    witness.fire();
    match frames {
        Leave => {
            let words = [&[0, 0, 0, 0, 0, 0, 0, 11], EVIL.as_bytes()].concat();
            peer.answer(&frame(7, 0, 0, &words))?;
        }
        HalfFrame => {
            peer.answer(&frame(1, 4, 1, &[0x88])[..5])?;
            end(peer.tcp);
            return Ok(());
        }
        WrongLength => peer.answer(&frame(6, 0, 0, &[0; 7]))?,
        HugeFrame => peer.answer(&[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1])?,
        Drip => {
            for byte in [frame(1, 4, 1, &[0x88]), frame(0, 1, 1, b"ok")].concat() {
                peer.answer(&[byte])?;
                thread::sleep(Duration::from_millis(50));
            }
        }
        _ => peer.answer(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")?,
    }
    wait_for_end(&mut peer.tcp);
    Ok(())
}

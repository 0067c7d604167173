//! Held sessions after h2 has given up the stream: what is answered, what ends them, and that nothing is lost when
//! the reader changes.

use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

use super::client::State;
use super::frame::{
    ACK, CONTINUATION, DATA, END_HEADERS, GOAWAY as GO_AWAY, HEADERS, PING, PRIORITY, PUSH_PROMISE,
    RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use super::tests::{STATUS_200, asked, class, frame, request, response, run, settings};
use super::*;
use crate::protocol::{Converse, ProtocolError, Who};

/// As long as a session is held that the server does not end.
const SHORT: Duration = Duration::from_millis(20);

/// What the client writes while it is held, and how that ends: `None` where it goes on.
async fn held(
    session: &mut Conversation<'_>,
    client: &mut DuplexStream,
    server: &mut DuplexStream,
    pieces: &[&[u8]],
) -> (Vec<u8>, Option<Result<(), ProtocolError>>) {
    let peer = async {
        for piece in pieces {
            // A client that has heard enough hangs up.
            let _ = server.write_all(piece).await;
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    let ended = tokio::select! {
        biased;
        ended = session.hold(client) => Some(ended),
        () = peer => None,
    };
    let mut said = vec![0; 10_000];
    let read = timeout(Duration::from_millis(1), server.read(&mut said)).await;
    said.truncate(read.map_or(0, Result::unwrap));
    (said, ended)
}

fn label(ended: Option<Result<(), ProtocolError>>) -> String {
    match ended {
        None => "goes on".to_owned(),
        Some(Ok(())) => "ends in order".to_owned(),
        Some(Err(error)) => class(Err(error)),
    }
}

fn goaway(code: u8) -> Vec<u8> {
    frame(GO_AWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, code])
}

/// How a session ends whose server says this once it is held, and what it answers.
fn after(pieces: &[&[u8]]) -> (Vec<u8>, String) {
    run(async {
        let (mut client, mut server) = duplex(100_000);
        let request = request(1, 0);
        let mut session = asked(&request, &mut client, &mut server).await;
        // It is held before the server says anything more.
        let (acked, ended) = held(&mut session, &mut client, &mut server, &[]).await;
        assert!(ended.is_none());
        assert_eq!(acked, frame(SETTINGS, ACK, 0, &[]));
        assert!(matches!(session.state, State::Held(_)), "{session:?}");
        let (said, ended) = held(&mut session, &mut client, &mut server, pieces).await;
        (said, label(ended))
    })
}

#[test]
fn frames_are_answered_to_the_byte() {
    let ping = frame(PING, 0, 0, b"8 bytes!");
    let echoed = frame(PING, ACK, 0, b"8 bytes!");
    let acked = frame(SETTINGS, ACK, 0, &[]);
    let allowed = frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100].repeat(50));
    let nothing = Vec::new();
    let cases: [(Vec<u8>, Vec<u8>); 11] = [
        (ping.clone(), echoed.clone()),
        (settings(), acked.clone()),
        (allowed.clone(), acked.clone()),
        (echoed.clone(), nothing.clone()),
        (acked.clone(), nothing.clone()),
        (frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0]), nothing.clone()),
        (frame(WINDOW_UPDATE, 0, 1, &[0, 0, 1, 0]), nothing.clone()),
        (frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), nothing.clone()),
        (frame(PRIORITY, 0, 3, &[0; 5]), nothing.clone()),
        // Types that are not known are ignored, however long (RFC 9113 section 5.5).
        (frame(0xfa, 0xff, 5, &[7; 16_384]), nothing),
        (
            [ping.clone(), allowed, ping].concat(),
            [echoed.clone(), acked, echoed].concat(),
        ),
    ];
    for (said, expected) in cases {
        let halves = said.split_at(said.len() / 2);
        let bytes: Vec<&[u8]> = said.chunks(1 + said.len() / 1_000).collect();
        for pieces in [&[&said[..]][..], &[halves.0, halves.1], &bytes] {
            let (answer, ended) = after(pieces);
            assert_eq!(
                (&answer, ended.as_str()),
                (&expected, "goes on"),
                "{said:?}"
            );
        }
    }
}

#[test]
fn what_ends_a_held_session_has_the_class_that_h2_gives_it() {
    let text = [&[0, 0, 0, 0, 0, 0, 0, 11][..], b"max_age\n", &[b'x'; 9_000]].concat();
    let cases: [(Vec<u8>, &str, u8); 15] = [
        (goaway(0), "ends in order", 0),
        (goaway(11), "http2.goaway.11", 0),
        (frame(GO_AWAY, 0, 0, &text), "http2.goaway.11", 0),
        (frame(GO_AWAY, 0, 0, &[0; 7]), "http2.protocol", 6),
        (frame(GO_AWAY, 0, 1, &[0; 8]), "http2.protocol", 1),
        (frame(PING, 0, 0, &[0; 7]), "http2.protocol", 6),
        (frame(PING, 0, 1, &[0; 8]), "http2.protocol", 1),
        (frame(SETTINGS, 0, 0, &[0; 5]), "http2.protocol", 6),
        (frame(SETTINGS, ACK, 0, &[0; 6]), "http2.protocol", 6),
        (frame(WINDOW_UPDATE, 0, 0, &[0; 3]), "http2.protocol", 6),
        (frame(0xfa, 0, 0, &vec![0; 16_385]), "http2.protocol", 6),
        (
            frame(HEADERS, END_HEADERS, 1, STATUS_200),
            "http2.protocol",
            1,
        ),
        (frame(DATA, 0, 3, b"late"), "http2.protocol", 1),
        (
            frame(PUSH_PROMISE, 4, 1, &[0, 0, 0, 2]),
            "http2.protocol",
            1,
        ),
        (frame(CONTINUATION, 4, 1, STATUS_200), "http2.protocol", 1),
    ];
    for (said, expected, code) in cases {
        let bytes: Vec<&[u8]> = said.chunks(1 + said.len() / 1_000).collect();
        let halves = said.split_at(said.len() / 2);
        for pieces in [&[&said[..]][..], &[halves.0, halves.1], &bytes] {
            let (answer, ended) = after(pieces);
            let head = &said[..9];
            assert_eq!(
                (ended.as_str(), answer),
                (expected, goaway(code)),
                "{head:?}"
            );
        }
    }
}

#[test]
fn the_text_of_a_goaway_is_told() {
    run(async {
        let (mut client, mut server) = duplex(100_000);
        let request = request(1, 0);
        let mut session = asked(&request, &mut client, &mut server).await;
        let _ = held(&mut session, &mut client, &mut server, &[]).await;
        let said = frame(GO_AWAY, 0, 0, b"\0\0\0\0\0\0\0\x0btoo_many_pings\n");
        let (_, ended) = held(&mut session, &mut client, &mut server, &[&said]).await;
        let message = ended.unwrap().unwrap_err().to_string();
        assert!(message.ends_with("(\"too_many_pings\\n\")"), "{message}");
    });
}

#[test]
fn leave_is_taken_once() {
    for last in [Vec::new(), goaway(0)] {
        run(async {
            let (mut client, mut server) = duplex(100_000);
            let request = request(1, 0);
            let mut session = asked(&request, &mut client, &mut server).await;
            let (mut said, _) = held(&mut session, &mut client, &mut server, &[]).await;
            let (more, _) = held(&mut session, &mut client, &mut server, &[&last]).await;
            said.extend(more);
            session.end(&mut client).await.unwrap();
            drop(client);
            server.read_to_end(&mut said).await.unwrap();
            let acked = frame(SETTINGS, ACK, 0, &[]);
            assert_eq!(said, [acked, goaway(0)].concat(), "{last:?}");
        });
    }
}

/// h2 keeps the stream until the frame is whole: what it has read of it is nowhere else.
#[test]
fn h2_lets_go_between_frames_only() {
    let ping = frame(PING, 0, 0, b"8 bytes!");
    let fields = frame(0xfa, 0, 0, &[0; 5_000]);
    for cut in [1, 8, 9, 10, 16] {
        for whole in [&ping, &fields] {
            run(async {
                let (mut client, mut server) = duplex(100_000);
                let request = request(1, 0);
                let mut session = Conversation::new(&request, Who::default());
                let (first, rest) = whole.split_at(cut);
                let peer = async {
                    let mut scratch = [0; 1_000];
                    let _ = server.read(&mut scratch).await.unwrap();
                    let answer = [&settings(), &response(STATUS_200, b"ok"), first].concat();
                    server.write_all(&answer).await.unwrap();
                };
                let (next, ()) = tokio::join!(session.exchange(&mut client), peer);
                next.unwrap();
                let (_, ended) = held(&mut session, &mut client, &mut server, &[]).await;
                assert!(ended.is_none());
                assert!(matches!(session.state, State::Live(_)), "{cut}");
                let (said, ended) = held(&mut session, &mut client, &mut server, &[rest]).await;
                assert!(ended.is_none());
                assert!(matches!(session.state, State::Held(_)), "{cut}");
                let echoed = frame(PING, ACK, 0, b"8 bytes!");
                assert_eq!(said == echoed, whole == &ping, "{said:?}");
            });
        }
    }
}

#[test]
fn nothing_is_asked_of_a_session_that_is_only_held() {
    run(async {
        let (mut client, mut server) = duplex(100_000);
        let request = request(1, 0);
        let mut session = asked(&request, &mut client, &mut server).await;
        let _ = held(&mut session, &mut client, &mut server, &[]).await;
        let refused = session.exchange(&mut client).await;
        assert_eq!(class(refused), "http2.protocol");
    });
}

/// A server that reads no answers is not read either, so that they stay few.
#[test]
fn unread_answers_stay_few() {
    run(async {
        let (mut client, mut server) = duplex(1_000_000);
        let request = request(1, 0);
        let mut session = asked(&request, &mut client, &mut server).await;
        let _ = held(&mut session, &mut client, &mut server, &[]).await;
        let (ours, theirs) = duplex(64);
        let (mut read, mut write) = tokio::io::split(theirs);
        let pings = frame(PING, 0, 0, &[0; 8]).repeat(10_000);
        let peer = timeout(SHORT, write.write_all(&pings));
        let mut ours = ours;
        let (ended, sent) = tokio::join!(timeout(SHORT, session.hold(&mut ours)), peer);
        assert!(ended.is_err() && sent.is_err());
        let State::Held(held) = &session.state else {
            panic!("{session:?}");
        };
        assert!(format!("{held:?}").len() < 50_000);
        let mut some = [0; 17];
        read.read_exact(&mut some).await.unwrap();
        assert_eq!(&some[..], frame(PING, ACK, 0, &[0; 8]));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a server sends to a held session: its end does not depend on the pieces.
    #[test]
    fn pieces_do_not_matter(
        parts in prop::collection::vec((0..10_u8, any::<u8>(), 0..2_u32, prop::collection::vec(any::<u8>(), 0..20)), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let said: Vec<u8> = parts.iter().flat_map(|(kind, flags, stream, payload)| frame(*kind, *flags, *stream, payload)).collect();
        let (first, rest) = said.split_at(if said.is_empty() { 0 } else { cut.index(said.len()) });
        prop_assert_eq!(after(&[&said]), after(&[first, rest]));
    }
}

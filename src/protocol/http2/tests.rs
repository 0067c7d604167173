//! HTTP/2 against scripted peers and the server here.

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::protocol::{Converse, Next, ProtocolError, ProtocolSection, Who};
use crate::units::ByteSize;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const DATA: u8 = 0;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` and others of HPACK's static table.
pub(super) const STATUS_200: &[u8] = &[0x88];
const STATUS_400: &[u8] = &[0x8c];
const STATUS_302: &[u8] = &[0x48, 3, b'3', b'0', b'2'];

pub(super) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

pub(super) fn request(streams: u32, body: u64) -> Request {
    let section = ProtocolSection {
        streams: Some(streams),
        body: (body > 0).then_some(ByteSize(body).into()),
        ..ProtocolSection::default()
    };
    Request::new(&section, None).unwrap()
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

pub(super) fn response(status: &[u8], body: &[u8]) -> Vec<u8> {
    let head = frame(HEADERS, END_HEADERS, 1, status);
    [head, frame(DATA, END_STREAM, 1, body)].concat()
}

/// The end of an exchange with a server that says this once it was asked, and closes.
fn with(script: &[Vec<u8>]) -> Result<Next, ProtocolError> {
    run(async {
        let (mut client, mut server) = duplex(100_000);
        let request = request(1, 0);
        let mut session = Conversation::new(&request, Who::default());
        let peer = async move {
            let mut scratch = [0; 1_000];
            assert_ne!(server.read(&mut scratch).await.unwrap(), 0);
            // A client that has heard enough hangs up.
            let _ = server.write_all(&script.concat()).await;
        };
        let (ended, ()) = tokio::join!(session.exchange(&mut client), peer);
        ended
    })
}

pub(super) fn class(ended: Result<Next, ProtocolError>) -> String {
    match ended {
        Ok(next) => format!("{next:?}"),
        Err(ProtocolError::Answer { class, .. }) => class.to_string(),
        Err(ProtocolError::Io(error)) => error.kind().to_string(),
    }
}

pub(super) fn settings() -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[])
}

#[test]
fn requests_share_a_session_and_wait_for_their_turn() {
    // The server allows 128 at once.
    for streams in [1, 10, 300] {
        run(async {
            let (mut client, mut server) = duplex(16_000);
            let client = async move {
                let request = request(streams, 0);
                let mut session = Conversation::new(&request, Who::default());
                for _ in 0..3 {
                    let next = session.exchange(&mut client).await.unwrap();
                    assert_eq!(next, Next::Open);
                }
                assert!(session.proved().is_some());
                session.end(&mut client).await.unwrap();
            };
            let (ended, ()) = tokio::join!(serve(&mut server), client);
            ended.unwrap();
        });
    }
}

#[test]
fn what_a_server_says_has_a_class() {
    let goaway = |last: u8, code: u8| frame(GO_AWAY, 0, 0, &[0, 0, 0, last, 0, 0, 0, code]);
    let cases: [(&[Vec<u8>], &str); 14] = [
        (&[settings(), response(STATUS_200, b"ok")], "Open"),
        (
            &[settings(), response(STATUS_400, b"no")],
            "http.status.400",
        ),
        (
            &[settings(), response(STATUS_302, b"")],
            "http.redirect.302",
        ),
        (
            &[settings(), goaway(1, 0), response(STATUS_200, b"ok")],
            "Closes",
        ),
        (&[settings(), goaway(0, 0)], "http2.goaway.0"),
        (&[settings(), goaway(1, 11)], "http2.goaway.11"),
        (
            &[settings(), frame(RST_STREAM, 0, 1, &[0, 0, 0, 7])],
            "http2.reset.7",
        ),
        (
            &[b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec()],
            "http2.absent",
        ),
        (&[b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec()], "http2.protocol"),
        // A stream that nobody opened, a length that its type cannot have, fields that do not end.
        (
            &[settings(), frame(HEADERS, END_HEADERS, 3, STATUS_200)],
            "http2.protocol",
        ),
        (&[settings(), frame(PING, 0, 0, &[0; 7])], "http2.protocol"),
        (
            &[settings(), frame(HEADERS, 0, 1, STATUS_200), settings()],
            "http2.protocol",
        ),
        (
            &[settings(), frame(HEADERS, END_HEADERS, 1, STATUS_200)],
            "http.cut_short",
        ),
        (&[settings()], "unexpected end of file"),
    ];
    for (script, expected) in cases {
        assert_eq!(class(with(script)), expected, "{script:?}");
    }
}

#[test]
fn a_page_about_a_certificate_is_understood() {
    let page = b"<center>No required SSL certificate was sent</center>";
    let error = with(&[settings(), response(STATUS_400, page)]).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("requires a client certificate"),
        "{message}"
    );
}

#[test]
fn a_recorded_answer_is_told() {
    let told = |parts: &[Vec<u8>]| tell::tell(&parts.concat());
    let allowed = frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]);
    let ok = response(STATUS_200, b"ok");
    for (parts, expected) in [
        (
            &[allowed.clone(), ok.clone()][..],
            "HTTP/2 200, 2 bytes, 1 stream of max 100",
        ),
        (
            &[
                allowed,
                frame(HEADERS, END_HEADERS | END_STREAM, 5, STATUS_400),
                ok.clone(),
            ],
            "HTTP/2 200, 2 bytes, 3 streams of max 100",
        ),
        (
            &[
                settings(),
                frame(HEADERS, END_HEADERS, 1, STATUS_302),
                frame(DATA, 0, 1, &[0; 50]),
            ],
            "HTTP/2 302, at least 50 bytes, 1 stream",
        ),
        (
            &[b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()],
            "HTTP/1.1 400 Bad Request",
        ),
    ] {
        assert_eq!(told(parts).as_deref(), Some(expected));
    }
    let refused = told(&[settings(), frame(RST_STREAM, 0, 1, &[0, 0, 0, 7])]).unwrap();
    assert!(refused.contains("refused"), "{refused}");
    for silent in [&[][..], &[settings()]] {
        assert_eq!(told(silent), None);
    }
    let foreign = tell::tell(b"SSH-2.0-OpenSSH_9.2p1\r\n").unwrap();
    assert!(foreign.starts_with("HTTP/2 connection error"), "{foreign}");
}

#[test]
fn an_answer_before_the_question_is_none() {
    run(async {
        let (mut client, mut server) = duplex(100_000);
        let early = [settings(), response(STATUS_200, b"ok")].concat();
        server.write_all(&early).await.unwrap();
        let request = request(1, 0);
        let mut session = Conversation::new(&request, Who::default());
        assert_eq!(class(session.exchange(&mut client).await), "http2.protocol");
        assert_eq!(session.proved(), None);
    });
}

/// A session that has made an exchange.
pub(super) async fn asked<'p>(
    request: &'p Request,
    client: &mut DuplexStream,
    server: &mut DuplexStream,
) -> Conversation<'p> {
    let mut session = Conversation::new(request, Who::default());
    let peer = async {
        let mut scratch = [0; 1_000];
        assert_ne!(server.read(&mut scratch).await.unwrap(), 0);
        let answer = [settings(), response(STATUS_200, b"ok")].concat();
        server.write_all(&answer).await.unwrap();
    };
    let (next, ()) = tokio::join!(session.exchange(client), peer);
    next.unwrap();
    session
}

#[test]
fn pings_are_answered_while_held_and_leave_is_taken() {
    run(async {
        let (mut client, mut server) = duplex(100_000);
        let request = request(1, 0);
        let mut session = asked(&request, &mut client, &mut server).await;
        server
            .write_all(&frame(PING, 0, 0, b"8 bytes!"))
            .await
            .unwrap();
        let short = std::time::Duration::from_millis(20);
        let held = tokio::time::timeout(short, session.idle(&mut client)).await;
        assert!(held.is_err(), "the session goes on");
        session.end(&mut client).await.unwrap();
        drop(client);
        let mut rest = Vec::new();
        server.read_to_end(&mut rest).await.unwrap();
        let pong = frame(PING, 1, 0, b"8 bytes!");
        assert!(rest.windows(pong.len()).any(|part| part == pong));
        let leave = frame(GO_AWAY, 0, 0, &[0; 8]);
        assert!(rest.ends_with(&leave), "{rest:?}");
    });
}

#[test]
fn floods_end() {
    let floods = [frame(PING, 0, 0, &[0; 8]), settings()];
    for (flood, asks_again) in floods
        .iter()
        .flat_map(|flood| [(flood, true), (flood, false)])
    {
        run(async {
            let (mut client, mut server) = duplex(100_000);
            let request = request(1, 0);
            let mut session = asked(&request, &mut client, &mut server).await;
            let peer = async move {
                let (mut read, mut write) = tokio::io::split(server);
                let mut sink = tokio::io::sink();
                let drain = tokio::io::copy(&mut read, &mut sink);
                let send = async { while write.write_all(flood).await.is_ok() {} };
                let _ = tokio::join!(drain, send);
            };
            let flooded = async move {
                let flooded = if asks_again {
                    session.idle(&mut client).await
                } else {
                    session.hold(&mut client).await
                };
                assert_eq!(class(Err(flooded.unwrap_err())), "flood.hold");
            };
            tokio::join!(peer, flooded);
        });
    }
}

#[test]
fn the_end_of_a_held_session_is_noticed() {
    let goaway = |code: u8| frame(GO_AWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, code]);
    let cases = [
        (Vec::new(), None),
        (goaway(0), None),
        (goaway(11), Some("http2.goaway.11")),
    ];
    for (asks_again, (last, expected)) in [true, false]
        .iter()
        .flat_map(|again| cases.iter().map(move |case| (*again, case)))
    {
        run(async {
            let (mut client, mut server) = duplex(100_000);
            let request = request(1, 0);
            let mut session = asked(&request, &mut client, &mut server).await;
            server.write_all(last).await.unwrap();
            drop(server);
            let ended = if asks_again {
                session.idle(&mut client).await
            } else {
                session.hold(&mut client).await
            };
            let ended = ended.err().map(|error| class(Err(error)));
            assert_eq!(ended.as_deref(), *expected, "{last:?}");
        });
    }
}

#[test]
fn fields_that_http2_has_not_are_refused() {
    for (name, value, taken) in [
        ("connection", "close", false),
        ("te", "gzip", false),
        ("te", "trailers", true),
        ("host", "a b", false),
        ("host", "a.example:8443", true),
    ] {
        let header = crate::protocol::Header {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let section = ProtocolSection {
            headers: vec![header],
            ..ProtocolSection::default()
        };
        assert_eq!(
            Request::new(&section, None).is_ok(),
            taken,
            "{name}: {value}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// However narrow the stream is, every request is answered and both ends part in order.
    #[test]
    fn bytes_pass_in_pieces_of_any_size(width in 1..5_000_usize, streams in 1..8_u32, body in 0..3_000_u64) {
        run(async {
            let (mut client, mut server) = duplex(width);
            let client = async move {
                let request = request(streams, body);
                let mut session = Conversation::new(&request, Who::default());
                for _ in 0..2 {
                    session.exchange(&mut client).await.unwrap();
                }
                session.end(&mut client).await.unwrap();
            };
            let (ended, ()) = tokio::join!(serve(&mut server), client);
            ended.unwrap();
        });
    }

    /// Whatever a server sends, and in whatever pieces: the exchange ends.
    #[test]
    fn any_bytes_end_an_exchange(bytes in prop::collection::vec(any::<u8>(), 0..400), valid in any::<bool>()) {
        let mut script = Vec::new();
        if valid {
            script.push(settings());
        }
        script.push(bytes);
        let _ = tell::tell(&script.concat());
        let _ = with(&script);
    }
}

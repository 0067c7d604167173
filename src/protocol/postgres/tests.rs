//! Sessions of `PostgreSQL` against the embedded side, and against servers that answer oddly.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::timeout;

use super::reader::error;
use super::request::sized;
use super::*;
use crate::protocol::{Asked, Problem, ProtocolSection};

const READY: &[u8] = b"Z\0\0\0\x05I";
const AUTHENTICATED: &[u8] = b"R\0\0\0\x08\0\0\0\0";

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn request(path: &str, user: Option<&str>) -> Result<Request, Problem> {
    let asked = Asked {
        tls: true,
        authority: "h".to_owned(),
        path,
        user,
        is_own: true,
    };
    Request::new(&ProtocolSection::default(), Some(&asked))
}

/// How a session ends whose server says this, in pieces, and leaves: begin, then an exchange.
fn ended(said: &[u8], piece: usize) -> String {
    run(async {
        let request = Request::new(&ProtocolSection::default(), None).unwrap();
        let (mut client, mut server) = duplex(1 << 20);
        let first = said.windows(READY.len()).position(|bytes| bytes == READY);
        let (begun, answer) = said.split_at(first.map_or(said.len(), |at| at + READY.len()));
        let mut heard = vec![0; request.startup.len() + request.query.len()];
        let serve = async move {
            for part in begun.chunks(piece) {
                server.write_all(part).await.unwrap();
                tokio::task::yield_now().await;
            }
            if answer.is_empty() || server.read_exact(&mut heard).await.is_err() {
                return;
            }
            for part in answer.chunks(piece) {
                server.write_all(part).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let mut conversation = Conversation::new(&request, Who::default());
        let told = |error| match error {
            ProtocolError::Answer { class, message } => format!("{class}: {message}"),
            ProtocolError::Io(error) => format!("io: {:?}", error.kind()),
        };
        let session = async {
            if let Err(error) = conversation.begin(&mut client).await {
                return format!("begin: {}", told(error));
            }
            assert!(conversation.proved().is_some());
            match conversation.exchange(&mut client).await {
                Ok(next) => format!("{next:?}"),
                Err(error) => told(error),
            }
        };
        tokio::join!(session, serve).0
    })
}

#[test]
fn an_answer_ahead_of_its_query_is_none() {
    run(async {
        let request = Request::new(&ProtocolSection::default(), None).unwrap();
        let (mut client, mut server) = duplex(1 << 16);
        let early = [AUTHENTICATED, READY, &sized(b"C", b"SELECT 1\0"), READY].concat();
        server.write_all(&early).await.unwrap();
        let mut conversation = Conversation::new(&request, Who::default());
        conversation.begin(&mut client).await.unwrap();
        let error = conversation.exchange(&mut client).await.unwrap_err();
        assert!(
            error.to_string().contains("in answer to nothing"),
            "{error}"
        );
    });
}

fn failed(severity: &str, code: &str) -> Vec<u8> {
    sized(
        b"E",
        format!("SX\0V{severity}\0C{code}\0Mno\0\0").as_bytes(),
    )
}

#[test]
fn a_session_goes_from_start_up_to_leave_against_the_embedded_side() {
    run(async {
        let request = Request::new(&ProtocolSection::default(), None).unwrap();
        let (mut client, mut server) = duplex(64);
        let session = async {
            client.write_all(&crate::way::SSL_REQUEST).await.unwrap();
            assert_eq!(client.read_u8().await.unwrap(), b'N');
            let mut conversation = Conversation::new(&request, Who::default());
            conversation.begin(&mut client).await.unwrap();
            for _ in 0..3 {
                let next = conversation.exchange(&mut client).await.unwrap();
                assert_eq!(next, Next::Open);
                let idle = conversation.idle(&mut client);
                assert!(timeout(Duration::from_millis(1), idle).await.is_err());
            }
            assert_eq!(conversation.input.capacity(), 0);
            conversation.end(&mut client).await.unwrap();
            conversation.idle(&mut client).await.unwrap();
        };
        let (ended, ()) = tokio::join!(serve(&mut server), session);
        ended.unwrap();
    });
}

#[test]
fn answers_have_their_classes_in_whatever_pieces() {
    let begun = [AUTHENTICATED, &sized(b"S", b"a\0b\0"), READY].concat();
    let with = |more: &[u8]| [&begun, more].concat();
    let row = [
        &sized(b"T", b"\0\0"),
        &sized(b"D", &[7; 5000])[..],
        &sized(b"C", b"SELECT 1\0"),
    ]
    .concat();
    let cases = [
        (with(&[&row, READY].concat()), "Open"),
        (failed("FATAL", "28000"), "begin: postgres.28000: FATAL: no"),
        (failed("FATAL", "3D000"), "begin: postgres.3D000: FATAL: no"),
        (failed("FATAL", "x!"), "begin: postgres.XX000: FATAL: no"),
        (
            sized(b"R", &10_u32.to_be_bytes()),
            "begin: postgres.auth: the server asks for SCRAM (SASL)",
        ),
        (
            READY.to_vec(),
            "begin: postgres.protocol: a message of type \"Z\" in answer to start-up",
        ),
        (
            with(&[&failed("ERROR", "42601")[..], READY].concat()),
            "postgres.42601: ERROR: no",
        ),
        (with(&failed("FATAL", "57P01")), "postgres.57P01: FATAL: no"),
        (with(&failed("ERROR", "42601")), "io: UnexpectedEof"),
        (
            with(READY),
            "postgres.protocol: the server is ready, and has not answered",
        ),
        (
            with(b"G\0\0\0\x04"),
            "postgres.protocol: a message of type \"G\" in answer to a query",
        ),
        (
            b"HTTP/1.1 400 Bad\r\n".to_vec(),
            "begin: postgres.protocol: this is no message: \"HTTP/\"",
        ),
        (
            b"R\0\0\0\x03".to_vec(),
            "begin: postgres.protocol: this is no message: \"R\0\0\0\u{3}\"",
        ),
        (b"R\0\0\0\x08\0\0".to_vec(), "begin: io: UnexpectedEof"),
    ];
    for (said, expected) in cases {
        for piece in [1, 7, 1 << 16] {
            assert_eq!(ended(&said, piece), expected);
        }
    }
}

#[test]
fn a_long_message_costs_no_memory_and_an_endless_answer_ends() {
    let mut reader = Reader::default();
    let mut beginning = &b"D\x3f\xff\xff\xff"[..];
    assert_eq!(reader.feed(&mut beginning), Ok(None));
    for _ in 0..1000 {
        let mut more = &[0; 4096][..];
        assert_eq!(reader.feed(&mut more), Ok(None));
    }
    assert_eq!(reader.body().len(), 1024);
    run(async {
        let request = Request::new(&ProtocolSection::default(), None).unwrap();
        let (mut client, mut server) = duplex(1 << 16);
        let notices = sized(b"N", &[b'x'; 4096]).repeat(16);
        let flood = async { while server.write_all(&notices).await.is_ok() {} };
        let session = async {
            let mut conversation = Conversation::new(&request, Who::default());
            let held = conversation.idle(&mut client).await.unwrap_err();
            let begun = conversation.begin(&mut client).await.unwrap_err();
            drop(client);
            (held, begun)
        };
        let ((), (held, begun)) = tokio::join!(flood, session);
        let class = |error| match error {
            ProtocolError::Answer { class, message } => format!("{class}: {message}"),
            ProtocolError::Io(error) => error.to_string(),
        };
        assert_eq!(class(held), "flood.hold: over 256 KiB in one answer");
        assert_eq!(
            class(begun),
            "postgres.protocol: over 65536 KiB in one answer"
        );
    });
}

#[test]
fn urls_are_read_with_libpqs_names() {
    let startup = |request: &Request| String::from_utf8_lossy(&request.startup[8..]).into_owned();
    let plain = request("/", Some("me")).unwrap();
    assert_eq!(
        startup(&plain),
        "user\0me\0database\0me\0application_name\0shakedown\0\0"
    );
    assert!(!plain.is_direct());
    let direct = request(
        "/d%62?sslnegotiation=direct&sslmode=verify-full",
        Some("m%65"),
    )
    .unwrap();
    assert!(startup(&direct).starts_with("user\0me\0database\0db\0"));
    assert!(direct.is_direct());
    for (path, user) in [
        ("/", None),
        ("/", Some("%zz")),
        ("/%ff", Some("me")),
        ("/d%00", Some("me")),
        ("/?sslnegotiation=no", Some("me")),
        ("/?sslmode=require", Some("me")),
    ] {
        assert!(request(path, user).is_err(), "{path}");
    }
}

#[test]
fn an_error_without_a_code_is_still_one() {
    let odd = error(b"garbage");
    assert_eq!((odd.code, odd.is_fatal), (*b"XX000", false));
    assert_eq!(error(b"VPANIC\0C57P01\0Mx\0\0").code, *b"57P01");
}

//! Exchanges with peers that answer in one way or another, in pieces of any size.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::body::CHUNK_LINE_CAP;
use super::*;

fn request(head: bool) -> Request {
    Request {
        bytes: b"GET ".to_vec(),
        head,
        expect_status: Vec::new(),
        drawn: None,
    }
}

/// Exchanges with a peer that sends `answer` in pieces of `piece` bytes and then closes.
fn answered(answer: &[u8], piece: usize, head: bool) -> Result<Next, ProtocolError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (mut client, mut server) = tokio::io::duplex(1 << 20);
        let answer = answer.to_vec();
        let serve = async move {
            let mut request = [0; 4];
            server.read_exact(&mut request).await.unwrap();
            for part in answer.chunks(piece) {
                server.write_all(part).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let request = request(head);
        let mut conversation = Conversation::new(&request, Who::default());
        let (result, ()) = tokio::join!(conversation.exchange(&mut client), serve);
        result
    })
}

#[test]
fn every_framing_is_read_whole_whatever_the_pieces() {
    let answers: [&[u8]; 9] = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        // As some servers send it: folded, with spaces, in a coding that is not undone, twice the same.
        b"HTTP/1.1  200 OK\r\ncontent-length :\r\n 5\r\nx: a\r\n\tb\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nuntil the end",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\ncontent-length: 5\r\n\r\nhello",
    ];
    for answer in answers {
        for piece in [1, 7, 10_000] {
            answered(answer, piece, false)
                .unwrap_or_else(|e| panic!("{e}: {:?}", String::from_utf8_lossy(answer)));
        }
    }
    answered(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", 9, true).unwrap();
}

#[test]
fn caps_hold_whatever_the_pieces() {
    let status = "HTTP/1.1 200 OK\r\n";
    let head = |length: usize| {
        let fill = "a".repeat(length - status.len() - 6);
        format!("{status}x:{fill}\r\n\r\n")
    };
    let chunk_line = |length: usize| {
        let extension = "x".repeat(length - 4);
        format!("{status}transfer-encoding: chunked\r\n\r\n1;{extension}\r\na\r\n0\r\n\r\n")
    };
    for (make, cap) in [
        (&head as &dyn Fn(usize) -> String, HEAD_CAP),
        (&chunk_line, CHUNK_LINE_CAP),
    ] {
        for piece in [1_000, 1 << 20] {
            answered(make(cap).as_bytes(), piece, false).unwrap();
            let error = answered(make(cap + 1).as_bytes(), piece, false).unwrap_err();
            assert!(matches!(error, ProtocolError::Answer { .. }), "{error}");
        }
    }
}

#[test]
fn a_rejecting_status_is_its_own_class() {
    let error = answered(
        b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
        99,
        false,
    )
    .unwrap_err();
    assert!(matches!(
        error,
        ProtocolError::Answer {
            class: FailureClass::HttpStatus(400),
            ..
        }
    ));
}

/// The class and the message of an answer that is none.
fn failure(answer: &[u8], piece: usize) -> (FailureClass, String) {
    match answered(answer, piece, false) {
        Err(ProtocolError::Answer { class, message }) => (class, message),
        other => panic!("{other:?}: {:?}", String::from_utf8_lossy(answer)),
    }
}

#[test]
fn a_redirect_is_no_acceptance_and_shows_where_it_leads() {
    let answer = b"HTTP/1.1 302 Found\r\nLocation: https://h/cert?token=s3cret\r\ncontent-length: 1\r\n\r\nx";
    for piece in [1, 10_000] {
        let (class, message) = failure(answer, piece);
        assert_eq!(class, FailureClass::HttpRedirect(302));
        assert!(
            message.ends_with("to https://h/cert?(redacted)"),
            "{message}"
        );
    }
    let bare = failure(b"HTTP/1.1 304 Not Modified\r\n\r\n", 9);
    assert_eq!(bare.0, FailureClass::HttpRedirect(304));
    let listed = Request {
        expect_status: vec!["3xx".parse().unwrap()],
        ..request(false)
    };
    assert!(listed.accepts(302) && !listed.accepts(200));
}

#[test]
fn a_page_that_says_why_is_read_for_it() {
    let page = "<title>400 No required SSL certificate was sent</title>";
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\n\r\n{page}",
        page.len()
    );
    for piece in [1, 10_000] {
        let (class, message) = failure(answer.as_bytes(), piece);
        assert_eq!(class, FailureClass::HttpStatus(400));
        assert!(message.contains("got none"), "{message}");
    }
    let plain = b"HTTP/1.1 400 Bad Request\r\n\r\nThe plain HTTP request was sent to HTTPS port";
    assert!(failure(plain, 7).1.contains("https://"));
}

#[test]
fn an_answer_cut_short_says_where() {
    for (answer, message) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
            "the answer ended after 5 of 9 bytes",
        ),
        (
            "HTTP/1.1 200",
            "the answer ended after 12 bytes of its head",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n5\r\nab",
            "the answer ended after 5 bytes, before its last chunk",
        ),
    ] {
        for piece in [1, 1_000] {
            let (class, said) = failure(answer.as_bytes(), piece);
            assert_eq!((class, &*said), (FailureClass::HttpCutShort, message));
        }
    }
    assert!(matches!(answered(b"", 9, false), Err(ProtocolError::Io(_))));
}

#[test]
fn an_announced_close_is_told() {
    for (answer, next) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Next::Open),
        (
            "HTTP/1.1 200 OK\r\nConnection: x, Close\r\ncontent-length: 0\r\n\r\n",
            Next::Closes,
        ),
        ("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", Next::Closes),
        (
            "HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 0\r\n\r\n",
            Next::Open,
        ),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end", Next::Closes),
    ] {
        assert_eq!(
            answered(answer.as_bytes(), 9, false).unwrap(),
            next,
            "{answer}"
        );
    }
}

#[test]
fn a_head_is_capped_in_size_and_not_in_fields() {
    let fields = |count: usize| {
        let fields = "a:\r\n".repeat(count);
        format!("HTTP/1.1 200 OK\r\n{fields}content-length: 0\r\n\r\n")
    };
    for count in [65, 1_000, 16_000] {
        answered(fields(count).as_bytes(), 1_000, false).unwrap();
    }
    let (_, message) = failure(fields(17_000).as_bytes(), 1 << 20);
    assert!(message.contains("shakedown's limit of 64 KiB"), "{message}");
}

#[test]
fn what_is_not_http_or_too_large_is_a_protocol_failure() {
    let long = [b"HTTP/1.1 200 OK\r\nx: ".as_slice(), &vec![b'a'; 70_000]].concat();
    let interim = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(MAX_INTERIM + 1);
    let ours = "shakedown's limit";
    let answers: [(&[u8], &str); 15] = [
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello",
            "not a number",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
            "differ",
        ),
        (b"SSH-2.0-OpenSSH\r\n", "SSH-2.0-OpenSSH"),
        (b"220 mail\r\n", "220 mail"),
        (b"\0\0\x12\x04\0\0\0\0\0", "HTTP/2"),
        (b"\x15\x03\x01\0\x02\x02\x46", "https://"),
        (b"HTTP/1.1 000 Nothing\r\n\r\n", "000 is not an HTTP status"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
            ours,
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\n",
            ours,
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            "a chunk's size",
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\n0\r\n\r\n",
            "a chunk does not end",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nextra",
            "5 bytes follow",
        ),
        (b"HTTP/2.0 200 OK\r\n\r\n", "HTTP version"),
        (&long, ours),
        (&interim, ours),
    ];
    for (answer, part) in answers {
        let (class, message) = failure(answer, 100_000);
        assert_eq!(class, FailureClass::HttpProtocol, "{message}");
        assert!(message.contains(part), "{message}");
    }
}

/// A peer that sends this and nothing more, and waits.
#[test]
fn what_can_be_told_at_once_waits_for_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    for answer in [
        &b"HTTP/1.1 000 x\r\n\r\n"[..],
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
        b"220 mail",
    ] {
        let (mut client, mut server) = tokio::io::duplex(1 << 16);
        let request = request(false);
        let mut conversation = Conversation::new(&request, Who::default());
        let ended = runtime.block_on(async {
            server.write_all(answer).await.unwrap();
            let exchange = conversation.exchange(&mut client);
            tokio::time::timeout(std::time::Duration::from_secs(9), exchange).await
        });
        assert!(ended.unwrap().is_err());
    }
}

#[test]
fn status_lines_are_read_and_escaped() {
    let answer = b"HTTP/1.1 400 Bad\x1b[31m Request\r\nx: y\r\n\r\n<title>400 No required SSL certificate was sent</title>";
    let (line, status) = status_line(answer).unwrap();
    assert_eq!(line, r"HTTP/1.1 400 Bad\u{1b}[31m Request");
    assert_eq!(status, 400);
    for other in [&b""[..], b"SSH-2.0-x", b"HTTP/1.1", b"HTTP/1.1 abc"] {
        assert_eq!(status_line(other), None);
    }
}

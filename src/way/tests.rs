//! Ways in against scripted peers: each peer is a list of what it waits for and what it says then.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::timeout;

use super::*;

/// What a peer does in one turn: it reads so many bytes, and says something.
type Turn<'a> = (usize, &'a [u8]);

const GREETING: &[u8] = b"220 mail ESMTP\r\n";
const HELLO: &[u8] = b"EHLO [10.0.0.1]\r\n";
const EXTENSIONS: &[u8] = b"250-mail\r\n250-SIZE 1\r\n250-starttls\r\n250 HELP\r\n";
const STARTTLS: &[u8] = b"STARTTLS\r\n";
/// A `MySQL` greeting of a server with TLS.
const MYSQL: &[u8] = b"\x1b\0\0\0\x0a8.0\0\x01\0\0\0saltsalt\0\xff\xff\x08\x02\0\xff\xdf\x15\0";
const LDAP_OK: &[u8] = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0";

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn ends() -> Ends {
    Ends {
        local: SocketAddr::from(([10, 0, 0, 1], 4000)),
        peer: SocketAddr::from(([10, 0, 0, 2], 443)),
    }
}

fn starttls(kind: StartTls) -> WayIn {
    WayIn {
        starttls: Some(kind),
        ..WayIn::default()
    }
}

fn through(user: Option<&str>) -> WayIn {
    WayIn {
        proxy: Some(Proxy::new("proxy".to_owned(), 3128, "h:443", user)),
        ..WayIn::default()
    }
}

/// Walks a way in against a peer that takes its turns in pieces of `piece` bytes and then leaves. Returns how it
/// ended, as `ok` or a class with a message, and what was sent.
fn walked(way: &WayIn, turns: &[Turn<'_>], piece: usize) -> (String, Vec<u8>) {
    run(async {
        let (mut client, mut server) = duplex(64 * 1024);
        let peer = async move {
            let mut heard = Vec::new();
            for (wanted, said) in turns {
                let mut bytes = vec![0; *wanted];
                if server.read_exact(&mut bytes).await.is_err() {
                    return heard;
                }
                heard.extend(bytes);
                for part in said.chunks(piece) {
                    if server.write_all(part).await.is_err() {
                        return heard;
                    }
                    tokio::task::yield_now().await;
                }
            }
            drop(server);
            heard
        };
        let walk = async {
            let limit = Duration::from_millis(500);
            let walked = timeout(limit, way.walk(&mut client, Some(ends()))).await;
            drop(client);
            match walked {
                Ok(Ok(())) => "ok".to_owned(),
                Ok(Err(WayError::Answer { class, message })) => format!("{class}: {message}"),
                Ok(Err(WayError::Io(error))) => format!("io: {error}"),
                Err(_) => "timeout".to_owned(),
            }
        };
        tokio::join!(walk, peer)
    })
}

/// The good dialogue of every kind.
fn dialogues() -> Vec<(WayIn, Vec<Turn<'static>>)> {
    vec![
        (starttls(StartTls::Postgres), vec![(8, b"S")]),
        (starttls(StartTls::Mysql), vec![(0, MYSQL)]),
        (
            starttls(StartTls::Smtp),
            vec![
                (0, GREETING),
                (HELLO.len(), EXTENSIONS),
                (STARTTLS.len(), b"220 go ahead\r\n"),
            ],
        ),
        (
            starttls(StartTls::Imap),
            vec![
                (0, b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n"),
                (13, b"* CAPABILITY x\r\na1 ok begin\r\n"),
            ],
        ),
        (starttls(StartTls::Ldap), vec![(31, LDAP_OK)]),
        (
            through(None),
            vec![(
                39,
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Connected\r\nX: y\r\n\r\n",
            )],
        ),
    ]
}

#[test]
fn every_kind_comes_to_its_go_ahead_in_whatever_pieces() {
    for (way, mut turns) in dialogues() {
        if way.starttls == Some(StartTls::Mysql) {
            // It hears the request, which has no answer.
            turns.push((36, b""));
        }
        for piece in [1, 3, 4096] {
            let (ended, _) = walked(&way, &turns, piece);
            assert_eq!(ended, "ok", "{way} in pieces of {piece}");
        }
    }
}

#[test]
fn what_follows_a_go_ahead_is_never_taken_for_tls() {
    for (way, mut turns) in dialogues() {
        let (wanted, said) = turns.pop().unwrap();
        let more = [said, b"250 injected\r\n"].concat();
        turns.push((wanted, &more));
        let (ended, _) = walked(&way, &turns, 4096);
        assert!(ended.starts_with("way_in.protocol: "), "{way}: {ended}");
    }
    // Answers ahead of their question are no better.
    let early: &[Turn<'_>] = &[(0, GREETING), (HELLO.len(), b"250 STARTTLS\r\n220 go\r\n")];
    let (ended, _) = walked(&starttls(StartTls::Smtp), early, 4096);
    assert!(ended.starts_with("starttls.refused: "), "{ended}");
    let early: &[Turn<'_>] = &[
        (0, GREETING),
        (HELLO.len(), b"250-mail\r\n250 STARTTLS\r\n220 go\r\n"),
    ];
    let (ended, _) = walked(&starttls(StartTls::Smtp), early, 4096);
    assert!(ended.starts_with("way_in.protocol: "), "{ended}");
}

#[test]
fn a_server_that_leaves_or_is_silent_half_way_does_not_hold_anyone() {
    for (way, turns) in dialogues() {
        let (wanted, said) = *turns.last().unwrap();
        let mut cut = turns.clone();
        *cut.last_mut().unwrap() = (wanted, &said[..said.len() - 1]);
        let (ended, _) = walked(&way, &cut, 7);
        let left = "io: the server closed the connection before TLS";
        assert_eq!(ended, left, "{way}");
        // It waits for more than ever comes.
        cut.push((100, b""));
        let (ended, _) = walked(&way, &cut, 7);
        assert_eq!(ended, "timeout", "{way}");
    }
}

#[test]
fn refusals_have_a_class_and_the_servers_words() {
    let error = [b"E".as_slice(), b"\0\0\0\x1eSFATAL\0Mtoo many clients\0\0"].concat();
    let cases: &[(WayIn, &[Turn<'_>], &str)] = &[
        (
            starttls(StartTls::Postgres),
            &[(8, b"N")],
            "starttls.refused: the server answered SSLRequest with N",
        ),
        (
            starttls(StartTls::Postgres),
            &[(8, &error)],
            "starttls.refused: the server answered SSLRequest with an error: too many",
        ),
        (
            starttls(StartTls::Mysql),
            &[(0, b"\x0b\0\0\0\xff\x10\x04Too many")],
            "starttls.refused: the server greets with error 1040: Too many",
        ),
        (
            starttls(StartTls::Mysql),
            &[(0, b"\x14\0\0\0\x0a8.0\0\x01\0\0\0saltsalt\0\xff\xf7")],
            "starttls.refused: the server's greeting does not",
        ),
        (
            starttls(StartTls::Smtp),
            &[(0, b"554-no\r\n554 go away\r\n")],
            "starttls.refused: the connection was answered with 554 no",
        ),
        (
            starttls(StartTls::Smtp),
            &[(0, GREETING), (HELLO.len(), b"250 mail\r\n")],
            "starttls.refused: the server's answer to EHLO does not",
        ),
        (
            starttls(StartTls::Smtp),
            &[
                (0, GREETING),
                (HELLO.len(), EXTENSIONS),
                (STARTTLS.len(), b"454 later\r\n"),
            ],
            "starttls.refused: STARTTLS was answered with 454 later",
        ),
        (
            starttls(StartTls::Imap),
            &[(0, b"* BYE full\r\n")],
            "starttls.refused: the server greets",
        ),
        (
            starttls(StartTls::Imap),
            &[(0, b"* OK\r\n"), (13, b"a1 BAD what\r\n")],
            "starttls.refused: STARTTLS was answered with \"a1 BAD what\"",
        ),
        (
            starttls(StartTls::Ldap),
            &[(
                31,
                b"\x30\x0f\x02\x01\x01\x78\x0a\x0a\x01\x35\x04\0\x04\x03no!",
            )],
            "starttls.refused: StartTLS was answered with result 53: no!",
        ),
        (
            through(None),
            &[(39, b"HTTP/1.1 407 Who\r\nContent-Length: 5\r\n\r\nhello")],
            "proxy.status.407: the proxy answered CONNECT with 407 Who",
        ),
    ];
    for (way, turns, expected) in cases {
        let (ended, _) = walked(way, turns, 4096);
        assert!(ended.starts_with(expected), "{way}: {ended}");
    }
}

#[test]
fn what_is_no_dialogue_is_a_class_of_its_own() {
    let all = dialogues();
    for (way, turns) in &all {
        let (wanted, _) = turns[0];
        let odd = format!("{way}");
        let (ended, _) = walked(
            way,
            &[(wanted, b"\x16\x03\x01 is no answer of any kind\r\n\r\n\r\n")],
            4096,
        );
        assert!(
            ended.starts_with("way_in.protocol: ") || ended.starts_with("io: "),
            "{odd}: {ended}"
        );
    }
    for reply in ["22 x\r\n", "220~x\r\n", "220-a\r\n221 b\r\n", "+12 x\r\n"] {
        let (ended, _) = walked(&starttls(StartTls::Smtp), &[(0, reply.as_bytes())], 4096);
        assert!(ended.starts_with("way_in.protocol: "), "{reply:?}: {ended}");
    }
}

#[test]
fn endless_text_is_a_flood() {
    let lines = b"220-x\r\n".repeat(4096);
    let untagged = [b"* OK\r\n".as_slice(), &b"* x\r\n".repeat(8192)].concat();
    let long = vec![b'x'; 32 * 1024];
    let head = [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &long].concat();
    let cases: &[(WayIn, Vec<Turn<'_>>)] = &[
        (starttls(StartTls::Smtp), vec![(0, &lines)]),
        (starttls(StartTls::Smtp), vec![(0, &long)]),
        (
            starttls(StartTls::Imap),
            vec![(0, b"* OK\r\n"), (13, &untagged)],
        ),
        (
            starttls(StartTls::Mysql),
            vec![(0, b"\xff\xff\xff\0"), (0, &long)],
        ),
        (
            starttls(StartTls::Ldap),
            vec![(31, b"\x30\x82\xff\xff"), (0, &long)],
        ),
        (through(None), vec![(39, &head)]),
    ];
    for (way, turns) in cases {
        let (ended, _) = walked(way, turns, 4096);
        assert!(
            ended.starts_with("flood.way_in: over 16 KiB"),
            "{way}: {ended}"
        );
    }
}

#[test]
fn one_way_in_is_walked_behind_the_other() {
    let way = WayIn {
        header: Some(ProxyHeader::V1),
        starttls: Some(StartTls::Smtp),
        ..through(Some("me:secret"))
    };
    let connect =
        b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n";
    let header = b"PROXY TCP4 10.0.0.1 10.0.0.2 4000 443\r\n";
    let (ended, heard) = walked(
        &way,
        &[
            (connect.len(), b"HTTP/1.0 200\r\n\r\n"),
            (header.len(), GREETING),
            (HELLO.len(), EXTENSIONS),
            (STARTTLS.len(), b"220\r\n"),
        ],
        5,
    );
    assert_eq!(ended, "ok");
    let expected = [connect.as_slice(), header, HELLO, STARTTLS].concat();
    assert_eq!(
        String::from_utf8_lossy(&heard),
        String::from_utf8_lossy(&expected)
    );
}

#[test]
fn the_header_is_haproxys() {
    let v6 = |last| SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 1));
    let six = Ends {
        local: v6(1),
        peer: v6(2),
    };
    let (v1, v2) = (ProxyHeader::V1, ProxyHeader::V2);
    assert_eq!(
        v1.bytes(Some(six)),
        b"PROXY TCP6 2001:db8::1 2001:db8::2 1 1\r\n"
    );
    assert_eq!(v1.bytes(None), b"PROXY UNKNOWN\r\n");
    let four = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\0\0\x01\x0a\0\0\x02\x0f\xa0\x01\xbb";
    assert_eq!(v2.bytes(Some(ends())), four);
    assert_eq!(v2.bytes(Some(six)).len(), 16 + 36);
    assert_eq!(v2.bytes(None), b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\0");
}

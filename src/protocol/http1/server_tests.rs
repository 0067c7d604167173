//! What clients of any kind get from the HTTP/1.1 responder, byte for byte.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::foreign::HEAD_PATIENCE;
use super::server::serve;

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

/// What a client gets that sends these segments and then ends its side.
fn answered(segments: &[&[u8]]) -> String {
    run(async {
        let (mut client, mut server) = tokio::io::duplex(4096);
        let talk = async {
            for segment in segments {
                client.write_all(segment).await.unwrap();
                yield_now().await;
            }
            client.shutdown().await.unwrap();
            let mut came = String::new();
            client.read_to_string(&mut came).await.unwrap();
            came
        };
        let respond = async {
            // It fails where the client hangs up too early, which some do here.
            let _ = serve(&mut server).await;
            drop(server);
        };
        let (came, ()) = tokio::join!(talk, respond);
        came
    })
}

/// The statuses in what came.
fn statuses(came: &str) -> Vec<u16> {
    came.match_indices("HTTP/1.")
        .filter_map(|(at, _)| came.get(at + 9..at + 12)?.parse().ok())
        .collect()
}

/// As [`answered`], the statuses alone. A request in three pieces gets the same as one in one.
fn statuses_of(request: &str) -> Vec<u16> {
    let bytes = request.as_bytes();
    let whole = statuses(&answered(&[bytes]));
    let (head, tail) = bytes.split_at(bytes.len() / 3);
    let (middle, end) = tail.split_at(tail.len() / 2);
    assert_eq!(
        statuses(&answered(&[head, middle, end])),
        whole,
        "{request}"
    );
    whole
}

#[test]
fn a_head_that_ends_too_early_is_refused_wherever_it_is_cut() {
    // In one piece hyper sees that the second head is malformed, in two only that it is not whole.
    let foreign = "T / HTTP/1.1\r\nHost: h\r\n\r\n";
    let head = "HEAD /\r?b HTTP/1.1\r\nHost: h\r\n";
    let whole = format!("{foreign}{head}");
    for at in [whole.len(), foreign.len() + 2] {
        let (first, second) = whole.as_bytes().split_at(at);
        assert_eq!(statuses(&answered(&[first, second])), [200, 400], "{at}");
    }
}

const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn it_closes_after_a_request_that_asks_for_it_and_says_so() {
    for (request, version) in [
        ("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 1),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: TE, Close\r\n\r\n",
            1,
        ),
        ("GET / HTTP/1.0\r\n\r\n", 0),
    ] {
        let came = answered(&[request.repeat(2).as_bytes()]);
        let first = format!("HTTP/1.{version} 200 OK");
        assert_eq!(came.matches(&first).count(), 1, "{request}: {came}");
        assert_eq!(
            came.contains("connection: close\r\n"),
            version == 1,
            "{came}"
        );
        assert!(came.ends_with("\r\n\r\nok\n"), "{came}");
    }
}

#[test]
fn it_goes_on_otherwise_and_answers_head_without_a_body() {
    let came = answered(&[b"GET / HTTP/1.1\r\nHost: h\r\n\r\nHEAD / HTTP/1.1\r\nHost: h\r\n\r\n"]);
    let (first, second) = came.split_once("ok\n").unwrap();
    assert!(!first.contains("connection"));
    assert!(second.ends_with("content-length: 3\r\n\r\n"), "{second}");
}

#[test]
fn http_1_0_stays_open_where_the_client_asks_for_it() {
    // As `ab -k` does.
    let request = "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nHost: h\r\nUser-Agent: ab\r\n\r\n";
    let came = answered(&[request.repeat(2).as_bytes()]);
    assert_eq!(statuses(&came), [200, 200], "{came}");
    assert!(came.contains("connection: keep-alive\r\n"), "{came}");
    assert!(came.contains("content-length: 3\r\n"), "{came}");
}

#[test]
fn a_body_is_never_the_next_request() {
    let length = HIDDEN.len();
    for (framing, body) in [
        (format!("Content-Length: {length}"), HIDDEN.to_owned()),
        (
            "Transfer-Encoding: chunked".to_owned(),
            format!("{length:x}\r\n{HIDDEN}\r\n0\r\n\r\n"),
        ),
        (
            "Transfer-Encoding: Chunked\r\nTrailer: X".to_owned(),
            format!(
                "1;a=\"b\"\r\nG\r\n{:X}\r\n{}\r\n0\r\nX: y\r\n\r\n",
                length - 1,
                &HIDDEN[1..]
            ),
        ),
        (
            format!("Content-Length: {length}\r\nExpect: 100-continue"),
            HIDDEN.to_owned(),
        ),
        (
            format!("Content-Length: {length}\r\nContent-Length: {length}"),
            HIDDEN.to_owned(),
        ),
    ] {
        for method in ["POST", "GET", "DELETE", "OPTIONS", "PROPFIND"] {
            let request = format!("{method} / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n{body}");
            let last = HIDDEN.replace("hidden", "last");
            let mut found = statuses_of(&(request.repeat(2) + &last));
            found.retain(|status| *status != 100);
            assert_eq!(found, [200, 200, 200], "{method} {framing}");
        }
    }
}

#[test]
fn a_client_that_waits_for_100_continue_gets_it() {
    let head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-Continue\r\n\r\n";
    let came = answered(&[head, b"body"]);
    assert_eq!(statuses(&came), [100, 200], "{came}");
    let other = "GET / HTTP/1.1\r\nHost: h\r\nExpect: a miracle\r\n\r\n";
    assert_eq!(statuses_of(other), [417]);
}

/// What is malformed, or could be read in two ways, is answered once and ends the session: what follows
/// may be the rest of it.
#[test]
fn what_is_malformed_is_refused_and_ends_the_session() {
    let chunked = "Transfer-Encoding: chunked";
    for (status, request) in [
        (400, "Content-Length: 3\r\nContent-Length: 30\r\n\r\nabc"),
        (400, "Content-Length: 3, 30\r\n\r\nabc"),
        (400, "Content-Length: +3\r\n\r\nabc"),
        (400, "Content-Length: -1\r\n\r\n"),
        (400, "Content-Length: 0x3\r\n\r\nabc"),
        (400, "Content-Length: \r\n\r\nabc"),
        (400, "Content-Length: 99999999999999999999\r\n\r\n"),
        (413, "Content-Length: 1099511627776\r\n\r\n"),
        (
            400,
            &format!("Content-Length: 3\r\n{chunked}\r\n\r\n0\r\n\r\n"),
        ),
        (
            400,
            &format!("{chunked}\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
        ),
        (400, "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n"),
        (400, "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        (501, "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        (400, "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        (400, "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        (400, &format!("{chunked}\r\n\r\nxyz\r\n\r\n")),
        (400, &format!("{chunked}\r\n\r\nfffffffffffffffff\r\n\r\n")),
        (400, &format!("{chunked}\r\n\r\n-1\r\n\r\n")),
        (400, &format!("{chunked}\r\n\r\n3\nabc\r\n0\r\n\r\n")),
        (400, &format!("{chunked}\r\n\r\n3\r\nabcde\r\n0\r\n\r\n")),
        (400, &format!("{chunked}\r\n\r\n3\r\nab")),
        (400, "X: 1\r\n folded: 2\r\n\r\n"),
        (400, " leading: 1\r\n\r\n"),
        (400, "Content-Length : 3\r\n\r\nabc"),
        (400, "X: a\nContent-Length: 3\r\n\r\nabc"),
        (400, "X: a\rb\r\n\r\n"),
        (400, "X: a\0b\r\n\r\n"),
        (400, "no colon\r\n\r\n"),
        (400, "Host: other\r\n\r\n"),
        (400, "X: y"),
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: h\r\n{request}");
        assert_eq!(statuses_of(&request), [status], "{request}");
        if status == 400 && !request.ends_with('y') && !request.ends_with("ab") {
            assert_eq!(statuses_of(&(request.clone() + HIDDEN)), [400], "{request}");
        }
    }
}

#[test]
fn request_lines_are_read_as_rfc_9112_says() {
    for (status, line) in [
        (200, "GET / HTTP/1.1"),
        (200, "GET http://h/path?query HTTP/1.1"),
        (200, "OPTIONS * HTTP/1.1"),
        (200, "PROPFIND /folder HTTP/1.1"),
        (200, "\r\nGET / HTTP/1.1"),
        (400, "GET * HTTP/1.1"),
        (400, "GET h HTTP/1.1"),
        (405, "CONNECT h:443 HTTP/1.1"),
        (405, "TRACE / HTTP/1.1"),
        (400, "GET  / HTTP/1.1"),
        (400, "GET / "),
        (400, "GET /a b HTTP/1.1"),
        (400, "G@T / HTTP/1.1"),
        (505, "GET / HTTP/2.0"),
        (505, "GET / HTTP/1.2"),
        (400, "GET / HTTPS/1.1"),
        (400, "GET / http/1.1"),
    ] {
        assert_eq!(
            statuses_of(&format!("{line}\r\nHost: h\r\n\r\n")),
            [status],
            "{line}"
        );
    }
    assert_eq!(statuses_of("GET /\r\n\r\n"), [400]);
    assert_eq!(
        statuses(&answered(&[b"GET / HTTP/2", b".0\r\n\r\n"])),
        [505]
    );
    // The beginning of HTTP/2 over a connection that was to speak HTTP/1.1.
    assert_eq!(statuses_of("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), [505]);
    for (status, hosts) in [
        (400, ""),
        (400, "Host: h\r\nHost: h\r\n"),
        (400, "Host: a b\r\n"),
        (400, "Host: user@h\r\n"),
        (400, "Host: h/path\r\n"),
        (200, "Host:\r\n"),
        (200, "host: [::1]:8443\r\n"),
    ] {
        assert_eq!(
            statuses_of(&format!("GET / HTTP/1.1\r\n{hosts}\r\n")),
            [status],
            "{hosts}"
        );
    }
}

#[test]
fn heads_are_capped() {
    let long = "x".repeat(70_000);
    for (status, request) in [
        (
            431,
            format!("GET / HTTP/1.1\r\nHost: h\r\nX: {long}\r\n\r\n"),
        ),
        (
            431,
            format!(
                "GET / HTTP/1.1\r\nHost: h\r\n{}\r\n",
                "X: y\r\n".repeat(200)
            ),
        ),
        (
            200,
            format!(
                "GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n",
                &long[..30_000]
            ),
        ),
        (
            200,
            format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(80)),
        ),
    ] {
        assert_eq!(
            statuses(&answered(&[request.as_bytes()])),
            [status],
            "{}",
            &request[..60]
        );
    }
}

#[test]
fn large_bodies_are_read_away() {
    let body = vec![b'x'; 3 << 20];
    let sized = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    assert_eq!(statuses(&answered(&[sized.as_bytes(), &body])), [200]);
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
        body.len()
    );
    assert_eq!(
        statuses(&answered(&[chunked.as_bytes(), &body, b"\r\n0\r\n\r\n"])),
        [200]
    );
}

#[test]
fn where_segments_are_cut_does_not_matter() {
    let plain = "HEAD /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
    let chunked =
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    for (request, expected) in [
        (format!("{plain}{chunked}{plain}"), vec![200, 200, 200]),
        (format!("{plain}GET / HTTP/2.0\r\n\r\n"), vec![200, 505]),
        (
            format!("{chunked}GET / HTTP/1.1\r\n: x\r\n\r\n"),
            vec![200, 400],
        ),
        (
            format!("{plain}GET / HTTP/1.1\nHost: h\r\n\r\n{plain}"),
            vec![200, 400],
        ),
    ] {
        let bytes = request.as_bytes();
        for at in 0..bytes.len() {
            let (begin, end) = bytes.split_at(at);
            let found = statuses(&answered(&[begin, end]));
            assert_eq!(found, expected, "{request} cut at {at}");
        }
    }
}

/// What a client gets that sends this and then neither more nor its end, and whether the server has ended
/// the session after a while.
fn kept(sent: &'static [u8]) -> (String, bool) {
    run(async {
        let (mut client, mut server) = tokio::io::duplex(4096);
        client.write_all(sent).await.unwrap();
        let ended = timeout(5 * HEAD_PATIENCE, serve(&mut server)).await.is_ok();
        drop(server);
        let mut came = String::new();
        client.read_to_string(&mut came).await.unwrap();
        (came, ended)
    })
}

#[test]
fn a_request_that_never_ends_is_given_up_and_a_silent_session_is_not() {
    let cases: [(&[u8], &[u16], bool); 6] = [
        (b"GET / HTTP/1.1\r\nHost:", &[408], true),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf",
            &[],
            true,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
            &[408],
            true,
        ),
        (
            b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            &[200],
            true,
        ),
        (b"", &[], false),
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", &[200], false),
    ];
    std::thread::scope(|scope| {
        for (sent, expected, ends) in cases {
            scope.spawn(move || {
                let (came, ended) = kept(sent);
                let words = String::from_utf8_lossy(sent);
                assert_eq!(statuses(&came), expected, "{words}");
                assert_eq!(ended, ends, "{words}");
            });
        }
    });
}

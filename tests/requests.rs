//! HTTP as `shakedown run` sends and takes it, against a server that keeps what it got.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

#[path = "common/process.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod process;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use process::{code, run, text};
use shakedown::record::RunRecord;
use shakedown::stats::FailureRecord;
use shakedown::store;

/// A server that gives every request of a connection the same answer.
struct Server {
    port: u16,
    got: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers `most` requests of a connection and closes it then.
    fn start(answer: &'static [u8], most: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let got = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&got);
        thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                let mut reader = BufReader::new(tcp);
                for _ in 0..most {
                    let Some(request) = request(&mut reader) else {
                        break;
                    };
                    kept.lock().unwrap().push(request);
                    reader.get_mut().write_all(answer).unwrap();
                }
            }
        });
        Self { port, got }
    }

    /// Runs once against it; gives what it got and the record of the run.
    fn run(&self, here: &Path, flags: &str) -> (String, RunRecord) {
        let url = format!("http://127.0.0.1:{}/token", self.port);
        let output = run(here, &format!("run {url} {flags} -n 1 -c 1 -q -o o.json"));
        assert!(
            [0, 106].contains(&code(&output)),
            "{}",
            text(&output.stderr)
        );
        let record = store::load(&here.join("o.json")).unwrap();
        let got = self.got.lock().unwrap().pop().unwrap_or_default();
        (got, record)
    }
}

/// One request with its body.
fn request(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        if reader.read_line(&mut request).ok()? == 0 {
            return None;
        }
    }
    let length = request
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |l| l.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(request + &String::from_utf8(body).unwrap())
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

#[test]
fn data_is_sent_as_curl_sends_it_and_stays_out_of_results() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    fs::write(here.join("form"), "a=s3cret\r\nb=c\n").unwrap();
    let server = Server::start(OK, 1);
    for (flags, length, body) in [
        ("--data a=s3cret", 8, "a=s3cret"),
        ("--data @form", 11, "a=s3cretb=c"),
        ("--data-binary @form", 14, "a=s3cret\r\nb=c\n"),
    ] {
        let (got, record) = server.run(here, flags);
        let total = &record.cells[0].trials[0].total;
        assert_eq!(total.ok_total(), 1, "{flags}: {total:?}");
        assert!(got.starts_with("POST /token HTTP/1.1\r\n"), "{got}");
        assert!(got.contains("content-type: application/x-www-form-urlencoded\r\n"));
        let end = format!("content-length: {length}\r\n\r\n{body}");
        assert!(got.ends_with(&end), "{got}");
        let file = fs::read_to_string(here.join("o.json")).unwrap();
        assert!(!file.contains("s3cret"), "{flags}");
    }
    let (got, _) = server.run(here, "-X PUT -H Content-Type:text/plain --data x");
    assert!(
        got.starts_with("PUT ") && !got.contains("urlencoded"),
        "{got}"
    );
}

#[test]
fn a_post_without_a_body_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(OK, 1);
    for flags in ["-X POST", "-X PATCH", "-X POST -H Content-Length:0"] {
        let (got, _) = server.run(dir.path(), flags);
        assert_eq!(got.matches("content-length: 0\r\n").count(), 1, "{got}");
    }
    let (got, _) = server.run(dir.path(), "");
    assert!(!got.contains("content-length"), "{got}");
}

/// The one failure of a run against a server with this answer.
fn failure(answer: &'static [u8], flags: &str) -> (String, FailureRecord) {
    let dir = tempfile::tempdir().unwrap();
    let (_, record) = Server::start(answer, 2).run(dir.path(), flags);
    let failed = &record.cells[0].trials[0].total.failed;
    assert_eq!(failed.len(), 1, "{failed:?}");
    let (class, failure) = failed.first_key_value().unwrap();
    (class.clone(), failure.clone())
}

#[test]
fn an_announced_close_is_told_from_a_rejection() {
    let closing = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let (class, failure) = failure(closing, "--exchanges 5");
    assert_eq!(class, "http.closed");
    let told = "the server closed after 1 exchange, as it announced; lower --exchanges";
    assert_eq!(failure.example, told);
    assert!(
        !failure.advice.contains("certificate"),
        "{}",
        failure.advice
    );
    let dir = tempfile::tempdir().unwrap();
    let (_, record) = Server::start(closing, 2).run(dir.path(), "");
    assert_eq!(record.cells[0].trials[0].total.ok_total(), 1);
}

#[test]
fn an_answer_cut_short_is_not_blamed_on_the_certificate() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\n0123456789";
    let dir = tempfile::tempdir().unwrap();
    let (_, record) = Server::start(half, 1).run(dir.path(), "");
    let failed = &record.cells[0].trials[0].total.failed;
    let failure = &failed["http.cut_short"];
    assert_eq!(failure.example, "the answer ended after 10 of 100 bytes");
    assert!(
        !failure.advice.contains("certificate"),
        "{}",
        failure.advice
    );
}

#[test]
fn a_redirect_counts_only_where_it_is_listed() {
    let redirect =
        b"HTTP/1.1 302 Found\r\nlocation: http://h/x?t=s3cret\r\ncontent-length: 0\r\n\r\n";
    let (class, found) = failure(redirect, "");
    assert_eq!(class, "http.redirect.302");
    assert!(found.example.contains("http://h/x?"), "{}", found.example);
    assert!(!found.example.contains("s3cret"), "{}", found.example);
    for listed in ["302", "200-302", "2xx,3xx"] {
        let dir = tempfile::tempdir().unwrap();
        let flags = format!("--expect-status {listed}");
        let (_, record) = Server::start(redirect, 1).run(dir.path(), &flags);
        assert_eq!(record.cells[0].trials[0].total.ok_total(), 1, "{listed}");
    }
    let (class, _) = failure(OK, "--expect-status 302");
    assert_eq!(class, "http.status.200");
}

#[test]
fn tls_on_a_plain_url_is_named() {
    let (class, failure) = failure(b"\x15\x03\x01\0\x02\x02\x46", "");
    assert_eq!(class, "http.protocol");
    assert!(failure.example.contains("https://"), "{}", failure.example);
}

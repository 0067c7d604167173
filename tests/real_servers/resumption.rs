//! Servers with tickets and session caches on and off: what can be resumed is, in exactly the share
//! that was asked for, what cannot is called missed, and the server's own count agrees, ± 0.
//! `docs/servers.md` has a part that is made from the table in here.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use shakedown::record::RunRecord;
use shakedown::stats::OkKind;

use crate::common::{evidence, only, reasons};
use crate::differences::{SERVERS, known};
use crate::server::{Server, script};

/// Sessions of a run, besides those that prime it.
const SESSIONS: u64 = 60;
/// The shares of resumed sessions that are asked for, in percent.
const SHARES: [u64; 2] = [70, 100];
/// How to resume, and under which TLS version: the columns of the table.
const WAYS: [(&str, &str); 3] = [("session-id", "1.2"), ("ticket", "1.2"), ("ticket", "1.3")];

/// What becomes of the sessions that are planned to be resumed: the same of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// They are.
    Resumed,
    /// The server gives something to offer, and then makes every handshake full.
    Refused,
    /// The server gives nothing that could be offered.
    Starved,
}

use Answer::{Refused, Resumed, Starved};

/// Servers with some options, and their answer to each of [`WAYS`].
struct Row {
    servers: &'static [&'static str],
    tickets: bool,
    /// `None` for servers that have no session cache.
    cache: Option<bool>,
    answers: [Answer; WAYS.len()],
    why: &'static str,
}

const ROWS: [Row; 7] = [
    Row {
        servers: &["apache2", "haproxy", "nginx", "openssl"],
        tickets: true,
        cache: Some(true),
        answers: [Resumed, Resumed, Resumed],
        why: "",
    },
    Row {
        servers: &["apache2", "haproxy", "nginx", "openssl"],
        tickets: true,
        cache: Some(false),
        answers: [Starved, Resumed, Resumed],
        why: "without a cache it gives its sessions no id",
    },
    Row {
        servers: &["apache2", "haproxy", "nginx", "openssl"],
        tickets: false,
        cache: Some(true),
        answers: [Resumed, Resumed, Resumed],
        why: "by id under TLS 1.2; under TLS 1.3 a ticket is the name of a session in the cache",
    },
    Row {
        servers: &["apache2", "haproxy", "nginx"],
        tickets: false,
        cache: Some(false),
        answers: [Starved, Starved, Refused],
        why: "under TLS 1.3 it still sends tickets, the names of sessions that it does not keep",
    },
    Row {
        servers: &["openssl"],
        tickets: false,
        cache: Some(false),
        answers: [Starved, Starved, Starved],
        why: "it is told to send none (`-num_tickets 0`)",
    },
    Row {
        servers: &["caddy"],
        tickets: true,
        cache: None,
        answers: [Starved, Resumed, Resumed],
        why: "Go has no session cache",
    },
    Row {
        servers: &["caddy"],
        tickets: false,
        cache: None,
        answers: [Starved, Starved, Starved],
        why: "",
    },
];

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

impl Row {
    fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec!["--tickets", on_off(self.tickets)];
        flags.extend(self.cache.iter().flat_map(|on| ["--cache", on_off(*on)]));
        flags
    }
}

/// The part of the document that is made from the table.
pub fn section() -> String {
    let ways = WAYS.map(|(mode, version)| format!("`{mode}`, TLS {version}"));
    let mut text = format!(
        "\n| Server | `--tickets` | `--cache` | {} | Remark |\n|---|---|---|---|---|---|---|\n",
        ways.join(" | ")
    );
    for row in &ROWS {
        let (servers, tickets) = (row.servers.join(", "), on_off(row.tickets));
        let cache = row.cache.map_or("–", on_off);
        let answers = row.answers.map(|answer| match answer {
            Resumed => "**resumed**",
            Refused => "refused",
            Starved => "starved",
        });
        let (answers, why) = (answers.join(" | "), row.why);
        let why = if why.is_empty() { "–" } else { why };
        writeln!(
            text,
            "| {servers} | {tickets} | {cache} | {answers} | {why} |"
        )
        .unwrap();
    }
    text + "\n"
}

/// What was found out about a server.
#[derive(Default)]
struct Findings {
    combinations: u64,
    sessions: u64,
    resumed: u64,
    mismatches: u64,
    /// A line for each combination with a mismatch.
    wrong: String,
}

/// Runs the sessions, `share` percent of them to be resumed.
fn load(server: &Server, at_once: u32, (mode, version): (&str, &str), share: u64) -> RunRecord {
    let ratio = share as f64 / 100.0;
    let sections = format!(
        "[load]\nsessions = {at_once}\ntotal = {SESSIONS}\n[workers]\ncount = 1\n\
         [protocol]\nkind = \"http1\"\n[matrix]\ntls = [\"{version}\"]\n\
         [resumption]\nmode = \"{mode}\"\nratio = {ratio}\n"
    );
    server.load(&sections, "https", Some(&server.pki()))
}

/// The sessions that were to be resumed were answered as expected, and the run says so.
fn assert_answered(record: &RunRecord, share: u64, answer: Answer, what: &str) {
    let trial = &only(record).trials[0];
    let counts = trial.resumption.unwrap();
    counts.check().unwrap();
    let planned = SESSIONS * share / 100;
    let seen = (counts.accepted, counts.refused, counts.starved);
    let expected = match answer {
        Resumed => (planned, 0, 0),
        Refused => (0, planned, 0),
        Starved => (0, 0, planned),
    };
    assert_eq!(seen, expected, "{what}: {counts:?}");
    assert_eq!((counts.planned, counts.unplanned), (planned, 0), "{what}");
    assert_eq!(trial.total.ok_total(), SESSIONS, "{what}");
    assert_eq!(trial.total.ok_of(OkKind::Resumed), expected.0, "{what}");
    // No certificate is asked for where a session is resumed (RFC 8446 section 4.3.2).
    for observed in &trial.observed {
        assert_eq!(observed.certificate_sent, !observed.resumed, "{what}");
    }
    let missed = reasons(record).contains(&"resumption-missed");
    assert_eq!(missed, answer != Resumed, "{what}: {:?}", record.validity);
    assert!(!missed || !record.validity.valid, "{what}");
}

/// What a server itself says about a run: requests in all sessions so far, and in resumed ones.
type Logged = (u64, u64);

/// The server's own counts, once it has written `expected` requests or given up.
fn logged(server: &Server, name: &str, expected: u64) -> Logged {
    if known(name).logs {
        return (server.logged(expected), server.logged_resumed());
    }
    let page = status_page(server);
    let figure = |what: &str| -> u64 {
        let line = page.lines().find(|line| line.contains(what));
        let line = line.unwrap_or_else(|| panic!("{name}: no {what} in {page}"));
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    (
        figure("server accepts that finished"),
        figure("session cache hits"),
    )
}

/// The page on which `openssl s_server -www` has its counters.
fn status_page(server: &Server) -> String {
    let file = |dir: &Path, name: &str| dir.join(name).into_os_string();
    let pki = server.pki();
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect"])
        .arg(format!("localhost:{}", server.port))
        .args(["-CAfile".into(), file(&pki, "ca.pem")])
        .args(["-cert".into(), file(&pki, "client-0.pem")])
        .args(["-key".into(), file(&pki, "client-0.key")])
        .args(["-cert_chain".into(), file(&pki, "intermediate.pem")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = client.stdin.take().unwrap();
    stdin.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    // At the end of its input it would not wait for the answer.
    let output = client.wait_with_output().unwrap();
    drop(stdin);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs every way and share against a server with the options of a row.
fn hold_to(row: &Row, name: &'static str, findings: &mut Findings) -> Option<()> {
    let server = Server::start(name, &row.flags())?;
    let (mut requests, mut resumed) = (0, 0);
    for (way, answer) in WAYS.into_iter().zip(row.answers) {
        for share in SHARES {
            let what = format!("{name} {:?} {way:?} {share} %", row.flags());
            let record = load(&server, known(name).at_once, way, share);
            assert_answered(&record, share, answer, &what);
            let trial = &only(&record).trials[0];
            // Priming is traffic too, and none of it is resumed.
            let prime = trial.prime.as_ref().unwrap();
            assert_eq!(prime.cancelled_total() + prime.failed_total(), 0, "{what}");
            requests += trial.total.ok_total() + prime.ok_total();
            resumed += trial.total.ok_of(OkKind::Resumed);
            // To ask for the page is one session more.
            requests += u64::from(!known(name).logs);
            let seen = logged(&server, name, requests);
            findings.combinations += 1;
            findings.sessions += trial.total.ok_total();
            findings.resumed += trial.total.ok_of(OkKind::Resumed);
            if seen != (requests, resumed) {
                findings.mismatches += 1;
                let line = format!("{what}: logged {seen:?}, not {:?}", (requests, resumed));
                writeln!(findings.wrong, "{line}").unwrap();
            }
        }
    }
    Some(())
}

/// Holds a server to every row that names it.
fn resumes(name: &'static str) {
    let mut findings = Findings::default();
    for row in ROWS.iter().filter(|row| row.servers.contains(&name)) {
        if hold_to(row, name, &mut findings).is_none() {
            return;
        }
    }
    assert_eq!(findings.mismatches, 0, "{}", findings.wrong);
    assert!(findings.resumed > 0, "{name}: nothing was resumed");
    let figures = [
        ("combinations", findings.combinations),
        ("sessions", findings.sessions),
        ("resumed", findings.resumed),
        ("mismatches", findings.mismatches),
    ];
    evidence("resumption", name, &figures);
}

#[test]
fn apache2_resumes_what_we_claim() {
    resumes("apache2");
}

#[test]
fn caddy_resumes_what_we_claim() {
    resumes("caddy");
}

#[test]
fn haproxy_resumes_what_we_claim() {
    resumes("haproxy");
}

#[test]
fn nginx_resumes_what_we_claim() {
    resumes("nginx");
}

#[test]
fn openssl_resumes_what_we_claim() {
    resumes("openssl");
}

#[test]
fn servers_have_the_options_of_their_rows_and_no_others() {
    for known in &SERVERS {
        let mut rows = ROWS.iter().filter(|row| row.servers.contains(&known.name));
        let tickets = rows.clone().next().is_some();
        let cache = rows.any(|row| row.cache.is_some());
        for (flag, has) in [("--tickets", tickets), ("--cache", cache)] {
            let output = Command::new(script())
                .args(["start", known.name, flag, "on"])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            let refused = said.contains(&format!("{} has no {flag}", known.name));
            assert_eq!(refused, !has, "{}: {said}", known.name);
            assert_eq!(output.status.code(), Some(2), "{}: {said}", known.name);
        }
    }
}

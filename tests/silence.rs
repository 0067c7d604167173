//! Silence is not success (invariant 10): a server that leaves sessions without an answer, in every stage, by the
//! timeout and by the trial's deadline, and what every reader makes of the result.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use common::process::{code, run, text};
use common::unkind;
use shakedown::record::RunRecord;
use shakedown::stats::{LatencyHistogram, Metric, OkKind, Timing};
use shakedown::store::{load, save};

/// Answers requests over plain TCP after 5 ms, each on a thread of its own, but for 3 of 10, which never get an answer.
fn hanging() -> u16 {
    let (listener, port) = unkind::listener(4_096);
    let answer = |number: usize, mut stream: TcpStream| {
        let mut request = [0; 1_024];
        if stream.read(&mut request).unwrap_or(0) == 0 {
            return;
        }
        if [2, 5, 8].contains(&(number % 10)) {
            thread::sleep(Duration::from_secs(600));
        }
        thread::sleep(Duration::from_millis(5));
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        // Until the client has closed.
        let _ = stream.read(&mut request);
    };
    thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            thread::spawn(move || answer(number, stream));
        }
    });
    port
}

/// A run over plain HTTP: the result, and what was printed. What a busy host does to it is not the point.
fn loaded(dir: &Path, port: u16, args: &str) -> (RunRecord, String) {
    let args = format!(
        "run tcp://127.0.0.1:{port} --protocol http1 --warmup 0s --trials 1 -o out.json {args}"
    );
    let output = run(dir, &args);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!([0, 106].contains(&code(&output)), "{stdout}{stderr}");
    (load(&dir.join("out.json")).unwrap(), stdout)
}

/// A result that only differs in the validity, which is the host's.
fn valid(dir: &Path, record: &RunRecord) {
    let mut record = record.clone();
    record.validity.valid = true;
    record.validity.reasons.clear();
    save(&dir.join("out.json"), &record).unwrap();
}

/// The verdict on one threshold, by exit code, with what was printed.
fn gated(dir: &Path, thresholds: &str) -> (i32, String) {
    let policy = format!("version = 1\n[thresholds]\n{thresholds}\n");
    fs::write(dir.join("policy.toml"), policy).unwrap();
    let output = run(dir, "gate out.json --policy policy.toml");
    (code(&output), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn a_server_that_leaves_3_of_10_without_an_answer_fails_every_reader() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    // The deadline comes first: 2 to 7 s after their start.
    let (record, stdout) = loaded(here, hanging(), "-r 60/s -d 5s --grace 2s");
    let measured = record.cells[0].measured();
    assert_eq!(measured.started, 300);
    assert_eq!(measured.ok_total(), 210, "{measured:?}");
    let failure = &measured.failed["unanswered.confirm"];
    assert_eq!((failure.count, measured.failed_total()), (90, 90));
    assert_eq!(measured.cancelled_total(), 0);
    let told = "no answer when the trial ended, at the age of";
    assert!(failure.example.starts_with(told), "{}", failure.example);
    for metric in [
        Metric::Confirm,
        Metric::Service,
        Metric::Latency,
        Metric::Exchange,
    ] {
        let histogram = record.cells[0].histogram(metric).unwrap();
        assert_eq!((histogram.count(), histogram.pending()), (210, 90));
        let p50 = histogram.quantile(0.5).unwrap().exact().unwrap();
        assert!(p50 < 1_000_000_000, "{p50}");
        for q in [0.9, 0.99] {
            let beyond = histogram.quantile(q);
            let Some(Timing::Beyond(ns)) = beyond else {
                panic!("{}: {beyond:?}", metric.label());
            };
            assert!((4_000_000_000..7_100_000_000).contains(&ns), "{ns}");
        }
    }
    // All of them were connected.
    let connect = record.cells[0].histogram(Metric::Connect).unwrap();
    assert_eq!((connect.count(), connect.pending()), (300, 0));

    let row = |label: &str| {
        stdout
            .lines()
            .find(|line| line.trim_start().starts_with(label))
    };
    assert!(row("unanswered ").unwrap().ends_with(" 90"), "{stdout}");
    let of_latency = stdout.split("latency p50").nth(1).unwrap();
    for row in of_latency.lines().skip(1).take(2) {
        assert!(row.contains("> "), "{row}: {stdout}");
    }
    let note = "note unanswered: tcp: 90 of 300 sessions (30.0 %) had no answer, after up to 6.9";
    assert!(stdout.contains(note), "{stdout}");

    valid(here, &record);
    let (status, told) = gated(here, "failure-rate = [\"rate<0.001\"]");
    assert_eq!(status, 99, "{told}");
    let (status, told) = gated(here, "latency = [\"p(90)<100ms\"]");
    assert_eq!(status, 99, "{told}");
    assert!(told.contains("observed > "), "{told}");
    let (status, told) = gated(here, "latency = [\"p(90)<1m\"]");
    assert_eq!(status, 106, "{told}");
    assert!(told.contains("inconclusive: "), "{told}");
    let (status, told) = gated(here, "latency = [\"p(50)<1s\", \"avg<100ms\", \"max<1s\"]");
    assert_eq!(status, 99, "{told}");
    readers(here);
}

/// Every format says that sessions had no answer.
fn readers(dir: &Path) {
    for (format, parts) in [
        ("markdown", &["&gt; ", "unanswered"][..]),
        ("html", &["&#62; ", "unanswered", "no answer"][..]),
        ("csv", &["latency,p90,ns,,", "sessions,unanswered"][..]),
        ("json", &["\"beyond\": ", "\"unanswered\""][..]),
        (
            "prometheus",
            &[
                "+Inf",
                "shakedown_duration_beyond_seconds",
                "unanswered.confirm",
            ][..],
        ),
        ("hgrm", &["#[Max     >", "#[No answer         90"][..]),
        ("hlog", &["Tag=tcp:unanswered-ages"][..]),
    ] {
        let output = run(dir, &format!("report out.json -f {format}"));
        let told = text(&output.stdout);
        assert_eq!(code(&output), 0, "{format}: {}", text(&output.stderr));
        for part in parts {
            assert!(told.contains(part), "{format} has no {part:?}:\n{told}");
        }
        // No line of a distribution claims to hold all sessions.
        assert!(
            format != "hgrm" || !told.contains(" 1.000000000000 "),
            "{told}"
        );
    }
}

#[test]
fn a_timeout_that_comes_first_leaves_the_same_behind() {
    let dir = tempfile::tempdir().unwrap();
    let args = "-r 60/s -d 5s --grace 3s --confirm-timeout 500ms";
    let (record, stdout) = loaded(dir.path(), hanging(), args);
    let measured = record.cells[0].measured();
    let failure = &measured.failed["unanswered.confirm"];
    assert_eq!((failure.count, measured.started), (90, 300));
    assert_eq!(failure.example, "no answer within 500 ms, the timeout");
    let latency = record.cells[0].histogram(Metric::Latency).unwrap();
    let Some(Timing::Beyond(ns)) = latency.quantile(0.9) else {
        panic!("{:?}", latency.quantile(0.9));
    };
    assert!((499_000_000..2_000_000_000).contains(&ns), "{ns}");
    assert!(stdout.contains("note unanswered: "), "{stdout}");
    // They are told in the second in which they were given up.
    let timeline = &record.cells[0].trials[0].timeline;
    let pending = |row: &shakedown::record::TimelineRecord| row.latency().unwrap().pending();
    assert_eq!(timeline.iter().map(pending).sum::<u64>(), 90);
    assert!(timeline.iter().filter(|row| pending(row) > 0).count() >= 5);
}

/// Answers one request after the other, 50 a second.
fn overloaded() -> u16 {
    let (listener, port) = unkind::listener(4_096);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 1_024];
            thread::sleep(Duration::from_millis(20));
            if stream.read(&mut request).unwrap_or(0) > 0 {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            }
        }
    });
    port
}

#[test]
fn an_overloaded_server_does_not_look_quick_for_those_it_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let (record, stdout) = loaded(dir.path(), overloaded(), "-r 200/s -d 1s --grace 500ms");
    let measured = record.cells[0].measured();
    let silent = measured.failed["unanswered.confirm"].count;
    assert_eq!(measured.ok_total() + silent, 200, "{measured:?}");
    assert!(silent > 100, "{measured:?}");
    let latency = record.cells[0].histogram(Metric::Latency).unwrap();
    let p90 = latency.quantile(0.9);
    assert!(matches!(p90, Some(Timing::Beyond(_))), "{p90:?}");
    let note = format!("note unanswered: tcp: {silent} of 200 sessions");
    assert!(stdout.contains(&note), "{stdout}");
    // What their beginnings cost is in the CPU time, and they are not in the count.
    assert_eq!(record.cells[0].trials[0].client_cpu_us(), None);
}

#[test]
fn silence_in_every_stage_is_beyond_an_age_on_the_clocks_that_began() {
    let dir = tempfile::tempdir().unwrap();
    // Nobody accepts, and the queue is full: the connection does not stand.
    let (record, _) = loaded(dir.path(), unkind::full(), "-r 40/s -d 1s --grace 500ms");
    let cell = &record.cells[0];
    let measured = cell.measured();
    assert_eq!(
        measured.failed["unanswered.connect"].count,
        measured.started
    );
    for (metric, pending) in [
        (Metric::Connect, 40),
        (Metric::Latency, 40),
        (Metric::Confirm, 0),
    ] {
        let histogram = cell.histogram(metric).unwrap();
        assert_eq!(
            (histogram.count(), histogram.pending()),
            (0, pending),
            "{}",
            metric.label()
        );
        let known = histogram.quantile(0.5).is_some();
        assert_eq!(known, pending > 0);
    }
    // Accepted, and no word of TLS.
    let port = unkind::silent();
    let args = format!(
        "run tls://127.0.0.1:{port} -k --warmup 0s -r 40/s -d 1s --grace 500ms -o tls.json"
    );
    let output = run(dir.path(), &args);
    assert!(
        [0, 106].contains(&code(&output)),
        "{}",
        text(&output.stderr)
    );
    let record = load(&dir.path().join("tls.json")).unwrap();
    let cell = &record.cells[0];
    assert_eq!(cell.measured().failed["unanswered.handshake"].count, 40);
    assert!(
        cell.trials[0].kinds.contains_key(&OkKind::Full),
        "as planned"
    );
    for (metric, counts) in [
        (Metric::Connect, (40, 0)),
        (Metric::Handshake, (0, 40)),
        (Metric::Confirm, (0, 40)),
        (Metric::Exchange, (0, 0)),
    ] {
        let histogram = cell.histogram(metric).unwrap();
        assert_eq!(
            (histogram.count(), histogram.pending()),
            counts,
            "{}",
            metric.label()
        );
    }
}

/// The result that e89cf8b, which knew no silence, made of the server above.
const OLD: &str = "result-v1-cut-off.json";

fn old(dir: &Path) -> RunRecord {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut record = load(&root.join("tests/fixtures").join(OLD)).unwrap();
    record.validity.valid = true;
    record.validity.reasons.clear();
    save(&dir.join("old.json"), &record).unwrap();
    record
}

#[test]
fn a_result_of_schema_1_reads_as_it_was_meant() {
    let dir = tempfile::tempdir().unwrap();
    let record = old(dir.path());
    assert_eq!((record.schema, record.left_out()), (1, 90));
    let output = run(dir.path(), "report old.json");
    let stdout = text(&output.stdout);
    assert_eq!(code(&output), 0, "{stdout}");
    assert!(
        stdout.contains("90 in flight at the deadline (confirm 90)"),
        "{stdout}"
    );
    assert!(!stdout.contains("> "), "{stdout}");
    fs::copy(dir.path().join("old.json"), dir.path().join("out.json")).unwrap();
    let (status, told) = gated(dir.path(), "latency = [\"p(90)<100ms\"]");
    assert_eq!(status, 0, "{told}");
    let note = "percentiles of schema 1 leave sessions without an answer out: 90 of the candidate";
    assert!(told.contains(note), "{told}");
}

#[test]
fn old_and_new_percentiles_are_not_compared_unasked() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    let mut new = old(here);
    new.schema = 2;
    save(&here.join("new.json"), &new).unwrap();
    let output = run(here, "compare old.json new.json");
    let stderr = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(code(&output), 106, "{stderr}");
    assert!(stderr.contains("other-percentiles: "), "{stderr}");
    assert!(stderr.contains("--despite percentiles"), "{stderr}");
    let output = run(here, "compare old.json new.json --despite percentiles");
    let told = text(&output.stdout) + &text(&output.stderr);
    assert!(
        told.contains("leave sessions without an answer out"),
        "{told}"
    );
    assert!(!told.contains("--despite"), "{told}");
}

/// Answers the first request of a session over plain TCP, and then `does`.
fn answering_once(does: fn(TcpStream)) -> u16 {
    let (listener, port) = unkind::listener(64);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let _ = stream.read(&mut [0; 1_024]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
                does(stream);
            });
        }
    });
    port
}

#[test]
fn a_held_session_whose_exchange_has_no_answer_is_lost_and_counts_with_its_age() {
    let dir = tempfile::tempdir().unwrap();
    let port = answering_once(|_stream| thread::sleep(Duration::from_secs(60)));
    let toml = format!(
        "version = 1\nname = \"held\"\n[target]\nurl = \"http://127.0.0.1:{port}/\"\n\
         [protocol]\nevery = \"100ms\"\n[timeouts]\nexchange = \"300ms\"\n\
         [load]\nsessions = 2\ntotal = 2\nduration = \"3s\"\nwarmup = \"0s\"\nhold = \"2s\"\n"
    );
    fs::write(dir.path().join("held.toml"), toml).unwrap();
    let output = run(dir.path(), "run held.toml -o out.json");
    let printed = text(&output.stdout);
    let record = load(&dir.path().join("out.json")).unwrap();
    let trial = &record.cells[0].trials[0];
    assert_eq!((trial.total.ok_total(), trial.lost_while_held), (2, 2));
    assert_eq!(
        trial.lost["unanswered.first_byte"].count, 2,
        "{:?}",
        trial.lost
    );
    let exchanges = &trial.kinds[&OkKind::Tcp].histograms["exchange"];
    let histogram: LatencyHistogram = exchanges.decode().unwrap();
    assert_eq!((histogram.count(), histogram.pending()), (2, 2));
    assert!(printed.contains("(unanswered.first_byte)"), "{printed}");
}

#[test]
fn a_server_that_closes_while_the_client_thinks_is_told_by_the_next_exchange() {
    let dir = tempfile::tempdir().unwrap();
    let port = answering_once(drop);
    let (record, _) = loaded(dir.path(), port, "-n 2 -c 1 --exchanges 2 --think 200ms");
    let failed = &record.cells[0].trials[0].total.failed;
    assert_eq!(failed["eof.first_byte"].count, 2, "{failed:?}");
}

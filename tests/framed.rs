//! Framed messages against the embedded target and against servers that do not keep to their frames.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use common::{only, run, scenario, sessions_and_lost, total, unkind};
use shakedown::record::RunRecord;
use shakedown::scenario::Scenario;
use shakedown::stats::OkKind;

/// What is sent with each kind of frame.
const MESSAGES: [(&str, &str); 4] = [
    ("line", "hello"),
    (
        "mllp",
        "MSH|^~\\&|A|B|C|D|20261130||ADT^A01|42|P|2.5\rPID|1\r",
    ),
    ("fix", "8=FIX.4.4|35=A|49=BUYER|56=VENUE|98=0|108=1|"),
    ("length:2:4", "\u{2}\0\0\0\0\u{3}abc"),
];

/// A scenario whose exchanges send a message, with further keys of `[protocol]` and other sections.
fn sending((frame, message): (&str, &str), protocol: &str, rest: &str) -> Scenario {
    let mut scenario = scenario(&format!(
        "{rest}\n[protocol]\nkind = \"framed\"\nframe = \"{frame}\"\n{protocol}\n"
    ));
    scenario.protocol.data = Some(message.to_owned());
    scenario
}

#[test]
fn every_frame_is_answered_by_the_embedded_target() {
    for message in MESSAGES {
        let frame = message.0;
        let rest = "[load]\nsessions = 2\ntotal = 10\n\
                    [matrix]\nauth = [\"none\", \"server\", \"mutual\"]\ntls = [\"1.2\", \"1.3\"]";
        let record = run(sending(message, "exchanges = 3", rest));
        assert_eq!(record.cells.len(), 5, "{frame}");
        for cell in &record.cells {
            let trial = &cell.trials[0];
            assert_eq!(trial.total.ok_total(), 10, "{frame}: {:?}", trial.total);
            let kind = trial.kinds.values().next().unwrap();
            assert_eq!(kind.histograms["exchange"].count, 30, "{frame}");
        }
        for (what, difference) in &sessions_and_lost(&record)[1..] {
            assert_eq!(*difference, 0, "{frame}: {what}");
        }
    }
}

#[test]
fn a_fix_session_is_held_by_heartbeats() {
    let rest = "[load]\nsessions = 2\ntotal = 2\nduration = \"5s\"\nhold = \"2500ms\"";
    let record = run(sending(MESSAGES[2], "every = \"1s\"", rest));
    let trial = &only(&record).trials[0];
    assert_eq!((trial.total.ok_total(), trial.lost_while_held), (2, 0));
    let exchanges = trial.kinds[&OkKind::Full].histograms["exchange"].count;
    assert!((4..=6).contains(&exchanges), "{exchanges}");
}

/// Answers every message over plain TCP with what `does`.
fn server(does: fn(&mut TcpStream)) -> u16 {
    let (listener, port) = unkind::listener(64);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let _ = stream.read(&mut [0; 4_096]);
                does(&mut stream);
            });
        }
    });
    port
}

fn against(port: u16, message: (&str, &str)) -> RunRecord {
    let rest = format!(
        "[target]\nurl = \"tcp://127.0.0.1:{port}\"\n[load]\nsessions = 4\ntotal = 4\nduration = \"5s\"\n\
         [timeouts]\nconfirm = \"1500ms\"",
    );
    run(sending(message, "", &rest))
}

#[test]
fn servers_that_keep_to_no_frame_end_in_time_and_in_their_class() {
    let endless: fn(&mut TcpStream) = |stream| while stream.write_all(&[b'x'; 16_384]).is_ok() {};
    let trickling: fn(&mut TcpStream) = |stream| {
        while stream.write_all(b"\x0b").is_ok() {
            thread::sleep(Duration::from_millis(200));
        }
    };
    let half: fn(&mut TcpStream) = |stream| {
        let _ = stream.write_all(b"\x0bMSH|^~");
    };
    let oversize: fn(&mut TcpStream) = |stream| {
        let _ = stream.write_all(b"\x02\0\xff\xff\xff\xff");
        thread::sleep(Duration::from_secs(30));
    };
    let [line, mllp, fix, length] = MESSAGES;
    for (message, does, class) in [
        (line, endless, "frame.protocol"),
        (mllp, endless, "frame.protocol"),
        (fix, endless, "frame.protocol"),
        (mllp, trickling, "unanswered.confirm"),
        (mllp, half, "frame.protocol"),
        (length, oversize, "frame.protocol"),
    ] {
        let record = against(server(does), message);
        let failed = total(&record).failed;
        assert_eq!(failed.len(), 1, "{}: {failed:?}", message.0);
        assert_eq!(failed[class].count, 4, "{}: {failed:?}", message.0);
    }
}

#[test]
fn a_refusal_in_the_protocol_is_no_acceptance() {
    let refuses: fn(&mut TcpStream) = |stream| {
        let _ = stream.write_all(b"\x0bMSH|^~\\&|\rMSA|AR|42|unknown sender\r\x1c\r");
    };
    let failed = total(&against(server(refuses), MESSAGES[1])).failed;
    let rejected = &failed["frame.rejected"];
    assert_eq!(rejected.count, 4);
    assert!(rejected.example.contains("unknown sender"), "{rejected:?}");
}

//! HTTP/2 and gRPC under load, against the embedded target.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use common::{only, run, scenario, total};
use shakedown::stats::OkKind;

const PROTOCOLS: [&str; 2] = ["http2", "grpc"];

#[test]
fn every_exchange_of_every_mode_is_answered() {
    for protocol in PROTOCOLS {
        let record = run(scenario(&format!(
            "[load]\nsessions = 2\ntotal = 20\n\
             [matrix]\nauth = [\"none\", \"server\", \"mutual\"]\ntls = [\"1.2\", \"1.3\"]\n\
             [protocol]\nkind = \"{protocol}\"\nexchanges = 3\nstreams = 5\n",
        )));
        assert_eq!(record.cells.len(), 5, "{protocol}");
        for cell in &record.cells {
            let trial = &cell.trials[0];
            let name = &cell.cell.name;
            assert_eq!(trial.total.ok_total(), 20, "{protocol} {name}");
            let kinds = trial.kinds.values();
            let exchanges: u64 = kinds.map(|kind| kind.histograms["exchange"].count).sum();
            assert_eq!(exchanges, 60, "{protocol} {name}");
        }
    }
}

#[test]
fn more_requests_than_the_server_takes_at_once_wait() {
    let record = run(scenario(
        "[load]\nsessions = 2\ntotal = 4\n[protocol]\nkind = \"http2\"\nstreams = 500\nbody = \"10KiB\"\n",
    ));
    assert_eq!(total(&record).ok_total(), 4);
}

#[test]
fn bodies_have_the_length_that_they_say_where_sizes_are_drawn() {
    let record = run(scenario(
        "[load]\nsessions = 2\ntotal = 20\n\
         [protocol]\nkind = \"http2\"\nstreams = 3\nbody = { min = \"0\", max = \"3KiB\" }\n",
    ));
    // The server resets a stream whose content-length is not that of its body.
    assert_eq!(total(&record).ok_total(), 20);
}

#[test]
fn sessions_are_held() {
    for protocol in PROTOCOLS {
        let record = run(scenario(&format!(
            "[load]\nsessions = 2\ntotal = 2\nhold = \"1s\"\n\
             [protocol]\nkind = \"{protocol}\"\nevery = \"100ms\"\nstreams = 3\n",
        )));
        let trial = &only(&record).trials[0];
        assert_eq!((total(&record).ok_total(), trial.lost_while_held), (2, 0));
        let exchanges = trial.kinds[&OkKind::Full].histograms["exchange"].count;
        assert!((4..=20).contains(&exchanges), "{protocol}: {exchanges}");
    }
}

#[test]
fn h2_is_negotiated() {
    for protocol in PROTOCOLS {
        let record = run(scenario(&format!(
            "[load]\nsessions = 1\ntotal = 3\n[protocol]\nkind = \"{protocol}\"\n",
        )));
        let observed = &only(&record).trials[0].observed;
        let alpn: Vec<_> = observed.iter().map(|row| row.alpn.as_deref()).collect();
        assert_eq!(alpn, [Some("h2")], "{protocol}");
    }
}

//! A load with the identity that an agent gives.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::thread::{scope, sleep};
use std::time::Duration;

use super::agent::{Agent, ID, endpoint, svid};
use super::common::process::{serve, shakedown, text};
use super::common::{assert_accounted, only, total};
use shakedown::record::{EventRecord, RunRecord};

/// A revocation that the server is told nothing of, but whose hook says that the load has begun.
const TELLS: &str = "revoke:at=500ms,crl=lists.pem,ca=pki/intermediate.pem,ca-key=pki/intermediate.key,hook=touch began";

/// A load of 320 sessions whose identities are watched.
fn renewing() -> Vec<&'static str> {
    let load = "--rate 40/s --warmup 0s -d 8s --event renew:at=10ms --event";
    load.split(' ').chain([TELLS]).collect()
}

/// Runs a load against `serve`, without a file to verify it against; while it goes on, `meanwhile`.
fn loaded(dir: &Path, load: &[&str], meanwhile: impl FnOnce() + Send) -> RunRecord {
    let (_server, port) = serve(dir, "pki", "127.0.0.1:0");
    let url = format!("tls://localhost:{port}");
    let output: Output = scope(|threads| {
        threads.spawn(meanwhile);
        shakedown(dir)
            .args(["run", &url, "--fleet", "spiffe", "--protocol", "echo"])
            .args(["-q", "-o", "out.json", "--workers", "2"])
            .args(load)
            .env("SPIFFE_ENDPOINT_SOCKET", endpoint(dir))
            .output()
            .unwrap()
    });
    let json = fs::read(dir.join("out.json"));
    let json = json.unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    let record: RunRecord = serde_json::from_slice(&json).unwrap();
    assert_accounted(&record);
    record
}

fn renewal(record: &RunRecord) -> &EventRecord {
    &only(record).trials[0].events[0]
}

/// Waits until the load has begun, however busy the machine is.
fn wait_for_load(dir: &Path) {
    for _ in 0..3_000 {
        if dir.join("began").exists() {
            return;
        }
        sleep(Duration::from_millis(20));
    }
    panic!("no load began within a minute");
}

#[test]
fn sessions_present_what_the_agent_gives_and_trust_its_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_agent) = Agent::start(dir.path(), &svid(0, 0)) else {
        return;
    };
    let record = loaded(dir.path(), &["-n", "20", "--sessions", "2"], || {});
    assert_eq!(total(&record).ok_total(), 20, "{:?}", total(&record));
    let trial = &only(&record).trials[0];
    let names: Vec<_> = trial.identities.keys().collect();
    assert_eq!(names, [ID]);
    let fleet = trial.fleet.unwrap();
    assert_eq!((fleet.loaded, fleet.failed), (2, 0), "one each worker");
}

#[test]
fn rotation_is_taken_over_and_a_stream_that_ends_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut agent) = Agent::start(dir.path(), &svid(0, 0)) else {
        return;
    };
    let record = loaded(dir.path(), &renewing(), || {
        wait_for_load(dir.path());
        agent.tell(&svid(1, 1));
        sleep(Duration::from_millis(2_500));
        agent.tell("end");
        agent.tell(&svid(2, 2));
    });
    let event = renewal(&record);
    assert_eq!(total(&record).failed_total(), 0, "{:?}", total(&record));
    let (old, new) = (
        event.before.as_ref().unwrap(),
        event.after.as_ref().unwrap(),
    );
    assert_eq!(old.sessions.ok_total() + new.sessions.ok_total(), 320);
    assert!(
        old.sessions.ok_total() >= 20 && new.sessions.ok_total() >= 40,
        "{event:?}"
    );
    // Each of two workers has the identity, and sees each rotation.
    let changes = event.changes.as_ref().unwrap();
    assert_eq!(changes.changed, 4, "{changes:?}");
}

#[test]
fn what_is_no_pair_or_taken_away_leaves_the_old_svid_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut agent) = Agent::start(dir.path(), &svid(0, 0)) else {
        return;
    };
    let record = loaded(dir.path(), &renewing(), || {
        wait_for_load(dir.path());
        agent.tell(&svid(1, 2));
        sleep(Duration::from_millis(2_500));
        agent.tell("deny");
    });
    assert_eq!(total(&record).ok_total(), 320, "{:?}", total(&record));
    let changes = renewal(&record).changes.as_ref().unwrap();
    assert_eq!(changes.changed, 0, "{changes:?}");
    assert!(
        changes
            .refused
            .get("mismatch")
            .is_some_and(|count| *count > 0),
        "{changes:?}"
    );
}

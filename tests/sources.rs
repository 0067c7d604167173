//! Local addresses that connections are made from: the server sees them, and in turns.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::thread;

use common::process::{code, run as run_command, text};
use common::{only, run, scenario, total, try_run};
use shakedown::record::RunRecord;
use shakedown::scenario::Scenario;

/// An echo server without TLS, which says how many connections came from each address.
fn echo_server(at: &str, connections: usize) -> (u16, thread::JoinHandle<BTreeMap<IpAddr, usize>>) {
    let listener = TcpListener::bind(at).unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = |mut stream: TcpStream| {
        let mut buffer = [0; 256];
        while let Ok(n @ 1..) = stream.read(&mut buffer) {
            stream.write_all(&buffer[..n]).unwrap();
        }
    };
    let handle = thread::spawn(move || {
        let mut seen = BTreeMap::new();
        for _ in 0..connections {
            let (stream, peer) = listener.accept().unwrap();
            *seen.entry(peer.ip()).or_default() += 1;
            thread::spawn(move || serve(stream));
        }
        seen
    });
    (port, handle)
}

fn plan(url: &str, sources: &str, load: &str) -> Scenario {
    let mut plan = scenario(&format!(
        "[protocol]\nkind = \"echo\"\n[load]\nwarmup = \"0s\"\n{load}\n\
         [workers]\ncount = 2\nsource = [{sources}]\n"
    ));
    plan.target.url = Some(url.to_owned());
    plan
}

fn seen(all: &[(&str, usize)]) -> BTreeMap<IpAddr, usize> {
    all.iter()
        .map(|(ip, count)| (ip.parse().unwrap(), *count))
        .collect()
}

#[test]
fn the_server_sees_the_sources_in_turns() {
    for (sources, load, expected) in [
        (
            "\"127.0.0.2\", \"127.0.0.3\"",
            "sessions = 2\ntotal = 20",
            &[("127.0.0.2", 10), ("127.0.0.3", 10)][..],
        ),
        (
            "\"127.0.9.0/29\"",
            "rate = \"60/s\"\nduration = \"1s\"",
            &[
                ("127.0.9.1", 10),
                ("127.0.9.2", 10),
                ("127.0.9.3", 10),
                ("127.0.9.4", 10),
                ("127.0.9.5", 10),
                ("127.0.9.6", 10),
            ],
        ),
        (
            "\"127.0.0.9\"",
            "sessions = 1\ntotal = 3",
            &[("127.0.0.9", 3)],
        ),
    ] {
        let expected = seen(expected);
        let (port, server) = echo_server("127.0.0.1:0", expected.values().sum());
        let record = run(plan(&format!("tcp://127.0.0.1:{port}"), sources, load));
        assert_eq!(
            total(&record).ok_total(),
            expected.values().sum::<usize>() as u64
        );
        assert_eq!(server.join().unwrap(), expected);
        let names: Vec<String> = expected.keys().map(ToString::to_string).collect();
        assert_eq!(record.plan.sources, names);
    }
}

#[test]
fn a_source_of_ipv6_reaches_the_name_by_ipv6() {
    let (port, server) = echo_server("[::1]:0", 4);
    let mut plan = plan(
        &format!("tcp://localhost:{port}"),
        "\"::1\"",
        "sessions = 1\ntotal = 4",
    );
    plan.target.resolve = vec![format!("localhost:{port}:127.0.0.1,::1")];
    let record = run(plan);
    assert_eq!(server.join().unwrap(), seen(&[("::1", 4)]));
    assert_eq!(only(&record).address, format!("[::1]:{port}"));
}

#[test]
fn every_pair_of_source_and_target_address_is_used() {
    let listeners = ["127.0.0.1", "127.0.0.2"];
    let (port, first) = echo_server(&format!("{}:0", listeners[0]), 8);
    let (_, second) = echo_server(&format!("{}:{port}", listeners[1]), 8);
    let mut plan = plan(
        &format!("tcp://localhost:{port}"),
        "\"127.0.0.4-127.0.0.5\"",
        "sessions = 1\ntotal = 16",
    );
    plan.target.resolve = vec![format!("localhost:{port}:127.0.0.1,127.0.0.2")];
    plan.target.all_addresses = true;
    plan.workers.count = Some(1);
    run(plan);
    let expected = seen(&[("127.0.0.4", 4), ("127.0.0.5", 4)]);
    assert_eq!(first.join().unwrap(), expected);
    assert_eq!(second.join().unwrap(), expected);
}

#[test]
fn sources_that_cannot_be_are_refused_before_any_load() {
    let refused = |url: &str, sources: &str, change: fn(&mut Scenario)| {
        let mut plan = plan(url, sources, "sessions = 1\ntotal = 1");
        change(&mut plan);
        try_run(plan).unwrap_err().to_string()
    };
    let nothing = |_: &mut Scenario| ();
    let both = |plan: &mut Scenario| {
        plan.target.resolve = vec!["h:1:127.0.0.1,::1".to_owned()];
        plan.target.all_addresses = true;
    };
    for (url, sources, change, part) in [
        (
            "tcp://127.0.0.1:1",
            "\"127.0.0.2\", \"192.0.2.7\"",
            nothing as fn(&mut Scenario),
            "no connection can be made from 192.0.2.7: ",
        ),
        (
            "tcp://127.0.0.1:1",
            "\"::1\"",
            nothing,
            "nothing is connected to from ::1, as the target is 127.0.0.1;",
        ),
        (
            "tcp://[::1]:1",
            "\"127.0.0.2\"",
            nothing,
            "nothing is connected to from 127.0.0.2",
        ),
        (
            "tcp://h:1",
            "\"127.0.0.2\"",
            both,
            "none is of the family of [::1]:1",
        ),
    ] {
        let error = refused(url, sources, change);
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn the_flag_takes_several_and_a_proxy_sees_them() {
    let dir = tempfile::tempdir().unwrap();
    let plan = |flags: &str| run_command(dir.path(), &format!("run {flags} --dry-run"));
    let output = plan("--auth none --source 127.0.0.2,127.0.0.3 --source 127.0.1.0/30");
    let stdout = text(&output.stdout);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(
        stdout.contains("sources   127.0.0.2 to 127.0.1.2, 4 in turns\n"),
        "{stdout}"
    );
    let shards = text(&plan("--auth none --rate 9/s --plan-shards=100ms").stdout);
    assert!(shards.contains("9/s × 100000 µs"), "{shards}");
    // What connects to the proxy is connected from there.
    let (port, proxy) = echo_server("127.0.0.1:0", 1);
    let flags = format!(
        "run tls://127.0.0.1:9 -k --proxy 127.0.0.1:{port} --source 127.0.0.5 -n 1 -c 1 -o r.json"
    );
    run_command(dir.path(), &flags);
    assert_eq!(proxy.join().unwrap(), seen(&[("127.0.0.5", 1)]));
    let text = std::fs::read_to_string(dir.path().join("r.json")).unwrap();
    let record: RunRecord = serde_json::from_str(&text).unwrap();
    assert_eq!(record.plan.sources, ["127.0.0.5"]);
}

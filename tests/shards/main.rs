//! Shards that are one run: what several processes' parts merge to is what one machine with as many workers does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod merging;

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use common::process::{Running, serve};
use common::{against, assert_accounted, only, pki_in, scenario};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use shakedown::clock::ClockState;
use shakedown::load::Interrupt;
use shakedown::merge::Merge;
use shakedown::record::RunRecord;
use shakedown::runner::prepare_part;
use shakedown::scenario::Scenario;
use shakedown::shard::Shard;
use shakedown::stats::Metric;
use tokio::sync::watch;

/// Until shards begin, so that all are there.
const LEAD: Duration = Duration::from_millis(400);

/// One shard of a run that begins at `start`.
fn run_shard(scenario: Scenario, shard: Shard, start: SystemTime) -> RunRecord {
    let (_sender, control) = watch::channel(Interrupt::None);
    let checked = scenario.check("test", "").unwrap_or_else(|e| panic!("{e}"));
    let prepared = prepare_part(checked, shard).unwrap_or_else(|e| panic!("{e}"));
    let part = prepared.part().begins(start, ClockState::default());
    let record = prepared.run_part(Some(part), vec!["test".to_owned()], &control, &mut |_| {});
    let record = record.unwrap_or_else(|e| panic!("{e}"));
    assert_accounted(&record);
    record
}

/// All shards of a run, at the same time.
fn run_shards(scenario: &Scenario, of: u32) -> Vec<RunRecord> {
    let start = SystemTime::now() + LEAD;
    let each = (0..of).map(|index| {
        let (scenario, shard) = (scenario.clone(), Shard { index, of });
        thread::spawn(move || run_shard(scenario, shard, start))
    });
    let each: Vec<_> = each.collect();
    each.into_iter().map(|t| t.join().unwrap()).collect()
}

fn merged(records: impl IntoIterator<Item = RunRecord>) -> RunRecord {
    let mut merge = Merge::default();
    for (index, record) in records.into_iter().enumerate() {
        merge.add(&format!("{index}.json"), record).unwrap();
    }
    let merged = merge.finish().unwrap();
    assert_accounted(&merged);
    merged
}

/// What has to be the same, however many machines there are.
fn counts(record: &RunRecord) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (index, trial) in only(record).trials.iter().enumerate() {
        let mut note = |what: &str, count| counts.insert(format!("{index} {what}"), count);
        for (phase, of) in [("total", &trial.total), ("measured", &trial.measured)] {
            note(&format!("{phase} scheduled"), of.scheduled);
            note(&format!("{phase} started"), of.started);
            note(&format!("{phase} ok"), of.ok_total());
            note(&format!("{phase} failed"), of.failed_total());
        }
        for (name, of) in trial.identities.iter().chain(&trial.addresses) {
            note(&format!("{name} started"), of.started);
            note(&format!("{name} failed"), of.failed_total());
        }
        note(
            "seconds",
            trial.timeline.iter().map(|row| row.started).sum(),
        );
        let latency = trial.histogram(Metric::Latency).unwrap();
        note("latencies", latency.count() + latency.overflow());
        if let Some(resumption) = trial.resumption {
            note("to be resumed", resumption.planned);
        }
        if let Some(fleet) = trial.fleet {
            note("identities loaded", fleet.loaded);
            note("loaded already", fleet.hits);
        }
    }
    for (index, of) in record.expectations.iter().enumerate() {
        counts.insert(format!("expectation {index} accepted"), of.accepted);
        counts.insert(
            format!("expectation {index} met"),
            u64::from(of.verdict.fails()),
        );
    }
    counts
}

/// The scenario of a load against a server with the certificates of a folder.
fn of_load(dir: &Path, port: u16, workers: usize, sections: &str) -> Scenario {
    let sections = sections.replace("PKI", dir.join("pki").to_str().unwrap());
    let scenario = scenario(&format!(
        "[protocol]\nkind = \"echo\"\n[workers]\ncount = {workers}\n{sections}\n"
    ));
    let alone = scenario.identities.is_empty() && scenario.fleet.is_none();
    let pki = dir.join("pki");
    let url = format!("tls://localhost:{port}");
    against(scenario, &url, &pki, alone.then_some(&*pki))
}

/// One identity that is accepted and one that is not.
const MIX: &str = "[[identities]]\nname = \"good\"\nshare = 3\n\
     cert = \"PKI/client-0.pem\"\nkey = \"PKI/client-0.key\"\n\
     [[identities]]\nname = \"bare\"\nfault = \"none\"\n";

/// Loads of every kind that has a known number of sessions.
const LOADS: [&str; 8] = [
    "[load]\nrate = \"90/s\"\nwarmup = \"200ms\"\nduration = \"1s\"",
    "[load]\nrate = \"90/s\"\narrivals = \"poisson\"\nwarmup = \"200ms\"\nduration = \"800ms\"\n[trials]\ncount = 2",
    "[load]\nrate = \"200/s\"\ntotal = 101\nwarmup = \"100ms\"\nduration = \"2s\"",
    "[load]\nsessions = 17\ntotal = 203\nwarmup = \"0s\"\nduration = \"5s\"",
    "[load]\nrate = \"100/s\"\nwarmup = \"0s\"\nduration = \"1s\"\n[resumption]\nmode = \"ticket\"\n[matrix]\nresumed = [0.5]",
    "[load]\nrate = \"120/s\"\nwarmup = \"0s\"\nduration = \"1s\"\n\
     [fleet]\nmint = { count = 40, ca = \"PKI/root.pem\", ca-key = \"PKI/root.key\" }",
    "[load]\nrate = \"120/s\"\nwarmup = \"0s\"\nduration = \"1s\"\nMIX",
    "[load]\nrate = \"60/s\"\nwarmup = \"0s\"\nduration = \"1s\"\nhold = \"300ms\"\n\
     BOTH",
];

/// A server, and one with the same certificates on another address and the same port.
struct Servers {
    dir: tempfile::TempDir,
    port: u16,
    _both: [Running; 2],
}

impl Servers {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        pki_in(&dir.path().join("pki"));
        let (first, port) = serve(dir.path(), "pki", "127.0.0.1:0");
        let (second, _) = serve(dir.path(), "pki", &format!("127.0.0.2:{port}"));
        Self {
            dir,
            port,
            _both: [first, second],
        }
    }

    fn load(&self, sections: &str, workers: usize) -> Scenario {
        let both = sections.contains("BOTH");
        let sections = sections.replace("MIX", MIX).replace("BOTH", "");
        let mut scenario = of_load(self.dir.path(), self.port, workers, &sections);
        if both {
            scenario.target.all_addresses = true;
            scenario.target.resolve = vec![format!("localhost:{}:127.0.0.1,127.0.0.2", self.port)];
        }
        scenario
    }
}

/// The result of all shards, which is the same in whatever order and groups they are merged.
fn in_any_order(shards: &[RunRecord]) -> RunRecord {
    let all = merged(shards.iter().cloned());
    assert!(
        all == merged(shards.iter().rev().cloned()),
        "in another order"
    );
    let (some, others) = shards.split_at(1);
    let parts = [others, some].map(|part| merged(part.iter().cloned()));
    assert!(!parts[0].validity.complete && common::reasons(&parts[0]).contains(&"shards-missing"));
    // As files keep them.
    let parts = parts.map(|part| {
        let text = serde_json::to_string(&part).unwrap();
        serde_json::from_str::<RunRecord>(&text).unwrap()
    });
    assert!(all == merged(parts), "in groups");
    all
}

#[test]
fn shards_are_one_run() {
    let servers = Servers::start();
    let mut runner = TestRunner::new(Config {
        cases: 10,
        failure_persistence: None,
        ..Config::default()
    });
    let mut seen = BTreeMap::new();
    // Each kind of load at least once, then any.
    let mut next = 0..LOADS.len();
    let strategy = (0..LOADS.len(), 2u32..5, 1usize..4);
    let cases = std::cell::RefCell::new(&mut seen);
    let next = std::cell::RefCell::new(&mut next);
    runner
        .run(&strategy, |(any, of, workers)| {
            let load = next.borrow_mut().next().unwrap_or(any);
            let single = servers.load(LOADS[load], of as usize * workers);
            let single = run_shard(single, Shard::WHOLE, SystemTime::now() + LEAD);
            let shards = run_shards(&servers.load(LOADS[load], workers), of);
            let merged = in_any_order(&shards);
            prop_assert_eq!(counts(&merged), counts(&single), "{}", LOADS[load]);
            prop_assert!(merged.validity.complete);
            *cases.borrow_mut().entry(load).or_insert(0) += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(seen.len(), LOADS.len());
}

//! What may be merged, what it says of clocks, hosts and slow shards, and who refuses a part.

use std::fs;
use std::time::SystemTime;

use shakedown::merge::{Merge, MergeError};
use shakedown::record::RunRecord;

use crate::common::process::{code, run, text};
use crate::common::{reasons, scenario};
use crate::{LEAD, merged, run_shard, run_shards};
use shakedown::shard::Shard;

/// Shards of a short run, each against a target of its own.
fn short(of: u32) -> Vec<RunRecord> {
    let load = "[workers]\ncount = 1\n[load]\nrate = \"40/s\"\nwarmup = \"0s\"\nduration = \"500ms\"\n\
                [matrix]\nauth = [\"mutual\"]\n";
    run_shards(&scenario(load), of)
}

fn codes(record: &RunRecord) -> Vec<&str> {
    record.warnings.iter().map(|note| &*note.code).collect()
}

fn refused(records: &[RunRecord]) -> String {
    let mut merge = Merge::default();
    for (index, record) in records.iter().enumerate() {
        if let Err(error) = merge.add(&format!("{index}.json"), record.clone()) {
            return error.to_string();
        }
    }
    panic!("they merge");
}

type Change = fn(&mut RunRecord);

#[test]
fn only_the_shards_of_one_run_merge() {
    let shards = short(3);
    let with = |change: &dyn Fn(&mut RunRecord)| {
        let mut changed = shards.clone();
        change(&mut changed[2]);
        refused(&changed)
    };
    let changes: [(&str, Change); 9] = [
        ("the number of shards", |r| part(r).shard.of = 4),
        ("the plan", |r| part(r).plan_sha256.push('0')),
        ("the number of workers", |r| part(r).workers = 2),
        ("the start", |r| part(r).start_unix_ns += 1),
        ("trials' beginnings", |r| part(r).slot_ns += 1),
        ("the build", |r| r.build.git_revision.push('x')),
        ("the scenario", |r| r.plan.scenario.timeouts.close.0 *= 2),
        ("the number of cells", |r| r.cells.clear()),
        ("negotiate", |r| {
            r.cells[0].pins.group = Some("x".to_owned());
        }),
    ];
    for (what, change) in changes {
        let said = with(&change);
        assert!(
            said.contains(what) && said.contains("2.json"),
            "{what}: {said}"
        );
    }
    let said = with(&|r| part(r).shard.index = 1);
    assert!(said.contains("both have shard 1"), "{said}");
    let said = with(&|r| r.shard = None);
    assert!(
        said.contains("2.json is the result of a whole run"),
        "{said}"
    );
    let said = with(&|r| {
        let kind = r.cells[0].trials[0].kinds.values_mut().next().unwrap();
        let stored = kind.histograms.values_mut().next().unwrap();
        stored.hdr_v2_deflate.truncate(9);
    });
    assert!(
        said.contains("2.json") && said.contains("damaged"),
        "{said}"
    );
    assert!(matches!(
        Merge::default().finish(),
        Err(MergeError::Nothing)
    ));
}

fn part(record: &mut RunRecord) -> &mut shakedown::record::ShardRecord {
    record.shard.as_mut().unwrap()
}

#[test]
fn a_clock_2_s_off_is_no_common_run() {
    let mut shards = short(2);
    for (shard, offset) in shards.iter_mut().zip([0, 2_000_000_000]) {
        part(shard).clock.offset_ns = Some(offset);
        part(shard).clock.offset_error_ns = Some(1_000_000);
    }
    let apart = merged(shards.clone());
    assert!(
        reasons(&apart).contains(&"shards-unaligned"),
        "{:?}",
        reasons(&apart)
    );
    // Where the place's clock counts in seconds, no more is known.
    part(&mut shards[1]).clock.offset_ns = Some(900_000_000);
    part(&mut shards[1]).clock.offset_error_ns = Some(500_000_000);
    let unsure = merged(shards.clone());
    assert!(!reasons(&unsure).contains(&"shards-unaligned"));
    part(&mut shards[0]).clock.synchronised = Some(false);
    part(&mut shards[1]).clock.synchronised = Some(true);
    shards[0].warnings.clear();
    shards[1].warnings.clear();
    assert!(!codes(&merged(shards)).contains(&"clocks-unsynchronised"));
}

#[test]
fn hosts_cores_and_slow_shards_are_pointed_out() {
    let mut shards = short(4);
    let shared = merged(shards.clone());
    assert!(
        codes(&shared).contains(&"cores-shared"),
        "{:?}",
        codes(&shared)
    );
    assert_eq!(shared.hosts.len(), 1);
    for (index, shard) in (0u64..).zip(&mut shards) {
        part(shard).host = Some(index.to_string());
    }
    shards[3].environment.cpu = Some("Another CPU".to_owned());
    // Its latencies are those of a shard ten times as slow.
    let mut slow = shakedown::stats::LatencyHistogram::new();
    (0..20).for_each(|_| slow.record(1_000_000_000));
    for kind in shards[3].cells[0].trials[0].kinds.values_mut() {
        let stored = shakedown::record::HistogramRecord::of(&slow).unwrap();
        kind.histograms.insert("latency".to_owned(), stored);
    }
    let merged = merged(shards);
    let all = codes(&merged);
    assert!(!all.contains(&"cores-shared"), "{all:?}");
    let note = |code: &str| {
        let note = merged.warnings.iter().find(|note| note.code == code);
        note.unwrap_or_else(|| panic!("{code}: {all:?}"))
            .message
            .clone()
    };
    assert!(
        note("hosts-differ").contains("(shard 3)"),
        "{}",
        note("hosts-differ")
    );
    assert!(
        note("shard-outlier").contains("shard 3"),
        "{}",
        note("shard-outlier")
    );
    assert_eq!(merged.hosts.len(), 2);
    assert_eq!(merged.hosts[1].shards, [3]);
}

#[test]
fn a_part_is_no_result_to_report_compare_or_gate() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    let shards = short(2);
    let write = |name: &str, record: &RunRecord| {
        let text = serde_json::to_string(record).unwrap();
        fs::write(here.join(name), text).unwrap();
    };
    for (index, shard) in shards.iter().enumerate() {
        write(&format!("{index}.json"), shard);
    }
    let whole = run_shard(
        scenario("[load]\nsessions = 1\ntotal = 20\n"),
        Shard::WHOLE,
        SystemTime::now() + LEAD,
    );
    write(
        "whole.json",
        &RunRecord {
            shard: None,
            ..whole
        },
    );
    for args in [
        "report 1.json",
        "report 1.json -f html",
        "compare 1.json whole.json",
        "compare whole.json 1.json",
        "gate 1.json",
        "baseline record 1.json",
    ] {
        let output = run(here, args);
        let error = text(&output.stderr);
        assert_eq!(code(&output), 104, "{args}: {error}");
        assert!(
            error.contains("1.json is shard 1 of 2; merge all shards first"),
            "{args}: {error}"
        );
    }
    let output = run(here, "merge 0.json 1.json -o merged.json");
    assert!(
        [0, 106].contains(&code(&output)),
        "{}",
        text(&output.stderr)
    );
    for args in [
        "report merged.json",
        "report merged.json -f html",
        "report merged.json -f markdown",
    ] {
        let output = run(here, args);
        assert_eq!(code(&output), 0, "{args}: {}", text(&output.stderr));
        assert!(
            text(&output.stdout).contains("2 shards of 1 worker"),
            "{args}"
        );
    }
    // A rate that no part of it had.
    let policy =
        |least: u32| format!("version = 1\n[thresholds]\nthroughput = [\"value>{least}\"]\n");
    fs::write(here.join("met.toml"), policy(30)).unwrap();
    fs::write(here.join("unmet.toml"), policy(50)).unwrap();
    for (file, status) in [("met.toml", 0), ("unmet.toml", 99)] {
        let output = run(here, &format!("gate merged.json --policy {file}"));
        assert_eq!(
            code(&output),
            status,
            "{file}: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
    }
    for (args, status) in [
        ("merge nothing.json", 104),
        ("merge whole.json", 104),
        ("merge . -o m.json", 104),
    ] {
        let output = run(here, args);
        assert_eq!(code(&output), status, "{args}: {}", text(&output.stderr));
    }
    assert!(!here.join("m.json").exists(), "nothing is written");
}

#[test]
fn how_each_field_is_merged_is_documented() {
    let schema: serde_json::Value =
        serde_json::from_str(&shakedown::record::json_schema()).unwrap();
    let text = include_str!("../../docs/results.md");
    let (_, section) = text.split_once("## Merged results").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let fields = |of: &str| -> Vec<String> {
        let properties = schema["$defs"][of]["properties"].as_object().unwrap();
        properties.keys().cloned().collect()
    };
    let run = schema["properties"].as_object().unwrap().keys().cloned();
    let missing: Vec<String> = (fields("TrialRecord").into_iter().chain(run))
        .filter(|field| !section.contains(&format!("`{field}`")))
        .collect();
    assert_eq!(missing, ["cells"], "docs/results.md, Merged results");
}

//! `shakedown ab` as people and CI use it: two sides in turns, the verdict, its exit code, and what
//! it says where a side cannot be run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::process::{Running, code, run, shakedown, text, wait_for_stderr};
use shakedown::record::{Comparison, UnitKind, Verdict};
use shakedown::store;

/// Gates bytes alone: they do not depend on how busy the machine is, and certificates are not small.
const BYTES: &str = "version = 1\n[allowed]\nbytes-out = \"20%\"\n[required]\nsamples = 40\n";
/// Blocks of twenty sessions. A machine as busy as a test run makes runs invalid; here that does not matter.
const TINY: &str = "--max-rounds 2 --policy bytes.toml --despite validity -o out.json -- -n 20 --warmup 0s --sessions 1";
/// One cell.
const MUTUAL: &str = "--auth mutual --resumption off";

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("bytes.toml"), BYTES).unwrap();
    dir
}

/// Runs `shakedown ab` with what is said, and reads the comparison.
fn ab(dir: &Path, args: &str, expected: i32) -> (Comparison, String) {
    let output = run(dir, &format!("ab {args}"));
    let stderr = text(&output.stderr);
    assert_eq!(code(&output), expected, "{args}: {stderr}");
    let comparison = store::load_comparison(&dir.join("out.json")).unwrap();
    (comparison, stderr)
}

/// What it said, after checking that it failed with `expected` and wrote nothing.
fn failure(dir: &Path, args: &str, expected: i32) -> String {
    let output = run(dir, &format!("ab {args}"));
    let stderr = text(&output.stderr);
    assert_eq!(code(&output), expected, "{args}: {stderr}");
    assert!(!dir.join("out.json").exists());
    stderr
}

/// The estimated ratio of bytes sent.
fn bytes_out(comparison: &Comparison) -> f64 {
    let figures = comparison.cells.iter().flat_map(|cell| &cell.figures);
    let mut bytes = figures.filter(|figure| figure.figure == "bytes-out");
    bytes.next().unwrap().effect.unwrap().estimate
}

#[test]
fn a_build_against_itself_passes_with_a_control_beside_it() {
    let dir = folder();
    let (comparison, stderr) = ab(dir.path(), &format!("{TINY} {MUTUAL}"), 0);
    assert_eq!(comparison.verdict, Verdict::Pass);
    assert_eq!(comparison.unit, UnitKind::Round);
    let blocks = comparison.blocks.as_ref().unwrap();
    assert_eq!((blocks.rounds, blocks.rounds_max, blocks.looks), (2, 2, 1));
    // Two rounds with two blocks of each side.
    assert_eq!(comparison.candidate.results, 4);
    for cells in [&comparison.cells, &comparison.control] {
        let bytes = cells[0].figures.iter().find(|f| f.figure == "bytes-out");
        let bytes = bytes.unwrap();
        assert_eq!((bytes.verdict, bytes.gated), (Some(Verdict::Pass), true));
        assert_eq!(bytes.rounds.len(), 2);
    }
    assert!(stderr.contains("round 2/2"), "{stderr}");
}

#[test]
fn a_candidate_that_sends_far_more_regresses() {
    let dir = folder();
    for (name, keys) in [("old.toml", "p256"), ("new.toml", "p256+rsa2048")] {
        let scenario = format!(
            "version = 1\nname = \"keys\"\n[target.embedded]\nkey = \"{keys}\"\n[matrix]\nauth = [\"mutual\"]\n"
        );
        fs::write(dir.path().join(name), scenario).unwrap();
    }
    let (comparison, _) = ab(dir.path(), &format!("old.toml new.toml {TINY}"), 99);
    assert_eq!(comparison.verdict, Verdict::Regress);
    assert_eq!(comparison.reasons[0].code, "regressed");
    assert!(bytes_out(&comparison) > 1.2);
    assert!(
        comparison
            .baseline
            .unwrap()
            .source
            .ends_with("run old.toml")
    );
    assert!(comparison.candidate.source.ends_with("run new.toml"));
    assert!(
        comparison
            .notes
            .iter()
            .any(|note| note.code == "other-plan" && !note.advice.contains("shakedown ab"))
    );
}

#[test]
fn two_providers_are_compared_cell_by_cell() {
    let dir = folder();
    let args = format!("--baseline-provider aws-lc-rs --candidate-provider ring {TINY} {MUTUAL}");
    let (comparison, _) = ab(dir.path(), &args, 0);
    assert_eq!(comparison.cells.len(), 1);
    assert!(comparison.missing.is_empty() && comparison.new.is_empty());
    assert!(comparison.candidate.source.ends_with("run --provider ring"));
}

#[test]
fn an_interrupt_keeps_whole_rounds_and_decides_nothing() {
    let dir = folder();
    let start = |until: &str| {
        let mut command = shakedown(dir.path());
        let args = format!("ab {TINY} {MUTUAL}").replace("rounds 2", "rounds 1000");
        command.args(args.split(' '));
        let mut running = Running::start(command);
        wait_for_stderr(&mut running, until);
        running.signal("INT");
        running.wait_with_stderr()
    };
    let (code, _, stderr) = start("at most 1000 rounds");
    assert_eq!(code, 105, "{stderr}");
    assert!(stderr.contains("nothing to judge"), "{stderr}");
    assert!(!dir.path().join("out.json").exists());
    let (code, stdout, stderr) = start("round 1/1000");
    assert_eq!(code, 105, "{stdout}{stderr}");
    let comparison = store::load_comparison(&dir.path().join("out.json")).unwrap();
    assert_eq!(comparison.verdict, Verdict::Invalid);
    assert_eq!(comparison.reasons[0].code, "interrupted");
    assert!(comparison.blocks.unwrap().rounds >= 1);
}

#[test]
fn a_build_that_cannot_be_run_or_read_is_named_with_what_to_do() {
    let dir = folder();
    let stderr = failure(
        dir.path(),
        &format!("--baseline-bin /nowhere/shakedown {TINY} {MUTUAL}"),
        104,
    );
    assert!(
        stderr.contains("cannot run /nowhere/shakedown") && stderr.contains("name a build"),
        "{stderr}"
    );
    let newer = dir.path().join("newer");
    let script = "#!/bin/sh\nfor last; do :; done\necho '{\"schema\": 99}' > \"$last\"\n";
    fs::write(&newer, script).unwrap();
    fs::set_permissions(&newer, fs::Permissions::from_mode(0o755)).unwrap();
    let stderr = failure(
        dir.path(),
        &format!("--candidate-bin ./newer --seed 1 {TINY} {MUTUAL}"),
        104,
    );
    assert!(
        stderr.contains("./newer") && stderr.contains("schema version 99"),
        "{stderr}"
    );
}

#[test]
fn runs_that_are_all_invalid_end_early_with_their_reason() {
    let dir = folder();
    let args = "tcp://127.0.0.1:1 --block 150ms -o out.json -- --sessions 1";
    let stderr = failure(dir.path(), args, 106);
    assert!(stderr.contains("nothing-confirmed: 3 rounds"), "{stderr}");
}

#[test]
fn flags_that_make_no_sense_together_are_refused_before_anything_runs() {
    let dir = folder();
    let stderr = failure(dir.path(), "--block 300ms", 2);
    assert!(stderr.contains("less than 100 ms"), "{stderr}");
    let stderr = failure(dir.path(), "--block 1s -- -n 10", 2);
    assert!(stderr.contains("--block has no effect"), "{stderr}");
    for (flags, told) in [
        ("--no-such-flag", "--no-such-flag"),
        ("-o out.json", "--output <FILE>"),
        ("--duration 1s", "--duration <TIME>"),
        ("--dry-run", "--dry-run"),
    ] {
        let stderr = failure(dir.path(), &format!("-- {flags}"), 2);
        assert!(stderr.contains(told), "{stderr}");
    }
    failure(dir.path(), "missing.toml", 104);
    failure(dir.path(), "--policy missing.toml", 104);
}

//! Comparing and gating as CI uses them: every exit code, every format, and what is refused. Results are
//! made from a fixture by scaling what was measured, so no test waits for a run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

#[path = "../common/mod.rs"]
mod common;
mod gate;
mod made_up;

use std::fs;
use std::path::Path;

use common::process::{code, run, text};
use made_up::{result, write};
use shakedown::record::{self, Verdict};
use shakedown::store;

/// A folder with a baseline and candidates that are as much slower or faster as their names say.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, factor) in [
        ("base.json", 1.0),
        ("same.json", 1.0),
        ("slower.json", 1.08),
        ("faster.json", 0.92),
        ("edge.json", 1.02),
    ] {
        write(dir.path(), name, &result(factor));
    }
    let cpu = "version = 1\n[allowed]\nclient-cpu = \"2%\"\n";
    fs::write(dir.path().join("cpu.toml"), cpu).unwrap();
    dir
}

/// Runs the command, checks its exit code, and returns what it printed to stdout and stderr.
fn ran(dir: &Path, args: &str, expected: i32) -> (String, String) {
    let output = run(dir, args);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(code(&output), expected, "{args}: {stdout}{stderr}");
    (stdout, stderr)
}

#[test]
fn exit_codes_say_the_verdict() {
    let dir = folder();
    for (candidate, expected, verdict) in [
        ("same", 0, "PASS: "),
        ("faster", 0, "IMPROVE: "),
        ("slower", 99, "REGRESS: "),
        ("edge", 106, "INCONCLUSIVE: "),
    ] {
        let args = format!("compare base.json {candidate}.json --policy cpu.toml");
        let (stdout, _) = ran(dir.path(), &args, expected);
        assert!(stdout.contains(verdict), "{stdout}");
        assert!(stdout.contains("note not-interleaved"), "{stdout}");
    }
}

#[test]
fn a_comparison_is_a_file_that_is_reported_again_and_fits_its_schema() {
    let dir = folder();
    let here = dir.path();
    let args = "compare base.json slower.json --policy cpu.toml -o out/made.json";
    let (stdout, stderr) = ran(here, args, 99);
    assert!(stderr.contains("saved to out/made.json"), "{stderr}");
    let (again, _) = ran(here, "report out/made.json", 0);
    assert_eq!(again, stdout);
    let args = "compare base.json slower.json --policy cpu.toml --markdown out/made.md";
    ran(here, args, 99);
    let (markdown, _) = ran(here, "report out/made.json --format markdown", 0);
    assert_eq!(
        markdown,
        fs::read_to_string(here.join("out/made.md")).unwrap()
    );
    let args = "compare base.json slower.json --policy cpu.toml --html out/made.html";
    ran(here, args, 99);
    let (html, _) = ran(here, "report out/made.json --format html", 0);
    assert_eq!(
        html,
        fs::read_to_string(here.join("out/made.html")).unwrap()
    );
    assert!(html.contains("REGRESS") && html.contains("<svg"), "{html}");
    for args in [
        "report out/made.json --format csv",
        "report out/made.json base.json -f html",
    ] {
        let (_, stderr) = ran(here, args, 2);
        assert!(stderr.contains("by themselves in HTML"), "{stderr}");
    }
    let args = "compare base.json slower.json --policy cpu.toml --json";
    let (json, _) = ran(here, args, 99);
    assert_eq!(
        json,
        fs::read_to_string(here.join("out/made.json")).unwrap()
    );
    let kept = store::load_comparison(&here.join("out/made.json")).unwrap();
    assert_eq!(kept.verdict, Verdict::Regress);
    let schema = serde_json::from_str(&record::comparison_schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut value = serde_json::from_str(&json).unwrap();
    assert!(validator.is_valid(&value));
    value["cells"][0]["figures"][0]["gated"] = "perhaps".into();
    assert!(!validator.is_valid(&value));
}

#[test]
fn a_page_of_several_results_holds_each_against_the_first() {
    let dir = folder();
    let (page, _) = ran(
        dir.path(),
        "report base.json slower.json faster.json -f html",
        0,
    );
    for part in [
        "What sets these 3 results apart?",
        "1 base.json: valid",
        "3 faster.json: valid",
        "client-cpu, 2: 1.080× [1.074 … 1.087] worse",
        "client-cpu, 3: 0.920× [",
        "2 slower.json, 3 faster.json: not-interleaved",
        "tls: confirm by percentile",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    // Two cells: the effects of each, and their confirm and latency with a line for each result.
    assert_eq!(page.matches("<svg ").count(), 2 + 2 * 2);
    for series in ["s0", "s1", "s2"] {
        let lines = page
            .matches(&format!("<polyline class=\"l {series}\""))
            .count();
        assert_eq!(lines, 4, "{series}");
    }
}

#[test]
fn a_page_shows_an_invalid_result_and_does_not_compare_it() {
    let dir = folder();
    let mut invalid = result(1.5);
    invalid.validity.valid = false;
    write(dir.path(), "invalid.json", &invalid);
    let (page, _) = ran(dir.path(), "report base.json invalid.json -f html", 0);
    assert!(page.contains("2 invalid.json: INVALID"), "{page}");
    assert!(
        page.contains("2 invalid.json: not compared: invalid-run"),
        "{page}"
    );
    assert!(!page.contains("client-cpu"), "{page}");
}

#[test]
fn the_schema_of_comparisons_in_docs_is_the_codes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/comparison.schema.json");
    if std::env::var_os("SHAKEDOWN_UPDATE").is_some() {
        fs::write(&path, record::comparison_schema()).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == record::comparison_schema(),
        "docs/comparison.schema.json is out of date; run SHAKEDOWN_UPDATE=1 cargo test --test compare"
    );
}

#[test]
fn folders_are_sides_and_five_results_are_units() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..5 {
        let factor = 1.0 + 0.002 * f64::from(number);
        write(
            &dir.path().join("a"),
            &format!("{number}.json"),
            &result(factor),
        );
        write(
            &dir.path().join("b"),
            &format!("{number}.json"),
            &result(factor * 1.1),
        );
    }
    let (stdout, _) = ran(dir.path(), "compare a b", 99);
    assert!(stdout.contains("a unit is a run"), "{stdout}");
    assert!(stdout.contains("5 results from"), "{stdout}");
    fs::create_dir(dir.path().join("none")).unwrap();
    let (_, stderr) = ran(dir.path(), "compare a none", 104);
    assert!(stderr.contains("no result file"), "{stderr}");
}

#[test]
fn what_differs_is_refused_with_the_way_out() {
    let dir = folder();
    let here = dir.path();
    let mut other = result(1.0);
    other.environment.cpu = Some("Another CPU".to_owned());
    write(here, "host.json", &other);
    let (stdout, _) = ran(here, "compare base.json host.json", 106);
    assert!(
        stdout.contains("INVALID: ")
            && stdout.contains("other-host-class: ")
            && stdout.contains("--despite host"),
        "{stdout}"
    );
    let args = "compare base.json host.json --policy cpu.toml --despite host";
    let (stdout, _) = ran(here, args, 0);
    assert!(stdout.contains("note other-host-class"), "{stdout}");
    let (_, stderr) = ran(here, "compare base.json host.json --despite moon", 2);
    assert!(stderr.contains("validity"), "{stderr}");
}

#[test]
fn metered_results_are_never_held_against_others() {
    let dir = folder();
    let here = dir.path();
    let mut metered = result(1.0);
    metered.plan.scenario.metered = true;
    write(here, "metered.json", &metered);
    let all = "--despite plan --despite validity";
    let args = format!("compare base.json metered.json --policy cpu.toml {all}");
    let (_, stderr) = ran(here, &args, 106);
    assert!(stderr.contains("never compared with others"), "{stderr}");
    let args = "compare metered.json metered.json --policy cpu.toml";
    let (stdout, _) = ran(here, args, 0);
    assert!(stdout.contains("note metered"), "{stdout}");
}

#[test]
fn bad_files_policies_and_names_are_104() {
    let dir = folder();
    let here = dir.path();
    let error = |args: &str| ran(here, args, 104).1;
    assert!(error("compare missing.json same.json").contains("missing.json"));
    fs::write(here.join("junk.json"), "{\"schema\": 1}").unwrap();
    assert!(error("compare base.json junk.json").contains("not a result file"));
    fs::write(here.join("newer.json"), "{\"schema\": 7}").unwrap();
    assert!(error("compare base.json newer.json").contains("schema version 7"));
    let newer = "{\"schema\": 7, \"candidate\": {}}";
    fs::write(here.join("newer.json"), newer).unwrap();
    assert!(error("report newer.json").contains("schema version 7"));
    let mut damaged = result(1.0);
    let mut trials = damaged.cells.iter_mut().flat_map(|cell| &mut cell.trials);
    let kinds = trials.next().unwrap().kinds.values_mut();
    for stored in kinds.flat_map(|kind| kind.histograms.values_mut()) {
        stored.hdr_v2_deflate = "SElTVEY=".to_owned();
    }
    write(here, "damaged.json", &damaged);
    assert!(error("compare base.json damaged.json").contains("damaged"));
    for (body, part) in [
        (
            "[allowed]\nclient-cpus = \"2%\"\n",
            "did you mean client-cpu?",
        ),
        (
            "[thresholds]\nconfrim = [\"p99<1s\"]\n",
            "did you mean confirm",
        ),
        (
            "[cells.mtls9.allowed]\nclient-cpu = \"2%\"\n",
            "no cell \"mtls9\"",
        ),
        ("[allowed\n", "p.toml:2"),
    ] {
        fs::write(here.join("p.toml"), format!("version = 1\n{body}")).unwrap();
        let text = error("compare base.json same.json --policy p.toml");
        assert!(text.contains("p.toml:") && text.contains(part), "{text}");
    }
    assert!(error("compare base.json same.json --policy no.toml").contains("no.toml"));
    let mut elsewhere = result(1.0);
    for cell in &mut elsewhere.cells {
        cell.cell.resumed = shakedown::units::Ratio::new(0.5);
    }
    write(here, "elsewhere.json", &elsewhere);
    assert!(error("compare base.json elsewhere.json").contains("no cell in common"));
}

#[test]
fn old_comparisons_still_print() {
    let dir = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("tests/fixtures/comparison-v1.json");
    let (stdout, _) = ran(dir.path(), &format!("report {}", path.display()), 0);
    insta::assert_snapshot!("report_of_comparison-v1", stdout);
}

//! Reports in every format: what they hold, that foreign tools read them, and that nothing a stranger wrote
//! means anything in them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::foreign::foreign;
use common::injected;
use common::process::{code, run, text};
use shakedown::record::RunRecord;
use shakedown::stats::Metric;
use shakedown::store;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/result-v1-tax.json")
}

/// A report of a result, with further arguments.
fn report(file: &Path, args: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let output = run(dir.path(), &format!("report {} {args}", file.display()));
    assert_eq!(code(&output), 0, "{args}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn loaded() -> RunRecord {
    store::load(&fixture()).unwrap()
}

/// Samples of a metric in one trial.
fn samples(record: &RunRecord, cell: usize, trial: usize) -> u64 {
    record.cells[cell].trials[trial]
        .histogram(Metric::Latency)
        .unwrap()
        .count()
}

#[test]
fn markdown_has_the_tables_and_the_command() {
    let markdown = report(&fixture(), "--format markdown");
    // Where the checkout lies is no part of the report.
    let (before, made) = markdown.split_once("Made from ").unwrap();
    let (_, after) = made.split_once("tests/").unwrap();
    insta::assert_snapshot!("markdown", format!("{before}Made from tests/{after}"));
}

#[test]
fn csv_has_a_line_per_figure_and_no_formulas() {
    let dir = tempfile::tempdir().unwrap();
    let csv = report(&fixture(), "-f csv");
    let mut lines = csv.lines();
    let columns = lines.next().unwrap().split(',').count();
    assert!(
        lines.clone().all(|line| line.split(',').count() == columns),
        "{csv}"
    );
    assert!(csv.contains(",tls,confirm,p99,ns,"), "{csv}");
    assert!(csv.contains(",mtls,confirm p50,difference,µs,"), "{csv}");
    let mut found = 0;
    for result in injected::results(dir.path(), "result-v1-tax.json") {
        let csv = report(&result, "-f csv");
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        for row in reader.records() {
            for field in &row.unwrap() {
                let number = field.parse::<f64>().is_ok();
                let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
                assert!(number || !formula, "{field:?}");
                found += usize::from(field.starts_with("'="));
            }
        }
    }
    assert!(found > 100, "{found} formulas were in the corpus");
}

#[test]
fn json_has_the_figures_of_the_tables_and_the_counts_under_them() {
    let value: serde_json::Value = serde_json::from_str(&report(&fixture(), "-f json")).unwrap();
    assert_eq!(value["version"], 2);
    let cell = &value["results"][0]["cells"][2];
    assert_eq!(cell["cell"], "mtls");
    let figures = cell["figures"].as_array().unwrap();
    let confirm = figures
        .iter()
        .find(|f| f["figure"] == "confirm" && f["statistic"] == "p99");
    assert_eq!(confirm.unwrap()["n"], 2_400);
    let tax = figures
        .iter()
        .find(|f| f["against"] == "tls" && f["statistic"] == "ratio");
    assert_eq!(tax.unwrap()["n"], 2);
    // 2,400 samples give no p99.9, so there is none.
    assert!(figures.iter().all(|f| f["statistic"] != "p99.9"));
}

#[test]
fn a_log_is_read_by_hdrhistogram_interval_by_interval() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.hlog");
    fs::write(&file, report(&fixture(), "-f hlog")).unwrap();
    let Some(found) = foreign(&["hlog", file.to_str().unwrap()]) else {
        return;
    };
    let record = loaded();
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), 6, "three cells, two trials each");
    for (number, cell) in record.cells.iter().enumerate() {
        let mut own: Vec<_> = (found.iter())
            .filter(|i| i["tag"] == cell.cell.name.as_str())
            .collect();
        own.sort_by_key(|interval| interval["start_ms"].as_f64().unwrap().to_bits());
        for (trial, interval) in own.iter().enumerate() {
            let histogram = cell.trials[trial].histogram(Metric::Latency).unwrap();
            assert_eq!(interval["count"], samples(&record, number, trial));
            assert_eq!(interval["p50"], histogram.median().unwrap().least());
            assert_eq!(interval["max"], histogram.max().unwrap().least());
        }
    }
}

#[test]
fn a_distribution_is_the_one_that_hdrhistogram_finds_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let (log, grm) = (dir.path().join("x.hlog"), dir.path().join("x.hgrm"));
    let which = "--cell mtls --metric confirm";
    fs::write(&log, report(&fixture(), &format!("-f hlog {which}"))).unwrap();
    fs::write(&grm, report(&fixture(), &format!("-f hgrm {which}"))).unwrap();
    let paths = [grm.to_str().unwrap(), log.to_str().unwrap()];
    let Some(found) = foreign(&["hgrm", paths[0], paths[1], "mtls"]) else {
        return;
    };
    let lines = found["lines"].as_array().unwrap();
    assert!(lines.len() > 30, "{found}");
    for line in lines {
        let [ours, theirs] = ["ms", "foreign_ms"].map(|key| line[key].as_f64().unwrap());
        assert!((ours - theirs).abs() < 0.000_6, "{line}");
    }
    assert_eq!(lines.last().unwrap()["count"], found["total"]);
}

#[test]
fn a_textfile_is_read_by_prometheus_and_cannot_be_forged() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.prom");
    let injected = injected::results(dir.path(), "result-v1-tax.json");
    for result in injected.into_iter().chain([fixture()]) {
        fs::write(&file, report(&result, "-f prometheus")).unwrap();
        let Some(found) = foreign(&["prometheus", file.to_str().unwrap()]) else {
            return;
        };
        let families = found.as_array().unwrap();
        let named = |name: &str| families.iter().find(|f| f["family"] == name);
        assert!(named("shakedown_forged").is_none(), "{found}");
        let durations = named("shakedown_duration_seconds").unwrap();
        assert_eq!(durations["type"], "summary");
        let latencies = durations["samples"].as_array().unwrap().iter();
        let counts = latencies
            .filter(|s| s[0] == "shakedown_duration_seconds_count" && s[1]["event"] == "latency")
            .map(|s| s[2].as_f64().unwrap());
        assert_eq!(counts.clone().count(), 3);
        assert!(counts.clone().all(|count| (count - 2_400.0).abs() < 0.5));
        assert_eq!(named("shakedown_run_valid").unwrap()["samples"][0][2], 1);
    }
}

#[test]
fn markdown_of_strangers_words_is_only_words() {
    let dir = tempfile::tempdir().unwrap();
    for fixture in ["result-v1-tax.json", "result-v1.json"] {
        for result in injected::results(dir.path(), fixture) {
            let markdown = report(&result, "-f markdown");
            let (prose, _) = markdown.split_once("```").unwrap();
            for bad in [
                "<script",
                "<img",
                "<svg",
                "<iframe",
                "://",
                "\u{202e}",
                "\u{1b}",
                "\n# heading",
            ] {
                assert!(!prose.contains(bad), "{bad:?} in {prose}");
            }
            let links = prose.matches("](").count();
            assert_eq!(links, prose.matches("\\](").count(), "{prose}");
            assert!(prose.contains("&lt;script"), "{prose}");
        }
    }
}

#[test]
fn what_does_not_fit_a_format_is_refused_with_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    let file = fixture();
    let file = file.display();
    let mut all = String::new();
    for (args, expected) in [
        ("-f csv --cell mtls".to_owned(), 2),
        ("-f hgrm".to_owned(), 104),
        ("-f hgrm --cell quic".to_owned(), 104),
        ("-f hgrm --cell tcp --metric handshake".to_owned(), 104),
        ("-f hlog --metric p50".to_owned(), 104),
        (format!("{file} -f prometheus"), 104),
        ("-o .".to_owned(), 2),
    ] {
        let output = run(here, &format!("report {file} {args}"));
        assert_eq!(code(&output), expected, "{args}: {}", text(&output.stderr));
        let args = args.replace(&file.to_string(), "FILE");
        all.extend([
            "$ shakedown report FILE ",
            &args,
            "\n",
            &text(&output.stderr),
            "\n",
        ]);
    }
    insta::assert_snapshot!("refusals", all);
    let output = run(here, &format!("report {file} -f csv -o x.csv"));
    assert_eq!((code(&output), text(&output.stdout)), (0, String::new()));
    assert_eq!(
        fs::read_to_string(here.join("x.csv"))
            .unwrap()
            .lines()
            .next(),
        report(&fixture(), "-f csv").lines().next()
    );
}

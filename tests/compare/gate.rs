//! `shakedown gate`: thresholds, baselines by host class, learned limits, and what CI systems read.

use std::fs;
use std::path::Path;

use quick_junit::Report;
use serde_json::Value;

use super::common::process::{code, shakedown, text};
use super::made_up::{result, silenced, write};
use super::{folder, ran};

#[test]
fn thresholds_alone_pass_and_are_crossed() {
    let dir = folder();
    let here = dir.path();
    let policy = |body: &str| {
        let text = format!("version = 1\n[thresholds]\n{body}\n");
        fs::write(here.join("slo.toml"), text).unwrap();
    };
    policy("confirm = [\"p(99)<25ms\", \"p50<1s\"]\nfailure-rate = [\"rate<0.01\"]");
    let (stdout, _) = ran(here, "gate base.json --policy slo.toml", 0);
    assert!(stdout.contains("PASS: every threshold is kept"), "{stdout}");
    assert!(stdout.contains("smallest"), "{stdout}");
    policy("confirm = [\"p99<100us\"]");
    let (stdout, _) = ran(here, "gate base.json --policy slo.toml", 99);
    assert!(stdout.contains("threshold-crossed: "), "{stdout}");
    policy("confirm = [\"p(99.99)<1s\"]");
    let (stdout, _) = ran(here, "gate base.json --policy slo.toml", 106);
    assert!(stdout.contains("too few samples"), "{stdout}");
    policy("confirm = [\"p99<100\"]");
    let (_, stderr) = ran(here, "gate base.json --policy slo.toml", 104);
    assert!(
        stderr.contains("slo.toml:3: thresholds.confirm"),
        "{stderr}"
    );
    let (stdout, _) = ran(here, "gate base.json", 106);
    assert!(
        stdout.contains("nothing-judged") && stdout.contains("--baseline"),
        "{stdout}"
    );
}

#[test]
fn a_percentile_among_the_unanswered_is_judged_by_what_is_certain() {
    let dir = folder();
    let here = dir.path();
    write(here, "silent.json", &silenced(result(1.0)));
    let policy = "version = 1\n[allowed]\nlatency-p90 = \"15%\"\nlatency-p99 = \"25%\"\n\
                  latency-p50 = \"100%\"\n";
    fs::write(here.join("p90.toml"), policy).unwrap();
    let judged = |args: &str, code| ran(here, &format!("compare {args} --policy p90.toml"), code).0;
    let told = judged("base.json silent.json", 99);
    assert!(told.contains("regressed: "), "{told}");
    assert!(told.contains("the candidate's is > 5.00 s"), "{told}");
    // Of fewer than 10,000 sessions no p99 is judged, unless it is certain.
    assert!(
        told.contains("latency-p99: among sessions without an answer"),
        "{told}"
    );
    // The median is still among those that were answered, and has an effect.
    let row = |of: &str| told.lines().find(|line| line.contains(of)).unwrap();
    assert!(row("latency-p50").contains(" … "), "{told}");
    assert!(row("latency-p90").contains("> 5.00 s"), "{told}");
    assert!(!row("latency-p90").contains(" … "), "{told}");
    let told = judged("silent.json base.json", 0);
    assert!(told.contains("improved: "), "{told}");
    let told = judged("silent.json silent.json", 106);
    assert!(told.contains("inconclusive: "), "{told}");
    // Every other reader of a comparison, and the file itself.
    let args = "base.json silent.json -o x.json --html x.html";
    judged(args, 99);
    for format in ["text", "markdown", "html"] {
        let (told, _) = ran(here, &format!("report x.json -f {format}"), 0);
        let mark = if format == "text" {
            "> 5.00 s"
        } else {
            "5.00 s"
        };
        assert!(told.contains(mark), "{format}: {told}");
    }
}

#[test]
fn minimums_that_are_missed_are_no_pass() {
    let dir = folder();
    let here = dir.path();
    for (body, expected) in [
        ("samples = 100", 0),
        ("samples = 100000000", 106),
        ("units = 11", 106),
    ] {
        let text = format!("version = 1\n[allowed]\nclient-cpu = \"2%\"\n[required]\n{body}\n");
        fs::write(here.join("least.toml"), text).unwrap();
        ran(
            here,
            "gate same.json --baseline base.json --policy least.toml",
            expected,
        );
    }
}

#[test]
fn baselines_are_found_by_host_class_and_scenario() {
    let dir = folder();
    let here = dir.path();
    let (_, stderr) = ran(here, "baseline show embedded", 104);
    assert!(stderr.contains("has no baseline"), "{stderr}");
    let (stdout, _) = ran(here, "baseline list", 0);
    assert!(
        stdout.contains("no baselines in results/baselines"),
        "{stdout}"
    );
    let (stdout, _) = ran(here, "baseline record base.json", 0);
    assert!(
        stdout.starts_with("recorded results/baselines/intel-"),
        "{stdout}"
    );
    let (stdout, _) = ran(here, "baseline record base.json", 0);
    assert!(stdout.starts_with("replaced "), "{stdout}");
    let gate = |candidate: &str, expected| {
        let args = format!("gate {candidate} --baseline results/baselines --policy cpu.toml");
        ran(here, &args, expected)
    };
    let (stdout, _) = gate("slower.json", 99);
    assert!(
        stdout.contains("baseline   results/baselines/intel-"),
        "{stdout}"
    );
    gate("same.json", 0);
    let mut elsewhere = result(1.0);
    elsewhere.environment.cpu = Some("Another CPU".to_owned());
    write(here, "elsewhere.json", &elsewhere);
    let (_, stderr) = gate("elsewhere.json", 104);
    assert!(
        stderr.contains("another-2c") && stderr.contains("baseline record"),
        "{stderr}"
    );
    // Under another name it is still the only one of its scenario; two of them are told apart by name.
    fs::remove_dir_all(here.join("results")).unwrap();
    ran(here, "baseline record base.json --name ../main", 0);
    gate("same.json", 0);
    ran(here, "baseline record base.json --name other", 0);
    let (_, stderr) = gate("same.json", 104);
    assert!(stderr.contains("-main, other"), "{stderr}");
    ran(here, "baseline record base.json", 0);
    gate("same.json", 0);
}

#[test]
fn baselines_are_listed_shown_and_refused_if_not_fit() {
    let dir = folder();
    let here = dir.path();
    ran(here, "baseline record base.json --dir kept", 0);
    let (stdout, _) = ran(here, "baseline list --dir kept", 0);
    assert!(
        stdout.contains("embedded") && stdout.contains("yes"),
        "{stdout}"
    );
    let class = result(1.0).environment.host_class();
    let (stdout, _) = ran(
        here,
        &format!("baseline show {class}/embedded --dir kept"),
        0,
    );
    assert!(
        stdout.contains("Intel(R) Xeon(R)") && stdout.contains("client CPU"),
        "{stdout}"
    );
    let (json, _) = ran(
        here,
        &format!("baseline show {class}/embedded --dir kept --json"),
        0,
    );
    assert_eq!(json, fs::read_to_string(here.join("base.json")).unwrap());
    let (_, stderr) = ran(here, "baseline show nothing --dir kept", 104);
    assert!(stderr.contains("baseline list"), "{stderr}");
    let mut invalid = result(1.0);
    invalid.validity.valid = false;
    write(here, "invalid.json", &invalid);
    let mut debug = result(1.0);
    debug.build.profile = "debug".to_owned();
    write(here, "debug.json", &debug);
    let mut metered = result(1.0);
    metered.plan.scenario.metered = true;
    write(here, "metered.json", &metered);
    for (file, part) in [
        ("invalid", "is invalid"),
        ("debug", "debug build"),
        ("metered", "metered"),
    ] {
        let (_, stderr) = ran(
            here,
            &format!("baseline record {file}.json --dir kept"),
            104,
        );
        assert!(
            stderr.contains(part) && stderr.contains("--force"),
            "{stderr}"
        );
    }
    ran(here, "baseline record invalid.json --dir kept --force", 0);
    let (stdout, _) = ran(here, "baseline list --dir kept", 0);
    assert!(stdout.contains("NO"), "{stdout}");
}

#[test]
fn limits_are_learned_from_a_folder_of_past_results() {
    let dir = folder();
    let here = dir.path();
    let past = here.join("past");
    for number in 0..12 {
        let factor = if number % 2 == 0 { 1.0 } else { 1.12 };
        let mut record = result(factor);
        record.started_at = format!("2026-11-23T16:{number:02}:00Z");
        write(&past, &format!("{number:02}.json"), &record);
    }
    let args = "gate slower.json --baseline base.json --policy cpu.toml";
    ran(here, args, 99);
    let learned = format!("{args} --learn past");
    let (stdout, _) = ran(here, &learned, 0);
    assert!(stdout.contains("note limit-learned"), "{stdout}");
    // One of other hosts teaches nothing, and then there are too few.
    for number in [0, 1] {
        let mut record = result(1.0);
        record.environment.cpu = Some("Another CPU".to_owned());
        write(&past, &format!("{number:02}.json"), &record);
    }
    let (stdout, _) = ran(here, &learned, 99);
    assert!(
        stdout.contains("limit-not-learned") && stdout.contains("other-host-class 2"),
        "{stdout}"
    );
    let (_, stderr) = ran(here, "gate slower.json --learn past", 2);
    assert!(stderr.contains("--baseline"), "{stderr}");
}

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap()
}

#[test]
fn every_format_is_written_whatever_the_verdict() {
    let dir = folder();
    let here = dir.path();
    let mut elsewhere = result(1.0);
    elsewhere.environment.cpu = Some("Another CPU".to_owned());
    write(here, "elsewhere.json", &elsewhere);
    let formats = "--junit ci/gate.xml --markdown ci/gate.md --benchmark-json ci/bench.json --bencher ci/bmf.json";
    for (candidate, expected, cases) in [("same", 0, 3), ("slower", 99, 3), ("elsewhere", 106, 1)] {
        let args =
            format!("gate {candidate}.json --baseline base.json --policy cpu.toml {formats}");
        ran(here, &args, expected);
        let junit = Report::deserialize_from_str(&read(here, "ci/gate.xml")).unwrap();
        assert_eq!(junit.tests, cases, "{candidate}");
        assert_eq!(
            junit.failures + junit.errors > 0,
            expected != 0,
            "{candidate}"
        );
        assert!(read(here, "ci/gate.md").starts_with("## shakedown: "));
        for file in ["bench-smaller.json", "bench-bigger.json", "bmf.json"] {
            let value: Value = serde_json::from_str(&read(here, &format!("ci/{file}"))).unwrap();
            let count = value
                .as_array()
                .map_or_else(|| value.as_object().unwrap().len(), Vec::len);
            assert_eq!(count > 0, expected != 106, "{candidate} {file}");
        }
    }
    let (_, stderr) = ran(here, "gate same.json --baseline base.json --junit .", 2);
    assert!(
        stderr.contains("--junit") && stderr.contains("folder"),
        "{stderr}"
    );
}

#[test]
fn github_gets_annotations_and_a_summary_and_nobody_else_does() {
    let dir = folder();
    let here = dir.path();
    let gate = |github: Option<&str>, more: &str| {
        let mut command = shakedown(here);
        let args = format!("gate slower.json --baseline base.json --policy cpu.toml {more}");
        command.args(args.split_whitespace());
        command
            .env_remove("GITHUB_ACTIONS")
            .env("GITHUB_STEP_SUMMARY", "summary.md");
        if let Some(value) = github {
            command.env("GITHUB_ACTIONS", value);
        }
        let output = command.output().unwrap();
        assert_eq!(code(&output), 99);
        (text(&output.stdout), text(&output.stderr))
    };
    for value in [None, Some("false")] {
        let (stdout, _) = gate(value, "");
        assert!(!stdout.contains("::error"), "{stdout}");
        assert!(!here.join("summary.md").exists());
    }
    fs::write(here.join("summary.md"), "# before\n").unwrap();
    let (stdout, _) = gate(Some("true"), "");
    assert!(
        stdout.contains("\n::error title=shakedown%3A regressed::"),
        "{stdout}"
    );
    let summary = read(here, "summary.md");
    assert!(
        summary.starts_with("# before\n## shakedown: ") && summary.contains("**REGRESS: "),
        "{summary}"
    );
    let (stdout, stderr) = gate(Some("true"), "--json");
    assert!(serde_json::from_str::<Value>(&stdout).is_ok(), "{stdout}");
    assert!(stderr.contains("::error title="), "{stderr}");
    fs::remove_file(here.join("summary.md")).unwrap();
    fs::create_dir(here.join("summary.md")).unwrap();
    let (_, stderr) = gate(Some("true"), "");
    assert!(stderr.contains("warning: cannot add"), "{stderr}");
}

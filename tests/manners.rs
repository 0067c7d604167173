//! The manners of the command line: help of two lengths, colours when they are asked for, completions and
//! manual pages from the same text, scenarios by name, and a plan that is told without being run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::process::{code, run, text};
use shakedown::scenario::SHIPPED;

/// What a command that succeeds prints.
fn said(args: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let output = run(dir.path(), args);
    assert_eq!(code(&output), 0, "{args}: {}", text(&output.stderr));
    let left = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 0, "{args} left files behind");
    text(&output.stdout)
}

#[test]
fn help_is_short_and_help_long_has_everything() {
    for command in ["run", "probe", "pki new", "scenario list", "man"] {
        let (short, long) = (
            said(&format!("{command} --help")),
            said(&format!("{command} --help-long")),
        );
        assert_eq!(short, said(&format!("{command} -h")));
        assert!(!short.contains("Examples:"), "{short}");
        assert!(long.contains("Examples:\n  "), "{long}");
        assert!(long.lines().count() > short.lines().count(), "{long}");
    }
    assert_eq!(said("help run"), said("run --help-long"));
}

#[test]
fn colours_are_used_where_they_are_asked_for_and_nowhere_else() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/result-v1.json");
    let report = format!("report {}", fixture.display());
    // The environment has NO_COLOR set, and there is no terminal.
    for plain in [
        report.clone(),
        format!("{report} --color never"),
        "--help".to_owned(),
    ] {
        assert!(!said(&plain).contains('\u{1b}'), "{plain}");
    }
    for coloured in [
        format!("--color always {report}"),
        "run --help --color=always".to_owned(),
    ] {
        assert!(said(&coloured).contains("\u{1b}["), "{coloured}");
    }
    let dir = tempfile::tempdir().unwrap();
    let error = run(dir.path(), "run --bogus --color always");
    assert!(text(&error.stderr).contains("\u{1b}["));
}

#[test]
fn completions_are_scripts_of_their_shells() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = said(&format!("completions {shell}"));
        for flag in ["dry-run", "help-long", "resumed-ratio"] {
            assert!(script.contains(flag), "{shell} lacks {flag}");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("shakedown.bash");
    fs::write(&script, said("completions bash")).unwrap();
    let complete = "source shakedown.bash; COMP_WORDS=(shakedown scenario val); COMP_CWORD=2; \
                    _shakedown shakedown val scenario; echo ${COMPREPLY[@]}";
    let output = Command::new("bash")
        .args(["--norc", "-c", complete])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert_eq!(
        text(&output.stdout).trim(),
        "validate",
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("pages/man1");
    fs::create_dir_all(&pages).unwrap();
    fs::write(pages.join("shakedown.1"), "old").unwrap();
    fs::hard_link(pages.join("shakedown.1"), dir.path().join("kept")).unwrap();
    let output = run(dir.path(), "man --dir pages/man1");
    // A page takes the place of the old one whole; it is not written into it.
    let kept = fs::read_to_string(dir.path().join("kept")).unwrap();
    assert_eq!(kept, "old");
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    for page in [
        "shakedown",
        "shakedown-run",
        "shakedown-pki-new",
        "shakedown-scenario-explain",
    ] {
        let page = dir.path().join(format!("pages/man1/{page}.1"));
        let roff = fs::read_to_string(&page).unwrap_or_else(|e| panic!("{page:?}: {e}"));
        assert!(
            roff.contains(".TH shakedown") && roff.contains(".SH SYNOPSIS"),
            "{roff}"
        );
    }
    let pages: Vec<_> = fs::read_dir(dir.path().join("pages/man1"))
        .unwrap()
        .collect();
    assert_eq!(pages.len(), 26, "{pages:?}");
    for page in pages {
        let roff = fs::read_to_string(page.unwrap().path()).unwrap();
        assert!(roff.contains("\nExamples:\n"), "{roff}");
    }
    assert!(said("man run").contains("\\-\\-dry\\-run"));
    assert!(said("man scenario explain").contains(".TH shakedown-scenario-explain 1"));
}

#[test]
fn scenarios_of_the_build_are_listed_shown_explained_and_valid() {
    let list = said("scenario list");
    for shipped in SHIPPED {
        assert!(list.contains(shipped.name), "{list}");
        assert_eq!(
            said(&format!("scenario show {}", shipped.name)),
            shipped.text
        );
    }
    let names: Vec<&str> = SHIPPED.iter().map(|shipped| shipped.name).collect();
    let valid = said(&format!("scenario validate {}", names.join(" ")));
    assert_eq!(valid.lines().count(), SHIPPED.len(), "{valid}");
    insta::assert_snapshot!("scenario_explained", said("scenario explain mtls-tax"));
}

#[test]
fn a_dry_run_resolves_the_plan_and_runs_nothing() {
    let plan = said("run resumption-sweep --dry-run --trials 2 --duration 100ms --cores 0");
    for line in [
        "resumption-sweep",
        "workers   1 on core 0",
        "order of trials",
        "  mtls1.3-resumed50: 127.0.0.1:",
        "  2: ",
    ] {
        assert!(plan.contains(line), "{line:?} in\n{plan}");
    }
    let url = said(
        "run tcp://127.0.0.1:9 --dry-run --rate 5/s --total 3 --resolve 127.0.0.1:9:127.0.0.1",
    );
    assert!(
        url.contains("tcp://127.0.0.1:9 at 127.0.0.1, port 9"),
        "{url}"
    );
}

#[test]
fn a_scenario_runs_by_its_name_and_quiet_is_quiet() {
    let dir = tempfile::tempdir().unwrap();
    let args = "run mtls-tax --auth none --trials 1 -d 100ms --warmup 0s --quiet";
    let output = run(dir.path(), args);
    // On a machine as busy as a test run it may be invalid, but it runs.
    assert!(
        [0, 106].contains(&code(&output)),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(text(&output.stderr), "");
    assert!(
        text(&output.stdout).starts_with("mtls-tax"),
        "{}",
        text(&output.stdout)
    );
    assert_eq!(fs::read_dir(dir.path().join("results")).unwrap().count(), 1);
}

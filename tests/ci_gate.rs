//! The verdict of `scripts/ci-gate`, on counts that are made up. Counting itself needs valgrind and is the
//! script's own business.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const NO_NOTE: &str =
    "# Changelog\n\n## [Unreleased]\n\n- A feature.\n\n## [0.1.0]\n\n- perf: old\n";
const NOTE: &str =
    "# Changelog\n\n## [Unreleased]\n\n- perf: full handshakes take 2 % more, for safety.\n";

/// Judges the counts of a base and of a change, each with its changelog.
fn verdict(base: (&str, &str), here: (&str, &str)) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let output = gate()
        .arg("verdict")
        .arg(file("base", base.0))
        .arg(file("here", here.0))
        .arg(file("here.md", here.1))
        .arg(file("base.md", base.1))
        .output()
        .unwrap();
    (output.status.code(), text(&output))
}

fn gate() -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/ci-gate");
    Command::new(script)
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[test]
fn up_to_one_percent_passes_and_more_fails() {
    let base = "a/client 1000000\na/server 2000000\n";
    let (status, said) = verdict(
        (base, NO_NOTE),
        ("a/client 1010000\na/server 900000\n", NO_NOTE),
    );
    assert_eq!(status, Some(0), "{said}");
    assert!(
        said.contains("+1.00%") && said.contains("-55.00%"),
        "{said}"
    );
    let (status, said) = verdict(
        (base, NO_NOTE),
        ("a/client 1010001\na/server 2000000\n", NO_NOTE),
    );
    assert_eq!(status, Some(1), "{said}");
    let (_, above) = said.split_once("a/client").unwrap();
    assert!(
        above.lines().next().unwrap().contains("ABOVE THE LIMIT"),
        "{said}"
    );
    assert!(said.contains("perf:"), "it says what to do: {said}");
}

#[test]
fn a_new_note_excuses_and_an_old_one_does_not() {
    let (base, here) = ("a 1000000\n", "a 1020000\n");
    let (status, said) = verdict((base, NO_NOTE), (here, NOTE));
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("for safety"), "{said}");
    let (status, said) = verdict((base, NOTE), (here, NOTE));
    assert_eq!(status, Some(1), "the base had the note already: {said}");
    let released = NO_NOTE.replace("- A feature.", "- Another feature.");
    let (status, said) = verdict((base, NO_NOTE), (here, &released));
    assert_eq!(status, Some(1), "only Unreleased counts: {said}");
}

#[test]
fn a_case_that_is_gone_fails_whatever_the_changelog_says_and_a_new_one_is_told() {
    let (status, said) = verdict(("a 100\nb 100\n", NO_NOTE), ("a 100\n", NOTE));
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("GONE"), "{said}");
    let (status, said) = verdict(("a 100\n", NO_NOTE), ("a 100\nb 100\n", NO_NOTE));
    assert_eq!(status, Some(0), "{said}");
    assert!(
        said.lines()
            .any(|line| line.starts_with('b') && line.ends_with("new")),
        "{said}"
    );
    let (status, said) = verdict(("", NO_NOTE), ("a 100\n", NO_NOTE));
    assert_eq!(status, Some(1), "nothing compared is no pass: {said}");
}

#[test]
fn what_it_does_not_understand_is_a_usage_error() {
    let output = gate().arg("judge").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}

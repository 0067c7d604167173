//! What is told while a run goes on: every second once and in order, with nothing lost on its way from the
//! workers, and the same seconds in the record afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use common::process::{code, run, shakedown, text};
use common::{against, only, pki_in, run_controlled, scenario};
use shakedown::load::{Event, Interrupt};
use shakedown::record::{RunRecord, TrialRecord};
use shakedown::scenario::Scenario;
use shakedown::stats::{FailureClass, Second, SecondHistogram};
use tokio::sync::watch;

/// A run, and the seconds that were told of each of its trials.
fn watched(scenario: Scenario) -> (RunRecord, Vec<Vec<Second>>) {
    let (_sender, control) = watch::channel(Interrupt::None);
    let mut trials = Vec::new();
    let record = run_controlled(scenario, &control, &mut |event| match event {
        Event::Begin { .. } => trials.push(Vec::new()),
        Event::Second(second) => trials.last_mut().unwrap().push(second.clone()),
        _ => {}
    });
    (record.unwrap(), trials)
}

/// The seconds told are those of the record, each once, and add up to all of the trial.
fn assert_told(trial: &TrialRecord, seconds: &[Second]) {
    let numbers: Vec<u64> = seconds.iter().map(|second| second.number).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    let sum = |of: fn(&Second) -> u64| seconds.iter().map(of).sum::<u64>();
    assert_eq!(sum(|s| s.started), trial.total.started);
    assert_eq!(sum(|s| s.not_started), trial.total.not_started_total());
    assert_eq!(sum(|s| s.ok), trial.total.ok_total());
    assert_eq!(sum(Second::failed), trial.total.failed_total());
    let mut merged = SecondHistogram::new();
    for second in seconds {
        merged.merge(&second.latency);
        let row = &trial.timeline[usize::try_from(second.number).unwrap()];
        assert_eq!(row.latency().unwrap(), second.latency, "{}", second.number);
        assert_eq!((row.ok, row.failed), (second.ok, second.failed()));
    }
    assert_eq!(merged.count() + merged.overflow(), trial.total.ok_total());
    let without = trial.total.unanswered_total() + trial.total.cancelled_total();
    assert_eq!(merged.pending(), without);
}

#[test]
fn every_second_is_told_and_kept() {
    let (record, trials) = watched(scenario(
        "[load]\nrate = \"200/s\"\nduration = \"1300ms\"\nwarmup = \"1s\"\n\
         [trials]\ncount = 2\n[workers]\ncount = 2\n",
    ));
    assert_eq!(trials.len(), 2);
    for (trial, seconds) in only(&record).trials.iter().zip(&trials) {
        assert_told(trial, seconds);
        assert!(seconds.len() >= 3, "{seconds:?}");
        let whole = seconds.iter().filter(|second| second.is_whole()).count();
        assert!(whole >= seconds.len() - 1, "{seconds:?}");
        assert!(seconds.iter().all(|s| s.busiest > 0.0 && s.busiest <= 1.0));
    }
}

#[test]
fn a_second_in_which_nothing_happens_is_told_too() {
    let (record, trials) = watched(scenario(
        "[load]\nsessions = 2\nhold = \"2500ms\"\nduration = \"2500ms\"\nwarmup = \"0s\"\n\
         [workers]\ncount = 2\n",
    ));
    let seconds = &trials[0];
    assert_told(&only(&record).trials[0], seconds);
    let silent = seconds.iter().find(|second| second.started == 0);
    let silent = silent.unwrap_or_else(|| panic!("{seconds:?}"));
    assert!(silent.ok == 0 && silent.is_whole(), "{silent:?}");
    assert_eq!(silent.latency.median(), None);
}

#[test]
fn failures_are_told_by_class() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tls://{}", port.local_addr().unwrap());
    drop(port);
    let dir = tempfile::tempdir().unwrap();
    pki_in(dir.path());
    let refused = scenario("[load]\nrate = \"50/s\"\nduration = \"300ms\"\nwarmup = \"0s\"\n");
    let (record, trials) = watched(against(refused, &url, dir.path(), None));
    let trial = &only(&record).trials[0];
    assert_told(trial, &trials[0]);
    let told = trials[0].iter().map(|second| &second.failures);
    let refused: u64 = told
        .map(|classes| classes[&FailureClass::ConnectRefused])
        .sum();
    assert_eq!(refused, trial.total.failed["connect.refused"].count);
    assert_eq!(refused, 15);
}

/// Writes a scenario of one cell and one trial.
fn one_trial(dir: &Path, load: &str) {
    let text = format!(
        "version = 1\nname = \"one\"\n[matrix]\nauth = [\"mutual\"]\n[trials]\ncount = 1\n[load]\n{load}warmup = \"0s\"\n"
    );
    fs::write(dir.join("one.toml"), text).unwrap();
}

#[test]
fn without_a_terminal_there_is_a_line_every_few_seconds() {
    let dir = tempfile::tempdir().unwrap();
    one_trial(dir.path(), "rate = \"50/s\"\nduration = \"5400ms\"\n");
    let output = run(dir.path(), "run one.toml -o out.json");
    let told = text(&output.stderr);
    let lines: Vec<&str> = told.lines().collect();
    let [announced, midway, ended, saved] = lines.as_slice() else {
        panic!("{told}");
    };
    assert!(announced.ends_with(": 1 trial, about 5 s"), "{announced}");
    for part in [
        "trial 1/1 mtls",
        "measuring, 1s left",
        "in flight",
        "/s of 50/s asked",
        "confirmed",
        "p50 ",
        "busiest worker ",
    ] {
        assert!(midway.contains(part), "no {part:?} in {midway}");
    }
    assert!(ended.ends_with(": 270 confirmed, 0 failed"), "{ended}");
    assert!(saved.starts_with("saved to "), "{saved}");
    assert!(!text(&output.stdout).contains("trial 1/1"));
    assert!(!told.contains('\u{1b}'), "{told:?}");
}

#[test]
fn on_a_terminal_the_display_is_drawn_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    one_trial(dir.path(), "rate = \"50/s\"\nduration = \"1600ms\"\n");
    let shown = |flags: &str| {
        let command = format!(
            "{} run one.toml {flags} -o out.json > report.txt",
            shakedown(dir.path()).get_program().display()
        );
        let mut script = Command::new("script");
        script.args(["-qec", &command, "/dev/null"]);
        script
            .current_dir(dir.path())
            .env("NO_COLOR", "1")
            .env("TERM", "xterm");
        let output = script.output().expect("script of util-linux is installed");
        // A busy host makes the run invalid; that is not the point here.
        let shown = text(&output.stdout);
        assert!([0, 106].contains(&code(&output)), "{shown}");
        assert!(
            fs::read_to_string(dir.path().join("report.txt"))
                .unwrap()
                .contains("mtls")
        );
        shown
    };
    let drawn = shown("");
    for part in [
        "trial 1/1, about ",
        "mtls: measuring, 1s left",
        "/s of 50/s asked",
        "p50 ",
    ] {
        assert!(drawn.contains(part), "no {part:?} in {drawn:?}");
    }
    let (_, left) = drawn.rsplit_once("\u{1b}[2K").expect("a line is cleared");
    assert!(
        left.contains("saved to ") && !left.contains("in flight"),
        "{left:?}"
    );
    assert!(!drawn.contains("\u{1b}[36m"), "colours: {drawn:?}");
    assert!(shown("--color always").contains("\u{1b}[36m"));
    assert_eq!(shown("--quiet"), "");
}

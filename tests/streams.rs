//! Whatever becomes of stdout and stderr (closed, full, nobody reads), no command panics, hangs or loses its
//! result, and signals still end it.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::process::{Running, code, shakedown, text};
use shakedown::store;

/// A command, the codes with which it may end, and the file that it writes.
struct Case {
    args: &'static str,
    codes: &'static [i32],
    makes: Option<&'static str>,
    /// Whether it prints something on stdout.
    prints: bool,
}

const fn prints(args: &'static str, codes: &'static [i32]) -> Case {
    Case {
        args,
        codes,
        makes: None,
        prints: true,
    }
}

const fn makes(args: &'static str, codes: &'static [i32], file: &'static str) -> Case {
    Case {
        args,
        codes,
        makes: Some(file),
        prints: true,
    }
}

/// A run on a busy machine may be invalid.
const RUN: &[i32] = &[0, 106];

const CASES: [Case; 24] = [
    prints("--help", &[0]),
    prints("run --help-long", &[0]),
    prints("--version", &[0]),
    Case {
        prints: false,
        ..prints("run --bogus", &[2])
    },
    makes(
        "run --auth none --trials 1 --sessions 2 --duration 200ms --warmup 0s -o new.json",
        RUN,
        "new.json",
    ),
    makes(
        "run --auth none --trials 1 --sessions 2 --duration 200ms --warmup 0s --json -o new.json",
        RUN,
        "new.json",
    ),
    prints("run --dry-run", &[0]),
    makes(
        "anatomy --trials 1 --duration 200ms -o new.json",
        RUN,
        "new.json",
    ),
    makes(
        "audit tls://127.0.0.1:1 --pki pki --case expired-leaf --timeout 1s -o new.json",
        &[99, 106],
        "new.json",
    ),
    makes(
        "ab --max-rounds 2 --despite validity -o new.json -- -n 20 --warmup 0s --sessions 1 --auth none",
        &[0, 99, 106],
        "new.json",
    ),
    makes("compare a.json a.json -o new.json", &[0, 106], "new.json"),
    makes(
        "gate a.json --baseline a.json --junit new.json",
        &[0, 106],
        "new.json",
    ),
    prints("baseline record a.json --force --dir baselines", &[0]),
    prints("baseline list --dir kept", &[0]),
    Case {
        prints: false,
        ..prints("baseline show nothing", &[104])
    },
    prints("report a.json", &[0]),
    Case {
        prints: false,
        ..makes("report a.json -o new.json", &[0], "new.json")
    },
    prints("probe tls://127.0.0.1:1", &[1]),
    prints("pki new minted", &[0]),
    prints("providers", &[0]),
    prints("scenario list", &[0]),
    Case {
        prints: false,
        ..prints("scenario validate bad.toml", &[104])
    },
    prints("completions bash", &[0]),
    prints("man run", &[0]),
];

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fs::copy(fixtures.join("result-v1.json"), dir.path().join("a.json")).unwrap();
    fs::write(dir.path().join("bad.toml"), "version = 9").unwrap();
    let made = common::process::run(dir.path(), "pki new pki --faults");
    assert_eq!(code(&made), 0);
    dir
}

/// Runs a command with the redirections of a shell.
fn redirected(dir: &Path, args: &str, redirection: &str) -> Output {
    let command = shakedown(dir);
    let program = command.get_program().to_str().unwrap();
    let _ = fs::remove_file(dir.join("new.json"));
    let _ = fs::remove_dir_all(dir.join("minted"));
    // What the shell says of a pipeline is the code of the command.
    let line = format!("set -o pipefail; '{program}' {args} {redirection}");
    Command::new("bash")
        .args(["-c", &line])
        .current_dir(dir)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn nothing_that_becomes_of_a_stream_costs_a_result() {
    let dir = folder();
    let mut wrong = Vec::new();
    for case in &CASES {
        // Each is slow, and the others are variations.
        let slow = ["run --auth", "anatomy", "audit", "ab ", "providers"];
        let slow = slow.iter().any(|command| case.args.starts_with(command));
        for (number, redirection) in [
            "2>/dev/full",
            ">/dev/full",
            "2>&1 | head -c 1",
            "2>&-",
            ">&-",
            ">/dev/full 2>/dev/full",
            "> >(exec <&- >&- 2>&-; sleep 0.2)",
            "2> >(exec <&- >&- 2>&-; sleep 0.2)",
        ]
        .into_iter()
        .enumerate()
        {
            if slow && number > 2 {
                continue;
            }
            let output = redirected(dir.path(), case.args, redirection);
            let what = format!("{} {redirection}", case.args);
            let (code, error) = (output.status.code(), text(&output.stderr));
            let full =
                redirection.contains(">/dev/full") && !redirection.starts_with('2') && case.prints;
            let expected: &[i32] = if full { &[1] } else { case.codes };
            if !code.is_some_and(|code| expected.contains(&code)) {
                wrong.push(format!("{what}: {code:?} for {expected:?}: {error}"));
            }
            if full
                && redirection == ">/dev/full"
                && !error.contains("cannot write to stdout: No space left")
            {
                wrong.push(format!("{what}: {error}"));
            }
            if let Some(file) = case.makes
                && !dir.path().join(file).exists()
            {
                wrong.push(format!("{what}: no {file}: {error}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_stderr_that_nobody_reads_holds_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    // Filled before the run begins, and kept open.
    let mut filler = Command::new("dd");
    filler.args(["if=/dev/zero", "bs=4096", "count=16"]);
    filler.stdout(writer.try_clone().unwrap());
    assert!(filler.stderr(Stdio::null()).status().unwrap().success());
    let mut command = shakedown(dir.path());
    command
        .args("run --auth none --trials 1 --duration 60s --warmup 0s -o out.json".split(' '))
        .stdout(Stdio::null())
        .stderr(writer);
    let mut child = command.spawn().unwrap();
    // Each message is waited for, for a second.
    sleep(Duration::from_secs(3));
    let signal = |name: &str| {
        let pid = child.id().to_string();
        let kill = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(kill.unwrap().success());
    };
    signal("INT");
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("it hangs");
        }
        sleep(Duration::from_millis(10));
    };
    drop(reader);
    assert_eq!(status.code(), Some(105));
    store::load(&dir.path().join("out.json")).unwrap();
}

#[test]
fn signals_still_end_a_run_whose_stderr_has_gone() {
    for (redirection, signals) in [("2>/dev/full", 1), ("2> >(exec <&- >&- 2>&-; sleep 9)", 2)] {
        let dir = tempfile::tempdir().unwrap();
        let command = shakedown(dir.path());
        let program = command.get_program().to_str().unwrap();
        let args = "run --auth none --trials 1 --duration 60s --warmup 0s --hold 30s --grace 60s -o out.json";
        let mut shell = Command::new("bash");
        shell.current_dir(dir.path()).stdin(Stdio::null());
        shell.args(["-c", &format!("exec '{program}' {args} {redirection}")]);
        let running = Running::start(shell);
        sleep(Duration::from_secs(2));
        for _ in 0..signals {
            running.signal("INT");
            sleep(Duration::from_millis(300));
        }
        if signals == 1 {
            // The drain lasts as long as the sessions are held: the second ends it.
            running.signal("TERM");
        }
        let (code, _) = running.wait();
        assert_eq!(code, 105, "{redirection}");
        store::load(&dir.path().join("out.json")).unwrap();
    }
}

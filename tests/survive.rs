//! Results survive: an old file, a new one or none, never half of one, whatever ends the process or
//! fills the disk (invariant 7).

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::evidence;
use common::process::{Running, code, shakedown, text, wait_for_stderr};
use shakedown::record::RunRecord;
use shakedown::store;

const SHORT: &str = "run --auth none --trials 1 --sessions 2 --duration 100ms --warmup 0s -q";

/// The command in a shell that first does `before`.
fn after(before: &str, dir: &Path, args: &str) -> Command {
    let run = shakedown(dir);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("{before}; exec \"$0\" \"$@\"")])
        .arg(run.get_program())
        .args(args.split_whitespace())
        .current_dir(dir)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    shell
}

fn stderr(output: &Output) -> String {
    text(&output.stderr)
}

/// The files in a folder, hidden ones included.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_disk_without_room_is_found_before_the_run() {
    let dir = tempfile::tempdir().unwrap();
    // Files of at most 8 blocks of 512 bytes: fewer than any result has.
    let long = SHORT.replace("100ms", "60s");
    let mut command = after("ulimit -f 8", dir.path(), &format!("{long} -o out.json"));
    let began = Instant::now();
    let output = command.output().unwrap();
    assert!(began.elapsed() < Duration::from_secs(10));
    let error = stderr(&output);
    assert_eq!(code(&output), 1, "{error}");
    assert!(
        error.contains("cannot write out.json") && error.contains("File too large"),
        "{error}"
    );
    assert!(error.contains("--output FILE"), "{error}");
    assert_eq!(text(&output.stdout), "");
    assert_eq!(files(dir.path()), [] as [PathBuf; 0]);
}

#[test]
fn a_disk_that_fills_up_meanwhile_costs_the_file_and_nothing_else() {
    let (mut lost, mut half) = (0, 0);
    for old in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out.json");
        if old {
            fs::write(&out, "an old file").unwrap();
        }
        let mut command = shakedown(dir.path());
        let args = "run --auth none --sessions 2 --duration 1500ms --warmup 0s -o out.json";
        command.args(args.split(' '));
        let mut running = Running::start(command);
        wait_for_stderr(&mut running, "trial");
        // What was found before the run no longer holds: the same error as of a full disk.
        let pid = running.id().to_string();
        let mut limit = Command::new("prlimit");
        limit.args(["--pid", &pid, "--fsize=4096"]);
        assert!(limit.status().unwrap().success());
        let (status, stdout, stderr) = running.wait_with_stderr();
        assert_eq!(status, 1, "{stderr}");
        lost += u64::from(!stdout.contains("sessions attempted"));
        for part in [
            "cannot save the result to out.json",
            "File too large",
            "--output FILE",
        ] {
            assert!(stderr.contains(part), "{part}: {stderr}");
        }
        let left: Vec<String> = (files(dir.path()).iter())
            .map(|file| fs::read_to_string(file).unwrap())
            .collect();
        let expected: &[&str] = if old { &["an old file"] } else { &[] };
        half += u64::from(left != expected);
    }
    let figures = [("half_files", half), ("summaries_lost", lost)];
    evidence("results-survive", "full_disk", &figures);
    assert_eq!((half, lost), (0, 0));
}

#[test]
fn a_name_that_cannot_be_written_is_found_before_the_run() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let long = SHORT.replace("100ms", "60s");
    let name = "n".repeat(300);
    for (out, codes) in [
        (name.as_str(), 1),
        ("file/out.json", 1),
        ("/proc/out.json", 1),
        ("folder", 2),
    ] {
        let began = Instant::now();
        let output = common::process::run(dir.path(), &format!("{long} -o {out}"));
        assert!(began.elapsed() < Duration::from_secs(10), "{out}");
        assert_eq!(code(&output), codes, "{}", stderr(&output));
        assert!(stderr(&output).contains("--output"), "{}", stderr(&output));
    }
    for flags in [
        format!("compare a.json a.json -o {name}"),
        format!(
            "ab --max-rounds 2 --benchmark-json {} -- --auth none",
            "n".repeat(250)
        ),
    ] {
        fs::copy(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/result-v1.json"),
            dir.path().join("a.json"),
        )
        .unwrap();
        let output = common::process::run(dir.path(), &flags);
        assert_eq!(code(&output), 1, "{}", stderr(&output));
        assert!(
            stderr(&output).contains("name too long"),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn runs_that_start_in_the_same_second_keep_their_results() {
    let dir = tempfile::tempdir().unwrap();
    let running: Vec<Running> = (0..4)
        .map(|_| {
            let mut command = shakedown(dir.path());
            command.args(SHORT.split(' '));
            Running::start(command)
        })
        .collect();
    for one in running {
        let (code, _, stderr) = one.wait_with_stderr();
        assert!([0, 106].contains(&code), "{stderr}");
    }
    let results = dir.path().join("results");
    assert_eq!(files(&results).len(), 4);
    assert_eq!(store::load_all(&results).unwrap().len(), 4);
}

#[test]
fn a_result_that_cannot_be_saved_where_it_was_wanted_is_saved_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let (wanted, other) = (dir.path().join("wanted"), dir.path().join("other"));
    fs::create_dir(&other).unwrap();
    let mut command = shakedown(dir.path());
    let args = "run --auth none --sessions 2 --duration 1500ms --warmup 0s -o wanted/out.json";
    command.args(args.split(' ')).env("TMPDIR", &other);
    let mut running = Running::start(command);
    wait_for_stderr(&mut running, "trial");
    // A file stands where the folder was.
    fs::remove_dir_all(&wanted).unwrap();
    fs::write(&wanted, "").unwrap();
    let (code, stdout, stderr) = running.wait_with_stderr();
    assert_eq!(code, 1, "{stderr}");
    assert!(stdout.contains("sessions attempted"), "{stdout}");
    let saved = other.join("shakedown-out.json");
    for part in [
        "cannot save the result to wanted/out.json",
        saved.to_str().unwrap(),
    ] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    store::load(&saved).unwrap();
}

#[test]
fn certificates_that_do_not_fit_on_the_disk_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    // Room for the first file, and not for a chain of two certificates.
    for (made, args) in [("new/pki", "pki new new/pki --faults"), (".", "pki new .")] {
        let output = after("ulimit -f 2", dir.path(), args).output().unwrap();
        assert_eq!(code(&output), 1, "{}", stderr(&output));
        assert!(
            stderr(&output).contains("File too large"),
            "{}",
            stderr(&output)
        );
        assert_eq!(files(dir.path()), [] as [PathBuf; 0], "{made}");
    }
    let output = common::process::run(dir.path(), "pki new new/pki --faults");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
}

#[test]
fn what_killed_reports_and_ab_runs_left_behind_is_removed_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fixture = root.join("tests/fixtures/result-v1.json");
    let temp = dir.path().join("tmp");
    fs::create_dir(&temp).unwrap();
    let ab = "ab --max-rounds 1000 --block 200ms -- --auth none --sessions 1";
    for _ in 0..2 {
        let mut command = shakedown(dir.path());
        command.args(ab.split(' ')).env("TMPDIR", &temp);
        let mut running = Running::start(command);
        wait_for_stderr(&mut running, "at most");
        sleep(Duration::from_millis(300));
        assert_eq!(files(&temp).len(), 1);
        // Killed, as `Running` does when it is dropped.
        drop(running);
        assert_eq!(files(&temp).len(), 1);
    }
    fs::write(dir.path().join(".shakedown-abc123.tmp"), "half a report").unwrap();
    let args = format!("report {} -o report.txt", fixture.display());
    let output = common::process::run(dir.path(), &args);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let mut left = files(dir.path());
    left.sort();
    assert_eq!(left, [dir.path().join("report.txt"), temp]);
}

/// What stands where a result was being saved when the process was killed.
#[derive(Debug, Default)]
struct Found {
    kills: u64,
    none: u64,
    whole: u64,
    half: u64,
    most_left_behind: u64,
}

impl Found {
    fn look(&mut self, out: &Path) {
        self.kills += 1;
        match store::load(out) {
            Ok(_) => self.whole += 1,
            Err(_) if !out.exists() => self.none += 1,
            Err(_) => self.half += 1,
        }
        let left = files(out.parent().unwrap()).len() - usize::from(out.exists());
        self.most_left_behind = self.most_left_behind.max(left as u64);
    }

    fn judge(&self, test: &str) {
        let figures = [
            ("kills", self.kills),
            ("whole_files", self.whole),
            ("no_file", self.none),
            ("half_files", self.half),
            ("most_temporary_files", self.most_left_behind),
        ];
        evidence("results-survive", test, &figures);
        assert_eq!(self.half, 0, "{self:?}");
        // The next save removes what the last kill left behind.
        assert!(self.most_left_behind <= 1, "{self:?}");
    }
}

#[test]
fn a_killed_run_leaves_a_whole_file_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.json");
    let mut found = Found::default();
    let alone = Instant::now();
    let mut command = shakedown(dir.path());
    command.args(SHORT.split(' ')).args(["-o", "out.json"]);
    let output = command.output().unwrap();
    assert!([0, 106].contains(&code(&output)), "{}", stderr(&output));
    let whole = alone.elapsed();
    fs::remove_file(&out).unwrap();
    // Spread from the beginning to beyond the end, most of them around the end.
    for step in 0..30u32 {
        let mut command = shakedown(dir.path());
        command.args(SHORT.split(' ')).args(["-o", "out.json"]);
        let began = Instant::now();
        let running = Running::start(command);
        let at = whole.mul_f64(0.7 + 0.015 * f64::from(step));
        sleep(at.saturating_sub(began.elapsed()));
        drop(running);
        found.look(&out);
    }
    found.judge("killed_runs");
}

/// The variable that says where the child saves its result.
const CHILD: &str = "SHAKEDOWN_TEST_SAVES_TO";

fn sample() -> RunRecord {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    store::load(&root.join("tests/fixtures/result-v1-tax.json")).unwrap()
}

#[test]
#[ignore = "the child of the test below; it never ends"]
fn saves_again_and_again() {
    let out = PathBuf::from(std::env::var_os(CHILD).expect("it is started as a child only"));
    let record = sample();
    loop {
        store::save(&out, &record).unwrap();
    }
}

#[test]
fn a_save_that_is_killed_leaves_a_whole_file_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.json");
    let mut found = Found::default();
    for round in 0..60u64 {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .args(["--ignored", "--exact", "saves_again_and_again"])
            .env(CHILD, &out);
        let running = Running::start(child);
        // From before the first save into the middle of one of the later ones.
        let deadline = Instant::now() + Duration::from_secs(10);
        while round % 4 > 0 && files(dir.path()).is_empty() && Instant::now() < deadline {
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_micros(40_000 + 1_370 * round));
        drop(running);
        found.look(&out);
        if round % 10 == 9 {
            // A save that is not killed leaves nothing but its file.
            store::save(&out, &sample()).unwrap();
            assert_eq!(files(dir.path()), [out.as_path()]);
            fs::remove_file(&out).unwrap();
        }
    }
    assert!(found.whole > 0, "{found:?}");
    found.judge("killed_saves");
}

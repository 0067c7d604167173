//! What goes wrong with shards ends as it should: nobody waits for ever, and what is there is merged.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use shakedown::record::RunRecord;

use crate::common::process::{Running, code, run, serve, shakedown, text};
use crate::common::reasons;

/// Shards in a folder of their own, with a server.
struct Fleet {
    dir: tempfile::TempDir,
    port: u16,
    _server: Running,
}

impl Fleet {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(code(&run(dir.path(), "pki new pki")), 0);
        let (server, port) = serve(dir.path(), "pki", "127.0.0.1:0");
        Self {
            dir,
            port,
            _server: server,
        }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The command of a shard; what is given last counts.
    fn shard(&self, shard: &str, more: &str) -> Command {
        let mut command = shakedown(self.path());
        let url = format!("tls://localhost:{}", self.port);
        let load = "--protocol echo --rate 40/s -d 1s --warmup 0s --grace 1s --workers 1 -q";
        command
            .args(["run", &url, "--cacert", "pki/ca.pem"])
            .args(["--cert", "pki/client-0.pem", "--key", "pki/client-0.key"])
            .args(load.split(' '))
            .args(["--shard", shard])
            .args(more.split(' '));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Waits until a file is there.
    fn wait_for(&self, file: &str) {
        let begun = Instant::now();
        while !self.path().join(file).exists() {
            assert!(begun.elapsed() < Duration::from_secs(20), "no {file}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn merge(&self, from: &str) -> (i32, String, Option<RunRecord>) {
        let output = run(self.path(), &format!("merge {from} -o merged.json"));
        let said = text(&output.stdout) + &text(&output.stderr);
        let merged = fs::read(self.path().join("merged.json")).ok();
        let merged = merged.map(|bytes| serde_json::from_slice(&bytes).unwrap());
        (code(&output), said, merged)
    }
}

const TOGETHER: &str = "--together t --lead 500ms --meet-timeout 15s";

/// Starts commands at the same time and waits for all.
fn all(commands: impl IntoIterator<Item = Command>) -> Vec<Output> {
    let started: Vec<_> = commands
        .into_iter()
        .map(|mut c| c.spawn().unwrap())
        .collect();
    let waited = started
        .into_iter()
        .map(|child| child.wait_with_output().unwrap());
    waited.collect()
}

fn codes(outputs: &[Output]) -> Vec<i32> {
    outputs.iter().map(code).collect()
}

#[test]
fn a_shard_that_never_comes_is_named_by_all_others() {
    let fleet = Fleet::new();
    let together = "--together t --meet-timeout 1s";
    let outputs = all(["0/3", "2/3"].map(|shard| fleet.shard(shard, together)));
    assert_eq!(codes(&outputs), [1, 1]);
    for output in &outputs {
        let error = text(&output.stderr);
        assert!(error.contains("shard 1"), "{error}");
    }
    let (status, said, merged) = fleet.merge("t");
    assert_eq!((status, merged.is_none()), (104, true), "{said}");
}

#[test]
fn a_shard_that_is_killed_in_its_load_leaves_the_others() {
    let fleet = Fleet::new();
    let mut doomed = fleet.shard("1/3", TOGETHER).spawn().unwrap();
    let mut others: Vec<_> = ["0/3", "2/3"]
        .map(|shard| fleet.shard(shard, TOGETHER).spawn().unwrap())
        .into();
    fleet.wait_for("t/start.json");
    std::thread::sleep(Duration::from_millis(800));
    doomed.kill().unwrap();
    doomed.wait().unwrap();
    assert!(
        others
            .iter_mut()
            .all(|child| child.wait().unwrap().success())
    );
    let (status, said, merged) = fleet.merge("t");
    assert_eq!(status, 106, "{said}");
    let merged = merged.unwrap();
    assert!(reasons(&merged).contains(&"shards-missing"));
    assert!(
        said.contains("shard 1 is of 3 missing") || said.contains("shard 1"),
        "{said}"
    );
    // Both others did their part, and no more.
    assert_eq!(merged.cells[0].total().ok_total(), 27);
    assert!(!merged.validity.complete);
}

#[test]
fn a_result_that_cannot_be_left_whole_is_not_there() {
    let fleet = Fleet::new();
    let limited = {
        let shard = fleet.shard("1/2", TOGETHER);
        let mut limited = Command::new("bash");
        let args: Vec<_> = shard.get_args().map(|arg| arg.to_string_lossy()).collect();
        // Its card has room, and its result has not.
        let script = format!(
            "ulimit -f 4; exec {} {}",
            env!("CARGO_BIN_EXE_shakedown"),
            args.join(" ")
        );
        limited.args(["-c", &script]).current_dir(fleet.path());
        limited.stdout(Stdio::piped()).stderr(Stdio::piped());
        limited
    };
    let outputs = all([fleet.shard("0/2", TOGETHER), limited]);
    assert_eq!(codes(&outputs), [0, 1], "{}", text(&outputs[1].stderr));
    assert!(fleet.path().join("t/shards/0.json").exists());
    assert!(!fleet.path().join("t/shards/1.json").exists());
    let (status, said, _) = fleet.merge("t");
    assert_eq!(status, 106, "{said}");
}

#[test]
fn a_shard_that_wakes_late_does_not_load_alone() {
    let fleet = Fleet::new();
    let sleeper = fleet.shard("1/2", TOGETHER).spawn().unwrap();
    let mut other = fleet.shard("0/2", TOGETHER).spawn().unwrap();
    fleet.wait_for("t/start.json");
    signal(sleeper.id(), "STOP");
    std::thread::sleep(Duration::from_secs(2));
    signal(sleeper.id(), "CONT");
    let output = sleeper.wait_with_output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(other.wait().unwrap().success());
    let (status, said, merged) = fleet.merge("t");
    assert_eq!(status, 106, "{said}");
    let merged = merged.unwrap();
    assert!(reasons(&merged).contains(&"shard-late"), "{said}");
    let total = merged.cells[0].total();
    assert_eq!((total.ok_total(), total.not_started["late"]), (20, 20));
    assert!(merged.shards[1].late_ns > 1_000_000_000);
}

#[test]
fn a_shard_that_comes_10_s_late_takes_part_from_then_on() {
    let fleet = Fleet::new();
    // Slots of 3 s: by then the first four trials have begun.
    let start = std::time::SystemTime::now() - Duration::from_secs(10);
    let start = start
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    let scenario = "version = 1\nname = \"late\"\n[trials]\ncount = 5\n";
    fs::write(fleet.path().join("late.toml"), scenario).unwrap();
    let shard = |number| {
        let mut command = shakedown(fleet.path());
        let url = format!(
            "run late.toml --protocol echo --rate 40/s -d 1s --warmup 0s --grace 1s --workers 1 -q --shard {number}/2 \
             --start-at {start} -o {number}.json"
        );
        command
            .args(url.split(' '))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    };
    let outputs = all([shard(0), shard(1)]);
    assert_eq!(codes(&outputs), [0, 0], "{}", text(&outputs[0].stderr));
    let (status, said, merged) = fleet.merge("0.json 1.json");
    assert_eq!(status, 106, "{said}");
    let merged = merged.unwrap();
    assert!(reasons(&merged).contains(&"shard-late"), "{said}");
    let trials = &merged.cells[0].trials;
    let late: Vec<u64> = trials
        .iter()
        .map(|trial| trial.total.not_started.get("late").copied().unwrap_or(0))
        .collect();
    assert_eq!((late.len(), late[0], late[4]), (5, 40, 0), "{late:?}");
    assert_eq!(trials[4].total.started, 40);
}

#[test]
fn a_shard_that_comes_twice_or_to_a_used_folder_is_refused() {
    let fleet = Fleet::new();
    let outputs = all(["0/2", "1/2", "1/2"].map(|shard| fleet.shard(shard, TOGETHER)));
    let mut status = codes(&outputs);
    assert_eq!(status.remove(0), 0);
    status.sort_unstable();
    assert_eq!(status, [0, 1]);
    let twice = outputs[1..]
        .iter()
        .find(|output| code(output) == 1)
        .unwrap();
    let error = text(&twice.stderr);
    // Before or after the others had met.
    let named = error.contains("shard 1/2 is already at t") || error.contains("as shard 1/2");
    assert!(named, "{error}");
    let (status, said, merged) = fleet.merge("t");
    assert!([0, 106].contains(&status), "{said}");
    assert_eq!(merged.unwrap().cells[0].total().ok_total(), 40);

    let again = all(["0/2", "1/2"].map(|shard| fleet.shard(shard, TOGETHER)));
    assert_eq!(codes(&again), [1, 1]);
    let error = text(&again[0].stderr);
    assert!(error.contains("use a new, empty folder"), "{error}");
}

#[test]
fn shards_of_other_plans_do_not_begin() {
    for (other, named) in [("--rate 50/s", "plan"), ("--workers 2", "workers")] {
        let fleet = Fleet::new();
        let mut odd = fleet.shard("1/2", TOGETHER);
        // What is given twice is an error, so it replaces.
        let (flag, value) = other.split_once(' ').unwrap();
        let args: Vec<String> = odd
            .get_args()
            .map(|a| a.to_string_lossy().into_owned())
            .collect();
        let at = args.iter().position(|arg| arg == flag).unwrap();
        let mut args = args;
        value.clone_into(&mut args[at + 1]);
        odd = shakedown(fleet.path());
        odd.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        let outputs = all([fleet.shard("0/2", TOGETHER), odd]);
        assert_eq!(codes(&outputs), [1, 1], "{other}");
        for output in &outputs {
            let error = text(&output.stderr);
            assert!(
                error.contains(named) && error.contains("shard 1"),
                "{error}"
            );
        }
    }
}

#[test]
fn shards_with_other_identities_do_not_begin() {
    let fleet = Fleet::new();
    let shards = [(0, 3), (1, 2)].map(|(index, rows)| {
        let manifest = fleet.path().join(format!("{index}.csv"));
        let row = "pki/client-0.pem,pki/client-0.key\n".repeat(rows);
        fs::write(&manifest, format!("cert,key\n{row}")).unwrap();
        let here = fleet.path().join(index.to_string());
        fs::create_dir(&here).unwrap();
        // The same name on both machines.
        std::os::unix::fs::symlink(&manifest, here.join("fleet.csv")).unwrap();
        std::os::unix::fs::symlink(fleet.path().join("pki"), here.join("pki")).unwrap();
        let mut command = shakedown(&here);
        let args = format!(
            "run tls://localhost:{} --cacert pki/ca.pem --fleet fleet.csv --protocol echo --sessions 2 -n 4 --workers 1 \
             -q --shard {index}/2 --together ../t",
            fleet.port
        );
        command.args(args.split_whitespace());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    });
    let outputs = all(shards);
    let error = text(&outputs[0].stderr);
    assert_eq!(codes(&outputs), [1, 1], "{error}");
    assert!(error.contains("another plan"), "{error}");
}

#[test]
fn what_makes_no_shard_is_exit_status_2_and_says_what_to_write() {
    let fleet = Fleet::new();
    for (args, part) in [
        ("--shard 0/2", "--together"),
        ("--shard 2/2 --together t", "numbered from 0 to 1"),
        ("--shard auto --together t", "SHAKEDOWN_SHARD"),
        (
            "--shard 0/2 --start-at 2020-01-01T00:00:00Z",
            "still to come",
        ),
        ("--shard 0/2 --start-at noon", "seconds since 1970"),
        ("--shard 0/2 --lead 1s --start-at 1", "--together"),
    ] {
        let output = run(
            fleet.path(),
            &format!(
                "run tls://localhost:{} --insecure --workers 1 --sessions 4 {args}",
                fleet.port
            ),
        );
        let error = text(&output.stderr);
        assert_eq!(code(&output), 2, "{args}: {error}");
        assert!(error.contains(part), "{args}: {error}");
    }
    for (args, part) in [
        ("--sessions 5 --workers 3 --shard 0/2", "ask for 1 at most"),
        ("--sessions 5 --shard 0/2", "--workers N"),
    ] {
        let output = run(
            fleet.path(),
            &format!(
                "run tls://localhost:{} --insecure {args} --together t",
                fleet.port
            ),
        );
        let error = text(&output.stderr);
        assert_eq!(code(&output), 104, "{args}: {error}");
        assert!(error.contains(part), "{args}: {error}");
    }
}

#[test]
fn the_environment_says_which_shard_it_is() {
    let fleet = Fleet::new();
    let shard = |rank: &str| {
        let mut command = fleet.shard("auto", TOGETHER);
        command
            .env("OMPI_COMM_WORLD_RANK", rank)
            .env("OMPI_COMM_WORLD_SIZE", "2");
        command
    };
    let mut first = shard("0");
    first.arg("--json");
    let outputs = all([first, shard("1")]);
    assert_eq!(codes(&outputs), [0, 0], "{}", text(&outputs[0].stderr));
    let printed: RunRecord = serde_json::from_slice(&outputs[0].stdout).unwrap();
    assert_eq!(printed.shard.unwrap().shard.index, 0);
    assert!(text(&outputs[1].stdout).starts_with("shard 1/2: 20 confirmed, 0 failed; left at t"));
    let (_, said, merged) = fleet.merge("t");
    assert_eq!(merged.unwrap().shards.len(), 2, "{said}");
}

#[test]
fn an_interrupted_shard_keeps_what_it_has() {
    let fleet = Fleet::new();
    let long = format!("{TOGETHER} --hold 0s");
    let shards = ["0/2", "1/2"].map(|shard| fleet.shard(shard, &long).spawn().unwrap());
    fleet.wait_for("t/start.json");
    std::thread::sleep(Duration::from_secs(1));
    let [first, second] = shards;
    signal(first.id(), "INT");
    let outputs = [first, second].map(|child| child.wait_with_output().unwrap());
    assert_eq!(codes(&outputs), [105, 0]);
    let (status, said, merged) = fleet.merge("t");
    assert_eq!(status, 106, "{said}");
    let merged = merged.unwrap();
    assert!(reasons(&merged).contains(&"shards-missing"), "{said}");
    assert!(said.contains("shard 0 ended before the plan did"), "{said}");
}

fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

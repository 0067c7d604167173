//! Shards under engines that exist: the files of `examples/slurm` and `examples/mpi` under a real Slurm and Open MPI
//! (`scripts/engines`), against an nginx whose log counts, too.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use common::installed::installed;
use common::process::{serve_protocol, text};
use common::{assert_accounted, only, pki_in, reasons};
use shakedown::record::RunRecord;
use tempfile::TempDir;

/// One cluster at a time: shards that share two cores with another one's would begin late.
static ONE: Mutex<()> = Mutex::new(());

/// What every script begins with: `$load` leads to an nginx with an empty log.
const PRELUDE: &str = r#"
set -uo pipefail
started=$("$scripts/servers" start nginx --pki pki --run nginx --threads 1) || exit 99
url=$(grep -o 'https://[^ ]*' <<<"$started")
load="$url --cacert pki/ca.pem --cert pki/client-0.pem --key pki/client-0.key --lead 1s"
printf 'localhost slots=3\n' >hosts

# wait_for_jobs: until Slurm has none left.
wait_for_jobs() { while [[ -n $(squeue --noheader) ]]; do sleep 0.1; done; }
# keep NAME: the one result there is, and how many requests the server has accepted since it started.
keep() {
  mv shakedown-*/result.json "$1.json"
  mkdir -p old && mv shakedown-* old/
  sleep 0.2
  "$scripts/servers" logcount --run nginx nginx >"$1.count"
}
"#;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A search path that has this build of the command.
fn path() -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_shakedown"));
    let path = std::env::var("PATH").unwrap();
    format!("{}:{path}", binary.parent().unwrap().display())
}

/// Why engines cannot run here, if they cannot. A program that is missing may be a failure.
fn engines_can_run() -> bool {
    if !["slurmctld", "slurmd", "munged", "mpirun", "nginx", "ip"]
        .into_iter()
        .all(installed)
    {
        return false;
    }
    let namespaces = Command::new("unshare")
        .args(["--net", "--pid", "--fork", "--mount", "--uts", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !namespaces {
        eprintln!("skipped: a cluster of this machine's own needs root and namespaces");
    }
    namespaces
}

/// A folder in which a script has run beside a cluster, and what it said.
struct Ran {
    dir: TempDir,
    said: String,
}

impl Ran {
    /// Runs a script to its end; `None` where there are no engines.
    fn script(script: &str) -> Option<Self> {
        if !engines_can_run() {
            return None;
        }
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = tempfile::tempdir().unwrap();
        pki_in(&dir.path().join("pki"));
        let output = Command::new("timeout")
            .arg("--kill-after=5")
            .arg("100")
            .arg(root().join("scripts/engines"))
            .args(["cluster", "bash", "-c", &format!("{PRELUDE}{script}")])
            .current_dir(dir.path())
            .env("PATH", path())
            .env("scripts", root().join("scripts"))
            .env("examples", root().join("examples"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let mut said = text(&output.stdout) + &text(&output.stderr);
        let mut logs: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|path| path.to_string_lossy().contains("slurm-"))
            .collect();
        logs.sort();
        for log in logs {
            said += &log.to_string_lossy();
            said += &fs::read_to_string(&log).unwrap();
        }
        assert_eq!(output.status.code(), Some(0), "{said}");
        Some(Self { dir, said })
    }

    fn record(&self, name: &str) -> RunRecord {
        let path = self.dir.path().join(format!("{name}.json"));
        let text =
            fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}\n{}", self.said));
        let record = serde_json::from_str(&text).unwrap();
        assert_accounted(&record);
        record
    }

    /// Requests that the server has accepted, up to the end of a run.
    fn accepted(&self, name: &str) -> u64 {
        let path = self.dir.path().join(format!("{name}.count"));
        fs::read_to_string(path).unwrap().trim().parse().unwrap()
    }
}

/// What has to be the same, however many machines there are.
fn counts(record: &RunRecord) -> Vec<[u64; 6]> {
    let trials = only(record).trials.iter();
    let each = trials.map(|trial| {
        let of = [&trial.total, &trial.measured];
        let [total, measured] = of.map(|of| [of.started, of.ok_total(), of.failed_total()]);
        [total, measured].concat().try_into().unwrap()
    });
    each.collect()
}

fn ok(record: &RunRecord) -> u64 {
    only(record).trials.iter().map(|t| t.total.ok_total()).sum()
}

/// Every engine starts three shards of two workers, and one machine has six.
fn the_same_as_one_machine(flags: &str) {
    let script = r#"
load+=" FLAGS"
sbatch "$examples/slurm/step.sh" $load; wait_for_jobs; keep step
job=$(sbatch --parsable "$examples/slurm/array.sh" $load)
sbatch --dependency="afterany:$job" "$examples/slurm/merge.sh" "shakedown-$job"; wait_for_jobs; keep array
"$examples/mpi/run.sh" hosts 2 $load; keep mpi
mkdir shakedown-single
shakedown run ${load/--lead 1s/} --workers 6 -o shakedown-single/result.json; keep single
true
"#;
    let Some(ran) = Ran::script(&script.replace("FLAGS", flags)) else {
        return;
    };
    let single = ran.record("single");
    let mut before = 0;
    for name in ["step", "array", "mpi", "single"] {
        let record = ran.record(name);
        assert_eq!(counts(&record), counts(&single), "{name}\n{}", ran.said);
        let accepted = ran.accepted(name);
        assert_eq!(ok(&record), accepted - before, "{name}\n{}", ran.said);
        before = accepted;
    }
    assert!(ok(&single) > 50, "{}", ran.said);
}

#[test]
fn fixed_arrivals_are_those_of_one_machine() {
    the_same_as_one_machine("--rate 60/s --warmup 300ms --duration 1s");
}

#[test]
fn poisson_arrivals_are_those_of_one_machine() {
    the_same_as_one_machine(
        "--rate 50/s --arrivals poisson --warmup 200ms --duration 600ms --trials 2",
    );
}

#[test]
fn a_closed_loop_has_the_total_of_one_machine() {
    the_same_as_one_machine("--sessions 7 --total 100 --warmup 0s --duration 5s");
}

/// Arrays are no gangs: with three nodes, the fourth element begins when the others have given up.
#[test]
fn an_array_wider_than_its_nodes_ends_with_the_shard_that_is_missing() {
    let script = r#"
job=$(sbatch --parsable --array=0-3 "$examples/slurm/array.sh" $load --rate 60/s --duration 1s --meet-timeout 4s)
merge=$(sbatch --parsable --dependency="afterany:$job" "$examples/slurm/merge.sh" "shakedown-$job")
wait_for_jobs
for k in 0 1 2 3; do
  scontrol show job "${job}_$k" | grep -o 'ExitCode=.*' && tr -s '\n ' ' ' <"slurm-${job}_$k.out" && echo
done >elements
scontrol show job "$merge" | grep -o 'ExitCode=.*' >merge
"#;
    let Some(ran) = Ran::script(script) else {
        return;
    };
    let read = |name| fs::read_to_string(ran.dir.path().join(name)).unwrap();
    let elements = read("elements");
    assert_eq!(elements.matches("ExitCode=1:0").count(), 4, "{elements}");
    let missing = elements.matches("missing: shard 3");
    assert_eq!(missing.count(), 4, "{elements}");
    assert!(read("merge").starts_with("ExitCode=104:0"), "{}", ran.said);
    assert!(
        ran.said
            .contains("there is no result of a shard in shakedown-1/shards"),
        "{}",
        ran.said
    );
    assert_eq!(read("nginx/nginx.access.log"), "");
}

/// mpirun kills all ranks when one exits with another status than 0.
#[test]
fn a_shard_that_is_invalid_takes_no_other_with_it() {
    let script = r#"
"$examples/mpi/run.sh" hosts 2 $load --rate 60/s --warmup 0s --duration 1s --expect-status 204
echo $? >status
ls shakedown-*/shards >shards
keep invalid
"#;
    let Some(ran) = Ran::script(script) else {
        return;
    };
    let read = |name| fs::read_to_string(ran.dir.path().join(name)).unwrap();
    assert_eq!(read("status"), "106\n", "{}", ran.said);
    assert_eq!(read("shards"), "0.json\n1.json\n2.json\n");
    assert!(!ran.said.contains("non-zero"), "{}", ran.said);
    let record = ran.record("invalid");
    assert!(!reasons(&record).contains(&"shards-missing"));
    let total = &only(&record).trials[0].total;
    assert_eq!((total.started, total.failed_total()), (60, 60));
}

/// The commands of docs/many-machines.md for what has no section of its own, against another server.
#[test]
fn whatever_starts_processes_will_do() {
    if !installed("parallel") {
        return;
    }
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let document = fs::read_to_string(root().join("docs/many-machines.md")).unwrap();
    let (_, section) = document.split_once("\n## With anything else\n").unwrap();
    let script = section.split("```").nth(1).unwrap();
    let script = script.strip_prefix("sh\n").unwrap();

    let dir = tempfile::tempdir().unwrap();
    pki_in(&dir.path().join("pki"));
    for (from, to) in [
        ("ca.pem", "ca.pem"),
        ("client-0.pem", "c.pem"),
        ("client-0.key", "c.key"),
    ] {
        fs::copy(dir.path().join("pki").join(from), dir.path().join(to)).unwrap();
    }
    let (_server, port) = serve_protocol(dir.path(), "pki", "127.0.0.1:0", "http1");
    let url = format!("https://localhost:{port}/");
    let output = Command::new("timeout")
        .args(["60", "bash", "-uc"])
        .arg(script.replace("https://server:8443/", &url))
        .current_dir(dir.path())
        .env("PATH", path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    let runs = ["run-1", "run-2", "run-3"].map(|name| {
        let file = fs::read(dir.path().join(format!("{name}.json")));
        let file = file.unwrap_or_else(|e| panic!("{name}: {e}\n{said}"));
        let record: RunRecord = serde_json::from_slice(&file).unwrap();
        assert_accounted(&record);
        counts(&record)
    });
    assert!(runs.iter().all(|counts| *counts == runs[0]), "{said}");
    let [_, ok, failed, measured, ..] = runs[0][0];
    assert_eq!((failed, measured), (0, 60), "{said}");
    assert!(ok >= 60, "{said}");
}

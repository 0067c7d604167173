//! A folder with everything that the documents' commands take for granted, and how a command is run in a copy.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use shakedown::store;

use crate::common::process::{code, run, text};

/// What a script may take, in seconds, on a busy machine.
const MOST_S: u32 = 120;
/// Programs that documents call and that must not do here what they do.
const STUBS: [(&str, &str); 6] = [
    (
        "cargo",
        "while [[ $1 != -- ]]; do shift; done; shift; exec shakedown \"$@\"",
    ),
    ("../scripts/servers", ""),
    ("../scripts/test", ""),
    ("git", ""),
    ("nginx", ""),
    ("man", "cat >/dev/null"),
];
/// Made from one short run under the names that documents use.
const RESULTS: [&str; 15] = [
    "result.json",
    "RESULT.json",
    "RESULT",
    "BASELINE",
    "CANDIDATE",
    "before.json",
    "after.json",
    "main.json",
    "a.json",
    "b.json",
    "c.json",
    "A.json",
    "B.json",
    "FILE",
    "results/past/1.json",
];

/// The folder that is copied.
pub struct Stage {
    dir: tempfile::TempDir,
    scripts: AtomicU8,
}

/// How a script is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// For real.
    Run,
    /// What takes long is only planned.
    Plan,
}

impl Stage {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let done = |args: &str| {
            let output = run(dir.path(), args);
            let said = text(&output.stdout) + &text(&output.stderr);
            assert!([0, 106].contains(&code(&output)), "{args}: {said}");
        };
        let names = "--name localhost --name 127.0.0.1 --name staging --name a --name b";
        done(&format!("pki new pki --faults --clients 2 {names}"));
        fs::create_dir_all(at("certs")).unwrap();
        fs::write(at("fleet.csv"), "cert,key\nc.pem,c.key\n").unwrap();
        for (from, to) in [
            ("client-0.pem", "c.pem"),
            ("client-0.key", "c.key"),
            ("ca.pem", "ca.pem"),
            ("crl.pem", "crl.pem"),
            ("client-0.pem", "certs/dev-0.pem"),
            ("client-0.key", "certs/dev-0.key"),
            ("client-0.pem", "pki/dev-0.pem"),
            ("client-0.key", "pki/dev-0.key"),
        ] {
            fs::copy(at("pki").join(from), at(to)).unwrap();
        }
        done("run mtls-tax --trials 1 -d 300ms --warmup 0s -o result.json -q");
        fit_for_a_baseline(&at("result.json"));
        for folder in [
            "results/past",
            "results/before",
            "results/after",
            "old",
            "new",
            ".zfunc",
            ".config/fish/completions",
            "bin",
        ] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        for name in RESULTS
            .iter()
            .skip(1)
            .copied()
            .chain(["results/before/1.json", "results/after/1.json"])
        {
            fs::copy(at("result.json"), at(name)).unwrap();
        }
        done("baseline record result.json");
        done("compare a.json b.json -o COMPARISON.json --despite profile");
        done(
            "run --auth mutual --trials 1 -d 300ms --warmup 0s --workers 1 --shard 0/1 --together run-1 --lead 100ms -q",
        );
        let scenario = "version = 1\nname = \"mine\"\n[load]\nsessions = 2\ntotal = 20\n[matrix]\nauth = [\"mutual\"]\n";
        let copied = Command::new("cp")
            .args(["-R", "pki", "DIR"])
            .current_dir(dir.path())
            .status();
        assert!(copied.unwrap().success());
        for name in ["my.toml", "FILE.toml", "before.toml", "after.toml"] {
            fs::write(at(name), scenario).unwrap();
        }
        fs::write(
            at("slo.toml"),
            "version = 1\n[thresholds]\nconfirm = [\"p50<10s\"]\n",
        )
        .unwrap();
        symlink(root().join("scenarios"), at("scenarios")).unwrap();
        fs::create_dir_all(at("scripts")).unwrap();
        programs(&at("bin"));
        for side in ["old", "new"] {
            symlink(env!("CARGO_BIN_EXE_shakedown"), at(side).join("shakedown")).unwrap();
        }
        Self {
            dir,
            scripts: AtomicU8::new(0),
        }
    }

    /// Runs a script in a copy of the folder. Says what went wrong if it does not end with `wanted`.
    pub fn run(&self, script: &str, mode: Mode, wanted: i32) -> Result<(), String> {
        let copy = tempfile::tempdir().unwrap();
        let dir = copy.path();
        let from = format!("{}/.", self.dir.path().display());
        let copied = Command::new("cp").args(["-R", &from]).arg(dir).status();
        assert!(copied.unwrap().success());
        // A folder that the script makes.
        for made in ["pki", "DIR"] {
            if script.contains(&format!("pki new {made}")) && dir.join(made).exists() {
                fs::remove_dir_all(dir.join(made)).unwrap();
            }
        }
        let number = self.scripts.fetch_add(1, Ordering::Relaxed);
        assert!(
            number < 250,
            "too many scripts for the addresses of one process"
        );
        let [high, low] = [std::process::id() >> 8 & 63, std::process::id() & 255];
        let mut command = Command::new("timeout");
        command
            .args([
                "-k",
                "2",
                &MOST_S.to_string(),
                "bash",
                "-euo",
                "pipefail",
                "-c",
                script,
            ])
            .current_dir(dir)
            .env(
                "PATH",
                format!(
                    "{}:{}",
                    dir.join("bin").display(),
                    std::env::var("PATH").unwrap()
                ),
            )
            .env("SHAKEDOWN_REAL", env!("CARGO_BIN_EXE_shakedown"))
            .env("ADDRESS", format!("127.{}.{low}.{}", 64 + high, number + 1))
            .env("STAGE", dir)
            .env("HOME", dir)
            .env("GITHUB_STEP_SUMMARY", dir.join("summary.md"))
            .env_remove("GITHUB_ACTIONS")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        if mode == Mode::Plan {
            command.env("ONLY_PLAN", "1");
        }
        if script.contains("shakedown serve") {
            command.env("OWN_SERVER", "1");
        }
        // Into a file: a server in the background would keep a pipe open after the script has ended.
        let heard = fs::File::create(dir.join("heard")).unwrap();
        command.stdout(heard.try_clone().unwrap()).stderr(heard);
        let status = command.status().unwrap();
        for pid in fs::read_to_string(dir.join("pids"))
            .unwrap_or_default()
            .lines()
        {
            let _ = Command::new("kill").arg(pid).stderr(Stdio::null()).status();
        }
        if status.code() == Some(wanted) {
            return Ok(());
        }
        let said = fs::read(dir.join("heard")).unwrap();
        Err(format!("{status} instead of {wanted}\n{}", text(&said)))
    }
}

/// Of a debug build on a busy machine there is no baseline; that is tested elsewhere.
fn fit_for_a_baseline(path: &Path) {
    let mut result = store::load(path).unwrap();
    "release".clone_into(&mut result.build.profile);
    result.validity.valid = true;
    result.validity.reasons.clear();
    fs::remove_file(path).unwrap();
    store::save(path, &result).unwrap();
}

fn programs(bin: &Path) {
    let executable = |name: &str, script: &str| {
        let path = bin.join(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    executable("shakedown", include_str!("shakedown.sh"));
    for (name, body) in STUBS {
        executable(name, &format!("#!/usr/bin/env bash\n{body}\n"));
    }
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

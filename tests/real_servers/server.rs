//! A real server in the background, with certificates of its own: started and stopped through
//! `scripts/servers`, skipped or demanded as the environment says.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use shakedown::record::RunRecord;

use crate::common::{self, against, pki_in, run, scenario};
use crate::differences::known;
use crate::ways::shakedown;

pub fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/servers")
}

/// Whether the binary of a server is there; panics instead of `false` where it must be.
pub fn installed(name: &str) -> bool {
    let program = known(name).program;
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join(program);
    let program = if program.contains('/') {
        here.to_str().unwrap()
    } else {
        program
    };
    common::installed::installed(program)
}

/// A running server with its certificates; stopped when dropped.
pub struct Server {
    name: &'static str,
    dir: tempfile::TempDir,
    pub port: u16,
    pub url: String,
}

impl Server {
    /// Starts a server that requires client certificates, unless it is not installed.
    pub fn start(name: &'static str, flags: &[&str]) -> Option<Self> {
        if !installed(name) {
            return None;
        }
        Some(Self::start_in(name, flags, |dir| {
            pki_in(dir);
        }))
    }

    /// Starts an installed server with the certificates that `mint` puts into a folder.
    pub fn start_in(name: &'static str, flags: &[&str], mint: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pki = dir.path().join("pki");
        mint(&pki);
        let run = dir.path().join("run");
        let output = Command::new(script())
            .args(["start", name, "--pki"])
            .arg(&pki)
            .arg("--run")
            .arg(&run)
            .args(flags)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let line = String::from_utf8(output.stdout).unwrap();
        let fields: HashMap<&str, &str> = line
            .split_whitespace()
            .filter_map(|field| field.split_once('='))
            .collect();
        Self {
            name,
            port: fields["port"].parse().unwrap(),
            url: fields["url"].to_owned(),
            dir,
        }
    }

    pub fn pki(&self) -> PathBuf {
        self.dir.path().join("pki")
    }

    /// Runs shakedown beside the folder `pki` with the port for `PORT`; its status and both of its outputs.
    pub fn shakedown(&self, args: &str) -> (i32, String) {
        self.shakedown_with(args, &[])
    }

    /// The same with further arguments, which may have blanks.
    pub fn shakedown_with(&self, args: &str, more: &[&str]) -> (i32, String) {
        let args = args.replace("PORT", &self.port.to_string());
        let output = shakedown(self.dir.path(), &args, more);
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap(),
            String::from_utf8(said).unwrap(),
        )
    }

    fn control(&self, command: &str, extra: &[&str]) -> Output {
        Command::new(script())
            .arg(command)
            .arg("--run")
            .arg(self.dir.path().join("run"))
            .args(extra)
            .output()
            .unwrap()
    }

    /// Requests with status 200 in the server's own log, once it has written `expected` or given up.
    pub fn logged(&self, expected: u64) -> u64 {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let count = self.log_count(&[]);
            if count >= expected || Instant::now() > deadline {
                return count;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The same once the server has ended and has no more to write. It is stopped when it has written
    /// `expected`, so that no line in the making is lost.
    pub fn logged_at_the_end(&self, expected: u64) -> u64 {
        self.logged(expected);
        self.control("stop", &[]);
        self.log_count(&[])
    }

    /// Its log, once it has `expected` accepted requests.
    pub fn log(&self, expected: u64) -> String {
        self.logged(expected);
        let run = self.dir.path().join("run");
        let names = [
            format!("{}.access.log", self.name),
            format!("{}.log", self.name),
        ];
        let mut logs = names
            .iter()
            .map(|name| std::fs::read_to_string(run.join(name)));
        logs.find_map(Result::ok).unwrap_or_default()
    }

    /// Those of them that came in a resumed session; nothing is waited for.
    pub fn logged_resumed(&self) -> u64 {
        self.log_count(&["--resumed"])
    }

    fn log_count(&self, flags: &[&str]) -> u64 {
        let output = self.control("logcount", &[&[self.name], flags].concat());
        let count = String::from_utf8_lossy(&output.stdout);
        count.trim().parse().unwrap_or(0)
    }

    /// Runs `sections` against it with a client identity from `identity` (or none).
    pub fn load(&self, sections: &str, scheme: &str, identity: Option<&Path>) -> RunRecord {
        let url = format!("{scheme}://localhost:{}/", self.port);
        run(against(scenario(sections), &url, &self.pki(), identity))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.control("stop", &[]);
    }
}

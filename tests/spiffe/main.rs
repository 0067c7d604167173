//! Identities of a SPIFFE agent: taken from a server of the Workload API that is not ours, renewed while they are used,
//! and refused where there is none.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

#[path = "../common/mod.rs"]
mod common;
#[cfg(feature = "spiffe")]
mod errors;
#[cfg(feature = "spiffe")]
mod load;

#[cfg(not(feature = "spiffe"))]
use common::process::run;
use common::process::{code, text};

/// The command's stderr on one line, and its exit code.
fn said(output: &std::process::Output) -> (String, i32) {
    let words = text(&output.stderr);
    let words: Vec<_> = words.split_whitespace().collect();
    (words.join(" "), code(output))
}

#[cfg(not(feature = "spiffe"))]
#[test]
fn a_build_without_it_says_how_to_build_it() {
    let dir = tempfile::tempdir().unwrap();
    let load = "run tls://localhost:1 -k --fleet spiffe:unix:///run/agent.sock -n 1";
    let (said, code) = said(&run(dir.path(), load));
    assert_eq!(code, 104, "{said}");
    assert!(
        said.contains("cargo build --release --features spiffe"),
        "{said}"
    );
}

#[cfg(feature = "spiffe")]
mod agent {
    use std::io::{BufRead, BufReader, Write};
    use std::path::{Path, PathBuf};
    use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

    use shakedown::pki::{Pki, PkiSpec};

    /// The ID of its SVIDs.
    pub const ID: &str = "spiffe://example.org/load";

    /// `agent.py`, killed at the end.
    pub struct Agent {
        child: Child,
        stdin: ChildStdin,
        stdout: BufReader<ChildStdout>,
    }

    impl Agent {
        /// Starts one at `agent.sock` of a folder, with certificates in `pki`. `None` where Python's packages are not
        /// installed and need not be.
        pub fn start(dir: &Path, first: &str) -> Option<Self> {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let python = root.join("target/tools/venv/bin/python3");
            let (required, skipped) = ["SHAKEDOWN_REQUIRE_SERVERS", "SHAKEDOWN_SKIP_SERVERS"]
                .map(|name| std::env::var_os(name).is_some())
                .into();
            assert!(
                python.is_file() || !required || skipped,
                "{} is not installed; run scripts/install-deps",
                python.display()
            );
            if skipped || !python.is_file() {
                eprintln!("skipped: the agent needs the environment of scripts/install-deps");
                return None;
            }
            let spec = PkiSpec {
                clients: 4,
                ..PkiSpec::default()
            };
            let pki = Pki::mint(&spec).unwrap();
            pki.write(&dir.join("pki"), false).unwrap();
            let mut child = Command::new(python)
                .arg(root.join("tests/spiffe/agent.py"))
                .arg(dir.join("agent.sock"))
                .current_dir(dir)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
            let mut agent = Self {
                child,
                stdin,
                stdout: BufReader::new(stdout),
            };
            agent.tell(first);
            Some(agent)
        }

        /// Says what it answers from now on, and waits until it has heard it.
        pub fn tell(&mut self, line: &str) {
            writeln!(self.stdin, "{line}").unwrap();
            let mut heard = String::new();
            self.stdout.read_line(&mut heard).unwrap();
            assert_eq!(heard, "done\n", "{line}");
        }
    }

    impl Drop for Agent {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// The line by which the agent gives the certificate of one client and the key of another.
    pub fn svid(cert: usize, key: usize) -> String {
        format!("svid {ID} pki/client-{cert}.pem pki/client-{key}.key pki/ca.pem")
    }

    /// Where it listens.
    pub fn endpoint(dir: &Path) -> String {
        let socket: PathBuf = dir.join("agent.sock");
        format!("unix://{}", socket.display())
    }
}

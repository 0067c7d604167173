//! The command as a process of its own: started, watched, signalled.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The command in a folder of its own, without colours or width from the caller's terminal.
pub fn shakedown(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shakedown"));
    command
        .current_dir(dir)
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .stdin(Stdio::null());
    command
}

pub fn run(dir: &Path, args: &str) -> Output {
    shakedown(dir)
        .args(args.split_whitespace())
        .output()
        .unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// A process that is killed if a test fails.
pub struct Running(pub Child);

impl Running {
    pub fn start(mut command: Command) -> Self {
        Self(
            command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap(),
        )
    }

    pub fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// The first line of stdout.
    pub fn first_line(&mut self) -> String {
        let mut line = String::new();
        let stdout = self.0.stdout.take().unwrap();
        let mut reader = BufReader::new(stdout);
        reader.read_line(&mut line).unwrap();
        self.0.stdout = Some(reader.into_inner());
        line
    }

    /// Waits for the end and returns the exit code with stdout.
    pub fn wait(mut self) -> (i32, String) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.0.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the process did not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut stdout = String::new();
        self.0
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut stdout)
            .unwrap();
        (self.0.wait().unwrap().code().unwrap_or(-1), stdout)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a line of stderr has been written, by reading it.
pub fn wait_for_stderr(running: &mut Running, part: &str) {
    let mut reader = BufReader::new(running.0.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(part) {
        line.clear();
        assert!(
            reader.read_line(&mut line).unwrap() > 0,
            "stderr ended without {part:?}"
        );
    }
    std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
}

/// Starts `shakedown serve` in `dir` with the certificates of `pki`, echoing; says on which port.
pub fn serve(dir: &Path, pki: &str, listen: &str) -> (Running, u16) {
    let mut command = shakedown(dir);
    command.args([
        "serve",
        "--protocol",
        "echo",
        "--pki",
        pki,
        "--listen",
        listen,
    ]);
    let mut server = Running::start(command);
    let line = server.first_line();
    let address = line
        .split_whitespace()
        .find_map(|word| word.split_once("://"));
    let port = address.and_then(|(_, at)| at.rsplit(':').next()?.parse().ok());
    (
        server,
        port.unwrap_or_else(|| panic!("no address in {line:?}")),
    )
}

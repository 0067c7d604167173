//! The command as a process of its own: started, watched, signalled.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
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

/// Whether a load did what was asked, but for a machine that was too busy to measure on.
pub fn went(status: i32, said: &str) -> bool {
    status == 0 || status == 106 && said.contains("generator-limited")
}

/// A process that is killed if a test fails.
pub struct Running {
    child: Child,
    /// Reads the rest of stderr, once its beginning has been waited for.
    rest: Option<JoinHandle<String>>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self {
            child: command.spawn().unwrap(),
            rest: None,
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
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
        let stdout = self.child.stdout.take().unwrap();
        let mut reader = BufReader::new(stdout);
        reader.read_line(&mut line).unwrap();
        self.child.stdout = Some(reader.into_inner());
        line
    }

    /// Waits for the end and returns the exit code with stdout.
    pub fn wait(self) -> (i32, String) {
        let (code, stdout, _) = self.wait_with_stderr();
        (code, stdout)
    }

    /// Waits for the end and returns the exit code with stdout and what is left of stderr.
    pub fn wait_with_stderr(mut self) -> (i32, String, String) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the process did not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        let (mut stdout, mut stderr) = (String::new(), String::new());
        if let Some(mut pipe) = self.child.stdout.take() {
            pipe.read_to_string(&mut stdout).unwrap();
        }
        if let Some(mut pipe) = self.child.stderr.take() {
            pipe.read_to_string(&mut stderr).unwrap();
        }
        if let Some(rest) = self.rest.take() {
            stderr = rest.join().unwrap();
        }
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        (code, stdout, stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a line of stderr with `part` has been written, and returns it.
pub fn wait_for_stderr(running: &mut Running, part: &str) -> String {
    let mut reader = BufReader::new(running.child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(part) {
        line.clear();
        assert!(
            reader.read_line(&mut line).unwrap() > 0,
            "stderr ended without {part:?}"
        );
    }
    running.rest = Some(std::thread::spawn(move || {
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        rest
    }));
    line
}

/// Starts `shakedown serve` in `dir` with the certificates of `pki`, echoing; says on which port.
pub fn serve(dir: &Path, pki: &str, listen: &str) -> (Running, u16) {
    serve_protocol(dir, pki, listen, "echo")
}

/// The same with another protocol than echo.
pub fn serve_protocol(dir: &Path, pki: &str, listen: &str, protocol: &str) -> (Running, u16) {
    let mut command = shakedown(dir);
    command.args([
        "serve",
        "--protocol",
        protocol,
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

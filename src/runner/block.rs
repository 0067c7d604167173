//! One block of an A/B run: a run of the command in a process of its own, because the two sides may be two
//! builds, and because what a process did before is in its memory and its caches.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::watch;

use crate::load::Interrupt;
use crate::record::RunRecord;
use crate::store::{self, StoreError};
use crate::text::escape_untrusted;

/// How often it is looked whether a block has ended: a wake-up costs some microseconds.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long an interrupted block may take to write its result before it is killed.
const WRITING: Duration = Duration::from_secs(5);
/// How much of what a failed block said is read, in bytes.
const END: u64 = 64 << 10;
/// How much of what a failed block said is told, in characters.
const LAST_WORDS: usize = 800;

/// The run that every block of a side is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockCommand {
    /// The build.
    pub binary: PathBuf,
    /// The arguments of its `run`, without those that say where the result goes.
    pub arguments: Vec<String>,
    /// The time after which it hangs.
    pub deadline: Duration,
}

/// A block that came to no result.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// The file cannot be run.
    #[error("cannot run {}: {source}; name a build of shakedown for this machine", binary.display())]
    NotStarted {
        /// The build.
        binary: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It ended without one.
    #[error(
        "`{command}` wrote no result ({status}); it said:\n{said}\n  help: run it by itself; both builds must know every key and flag that is used"
    )]
    NoResult {
        /// The whole command.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to stderr, escaped.
        said: String,
    },
    /// It wrote something that this build cannot read.
    #[error("{}: {source}; judge with the newer of the two builds", binary.display())]
    Unreadable {
        /// The build.
        binary: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// It did not end.
    #[error(
        "`{command}` did not end within {} s and was killed; run it by itself to see what it waits for", deadline.as_secs()
    )]
    Overdue {
        /// The whole command.
        command: String,
        /// What it was given.
        deadline: Duration,
    },
    /// The system would not do its part.
    #[error(
        "cannot keep what `{command}` writes: {source}; make room in the folder for temporary files (TMPDIR)"
    )]
    System {
        /// The whole command.
        command: String,
        /// Why.
        source: io::Error,
    },
}

impl BlockError {
    /// Whether what was given is bad, as opposed to something that went wrong with it.
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::NotStarted { .. } | Self::Unreadable { .. } => true,
            // Its own exit codes for arguments and files.
            Self::NoResult { status, .. } => [Some(2), Some(104)].contains(&status.code()),
            Self::Overdue { .. } | Self::System { .. } => false,
        }
    }
}

impl BlockCommand {
    /// Runs it in a folder for temporary files, on the cores of this process, and reads its result.
    /// `None` if it was interrupted, which ends it at once: its round is not whole.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be run, does not end, or leaves no result that can be read.
    pub fn run(
        &self,
        folder: &Path,
        control: &watch::Receiver<Interrupt>,
    ) -> Result<Option<RunRecord>, BlockError> {
        let (result, words) = (folder.join("block.json"), folder.join("stderr"));
        let system = |source| BlockError::System {
            command: self.to_string(),
            source,
        };
        match fs::remove_file(&result) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(system(error)),
            _ => {}
        }
        let mut command = Command::new(&self.binary);
        command
            .arg("run")
            .args(&self.arguments)
            .arg("--quiet")
            .arg("--output")
            .arg(&result)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&words).map_err(system)?)
            // Ctrl-C is for us; what becomes of the block is our affair.
            .process_group(0);
        let child = command.spawn().map_err(|source| BlockError::NotStarted {
            binary: self.binary.clone(),
            source,
        })?;
        let ended = Running(child)
            .wait(self.deadline, control)
            .map_err(system)?;
        match ended {
            Ended::Interrupted => Ok(None),
            Ended::Overdue => Err(BlockError::Overdue {
                command: self.to_string(),
                deadline: self.deadline,
            }),
            Ended::Itself(status) if !result.exists() => {
                let said = end_of(&words).unwrap_or_default();
                Err(BlockError::NoResult {
                    command: self.to_string(),
                    status,
                    said: last_words(&said),
                })
            }
            Ended::Itself(_) => {
                store::load(&result)
                    .map(Some)
                    .map_err(|source| BlockError::Unreadable {
                        binary: self.binary.clone(),
                        source,
                    })
            }
        }
    }
}

impl std::fmt::Display for BlockCommand {
    /// Only what says which side it is: the other arguments may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} run", self.binary.display())
    }
}

/// How a block ended.
enum Ended {
    Itself(ExitStatus),
    Interrupted,
    Overdue,
}

/// A process that does not outlive its owner.
struct Running(Child);

impl Running {
    fn wait(
        mut self,
        deadline: Duration,
        control: &watch::Receiver<Interrupt>,
    ) -> io::Result<Ended> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(Ended::Itself(status));
            }
            if *control.borrow() != Interrupt::None {
                self.interrupt()?;
                return Ok(Ended::Interrupted);
            }
            if begun.elapsed() > deadline {
                return Ok(Ended::Overdue);
            }
            sleep(LOOK_AGAIN);
        }
    }

    /// Asks it to end, twice, which is at once, and waits until it has.
    fn interrupt(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        for _ in 0..2 {
            self.signal(Signal::SIGINT);
            sleep(LOOK_AGAIN);
        }
        while self.0.try_wait()?.is_none() && begun.elapsed() < WRITING {
            sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.0.id()) {
            // One that has just ended needs none.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The end of a file, whatever its size.
fn end_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(END)))?;
    let mut end = Vec::new();
    file.take(END).read_to_end(&mut end)?;
    Ok(end)
}

/// The end of what a process wrote, line by line, escaped.
fn last_words(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text.trim_end().lines().rev().take(6).collect();
    let lines = lines.into_iter().rev();
    let lines: Vec<String> = lines
        .map(|line| format!("  {}", escape_untrusted(line, LAST_WORDS)))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(binary: &str, arguments: &[&str]) -> BlockCommand {
        BlockCommand {
            binary: binary.into(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            deadline: Duration::from_millis(300),
        }
    }

    #[test]
    fn what_is_no_build_of_shakedown_is_told_with_what_it_said() {
        let dir = tempfile::tempdir().unwrap();
        let (_sender, control) = watch::channel(Interrupt::None);
        let failure = |command: &BlockCommand| command.run(dir.path(), &control).unwrap_err();
        let missing = failure(&command("/nowhere/shakedown", &[]));
        assert!(missing.is_bad_input());
        let text = missing.to_string();
        assert!(
            text.contains("/nowhere/shakedown") && text.contains("name a build"),
            "{text}"
        );
        // Another command with other flags, as a much older build would be.
        let other = failure(&command("ls", &["\u{1b}[1m"]));
        assert!(other.is_bad_input());
        let text = other.to_string();
        assert!(
            text.contains("ls: ") && text.contains("exit status: 2"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(!failure(&command("false", &[])).is_bad_input());
    }

    #[test]
    fn what_hangs_or_is_interrupted_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let (sender, control) = watch::channel(Interrupt::None);
        let endless = command("yes", &["--"]);
        let text = endless.run(dir.path(), &control).unwrap_err().to_string();
        assert!(text.contains("did not end within 0 s"), "{text}");
        sender.send_replace(Interrupt::Drain);
        assert_eq!(endless.run(dir.path(), &control).unwrap(), None);
    }
}

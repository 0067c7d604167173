//! What every subcommand that prints does the same way: colours, and a stdout that may go away.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use shakedown::report::Style;

use super::color::wanted_on;
use super::exit::UsageError;

/// A terminal counts as at least so wide, in characters.
const NARROWEST: usize = 60;
/// A bar longer than this is no easier to read.
const WIDEST: usize = 160;

/// Whether to use colours on stdout.
pub fn wants_color() -> bool {
    wanted_on(&std::io::stdout())
}

/// How a report looks on stdout.
pub fn style() -> Style {
    let terminal = terminal_size::terminal_size_of(std::io::stdout());
    let width = terminal.map(|(width, _)| usize::from(width.0).clamp(NARROWEST, WIDEST));
    Style {
        color: wants_color(),
        width: width.unwrap_or(Style::default().width),
    }
}

/// The folder that a result file goes to.
///
/// # Errors
///
/// Fails if what is there is not a file, or if `-` stands for standard output.
pub fn folder_of(file: &Path) -> Result<PathBuf, UsageError> {
    if file == Path::new("-") {
        return Err(UsageError(
            "--output - would be a file called `-`; for JSON on standard output write --json",
        ));
    }
    // A result takes the place of what is there, and a device, pipe or link is not to be replaced.
    match file.symlink_metadata().map(|found| found.file_type()) {
        Ok(kind) if kind.is_dir() => {
            return Err(UsageError("--output names a folder; give a file in it"));
        }
        Ok(kind) if !kind.is_file() => {
            return Err(UsageError(
                "--output names a link, device or pipe, which a result would replace; name a file",
            ));
        }
        _ => {}
    }
    let folder = file.parent().filter(|p| *p != Path::new(""));
    Ok(folder.unwrap_or(Path::new(".")).to_owned())
}

/// Writes a value to stdout as indented JSON.
///
/// # Errors
///
/// Fails as [`write_stdout`] does.
pub fn write_json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    write_stdout(&text)
}

/// Writes to stdout; a reader that has gone away (`| head`) is no error.
///
/// # Errors
///
/// Fails on any other error of stdout.
pub fn write_stdout(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to stdout")
        }
        _ => Ok(()),
    }
}

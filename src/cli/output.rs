//! The one place through which everything is printed. Nothing that becomes of a stream may cost a result: what
//! cannot be said on stderr is dropped, a stdout whose reader has gone is no error, and none is waited for
//! longer than it takes someone to press a key.

use std::fmt::Display;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;
use shakedown::report::Style;
use shakedown::store::{self, StoreError};
use shakedown::text::{for_json, for_terminal};

use super::color::wanted_on;
use super::exit::UsageError;

/// A terminal counts as at least so wide, in characters.
const NARROWEST: usize = 60;
/// A bar longer than this is no easier to read.
const WIDEST: usize = 160;
/// How long a message waits for a stderr that takes nothing (a stopped terminal, a pipe that nobody reads), in
/// milliseconds.
const PATIENCE_MS: u16 = 1_000;

/// Whether to use colours on stdout.
pub(crate) fn wants_color() -> bool {
    wanted_on(&io::stdout())
}

/// How a report looks on stdout.
pub(crate) fn style() -> Style {
    let terminal = terminal_size::terminal_size_of(io::stdout());
    let width = terminal.map(|(width, _)| usize::from(width.0).clamp(NARROWEST, WIDEST));
    Style {
        color: wants_color(),
        width: width.unwrap_or(Style::default().width),
    }
}

/// Prints a line on stderr; drops it if stderr takes nothing.
pub(crate) fn say(message: impl Display) {
    if stderr_takes(PollTimeout::from(PATIENCE_MS)) {
        put(&format!("{message}\n"), false);
    }
}

/// Shows how far something is on stderr, in a line of its own, unless that would have to be waited for.
pub(crate) fn show(progress: impl Display) {
    if stderr_is_ready() {
        put(&format!("{progress}\n"), false);
    }
}

/// Prints styled text of the parser on stderr.
pub(crate) fn say_styled(message: &str) {
    if stderr_takes(PollTimeout::from(PATIENCE_MS)) {
        put(message, wanted_on(&io::stderr()));
    }
}

/// Whether stderr takes something at once. One that is closed does: what is written there is lost at once.
pub(crate) fn stderr_is_ready() -> bool {
    stderr_takes(PollTimeout::ZERO)
}

fn stderr_takes(wait: PollTimeout) -> bool {
    let stderr = io::stderr();
    let mut asked = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    // If poll fails, try anyway.
    poll(&mut asked, wait).map_or(true, |ready| ready > 0)
}

fn put(text: &str, colors: bool) {
    // There is nowhere else to report a failure.
    let _ = io::stderr().write_all(for_terminal(text, colors).as_bytes());
}

/// The file of a result, and how it is printed.
#[derive(Debug, Clone, Default, Args)]
pub struct OutputArgs {
    /// Write the result to this file, for `shakedown report`
    #[arg(id = "output", long = "output", short = 'o', value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Print the result as JSON instead of tables
    #[arg(long)]
    pub json: bool,
}

impl OutputArgs {
    /// Fails early if a file of this size could not be written. Creates its folder if needed.
    pub(crate) fn check(&self, bytes: u64) -> anyhow::Result<()> {
        if let Some(file) = &self.file {
            check_is_file(file)?;
            store::check_writable(file, bytes)?;
        }
        Ok(())
    }

    /// Writes the file, if one is named.
    pub(crate) fn save(
        &self,
        save: impl FnOnce(&Path) -> Result<(), StoreError>,
    ) -> Option<Result<PathBuf, StoreError>> {
        let file = self.file.as_ref()?;
        Some(save(file).map(|()| file.clone()))
    }
}

/// Prints a value as JSON, or the text that is made of it.
pub(crate) fn print(
    value: &impl Serialize,
    json: bool,
    text: impl FnOnce() -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    if json {
        write_json(value)
    } else {
        write_stdout(&text()?)
    }
}

/// Reports where a result was saved, then any error of its report.
pub(crate) fn conclude(
    saved: Option<Result<PathBuf, StoreError>>,
    printed: anyhow::Result<()>,
    quiet: bool,
) -> anyhow::Result<()> {
    // An error of the result matters more than one of its report.
    if let Some(path) = saved.transpose()?
        && (!quiet || printed.is_err())
    {
        say(format_args!("saved to {}", path.display()));
    }
    printed
}

/// Whether a file can be meant.
pub(crate) fn check_is_file(file: &Path) -> Result<(), UsageError> {
    if file == Path::new("-") {
        return Err(UsageError(
            "--output - would be a file called `-`; for JSON on standard output write --json",
        ));
    }
    // A result takes the place of what is there, and a device, pipe or link is not to be replaced.
    match file.symlink_metadata().map(|found| found.file_type()) {
        Ok(kind) if kind.is_dir() => Err(UsageError("--output names a folder; give a file in it")),
        Ok(kind) if !kind.is_file() => Err(UsageError(
            "--output names a link, device or pipe, which a result would replace; name a file",
        )),
        _ => Ok(()),
    }
}

/// Columns of text without lines between them.
pub(crate) fn columns(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .add_rows(rows);
    let lines = table.lines();
    lines.fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

/// Writes a value to stdout as indented JSON, all of it safe to look at.
pub(crate) fn write_json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut text = for_json(&serde_json::to_string_pretty(value)?);
    text.push('\n');
    write_exactly(text.as_bytes())
}

/// Writes a report to stdout; a reader that has gone away (`| head`, a closed terminal) is no error.
pub(crate) fn write_stdout(text: &str) -> anyhow::Result<()> {
    write_exactly(for_terminal(text, wants_color()).as_bytes())
}

/// Writes bytes for other programs to stdout, unchanged.
pub(crate) fn write_exactly(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if !has_gone(&error) => Err(error).context("cannot write to stdout"),
        _ => Ok(()),
    }
}

/// Whether an error says that nobody reads any more: a pipe that was closed, or a terminal.
fn has_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe || error.raw_os_error() == Some(Errno::EIO as i32)
}

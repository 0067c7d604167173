//! `shakedown report`: the tables of a result or comparison file, from the file alone.

use std::path::PathBuf;

use clap::Args;
use shakedown::record::{self, Kept};
use shakedown::report;

use super::exit::Exit;
use super::output::{style, write_stdout};

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Result file, as `run` wrote it, or comparison file, as `compare -o` did
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Runs the command.
///
/// # Errors
///
/// Fails if the file is neither a result nor a comparison.
pub fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    let text = match record::load_any(&args.file)? {
        Kept::Run(record) => report::render(&record, style())
            .map_err(|e| anyhow::anyhow!("{} is damaged: {e}", args.file.display()))?,
        Kept::Comparison(comparison) => report::comparison::render(&comparison, style()),
    };
    write_stdout(&text)?;
    Ok(Exit::Success)
}

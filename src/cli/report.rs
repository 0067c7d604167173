//! `shakedown report`: the table of a result file, from the file alone.

use std::path::PathBuf;

use clap::Args;
use shakedown::record;
use shakedown::report;

use super::exit::Exit;
use super::output::{style, write_stdout};

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Result file, as `run` wrote it
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Runs the command.
///
/// # Errors
///
/// Fails if the file is not a result.
pub fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    let record = record::load(&args.file)?;
    let text = report::render(&record, style())
        .map_err(|e| anyhow::anyhow!("{} is damaged: {e}", args.file.display()))?;
    write_stdout(&text)?;
    Ok(Exit::Success)
}

//! `shakedown man`: the manual pages, made from the same text as the help.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use clap_mangen::{Man, generate_to};

use super::examples::command_line;
use super::exit::UsageError;
use super::output::write_exactly;

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The subcommand whose page is printed [default: the page of shakedown itself]
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,

    /// Write the pages of all commands into this folder instead, which is made if it is not there
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

/// Prints a page, or writes all of them.
///
/// # Errors
///
/// Fails if there is no such command, or nothing can be written.
pub fn run(args: &ManArgs) -> anyhow::Result<()> {
    // `help COMMAND` prints the same pages and needs none of its own.
    let mut cli = command_line().disable_help_subcommand(true);
    cli.build();
    if let Some(dir) = &args.dir {
        return std::fs::create_dir_all(dir)
            .and_then(|()| generate_to(cli, dir))
            .with_context(|| format!("cannot write manual pages to {}", dir.display()));
    }
    let mut command = &cli;
    for name in &args.command {
        let found = command.find_subcommand(name);
        command = found.ok_or(UsageError(
            "there is no such command; `shakedown --help` lists them",
        ))?;
    }
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    write_exactly(&page)
}

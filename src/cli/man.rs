//! `shakedown man`: the manual pages, made from the same text as the help.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Command};
use clap_mangen::Man;
use shakedown::files::write::replace;

use super::examples::command_line;
use super::exit::UsageError;
use super::output::write_exactly;

#[derive(Debug, Args)]
pub struct ManArgs {
    /// Subcommand to print the page of [default: shakedown itself]
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,

    /// Write the pages of all commands to this folder, created if missing
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

/// Prints a page, or writes all of them.
pub(crate) fn run(args: &ManArgs) -> anyhow::Result<()> {
    // `help COMMAND` prints the same pages and needs none of its own.
    let mut cli = command_line().disable_help_subcommand(true);
    cli.build();
    if let Some(dir) = &args.dir {
        return write(&cli, dir)
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

/// Writes the page of a command and those of the commands below it, each whole or not at all.
fn write(command: &Command, dir: &Path) -> io::Result<()> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render(&mut page)?;
    replace(&dir.join(man.get_filename()), &page)?;
    let mut below = command.get_subcommands();
    below.try_for_each(|command| write(command, dir))
}

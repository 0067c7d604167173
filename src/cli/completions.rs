//! `shakedown completions`: a script that completes commands and flags, for one shell.

use clap::Args;
use clap_complete::{Shell, generate};

use super::examples::command_line;
use super::output::write_exactly;

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script.
pub(crate) fn run(args: &CompletionsArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    generate(args.shell, &mut command_line(), "shakedown", &mut script);
    write_exactly(&script)
}

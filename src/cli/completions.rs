//! `shakedown completions`: a script that completes commands and flags, for one shell.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::Cli;
use super::output::write_stdout;

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    source <(shakedown completions bash)             for this session\n  \
    shakedown completions zsh > ~/.zfunc/_shakedown  for every one, if ~/.zfunc is in fpath\n  \
    shakedown completions fish > ~/.config/fish/completions/shakedown.fish")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
///
/// Fails if standard output cannot be written to.
pub fn run(args: &CompletionsArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "shakedown", &mut script);
    write_stdout(&String::from_utf8_lossy(&script))
}

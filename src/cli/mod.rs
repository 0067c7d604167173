//! The command line: arguments, one file per subcommand, progress, exit codes.

mod ab;
mod ab_args;
mod anatomy;
mod audit;
mod audit_changes;
mod audit_lifetime;
mod audit_resumption;
mod baseline;
mod block_progress;
mod check;
mod choice;
mod color;
mod compare;
mod completions;
mod connect;
mod crypto_args;
mod data;
mod examples;
mod execute;
mod exit;
mod fleet;
mod gate;
mod judged;
mod listen;
mod live;
#[cfg(test)]
mod live_tests;
mod load_args;
mod man;
mod merge;
mod output;
mod pki;
mod probe;
mod progress;
mod providers;
mod redact;
mod refusals;
mod report;
mod run;
mod scenario;
mod serve;
mod shard;
mod signals;
mod source;
mod telemetry;
mod way_in;

use std::process::ExitCode;

use anyhow::Context;
use clap::{ArgAction, ColorChoice, FromArgMatches, Parser, Subcommand};
use color::wanted_on;
use output::{say, say_styled, wants_color, write_stdout};
use redact::without_secrets;
use shakedown::text::secrets;

pub use exit::Exit;

/// Load tester and benchmark harness for mutual TLS.
#[derive(Debug, Parser)]
#[command(
    name = "shakedown",
    version,
    propagate_version = true,
    disable_help_flag = true,
    max_term_width = 100
)]
#[command(after_help = examples::EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Use colours; auto means on a terminal, unless `NO_COLOR` is set
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        global = true,
        display_order = 1_000
    )]
    color: ColorChoice,

    /// Print the flags, one per line
    #[arg(long, short = 'h', action = ArgAction::HelpShort, global = true, display_order = 1_001)]
    help: Option<bool>,

    /// Print full help, with examples
    #[arg(long, action = ArgAction::HelpLong, global = true, display_order = 1_002)]
    help_long: Option<bool>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario: the default one, a named one, a file, or a URL
    Run(Box<run::RunArgs>),
    /// Make one handshake and show every step
    Probe(probe::ProbeArgs),
    /// Break sessions down: time per step and crypto operation, at both ends
    Anatomy(Box<anatomy::AnatomyArgs>),
    /// Present faulty client certificates to a server and report which it accepts
    Audit(audit::AuditArgs),
    /// Check certificates of files, fleets and servers for what will fail
    Check(Box<check::CheckArgs>),
    /// Compare two results, cell by cell, and judge the change
    Compare(compare::CompareArgs),
    /// Judge a result against a policy and a baseline, for CI
    Gate(Box<gate::GateArgs>),
    /// Merge the results of the shards of a run
    Merge(merge::MergeArgs),
    /// Keep baseline results, by host class
    Baseline(baseline::BaselineArgs),
    /// Interleave two builds, targets, scenarios or providers, and judge the difference
    Ab(ab::AbArgs),
    /// Run the embedded target as a server of its own
    Serve(serve::ServeArgs),
    /// Mint certificates for tests
    Pki(pki::PkiArgs),
    /// List what each crypto provider supports, and how to build missing ones
    Providers(providers::ProvidersArgs),
    /// Print the report of result or comparison files
    Report(report::ReportArgs),
    /// List, explain or validate scenarios
    Scenario(scenario::ScenarioArgs),
    /// Print a shell completion script
    Completions(completions::CompletionsArgs),
    /// Print a manual page, or write all of them
    Man(man::ManArgs),
}

/// Parses the arguments and runs the command.
pub(crate) fn main() -> ExitCode {
    match run() {
        Ok(exit) => exit.into(),
        Err(error) => fail(error).into(),
    }
}

/// Reports an error.
fn fail(error: anyhow::Error) -> Exit {
    // The parser formats its own errors; to it, help is one.
    let error = match error.downcast::<clap::Error>() {
        Ok(said) => match show_parsed(said) {
            Ok(exit) => return exit,
            Err(error) => error,
        },
        Err(error) => error,
    };
    say(format_args!(
        "error: {}",
        secrets::name_variables(&explain(&error))
    ));
    Exit::of(&error)
}

fn run() -> anyhow::Result<Exit> {
    signals::listen().context("cannot set up signals")?;
    redact::keep_unquoted(std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()));
    let cli = parse()?;
    if !cli.command.ends_in_order() {
        signals::let_be();
    }
    match &cli.command {
        Command::Run(args) => run::run(args),
        Command::Probe(args) => probe::run(args),
        Command::Anatomy(args) => anatomy::run(args),
        Command::Audit(args) => audit::run(args),
        Command::Check(args) => check::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Gate(args) => gate::run(args),
        Command::Merge(args) => merge::run(args),
        Command::Baseline(args) => baseline::run(args),
        Command::Ab(args) => ab::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Pki(args) => pki::run(args).map(|()| Exit::Success),
        Command::Providers(args) => providers::run(args).map(|()| Exit::Success),
        Command::Report(args) => report::run(args),
        Command::Scenario(args) => scenario::run(args),
        Command::Completions(args) => completions::run(args).map(|()| Exit::Success),
        Command::Man(args) => man::run(args).map(|()| Exit::Success),
    }
}

impl Command {
    /// Whether a signal ends it in order and keeps the results so far.
    fn ends_in_order(&self) -> bool {
        matches!(
            self,
            Self::Run(_) | Self::Anatomy(_) | Self::Audit(_) | Self::Ab(_) | Self::Serve(_)
        )
    }
}

/// The arguments. Help and errors of the parser have the colours that were asked for, too.
fn parse() -> Result<Cli, clap::Error> {
    let choice = color::before_parsing(std::env::args_os().skip(1));
    color::set(choice);
    let matches = examples::command_line().color(choice).try_get_matches()?;
    Cli::from_arg_matches(&matches)
}

/// Prints the output of the parser: help, the version, or an error.
fn show_parsed(said: clap::Error) -> anyhow::Result<Exit> {
    let said = without_secrets(said);
    let text = said.render();
    let styled = |wanted: bool| {
        if wanted {
            text.ansi().to_string()
        } else {
            text.to_string()
        }
    };
    if said.use_stderr() {
        say_styled(&secrets::hide(&styled(wanted_on(&std::io::stderr()))));
        return Ok(Exit::Usage);
    }
    write_stdout(&styled(wants_color()))?;
    Ok(Exit::Success)
}

/// The error with its causes, without those that the message already contains.
fn explain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    secrets::hide(&text).into_owned()
}

/// Waits for something asynchronous on this thread.
fn block_on<F: Future>(future: F) -> anyhow::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime; are file descriptors left?")?;
    let output = runtime.block_on(future);
    // A resolver that is still at work must not hold the command back.
    runtime.shutdown_background();
    Ok(output)
}

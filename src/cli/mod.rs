//! The command line: arguments, one file per subcommand, progress, exit codes.

mod ab;
mod ab_args;
mod anatomy;
mod audit;
mod audit_resumption;
mod baseline;
mod block_progress;
mod color;
mod compare;
mod completions;
mod connect;
mod crypto_args;
mod data;
mod examples;
mod exit;
mod gate;
mod judged;
mod listen;
mod live;
#[cfg(test)]
mod live_tests;
mod load_args;
mod man;
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
mod signals;
mod source;
mod telemetry;

use std::process::ExitCode;

use anyhow::Context;
use clap::{ArgAction, FromArgMatches, Parser, Subcommand};
use color::{ColorArg, wanted_on};
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

    /// When to use colours; auto is on a terminal, unless `NO_COLOR` is set
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        global = true,
        display_order = 1_000
    )]
    color: ColorArg,

    /// Print the flags, a line each
    #[arg(long, short = 'h', action = ArgAction::HelpShort, global = true, display_order = 1_001)]
    help: Option<bool>,

    /// Print everything about them, with examples
    #[arg(long, action = ArgAction::HelpLong, global = true, display_order = 1_002)]
    help_long: Option<bool>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario: the built-in one, a file, or one against a URL
    Run(Box<run::RunArgs>),
    /// Make one handshake and tell it step by step
    Probe(probe::ProbeArgs),
    /// Take sessions apart: the time of every step and crypto operation, at each end
    Anatomy(Box<anatomy::AnatomyArgs>),
    /// Present faulty client certificates to a server and tell which it accepts
    Audit(audit::AuditArgs),
    /// Compare results, cell by cell and figure by figure, and judge the change
    Compare(compare::CompareArgs),
    /// Judge a result by a policy, against a baseline, for CI
    Gate(Box<gate::GateArgs>),
    /// Keep results to compare against, by class of host
    Baseline(baseline::BaselineArgs),
    /// Run two builds, targets, scenarios or providers in turns, and judge what sets them apart
    Ab(ab::AbArgs),
    /// Run the embedded target alone
    Serve(serve::ServeArgs),
    /// Mint certificates for tests
    Pki(pki::PkiArgs),
    /// Print what each crypto provider can do, and how to build those that are not here
    Providers(providers::ProvidersArgs),
    /// Print the tables of a result or comparison file again
    Report(report::ReportArgs),
    /// List the scenarios of this build, explain one, or check files
    Scenario(scenario::ScenarioArgs),
    /// Print a script that completes commands and flags in a shell
    Completions(completions::CompletionsArgs),
    /// Print a manual page, or write all of them
    Man(man::ManArgs),
}

/// Parses the arguments and runs what they ask for.
pub fn main() -> ExitCode {
    match run() {
        Ok(exit) => exit.into(),
        Err(error) => fail(error).into(),
    }
}

/// Says what went wrong.
fn fail(error: anyhow::Error) -> Exit {
    // What the parser has to say comes in its own words; help is an error to it, too.
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
        Command::Probe(args) => probe::run(args).map(Exit::from_acceptance),
        Command::Anatomy(args) => anatomy::run(args),
        Command::Audit(args) => audit::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Gate(args) => gate::run(args),
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
    /// Whether a signal ends it in order, with what was measured until then.
    fn ends_in_order(&self) -> bool {
        matches!(
            self,
            Self::Run(_) | Self::Anatomy(_) | Self::Audit(_) | Self::Ab(_) | Self::Serve(_)
        )
    }
}

/// The arguments. Help and errors of the parser have the colours that were asked for, too.
fn parse() -> Result<Cli, clap::Error> {
    let choice = ColorArg::before_parsing(std::env::args_os().skip(1));
    choice.set();
    let matches = examples::command_line()
        .color(choice.into())
        .try_get_matches()?;
    Cli::from_arg_matches(&matches)
}

/// Prints what the parser has to say: help, the version, or an error.
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

/// The error with its causes, leaving out those that the message before already tells.
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

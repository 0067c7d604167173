//! `shakedown anatomy`: sessions taken apart, against the embedded target, a server, or in memory.

use std::path::PathBuf;

use clap::Args;
use shakedown::anatomy::{in_memory, story};
use shakedown::report;
use shakedown::runner::prepare;
use shakedown::scenario::{Anatomy, EndKeys, Scenario};
use shakedown::store;
use shakedown::units::Span;

use super::connect::{ConnectArgs, IdentityArgs};
use super::exit::{Exit, UsageError};
use super::load_args::{AuthArg, ResumptionArgs};
use super::output::{check_output, conclude, style, write_json, write_stdout};
use super::progress::Progress;
use super::redact::command_line;
use super::signals;

/// Arguments of `shakedown anatomy`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct AnatomyArgs {
    /// The server: host:port, tls://host:port or https://host:port/path [default: the embedded target]
    #[arg(value_name = "URL")]
    url: Option<String>,

    #[command(flatten)]
    identity: IdentityArgs,

    #[command(flatten)]
    connect: ConnectArgs,

    #[command(flatten)]
    resumption: ResumptionArgs,

    /// Who is authenticated, one set of cells each [default: mutual with --cert, server without; all against
    /// the embedded target]
    #[arg(long, value_name = "MODE", value_delimiter = ',')]
    auth: Vec<AuthArg>,

    /// Key algorithm of the embedded target's certificates
    #[arg(long, value_name = "ALG", conflicts_with = "url")]
    target_key: Option<EndKeys>,

    /// Trials per cell, interleaved
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    trials: u16,

    /// Length of the measured part of a trial
    #[arg(long, short = 'd', value_name = "TIME", default_value = "1s")]
    duration: Span,

    /// Drive both ends in memory on one thread, and tell how much of its CPU time the ledger explains
    #[arg(long, conflicts_with_all = ["url", "output", "duration", "trials", "allow_public", "resumed_ratio", "early_data"])]
    in_memory: bool,

    /// Allow a server with a public address (only with its owner's consent); caps the rate
    #[arg(long)]
    allow_public: bool,

    /// Also write the result to a file, for `shakedown report`
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,

    /// Print the result as JSON instead of the tables
    #[arg(long)]
    json: bool,

    /// Say nothing on standard error but what went wrong
    #[arg(long, short = 'q')]
    quiet: bool,
}

/// Makes the anatomy and prints it.
///
/// # Errors
///
/// Fails with what is wrong with the arguments, the server or this host.
pub fn run(args: &AnatomyArgs) -> anyhow::Result<Exit> {
    let without_tls = |auth: &AuthArg| matches!(auth, AuthArg::None);
    if args.in_memory && !args.auth.is_empty() && args.auth.iter().all(without_tls) {
        return Err(UsageError(
            "--in-memory takes TLS sessions apart, and --auth none has none; add server or mutual",
        )
        .into());
    }
    let checked = args.scenario()?.check("anatomy", "")?;
    if args.in_memory {
        signals::let_be();
        let found = in_memory(&checked)?;
        if args.json {
            write_json(&found)?;
        } else {
            write_stdout(&story(&found))?;
        }
        return Ok(Exit::Success);
    }
    if let Some(file) = &args.output {
        check_output(file, store::expected_size(&checked))?;
    }
    let prepared = prepare(checked)?;
    let control = signals::control("finishing what is in flight; once more to stop at once");
    let mut progress = Progress::of(&prepared, args.quiet);
    let command = command_line(args.url.as_deref(), std::iter::empty());
    let record = prepared.run(command, &control, &mut |event| progress.on(event))?;
    progress.finish();
    let saved =
        (args.output.as_ref()).map(|path| store::save(path, &record).map(|()| path.clone()));
    let printed = if args.json {
        write_json(&record)
    } else {
        write_stdout(&report::render(&record, style())?)
    };
    conclude(saved, printed, args.quiet)?;
    Ok(Exit::of_record(&record))
}

impl AnatomyArgs {
    fn scenario(&self) -> anyhow::Result<Scenario> {
        let mut given = Scenario::default();
        self.identity.apply(&mut given);
        let mut scenario = Anatomy {
            url: self.url.clone(),
            identity: given.identity,
            auth: self.auth.iter().map(|auth| (*auth).into()).collect(),
            key: self.target_key,
        }
        .scenario();
        self.connect.apply(&mut scenario)?;
        self.resumption.apply(&mut scenario);
        scenario.trials.count = usize::from(self.trials);
        scenario.load.duration = Some(self.duration);
        scenario.target.allow_public = self.allow_public;
        Ok(scenario)
    }
}

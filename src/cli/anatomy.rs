//! `shakedown anatomy`: sessions taken apart, against the embedded target, a server, or in memory.

use clap::Args;
use shakedown::anatomy::{in_memory, story};
use shakedown::record::RunRecord;
use shakedown::report;
use shakedown::scenario::{Anatomy, AuthMode, EndKeys, Scenario};
use shakedown::units::Span;

use super::choice::one_of;
use super::connect::{ConnectArgs, IdentityArgs};
use super::execute::ResultArgs;
use super::exit::{Exit, UsageError};
use super::load_args::ResumptionArgs;
use super::output::{print, style};
use super::signals;
use super::telemetry::TelemetryArgs;

#[derive(Debug, Args)]
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

    /// Who authenticates, one set of cells each [default: mutual with --cert, else server; all for the
    /// embedded target]
    #[arg(long, value_name = "MODE", value_delimiter = ',', value_parser = one_of::<AuthMode>())]
    auth: Vec<AuthMode>,

    /// Key algorithm of the embedded target's certificates
    #[arg(long, value_name = "ALG", conflicts_with = "url")]
    target_key: Option<EndKeys>,

    /// Trials per cell, interleaved
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    trials: u16,

    /// Length of the measured phase of a trial
    #[arg(long, short = 'd', value_name = "TIME", default_value = "1s")]
    duration: Span,

    /// Run both ends in memory on one thread; show how much of its CPU time the ledger explains
    #[arg(long, conflicts_with_all = ["url", "output", "duration", "trials", "allow_public", "resumed_ratio", "early_data"])]
    in_memory: bool,

    /// Allow a public server, with its owner's consent; caps the rate
    #[arg(long)]
    allow_public: bool,

    #[command(flatten)]
    result: ResultArgs,
}

/// Makes the anatomy and prints it.
pub(crate) fn run(args: &AnatomyArgs) -> anyhow::Result<Exit> {
    let without_tls = |auth: &AuthMode| *auth == AuthMode::None;
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
        print(&found, args.result.output.json, || Ok(story(&found)))?;
        return Ok(Exit::Success);
    }
    let text = |record: &RunRecord| Ok(report::render(record, style())?);
    (args.result).execute(checked, None, &TelemetryArgs::default(), text)
}

impl AnatomyArgs {
    fn scenario(&self) -> anyhow::Result<Scenario> {
        let mut given = Scenario::default();
        self.identity.apply(&mut given);
        let mut scenario = Anatomy {
            url: self.url.clone(),
            identity: given.identity,
            auth: self.auth.clone(),
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

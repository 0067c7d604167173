//! `shakedown run`: from arguments to a scenario, from a scenario to a result.

use std::path::{Path, PathBuf};

use clap::Args;
use shakedown::record::RunRecord;
use shakedown::report;
use shakedown::runner::prepare;
use shakedown::scenario::{Checked, EmbeddedTarget, QUICK, Scenario, TicketMode};
use shakedown::store;
use shakedown::text::secrets::name_variables;
use shakedown::units::Rate;

use super::connect::{ConnectArgs, IdentityArgs};
use super::crypto_args::CryptoArgs;
use super::exit::Exit;
use super::load_args::{LoadArgs, ProtocolArgs, ResumptionArgs, TimeoutArgs};
use super::output::{check_output, conclude, style, write_json, write_stdout};
use super::progress::Progress;
use super::redact::command_line;
use super::signals;
use super::source::Source;
use super::telemetry::{Telemetry, TelemetryArgs};

/// Stands for the question of a scenario that flags change, which is no longer the one that is answered.
const CHANGED: &str = "changed by flags, so what its own question asks is not what was measured";

/// Arguments of `run`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct RunArgs {
    /// Scenario file (- is standard input), the name of a scenario of this build (`shakedown scenario
    /// list`), or URL: https://host:port/path, tls://host:port, tcp://host:port. Without it mtls-tax runs,
    /// against the embedded target
    #[arg(value_name = "SCENARIO|URL")]
    target: Option<String>,

    /// Spread the sessions over all addresses of the name, in turns; else the first that takes a TCP
    /// connection is used
    #[arg(long)]
    all_addresses: bool,

    /// Allow a target with a public address (only with its owner's consent); caps the rate
    #[arg(long)]
    allow_public: bool,

    /// Most sessions per second to a public address [default: 50/s]
    #[arg(long, value_name = "RATE", requires = "allow_public")]
    public_rate_cap: Option<Rate>,

    /// Where to write the result [default: results/NAME-TIME.json]
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,

    /// Print the result as JSON instead of the table
    #[arg(long)]
    json: bool,

    /// Say nothing on standard error but what went wrong
    #[arg(long, short = 'q')]
    quiet: bool,

    /// Resolve everything and print the plan, but load nothing and write no result
    #[arg(long, conflicts_with_all = ["output", "json", "quiet"])]
    dry_run: bool,

    #[command(flatten)]
    identity: IdentityArgs,

    #[command(flatten)]
    connect: ConnectArgs,

    #[command(flatten)]
    load: LoadArgs,

    #[command(flatten)]
    resumption: ResumptionArgs,

    #[command(flatten)]
    protocol: ProtocolArgs,

    #[command(flatten)]
    timeouts: TimeoutArgs,

    #[command(flatten)]
    crypto: CryptoArgs,

    #[command(flatten)]
    threads: ThreadArgs,

    #[command(flatten)]
    telemetry: TelemetryArgs,
}

/// Threads and cores.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Threads")]
struct ThreadArgs {
    /// Worker threads, each pinned to a core
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    workers: Option<usize>,

    /// Cores for the workers, e.g. 0,2-5
    #[arg(long, value_name = "LIST")]
    cores: Option<String>,

    /// Threads of the embedded target
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    target_threads: Option<usize>,

    /// Cores for the embedded target's threads
    #[arg(long, value_name = "LIST")]
    target_cores: Option<String>,

    /// What the embedded target offers for resumption [default: what --resumption needs]
    #[arg(long, value_name = "MODE")]
    target_tickets: Option<super::serve::TicketArg>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("give a whole number from 1".to_owned()),
    }
}

/// Runs the command.
///
/// # Errors
///
/// Fails with what is wrong with the arguments, the scenario, the target or this host.
pub fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    let checked = args.checked()?;
    if args.dry_run {
        signals::let_be();
        write_stdout(&name_variables(&prepare(checked)?.explain()))?;
        return Ok(Exit::Success);
    }
    let size = store::expected_size(&checked);
    let directory = Path::new("results");
    match &args.output {
        Some(file) => check_output(file, size)?,
        None => store::check_writable(&directory.join("result.json"), size)?,
    }
    let prepared = prepare(checked)?;
    let control = signals::control("finishing what is in flight; once more to stop at once");
    let telemetry = Telemetry::start(&args.telemetry, &prepared, args.quiet)?;
    let mut progress = Progress::of(&prepared, args.quiet);
    let headers = args.protocol.headers.iter().map(|h| h.value.clone());
    let command = command_line(args.target.as_deref(), headers);
    let record = prepared.run(command, &control, &mut |event| {
        telemetry.on(event);
        progress.on(event);
    })?;
    progress.finish();
    telemetry.finish();
    let saved = match &args.output {
        Some(file) => store::save(file, &record).map(|()| file.clone()),
        None => store::save_new(directory, &record),
    };
    // The summary goes out even if the file cannot be written.
    let printed = print(&record, args.json);
    conclude(Some(saved), printed, args.quiet)?;
    Ok(Exit::of_record(&record))
}

impl RunArgs {
    /// The scenario with what was given as flags, checked.
    ///
    /// # Errors
    ///
    /// Fails with what is wrong with the arguments or the scenario.
    pub fn checked(&self) -> anyhow::Result<Checked> {
        let mut source = match &self.target {
            Some(word) => Source::of(word)?,
            None => Source::shipped(QUICK)?,
        };
        source.apply(|scenario| self.apply(scenario))?;
        source.check()
    }

    /// Fills the scenario with what was given as flags.
    fn apply(&self, scenario: &mut Scenario) -> anyhow::Result<()> {
        let as_written = scenario.clone();
        self.identity.apply(scenario);
        self.connect.apply(scenario)?;
        self.crypto.apply(scenario);
        self.load.apply(scenario);
        self.resumption.apply(scenario);
        self.protocol.apply(scenario)?;
        let parts = |s: &Scenario| {
            let (load, matrix) = (s.load.clone(), s.matrix.clone());
            (load, matrix, s.resumption.clone(), s.protocol.clone())
        };
        let changed = parts(scenario) != parts(&as_written);
        if changed {
            // The text that came with the scenario explains another load than this one.
            if !scenario.question.is_empty() {
                CHANGED.clone_into(&mut scenario.question);
            }
            scenario.reading.clear();
        }
        self.timeouts.apply(scenario);
        self.threads.apply(scenario);
        scenario.target.all_addresses |= self.all_addresses;
        scenario.target.allow_public |= self.allow_public;
        scenario.target.public_rate_cap = self.public_rate_cap.or(scenario.target.public_rate_cap);
        Ok(())
    }
}

impl ThreadArgs {
    fn apply(&self, scenario: &mut Scenario) {
        scenario.workers.count = self.workers.or(scenario.workers.count);
        scenario.workers.cores = self.cores.clone().or(scenario.workers.cores.take());
        let wants_target = self.target_threads.is_some()
            || self.target_cores.is_some()
            || self.target_tickets.is_some();
        if wants_target {
            let embedded = scenario
                .target
                .embedded
                .get_or_insert_with(EmbeddedTarget::default);
            embedded.threads = self.target_threads.unwrap_or(embedded.threads);
            embedded.cores = self.target_cores.clone().or(embedded.cores.take());
            embedded.tickets = self
                .target_tickets
                .map(TicketMode::from)
                .or(embedded.tickets);
        }
    }
}

fn print(record: &RunRecord, json: bool) -> anyhow::Result<()> {
    if json {
        return write_json(record);
    }
    write_stdout(&report::render(record, style())?)
}

//! `shakedown run`: from arguments to a scenario, from a scenario to a result.

use std::path::Path;

use clap::Args;
use shakedown::record::RunRecord;
use shakedown::report;
use shakedown::runner::{prepare_part, shards_needed};
use shakedown::scenario::{Checked, QUICK, Scenario, SourceAddresses, TicketMode};
use shakedown::shard::Shard;
use shakedown::text::secrets::name_variables;
use shakedown::units::{Rate, Span};

use super::choice::one_of;
use super::connect::{ConnectArgs, IdentityArgs};
use super::crypto_args::CryptoArgs;
use super::execute::ResultArgs;
use super::exit::Exit;
use super::fleet::FleetArgs;
use super::load_args::{LoadArgs, ProtocolArgs, ResumptionArgs, TimeoutArgs};
use super::output::{style, write_stdout};
use super::shard::ShardArgs;
use super::telemetry::TelemetryArgs;
use super::{signals, source};

/// Other subcommands write no file unless one is named.
const OUTPUT: &str = "Write the result to this file [default: results/NAME-TIME.json]";
/// Stands for the question of a scenario that flags change, which is no longer the one that is answered.
const CHANGED: &str = "changed by flags, so its own question does not apply";

#[derive(Debug, Args)]
#[command(mut_arg("output", |arg| arg.help(OUTPUT)))]
pub struct RunArgs {
    /// Scenario file (- for stdin), built-in scenario (see `shakedown scenario list`), or URL
    /// (https://host:port/path, mqtts://host:port/topic, tls://host:port, tcp://host:port) [default: mtls-tax]
    #[arg(value_name = "SCENARIO|URL")]
    target: Option<String>,

    /// Spread sessions over all addresses of the name, not just the first that accepts a connection
    #[arg(long)]
    all_addresses: bool,

    /// Local addresses to connect from, in turns: ADDR, ADDR-ADDR or ADDR/PREFIX, which is its hosts
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    source: Vec<SourceAddresses>,

    /// Allow a public target, with its owner's consent; caps the rate
    #[arg(long)]
    allow_public: bool,

    /// Rate cap for a public target [default: 50/s]
    #[arg(long, value_name = "RATE", requires = "allow_public")]
    public_rate_cap: Option<Rate>,

    #[command(flatten)]
    result: ResultArgs,

    /// Print the resolved plan and exit; send no load
    #[arg(long, conflicts_with_all = ["output", "json", "quiet"])]
    dry_run: bool,

    /// Print instead how many shards and addresses the plan needs on machines like this one, and why. A session's CPU
    /// time is measured for about a second unless given, as in --plan-shards=450us
    #[arg(long, value_name = "CPU", requires = "dry_run", num_args = 0..=1, require_equals = true, value_parser = cpu_time)]
    #[expect(
        clippy::option_option,
        reason = "a flag whose value may be left out, as the parser has it"
    )]
    plan_shards: Option<Option<Span>>,

    #[command(flatten)]
    identity: IdentityArgs,

    #[command(flatten)]
    connect: ConnectArgs,

    #[command(flatten)]
    fleet: FleetArgs,

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
    shard: ShardArgs,

    #[command(flatten)]
    telemetry: TelemetryArgs,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Threads")]
struct ThreadArgs {
    /// Worker threads, each pinned to a core
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    workers: Option<usize>,

    /// Cores for worker threads, e.g. 0,2-5
    #[arg(long, value_name = "LIST")]
    cores: Option<String>,

    /// Threads of the embedded target
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    target_threads: Option<usize>,

    /// Cores for the embedded target's threads
    #[arg(long, value_name = "LIST")]
    target_cores: Option<String>,

    /// Resumption offered by the embedded target [default: as --resumption needs]
    #[arg(long, value_name = "MODE", value_parser = one_of::<TicketMode>())]
    target_tickets: Option<TicketMode>,
}

fn cpu_time(text: &str) -> Result<Span, String> {
    match text.parse::<Span>() {
        Ok(time) if time.0.is_zero() => Err("a session takes some time".to_owned()),
        time => time.map_err(|error| error.to_string()),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("give a whole number from 1".to_owned()),
    }
}

pub(crate) fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    let shard = args.shard.find()?;
    let checked = args.checked()?;
    if args.dry_run {
        signals::let_be();
        if let Some(cpu) = args.plan_shards {
            let needed = shards_needed(checked, cpu.map(|cpu| cpu.0))?;
            write_stdout(&needed.to_string())?;
            return Ok(Exit::Success);
        }
        let prepared = prepare_part(checked, shard.unwrap_or(Shard::WHOLE))?;
        write_stdout(&name_variables(&prepared.explain()))?;
        return Ok(Exit::Success);
    }
    if let Some(shard) = shard {
        return args
            .shard
            .execute(shard, checked, &args.result, &args.telemetry);
    }
    let folder = Some(Path::new("results"));
    let text = |record: &RunRecord| Ok(report::render(record, style())?);
    args.result.execute(checked, folder, &args.telemetry, text)
}

impl RunArgs {
    /// The scenario with the flags applied, checked.
    pub(crate) fn checked(&self) -> anyhow::Result<Checked> {
        let mut document = match &self.target {
            Some(word) => source::read(word)?,
            None => source::shipped(QUICK)?,
        };
        self.apply(&mut document.scenario)?;
        self.apply(&mut document.written)?;
        source::check(document)
    }

    fn apply(&self, scenario: &mut Scenario) -> anyhow::Result<()> {
        let as_written = scenario.clone();
        self.identity.apply(scenario);
        self.fleet.apply(scenario);
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
        if !self.source.is_empty() {
            scenario.workers.source.clone_from(&self.source);
        }
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
            let embedded = scenario.target.embedded.get_or_insert_default();
            embedded.threads = self.target_threads.unwrap_or(embedded.threads);
            embedded.cores = self.target_cores.clone().or(embedded.cores.take());
            embedded.tickets = self.target_tickets.or(embedded.tickets);
        }
    }
}

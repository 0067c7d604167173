//! `shakedown ab`: interleaves two sides and a control on one host until every gated figure is decided.

use std::time::Instant;

use anyhow::Context;
use clap::Args;
use shakedown::compare::{AbError, AbEvent, AbSetup, BLOCKS_PER_ROUND, Side, Turn, conduct};
use shakedown::files::write::TempFolder;
use shakedown::runner::BlockError;
use shakedown::units::counted;

use super::ab_args::{SideArgs, Sides};
use super::block_progress::BlockProgress;
use super::exit::Exit;
use super::judged::{ComparisonOutput, JudgeArgs};
use super::output::say;
use super::signals;

#[derive(Debug, Args)]
pub struct AbArgs {
    #[command(flatten)]
    sides: SideArgs,

    /// Maximum rounds (six blocks each); stops early once decided
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(2..=1_000))]
    max_rounds: u16,

    /// Seed for the order of the sides [default: random, kept in the result]
    #[arg(long, value_name = "N")]
    seed: Option<u32>,

    #[command(flatten)]
    judge: JudgeArgs,

    #[command(flatten)]
    output: ComparisonOutput,

    /// Show no progress
    #[arg(long, short = 'q')]
    quiet: bool,
}

pub(crate) fn run(args: &AbArgs) -> anyhow::Result<Exit> {
    args.output.check()?;
    let policy = args.judge.policy()?;
    let sides = args.sides.sides()?;
    let seed = match args.seed {
        Some(seed) => seed,
        None => getrandom::u32().context("cannot draw a seed; give one with --seed")?,
    };
    let folder = TempFolder::new_in(&std::env::temp_dir())
        .context("cannot make a folder for temporary files (TMPDIR)")?;
    let control = signals::control("ending this block; whole rounds are still judged");
    let progress = announce(args, &sides);
    let setup = AbSetup {
        seed: seed.into(),
        rounds_max: args.max_rounds.into(),
        policy: &policy,
        despite: &args.judge.despite,
        on_purpose: sides.on_purpose,
        baseline: sides.baseline_name.clone(),
        candidate: sides.candidate_name.clone(),
    };
    let begun = Instant::now();
    let mut block = |turn: Turn| {
        let command = match turn.side {
            Side::Baseline | Side::Control => &sides.baseline,
            Side::Candidate => &sides.candidate,
        };
        command.run(folder.path(), &control)
    };
    let outcome = conduct(
        &setup,
        &mut block,
        &mut |event: AbEvent<'_>| progress.on(&event),
        &|| begun.elapsed().as_secs(),
    );
    progress.finish();
    let outcome = outcome.map_err(plain)?;
    let exit = args.output.write(&outcome.comparison)?;
    Ok(if outcome.interrupted {
        Exit::Interrupted
    } else {
        exit
    })
}

fn announce(args: &AbArgs, sides: &Sides) -> BlockProgress {
    if !args.quiet {
        let cells = counted(sides.cells as u64, "cell");
        let rounds = args.max_rounds;
        let load = sides.block.map_or(String::new(), |block| {
            let block = block.as_secs_f64();
            let all = block * BLOCKS_PER_ROUND as f64 * f64::from(rounds);
            format!(", {block:.1} s each, {all:.0} s of load")
        });
        say(format_args!("baseline:  {}", sides.baseline_name));
        say(format_args!("candidate: {}", sides.candidate_name));
        say(format_args!(
            "at most {rounds} rounds of {BLOCKS_PER_ROUND} blocks with {cells}{load}",
        ));
    }
    BlockProgress::of(args.max_rounds.into(), args.quiet)
}

/// The error by itself, as other subcommands give it.
fn plain(error: AbError<BlockError>) -> anyhow::Error {
    match error {
        AbError::Block(error) => error.into(),
        AbError::Compare(error) => error.into(),
        other => other.into(),
    }
}

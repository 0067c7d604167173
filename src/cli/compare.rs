//! `shakedown compare`: what sets results apart that were there before.

use std::path::PathBuf;

use clap::Args;

use super::exit::Exit;
use super::judged::{ComparisonOutput, JudgeArgs, judge, results};

/// Arguments of `compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Result file, or folder of result files, that the candidate is held against
    #[arg(value_name = "BASELINE")]
    baseline: PathBuf,

    /// Result file, or folder of result files, that is judged
    #[arg(value_name = "CANDIDATE")]
    candidate: PathBuf,

    #[command(flatten)]
    judge: JudgeArgs,

    #[command(flatten)]
    output: ComparisonOutput,
}

/// Runs the command.
///
/// # Errors
///
/// Fails if a file is no result or policy, or the two have no cell in common.
pub fn run(args: &CompareArgs) -> anyhow::Result<Exit> {
    args.output.check()?;
    let policy = args.judge.policy()?;
    let (baseline, candidate) = (results(&args.baseline)?, results(&args.candidate)?);
    let comparison = judge(Some(&baseline), &candidate, &policy, &args.judge.despite())?;
    args.output.write(&comparison)
}

//! `shakedown compare`: compares results that exist already.

use std::path::PathBuf;

use clap::Args;

use super::exit::Exit;
use super::judged::{ComparisonOutput, JudgeArgs, judge, results};

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Baseline: a result file, or a folder of them
    #[arg(value_name = "BASELINE")]
    baseline: PathBuf,

    /// Candidate: a result file, or a folder of them
    #[arg(value_name = "CANDIDATE")]
    candidate: PathBuf,

    #[command(flatten)]
    judge: JudgeArgs,

    #[command(flatten)]
    output: ComparisonOutput,
}

pub(crate) fn run(args: &CompareArgs) -> anyhow::Result<Exit> {
    args.output.check()?;
    let policy = args.judge.policy()?;
    let (baseline, candidate) = (results(&args.baseline)?, results(&args.candidate)?);
    let comparison = judge(Some(&baseline), &candidate, &policy, &args.judge.despite)?;
    args.output.write(&comparison)
}

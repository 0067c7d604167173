//! `shakedown gate`: one result against a baseline and a policy, for CI to act on.

use std::path::PathBuf;

use clap::Args;
use shakedown::compare::{Policy, Results, alike, learn, series, unit_of};
use shakedown::record::{Note, RunRecord};
use shakedown::store;

use super::exit::Exit;
use super::judged::{ComparisonOutput, JudgeArgs, judge, name_damaged, results};

#[derive(Debug, Args)]
pub struct GateArgs {
    /// Result file to judge, or a folder of them
    #[arg(value_name = "RESULT")]
    result: PathBuf,

    /// Baseline: a result file, a folder of them, or the baselines folder, which picks the result's host
    /// class and scenario
    #[arg(long, value_name = "FILE|FOLDER")]
    baseline: Option<PathBuf>,

    /// Learn allowed changes from these past results: third quartile plus three interquartile ranges,
    /// from ten changes on
    #[arg(long, value_name = "FOLDER", requires = "baseline")]
    learn: Option<PathBuf>,

    #[command(flatten)]
    judge: JudgeArgs,

    #[command(flatten)]
    output: ComparisonOutput,
}

pub(crate) fn run(args: &GateArgs) -> anyhow::Result<Exit> {
    args.output.check()?;
    let mut policy = args.judge.policy()?;
    let candidate = results(&args.result)?;
    let baseline = args.baseline(&candidate)?;
    let learned = args.learn(&mut policy, baseline.as_ref(), &candidate)?;
    let mut comparison = judge(baseline.as_ref(), &candidate, &policy, &args.judge.despite)?;
    comparison.notes.extend(learned);
    args.output.write(&comparison)
}

impl GateArgs {
    fn baseline(&self, candidate: &Results) -> anyhow::Result<Option<Results>> {
        let (Some(path), Some(first)) = (&self.baseline, candidate.records.first()) else {
            return Ok(None);
        };
        if !store::holds_baselines(path)? {
            return Ok(Some(results(path)?));
        }
        let found = store::find_baseline(path, first)?;
        Ok(Some(Results {
            source: found.path.display().to_string(),
            records: vec![found.result],
        }))
    }

    /// Replaces limits of the policy by learned ones, and returns notes on them.
    fn learn(
        &self,
        policy: &mut Policy,
        baseline: Option<&Results>,
        candidate: &Results,
    ) -> anyhow::Result<Vec<Note>> {
        let (Some(folder), Some(first)) = (&self.learn, candidate.records.first()) else {
            return Ok(Vec::new());
        };
        let damaged = |e| {
            let error = shakedown::compare::CompareError::Damaged(e);
            name_damaged(error.into(), [folder, &self.result])
        };
        let past: Vec<RunRecord> = store::load_all(folder)?;
        let (past, left_out) = alike(past, first).map_err(damaged)?;
        let old = baseline.map_or(&[][..], |results| &results.records);
        let unit = unit_of(old, &candidate.records);
        let cells = series(&candidate.records, unit).map_err(damaged)?;
        let mut notes: Vec<Note> = left_out.into_iter().collect();
        notes.extend(learn(policy, &past, &cells).map_err(damaged)?);
        Ok(notes)
    }
}

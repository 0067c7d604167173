//! What subcommands that judge have in common: the policy, what is let pass, and where a comparison goes.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use shakedown::compare::{self, CompareError, Difference, Policy, Results};
use shakedown::record::{self, Comparison};
use shakedown::report;

use super::exit::Exit;
use super::output::{folder_of, style, write_json, write_stdout};

/// What decides, and despite what.
#[derive(Debug, Clone, Default, Args)]
pub struct JudgeArgs {
    /// Policy: allowed changes, thresholds and required minimums [default: the one that
    /// scenarios/gate/policy.toml shows]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// Compare although this differs, and mark it; may be given several times
    #[arg(long, value_name = "KIND")]
    despite: Vec<DespiteArg>,
}

/// Differences that can be let pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DespiteArg {
    /// Results of different classes of hosts
    Host,
    /// Something else was asked of the two
    Plan,
    /// Histograms that round differently
    Histogram,
    /// A debug build against a release build
    Profile,
    /// A run that is invalid or did not run to its end
    Validity,
}

impl JudgeArgs {
    /// The policy given, or the built-in one.
    ///
    /// # Errors
    ///
    /// Fails if the file is no policy.
    pub fn policy(&self) -> anyhow::Result<Policy> {
        Ok(match &self.policy {
            Some(path) => Policy::read(path)?,
            None => Policy::built_in()?,
        })
    }

    /// What is let pass.
    pub fn despite(&self) -> Vec<Difference> {
        let kinds = self.despite.iter().map(|kind| match kind {
            DespiteArg::Host => Difference::Host,
            DespiteArg::Plan => Difference::Plan,
            DespiteArg::Histogram => Difference::Histogram,
            DespiteArg::Profile => Difference::Profile,
            DespiteArg::Validity => Difference::Validity,
        });
        kinds.collect()
    }
}

/// Where a comparison goes.
#[derive(Debug, Clone, Default, Args)]
pub struct ComparisonOutput {
    /// Also write the comparison to a file, for `shakedown report`
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,

    /// Print the comparison as JSON instead of the tables
    #[arg(long)]
    json: bool,
}

impl ComparisonOutput {
    /// Finds out whether what is asked can be written, before anything takes time.
    ///
    /// # Errors
    ///
    /// Fails if a file is named that cannot be one.
    pub fn check(&self) -> anyhow::Result<()> {
        if let Some(file) = &self.output {
            record::check_writable(&folder_of(file)?, 0)?;
        }
        Ok(())
    }

    /// Writes a comparison everywhere it is to go, and says how the process ends.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be written; the report goes out even then.
    pub fn write(&self, comparison: &Comparison) -> anyhow::Result<Exit> {
        let saved = self.output.as_ref();
        let saved = saved.map(|path| record::save_comparison(path, comparison));
        if self.json {
            write_json(comparison)?;
        } else {
            write_stdout(&report::comparison::render(comparison, style()))?;
        }
        saved.transpose()?;
        if let Some(path) = &self.output {
            eprintln!("saved to {}", path.display());
        }
        Ok(Exit::of_verdict(comparison.verdict))
    }
}

/// The results of a file or folder.
///
/// # Errors
///
/// Fails if it is not one of results.
pub fn results(path: &Path) -> anyhow::Result<Results> {
    Ok(Results {
        source: path.display().to_string(),
        records: record::load_all(path)?,
    })
}

/// Compares; what is refused becomes an invalid comparison, so that CI reads the reason where it reads
/// verdicts.
///
/// # Errors
///
/// Fails as [`compare::compare`] does, but for refusals.
pub fn judge(
    baseline: Option<&Results>,
    candidate: &Results,
    policy: &Policy,
    despite: &[Difference],
) -> anyhow::Result<Comparison> {
    match compare::compare(baseline, candidate, policy, despite) {
        Err(CompareError::Refused(found)) => {
            Ok(compare::refused(baseline, candidate, policy, &found)?)
        }
        judged => Ok(judged?),
    }
}

//! Shared by the subcommands that judge: the policy, tolerated differences, and the output of a comparison.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use shakedown::compare::{self, CompareError, Difference, Policy, Results};
use shakedown::record::Comparison;
use shakedown::report;
use shakedown::store;

use super::choice::one_of;
use super::exit::{BadInput, Exit, UsageError};
use super::output::{OutputArgs, check_is_file, conclude, print, say, style, write_stdout};

/// About as many bytes as a comparison or a report of one has.
const SIZE: u64 = 64 << 10;

/// The policy and tolerated differences.
#[derive(Debug, Clone, Default, Args)]
pub struct JudgeArgs {
    /// Policy: allowed changes, thresholds and required minimums [default: scenarios/gate/policy.toml,
    /// built in]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// Compare despite this difference, and mark it; repeatable
    #[arg(long, value_name = "KIND", value_parser = one_of::<Difference>())]
    pub despite: Vec<Difference>,
}

impl JudgeArgs {
    /// The policy given, or the built-in one.
    pub(crate) fn policy(&self) -> anyhow::Result<Policy> {
        Ok(match &self.policy {
            Some(path) => Policy::read(path)?,
            None => Policy::built_in()?,
        })
    }
}

/// Output of a comparison.
#[derive(Debug, Clone, Default, Args)]
pub struct ComparisonOutput {
    #[command(flatten)]
    output: OutputArgs,

    #[command(flatten)]
    formats: FormatArgs,
}

/// What CI systems read.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Formats for CI")]
struct FormatArgs {
    #[arg(
        long,
        value_name = "FILE",
        help = "Write JUnit XML: one case per gated figure and threshold"
    )]
    junit: Option<PathBuf>,

    /// Write Markdown; on GitHub Actions the job summary has it anyway
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,

    /// Write a self-contained HTML page with the effects drawn
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Write figures for github-action-benchmark: x.json becomes x-smaller.json (customSmallerIsBetter)
    /// and x-bigger.json (customBiggerIsBetter)
    #[arg(long, value_name = "FILE")]
    benchmark_json: Option<PathBuf>,

    /// Write figures in Bencher Metric Format
    #[arg(long, value_name = "FILE")]
    bencher: Option<PathBuf>,
}

impl ComparisonOutput {
    /// Fails early if a file could not be written.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.output.check(SIZE)?;
        let formats = &self.formats;
        let [smaller, bigger] = ["smaller", "bigger"]
            .map(|suffix| (formats.benchmark_json.as_ref()).map(|path| beside(path, suffix)));
        let files = [
            &formats.junit,
            &formats.markdown,
            &formats.html,
            &formats.benchmark_json,
            &smaller,
            &bigger,
            &formats.bencher,
        ];
        for file in files.into_iter().flatten() {
            check_is_file(file).map_err(|_| {
                UsageError(
                    "--junit, --markdown, --html, --benchmark-json and --bencher write files; name one that is \
                     no folder, link, device or pipe, and not `-`",
                )
            })?;
            store::check_writable(file, SIZE)?;
        }
        Ok(())
    }

    /// Writes a comparison everywhere it is to go, and says how the process ends. The report goes out even if a file
    /// cannot be written.
    pub(crate) fn write(&self, comparison: &Comparison) -> anyhow::Result<Exit> {
        let saved = (self.output).save(|path| store::save_comparison(path, comparison));
        // Whatever becomes of the one, the others are written.
        let written = self.formats.write(comparison);
        let text = || Ok(report::comparison::render(comparison, style()));
        let printed = print(comparison, self.output.json, text);
        let printed = printed.and_then(|()| on_github(comparison, self.output.json));
        conclude(saved, printed, false)?;
        written?;
        Ok(Exit::of_verdict(comparison.verdict))
    }
}

impl FormatArgs {
    fn write(&self, comparison: &Comparison) -> anyhow::Result<()> {
        if let Some(path) = &self.junit {
            store::save_text(path, &report::comparison::junit(comparison)?)?;
        }
        if let Some(path) = &self.markdown {
            store::save_text(path, &report::comparison::markdown(comparison))?;
        }
        if let Some(path) = &self.html {
            store::save_text(path, &report::comparison::html(comparison)?)?;
        }
        if let Some(path) = &self.benchmark_json {
            let all = report::comparison::benchmarks(comparison);
            save_json(&beside(path, "smaller"), &all.smaller)?;
            save_json(&beside(path, "bigger"), &all.bigger)?;
        }
        if let Some(path) = &self.bencher {
            save_json(path, &report::comparison::bencher(comparison))?;
        }
        Ok(())
    }
}

/// `x.json` as `x-smaller.json`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|e| e.to_string_lossy());
    let extension = extension.map_or(String::new(), |e| format!(".{e}"));
    path.with_file_name(format!("{stem}-{suffix}{extension}"))
}

fn save_json(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let text = format!("{}\n", serde_json::to_string_pretty(value)?);
    Ok(store::save_text(path, &text)?)
}

/// Within a job of GitHub Actions, annotates it and adds to its summary. Commands are read from stderr
/// too, where they do not get in the way of JSON.
fn on_github(comparison: &Comparison, json: bool) -> anyhow::Result<()> {
    if std::env::var_os("GITHUB_ACTIONS").is_none_or(|value| value != "true") {
        return Ok(());
    }
    let commands = report::comparison::annotations(comparison);
    if json {
        say(commands.trim_end());
    } else {
        write_stdout(&commands)?;
    }
    let Some(summary) = std::env::var_os("GITHUB_STEP_SUMMARY") else {
        return Ok(());
    };
    let text = report::comparison::markdown(comparison);
    let file = OpenOptions::new().create(true).append(true).open(&summary);
    if let Err(error) = file.and_then(|mut file| file.write_all(text.as_bytes())) {
        // The verdict is worth more than its summary.
        say(format_args!(
            "warning: cannot add to the job's summary: {error}"
        ));
    }
    Ok(())
}

/// The results of a file or folder.
pub(crate) fn results(path: &Path) -> anyhow::Result<Results> {
    Ok(Results {
        source: path.display().to_string(),
        records: store::load_all(path)?,
    })
}

/// Compares. A refusal becomes an invalid comparison, so that CI finds the reason where it finds verdicts.
pub(crate) fn judge(
    baseline: Option<&Results>,
    candidate: &Results,
    policy: &Policy,
    despite: &[Difference],
) -> anyhow::Result<Comparison> {
    let judged = match compare::compare(baseline, candidate, policy, despite) {
        Err(CompareError::Refused(found)) => compare::refused(baseline, candidate, policy, &found),
        judged => judged,
    };
    judged.map_err(|error| {
        let sides = baseline.into_iter().chain([candidate]);
        let files: Vec<PathBuf> = sides.map(|side| PathBuf::from(&side.source)).collect();
        name_damaged(error.into(), &files)
    })
}

/// The error of what was to be made of results, or which of their files is damaged, and where: histograms are read
/// when a figure needs them, far from the name of their file.
pub(crate) fn name_damaged<'a>(
    error: anyhow::Error,
    files: impl IntoIterator<Item = &'a PathBuf>,
) -> anyhow::Error {
    let files = files.into_iter().flat_map(|path| {
        if path.is_dir() {
            store::result_files(path).unwrap_or_default()
        } else {
            vec![path.clone()]
        }
    });
    let mut damaged = files.filter_map(|file| {
        let what = store::load(&file).ok()?.damage()?;
        Some((file, what))
    });
    match damaged.next() {
        Some((file, what)) => BadInput(format!(
            "{} is damaged: {what}; take another copy of it, or make the run again",
            file.display()
        ))
        .into(),
        None => error,
    }
}

//! Turns the arguments of `shakedown ab` into those of `run`, for the blocks of each side.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser};
use shakedown::runner::BlockCommand;
use shakedown::scenario::{Checked, ProviderName, Stop};
use shakedown::text::secrets::public_part;
use shakedown::text::shell_quote;
use shakedown::units::Span;

use super::exit::UsageError;
use super::run::RunArgs;
use super::source::is_stdin;

/// Shortest measured part of a trial; below, one second of a neighbour is a whole block.
const SHORTEST: Duration = Duration::from_millis(100);
/// The part of a trial that a warm-up may take.
const MOST_WARMUP: f64 = 0.25;
/// Time a trial may take beyond its load: sessions in flight, priming, minting.
const BESIDE_LOAD: Duration = Duration::from_secs(15);

/// The sides, and the length of their blocks.
#[derive(Debug, Clone, Args)]
pub struct SideArgs {
    /// Scenario or URL for both sides, as for `run`; give two for baseline and candidate
    /// [default: mtls-tax]
    #[arg(value_name = "SCENARIO|URL", num_args = 0..=2)]
    targets: Vec<String>,

    /// shakedown binary that runs the baseline [default: this one]
    #[arg(long, value_name = "FILE")]
    baseline_bin: Option<PathBuf>,

    /// shakedown binary that runs the candidate [default: this one]
    #[arg(long, value_name = "FILE")]
    candidate_bin: Option<PathBuf>,

    /// Crypto provider of the baseline's client
    #[arg(long, value_name = "NAME")]
    baseline_provider: Option<ProviderName>,

    /// Crypto provider of the candidate's client
    #[arg(long, value_name = "NAME")]
    candidate_provider: Option<ProviderName>,

    /// Length of a block: one short trial of every cell [default: 3s]
    #[arg(long, value_name = "TIME")]
    block: Option<Span>,

    /// Flags of `run` for every block, after `--`, e.g. `-- --rate 500/s --auth mutual`
    #[arg(last = true, value_name = "FLAGS")]
    flags: Vec<String>,
}

/// Parses the arguments of a block as `run` does.
#[derive(Debug, Parser)]
#[command(
    name = "shakedown run",
    about = "The flags after `--` are those of `run`"
)]
struct BlockArgs {
    #[command(flatten)]
    run: RunArgs,
}

/// The arguments as `run` reads them, plus those of every block; the parser refuses conflicts.
fn parsed(arguments: &[String]) -> Result<RunArgs, clap::Error> {
    let own = ["--trials=1", "--quiet", "--output=block.json"].map(str::to_owned);
    let whole = ["run".to_owned()].into_iter().chain(arguments.to_vec());
    BlockArgs::try_parse_from(whole.chain(own)).map(|args| args.run)
}

/// One side before its blocks have a length.
struct Draft {
    binary: PathBuf,
    target: Option<String>,
    arguments: Vec<String>,
    checked: Checked,
}

/// Both sides.
pub struct Sides {
    /// Each block of the baseline and of its control.
    pub baseline: BlockCommand,
    /// Each block of the candidate.
    pub candidate: BlockCommand,
    /// Display name of the baseline.
    pub baseline_name: String,
    /// Display name of the candidate.
    pub candidate_name: String,
    /// Whether the two differ in their load, not only in the build.
    pub on_purpose: bool,
    /// Cells of a block.
    pub cells: usize,
    /// The longer of the two sides' blocks, without starting them; `None` where a total ends them.
    pub block: Option<Duration>,
}

impl SideArgs {
    /// Resolves both sides.
    pub(crate) fn sides(&self) -> anyhow::Result<Sides> {
        let own = std::env::current_exe().context("cannot tell where this program is")?;
        let side = |place: usize, binary: &Option<PathBuf>, provider: Option<ProviderName>| {
            let target = self.targets.get(place).or(self.targets.first());
            let binary = binary.clone().unwrap_or_else(|| own.clone());
            self.draft(binary, target.cloned(), provider)
        };
        let baseline = side(0, &self.baseline_bin, self.baseline_provider)?;
        let candidate = side(1, &self.candidate_bin, self.candidate_provider)?;
        let cells = baseline.checked.cells.len();
        let cells = cells.max(candidate.checked.cells.len());
        let (baseline_length, candidate_length) = (
            self.trial(&baseline.checked, cells)?,
            self.trial(&candidate.checked, cells)?,
        );
        Ok(Sides {
            baseline_name: baseline.name(),
            candidate_name: candidate.name(),
            on_purpose: self.targets.len() > 1 || self.baseline_provider != self.candidate_provider,
            cells,
            block: [&baseline_length, &candidate_length]
                .into_iter()
                .filter(|trial| trial.stop.total.is_none())
                .map(|trial| trial.whole(cells))
                .max(),
            baseline: baseline.command(&baseline_length)?,
            candidate: candidate.command(&candidate_length)?,
        })
    }

    fn draft(
        &self,
        binary: PathBuf,
        target: Option<String>,
        provider: Option<ProviderName>,
    ) -> anyhow::Result<Draft> {
        if target.as_deref().is_some_and(is_stdin) {
            return Err(UsageError(
                "standard input can be read once, and every block reads its scenario; save it to a file and name that",
            )
            .into());
        }
        let mut arguments: Vec<String> = target.clone().into_iter().collect();
        arguments.extend(self.flags.iter().cloned());
        if let Some(provider) = provider {
            arguments.extend(["--provider".to_owned(), provider.to_string()]);
        }
        let checked = parsed(&arguments)?.checked()?;
        Ok(Draft {
            binary,
            target,
            arguments,
            checked,
        })
    }

    /// The length of each trial of a block.
    fn trial(&self, checked: &Checked, cells: usize) -> Result<Trial, UsageError> {
        let load = &checked.scenario.load;
        if load.total.is_some() || !load.stages.is_empty() {
            return match self.block {
                None => Ok(Trial {
                    stop: checked.stop,
                    flags: Vec::new(),
                }),
                Some(_) => Err(UsageError(
                    "--block has no effect on a load with a total or stages, which say how long a trial is; drop it",
                )),
            };
        }
        let block = self.block.unwrap_or(Span::secs(3)).0;
        let each = block.div_f64(cells.max(1) as f64);
        let warmup = checked.stop.warmup.min(each.mul_f64(MOST_WARMUP));
        let stop = Stop {
            warmup,
            duration: each.saturating_sub(warmup),
            ..checked.stop
        };
        if stop.duration < SHORTEST {
            return Err(UsageError(
                "--block leaves less than 100 ms to measure each cell; make it longer, or run fewer cells",
            ));
        }
        let ms = |time: Duration| format!("{}ms", time.as_millis());
        let flags = ["--duration".to_owned(), ms(stop.duration)];
        let warmup = ["--warmup".to_owned(), ms(stop.warmup)];
        Ok(Trial {
            stop,
            flags: flags.into_iter().chain(warmup).collect(),
        })
    }
}

/// The length of a trial, and the flags that make it so.
struct Trial {
    stop: Stop,
    flags: Vec<String>,
}

impl Trial {
    fn whole(&self, cells: usize) -> Duration {
        let each = self.stop.warmup + self.stop.duration;
        each.saturating_mul(u32::try_from(cells).unwrap_or(u32::MAX))
    }
}

impl Draft {
    /// The name in reports: without flags, which may hold secrets, and without the query of a URL.
    fn name(&self) -> String {
        let binary = shell_quote(&self.binary.display().to_string());
        let target = self.target.iter().map(|target| {
            let shown = public_part(target);
            format!(" {}", shell_quote(&shown))
        });
        let provider = self.checked.scenario.tls.provider;
        let provider = provider.iter().map(|name| format!(" --provider {name}"));
        let rest: String = target.chain(provider).collect();
        format!("{binary} run{rest}")
    }

    fn command(self, trial: &Trial) -> Result<BlockCommand, clap::Error> {
        let cells = self.checked.cells.len();
        let each = trial.stop.grace + BESIDE_LOAD;
        let beside = each.saturating_mul(u32::try_from(cells).unwrap_or(u32::MAX));
        let mut arguments = self.arguments;
        arguments.extend(trial.flags.iter().cloned());
        // A flag that is given twice.
        parsed(&arguments)?;
        arguments.push("--trials=1".to_owned());
        Ok(BlockCommand {
            binary: self.binary,
            arguments,
            deadline: trial.whole(cells) + beside,
        })
    }
}

//! `shakedown report`: what result and comparison files say, from the files alone, in the format that is
//! asked for.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use shakedown::compare::{Difference, Policy, Results};
use shakedown::record::Comparison;
use shakedown::report::{Format, ReportError, Titled, Which, comparison, page, render, render_as};
use shakedown::store::{self, Kept, StoreError};

use super::exit::{Exit, UsageError};
use super::judged::{judge, name_damaged};
use super::output::{check_is_file, style, write_stdout};

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Result files, as `run` wrote them; in text, Markdown and HTML,
    /// comparison files too, as `compare -o` did
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// What the report is written in
    #[arg(long, short = 'f', value_name = "FORMAT", default_value = "text")]
    format: FormatArg,

    /// hgrm, hlog: of this cell alone
    #[arg(long, value_name = "NAME")]
    cell: Option<String>,

    /// hgrm, hlog: connect, handshake, confirm, exchange, latency, service or lag [default: latency]
    #[arg(long, value_name = "METRIC")]
    metric: Option<String>,

    /// Write to this file, whole or not at all, instead of standard output
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What a report is written in.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    /// For people at a terminal
    Text,
    /// For pull requests and wikis
    Markdown,
    /// Figures for programs
    Json,
    /// Figures for spreadsheets and data frames, one per line
    Csv,
    /// Percentile distribution of one cell in milliseconds, for `HdrHistogram`'s plotters
    Hgrm,
    /// `HdrHistogram` log, an interval per trial, in nanoseconds
    Hlog,
    /// Textfile for Prometheus' node exporter
    Prometheus,
    /// A page to look at, with drawings, that needs nothing else
    Html,
}

impl From<FormatArg> for Format {
    fn from(arg: FormatArg) -> Self {
        match arg {
            FormatArg::Text => Self::Text,
            FormatArg::Markdown => Self::Markdown,
            FormatArg::Json => Self::Json,
            FormatArg::Csv => Self::Csv,
            FormatArg::Hgrm => Self::Hgrm,
            FormatArg::Hlog => Self::Hlog,
            FormatArg::Prometheus => Self::Prometheus,
            FormatArg::Html => Self::Html,
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// Fails if a file is not a result, or the report cannot be made or written.
pub fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    let format = Format::from(args.format);
    if (args.cell.is_some() || args.metric.is_some()) && !format.is_of_histograms() {
        return Err(UsageError(
            "--cell and --metric are for --format hgrm and hlog; other reports have all of them",
        )
        .into());
    }
    let kept: Vec<(String, Kept)> = (args.files.iter())
        .map(|file| Ok((file.display().to_string(), store::load_any(file)?)))
        .collect::<Result<_, StoreError>>()?;
    let report = args
        .report(kept, format)
        .map_err(|error| name_damaged(error, &args.files))?;
    match &args.output {
        None => write_stdout(&report)?,
        Some(file) => {
            check_is_file(file)?;
            store::save_text(file, &report)?;
        }
    }
    Ok(Exit::Success)
}

fn in_text(kept: &[(String, Kept)]) -> Result<String, ReportError> {
    let all = kept.iter().map(|(_, kept)| match kept {
        Kept::Run(record) => Ok(render(record, style())?),
        Kept::Comparison(compared) => Ok(comparison::render(compared, style())),
    });
    Ok(all.collect::<Result<Vec<_>, ReportError>>()?.join("\n"))
}

/// Of comparisons; those of results are made together.
fn in_markdown(kept: &[(String, Kept)]) -> String {
    let all = kept.iter().filter_map(|(_, kept)| match kept {
        Kept::Run(_) => None,
        Kept::Comparison(compared) => Some(comparison::markdown(compared)),
    });
    all.collect::<Vec<_>>().join("\n")
}

/// Of one comparison, or of results, of which each is held against the first.
fn in_html(kept: Vec<(String, Kept)>) -> anyhow::Result<String> {
    if let [(_, Kept::Comparison(compared))] = &kept[..] {
        return Ok(comparison::html(compared)?);
    }
    let all = kept.into_iter().map(|(source, kept)| match kept {
        Kept::Run(record) => Ok(Results {
            source,
            records: vec![*record],
        }),
        Kept::Comparison(_) => Err(ONLY_RESULTS),
    });
    let all: Vec<Results> = all.collect::<Result<_, _>>()?;
    let policy = Policy::built_in()?;
    let others = all.iter().skip(1);
    let against: Vec<Comparison> = others
        .map(|other| judge(all.first(), other, &policy, &LET_PASS))
        .collect::<Result<_, _>>()?;
    let titled = all.iter().flat_map(|results| {
        let name = results.source.as_str();
        let records = results.records.iter();
        records.map(move |record| Titled { name, record })
    });
    Ok(page(&titled.collect::<Vec<_>>(), &against)?)
}

/// What a page that judges nothing lets pass and marks.
const LET_PASS: [Difference; 3] = [Difference::Host, Difference::Plan, Difference::Profile];

const ONLY_RESULTS: UsageError = UsageError(
    "comparison files have reports in text, in Markdown without results, and by themselves in HTML; for others give the results",
);

impl ReportArgs {
    fn report(&self, kept: Vec<(String, Kept)>, format: Format) -> anyhow::Result<String> {
        let compared = |(_, kept): &(String, Kept)| matches!(kept, Kept::Comparison(_));
        match format {
            Format::Text => Ok(in_text(&kept)?),
            Format::Markdown if kept.iter().all(compared) => Ok(in_markdown(&kept)),
            Format::Html => in_html(kept),
            _ => self.of_results(&kept, format),
        }
    }

    fn of_results(&self, kept: &[(String, Kept)], format: Format) -> anyhow::Result<String> {
        let which = Which {
            cell: self.cell.clone(),
            metric: self.metric.clone(),
        };
        Ok(render_as(&of_runs(kept)?, format, &which)?)
    }
}

/// What are all results.
fn of_runs(kept: &[(String, Kept)]) -> Result<Vec<Titled<'_>>, UsageError> {
    let all = kept.iter().map(|(name, kept)| match kept {
        Kept::Run(record) => Ok(Titled { name, record }),
        Kept::Comparison(_) => Err(ONLY_RESULTS),
    });
    all.collect()
}

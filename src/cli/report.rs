//! `shakedown report`: prints result and comparison files in the format asked for.

use std::path::PathBuf;

use clap::Args;
use shakedown::compare::{Difference, Policy, Results};
use shakedown::record::Comparison;
use shakedown::report::{Format, ReportError, Titled, Which, comparison, page, render, render_as};
use shakedown::store::{self, Kept, StoreError};

use super::choice::one_of;
use super::exit::{Exit, UsageError};
use super::judged::{judge, name_damaged};
use super::output::{check_is_file, style, write_stdout};

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Result files of `run`; text, Markdown and HTML take comparison files of `compare -o` too
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Format of the report
    #[arg(long, short = 'f', value_name = "FORMAT", default_value = "text", value_parser = one_of::<Format>())]
    format: Format,

    /// hgrm, hlog: only this cell
    #[arg(long, value_name = "NAME")]
    cell: Option<String>,

    /// hgrm, hlog: connect, handshake, confirm, exchange, latency, service or lag [default: latency]
    #[arg(long, value_name = "METRIC")]
    metric: Option<String>,

    /// Write to this file instead of stdout
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    if (args.cell.is_some() || args.metric.is_some()) && !args.format.is_of_histograms() {
        return Err(UsageError(
            "--cell and --metric are for --format hgrm and hlog; other reports have all of them",
        )
        .into());
    }
    let kept: Vec<(String, Kept)> = (args.files.iter())
        .map(|file| Ok((file.display().to_string(), store::load_any(file)?)))
        .collect::<Result<_, StoreError>>()?;
    let report = args
        .report(&kept)
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

/// Of one comparison, or of results, of which each is compared with the first.
fn in_html(kept: &[(String, Kept)]) -> anyhow::Result<String> {
    if let [(_, Kept::Comparison(compared))] = kept {
        return Ok(comparison::html(compared)?);
    }
    let titled = of_runs(kept)?;
    let results = |titled: &Titled<'_>| Results {
        source: titled.name.to_owned(),
        records: vec![titled.record.clone()],
    };
    let all: Vec<Results> = titled.iter().map(results).collect();
    let policy = Policy::built_in()?;
    let others = all.iter().skip(1);
    let against = others.map(|other| judge(all.first(), other, &policy, &LET_PASS));
    let against: Vec<Comparison> = against.collect::<Result<_, _>>()?;
    Ok(page(&titled, &against)?)
}

/// Differences that a page marks but tolerates, as it judges nothing.
const LET_PASS: [Difference; 3] = [Difference::Host, Difference::Plan, Difference::Profile];

const ONLY_RESULTS: UsageError = UsageError(
    "comparison files have reports in text, in Markdown without results, and by themselves in HTML; for others give the results",
);

impl ReportArgs {
    fn report(&self, kept: &[(String, Kept)]) -> anyhow::Result<String> {
        let compared = |(_, kept): &(String, Kept)| matches!(kept, Kept::Comparison(_));
        let which = Which {
            cell: self.cell.clone(),
            metric: self.metric.clone(),
        };
        match self.format {
            Format::Text => Ok(in_text(kept)?),
            Format::Markdown if kept.iter().all(compared) => Ok(in_markdown(kept)),
            Format::Html => in_html(kept),
            format => Ok(render_as(&of_runs(kept)?, format, &which)?),
        }
    }
}

/// The records, if all files are results.
fn of_runs(kept: &[(String, Kept)]) -> Result<Vec<Titled<'_>>, UsageError> {
    let all = kept.iter().map(|(name, kept)| match kept {
        Kept::Run(record) => Ok(Titled { name, record }),
        Kept::Comparison(_) => Err(ONLY_RESULTS),
    });
    all.collect()
}

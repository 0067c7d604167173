//! `shakedown baseline`: results kept in git, a folder for each class of hosts.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};
use shakedown::compare::{invalid, is_metered};
use shakedown::record::Environment;
use shakedown::report;
use shakedown::store::{self, Baseline};
use shakedown::text::escape_untrusted;

use super::exit::{BadInput, Exit};
use super::judged::name_damaged;
use super::output::{style, write_json, write_stdout};

/// Characters that a column gives to a string of a file.
const CAP: usize = 80;

/// Arguments of `baseline`.
#[derive(Debug, Args)]
pub struct BaselineArgs {
    #[command(subcommand)]
    command: BaselineCommand,
}

#[derive(Debug, Subcommand)]
enum BaselineCommand {
    /// Keep a result, in place of the one that has its name and host class
    Record(RecordArgs),
    /// List what is kept; those of this host's class are marked
    List(ListArgs),
    /// Print a baseline: its environment, and its tables
    Show(ShowArgs),
}

#[derive(Debug, Args)]
struct FolderArg {
    /// Folder of the baselines
    #[arg(long, value_name = "FOLDER", default_value = store::BASELINES)]
    dir: PathBuf,
}

#[derive(Debug, Args)]
struct RecordArgs {
    /// Result file, as `run` wrote it
    #[arg(value_name = "RESULT")]
    result: PathBuf,

    /// Name of the baseline [default: the scenario's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Keep a result that is invalid, not complete, metered, or of a debug build
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    folder: FolderArg,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    folder: FolderArg,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// Name of a baseline of this host's class, or CLASS/NAME
    #[arg(value_name = "NAME")]
    name: String,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    folder: FolderArg,
}

/// Runs the command.
///
/// # Errors
///
/// Fails if a file is no result, is not fit to be a baseline, or cannot be written.
pub fn run(args: &BaselineArgs) -> anyhow::Result<Exit> {
    match &args.command {
        BaselineCommand::Record(args) => keep(args)?,
        BaselineCommand::List(args) => list(&args.folder.dir)?,
        BaselineCommand::Show(args) => show(args)?,
    }
    Ok(Exit::Success)
}

fn keep(args: &RecordArgs) -> anyhow::Result<()> {
    let result = store::load(&args.result)?;
    let mut faults: Vec<String> = invalid("result", &result)
        .map(|found| found.note.message)
        .into_iter()
        .collect();
    if is_metered(&result) {
        faults.push("it is metered, so the cost of the ledger is in its figures".to_owned());
    }
    if result.build.profile != "release" {
        faults.push(format!("it was made by a {} build", result.build.profile));
    }
    if !faults.is_empty() && !args.force {
        return Err(BadInput(format!(
            "{} is not fit to be a baseline: {}; make the run again, or keep it all the same with --force",
            args.result.display(),
            faults.join("; ")
        ))
        .into());
    }
    let (path, replaced) = store::record_baseline(&args.folder.dir, args.name.as_deref(), &result)?;
    let what = if replaced { "replaced" } else { "recorded" };
    write_stdout(&format!("{what} {}\n", path.display()))
}

/// What a folder holds; nothing if it is not there yet.
fn kept(dir: &Path) -> anyhow::Result<Vec<Baseline>> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    Ok(store::baselines(dir)?)
}

fn list(dir: &Path) -> anyhow::Result<()> {
    let all = kept(dir)?;
    if all.is_empty() {
        let text = "no baselines in {}; `shakedown baseline record RESULT` keeps one\n";
        return write_stdout(&text.replace("{}", &dir.display().to_string()));
    }
    let here = Environment::gather().host_class();
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header([
            "",
            "host class",
            "name",
            "begun",
            "shakedown",
            "cells",
            "valid",
        ]);
    for known in &all {
        let result = &known.result;
        let validity = &result.validity;
        let valid = validity.valid && validity.complete;
        table.add_row([
            if known.host_class == here { "*" } else { "" }.to_owned(),
            safe(&known.host_class),
            safe(&known.name),
            safe(&result.started_at),
            safe(&format!(
                "{} ({})",
                result.build.version, result.build.git_revision
            )),
            result.cells.len().to_string(),
            if valid { "yes" } else { "NO" }.to_owned(),
        ]);
    }
    let lines = table.to_string();
    let lines: Vec<&str> = lines.lines().map(str::trim_end).collect();
    write_stdout(&format!(
        "{}\n\n* the class of this host: {here}\n",
        lines.join("\n")
    ))
}

fn show(args: &ShowArgs) -> anyhow::Result<()> {
    let here = Environment::gather().host_class();
    let (class, name) = args.name.split_once('/').unwrap_or((&here, &args.name));
    let dir = &args.folder.dir;
    let mut all = kept(dir)?.into_iter();
    let found = all.find(|known| known.host_class == class && known.name == name);
    let Some(found) = found else {
        return Err(BadInput(format!(
            "{} has no baseline {class}/{name}; `shakedown baseline list` shows what is there",
            dir.display()
        ))
        .into());
    };
    if args.json {
        return write_json(&found.result);
    }
    let text = report::render(&found.result, style())
        .map_err(|e| name_damaged(e.into(), [&found.path]))?;
    write_stdout(&format!("{}\n{text}", head(&found)))
}

/// The file and the environment, of which a report says nothing.
fn head(found: &Baseline) -> String {
    let result = &found.result;
    let facts = &result.environment;
    let unknown = || "unknown".to_owned();
    let text = |fact: &Option<String>| safe(&fact.clone().unwrap_or_else(unknown));
    let memory = facts
        .memory_bytes
        .map(|bytes| format!("{} MiB", bytes >> 20));
    let load = facts.load_average.map(|load| load.to_string());
    [
        found.path.display().to_string(),
        format!("host class  {}", safe(&found.host_class)),
        format!(
            "cpu         {}, {} cores",
            text(&facts.cpu),
            facts.cores.len()
        ),
        format!(
            "system      {}, kernel {}",
            safe(&facts.platform),
            text(&facts.kernel)
        ),
        format!("memory      {}", memory.unwrap_or_else(unknown)),
        format!("load before {}", load.unwrap_or_else(unknown)),
        format!(
            "build       {} ({}, {})",
            safe(&result.build.version),
            safe(&result.build.git_revision),
            safe(&result.build.profile)
        ),
        format!("begun       {}", safe(&result.started_at)),
        String::new(),
    ]
    .join("\n")
}

fn safe(text: &str) -> String {
    escape_untrusted(text, CAP)
}

//! `shakedown baseline`: results kept in git, a folder for each class of hosts.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use shakedown::compare::{invalid, is_metered};
use shakedown::record::Environment;
use shakedown::report;
use shakedown::store::{self, Baseline};
use shakedown::text::escape_untrusted;

use super::exit::{BadInput, Exit};
use super::judged::name_damaged;
use super::output::{columns, print, style, write_stdout};

/// Characters that a column gives to a string of a file.
const CAP: usize = 80;

#[derive(Debug, Args)]
pub struct BaselineArgs {
    #[command(subcommand)]
    command: BaselineCommand,
}

#[derive(Debug, Subcommand)]
enum BaselineCommand {
    /// Keep a result; replaces one of the same name and host class
    Record(RecordArgs),
    /// List baselines; marks those of this host's class
    List(ListArgs),
    /// Print a baseline: environment and tables
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

    /// Keep even an invalid, incomplete or metered result, or one from a debug build
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

pub(crate) fn run(args: &BaselineArgs) -> anyhow::Result<Exit> {
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

/// The baselines of a folder; none if it does not exist.
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
    let head = [
        "",
        "host class",
        "name",
        "begun",
        "shakedown",
        "cells",
        "valid",
    ];
    let rows = all.iter().map(|known| {
        let result = &known.result;
        let build = &result.build;
        let valid = result.validity.valid && result.validity.complete;
        vec![
            if known.host_class == here { "*" } else { "" }.to_owned(),
            safe(&known.host_class),
            safe(&known.name),
            safe(&result.started_at),
            safe(&format!("{} ({})", build.version, build.git_revision)),
            result.cells.len().to_string(),
            if valid { "yes" } else { "NO" }.to_owned(),
        ]
    });
    let head = head.map(str::to_owned).to_vec();
    let table = columns(std::iter::once(head).chain(rows));
    write_stdout(&format!("{table}\n* the class of this host: {here}\n"))
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
    print(&found.result, args.json, || {
        let text = report::render(&found.result, style())
            .map_err(|e| name_damaged(e.into(), [&found.path]))?;
        Ok(format!("{}\n{text}", head(&found)))
    })
}

/// The file and the environment, which the report leaves out.
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

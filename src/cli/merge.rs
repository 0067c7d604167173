//! `shakedown merge`: the results of shards become that of the run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use shakedown::meeting::{Patience, Place};
use shakedown::merge::Merge;
use shakedown::record::RunRecord;
use shakedown::report;
use shakedown::store;

use super::execute::ResultArgs;
use super::exit::{BadInput, Exit};
use super::output::style;

/// Where shards met, and where they left their results.
const MEET: &str = "meet";
const SHARDS: &str = "shards";
/// How long an object store may take for one answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Largest result of a shard that is read from there, in bytes.
const CAP: u64 = 512 << 20;

/// Other subcommands write no file unless one is named.
const OUTPUT: &str = "Write the merged result to this file [default: results/NAME-TIME.json]";

#[derive(Debug, Args)]
#[command(mut_arg("output", |arg| arg.help(OUTPUT)))]
pub struct MergeArgs {
    /// Where shards met (--together), or their result files, or folders of them
    #[arg(value_name = "DIR|URL|FILE", required = true)]
    from: Vec<String>,

    #[command(flatten)]
    result: ResultArgs,
}

pub(crate) fn run(args: &MergeArgs) -> anyhow::Result<Exit> {
    let mut merge = Merge::default();
    // What may still be added up.
    let mut room = u64::MAX;
    for from in &args.from {
        if from.contains("://") {
            add_objects(&mut merge, from, &mut room)?;
        } else {
            for file in files(Path::new(from))? {
                let record = store::load_part(&file, &mut room)?;
                merge.add(&file.display().to_string(), record)?;
            }
        }
    }
    let record = merge.finish()?;
    let text = |record: &RunRecord| Ok(report::render(record, style())?);
    args.result
        .conclude(&record, Some(Path::new("results")), text)
}

/// The results that a word names.
fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let left = path.join(SHARDS);
    // Shards that did not meet left none.
    let none = path.join(MEET).is_dir() && !left.is_dir();
    let folder = if none || left.is_dir() {
        left
    } else {
        path.to_owned()
    };
    let files = if none {
        Vec::new()
    } else {
        store::result_files(&folder)?
    };
    if files.is_empty() {
        return Err(BadInput(format!(
            "there is no result of a shard in {}; did the shards end, and with --together {}?",
            folder.display(),
            path.display()
        ))
        .into());
    }
    Ok(files)
}

fn add_objects(merge: &mut Merge, url: &str, room: &mut u64) -> anyhow::Result<()> {
    let place = Place::parse(url)?;
    let patience = || Patience::new(PATIENCE, &|| false);
    let results = place.results(&patience())?;
    if results.is_empty() {
        return Err(BadInput(format!(
            "there is no result of a shard at {url}; did the shards end, and with --together {url}?"
        ))
        .into());
    }
    for index in results {
        let name = format!("{url}/{SHARDS}/{index}.json");
        if let Some(bytes) = place.result(index, CAP, &patience())? {
            merge.add(&name, store::parse_part(Path::new(&name), &bytes, room)?)?;
        }
    }
    Ok(())
}

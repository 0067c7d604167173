//! `shakedown merge`: the results of shards become that of the run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use shakedown::meeting::{Patience, Place, RESULTS};
use shakedown::merge::Merge;
use shakedown::record::RunRecord;
use shakedown::report;
use shakedown::store;

use super::execute::ResultArgs;
use super::exit::{BadInput, Exit};
use super::output::style;

/// How long a place may take for one answer.
const PATIENCE: Duration = Duration::from_secs(60);

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
        if let Some(place) = place(from)? {
            add_left(&mut merge, &place, &mut room)?;
            continue;
        }
        for file in files(Path::new(from))? {
            let record = store::load_part(&file, &mut room)?;
            merge.add(&file.display().to_string(), record)?;
        }
    }
    let record = merge.finish()?;
    let text = |record: &RunRecord| Ok(report::render(record, style())?);
    args.result
        .conclude(&record, Some(Path::new("results")), text)
}

fn patience() -> Patience<'static> {
    Patience::new(PATIENCE, &|| false)
}

/// The place that a word names, if shards met there.
fn place(from: &str) -> anyhow::Result<Option<Place>> {
    let is_url = from.contains("://");
    if !is_url && !Path::new(from).is_dir() {
        return Ok(None);
    }
    let place = Place::parse(from)?;
    let met = is_url || place.is_used(&patience())?;
    Ok(met.then_some(place))
}

/// Adds the results that shards left where they met.
fn add_left(merge: &mut Merge, place: &Place, room: &mut u64) -> anyhow::Result<()> {
    let left = place.results(&patience())?;
    if left.is_empty() {
        return Err(nothing_in(&format!("{place}/{RESULTS}"), place));
    }
    for index in left {
        let name = format!("{place}/{RESULTS}/{index}.json");
        if let Some(bytes) = place.result(index, store::SIZE_CAP, &patience())? {
            merge.add(&name, store::parse_part(Path::new(&name), &bytes, room)?)?;
        }
    }
    Ok(())
}

/// The result files that a word names.
fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let files = store::result_files(path)?;
    if files.is_empty() {
        let path = path.display();
        return Err(nothing_in(&path.to_string(), &path));
    }
    Ok(files)
}

fn nothing_in(folder: &str, given: &dyn std::fmt::Display) -> anyhow::Error {
    BadInput(format!(
        "there is no result of a shard in {folder}; did the shards end, and with --together {given}?"
    ))
    .into()
}

//! Baselines: results kept in git, a folder for each class of hosts, a file for each scenario. What a host
//! of one class measures says nothing about another, so they are found by class.

use std::path::{Path, PathBuf};

use super::collect::visible;
use super::file::safe_name;
use super::{StoreError, load, result_files, save};
use crate::record::RunRecord;

/// Where they are kept, from the root of a repository.
pub const BASELINES: &str = "results/baselines";

/// A baseline with where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// Class of the hosts that it is for: the name of its folder.
    pub host_class: String,
    /// Its name: that of its file.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// The result.
    pub result: RunRecord,
}

/// Keeps a result as a baseline, in place of the one that has its name and class. Says where, and
/// whether there was one.
///
/// # Errors
///
/// Fails if it cannot be written.
pub fn record_baseline(
    root: &Path,
    name: Option<&str>,
    result: &RunRecord,
) -> Result<(PathBuf, bool), StoreError> {
    let name = safe_name(name.unwrap_or(&result.plan.scenario.name));
    let folder = root.join(result.environment.host_class());
    let path = folder.join(format!("{name}.json"));
    let replaced = path.exists();
    save(&path, result)?;
    Ok((path, replaced))
}

/// Every baseline, by class and name.
///
/// # Errors
///
/// Fails if a folder cannot be listed, or a file in it is no result.
pub fn baselines(root: &Path) -> Result<Vec<Baseline>, StoreError> {
    let mut all = Vec::new();
    for folder in folders(root)? {
        let host_class = folder.file_name().map(text).unwrap_or_default();
        for path in result_files(&folder)? {
            all.push(Baseline {
                host_class: host_class.clone(),
                name: path.file_stem().map(text).unwrap_or_default(),
                result: load(&path)?,
                path,
            });
        }
    }
    Ok(all)
}

/// The baseline for a result among those of its host's class: the one that has the name of its scenario, or
/// else the only one of that scenario.
///
/// # Errors
///
/// Fails if there is none, or several have its scenario and none its name, and as [`baselines`] does.
pub fn find_baseline(root: &Path, result: &RunRecord) -> Result<Baseline, StoreError> {
    let class = result.environment.host_class();
    let scenario = &result.plan.scenario.name;
    let mut all = baselines(root)?;
    all.retain(|known| known.host_class == class);
    let usual = safe_name(scenario);
    if let Some(at) = all.iter().position(|known| known.name == usual) {
        return Ok(all.swap_remove(at));
    }
    all.retain(|known| known.result.plan.scenario.name == *scenario);
    let names: Vec<String> = all.iter().map(|known| known.name.clone()).collect();
    match all.pop() {
        Some(only) if all.is_empty() => Ok(only),
        _ => Err(StoreError::NoBaseline {
            root: root.to_owned(),
            host_class: class,
            scenario: scenario.clone(),
            names,
        }),
    }
}

/// Whether a folder holds baselines: folders of them, and no results of its own.
///
/// # Errors
///
/// Fails if it cannot be listed.
pub fn holds_baselines(root: &Path) -> Result<bool, StoreError> {
    Ok(root.is_dir() && result_files(root)?.is_empty() && !folders(root)?.is_empty())
}

fn folders(root: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut folders = visible(root)?;
    folders.retain(|path| path.is_dir());
    Ok(folders)
}

fn text(name: &std::ffi::OsStr) -> String {
    name.to_string_lossy().into_owned()
}

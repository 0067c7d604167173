//! Files that hold one of several things: a result or a comparison; and folders of results, one in each of
//! their `.json` files.

use std::fs;
use std::path::{Path, PathBuf};

use super::file::{read, read_version, value_of};
use super::{StoreError, load, parse};
use crate::record::{COMPARISON_SCHEMA, Comparison, OLDEST_COMPARISON, RunRecord};

/// Reads a result file, or every `.json` file of a folder, in the order of their names. Folders in it are
/// not entered.
///
/// # Errors
///
/// Fails if the folder has no such file, and as [`load`] does for the first that is not a result.
pub fn load_all(path: &Path) -> Result<Vec<RunRecord>, StoreError> {
    if !path.is_dir() {
        return Ok(vec![load(path)?]);
    }
    let files = result_files(path)?;
    if files.is_empty() {
        return Err(StoreError::Empty {
            path: path.to_owned(),
        });
    }
    files.iter().map(|file| load(file)).collect()
}

/// The `.json` files of a folder, in the order of their names.
///
/// # Errors
///
/// Fails if the folder cannot be listed.
pub fn result_files(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut files = visible(dir)?;
    files.retain(|path| path.is_file() && path.extension().is_some_and(|e| e == "json"));
    Ok(files)
}

/// What is in a folder and not hidden, in the order of names.
///
/// Fails if the folder cannot be listed.
pub(super) fn visible(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let unreadable = |source| StoreError::Unreadable {
        path: dir.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// Reads a comparison.
///
/// # Errors
///
/// Fails if the file cannot be read, or is not a comparison of this version.
pub fn load_comparison(path: &Path) -> Result<Comparison, StoreError> {
    match load_any(path)? {
        Kept::Comparison(comparison) => Ok(*comparison),
        Kept::Run(_) => Err(StoreError::NoComparison {
            path: path.to_owned(),
        }),
    }
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    /// A result.
    Run(Box<RunRecord>),
    /// A comparison.
    Comparison(Box<Comparison>),
}

/// Reads a result or a comparison.
///
/// # Errors
///
/// Fails if the file cannot be read, or is neither of a version that this build knows.
pub fn load_any(path: &Path) -> Result<Kept, StoreError> {
    let bytes = read(path)?;
    let value = value_of(path, &bytes)?;
    if value.get("candidate").is_none() {
        return parse(path, &bytes).map(|run| Kept::Run(Box::new(run)));
    }
    let comparison = read_version(path, &bytes, value, OLDEST_COMPARISON..=COMPARISON_SCHEMA)?;
    Ok(Kept::Comparison(Box::new(comparison)))
}

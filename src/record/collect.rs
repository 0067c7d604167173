//! Several results at once: a file is one, a folder holds one in each of its `.json` files.

use std::fs;
use std::path::{Path, PathBuf};

use super::{RunRecord, StoreError, load};

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
    let unreadable = |source| StoreError::Unreadable {
        path: dir.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_file() && !hidden && path.extension().is_some_and(|e| e == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

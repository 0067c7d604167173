//! Result files on disk: written whole or not at all (invariant 7), read back strictly.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{RunRecord, SCHEMA_VERSION};

/// Largest result file that is read, in bytes.
const SIZE_CAP: u64 = 512 << 20;

/// A result file that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be written to.
    #[error("cannot write results to {}: {source}; choose another place with --output FILE", path.display())]
    Unwritable {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read result file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is too large to be a result.
    #[error("{} has {size} bytes, more than any result file; is it the right file?", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// The file is not a result.
    #[error("{} is not a result file of shakedown: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The file was written by another version.
    #[error("{} has schema version {found}, this build reads {SCHEMA_VERSION}; use a matching shakedown", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// The counts in the file cannot be summed.
    #[error("{} holds counts that no run can reach; the file is damaged, so make the run again", path.display())]
    Implausible {
        /// The file.
        path: PathBuf,
    },
}

/// The file a run's result goes to: `<dir>/<name>-<time>.json`, with the time as `20261123T160000Z`,
/// and a number if that is taken.
pub fn result_path(dir: &Path, name: &str, started_at: &str) -> PathBuf {
    let safe: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '-'
            }
        })
        .take(80)
        .collect();
    let stamp = started_at.replace(['-', ':'], "");
    let stem = format!("{}-{stamp}", safe.trim_start_matches('.'));
    let mut path = dir.join(format!("{stem}.json"));
    // Another run of the same second keeps its result.
    let mut number = 2;
    while path.exists() {
        path = dir.join(format!("{stem}-{number}.json"));
        number += 1;
    }
    path
}

/// Finds out before a run whether its result can be written to `dir`, which is created if needed.
///
/// # Errors
///
/// Fails if no file can be created there.
pub fn check_writable(dir: &Path) -> Result<(), StoreError> {
    let unwritable = |source| StoreError::Unwritable {
        path: dir.to_owned(),
        source,
    };
    fs::create_dir_all(dir).map_err(unwritable)?;
    tempfile::Builder::new()
        .prefix(".shakedown-")
        .tempfile_in(dir)
        .map_err(unwritable)?;
    Ok(())
}

/// Writes a result: to a temporary file beside it, synced, then renamed over it.
///
/// # Errors
///
/// Fails if the folder cannot be written to, or the disk is full; an old file is left as it was.
pub fn save(path: &Path, record: &RunRecord) -> Result<(), StoreError> {
    let dir = match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    };
    let unwritable = |source| StoreError::Unwritable {
        path: dir.to_owned(),
        source,
    };
    fs::create_dir_all(dir).map_err(unwritable)?;
    let mut file = tempfile::Builder::new()
        .prefix(".shakedown-")
        .tempfile_in(dir)
        .map_err(unwritable)?;
    let mut text = serde_json::to_vec_pretty(record).map_err(|e| unwritable(e.into()))?;
    text.push(b'\n');
    file.write_all(&text).map_err(unwritable)?;
    // A result is not a secret; temporary files are made for their owner only.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let readable = fs::Permissions::from_mode(0o644);
        file.as_file()
            .set_permissions(readable)
            .map_err(unwritable)?;
    }
    file.as_file().sync_all().map_err(unwritable)?;
    file.persist(path).map_err(|e| unwritable(e.error))?;
    // The rename itself is durable once the folder is synced.
    fs::File::open(dir)
        .and_then(|d| d.sync_all())
        .map_err(unwritable)
}

/// Reads a result.
///
/// # Errors
///
/// Fails if the file cannot be read, and as [`parse`] does.
pub fn load(path: &Path) -> Result<RunRecord, StoreError> {
    let unreadable = |source| StoreError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > SIZE_CAP {
        return Err(StoreError::TooLarge {
            path: path.to_owned(),
            size,
        });
    }
    parse(path, &fs::read(path).map_err(unreadable)?)
}

/// Reads a result from the bytes of a file; `path` is only named in errors.
///
/// # Errors
///
/// Fails if the bytes are not a result, or one of another version, and if its counts are too large to be
/// summed.
pub fn parse(path: &Path, bytes: &[u8]) -> Result<RunRecord, StoreError> {
    let malformed = |source| StoreError::Malformed {
        path: path.to_owned(),
        source,
    };
    let value: Value = serde_json::from_slice(bytes).map_err(malformed)?;
    match value.get("schema").and_then(Value::as_u64) {
        Some(found) if found != u64::from(SCHEMA_VERSION) => {
            return Err(StoreError::Version {
                path: path.to_owned(),
                found,
            });
        }
        _ => {}
    }
    if value.get("cells").map_or(0, total) > u128::from(u64::MAX) {
        return Err(StoreError::Implausible {
            path: path.to_owned(),
        });
    }
    serde_json::from_slice(bytes).map_err(malformed)
}

/// The sum of all whole numbers in a value. Where it fits 64 bits, so does the sum of any of them.
fn total(value: &Value) -> u128 {
    match value {
        Value::Number(number) => number.as_u64().map_or(0, u128::from),
        Value::Array(items) => items.iter().map(total).sum(),
        Value::Object(fields) => fields.values().map(total).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_safe_and_sort_by_time() {
        let path = result_path(Path::new("results"), "../a b", "2026-11-23T16:00:00Z");
        assert_eq!(path, Path::new("results/-a-b-20261123T160000Z.json"));
    }

    #[test]
    fn bad_files_name_place_and_cause() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.json");
        let error = |text: &str| {
            fs::write(&path, text).unwrap();
            load(&path).unwrap_err().to_string()
        };
        assert!(load(&path).unwrap_err().to_string().contains("cannot read"));
        assert!(error("{").contains("not a result file"));
        assert!(error("{\"schema\": 99}").contains("schema version 99"));
        assert!(error("{\"schema\": 1}").contains("missing field"));
        let most = u64::MAX;
        let counts =
            |rest: u64| format!("{{\"schema\": 1, \"cells\": [{{\"ok\": {most}}}, [{rest}]]}}");
        assert!(error(&counts(1)).contains("no run can reach"));
        assert!(error(&counts(0)).contains("not a result file"));
    }
}

//! Result files on disk: written whole or not at all (invariant 7), read back strictly.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use tempfile::NamedTempFile;

use super::{Comparison, RunRecord, SCHEMA_VERSION};
use crate::scenario::Checked;

/// Largest result file that is read, in bytes.
const SIZE_CAP: u64 = 512 << 20;
/// What the names of temporary files begin with, ...
const TEMP_PREFIX: &str = ".shakedown-";
/// ... how many letters and digits follow, ...
const TEMP_LETTERS: usize = 6;
/// ... and what they end in.
const TEMP_SUFFIX: &str = ".tmp";
/// Size of a result without its trials, in bytes; much of it is the scenario.
const SIZE_BASE: u64 = 32 << 10;
/// Size of a trial in a result, in bytes: mostly histograms, of which busy trials have larger ones.
const SIZE_PER_TRIAL: u64 = 16 << 10;
/// Bytes of the ledgers of a metered trial, both ends.
const SIZE_OF_ANATOMY: u64 = 32 << 10;
/// Size of a second of a trial in a result, in bytes: a row of the timeline, mostly its histogram.
const SIZE_PER_SECOND: f64 = 1_300.0;

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
    /// The run is over, and its result cannot be saved.
    #[error("cannot save the result to {}: {source}; what was printed is all that is left of this run, so make room there, or choose another place with --output FILE, and run it again", path.display())]
    Unsaved {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read result file {}: {source}; give a file that `shakedown run` wrote", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder has no result in it.
    #[error("there is no result file (.json) in the folder {}; name one into which `shakedown run -o` wrote", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// No baseline fits a result.
    #[error("{}", no_baseline(root, host_class, scenario, names))]
    NoBaseline {
        /// Where it was looked for.
        root: PathBuf,
        /// The class of the result's host.
        host_class: String,
        /// The name of its scenario.
        scenario: String,
        /// Baselines of which each could be meant.
        names: Vec<String>,
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
    #[error("{} is not a result file of shakedown: {source}; give one that `shakedown run` wrote, or another copy of this one", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The file is a result where a comparison is wanted.
    #[error("{} is the result of a run and no comparison; `shakedown compare -o` writes those", path.display())]
    NoComparison {
        /// The file.
        path: PathBuf,
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

fn no_baseline(root: &Path, host_class: &str, scenario: &str, names: &[String]) -> String {
    let root = root.display();
    let place = format!("the scenario {scenario:?} on hosts of the class {host_class}");
    if names.is_empty() {
        format!(
            "{root} has no baseline for {place}; record one there with `shakedown baseline record RESULT`"
        )
    } else {
        format!(
            "{root} has several baselines for {place}: {}; name the file of one",
            names.join(", ")
        )
    }
}

/// A name as part of a file's: at most 80 letters, digits and `-_.`, no dot first.
pub(super) fn safe_name(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let chars = name.chars().map(|c| if fits(c) { c } else { '-' });
    let safe: String = chars.take(80).collect();
    safe.trim_start_matches('.').to_owned()
}

/// The file a run's result goes to: `<dir>/<name>-<time>.json`, with the time as `20261123T160000Z`,
/// and a number if that is taken.
pub fn result_path(dir: &Path, name: &str, started_at: &str) -> PathBuf {
    let stamp = started_at.replace(['-', ':'], "");
    let stem = format!("{}-{stamp}", safe_name(name));
    let mut path = dir.join(format!("{stem}.json"));
    // Another run of the same second keeps its result.
    let mut number = 2;
    while path.exists() {
        path = dir.join(format!("{stem}-{number}.json"));
        number += 1;
    }
    path
}

/// About as many bytes as the result of a run will have; rather more than less.
pub fn expected_size(checked: &Checked) -> u64 {
    let trials = (checked.cells.len() * checked.scenario.trials.count) as u64;
    let stop = &checked.stop;
    // With a total it is over long before its duration.
    let seconds = match stop.total {
        Some(_) => 0.0,
        None => (stop.warmup + stop.duration).as_secs_f64(),
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive size, far below 2^64"
    )]
    let timeline = (seconds * SIZE_PER_SECOND) as u64;
    let anatomy = if checked.scenario.metered {
        SIZE_OF_ANATOMY
    } else {
        0
    };
    SIZE_BASE + trials * (SIZE_PER_TRIAL + timeline + anatomy)
}

/// Finds out before a run whether its result can be written to `dir`, which is created if needed:
/// by writing as many bytes there and taking them away again.
///
/// # Errors
///
/// Fails if no file of that size can be written there.
pub fn check_writable(dir: &Path, bytes: u64) -> Result<(), StoreError> {
    let probe = || {
        fs::create_dir_all(dir)?;
        let mut file = temporary_in(dir)?;
        io::copy(&mut io::repeat(b' ').take(bytes), &mut file)?;
        // A full disk may only show when the bytes really go there.
        file.as_file().sync_data()
    };
    probe().map_err(|source| StoreError::Unwritable {
        path: dir.to_owned(),
        source,
    })
}

/// Writes a result: to a temporary file beside it, synced, then renamed over it.
///
/// # Errors
///
/// Fails if the folder cannot be written to, or the disk is full; an old file is left as it was.
pub fn save(path: &Path, record: &RunRecord) -> Result<(), StoreError> {
    write_whole(path, record).map_err(|source| StoreError::Unsaved {
        path: path.to_owned(),
        source,
    })
}

/// Writes a comparison, as [`save`] writes a result.
///
/// # Errors
///
/// As [`save`].
pub fn save_comparison(path: &Path, comparison: &Comparison) -> Result<(), StoreError> {
    write_whole(path, comparison).map_err(|source| StoreError::Unsaved {
        path: path.to_owned(),
        source,
    })
}

/// Writes a report of other readers, as [`save`] writes a result.
///
/// # Errors
///
/// As [`save`].
pub fn save_text(path: &Path, text: &str) -> Result<(), StoreError> {
    write_bytes(path, text.as_bytes()).map_err(|source| StoreError::Unsaved {
        path: path.to_owned(),
        source,
    })
}

fn write_whole(path: &Path, record: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(record)?;
    text.push(b'\n');
    write_bytes(path, &text)
}

fn write_bytes(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    };
    fs::create_dir_all(dir)?;
    let mut file = temporary_in(dir)?;
    file.write_all(bytes)?;
    // A result is not a secret; temporary files are made for their owner only.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let readable = fs::Permissions::from_mode(0o644);
        file.as_file().set_permissions(readable)?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    // The rename itself is durable once the folder is synced.
    fs::File::open(dir)?.sync_all()
}

/// A new temporary file in `dir`, which goes when it is dropped. Those that killed processes left
/// there are removed first. The lock says that this one is in use; it ends with the process.
fn temporary_in(dir: &Path) -> io::Result<NamedTempFile> {
    remove_abandoned(dir);
    loop {
        let file = tempfile::Builder::new()
            .prefix(TEMP_PREFIX)
            .rand_bytes(TEMP_LETTERS)
            .suffix(TEMP_SUFFIX)
            .tempfile_in(dir)?;
        // Where files cannot be locked none is removed either.
        let _ = file.as_file().lock();
        // Another process may have taken it for abandoned before it was locked.
        if file.path().exists() {
            return Ok(file);
        }
    }
}

/// Removes temporary files that no process holds. What cannot be removed is left for the next time.
fn remove_abandoned(dir: &Path) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file
            && entry.file_name().to_str().is_some_and(is_temporary)
            && let Ok(file) = fs::File::open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_temporary(name: &str) -> bool {
    name.strip_prefix(TEMP_PREFIX)
        .and_then(|rest| rest.strip_suffix(TEMP_SUFFIX))
        .is_some_and(|letters| {
            letters.len() == TEMP_LETTERS && letters.chars().all(|c| c.is_ascii_alphanumeric())
        })
}

/// Reads a result.
///
/// # Errors
///
/// Fails if the file cannot be read, and as [`parse`] does.
pub fn load(path: &Path) -> Result<RunRecord, StoreError> {
    parse(path, &read(path)?)
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
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
    fs::read(path).map_err(unreadable)
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
    use crate::record::{HistogramRecord, TimelineRecord};
    use crate::stats::SecondHistogram;

    #[test]
    fn paths_are_safe_and_sort_by_time() {
        let path = result_path(Path::new("results"), "../a b", "2026-11-23T16:00:00Z");
        assert_eq!(path, Path::new("results/-a-b-20261123T160000Z.json"));
    }

    #[test]
    fn only_abandoned_temporary_files_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let keep = [
            ".shakedown-notes.tmp",
            ".shakedown-a_b-c.tmp",
            ".shakedown-abcdef",
            "x.json",
        ];
        for name in keep.into_iter().chain([".shakedown-abc123.tmp"]) {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        fs::create_dir(dir.path().join(".shakedown-folder.tmp")).unwrap();
        let in_use = temporary_in(dir.path()).unwrap();
        let also_in_use = temporary_in(dir.path()).unwrap();
        assert!(in_use.path().exists() && also_in_use.path().exists());
        assert!(keep.iter().all(|name| dir.path().join(name).exists()));
        assert!(dir.path().join(".shakedown-folder.tmp").exists());
        assert!(!dir.path().join(".shakedown-abc123.tmp").exists());
        drop((in_use, also_in_use));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), keep.len() + 1);
    }

    #[test]
    fn a_result_fits_into_the_room_that_is_checked() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        for fixture in ["result-v1.json", "result-v1-tax.json"] {
            let path = root.join(fixture);
            let record = load(&path).unwrap();
            let checked = record.plan.scenario.check(fixture, "").unwrap();
            let size = fs::metadata(&path).unwrap().len();
            let expected = expected_size(&checked);
            assert!(size < expected, "{fixture}: {size} of {expected}");
        }
    }

    #[test]
    fn a_busy_second_fits_into_its_room() {
        let mut latency = SecondHistogram::new();
        let mut ns = 0;
        for number in 0..20_000 {
            // From 1 to 20 ms, with counts that do not compress.
            ns = (ns * 7_301 + number) % 19_000_000;
            latency.record(1_000_000 + ns);
        }
        let stored = HistogramRecord::from(latency.encoded().unwrap());
        let row = TimelineRecord {
            second: 3_599,
            started: 20_000,
            not_started: 0,
            ok: 20_000,
            failed: 0,
            in_flight_max: 1_000,
            latency: Some(stored),
        };
        // As deep as in a result.
        let text = serde_json::to_string_pretty(&[[[[[[row]]]]]]).unwrap();
        assert!((text.len() as f64) < SIZE_PER_SECOND, "{}", text.len());
        assert!(
            (text.len() as f64) > SIZE_PER_SECOND / 2.0,
            "no fair trial: {}",
            text.len()
        );
    }

    #[test]
    fn a_folder_without_room_is_found_before_the_run() {
        let dir = tempfile::tempdir().unwrap();
        check_writable(&dir.path().join("new/folder"), 100_000).unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let error = check_writable(&dir.path().join("file"), 1).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("file") && text.contains("--output"), "{text}");
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

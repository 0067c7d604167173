//! Result files on disk: written whole or not at all (invariant 7), read back strictly.

use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::harmless::{harmless, is_harmless};
use crate::files::{read_capped, write};
use crate::record::{Comparison, OLDEST_SCHEMA, RunRecord, SCHEMA_VERSION};
use crate::scenario::Checked;
use crate::shard::Shard;

/// Largest result file that is read, in bytes.
pub const SIZE_CAP: u64 = 512 << 20;
/// What result files end in.
const EXTENSION: &str = "json";
/// Size of a result without its trials, in bytes; much of it is the scenario.
const SIZE_BASE: u64 = 32 << 10;
/// Size of a trial in a result, in bytes: mostly histograms, of which busy trials have larger ones.
const SIZE_PER_TRIAL: u64 = 16 << 10;
/// Bytes of the ledgers of a metered trial, both ends.
const SIZE_OF_ANATOMY: u64 = 32 << 10;
/// Size of a second of a trial in a result, in bytes: a row of the timeline, mostly its histogram;
/// failures of a class add some seventy.
const SIZE_PER_SECOND: f64 = 1_550.0;

/// A result file that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be written.
    #[error("cannot write {}: {source}; choose another place with --output FILE", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The run is over, and its result cannot be saved.
    #[error("cannot save the result to {}: {source}; {}", path.display(), left_of_it(rescued.as_deref()))]
    Unsaved {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
        /// The file that has it instead.
        rescued: Option<PathBuf>,
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
    #[error("{} has schema version {found}, this build reads {OLDEST_SCHEMA} to {SCHEMA_VERSION}; use a matching shakedown", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// The file is a part of a run, of which only the whole is judged.
    #[error("{} is shard {} of {}; merge all shards first: `shakedown merge`", path.display(), shard.index, shard.of)]
    LoneShard {
        /// The file.
        path: PathBuf,
        /// Which shard it is.
        shard: Shard,
    },
    /// The counts in the file cannot be summed.
    #[error("{} holds counts that no run can reach; the file is damaged, so make the run again", path.display())]
    Implausible {
        /// The file.
        path: PathBuf,
    },
}

fn left_of_it(rescued: Option<&Path>) -> String {
    match rescued {
        Some(path) => format!("it is in {} instead; move it to where it is wanted", path.display()),
        None => "what was printed is all that is left of this run, so make room there, or choose another \
                 place with --output FILE, and run it again"
            .to_owned(),
    }
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

/// The file name of a run's result without its extension: `<name>-<time>`, with the time as `20261123T160000Z`.
fn result_stem(name: &str, started_at: &str) -> String {
    let stamp = started_at.replace(['-', ':'], "");
    format!("{}-{stamp}", safe_name(name))
}

/// About as many bytes as the result of a run will have; rather more than less.
pub fn expected_size(checked: &Checked) -> u64 {
    let trials = checked.trials() as u64;
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

/// Finds out before a run whether `path` can be written. The folder is made if needed.
///
/// # Errors
///
/// Fails if no file of that name and size can be written.
pub fn check_writable(path: &Path, bytes: u64) -> Result<(), StoreError> {
    write::check_writable(path, bytes).map_err(|source| StoreError::Unwritable {
        path: path.to_owned(),
        source,
    })
}

/// Writes a result in place of what is there: to a temporary file beside it, synced, then renamed over it.
///
/// # Errors
///
/// Fails if the folder cannot be written to, or the disk is full; an old file is left as it was. The error
/// names the file in the folder for temporary files that has the result then, if that could be written.
pub fn save(path: &Path, record: &RunRecord) -> Result<(), StoreError> {
    put(path, &json(path, record)?)
}

/// Writes a result to a file of its own in `dir`: `<name>-<time>.json`, and a number if that is taken.
/// Says which it is.
///
/// # Errors
///
/// As [`save`].
pub fn save_new(dir: &Path, record: &RunRecord) -> Result<PathBuf, StoreError> {
    let stem = result_stem(&record.plan.scenario.name, &record.started_at);
    let usual = dir.join(format!("{stem}.json"));
    let bytes = json(&usual, record)?;
    write::create(dir, &stem, EXTENSION, &bytes).map_err(|source| unsaved(&usual, source, &bytes))
}

/// Writes a comparison, as [`save`] writes a result.
///
/// # Errors
///
/// As [`save`].
pub fn save_comparison(path: &Path, comparison: &Comparison) -> Result<(), StoreError> {
    put(path, &json(path, comparison)?)
}

/// Writes a report of other readers, as [`save`] writes a result.
///
/// # Errors
///
/// As [`save`], except that nothing is written elsewhere: it can be made again.
pub fn save_text(path: &Path, text: &str) -> Result<(), StoreError> {
    write::replace(path, text.as_bytes()).map_err(|source| StoreError::Unwritable {
        path: path.to_owned(),
        source,
    })
}

/// The bytes of a result file.
///
/// # Errors
///
/// Fails only if the record cannot be written as JSON.
pub fn bytes(record: &RunRecord) -> Result<Vec<u8>, StoreError> {
    json(Path::new("a result"), record)
}

fn json(path: &Path, record: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let mut text = serde_json::to_vec_pretty(record).map_err(|error| StoreError::Unwritable {
        path: path.to_owned(),
        source: error.into(),
    })?;
    text.push(b'\n');
    Ok(text)
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    write::replace(path, bytes).map_err(|source| unsaved(path, source, bytes))
}

/// The error of a file that could not be saved, whose content goes to the folder for temporary files, where
/// there may be room.
fn unsaved(path: &Path, source: io::Error, bytes: &[u8]) -> StoreError {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let stem = format!("shakedown-{}", safe_name(&stem));
    StoreError::Unsaved {
        path: path.to_owned(),
        source,
        rescued: write::create(&std::env::temp_dir(), &stem, EXTENSION, bytes).ok(),
    }
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
    read_capped(path, SIZE_CAP).map_err(|source| StoreError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// Reads a result from the bytes of a file; `path` is only named in errors.
///
/// # Errors
///
/// Fails if the bytes are not a result, or one of another version, and if its counts are too large to be
/// summed.
pub fn parse(path: &Path, bytes: &[u8]) -> Result<RunRecord, StoreError> {
    let record = parse_part(path, bytes, &mut u64::MAX.clone())?;
    match record.shard {
        Some(part) => Err(StoreError::LoneShard {
            path: path.to_owned(),
            shard: part.shard,
        }),
        None => Ok(record),
    }
}

/// Reads a result as [`parse`] does, also one of a shard. What its counts add up to is taken from `room`, which is
/// `u64::MAX` before the first of those that are merged.
///
/// # Errors
///
/// As [`parse`], and if the counts of all are too large to be summed.
pub fn parse_part(path: &Path, bytes: &[u8], room: &mut u64) -> Result<RunRecord, StoreError> {
    let value = value_of(path, bytes)?;
    let sum = value.get("cells").map_or(0, total);
    let left = u64::try_from(sum)
        .ok()
        .and_then(|sum| room.checked_sub(sum));
    *room = left.ok_or_else(|| StoreError::Implausible {
        path: path.to_owned(),
    })?;
    read_version(path, bytes, value, OLDEST_SCHEMA..=SCHEMA_VERSION)
}

/// Reads a result as [`parse_part`] does, from a file.
///
/// # Errors
///
/// As [`parse_part`], and if the file cannot be read.
pub fn load_part(path: &Path, room: &mut u64) -> Result<RunRecord, StoreError> {
    parse_part(path, &read(path)?, room)
}

/// The JSON of a file.
pub(super) fn value_of(path: &Path, bytes: &[u8]) -> Result<Value, StoreError> {
    serde_json::from_slice(bytes).map_err(|source| malformed(path, source))
}

/// What a file holds, whose JSON is this value, with the text of strangers made harmless; if its version is known.
pub(super) fn read_version<T: DeserializeOwned>(
    path: &Path,
    bytes: &[u8],
    value: Value,
    known: RangeInclusive<u32>,
) -> Result<T, StoreError> {
    if let Some(found) = value.get("schema").and_then(Value::as_u64)
        && !known.contains(&u32::try_from(found).unwrap_or(u32::MAX))
    {
        return Err(StoreError::Version {
            path: path.to_owned(),
            found,
        });
    }
    let read = if is_harmless(&value) {
        // From the bytes, so that an error says the line.
        serde_json::from_slice(bytes)
    } else {
        serde_json::from_value(harmless(value))
    };
    read.map_err(|source| malformed(path, source))
}

fn malformed(path: &Path, source: serde_json::Error) -> StoreError {
    StoreError::Malformed {
        path: path.to_owned(),
        source,
    }
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
    use std::collections::BTreeMap;
    use std::fs;

    use super::*;
    use crate::record::{HistogramRecord, TimelineRecord, WaitsRecord};
    use crate::stats::SecondHistogram;

    #[test]
    fn names_are_safe_and_sort_by_time() {
        let stem = result_stem("../a b", "2026-11-23T16:00:00Z");
        assert_eq!(stem, "-a-b-20261123T160000Z");
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
        let stored = HistogramRecord::of(&latency).unwrap();
        let row = TimelineRecord {
            held: 1_000,
            waits: Some(WaitsRecord::default()),
            second: 3_599,
            started: 20_000,
            not_started: 0,
            ok: 20_000,
            failed: 0,
            failures: BTreeMap::from([("alert.certificate_expired".to_owned(), 1)]),
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

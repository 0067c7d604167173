//! Writing files so that there is an old one, a new one or none, never half of one: to a temporary file beside
//! it, synced, then renamed. What killed processes left behind is removed by the next that writes there.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

/// What the names of temporary files and folders begin with, ...
const TEMP_PREFIX: &str = ".shakedown-";
/// ... how many letters and digits follow, ...
const TEMP_LETTERS: usize = 6;
/// ... and what they end in.
const TEMP_SUFFIX: &str = ".tmp";
/// The file in a temporary folder whose lock says that the folder is in use.
const LOCK: &str = "lock";

/// Writes a file in place of what is there. The folder is made if needed.
///
/// # Errors
///
/// Fails if the folder cannot be written to, or the disk is full; an old file is left as it was.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = folder(path);
    written_in(dir, bytes)?.persist(path)?;
    // The rename itself is durable once the folder is synced.
    File::open(dir)?.sync_all()
}

/// Writes a file of its own, `<dir>/<stem>.<extension>`, or with `-2`, `-3`, … behind the stem where that is
/// taken, whoever takes it and when. Says which it is.
///
/// Fails as [`replace`] does.
pub(crate) fn create(dir: &Path, stem: &str, extension: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    let mut file = written_in(dir, bytes)?;
    let mut path = dir.join(format!("{stem}.{extension}"));
    let mut number = 2;
    loop {
        match file.persist_noclobber(&path) {
            Ok(_) => break,
            Err(taken) if taken.error.kind() == io::ErrorKind::AlreadyExists => file = taken.file,
            Err(failed) => return Err(failed.error),
        }
        path = dir.join(format!("{stem}-{number}.{extension}"));
        number += 1;
    }
    File::open(dir)?.sync_all()?;
    Ok(path)
}

/// Finds out whether a file of that many bytes can be written, without touching what is there: by looking its
/// name up, and writing as many bytes beside it and taking them away again. The folder is made if needed.
///
/// Fails if the name or the folder cannot be used, or the disk is full.
pub(crate) fn check_writable(path: &Path, bytes: u64) -> io::Result<()> {
    let dir = folder(path);
    fs::create_dir_all(dir)?;
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        // Names that are too long or not allowed are found here.
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = temporary_in(dir)?;
    io::copy(&mut io::repeat(b' ').take(bytes), &mut file)?;
    // A full disk may only show when the bytes really go there.
    file.as_file().sync_data()
}

/// The folder that a file is in.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    }
}

/// A temporary folder, only for its owner, which goes when it is dropped.
pub struct TempFolder {
    dir: TempDir,
    /// Held as long as the folder is in use; the system lets go of it when the process ends.
    _lock: File,
}

impl TempFolder {
    /// Makes one in `dir`, and removes those that killed processes left there.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be made.
    pub fn new_in(dir: &Path) -> io::Result<Self> {
        remove_abandoned(dir);
        loop {
            let made = builder()
                .permissions(Permissions::from_mode(0o700))
                .tempdir_in(dir)?;
            let lock = File::create_new(made.path().join(LOCK));
            // Another process may have taken it for abandoned before it was locked.
            if let Ok(lock) = lock
                && (lock.lock().is_err() || made.path().join(LOCK).exists())
            {
                return Ok(Self {
                    dir: made,
                    _lock: lock,
                });
            }
            if made.path().exists() {
                return Err(io::Error::other(format!(
                    "cannot make a file in {}",
                    made.path().display()
                )));
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// Makes a folder and those above it, with `mode` for each that is new. Gives those that were made, the
/// outermost first.
///
/// Fails if one cannot be made.
pub(crate) fn make_folders(dir: &Path, mode: u32) -> io::Result<Vec<PathBuf>> {
    let absent = |path: &&Path| *path != Path::new("") && !path.exists();
    let mut new: Vec<PathBuf> = (dir.ancestors().take_while(absent))
        .map(Path::to_owned)
        .collect();
    new.reverse();
    DirBuilder::new().recursive(true).mode(mode).create(dir)?;
    Ok(new)
}

/// A temporary file with these bytes, synced, readable for everyone: what is written here is no secret.
fn written_in(dir: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    fs::create_dir_all(dir)?;
    let mut file = temporary_in(dir)?;
    file.write_all(bytes)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn builder<'a, 'b>() -> tempfile::Builder<'a, 'b> {
    let mut builder = tempfile::Builder::new();
    builder
        .prefix(TEMP_PREFIX)
        .rand_bytes(TEMP_LETTERS)
        .suffix(TEMP_SUFFIX);
    builder
}

/// A new temporary file in `dir`, which goes when it is dropped. Those that killed processes left
/// there are removed first. The lock says that this one is in use; it ends with the process.
fn temporary_in(dir: &Path) -> io::Result<NamedTempFile> {
    remove_abandoned(dir);
    loop {
        let file = builder().tempfile_in(dir)?;
        // Where files cannot be locked none is removed either.
        let _ = file.as_file().lock();
        // Another process may have taken it for abandoned before it was locked.
        if file.path().exists() {
            return Ok(file);
        }
    }
}

/// Removes temporary files and folders of this user that no process holds. What cannot be removed is left for
/// the next time.
fn remove_abandoned(dir: &Path) {
    let own = nix::unistd::geteuid().as_raw();
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| is_temporary(&entry.file_name())) {
        let path = entry.path();
        let Ok(found) = path.symlink_metadata() else {
            continue;
        };
        if found.uid() != own {
            continue;
        }
        // Held until it is removed, or another process may take it for its own in between.
        if found.is_file()
            && let Some(_lock) = locked(&path)
        {
            let _ = fs::remove_file(&path);
        } else if found.is_dir()
            && let Some(_lock) = locked(&path.join(LOCK))
        {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// A file, locked, if it is one and no process has locked it.
fn locked(path: &Path) -> Option<File> {
    if !path.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let file = File::open(path).ok()?;
    file.try_lock().ok()?;
    Some(file)
}

fn is_temporary(name: &OsString) -> bool {
    name.to_str()
        .and_then(|name| name.strip_prefix(TEMP_PREFIX))
        .and_then(|rest| rest.strip_suffix(TEMP_SUFFIX))
        .is_some_and(|letters| {
            letters.len() == TEMP_LETTERS && letters.chars().all(|c| c.is_ascii_alphanumeric())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_abandoned_temporary_files_and_folders_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let keep = [
            ".shakedown-notes.tmp",
            ".shakedown-a_b-c.tmp",
            ".shakedown-abcdef",
            "x.json",
        ];
        for name in keep.into_iter().chain([".shakedown-abc123.tmp"]) {
            fs::write(at(name), "x").unwrap();
        }
        // One of a killed process, and one that we did not make.
        fs::create_dir(at(".shakedown-abc124.tmp")).unwrap();
        fs::write(at(".shakedown-abc124.tmp/lock"), "").unwrap();
        fs::write(at(".shakedown-abc124.tmp/block.json"), "").unwrap();
        fs::create_dir(at(".shakedown-foldr1.tmp")).unwrap();
        let in_use = temporary_in(dir.path()).unwrap();
        let folder_in_use = TempFolder::new_in(dir.path()).unwrap();
        let also_in_use = temporary_in(dir.path()).unwrap();
        assert!(in_use.path().exists() && also_in_use.path().exists());
        assert!(folder_in_use.path().exists());
        assert!(keep.iter().all(|name| at(name).exists()));
        assert!(at(".shakedown-foldr1.tmp").exists());
        assert!(!at(".shakedown-abc123.tmp").exists());
        assert!(!at(".shakedown-abc124.tmp").exists());
        drop((in_use, also_in_use, folder_in_use));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), keep.len() + 1);
    }

    #[test]
    fn a_name_is_claimed_once_whoever_else_wants_it() {
        let dir = tempfile::tempdir().unwrap();
        let claimed = std::thread::scope(|scope| {
            let claim = |n: usize| {
                let dir = dir.path();
                scope.spawn(move || create(dir, "x", "json", n.to_string().as_bytes()).unwrap())
            };
            let all: Vec<_> = (0..12).map(claim).collect();
            all.into_iter()
                .map(|one| one.join().unwrap())
                .collect::<Vec<_>>()
        });
        for (n, path) in claimed.iter().enumerate() {
            assert_eq!(fs::read_to_string(path).unwrap(), n.to_string());
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), claimed.len());
        assert!(claimed.contains(&dir.path().join("x.json")));
        assert!(claimed.contains(&dir.path().join("x-12.json")));
    }

    #[test]
    fn a_place_that_cannot_be_written_is_found_before() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        check_writable(&at("new/folder/x.json"), 100_000).unwrap();
        fs::write(at("file"), "old").unwrap();
        check_writable(&at("file"), 1).unwrap();
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "old");
        for (path, kind) in [
            (at(&"n".repeat(300)), io::ErrorKind::InvalidFilename),
            (at("new"), io::ErrorKind::IsADirectory),
            (at("file/x.json"), io::ErrorKind::NotADirectory),
        ] {
            let error = check_writable(&path, 1).unwrap_err();
            // Making the folder fails for a file that stands in the way.
            let other = io::ErrorKind::AlreadyExists;
            assert!([kind, other].contains(&error.kind()), "{error:?}");
        }
    }
}

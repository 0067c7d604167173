//! A shared folder as a place. What lies under a name is whole from its first moment: it is written beside it, and the
//! name is given afterwards, by an operation that fails where the name is taken, on NFS, too.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

use super::place::{Stamp, Store, Trouble};
use crate::files::read_all;

/// File systems stamp files with the time of the kernel's last tick.
const TICK_NS: u64 = 10_000_000;

/// Time between two looks at a folder.
const LOOK: Duration = Duration::from_millis(100);

/// How a name is given to a file that has been written: `link(2)`, or something else in tests.
type Link = fn(&Path, &Path) -> io::Result<()>;

#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    link: Link,
}

impl Folder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            link: |from, to| fs::hard_link(from, to),
        }
    }

    fn put_file(&self, name: &str, bytes: &[u8]) -> io::Result<bool> {
        let path = self.root.join(name);
        let dir = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(dir)?;
        // The usual case of a second one needs no temporary file.
        if path.symlink_metadata().is_ok() {
            return Ok(false);
        }
        // It is never taken for one that `files::write` left behind: whoever removes those asks for locks, which are
        // not always shared between machines.
        let mut file = temporary(dir, ".putting-")?;
        file.write_all(bytes)?;
        file.as_file()
            .set_permissions(Permissions::from_mode(0o644))?;
        file.as_file().sync_all()?;
        let named = match (self.link)(file.path(), &path) {
            Ok(()) => true,
            // A server that had answered, and whose answer was lost, says so of our own link.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                file.path().metadata()?.nlink() > 1
            }
            Err(error) if has_no_links(&error) => claimed(file, &path)?,
            Err(error) => return Err(error),
        };
        File::open(dir)?.sync_all()?;
        Ok(named)
    }
}

impl Store for Folder {
    /// Folders are made if needed.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<bool, Trouble> {
        self.put_file(name, bytes).map_err(trouble)
    }

    fn get(&self, name: &str, cap: u64) -> Result<Option<Vec<u8>>, Trouble> {
        let path = self.root.join(name);
        let read = || {
            // Opening a pipe would wait for its writer.
            if !path.metadata()?.is_file() {
                return Err(io::Error::other("it is no file"));
            }
            read_all(File::open(&path)?, cap)
        };
        found(read())
    }

    /// Without those that are being put.
    fn list(&self, folder: &str) -> Result<Vec<String>, Trouble> {
        let path = self.root.join(folder);
        let read = || {
            let names = fs::read_dir(&path)?.map(|entry| Ok(entry?.file_name()));
            names.collect::<io::Result<Vec<_>>>()
        };
        let names = found(read())?.unwrap_or_default();
        let names = names.into_iter().filter_map(|name| name.into_string().ok());
        Ok(names.filter(|name| !name.starts_with('.')).collect())
    }

    fn stamp(&self, name: &str) -> Result<Option<Stamp>, Trouble> {
        let at = self.root.join(name).metadata().and_then(|m| m.modified());
        let stamp = |at: SystemTime| Stamp {
            at,
            step_ns: TICK_NS,
        };
        Ok(found(at)?.map(stamp))
    }

    /// NFS keeps what it knows of a folder for up to a minute, but not beyond a change of our own.
    fn refresh(&self, folder: &str) {
        drop(temporary(&self.root.join(folder), ".looking-"));
    }

    fn interval(&self) -> Duration {
        LOOK
    }
}

/// Renames a file to a name that one process alone may give: the one that makes the file which claims it.
fn claimed(file: NamedTempFile, path: &Path) -> io::Result<bool> {
    let mut claim = path.as_os_str().to_owned();
    if let (Some(dir), Some(name)) = (path.parent(), path.file_name()) {
        let mut hidden = std::ffi::OsString::from(".claimed-");
        hidden.push(name);
        claim = dir.join(hidden).into_os_string();
    }
    match File::create_new(claim) {
        Ok(_) => {
            file.persist(path)?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn temporary(dir: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(prefix).tempfile_in(dir)
}

/// Whether a file system has no hard links at all; FAT says that they are not permitted.
fn has_no_links(error: &io::Error) -> bool {
    use nix::libc::{ENOSYS, ENOTSUP, EOPNOTSUPP, EPERM};
    let known = [ENOSYS, ENOTSUP, EOPNOTSUPP, EPERM];
    error
        .raw_os_error()
        .is_some_and(|code| known.contains(&code))
}

/// `None` for what is not there.
fn found<T>(read: io::Result<T>) -> Result<Option<T>, Trouble> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(trouble(error)),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is used in `map_err`")]
fn trouble(error: io::Error) -> Trouble {
    use io::ErrorKind::{
        Interrupted, NetworkDown, NetworkUnreachable, PermissionDenied, QuotaExceeded,
        ReadOnlyFilesystem, StaleNetworkFileHandle, StorageFull, TimedOut, WouldBlock,
    };
    let advice = match error.kind() {
        PermissionDenied | ReadOnlyFilesystem => {
            "let this user write there, or give a folder where all shards may"
        }
        StorageFull | QuotaExceeded => "make room there, or give another folder",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "give a folder; a file stands in its way"
        }
        _ => "look at that folder, or give another one that all shards share",
    };
    let passing = [
        Interrupted,
        NetworkDown,
        NetworkUnreachable,
        StaleNetworkFileHandle,
        TimedOut,
        WouldBlock,
    ];
    Trouble {
        passing: passing.contains(&error.kind()),
        why: error.to_string(),
        advice,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use nix::libc::EPERM;

    use super::*;

    const NO_LINKS: Link = |_, _| Err(io::Error::from_raw_os_error(EPERM));

    fn races(link: Option<Link>) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder {
            link: link.unwrap_or(|from, to| fs::hard_link(from, to)),
            ..Folder::new(dir.path().join("new/folder"))
        };
        let bytes = |n: usize| format!("{{\"by\":{n},\"more\":\"{}\"}}", "x".repeat(100_000));
        let over = AtomicBool::new(false);
        let winners = std::thread::scope(|scope| {
            let (folder, over) = (&folder, &over);
            let reader = scope.spawn(move || {
                let mut seen = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    seen.extend(folder.get("meet/x.json", 1 << 20).unwrap());
                    for text in seen.drain(..) {
                        let whole: serde_json::Value =
                            serde_json::from_slice(text.as_slice()).unwrap();
                        assert!(whole["by"].is_u64());
                    }
                }
            });
            let put =
                |n: usize| scope.spawn(move || folder.put("meet/x.json", bytes(n).as_bytes()));
            let all: Vec<_> = (0..12).map(put).collect();
            let won: Vec<_> = all
                .into_iter()
                .map(|one| one.join().unwrap().unwrap())
                .collect();
            over.store(true, Ordering::Relaxed);
            reader.join().unwrap();
            won
        });
        assert_eq!(winners.iter().filter(|won| **won).count(), 1);
        let winner = winners.iter().position(|won| *won).unwrap();
        let read = folder.get("meet/x.json", 1 << 20).unwrap().unwrap();
        assert_eq!(read, bytes(winner).into_bytes());
        assert_eq!(folder.list("meet").unwrap(), ["x.json"]);
        let left = fs::read_dir(dir.path().join("new/folder/meet")).unwrap();
        assert_eq!(
            left.count(),
            1 + usize::from(link.is_some()),
            "temporary files are gone"
        );
    }

    #[test]
    fn one_of_many_gets_the_name_and_nobody_reads_half_a_file() {
        races(None);
    }

    #[test]
    fn so_it_is_where_there_are_no_links() {
        races(Some(NO_LINKS));
    }

    #[test]
    fn an_answer_that_was_lost_does_not_lose_the_name() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder {
            link: |from, to| {
                fs::hard_link(from, to)?;
                Err(io::ErrorKind::AlreadyExists.into())
            },
            ..Folder::new(dir.path().to_owned())
        };
        assert!(folder.put("x", b"1").unwrap());
        assert!(!folder.put("x", b"2").unwrap());
    }

    #[test]
    fn what_is_not_there_and_what_is_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path().to_owned());
        assert_eq!(folder.get("meet/0.json", 9).unwrap(), None);
        assert!(folder.list("meet").unwrap().is_empty());
        assert!(folder.stamp("meet/0.json").unwrap().is_none());
        folder.put("meet/0.json", b"0123456789").unwrap();
        folder.refresh("meet");
        let error = folder.get("meet/0.json", 9).unwrap_err();
        assert!(error.why.contains("more than 9 bytes"), "{}", error.why);
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        assert!(folder.get("pipe", 9).unwrap_err().why.contains("no file"));
        let (stamp, now) = (
            folder.stamp("meet/0.json").unwrap().unwrap(),
            SystemTime::now(),
        );
        assert!(now.duration_since(stamp.at).unwrap().as_secs() < 60);
    }
}

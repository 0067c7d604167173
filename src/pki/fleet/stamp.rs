//! Whether the files of an identity were replaced since they were read.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Fleet, Source};

/// What files are at one time: where their links lead, which files these are, their sizes and times of change. A folder
/// that is swapped by a link (kubelet, cert-manager) and a file that is renamed into place both change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(u64);

impl Stamp {
    /// That of some files; `None` if one is not there.
    pub(super) fn of<'a>(paths: impl IntoIterator<Item = Option<&'a Path>>) -> Option<Self> {
        let mut hasher = DefaultHasher::new();
        for path in paths.into_iter().flatten() {
            let found = fs::metadata(path).ok()?;
            fs::canonicalize(path).ok()?.hash(&mut hasher);
            (found.ino(), found.size(), found.mtime(), found.mtime_nsec()).hash(&mut hasher);
        }
        Some(Self(hasher.finish()))
    }
}

impl Fleet {
    /// The files of an identity as they are now; `None` if one is not there, or it is minted.
    pub(crate) fn stamp(&self, index: u32) -> Option<Stamp> {
        match &self.source {
            Source::Files(rows) => rows.get(index as usize)?.stamp(),
            Source::Minted(..) => None,
        }
    }
}

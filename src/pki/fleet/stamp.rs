//! Whether the files of an identity, or what an agent says of it, were replaced since they were read.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Fleet, Source};

/// What an identity comes from at one time. Of files: where their links lead, which files these are, their sizes and
/// times of change. A folder that is swapped by a link (kubelet, cert-manager) and a file that is renamed into place both
/// change it.
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

    /// That of an answer of an agent.
    pub(super) fn numbered(number: u64) -> Self {
        Self(number)
    }
}

impl Fleet {
    /// What an identity comes from, as it is now; `None` if a file is not there, or it is minted.
    pub(crate) fn stamp(&self, index: u32) -> Option<Stamp> {
        match &self.source {
            Source::Files(rows) => rows.get(index as usize)?.stamp(),
            Source::Minted(..) => None,
            Source::Spiffe(svids) => Some(svids.stamp()),
        }
    }
}

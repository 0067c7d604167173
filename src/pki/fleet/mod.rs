//! A fleet: identities by index, read from files or an agent, or minted, when they are asked for.

mod derive;
mod files;
mod mint;
mod revoke;
mod shared;
mod stamp;
mod svids;

pub use mint::FleetMint;
pub(crate) use revoke::renewed;
pub use revoke::{Revoker, revoked_in};
pub use stamp::Stamp;

use std::path::Path;

use super::{Identity, PkiError};
use crate::scenario::FleetSection;
use files::Row;
use svids::Svids;

/// Fleets without groups are counted by identity up to this many.
const MOST_COUNTED: u32 = 100;
/// Most groups of a fleet; each is counted in every trial.
const MOST_GROUPS: usize = 1_000;

/// Client identities by index. Only where they come from is kept.
#[derive(Debug)]
pub struct Fleet {
    source: Source,
    /// What its sessions are counted by; empty if they are not told apart.
    counted: Vec<String>,
}

#[derive(Debug)]
enum Source {
    Files(Vec<Row>),
    Minted(Box<FleetMint>, u32),
    Spiffe(Svids),
}

impl Fleet {
    /// That of a scenario for a server elsewhere.
    ///
    /// # Errors
    ///
    /// Fails if its files, folder or manifest cannot be read or hold no identity, its authority is none, or its agent
    /// gives nothing.
    pub fn new(section: &FleetSection) -> Result<Self, PkiError> {
        if let Some(endpoint) = &section.spiffe {
            return Self::of_agent(endpoint);
        }
        match (&section.mint, &section.manifest, &section.files) {
            (Some(mint), ..) => Ok(Self::minted(FleetMint::new(mint)?, mint.count)),
            (None, Some(manifest), _) => Self::of_manifest(manifest),
            (None, None, files) => Self::of_pattern(files.as_deref().unwrap_or(Path::new("."))),
        }
    }

    /// One of `count` identities that are derived from a seed.
    pub(crate) fn minted(mint: FleetMint, count: u32) -> Self {
        let names = (0..count.min(MOST_COUNTED + 1)).map(FleetMint::name);
        Self {
            counted: few(names.collect()),
            source: Source::Minted(Box::new(mint), count),
        }
    }

    /// How many identities it has; at least one.
    #[expect(clippy::len_without_is_empty, reason = "there is no empty fleet")]
    pub fn len(&self) -> u32 {
        match &self.source {
            Source::Files(rows) => u32::try_from(rows.len()).unwrap_or(u32::MAX),
            Source::Minted(_, count) => *count,
            Source::Spiffe(svids) => u32::try_from(svids.len()).unwrap_or(u32::MAX),
        }
    }

    /// What its sessions are counted by: groups, or identities where there are few and no groups.
    pub(crate) fn counted(&self) -> &[String] {
        &self.counted
    }

    /// Which of [`Self::counted`] an identity is counted by.
    pub(crate) fn counted_by(&self, index: u32) -> Option<usize> {
        if self.counted.is_empty() {
            return None;
        }
        match &self.source {
            Source::Files(rows) => rows.get(index as usize)?.counted,
            Source::Minted(..) | Source::Spiffe(_) => Some(index as usize),
        }
    }

    /// The certificate file of an identity; none if it comes from elsewhere.
    pub fn file(&self, index: u32) -> Option<&Path> {
        match &self.source {
            Source::Files(rows) => rows.get(index as usize).map(Row::file),
            Source::Minted(..) | Source::Spiffe(_) => None,
        }
    }

    /// Loads or mints an identity.
    ///
    /// # Errors
    ///
    /// Fails as [`Identity::load`] does.
    pub fn load(&self, index: u32) -> Result<Identity, PkiError> {
        self.edition(index, Edition::default())
    }

    /// Mints an edition of an identity, or loads what its files or its agent hold now.
    ///
    /// Fails as [`Identity::load`] does.
    pub(crate) fn edition(&self, index: u32, edition: Edition) -> Result<Identity, PkiError> {
        match &self.source {
            Source::Files(rows) => rows[index as usize].load(),
            Source::Minted(mint, _) => mint.identity(index, edition),
            Source::Spiffe(svids) => svids.load(index),
        }
    }

    /// Whether its identities are minted.
    pub(crate) fn is_minted(&self) -> bool {
        matches!(self.source, Source::Minted(..))
    }

    /// A group's index among [`Self::counted`].
    ///
    /// Fails if the fleet has none of this name.
    pub(crate) fn group(&self, name: &str) -> Result<usize, PkiError> {
        let known = self.counted.iter().position(|group| group == name);
        known.ok_or_else(|| {
            let mut groups = self.counted.clone();
            groups.truncate(8);
            PkiError::NoGroup {
                name: name.to_owned(),
                groups: groups.join(", "),
            }
        })
    }

    /// The serial number of an identity's certificate, of the edition that is in use.
    ///
    /// Fails if its file cannot be read.
    pub(crate) fn serial(&self, index: u32, edition: u32) -> Result<Vec<u8>, PkiError> {
        match &self.source {
            Source::Files(rows) => rows[index as usize].serial(),
            Source::Minted(mint, _) => Ok(mint.serial(index, edition)),
            Source::Spiffe(svids) => svids.serial(index),
        }
    }
}

/// Which of an identity's certificates, where it has one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Edition {
    /// How often it was renewed.
    pub number: u32,
    /// The last second in which it is valid, since 1970; as the fleet says unless set.
    pub not_after: Option<i64>,
}

/// The names, unless they are too many to count by.
fn few(names: Vec<String>) -> Vec<String> {
    if names.len() > MOST_COUNTED as usize {
        Vec::new()
    } else {
        names
    }
}

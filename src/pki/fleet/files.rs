//! A fleet from files: a folder or pattern of certificates, or a manifest.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::super::{CertInspect, Identity, PkiError, load_roots};
use super::shared::share_issuers;
use super::{Fleet, MOST_GROUPS, Source, Stamp, few};
use crate::stats::IdentityTrouble;

/// Endings of certificates in a folder.
const CERTIFICATES: [&str; 3] = ["pem", "crt", "cer"];

/// How often files are read again that are no pair: they may change while they are read.
const AGAIN: usize = 3;

/// Where one identity is.
#[derive(Debug)]
pub(super) struct Row {
    cert: Box<Path>,
    key: Option<Box<Path>>,
    name: Option<Box<str>>,
    /// The group it is counted by.
    pub(super) counted: Option<usize>,
}

impl Row {
    /// The certificate's file.
    pub(super) fn file(&self) -> &Path {
        &self.cert
    }

    /// The files as they are now; `None` if one is not there.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        Stamp::of([Some(&*self.cert), self.key.as_deref()])
    }

    /// The serial number of the certificate.
    pub(super) fn serial(&self) -> Result<Vec<u8>, PkiError> {
        let chain = load_roots(&self.cert)?;
        let leaf = chain.first().and_then(CertInspect::parse);
        Ok(leaf.map_or_else(Vec::new, |leaf| leaf.serial().to_vec()))
    }

    /// Reads certificate and key in one pass, and again where they are no pair: reads of files that are each written
    /// atomically may still be of two generations.
    pub(super) fn load(&self) -> Result<Identity, PkiError> {
        let mut loaded = self.read();
        for _ in 0..AGAIN {
            if !matches!(&loaded, Err(error) if error.trouble() == IdentityTrouble::Mismatch) {
                break;
            }
            loaded = self.read();
        }
        loaded
    }

    fn read(&self) -> Result<Identity, PkiError> {
        let mut identity = Identity::load(&self.cert, self.key.as_deref())?;
        share_issuers(&mut identity.chain);
        if let Some(name) = &self.name {
            identity.name = name.to_string();
        }
        Ok(identity)
    }

    /// A certificate with its key beside it; `None` leaves the key in the same file.
    fn of(cert: PathBuf) -> Self {
        let stem = cert.file_stem().unwrap_or_default().to_string_lossy();
        let beside = [format!("{stem}.key"), format!("{stem}-key.pem")];
        let key = beside.iter().map(|name| cert.with_file_name(name));
        Self {
            key: key.into_iter().find(|key| key.is_file()).map(Into::into),
            cert: cert.into(),
            name: None,
            counted: None,
        }
    }
}

/// A line of a manifest.
#[derive(Debug, Deserialize)]
struct Line {
    cert: PathBuf,
    key: Option<PathBuf>,
    group: Option<String>,
    name: Option<String>,
}

impl Fleet {
    /// The certificates that match a pattern, or those of a folder that have a key beside them, in natural order.
    ///
    /// Fails if there are none, or folders cannot be read.
    pub(super) fn of_pattern(pattern: &Path) -> Result<Self, PkiError> {
        let folder = pattern.is_dir();
        let text = pattern.to_string_lossy();
        let searched = match (folder, pattern.join("client-0.pem").is_file()) {
            // What `pki new` wrote has an authority and a server beside the clients.
            (true, true) => format!("{}/client-*", glob::Pattern::escape(&text)),
            (true, false) => format!("{}/*", glob::Pattern::escape(&text)),
            (false, _) => text.into_owned(),
        };
        let wrong = |cause: String| PkiError::NoFleet {
            path: pattern.to_owned(),
            cause,
        };
        let found = glob::glob(&searched).map_err(|error| wrong(error.to_string()))?;
        let mut rows = Vec::new();
        for path in found {
            let path = path.map_err(|error| wrong(error.to_string()))?;
            let ends = |end: &&str| {
                path.extension()
                    .is_some_and(|e| e.eq_ignore_ascii_case(end))
            };
            let is_key = path
                .file_stem()
                .is_some_and(|stem| stem.to_string_lossy().ends_with("-key"));
            if folder && (is_key || !CERTIFICATES.iter().any(ends)) {
                continue;
            }
            let row = Row::of(path);
            if !folder || row.key.is_some() {
                rows.push(row);
            }
        }
        if rows.is_empty() {
            return Err(wrong("no certificate matches".into()));
        }
        rows.sort_by_cached_key(|row| natural(&row.cert.to_string_lossy()));
        let names = rows.iter().take(super::MOST_COUNTED as usize + 1);
        let names = names.map(|row| {
            row.cert
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        });
        let counted = few(names.collect());
        for (index, row) in rows.iter_mut().enumerate() {
            row.counted = Some(index).filter(|_| !counted.is_empty());
        }
        Ok(Self {
            source: Source::Files(rows),
            counted,
        })
    }

    /// The identities of a manifest, a CSV file with a head.
    ///
    /// Fails if it cannot be read, has no identity, a bad line, or too many groups.
    pub(super) fn of_manifest(path: &Path) -> Result<Self, PkiError> {
        let wrong = |cause: String| PkiError::NoFleet {
            path: path.to_owned(),
            cause,
        };
        let file = File::open(path).map_err(|source| PkiError::Read {
            path: path.to_owned(),
            source,
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .comment(Some(b'#'))
            .from_reader(file);
        let (mut rows, mut groups) = (Vec::new(), Vec::<String>::new());
        for line in reader.deserialize() {
            let Line {
                cert,
                key,
                group,
                name,
            } = line.map_err(|error| wrong(error.to_string()))?;
            let counted = group.map(|group| {
                let known = groups.iter().rposition(|known| *known == group);
                known.unwrap_or_else(|| {
                    groups.push(group);
                    groups.len() - 1
                })
            });
            if groups.len() > MOST_GROUPS {
                return Err(wrong(format!("there are more than {MOST_GROUPS} groups")));
            }
            let cert = folder.join(cert);
            rows.push(match key {
                Some(key) => Row {
                    cert: cert.into(),
                    key: Some(folder.join(key).into()),
                    name: None,
                    counted,
                },
                None => Row {
                    counted,
                    ..Row::of(cert)
                },
            });
            if let (Some(row), Some(name)) = (rows.last_mut(), name) {
                row.name = Some(name.into());
            }
        }
        if rows.is_empty() {
            return Err(wrong("it has no line below its head".into()));
        }
        Ok(Self {
            source: Source::Files(rows),
            counted: groups,
        })
    }
}

/// A key that sorts numbers in a name by their value.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (text, tail) = rest.split_at(text);
        let digits = tail
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (digits, tail) = tail.split_at(digits);
        parts.push((text.to_owned(), digits.parse().unwrap_or(0)));
        rest = tail;
    }
    parts
}

//! A minted [`Pki`] on disk: one file per certificate chain and per key, keys private from their first byte.
//! Each file appears whole or not at all. Data is not synced: these files can be minted again.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;

use super::pem::{self, CERTIFICATE};
use super::{Identity, Pki, PkiError};

/// The mode of files that anyone may read.
const PUBLIC: u32 = 0o644;
/// The mode of private keys.
const PRIVATE: u32 = 0o600;
/// The mode of directories that are made here.
const DIRECTORY: u32 = 0o700;

/// One file to write.
struct Entry {
    name: String,
    mode: u32,
    text: String,
}

impl Pki {
    /// Writes everything to `dir` and returns the paths in the order written.
    ///
    /// `ca.pem` (and `root.pem`, the same) is what peers trust; `server.pem` and `client-N.pem` are chains,
    /// leaf first; each has its key beside it, as do `root.pem` and `intermediate.pem`. Keys have mode 0600
    /// from the start, and directories made here 0700.
    ///
    /// # Errors
    ///
    /// Fails if a file exists and `overwrite` is false, if clients of an earlier, larger set would be left,
    /// and if writing fails. Files written before a failure stay.
    pub fn write(&self, dir: &Path, overwrite: bool) -> Result<Vec<PathBuf>, PkiError> {
        let entries = self.entries();
        check_target(dir, &entries, self.clients().len(), overwrite)?;
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY)
            .create(dir)
            .map_err(|source| PkiError::Write {
                path: dir.to_owned(),
                source,
            })?;
        let mut written = Vec::with_capacity(entries.len());
        for entry in &entries {
            let path = dir.join(&entry.name);
            place(dir, &path, entry, overwrite)?;
            written.push(path);
        }
        Ok(written)
    }

    fn entries(&self) -> Vec<Entry> {
        let mut entries = vec![Entry {
            name: "ca.pem".into(),
            mode: PUBLIC,
            text: chain_pem(self.roots()),
        }];
        let fixed = [&self.root, &self.intermediate, self.server()];
        for identity in fixed.into_iter().chain(self.clients()) {
            entries.extend(identity_entries(identity));
        }
        entries
    }
}

fn identity_entries(identity: &Identity) -> [Entry; 2] {
    [
        Entry {
            name: format!("{}.pem", identity.name),
            mode: PUBLIC,
            text: chain_pem(&identity.chain),
        },
        Entry {
            name: format!("{}.key", identity.name),
            mode: PRIVATE,
            text: pem::encode("PRIVATE KEY", identity.key.secret_der()),
        },
    ]
}

fn chain_pem(chain: &[CertificateDer<'_>]) -> String {
    chain
        .iter()
        .map(|cert| pem::encode(CERTIFICATE, cert))
        .collect()
}

/// Refuses a directory in which old and new files would be confused, before anything is written.
fn check_target(
    dir: &Path,
    entries: &[Entry],
    clients: usize,
    overwrite: bool,
) -> Result<(), PkiError> {
    if !overwrite {
        let taken = |path: &PathBuf| path.symlink_metadata().is_ok();
        if let Some(path) = entries
            .iter()
            .map(|entry| dir.join(&entry.name))
            .find(taken)
        {
            return Err(PkiError::Exists { path });
        }
    }
    let listing = match fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(PkiError::Write {
                path: dir.to_owned(),
                source,
            });
        }
    };
    let stale = listing
        .filter_map(Result::ok)
        .filter_map(|entry| client_index(&entry.file_name().to_string_lossy()).zip(Some(entry)))
        .filter(|(index, _)| *index >= clients)
        .min_by_key(|(index, entry)| (*index, entry.file_name()));
    match stale {
        Some((_, entry)) => Err(PkiError::Stale { path: entry.path() }),
        None => Ok(()),
    }
}

/// The N of `client-N.pem` and `client-N.key`.
fn client_index(file_name: &str) -> Option<usize> {
    let rest = file_name.strip_prefix("client-")?;
    let digits = rest
        .strip_suffix(".pem")
        .or_else(|| rest.strip_suffix(".key"))?;
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        digits.parse().ok()
    } else {
        None
    }
}

/// Writes to a temporary file beside the target, created with its final mode, and renames it into place.
fn place(dir: &Path, path: &Path, entry: &Entry, overwrite: bool) -> Result<(), PkiError> {
    let failed = |source: io::Error| PkiError::Write {
        path: path.to_owned(),
        source,
    };
    let mut file = tempfile::Builder::new()
        .prefix(".shakedown-")
        .permissions(Permissions::from_mode(entry.mode))
        .tempfile_in(dir)
        .map_err(failed)?;
    file.write_all(entry.text.as_bytes()).map_err(failed)?;
    let placed = if overwrite {
        file.persist(path)
    } else {
        file.persist_noclobber(path)
    };
    match placed {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(PkiError::Exists {
            path: path.to_owned(),
        }),
        Err(error) => Err(failed(error.error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{KeyAlgorithm, PkiSpec, load_roots};

    fn pki(clients: usize) -> Pki {
        Pki::mint(&PkiSpec {
            clients,
            ..PkiSpec::default()
        })
        .unwrap()
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn files_are_named_and_keys_are_private() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("new/pki");
        let written = pki(1).write(&dir, false).unwrap();
        let names: Vec<_> = written
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "ca.pem",
                "root.pem",
                "root.key",
                "intermediate.pem",
                "intermediate.key",
                "server.pem",
                "server.key",
                "client-0.pem",
                "client-0.key"
            ]
        );
        assert_eq!(mode(&dir), 0o700);
        for path in written
            .iter()
            .filter(|path| path.extension().unwrap() == "key")
        {
            assert_eq!(mode(path), 0o600, "{}", path.display());
        }
        assert_eq!(
            fs::read_dir(&dir).unwrap().count(),
            names.len(),
            "temporary files are left"
        );
        assert_eq!(load_roots(&dir.join("ca.pem")).unwrap().len(), 1);
    }

    #[test]
    fn existing_files_are_kept_unless_forced() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        pki(1).write(dir, false).unwrap();
        let before = fs::read(dir.join("server.key")).unwrap();
        fs::remove_file(dir.join("ca.pem")).unwrap();
        let error = pki(1).write(dir, false).unwrap_err().to_string();
        let first = dir.join("root.pem");
        assert_eq!(
            error,
            format!(
                "{} exists already; give another directory, or --force to overwrite",
                first.display()
            )
        );
        assert_eq!(fs::read(dir.join("server.key")).unwrap(), before);
        assert!(!dir.join("ca.pem").exists(), "a refusal wrote something");
        pki(2).write(dir, true).unwrap();
        assert_ne!(fs::read(dir.join("server.key")).unwrap(), before);
    }

    #[test]
    fn clients_of_a_larger_set_are_not_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        pki(3).write(dir, false).unwrap();
        fs::write(dir.join("client-notes.pem"), "not ours").unwrap();
        let error = pki(1).write(dir, true).unwrap_err().to_string();
        let first = dir.join("client-1.key");
        assert!(
            error.starts_with(&format!("{} is left from an earlier set", first.display())),
            "{error}"
        );
    }

    #[test]
    fn every_algorithm_survives_the_disk() {
        for algorithm in KeyAlgorithm::ALL {
            let spec = PkiSpec {
                client_key: algorithm,
                ..PkiSpec::default()
            };
            let pki = Pki::mint(&spec).unwrap();
            let dir = tempfile::tempdir().unwrap();
            pki.write(dir.path(), false).unwrap();
            let (cert, key) = (
                dir.path().join("client-0.pem"),
                dir.path().join("client-0.key"),
            );
            let loaded = Identity::load(&cert, Some(&key)).unwrap();
            assert_eq!(loaded.name, "client-0");
            assert_eq!(loaded.chain, pki.clients()[0].chain);
            assert_eq!(loaded.key, pki.clients()[0].key);
        }
    }
}

//! A minted [`Pki`] on disk: one file per certificate chain and per key, keys private from their first byte.
//! Each file appears whole or not at all. Data is not synced: these files can be minted again.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;

use super::pem::{self, CERTIFICATE};
use super::revocation::CRL;
use super::{Faults, Identity, Pki, PkiError};

/// The mode of files that anyone may read.
const PUBLIC: u32 = 0o644;
/// The mode of private keys.
const PRIVATE: u32 = 0o600;
/// The mode of directories that are made here.
const DIRECTORY: u32 = 0o700;

/// The folder of the faulty identities.
const FAULTS: &str = "faults";
/// The file with all revocation lists.
const CRL_FILE: &str = "crl.pem";

/// One file to write.
struct Entry {
    /// Relative to the directory of the set.
    name: String,
    mode: u32,
    text: String,
}

impl Entry {
    fn is_in(&self, folder: &str) -> bool {
        Path::new(&self.name).parent() == Some(Path::new(folder))
    }
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
    /// Fails if a file exists and `overwrite` is false, if clients, faulty identities or revocation lists
    /// of an earlier, larger set would be left, and if writing fails. Files written before a failure stay.
    pub fn write(&self, dir: &Path, overwrite: bool) -> Result<Vec<PathBuf>, PkiError> {
        self.put(dir, &self.entries(), overwrite)
    }

    /// Writes everything as [`Self::write`] does, and the faulty identities minted from it: chain and
    /// key of each to `faults/`, and all revocation lists to `crl.pem`.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::write`] does, and if faulty identities of another set would be left.
    pub fn write_with_faults(
        &self,
        faults: &Faults,
        dir: &Path,
        overwrite: bool,
    ) -> Result<Vec<PathBuf>, PkiError> {
        let mut entries = self.entries();
        entries.push(Entry {
            name: CRL_FILE.into(),
            mode: PUBLIC,
            text: (faults.crls().iter())
                .map(|crl| pem::encode(CRL, crl))
                .collect(),
        });
        for (_, identity) in faults.clients().chain(faults.servers()) {
            entries.extend(identity_entries(&format!("{FAULTS}/"), identity));
        }
        self.put(dir, &entries, overwrite)
    }

    fn put(
        &self,
        dir: &Path,
        entries: &[Entry],
        overwrite: bool,
    ) -> Result<Vec<PathBuf>, PkiError> {
        check_target(dir, entries, self.clients().len(), overwrite)?;
        make_dir(dir)?;
        if entries.iter().any(|entry| entry.is_in(FAULTS)) {
            make_dir(&dir.join(FAULTS))?;
        }
        let mut written = Vec::with_capacity(entries.len());
        for entry in entries {
            let path = dir.join(&entry.name);
            place(&path, entry, overwrite)?;
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
            entries.extend(identity_entries("", identity));
        }
        entries
    }
}

fn identity_entries(folder: &str, identity: &Identity) -> [Entry; 2] {
    [
        Entry {
            name: format!("{folder}{}.pem", identity.name),
            mode: PUBLIC,
            text: chain_pem(&identity.chain),
        },
        Entry {
            name: format!("{folder}{}.key", identity.name),
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
    let stale_client = listing(dir)?
        .into_iter()
        .filter_map(|name| client_index(&name).zip(Some(name)))
        .filter(|(index, _)| *index >= clients)
        .min()
        .map(|(_, name)| name);
    let kept = |name: &String| entries.iter().any(|entry| entry.name == *name);
    let stale_fault = listing(&dir.join(FAULTS))?
        .into_iter()
        .filter(|name| is_fault(name))
        .map(|name| format!("{FAULTS}/{name}"))
        .chain(
            [CRL_FILE.to_owned()]
                .into_iter()
                .filter(|name| dir.join(name).exists()),
        )
        .filter(|name| !kept(name))
        .min();
    match stale_client.or(stale_fault) {
        Some(name) => Err(PkiError::Stale {
            path: dir.join(name),
        }),
        None => Ok(()),
    }
}

/// The names in a directory; none if there is no such directory.
fn listing(dir: &Path) -> Result<Vec<String>, PkiError> {
    match fs::read_dir(dir) {
        Ok(listing) => Ok(listing
            .filter_map(Result::ok)
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(PkiError::Write {
            path: dir.to_owned(),
            source,
        }),
    }
}

fn make_dir(dir: &Path) -> Result<(), PkiError> {
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(DIRECTORY).create(dir);
    made.map_err(|source| PkiError::Write {
        path: dir.to_owned(),
        source,
    })
}

/// Whether a file in the folder of faulty identities is named as one of ours.
fn is_fault(file_name: &str) -> bool {
    let ours = ["client-", "server-"];
    let stem = file_name
        .strip_suffix(".pem")
        .or_else(|| file_name.strip_suffix(".key"));
    stem.is_some_and(|stem| ours.iter().any(|side| stem.starts_with(side)))
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
fn place(path: &Path, entry: &Entry, overwrite: bool) -> Result<(), PkiError> {
    let failed = |source: io::Error| PkiError::Write {
        path: path.to_owned(),
        source,
    };
    let mut file = tempfile::Builder::new()
        .prefix(".shakedown-")
        .permissions(Permissions::from_mode(entry.mode))
        .tempfile_in(path.parent().unwrap_or(Path::new(".")))
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
    use crate::pki::{KeyAlgorithm, PkiSpec, load_crls, load_roots};

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
    fn faults_and_revocation_lists_lie_beside_the_good() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("pki");
        let pki = pki(1);
        let faults = pki.mint_faults().unwrap();
        let written = pki.write_with_faults(&faults, &dir, false).unwrap();
        assert_eq!(written.len(), 9 + 1 + 2 * (16 + 17));
        assert_eq!(mode(&dir.join("faults")), 0o700);
        assert_eq!(load_crls(&dir.join("crl.pem")).unwrap(), faults.crls());
        for (_, identity) in faults.clients().chain(faults.servers()) {
            let at = |suffix| dir.join(format!("faults/{}.{suffix}", identity.name));
            assert_eq!(mode(&at("key")), 0o600);
            let loaded = Identity::load(&at("pem"), Some(&at("key"))).unwrap();
            assert_eq!(loaded.chain, identity.chain);
            assert_eq!(loaded.key, identity.key);
        }
        let refused = pki.write_with_faults(&faults, &dir, false).unwrap_err();
        assert!(refused.to_string().contains("exists already"), "{refused}");
        pki.write_with_faults(&faults, &dir, true).unwrap();
    }

    #[test]
    fn faults_of_another_set_are_not_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let set = pki(1);
        let faults = set.mint_faults().unwrap();
        set.write_with_faults(&faults, dir, false).unwrap();
        let stale = |name: &str| {
            let error = pki(1).write(dir, true).unwrap_err().to_string();
            let path = dir.join(name);
            assert!(
                error.starts_with(&format!("{} is left from an earlier set", path.display())),
                "{error}"
            );
            fs::remove_file(path).unwrap();
        };
        stale("crl.pem");
        stale("faults/client-broken-signature.key");
        stale("faults/client-broken-signature.pem");
        fs::write(dir.join("faults/client-of-old.pem"), "").unwrap();
        let error = set.write_with_faults(&faults, dir, true).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("faults/client-of-old.pem is left")
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

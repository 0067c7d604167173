//! Writes a minted [`Pki`] to disk, a file per chain and per key. Keys are never readable by others, and all files
//! appear or none. They are not synced, as they can be minted again.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;
use tempfile::TempPath;

use super::mint::check_clients;
use super::pem::{self, CERTIFICATE};
use super::revocation::CRL;
use super::{Faults, Identity, Pki, PkiError};
use crate::files::write::{TempFolder, make_folders};

const PUBLIC: u32 = 0o644;
const PRIVATE: u32 = 0o600;
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

fn is_in(name: &str, folder: &str) -> bool {
    Path::new(name).parent() == Some(Path::new(folder))
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
    /// Fails if a file exists and `overwrite` is false, if clients, faulty identities or revocation lists of an earlier,
    /// larger set would remain, and if writing fails. The directory is then as it was, but for overwritten files.
    pub fn write(&self, dir: &Path, overwrite: bool) -> Result<Vec<PathBuf>, PkiError> {
        self.write_clients(self.clients().len(), None, dir, overwrite, &mut |_| {})
    }

    /// Writes everything as [`Self::write`] does, and further clients up to `clients` in all, each minted when it is
    /// written, so that memory stays the same however many. `progress` gets the number of files written so far.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::write`] does, for more than 100,000 clients, and if the crypto library fails.
    pub fn write_clients(
        &self,
        clients: usize,
        faults: Option<&Faults>,
        dir: &Path,
        overwrite: bool,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<PathBuf>, PkiError> {
        check_clients(clients)?;
        let mut entries = self.entries();
        entries.extend(faults.into_iter().flat_map(fault_entries));
        let further = self.clients().len()..clients;
        let mut names: Vec<String> = entries.iter().map(|entry| entry.name.clone()).collect();
        let ends = |index| ["pem", "key"].map(|end| format!("client-{index}.{end}"));
        names.extend(further.clone().flat_map(ends));
        check_target(dir, &names, clients, overwrite)?;
        let minted = self
            .further_clients(further)
            .flat_map(|client| match client {
                Ok(client) => identity_entries("", &client).map(Ok).into(),
                Err(error) => vec![Err(error)],
            });
        let all = entries.into_iter().map(Ok).chain(minted);
        let mut undo = Undo::default();
        put_all(dir, (all, &names), overwrite, &mut undo, progress).inspect_err(|_| undo.undo())
    }

    /// Writes everything as [`Self::write`] does, and the faulty identities minted from it: chain and
    /// key of each to `faults/`, and all revocation lists to `crl.pem`.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::write`] does, and if faulty identities of another set would remain.
    pub fn write_with_faults(
        &self,
        faults: &Faults,
        dir: &Path,
        overwrite: bool,
    ) -> Result<Vec<PathBuf>, PkiError> {
        let clients = self.clients().len();
        self.write_clients(clients, Some(faults), dir, overwrite, &mut |_| {})
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

/// The faulty identities and all revocation lists.
fn fault_entries(faults: &Faults) -> Vec<Entry> {
    let lists = faults.crls().iter();
    let mut entries = vec![Entry {
        name: CRL_FILE.into(),
        mode: PUBLIC,
        text: lists.map(|crl| pem::encode(CRL, crl)).collect(),
    }];
    for (_, identity) in faults.clients().chain(faults.servers()) {
        entries.extend(identity_entries(&format!("{FAULTS}/"), identity));
    }
    entries
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
            text: identity.key.der().map_or_else(String::new, |key| {
                pem::encode("PRIVATE KEY", key.secret_der())
            }),
        },
    ]
}

fn chain_pem(chain: &[CertificateDer<'_>]) -> String {
    chain
        .iter()
        .map(|cert| pem::encode(CERTIFICATE, cert))
        .collect()
}

/// Writes all files to a temporary folder in `dir`, so that a full disk is noticed, and then renames them into place.
fn put_all(
    dir: &Path,
    (entries, names): (impl Iterator<Item = Result<Entry, PkiError>>, &[String]),
    overwrite: bool,
    undo: &mut Undo,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<PathBuf>, PkiError> {
    undo.make(dir)?;
    let failed = |source| PkiError::Write {
        path: dir.to_owned(),
        source,
    };
    let staging = TempFolder::new_in(dir).map_err(failed)?;
    let staged = |number: usize| staging.path().join(number.to_string());
    for (number, entry) in entries.enumerate() {
        stage(&staged(number), &entry?).map_err(failed)?;
        progress(number + 1);
    }
    if names.iter().any(|name| is_in(name, FAULTS)) {
        undo.make(&dir.join(FAULTS))?;
    }
    let mut written = Vec::with_capacity(names.len());
    for (number, name) in names.iter().enumerate() {
        let path = dir.join(name);
        place(&staged(number), &path, overwrite)?;
        if !overwrite {
            undo.files.push(path.clone());
        }
        written.push(path);
    }
    Ok(written)
}

/// Refuses a directory in which old and new files would mix.
fn check_target(
    dir: &Path,
    names: &[String],
    clients: usize,
    overwrite: bool,
) -> Result<(), PkiError> {
    if !overwrite {
        let taken = |path: &PathBuf| path.symlink_metadata().is_ok();
        if let Some(path) = names.iter().map(|name| dir.join(name)).find(taken) {
            return Err(PkiError::Exists { path });
        }
    }
    let stale_client = listing(dir)?
        .into_iter()
        .filter_map(|name| client_index(&name).zip(Some(name)))
        .filter(|(index, _)| *index >= clients)
        .min()
        .map(|(_, name)| name);
    match stale_client.or(stale_fault(dir, names)?) {
        Some(name) => Err(PkiError::Stale {
            path: dir.join(name),
        }),
        None => Ok(()),
    }
}

/// A faulty identity or revocation list that would remain from another set; the whole folder if it is not written.
fn stale_fault(dir: &Path, names: &[String]) -> Result<Option<String>, PkiError> {
    let written = |name: &str| names.iter().any(|known| known == name);
    let folder_is_written = names.iter().any(|name| is_in(name, FAULTS));
    let file = listing(&dir.join(FAULTS))?
        .into_iter()
        .filter(|name| is_fault(name))
        .map(|name| format!("{FAULTS}/{name}"))
        .filter(|name| !written(name))
        .min();
    Ok(match file {
        Some(_) if !folder_is_written => Some(FAULTS.to_owned()),
        Some(file) => Some(file),
        None if !written(CRL_FILE) && dir.join(CRL_FILE).exists() => Some(CRL_FILE.to_owned()),
        None => None,
    })
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

/// Writes a file to the temporary folder, with its final mode from the start.
fn stage(path: &Path, entry: &Entry) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(entry.mode)
        .open(path)?;
    // The umask may have cleared bits.
    file.set_permissions(Permissions::from_mode(entry.mode))?;
    file.write_all(entry.text.as_bytes())
}

fn place(staged: &Path, path: &Path, overwrite: bool) -> Result<(), PkiError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => PkiError::Exists {
            path: path.to_owned(),
        },
        _ => PkiError::Write {
            path: path.to_owned(),
            source,
        },
    };
    if overwrite {
        return fs::rename(staged, path).map_err(failed);
    }
    let staged = TempPath::try_from_path(staged).map_err(failed)?;
    staged
        .persist_noclobber(path)
        .map_err(|error| failed(error.error))
}

/// The files and folders that a failed attempt removes again.
#[derive(Default)]
struct Undo {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Undo {
    fn make(&mut self, dir: &Path) -> Result<(), PkiError> {
        let made = make_folders(dir, DIRECTORY).map_err(|source| PkiError::Write {
            path: dir.to_owned(),
            source,
        })?;
        self.folders.extend(made);
        Ok(())
    }

    fn undo(self) {
        // Failures here must not hide the first error.
        for file in self.files.iter().rev() {
            let _ = fs::remove_file(file);
        }
        for folder in self.folders.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

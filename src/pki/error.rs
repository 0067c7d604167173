//! The one error of `pki`: every message names the place, the cause and the next step.
//! No variant may carry key material, and text from files is kept out or escaped.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::text::shell_quote;

/// Why certificates could not be minted, written, loaded or described.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PkiError {
    /// A [`super::PkiSpec`] asks for something that cannot be minted.
    #[error("cannot mint certificates: {cause}; {next}")]
    InvalidSpec {
        /// What is wrong with the specification.
        cause: String,
        /// What to ask for instead.
        next: &'static str,
    },
    /// Key generation or signing failed.
    #[error(
        "cannot mint the {what}: {cause}; try another key algorithm, and report this as a defect"
    )]
    Mint {
        /// The certificate or key that was being made.
        what: String,
        /// What the certificate library said.
        cause: String,
    },
    /// A file could not be opened or read.
    #[error("cannot read {}: {source}; check that the path is right and that this user may read it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is larger than any certificate or key file should be.
    #[error("{} is larger than {limit} bytes; check that it is a certificate or key file, and split a bundle that really is this large", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The largest size that is read, in bytes.
        limit: u64,
    },
    /// The file has no certificate in it.
    #[error("no certificate in {}: found {found}; give a PEM file with a CERTIFICATE section or a DER certificate", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// What the file holds instead.
        found: String,
    },
    /// The file has no certificate revocation list in it.
    #[error("no revocation list in {}: found {found}; give a PEM file with X509 CRL sections or a DER list", path.display())]
    NoCrl {
        /// The file.
        path: PathBuf,
        /// What the file holds instead.
        found: String,
    },
    /// A certificate revocation list in the file does not parse.
    #[error("revocation list {number} in {} does not parse: {cause}; look at it with `openssl crl -in {} -noout -text` and fetch it again", path.display(), quoted(path))]
    BadCrl {
        /// The file.
        path: PathBuf,
        /// Which list of the file, counted from 1.
        number: usize,
        /// What the parser said.
        cause: String,
    },
    /// A certificate revocation list in the file is of a kind that is not used here.
    #[error("revocation list {number} in {} cannot be used: {cause}; {next}", path.display())]
    UnsupportedCrl {
        /// The file.
        path: PathBuf,
        /// Which list of the file, counted from 1.
        number: usize,
        /// Why, as a clause.
        cause: String,
        /// What to do about it.
        next: &'static str,
    },
    /// The file has no private key in it.
    #[error("no private key in {}: found {found}; {next}", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What the file holds instead.
        found: String,
        /// Where to put or name the key.
        next: &'static str,
    },
    /// The private key is protected by a password.
    #[error("the private key in {} is encrypted; decrypt it with `openssl pkey -in {} -out {}` and use the file that makes", path.display(), quoted(path), quoted(&with_suffix(path, ".plain.key")))]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// The file is a PKCS#12 archive (`.p12`, `.pfx`).
    #[error("{} is a PKCS#12 archive; convert it with `openssl pkcs12 -in {} -out {} -nodes` (add `-legacy` if OpenSSL 3 refuses its cipher) and use the file that makes as both certificate and key", path.display(), quoted(path), quoted(&with_suffix(path, ".pem")))]
    Pkcs12 {
        /// The file.
        path: PathBuf,
    },
    /// The file is in another known container that is not read.
    #[error("{} is {what}; convert it with `{command}`", path.display())]
    Container {
        /// The file.
        path: PathBuf,
        /// The container's name, with its article.
        what: &'static str,
        /// The command that makes a PEM file of it.
        command: String,
    },
    /// The file is PEM, but damaged.
    #[error("bad PEM in {} at line {line}: {cause}; copy or export the file again", path.display())]
    BadPem {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        cause: String,
    },
    /// A certificate in the file does not parse.
    #[error("certificate {number} in {} does not parse: {cause}; look at it with `openssl x509 -in {} -noout -text` and export it again", path.display(), quoted(path))]
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// Which certificate of the file, counted from 1.
        number: usize,
        /// What the parser said.
        cause: String,
    },
    /// The private key is readable but unusable.
    #[error("the private key in {} cannot be used: {cause}; use an unencrypted RSA (1024 to 8192 bits), ECDSA (P-256, P-384 or P-521) or Ed25519 key", path.display())]
    BadKey {
        /// The file.
        path: PathBuf,
        /// What the crypto provider said.
        cause: String,
    },
    /// A certificate of an EC key spells out its curve.
    #[error("the certificate in {} spells out its curve (explicit parameters), which peers do not take (RFC 5480 section 2.1.1); convert the key with `openssl ec -in {} -param_enc named_curve -out {}` and have its certificate issued again", cert.display(), quoted(key), quoted(&with_suffix(key, ".named.key")))]
    ExplicitCurve {
        /// The file with the certificate.
        cert: PathBuf,
        /// The file with its key.
        key: PathBuf,
    },
    /// An Ed25519 key in OpenSSH's own form.
    #[error("{} is an Ed25519 key in OpenSSH's own form, which ssh-keygen does not convert; make a key with `openssl genpkey -algorithm ed25519` and have a certificate issued for that", path.display())]
    OpensshEd25519 {
        /// The file.
        path: PathBuf,
    },
    /// The private key belongs to another certificate.
    #[error("the private key in {} does not match the certificate in {}; {next}", key.display(), cert.display())]
    KeyMismatch {
        /// The file with the certificate.
        cert: PathBuf,
        /// The file with the key.
        key: PathBuf,
        /// What to do: another file, or another order.
        next: String,
    },
    /// A certificate that a peer sent, or one held in memory, does not parse.
    #[error(
        "certificate of {der_len} bytes does not parse: {cause}; look at what the peer sends with `openssl s_client -showcerts`"
    )]
    MalformedCertificate {
        /// The length of its DER encoding, in bytes.
        der_len: usize,
        /// What the parser said, escaped.
        cause: String,
    },
    /// A file to be written exists, and overwriting was not asked for.
    #[error("{} exists already; give another directory, or --force to overwrite", path.display())]
    Exists {
        /// The first such file.
        path: PathBuf,
    },
    /// A file of an earlier, larger set would be left among the new ones.
    #[error("{} is left from an earlier set with more in it and would not match the new authority; remove it, or give another directory", path.display())]
    Stale {
        /// The first such file.
        path: PathBuf,
    },
    /// A file or directory could not be written.
    #[error("cannot write {}: {source}; check that the directory is writable and the disk is not full", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Quotes a path for a command that the reader may paste into a shell.
pub(super) fn quoted(path: &Path) -> String {
    shell_quote(&path.to_string_lossy())
}

/// Replaces the extension of `path`, for the output of a command that we suggest.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_os_string();
    name.push(suffix);
    let other = path.with_file_name(name);
    if other == path {
        // A suggestion must never overwrite its own input.
        let mut name = path.as_os_str().to_os_string();
        name.push(suffix);
        return PathBuf::from(name);
    }
    other
}

/// Names what the certificate library could not make.
pub(super) fn failed(what: &str) -> impl FnOnce(rcgen::Error) -> PkiError + use<'_> {
    move |error| PkiError::Mint {
        what: what.to_owned(),
        cause: error.to_string(),
    }
}

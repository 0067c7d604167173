//! The error of `pki`: every message names the place, the cause and the next step. It never carries key material, nor
//! text from files that is not escaped.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::scenario::CertType;
use crate::spiffe::AgentError;
use crate::stats::IdentityTrouble;
use crate::text::shell_quote;

/// Why certificates could not be minted, written, loaded or described.
#[derive(Debug, Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum PkiError {
    #[error("cannot mint certificates: {cause}; {next}")]
    InvalidSpec { cause: String, next: &'static str },
    #[error(
        "cannot mint the {what}: {cause}; try another key algorithm, and report this as a defect"
    )]
    Mint { what: String, cause: String },
    #[error("cannot read {}: {source}; check that the path is right and that this user may read it", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is larger than {limit} bytes; check that it is a certificate or key file, and split a bundle that really is this large", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("no certificate in {}: found {found}; give a PEM file with a CERTIFICATE section or a DER certificate", path.display())]
    NoCertificate { path: PathBuf, found: String },
    #[error("no revocation list in {}: found {found}; give a PEM file with X509 CRL sections or a DER list", path.display())]
    NoCrl { path: PathBuf, found: String },
    #[error("revocation list {number} in {} does not parse: {cause}; look at it with `openssl crl -in {} -noout -text` and fetch it again", path.display(), quoted(path))]
    BadCrl {
        path: PathBuf,
        number: usize,
        cause: String,
    },
    #[error("revocation list {number} in {} cannot be used: {cause}; {next}", path.display())]
    UnsupportedCrl {
        path: PathBuf,
        number: usize,
        cause: String,
        next: &'static str,
    },
    #[error("no private key in {}: found {found}; {next}", path.display())]
    NoKey {
        path: PathBuf,
        found: String,
        next: &'static str,
    },
    #[error("the private key in {} is encrypted; give its password with --pass-file or --pass-env (pass-file or pass-env of the identity in a scenario)", path.display())]
    EncryptedKey { path: PathBuf },
    #[error("{} is a PKCS#12 archive under a password; give it with --pass-file or --pass-env (pass-file or pass-env of the identity in a scenario)", path.display())]
    Pkcs12 { path: PathBuf },
    #[error("the password does not open {}; check it: of a password file the first line counts", path.display())]
    WrongPassword { path: PathBuf },
    #[error(
        "the environment has no variable {name}; set it to the password of the private key, or give --pass-file"
    )]
    NoPassword { name: String },
    #[error("{} is encrypted in a way that is not read here ({cipher}); decrypt it with `openssl pkey -in {} -out {}` and use the file that makes", path.display(), quoted(path), quoted(&with_suffix(path, ".plain.key")))]
    Cipher { path: PathBuf, cipher: String },
    #[error("{} is {what}; convert it with `{command}`", path.display())]
    Container {
        path: PathBuf,
        what: &'static str,
        command: String,
    },
    #[error("{} holds {what}, and its type is said to be {said}; give --cert-type {holds} (cert-type of the identity in a scenario), or drop it: the content decides", path.display())]
    OtherType {
        path: PathBuf,
        what: &'static str,
        holds: CertType,
        said: CertType,
    },
    #[error("bad PEM in {} at line {line}: {cause}; copy or export the file again", path.display())]
    BadPem {
        path: PathBuf,
        line: usize,
        cause: String,
    },
    #[error("certificate {number} in {} does not parse: {cause}; look at it with `openssl x509 -in {} -noout -text` and export it again", path.display(), quoted(path))]
    BadCertificate {
        path: PathBuf,
        number: usize,
        cause: String,
    },
    #[error("the private key in {} cannot be used: {cause}; use an RSA (1024 to 8192 bits), ECDSA (P-256, P-384 or P-521) or Ed25519 key", path.display())]
    BadKey { path: PathBuf, cause: String },
    #[error("the certificate in {} spells out its curve (explicit parameters), which peers do not take (RFC 5480 section 2.1.1); convert the key with `openssl ec -in {} -param_enc named_curve -out {}` and have its certificate issued again", cert.display(), quoted(key), quoted(&with_suffix(key, ".named.key")))]
    ExplicitCurve { cert: PathBuf, key: PathBuf },
    #[error("{} is an Ed25519 key in OpenSSH's own form, which ssh-keygen does not convert; make a key with `openssl genpkey -algorithm ed25519` and have a certificate issued for that", path.display())]
    OpensshEd25519 { path: PathBuf },
    #[error("the private key in {} does not match the certificate in {}; {next}", key.display(), cert.display())]
    KeyMismatch {
        cert: PathBuf,
        key: PathBuf,
        next: String,
    },
    #[error("the key {} cannot be used: {cause}; {next}", uri.display())]
    Token {
        uri: PathBuf,
        cause: String,
        next: String,
    },
    #[error("no fleet in {}: {cause}; give a folder, a pattern such as 'pki/client-*.pem', or a CSV file with the columns cert, key, group and name", path.display())]
    NoFleet { path: PathBuf, cause: String },
    #[error(transparent)]
    Agent(#[from] AgentError),
    #[error("the SVID {id} of the SPIFFE agent at {} cannot be used: {cause}; see the agent's log, and with SPIRE what `spire-agent api fetch x509 -socketPath {}` prints", socket.display(), quoted(socket))]
    Svid {
        socket: PathBuf,
        id: String,
        cause: String,
        trouble: IdentityTrouble,
    },
    #[error("the fleet has no group {name:?}; {}", if groups.is_empty() { "give a manifest with a column group".to_owned() } else { format!("write one of {groups}") })]
    NoGroup { name: String, groups: String },
    #[error("{} did not issue the certificates of the fleet, which name {issuer:?}; give ca and ca-key of that authority", ca.as_ref().map_or_else(|| "no authority".to_owned(), |path| path.display().to_string()))]
    NotIssuer { ca: Option<PathBuf>, issuer: String },
    #[error(
        "certificate of {der_len} bytes does not parse: {cause}; look at what the peer sends with `openssl s_client -showcerts`"
    )]
    MalformedCertificate { der_len: usize, cause: String },
    #[error("{} exists already; give another directory, or --force to overwrite", path.display())]
    Exists { path: PathBuf },
    #[error("{} is left from an earlier set with more in it and would not match the new authority; remove it, or give another directory", path.display())]
    Stale { path: PathBuf },
    #[error("cannot write {}: {source}; check that the directory is writable and the disk is not full", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl PkiError {
    /// Why an identity of a fleet could not be loaded.
    pub fn trouble(&self) -> IdentityTrouble {
        match self {
            Self::Read { .. } => IdentityTrouble::Unreadable,
            Self::KeyMismatch { .. } => IdentityTrouble::Mismatch,
            Self::Svid { trouble, .. } => *trouble,
            _ => IdentityTrouble::Unusable,
        }
    }
}

/// Quotes a path for a shell.
pub(super) fn quoted(path: &Path) -> String {
    shell_quote(&path.to_string_lossy())
}

/// Replaces the extension of `path`, for the output of a suggested command.
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

/// The failure to make `what`.
pub(super) fn failed(what: &str) -> impl FnOnce(rcgen::Error) -> PkiError + use<'_> {
    move |error| PkiError::Mint {
        what: what.to_owned(),
        cause: error.to_string(),
    }
}

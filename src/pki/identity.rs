//! Loads identities (a chain and its key) and trust anchors from users' files. A loaded identity parses, and its key
//! matches; only the peer decides whether to trust it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rcgen::KeyPair;
use rustls::crypto::aws_lc_rs;
use rustls::sign::SigningKey;
use rustls_pki_types::pem::SectionKind;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use super::PkiError;
use super::container::{self, Shape};
use super::der::{parse, shown};
use super::inspect::CertInspect;
use super::key::{KeyHeld, is_explicit, same_key};
use super::pem::{self, PemFault, Section};
use super::short_rsa::ShortRsa;
use super::token;
use super::unlock::{self, Password};
use crate::scenario::{CertType, IdentityFiles, TokenUri};

/// What one side of a session presents: a certificate chain and the private key of its leaf.
pub struct Identity {
    /// A short name for reports: `server`, `client-7`, or the stem of the file it was loaded from.
    pub name: String,
    /// The certificates as they are sent, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key of the leaf.
    pub key: Key,
}

/// Where a private key is.
pub enum Key {
    /// Here, in DER.
    Der(PrivateKeyDer<'static>),
    /// In a PKCS#11 token, which signs with it and does not give it away.
    Token(Arc<dyn SigningKey>),
}

impl Key {
    /// The key itself; `None` if a token keeps it.
    pub fn der(&self) -> Option<&PrivateKeyDer<'static>> {
        match self {
            Self::Der(key) => Some(key),
            Self::Token(_) => None,
        }
    }

    /// The key as an authority signs with it. Those of tokens do not sign certificates here.
    pub(super) fn pair(&self) -> Result<KeyPair, rcgen::Error> {
        match self {
            Self::Der(key) => KeyPair::try_from(key),
            Self::Token(_) => Err(rcgen::Error::RemoteKeyError),
        }
    }
}

impl From<PrivateKeyDer<'static>> for Key {
    fn from(key: PrivateKeyDer<'static>) -> Self {
        Self::Der(key)
    }
}

impl Clone for Key {
    fn clone(&self) -> Self {
        match self {
            Self::Der(key) => Self::Der(key.clone_key()),
            Self::Token(key) => Self::Token(Arc::clone(key)),
        }
    }
}

impl Identity {
    /// Loads a chain from `cert` and its key from `key`, or from `cert` too where `key` is `None`.
    ///
    /// Both files may be PEM or DER; the key may be PKCS#8, SEC1 or PKCS#1. RSA keys are read from 1024 bits on, although
    /// few peers accept less than 2048. Of several private keys in a PEM file the first counts. A key may also be the
    /// `pkcs11:` URI of one in a token.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read, holds something else or is damaged, if the key is encrypted or unusable, and if
    /// it is not the key of the first certificate.
    pub fn load(cert: &Path, key: Option<&Path>) -> Result<Self, PkiError> {
        Self::unlock(cert, key, (None, Password::default()))
    }

    fn unlock(
        cert: &Path,
        key: Option<&Path>,
        (said, password): (Option<CertType>, Password<'_>),
    ) -> Result<Self, PkiError> {
        let cert_bytes = container::read(cert)?;
        if let Some(said) = said {
            container::check_type(cert, &cert_bytes, said)?;
        }
        if let Some(uri) = key.filter(|key| TokenUri::is(key)) {
            let chain = parse_certificates(cert, &cert_bytes)?;
            let key = token::open(uri, password, (cert, &chain))?;
            return Ok(Self::named_by(cert, chain, Key::Token(key)));
        }
        let key_bytes = key.map(container::read).transpose()?;
        Self::read((cert, &cert_bytes), key.zip(key_bytes.as_deref()), password)
    }

    /// Loads the files that a scenario names.
    ///
    /// Fails as [`Self::load`] does.
    pub(crate) fn of_files(files: &IdentityFiles) -> Result<Self, PkiError> {
        let known = (files.cert_type, Password::of(files));
        Self::unlock(&files.cert, files.key.as_deref(), known)
    }

    /// A chain and the PKCS#8 key of its leaf; `place` only serves for errors.
    ///
    /// Fails if the key is unusable, or not that of the first certificate.
    pub(super) fn of_der(
        name: String,
        place: &Path,
        chain: Vec<CertificateDer<'static>>,
        key: Vec<u8>,
    ) -> Result<Self, PkiError> {
        let key = PrivateKeyDer::Pkcs8(key.into());
        check_pair(place, &chain, place, &key)?;
        Ok(Self {
            name,
            chain,
            key: key.into(),
        })
    }

    /// As [`Self::load`], from the bytes of one or two files; the paths only serve for errors and the name.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::load`] does, but for files that cannot be read.
    pub fn parse(
        (cert, cert_bytes): (&Path, &[u8]),
        key: Option<(&Path, &[u8])>,
    ) -> Result<Self, PkiError> {
        Self::read((cert, cert_bytes), key, Password::default())
    }

    fn read(
        (cert, cert_bytes): (&Path, &[u8]),
        key: Option<(&Path, &[u8])>,
        password: Password<'_>,
    ) -> Result<Self, PkiError> {
        let archive = matches!(
            container::shape(cert, cert_bytes),
            Err(PkiError::Pkcs12 { .. })
        );
        let (chain, key, key_der) = match key {
            None if archive => {
                let (chain, key) = unlock::pkcs12(cert, cert_bytes, password)?;
                (chain, cert, key)
            }
            Some((path, bytes)) => {
                let chain = parse_certificates(cert, cert_bytes)?;
                (chain, path, private_key(path, bytes, (false, password))?)
            }
            None => {
                let chain = parse_certificates(cert, cert_bytes)?;
                (
                    chain,
                    cert,
                    private_key(cert, cert_bytes, (true, password))?,
                )
            }
        };
        check_pair(cert, &chain, key, &key_der)?;
        Ok(Self::named_by(cert, chain, key_der.into()))
    }

    fn named_by(cert: &Path, chain: Vec<CertificateDer<'static>>, key: Key) -> Self {
        let stem = cert.file_stem().unwrap_or_default().to_string_lossy();
        Self {
            name: shown(&stem),
            chain,
            key,
        }
    }
}

impl Identity {
    /// The common name of its leaf, as servers see it, or its own name where that has none.
    pub(crate) fn common_name(&self) -> String {
        let leaf = self.chain.first().and_then(CertInspect::parse);
        let name = leaf.and_then(|leaf| leaf.common_name());
        name.unwrap_or_else(|| self.name.clone())
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            chain: self.chain.clone(),
            key: self.key.clone(),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths: Vec<_> = self.chain.iter().map(|cert| cert.len()).collect();
        f.debug_struct("Identity")
            .field("name", &self.name)
            .field("chain_der_lens", &lengths)
            .field("key", &"[secret key elided]")
            .finish()
    }
}

/// Loads trust anchors from a PEM bundle or from one DER certificate.
///
/// # Errors
///
/// Fails if the file cannot be read, holds no certificate, or holds one that does not parse.
pub fn load_roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    parse_certificates(path, &container::read(path)?)
}

/// Reads certificates from the bytes of a file, in its order; never empty. `path` is only named in errors.
///
/// # Errors
///
/// Fails if the bytes hold no certificate, or one that does not parse.
pub fn parse_certificates(
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let none = |found: String| PkiError::NoCertificate {
        path: path.to_owned(),
        found,
    };
    let certs = match container::shape(path, bytes)?.map_err(none)? {
        Shape::EncryptedDer => return Err(none("an encrypted private key".into())),
        Shape::Der if PrivateKeyDer::try_from(bytes).is_ok() => {
            return Err(none("a private key".into()));
        }
        Shape::Der if parse(bytes).is_err() && is_request(bytes) => {
            return Err(none(REQUEST.into()));
        }
        Shape::Der => vec![CertificateDer::from(bytes.to_vec())],
        Shape::Pem => {
            let sections = pem::split(bytes).map_err(|fault| bad_pem(path, fault))?;
            let decoded: Result<Vec<_>, _> = sections
                .iter()
                .filter(|section| section.is_certificate())
                .map(|section| section.decode().map(|(_, der)| CertificateDer::from(der)))
                .collect();
            let certs = decoded.map_err(|fault| bad_pem(path, fault))?;
            if certs.is_empty() {
                container::refuse_wrapped(path, &sections)?;
                return Err(none(labels(&sections)));
            }
            certs
        }
    };
    for (number, cert) in (1..).zip(&certs) {
        parse(cert).map_err(|cause| PkiError::BadCertificate {
            path: path.to_owned(),
            number,
            cause,
        })?;
    }
    Ok(certs)
}

/// The first private key in a file; `shared` says that the file is the certificate's own.
fn private_key(
    path: &Path,
    bytes: &[u8],
    (shared, password): (bool, Password<'_>),
) -> Result<PrivateKeyDer<'static>, PkiError> {
    let none = |found: String| PkiError::NoKey {
        path: path.to_owned(),
        found,
        next: if shared {
            "name the key's file with --key, or append the key to this one"
        } else {
            "give a PEM or DER file with a private key"
        },
    };
    match container::shape(path, bytes)?.map_err(none)? {
        Shape::EncryptedDer => unlock::pkcs8(path, bytes, password),
        Shape::Der => match PrivateKeyDer::try_from(bytes) {
            Ok(key) => Ok(key.clone_key()),
            Err(_) if parse(bytes).is_ok() => Err(none("a DER certificate".into())),
            Err(_) => Err(none("DER of another kind".into())),
        },
        Shape::Pem => {
            let sections = pem::split(bytes).map_err(|fault| bad_pem(path, fault))?;
            container::refuse_wrapped(path, &sections)?;
            let Some(section) = sections.iter().find(|section| section.is_private_key()) else {
                return Err(none(labels(&sections)));
            };
            if section.label == "DSA PRIVATE KEY" {
                return Err(PkiError::BadKey {
                    path: path.to_owned(),
                    cause: "it is a DSA key, which TLS no longer uses".into(),
                });
            }
            if section.has_old_encryption() {
                return unlock::old_pem(path, section, password);
            }
            match section.decode().map_err(|fault| bad_pem(path, fault))? {
                (SectionKind::PrivateKey, der) if section.is_encrypted() => {
                    unlock::pkcs8(path, &der, password)
                }
                (SectionKind::PrivateKey, der) => Ok(PrivateKeyDer::Pkcs8(der.into())),
                (SectionKind::RsaPrivateKey, der) => Ok(PrivateKeyDer::Pkcs1(der.into())),
                (SectionKind::EcPrivateKey, der) => Ok(PrivateKeyDer::Sec1(der.into())),
                _ => Err(none(labels(&sections))),
            }
        }
    }
}

/// Checks that the key can be read and belongs to the first certificate, in any encodings. Keys of kinds unknown here
/// pass: the provider that uses them says more.
fn check_pair(
    cert: &Path,
    chain: &[CertificateDer<'static>],
    key: &Path,
    key_der: &PrivateKeyDer<'static>,
) -> Result<(), PkiError> {
    let loaded = public_key(key_der);
    let held = KeyHeld::parse(key_der);
    let is_of = |cert: &CertificateDer<'_>| {
        let cert = parse(cert).ok()?;
        let spki = cert.public_key().raw;
        match (&loaded, &held) {
            (Ok(public), _) => Some(same_key(public, spki)),
            (Err(_), Some(held)) => held.is_of(spki),
            (Err(_), None) => None,
        }
    };
    if let (Err(cause), None) = (&loaded, &held) {
        return Err(PkiError::BadKey {
            path: key.to_owned(),
            cause: cause.clone(),
        });
    }
    let owner = chain.iter().position(|cert| is_of(cert) != Some(false));
    let next = match owner {
        Some(0) if spells_out_curve(chain) => {
            return Err(PkiError::ExplicitCurve {
                cert: cert.to_owned(),
                key: key.to_owned(),
            });
        }
        Some(0) => return Ok(()),
        Some(index) => format!(
            "it belongs to certificate {} of {}: put that one first in the file",
            index + 1,
            chain.len()
        ),
        None => "give the pair that was issued together".into(),
    };
    Err(PkiError::KeyMismatch {
        cert: cert.to_owned(),
        key: key.to_owned(),
        next,
    })
}

fn spells_out_curve(chain: &[CertificateDer<'static>]) -> bool {
    let leaf = chain.first().map(|leaf| parse(leaf));
    matches!(leaf, Some(Ok(leaf)) if is_explicit(leaf.public_key().raw))
}

/// The public key of a private key, as a DER `SubjectPublicKeyInfo`; the error is a clause.
fn public_key(key: &PrivateKeyDer<'static>) -> Result<Vec<u8>, String> {
    let provider = aws_lc_rs::default_provider().key_provider;
    match provider.load_private_key(key.clone_key()) {
        Ok(key) => match key.public_key() {
            Some(public) => Ok(public.as_ref().to_vec()),
            None => Err("the crypto provider does not tell its public key".into()),
        },
        // Keys too short for the provider are loaded so that peers can reject them.
        Err(error) => match ShortRsa::load(key) {
            Some(key) => Ok(key.spki_der().to_vec()),
            None => Err(match error {
                rustls::Error::General(cause) => cause,
                other => other.to_string(),
            }),
        },
    }
}

const REQUEST: &str = "a certificate signing request, not the certificate that a CA makes from it";

/// Whether DER is a certificate signing request (RFC 2986).
fn is_request(der: &[u8]) -> bool {
    X509CertificationRequest::from_der(der).is_ok()
}

/// The labels of all sections, each once, for a message about what is missing.
pub(super) fn labels(sections: &[Section<'_>]) -> String {
    let mut labels: Vec<&str> = Vec::new();
    for section in sections {
        if !labels.contains(&section.label) {
            labels.push(section.label);
        }
    }
    if let ["CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST"] = labels[..] {
        return REQUEST.to_owned();
    }
    let more = labels.len().saturating_sub(8);
    labels.truncate(8);
    let list = labels.join(", ");
    match (labels.is_empty(), more) {
        (true, _) => "PEM text without a complete section".into(),
        (_, 0) => format!("only {list}"),
        _ => format!("only {list} and {more} other labels"),
    }
}

pub(super) fn bad_pem(path: &Path, fault: PemFault) -> PkiError {
    PkiError::BadPem {
        path: path.to_owned(),
        line: fault.line,
        cause: fault.cause,
    }
}

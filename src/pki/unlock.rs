//! Opens private keys under a password: PKCS#8 (RFC 8018), OpenSSL's old PEM form (RFC 1421 section 4.6, with
//! `EVP_BytesToKey`), and PKCS#12 archives (RFC 7292).

use std::path::Path;

use aes::{Aes128, Aes192, Aes256};
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, InnerIvInit, KeyInit};
use des::TdesEde3;
use md5::{Digest, Md5};
use p12_keystore::error::Error as P12Error;
use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::pem::Section;
use super::{PkiError, container};
use crate::scenario::IdentityFiles;
use crate::text::secrets::Passphrase;

/// Where the password of a key comes from.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Password<'a>(Option<&'a IdentityFiles>);

impl<'a> Password<'a> {
    /// What a scenario says of it.
    pub(super) fn of(files: &'a IdentityFiles) -> Self {
        Self(Some(files))
    }

    /// The password; none was given if `None`.
    ///
    /// Fails if its file cannot be read, or its variable is not set.
    pub(super) fn get(self) -> Result<Option<Passphrase>, PkiError> {
        let Some(files) = self.0 else {
            return Ok(None);
        };
        if let Some(given) = &files.password {
            return Ok(Some(given.clone()));
        }
        if let Some(path) = &files.pass_file {
            return first_line(path).map(Some);
        }
        let Some(name) = &files.pass_env else {
            return Ok(None);
        };
        match std::env::var(name) {
            Ok(value) => Ok(Some(Passphrase::new(&value))),
            Err(_) => Err(PkiError::NoPassword { name: name.clone() }),
        }
    }

    /// The password, which is needed for this file.
    fn needed(self, path: &Path) -> Result<Passphrase, PkiError> {
        self.get()?.ok_or_else(|| PkiError::EncryptedKey {
            path: path.to_owned(),
        })
    }
}

/// The password in a file.
pub(super) fn first_line(path: &Path) -> Result<Passphrase, PkiError> {
    let bytes = container::read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(Passphrase::new(text.lines().next().unwrap_or_default()))
}

fn wrong(path: &Path) -> PkiError {
    PkiError::WrongPassword {
        path: path.to_owned(),
    }
}

fn unread(path: &Path, cipher: String) -> PkiError {
    PkiError::Cipher {
        path: path.to_owned(),
        cipher,
    }
}

/// A PKCS#8 key under a password, in DER.
pub(super) fn pkcs8(
    path: &Path,
    der: &[u8],
    password: Password<'_>,
) -> Result<PrivateKeyDer<'static>, PkiError> {
    let secret = password.needed(path)?;
    let info = EncryptedPrivateKeyInfoRef::try_from(der)
        .map_err(|error| unread(path, error.to_string()))?;
    // A wrong password shows in the padding or as something that is no key.
    let opened = info.decrypt(secret.expose()).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::UnsupportedAlgorithm { oid }) => {
            unread(path, oid.to_string())
        }
        _ => wrong(path),
    })?;
    Ok(PrivateKeyDer::Pkcs8(opened.as_bytes().to_vec().into()))
}

/// A key in OpenSSL's old form: its header names cipher and initialisation vector.
pub(super) fn old_pem(
    path: &Path,
    section: &Section<'_>,
    password: Password<'_>,
) -> Result<PrivateKeyDer<'static>, PkiError> {
    let (cipher, iv, data) = (section.old_encryption())
        .ok_or_else(|| unread(path, "its header names no cipher".to_owned()))?;
    let secret = password.needed(path)?;
    let secret = secret.expose().as_bytes();
    let opened = match cipher {
        "AES-128-CBC" => cbc::<Aes128>(&derived(secret, &iv, 16), &iv, &data),
        "AES-192-CBC" => cbc::<Aes192>(&derived(secret, &iv, 24), &iv, &data),
        "AES-256-CBC" => cbc::<Aes256>(&derived(secret, &iv, 32), &iv, &data),
        "DES-EDE3-CBC" => cbc::<TdesEde3>(&derived(secret, &iv, 24), &iv, &data),
        other => return Err(unread(path, other.to_owned())),
    };
    let key = opened.and_then(|der| PrivateKeyDer::try_from(der).ok());
    key.ok_or_else(|| wrong(path))
}

/// OpenSSL's `EVP_BytesToKey` with MD5 and one round: the salt is the first half of the vector.
fn derived(password: &[u8], iv: &[u8], length: usize) -> Vec<u8> {
    let salt = iv.get(..8).unwrap_or(iv);
    let mut key: Vec<u8> = Vec::new();
    let mut block: Vec<u8> = Vec::new();
    while key.len() < length {
        let mut hash = Md5::new();
        hash.update(&block);
        hash.update(password);
        hash.update(salt);
        block = hash.finalize().to_vec();
        key.extend_from_slice(&block);
    }
    key.truncate(length);
    key
}

/// `None` if the lengths or the padding are wrong.
fn cbc<C: BlockCipherDecrypt + KeyInit>(key: &[u8], iv: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let cipher = C::new_from_slice(key).ok()?;
    let mode = Decryptor::<C>::inner_iv_slice_init(cipher, iv).ok()?;
    mode.decrypt_padded_vec::<Pkcs7>(data).ok()
}

/// A PKCS#12 archive: its first private key and the chain of that, leaf first.
pub(super) fn pkcs12(
    path: &Path,
    bytes: &[u8],
    password: Password<'_>,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), PkiError> {
    let open = |secret: &str| KeyStore::from_pkcs12(bytes, secret, Pkcs12ImportPolicy::Relaxed);
    let opened = match password.get()? {
        Some(secret) => open(secret.expose()),
        // Many have none, which is an empty one.
        None => match open("") {
            Ok(opened) => Ok(opened),
            Err(_) => {
                return Err(PkiError::Pkcs12 {
                    path: path.to_owned(),
                });
            }
        },
    };
    let store = opened.map_err(|error| match error {
        P12Error::UnsupportedEncryptionScheme | P12Error::UnsupportedMacAlgorithm => {
            unread(path, error.to_string())
        }
        _ => wrong(path),
    })?;
    let (_, found) = store.private_key_chain().ok_or_else(|| PkiError::NoKey {
        path: path.to_owned(),
        found: "a PKCS#12 archive without a private key that is its certificate's".to_owned(),
        next: "export certificate and key together (`openssl pkcs12 -export`)",
    })?;
    let certs = found.certs().iter();
    let chain = certs.map(|cert| CertificateDer::from(cert.as_der().to_vec()));
    let key = found.key().as_der().to_vec();
    Ok((chain.collect(), PrivateKeyDer::Pkcs8(key.into())))
}

//! Certificate revocation lists as users bring them. A loaded list is known to parse; whether its signature
//! holds and what it says about a certificate is the verifier's business.

use std::path::Path;

use rustls_pki_types::{CertificateRevocationListDer, PrivateKeyDer};
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::PkiError;
use super::container::{self, Shape};
use super::identity::{bad_pem, labels, parse};
use super::pem;
use crate::text::{UNTRUSTED_CAP, escape_untrusted};

/// The label of a revocation list's section.
pub(super) const CRL: &str = "X509 CRL";

/// Loads revocation lists: all sections of a PEM file, or one DER list.
///
/// # Errors
///
/// Fails if the file cannot be read, holds no list, or holds one that does not parse.
pub fn load_crls(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, PkiError> {
    parse_crls(path, &container::read(path)?)
}

/// Reads revocation lists from the bytes of a file; `path` is only named in errors.
///
/// # Errors
///
/// Fails if the bytes hold no list, or one that does not parse.
pub fn parse_crls(
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateRevocationListDer<'static>>, PkiError> {
    let none = |found: String| PkiError::NoCrl {
        path: path.to_owned(),
        found,
    };
    let crls = match container::shape(path, bytes)?.map_err(none)? {
        Shape::EncryptedDer => return Err(none("an encrypted private key".into())),
        Shape::Der if PrivateKeyDer::try_from(bytes).is_ok() => {
            return Err(none("a private key".into()));
        }
        Shape::Der if parse(bytes).is_ok() => return Err(none("a DER certificate".into())),
        Shape::Der => vec![CertificateRevocationListDer::from(bytes.to_vec())],
        Shape::Pem => {
            let sections = pem::split(bytes).map_err(|fault| bad_pem(path, fault))?;
            let decoded: Result<Vec<_>, _> = sections
                .iter()
                .filter(|section| section.label == CRL)
                .map(|section| section.decode().map(|(_, der)| der.into()))
                .collect();
            let crls = decoded.map_err(|fault| bad_pem(path, fault))?;
            if crls.is_empty() {
                return Err(none(labels(&sections)));
            }
            crls
        }
    };
    for (number, crl) in (1..).zip(&crls) {
        check(crl).map_err(|cause| PkiError::BadCrl {
            path: path.to_owned(),
            number,
            cause,
        })?;
    }
    Ok(crls)
}

/// Checks that bytes are one revocation list; the error is a clause, without text from the list.
fn check(der: &[u8]) -> Result<(), String> {
    match CertificateRevocationList::from_der(der) {
        Ok(([], _)) => Ok(()),
        Ok((rest, _)) => Err(format!("{} bytes follow its end", rest.len())),
        Err(x509_parser::nom::Err::Incomplete(_)) => Err("it is truncated".into()),
        Err(x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error)) => {
            Err(escape_untrusted(&error.to_string(), UNTRUSTED_CAP))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::pki::{Pki, PkiSpec};

    #[test]
    fn lists_load_from_pem_and_der() {
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki::mint(&PkiSpec::default()).unwrap();
        let faults = pki.mint_faults().unwrap();
        let text: String = faults
            .crls()
            .iter()
            .map(|crl| pem::encode(CRL, crl))
            .collect();
        let path = dir.path().join("crl.pem");
        fs::write(&path, text).unwrap();
        assert_eq!(load_crls(&path).unwrap(), faults.crls());
        let path = dir.path().join("one.crl");
        fs::write(&path, &faults.crls()[0]).unwrap();
        assert_eq!(load_crls(&path).unwrap(), faults.crls()[..1]);
    }

    #[test]
    fn what_is_no_list_says_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki::mint(&PkiSpec::default()).unwrap();
        let cert = pki.roots()[0].to_vec();
        let refusal = |bytes: &[u8]| {
            let path = dir.path().join("x");
            fs::write(&path, bytes).unwrap();
            let error = load_crls(&path).unwrap_err().to_string();
            error.replace(&format!("{}/", dir.path().display()), "")
        };
        let hint = "; give a PEM file with X509 CRL sections or a DER list";
        let pem_cert = pem::encode(pem::CERTIFICATE, &cert);
        for (bytes, found) in [
            (&b""[..], "an empty file"),
            (b"hello", "neither PEM text nor DER"),
            (&cert, "a DER certificate"),
            (pki.server().key.secret_der(), "a private key"),
            (pem_cert.as_bytes(), "only CERTIFICATE"),
        ] {
            let expected = format!("no revocation list in x: found {found}{hint}");
            assert_eq!(refusal(bytes), expected);
        }
        let refused = refusal(pem::encode(CRL, &[0x30, 3, 2, 1, 1]).as_bytes());
        let start = "revocation list 1 in x does not parse: ";
        assert!(refused.starts_with(start), "{refused}");
        assert!(refused.contains("openssl crl -in x"), "{refused}");
        assert!(refusal(b"-----BEGIN X509 CRL-----\n").contains("truncated"));
    }
}

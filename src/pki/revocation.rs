//! Loads certificate revocation lists from users' files and finds superseded ones. Verifying their signatures and
//! applying them is up to the verifier.

use std::path::Path;

use rustls_pki_types::{CertificateRevocationListDer, PrivateKeyDer};
use x509_parser::prelude::{CertificateRevocationList, ParsedExtension};
use x509_parser::x509::X509Version;

use super::PkiError;
use super::container::{self, Shape};
use super::der::{parse, whole};
use super::identity::{bad_pem, labels};
use super::inspect::{extension_name, name_text};
use super::pem;
use crate::text::words;

/// The label of a revocation list's section.
pub(super) const CRL: &str = "X509 CRL";

/// The extensions of lists that webpki knows: number, delta indicator, issuing distribution point, authority key
/// identifier.
const LIST_EXTENSIONS: [&str; 4] = ["2.5.29.20", "2.5.29.27", "2.5.29.28", "2.5.29.35"];

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
    let unusable = |number, cause: String| PkiError::BadCrl {
        path: path.to_owned(),
        number,
        cause,
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
            let lists = sections.iter().filter(|section| section.label == CRL);
            let decoded: Result<Vec<_>, _> = (1..)
                .zip(lists)
                .map(|(number, section)| match section.decode() {
                    Ok((_, der)) => Ok(der.into()),
                    Err(fault) => Err(unusable(
                        number,
                        format!("line {}: {}", fault.line, fault.cause),
                    )),
                })
                .collect();
            let crls = decoded?;
            if crls.is_empty() {
                return Err(none(labels(&sections)));
            }
            crls
        }
    };
    for (number, crl) in (1..).zip(&crls) {
        let list = read(crl).map_err(|cause| unusable(number, cause))?;
        if let Some((cause, next)) = unsupported(&list) {
            return Err(PkiError::UnsupportedCrl {
                path: path.to_owned(),
                number,
                cause,
                next,
            });
        }
    }
    Ok(crls)
}

fn read(der: &[u8]) -> Result<CertificateRevocationList<'_>, String> {
    whole(der)
}

/// Why the verifier does not support a list that parses, as a clause, and the remedy.
fn unsupported(list: &CertificateRevocationList<'_>) -> Option<(String, &'static str)> {
    use webpki::Error;

    const AGAIN: &str = "have the authority make it again as RFC 5280 section 5 asks";
    if list.version() != Some(X509Version::V2) {
        let next = "have it made with extensions (`openssl ca -gencrl -crlexts SECTION`, with authorityKeyIdentifier in the section and a crlnumber file)";
        return Some(("it is of version 1".into(), next));
    }
    if list.next_update().is_none() {
        return Some(("it has no next update".into(), AGAIN));
    }
    if list.extensions().is_empty() {
        return Some(("it has no extensions".into(), AGAIN));
    }
    match webpki::BorrowedCertRevocationList::from_der(list.as_raw())
        .and_then(|list| list.to_owned())
    {
        Ok(_) => None,
        Err(Error::UnsupportedDeltaCrl) => Some((
            "it is a delta list, which only amends a complete one".into(),
            "give the authority's complete list",
        )),
        Err(Error::UnsupportedIndirectCrl) => Some((
            "it is an indirect list, which covers certificates of other issuers".into(),
            "give the list that each issuer signs itself",
        )),
        Err(Error::UnsupportedRevocationReasonsPartitioning) => Some((
            "it covers some reasons for revocation only".into(),
            "give the authority's list of all reasons",
        )),
        Err(Error::UnsupportedCrlIssuingDistributionPoint) => Some((
            "its issuing distribution point has no full name".into(),
            AGAIN,
        )),
        Err(Error::UnsupportedCriticalExtension) => {
            let critical = list.extensions().iter().find(|ext| {
                ext.critical && !LIST_EXTENSIONS.contains(&ext.oid.to_id_string().as_str())
            });
            let which = critical.map_or_else(
                || "of an entry".to_owned(),
                |ext| extension_name(&ext.oid.to_id_string()),
            );
            Some((
                format!("its critical extension {which} is not processed here"),
                AGAIN,
            ))
        }
        Err(error) => Some((words(&format!("{error:?}")), AGAIN)),
    }
}

/// The certificates that a list covers, and its age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListScope {
    /// The issuer's distinguished name in DER.
    pub issuer_der: Vec<u8>,
    /// The key that the list says it is signed with (RFC 5280 section 5.2.1).
    key_id: Option<Vec<u8>>,
    /// The issuing distribution point (RFC 5280 section 5.2.5); a list without one covers all of its issuer's
    /// certificates.
    point: Option<Vec<u8>>,
    /// Seconds since 1970, then the list number (RFC 5280 section 5.2.3) with its length first, so that it compares as a
    /// number.
    age: (i64, usize, Vec<u8>),
}

impl ListScope {
    /// Reads the scope of a list; `None` if it does not parse.
    pub(crate) fn parse(der: &[u8]) -> Option<Self> {
        read(der).ok().map(|list| Self::of(&list))
    }

    fn of(list: &CertificateRevocationList<'_>) -> Self {
        let number = list
            .crl_number()
            .map(x509_parser::num_bigint::BigUint::to_bytes_be);
        let number = number.unwrap_or_default();
        let mut key_id = None;
        let mut point = None;
        for extension in list.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::AuthorityKeyIdentifier(key) => {
                    key_id = key.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                ParsedExtension::IssuingDistributionPoint(_) => {
                    point = Some(extension.value.to_vec());
                }
                _ => {}
            }
        }
        Self {
            issuer_der: list.issuer().as_raw().to_vec(),
            key_id,
            point,
            age: (list.last_update().timestamp(), number.len(), number),
        }
    }

    /// Whether this list is newer than the other, by date and then by number, and covers as much.
    pub(crate) fn supersedes(&self, other: &Self) -> bool {
        self.key_id == other.key_id && self.outdates(other)
    }

    /// As [`Self::supersedes`], for lists known to be signed with one key.
    pub(crate) fn outdates(&self, other: &Self) -> bool {
        self.issuer_der == other.issuer_der
            && (self.point.is_none() || self.point == other.point)
            && self.age > other.age
    }

    /// Whether this list is newer by date but not by number, which RFC 5280 section 5.2.3 forbids.
    fn contradicts(&self, other: &Self) -> bool {
        let number = |scope: &Self| (scope.age.1, scope.age.2.clone());
        self.age.0 > other.age.0 && number(self) < number(other)
    }
}

/// The lists of an issuer that parse, with their scopes.
fn lists_of<'a>(
    crls: &'a [CertificateRevocationListDer<'static>],
    issuer_der: &[u8],
) -> Vec<(CertificateRevocationList<'a>, ListScope)> {
    let lists = crls.iter().filter_map(|crl| read(crl).ok());
    lists
        .filter(|list| list.issuer().as_raw() == issuer_der)
        .map(|list| {
            let scope = ListScope::of(&list);
            (list, scope)
        })
        .collect()
}

/// Whether a current list of this issuer has a serial number; the list's signature is not checked.
pub(crate) fn lists_naming(
    crls: &[CertificateRevocationListDer<'static>],
    issuer_der: &[u8],
    serial: &[u8],
) -> bool {
    let lists = lists_of(crls, issuer_der);
    let is_current = |scope| !lists.iter().any(|(_, other)| other.supersedes(scope));
    lists.iter().any(|(list, scope)| {
        let mut revoked = list.iter_revoked_certificates();
        is_current(scope) && revoked.any(|revoked| revoked.raw_serial() == serial)
    })
}

/// The next update of an issuer's newest list, in seconds since 1970.
pub(crate) fn next_update_of(
    crls: &[CertificateRevocationListDer<'static>],
    issuer_der: &[u8],
) -> Option<i64> {
    let lists = lists_of(crls, issuer_der).into_iter();
    let due = lists.filter_map(|(list, scope)| Some((scope, list.next_update()?.timestamp())));
    due.max_by(|(a, _), (b, _)| a.age.cmp(&b.age))
        .map(|(_, at)| at)
}

/// A sentence for each superseded list of a file; `path` is only named.
pub fn superseded(path: &Path, crls: &[CertificateRevocationListDer<'static>]) -> Vec<String> {
    let scopes: Vec<_> = crls.iter().map(|crl| ListScope::parse(crl)).collect();
    let newest = |old: &ListScope| {
        let newer = (1..).zip(scopes.iter().flatten());
        newer
            .filter(|(_, new)| new.supersedes(old))
            .max_by(|(_, a), (_, b)| a.age.cmp(&b.age))
    };
    let old = (1..).zip(scopes.iter().flatten());
    old.filter_map(|(number, old)| {
        let (by, new) = newest(old)?;
        let odd = if new.contradicts(old) {
            ", although its list number is lower: the date decides"
        } else {
            ""
        };
        Some(format!(
            "revocation list {number} in {} is not used: list {by} of {} is newer{odd}",
            path.display(),
            name_text(&new.issuer_der),
        ))
    })
    .collect()
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
            (
                pki.server().key.der().unwrap().secret_der(),
                "a private key",
            ),
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

    #[test]
    fn lists_that_are_not_used_are_named_by_number() {
        let fixture = |name: &str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
            fs::read_to_string(path.join(name)).unwrap()
        };
        let pki = Pki::mint(&PkiSpec::default()).unwrap();
        let good = pem::encode(CRL, &pki.mint_faults().unwrap().crls()[0]);
        let refusal = |second: &str| {
            let both = format!("{good}{second}");
            let refused = parse_crls(Path::new("x.pem"), both.as_bytes());
            refused.unwrap_err().to_string()
        };
        for (second, expected) in [
            (
                fixture("crl-v1.pem"),
                "cannot be used: it is of version 1; have it made with extensions",
            ),
            (
                fixture("crl-delta.pem"),
                "cannot be used: it is a delta list, which only amends a complete one; give the authority's complete list",
            ),
            (
                "-----BEGIN X509 CRL-----\n?\n-----END X509 CRL-----\n".into(),
                "does not parse: line ",
            ),
        ] {
            let refused = refusal(&second);
            let start = format!("revocation list 2 in x.pem {expected}");
            assert!(refused.starts_with(&start), "{refused}");
        }
    }

    #[test]
    fn superseded_lists_are_named() {
        use rcgen::{
            CertificateParams, CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair,
        };
        use time::{Duration, OffsetDateTime};

        let key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(vec![]).unwrap();
        authority.key_usages = vec![rcgen::KeyUsagePurpose::CrlSign];
        let issuer = Issuer::from_params(&authority, &key);
        let list = |number: u64, age: i64| -> CertificateRevocationListDer<'static> {
            let now = OffsetDateTime::now_utc();
            let params = CertificateRevocationListParams {
                this_update: now - Duration::days(age),
                next_update: now + Duration::days(9),
                crl_number: number.into(),
                issuing_distribution_point: None,
                revoked_certs: vec![],
                key_identifier_method: KeyIdMethod::Sha256,
            };
            params.signed_by(&issuer).unwrap().into()
        };
        let lists = [list(5, 5), list(6, 1), list(7, 3)];
        let name = name_text(&ListScope::parse(&lists[0]).unwrap().issuer_der);
        let said = superseded(Path::new("x.pem"), &lists);
        let expected = [
            format!("revocation list 1 in x.pem is not used: list 2 of {name} is newer"),
            format!(
                "revocation list 3 in x.pem is not used: list 2 of {name} is newer, although its list number is lower: the date decides"
            ),
        ];
        assert_eq!(said, expected);
        assert!(superseded(Path::new("x.pem"), &lists[..1]).is_empty());
    }
}

//! Relaxes full verification: leaves that are trusted themselves, and names expected in place of the one that is
//! sent. The inner layer verifies the chain.

use std::fmt;
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error};

use super::chain::{Chain, Chains};
use super::classify::is_about_the_name;
use super::spec::TlsConfigError;
use crate::pki::{CertInspect, lists_naming};

/// A name that a subject alternative name of the server must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ExpectedName {
    /// A DNS name or an address, matched by RFC 9525.
    Host(ServerName<'static>),
    /// A URI, equal to the certificate's.
    Uri(String),
    /// Any path in this SPIFFE trust domain, which ends in a slash.
    TrustDomain(String),
}

impl ExpectedName {
    /// `spiffe://` without a path stands for the trust domain; other URIs begin with a scheme and a colon.
    ///
    /// Fails if it is neither a URI nor a DNS name nor an address.
    pub(crate) fn parse(text: &str) -> Result<Self, TlsConfigError> {
        if let Some(id) = text.strip_prefix("spiffe://") {
            return match id.trim_end_matches('/').split_once('/') {
                None if !id.is_empty() => Ok(Self::TrustDomain(format!(
                    "spiffe://{}/",
                    id.trim_end_matches('/')
                ))),
                Some((domain, _)) if !domain.is_empty() => Ok(Self::Uri(text.to_owned())),
                _ => Err(TlsConfigError::ExpectedName(text.to_owned())),
            };
        }
        if let Ok(name) = ServerName::try_from(text.to_owned()) {
            return Ok(Self::Host(name));
        }
        let scheme = text.split_once(':').map(|(scheme, rest)| {
            let letters = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
            letters && !rest.is_empty()
        });
        match scheme {
            Some(true) => Ok(Self::Uri(text.to_owned())),
            _ => Err(TlsConfigError::ExpectedName(text.to_owned())),
        }
    }

    fn matches(&self, leaf: &CertificateDer<'_>, uris: &[String]) -> bool {
        match self {
            Self::Host(name) => ParsedCertificate::try_from(leaf)
                .and_then(|leaf| verify_server_name(&leaf, name))
                .is_ok(),
            Self::Uri(expected) if expected.starts_with("spiffe://") => {
                matches!(uris, [only] if only == expected)
            }
            Self::Uri(expected) => uris.contains(expected),
            // A SPIFFE certificate has one URI (X509-SVID section 2).
            Self::TrustDomain(domain) => {
                matches!(uris, [only] if only.len() > domain.len() && only.starts_with(domain))
            }
        }
    }
}

impl fmt::Display for ExpectedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => f.write_str(&name.to_str()),
            Self::Uri(uri) => f.write_str(uri),
            Self::TrustDomain(domain) => write!(f, "any path in {domain}"),
        }
    }
}

/// Whether a certificate holds a name: a DNS name, an address, or a URI as `--expected-name` takes it.
pub(crate) fn covers_name(leaf: &CertificateDer<'_>, name: &str) -> bool {
    let uris = CertInspect::parse(leaf).map_or_else(Vec::new, |leaf| leaf.uris());
    ExpectedName::parse(name).is_ok_and(|name| name.matches(leaf, &uris))
}

pub(super) fn listed(names: &[ExpectedName]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    names.join(" or ")
}

/// Trusts leaves that are in the CA bundle, byte for byte, and checks the expected names.
#[derive(Debug)]
pub(super) struct Trusting {
    pub inner: Arc<dyn Chains>,
    /// The CA bundle.
    pub roots: Arc<[CertificateDer<'static>]>,
    pub crls: Arc<[CertificateRevocationListDer<'static>]>,
    /// If empty, the name that was sent must match.
    pub names: Vec<ExpectedName>,
}

impl Trusting {
    /// Checks that the leaf has one of the names or, if there are none, the one that was sent.
    pub(crate) fn name(names: &[ExpectedName], chain: &Chain<'_>) -> Result<(), Error> {
        let leaf = chain.leaf;
        if names.is_empty() {
            let leaf = ParsedCertificate::try_from(leaf)?;
            return verify_server_name(&leaf, chain.server_name()?);
        }
        let uris = CertInspect::parse(leaf).map_or_else(Vec::new, |leaf| leaf.uris());
        if names.iter().any(|name| name.matches(leaf, &uris)) {
            Ok(())
        } else {
            Err(CertificateError::NotValidForName.into())
        }
    }

    /// Verifies a trusted leaf: its dates, purpose and name, and that no list revokes it.
    fn trusted_leaf(&self, chain: &Chain<'_>) -> Result<(), Error> {
        let cert = CertInspect::parse(chain.leaf).ok_or(CertificateError::BadEncoding)?;
        let (from, to) = cert.validity_unix_s();
        let now = chain.now_unix_s();
        if now < from {
            return Err(CertificateError::NotValidYet.into());
        }
        if now > to {
            return Err(CertificateError::Expired.into());
        }
        if cert.lacks_server_auth() {
            return Err(CertificateError::InvalidPurpose.into());
        }
        if lists_naming(&self.crls, cert.issuer_der(), cert.serial()) {
            return Err(CertificateError::Revoked.into());
        }
        Self::name(&self.names, chain)
    }
}

/// Whether an error is about the path to a root, which a trusted leaf does not need.
fn is_about_the_path(error: &Error) -> bool {
    !matches!(
        error,
        Error::InvalidCertRevocationList(_)
            | Error::InvalidCertificate(
                CertificateError::Revoked
                    | CertificateError::ExpiredRevocationList
                    | CertificateError::ExpiredRevocationListContext { .. }
            )
    ) && !is_about_the_name(error)
}

impl Chains for Trusting {
    fn verify(&self, chain: &Chain<'_>) -> Result<(), Error> {
        match self.inner.verify(chain) {
            Err(error) if is_about_the_path(&error) && self.roots.contains(chain.leaf) => {
                // webpki's parser is stricter: keep its error.
                ParsedCertificate::try_from(chain.leaf)?;
                self.trusted_leaf(chain)
            }
            Err(error) if self.names.is_empty() || !is_about_the_name(&error) => Err(error),
            _ if self.names.is_empty() => Ok(()),
            _ => Self::name(&self.names, chain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let parse = |text: &str| ExpectedName::parse(text).ok();
        assert!(matches!(parse("localhost"), Some(ExpectedName::Host(_))));
        assert!(matches!(parse("127.0.0.1"), Some(ExpectedName::Host(_))));
        assert!(matches!(parse("::1"), Some(ExpectedName::Host(_))));
        let id = "spiffe://example.org/ns/web";
        assert_eq!(parse(id), Some(ExpectedName::Uri(id.to_owned())));
        for domain in ["spiffe://example.org", "spiffe://example.org/"] {
            let expected = ExpectedName::TrustDomain("spiffe://example.org/".to_owned());
            assert_eq!(parse(domain), Some(expected));
        }
        assert_eq!(
            parse("urn:uuid:1"),
            Some(ExpectedName::Uri("urn:uuid:1".to_owned()))
        );
        for wrong in ["", "spiffe://", "spiffe:///x", "a b", ":x", "x:"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_trust_domain_is_no_prefix_of_another() {
        let domain = ExpectedName::parse("spiffe://example.org").unwrap();
        let leaf = CertificateDer::from(Vec::new());
        let matches = |uris: &[&str]| {
            let uris: Vec<String> = uris.iter().map(|uri| (*uri).to_owned()).collect();
            domain.matches(&leaf, &uris)
        };
        assert!(matches(&["spiffe://example.org/web"]));
        assert!(!matches(&["spiffe://example.org.evil/web"]));
        assert!(!matches(&["spiffe://example.org/"]));
        assert!(!matches(&[
            "spiffe://example.org/a",
            "spiffe://example.org/b"
        ]));
    }
}

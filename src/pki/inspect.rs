//! Reads the parts of a certificate that can make a verifier reject it. Verifies nothing.

use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, GeneralSubtree, NameConstraints, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use super::der::{parse, shown};
use super::facts::{alt_name, key_name};

/// The extensions that webpki processes: key usage, subject alternative name, basic and name constraints, distribution
/// points, extended key usage, and the SCTs of certificate transparency.
const PROCESSED: [&str; 7] = [
    "2.5.29.15",
    "2.5.29.17",
    "2.5.29.19",
    "2.5.29.30",
    "2.5.29.31",
    "2.5.29.37",
    "1.3.6.1.4.1.11129.2.4.2",
];

/// A parsed certificate.
#[derive(Debug)]
pub struct CertInspect<'a> {
    parsed: X509Certificate<'a>,
}

impl<'a> CertInspect<'a> {
    /// `None` if the certificate does not parse.
    pub fn parse(cert: &'a CertificateDer<'_>) -> Option<Self> {
        let parsed = parse(cert).ok()?;
        Some(Self { parsed })
    }

    /// The subject, escaped.
    pub(crate) fn subject(&self) -> String {
        shown(&self.parsed.subject().to_string())
    }

    /// The subject's last common name, not escaped; `None` if it has none.
    pub(crate) fn common_name(&self) -> Option<String> {
        let names = self.parsed.subject().iter_common_name();
        let name = names.last()?.as_str().ok()?;
        (!name.is_empty()).then(|| name.to_owned())
    }

    /// The issuer, escaped.
    pub(crate) fn issuer(&self) -> String {
        shown(&self.parsed.issuer().to_string())
    }

    /// The public key as a DER `SubjectPublicKeyInfo`.
    pub(crate) fn spki_der(&self) -> &'a [u8] {
        self.parsed.tbs_certificate.subject_pki.raw
    }

    /// The subject's distinguished name in DER.
    pub(crate) fn subject_der(&self) -> &'a [u8] {
        self.parsed.tbs_certificate.subject.as_raw()
    }

    /// The issuer's distinguished name in DER.
    pub(crate) fn issuer_der(&self) -> &'a [u8] {
        self.parsed.tbs_certificate.issuer.as_raw()
    }

    /// Whether it names itself as its issuer, as roots do. A matching name is no proof of a signature.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.subject_der() == self.issuer_der()
    }

    /// The public key's kind: `EC P-256`, `RSA 2048`, or its object identifier.
    pub(crate) fn key(&self) -> String {
        key_name(self.parsed.public_key())
    }

    /// The serial number as encoded.
    pub(crate) fn serial(&self) -> &[u8] {
        self.parsed.raw_serial()
    }

    /// The first and the last second of validity, in seconds since 1970.
    pub(crate) fn validity_unix_s(&self) -> (i64, i64) {
        let validity = self.parsed.validity();
        (
            validity.not_before.timestamp(),
            validity.not_after.timestamp(),
        )
    }

    /// The version, counted from 1: 3 with extensions.
    pub(crate) fn version(&self) -> u32 {
        self.parsed.version().0.saturating_add(1)
    }

    /// Whether it may sign certificates, and the most CAs that may stand between it and a leaf.
    pub(crate) fn authority(&self) -> (bool, Option<u32>) {
        match self.parsed.basic_constraints() {
            Ok(Some(found)) => (found.value.ca, found.value.path_len_constraint),
            _ => (false, None),
        }
    }

    /// Whether there are extended key usages without server authentication.
    pub fn lacks_server_auth(&self) -> bool {
        match self.parsed.extended_key_usage() {
            Ok(Some(found)) => !found.value.server_auth,
            _ => false,
        }
    }

    /// Whether there are extended key usages without client authentication.
    pub fn lacks_client_auth(&self) -> bool {
        match self.parsed.extended_key_usage() {
            Ok(Some(found)) => !found.value.client_auth,
            _ => false,
        }
    }

    /// Whether there is a key usage without digital signatures.
    pub(crate) fn cannot_sign(&self) -> bool {
        match self.parsed.key_usage() {
            Ok(Some(found)) => !found.value.digital_signature(),
            _ => false,
        }
    }

    /// The hash of its signature, where nobody takes it any more.
    pub(crate) fn weak_signature(&self) -> Option<&'static str> {
        let algorithm = self.parsed.signature_algorithm.algorithm.to_id_string();
        match algorithm.as_str() {
            "1.2.840.113549.1.1.4" => Some("MD5"),
            "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" => Some("SHA-1"),
            _ => None,
        }
    }

    /// The URIs among its subject alternative names, as they are.
    pub(crate) fn uris(&self) -> Vec<String> {
        let Ok(Some(san)) = self.parsed.subject_alternative_name() else {
            return Vec::new();
        };
        let names = san.value.general_names.iter();
        names
            .filter_map(|name| match name {
                GeneralName::URI(uri) => Some((*uri).to_owned()),
                _ => None,
            })
            .collect()
    }

    /// The first critical extension that is not processed, by name and number.
    pub(crate) fn unprocessed_critical(&self) -> Option<String> {
        let mut extensions = self.parsed.extensions().iter();
        extensions.find_map(|extension| {
            let oid = extension.oid.to_id_string();
            (extension.critical && !PROCESSED.contains(&oid.as_str())).then(|| extension_name(&oid))
        })
    }

    /// A repeated or malformed extension.
    pub(crate) fn broken_extension(&self) -> Option<String> {
        let extensions = self.parsed.extensions();
        let broken = extensions.iter().enumerate().find(|(at, extension)| {
            let parsed = extension.parsed_extension();
            let twice = extensions.iter().take(*at).any(|e| e.oid == extension.oid);
            twice || matches!(parsed, ParsedExtension::ParseError { .. })
        });
        broken.map(|(_, extension)| extension_name(&extension.oid.to_id_string()))
    }

    /// Its name constraints in words; empty if there are none.
    pub(crate) fn name_constraints(&self) -> String {
        let Ok(Some(found)) = self.parsed.name_constraints() else {
            return String::new();
        };
        let NameConstraints {
            permitted_subtrees,
            excluded_subtrees,
        } = found.value;
        let list = |what: &str, trees: &Option<Vec<GeneralSubtree<'_>>>| {
            let trees = trees.iter().flatten();
            let names: Vec<String> = trees.map(|tree| subtree(&tree.base)).collect();
            (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")))
        };
        let parts = [
            list("permits", permitted_subtrees),
            list("excludes", excluded_subtrees),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        shown(&parts.join(" and "))
    }
}

/// A distinguished name in DER as text, escaped and capped.
pub(crate) fn name_text(der: &[u8]) -> String {
    match X509Name::from_der(der) {
        Ok(([], name)) => shown(&name.to_string()),
        _ => format!("a name of {} bytes that does not parse", der.len()),
    }
}

/// A subtree of names; an address comes with its mask.
fn subtree(base: &GeneralName<'_>) -> String {
    match base {
        GeneralName::IPAddress(bytes) if matches!(bytes.len(), 8 | 32) => {
            let (address, mask) = bytes.split_at(bytes.len() / 2);
            let address = alt_name(&GeneralName::IPAddress(address));
            let bits: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
            format!("{address}/{bits}")
        }
        other => alt_name(other),
    }
}

/// An extension by the name that OpenSSL's configuration and RFC 5280 give it, with its number.
pub(super) fn extension_name(oid: &str) -> String {
    let name = match oid {
        "2.5.29.9" => "subjectDirectoryAttributes",
        "2.5.29.14" => "subjectKeyIdentifier",
        "2.5.29.15" => "keyUsage",
        "2.5.29.16" => "privateKeyUsagePeriod",
        "2.5.29.17" => "subjectAltName",
        "2.5.29.18" => "issuerAltName",
        "2.5.29.19" => "basicConstraints",
        "2.5.29.20" => "cRLNumber",
        "2.5.29.27" => "deltaCRLIndicator",
        "2.5.29.28" => "issuingDistributionPoint",
        "2.5.29.30" => "nameConstraints",
        "2.5.29.31" => "cRLDistributionPoints",
        "2.5.29.32" => "certificatePolicies",
        "2.5.29.33" => "policyMappings",
        "2.5.29.35" => "authorityKeyIdentifier",
        "2.5.29.36" => "policyConstraints",
        "2.5.29.37" => "extKeyUsage",
        "2.5.29.46" => "freshestCRL",
        "2.5.29.54" => "inhibitAnyPolicy",
        "1.3.6.1.5.5.7.1.1" => "authorityInfoAccess",
        "1.3.6.1.5.5.7.1.3" => "qcStatements",
        "1.3.6.1.5.5.7.1.7" => "ipAddrBlocks",
        "1.3.6.1.5.5.7.1.8" => "autonomousSysIds",
        "1.3.6.1.5.5.7.1.11" => "subjectInfoAccess",
        "1.3.6.1.5.5.7.1.14" => "proxyCertInfo",
        "1.3.6.1.5.5.7.1.24" => "tlsfeature",
        "1.3.6.1.4.1.11129.2.4.3" => "ctPoison",
        "2.16.840.1.113730.1.1" => "nsCertType",
        _ => return shown(oid),
    };
    format!("{name} ({oid})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{Pki, PkiSpec};
    use crate::scenario::IdentityFault;

    #[test]
    fn what_keeps_a_certificate_from_being_accepted_is_named() {
        let pki = Pki::mint(&PkiSpec::default()).unwrap();
        let good = CertInspect::parse(&pki.server().chain[0]).unwrap();
        assert_eq!(good.unprocessed_critical(), None);
        assert_eq!(good.broken_extension(), None);
        assert!(!good.lacks_server_auth() && good.version() == 3);
        assert_eq!(good.authority(), (false, None));
        let faults = pki.mint_faults().unwrap();
        let of = |fault| &faults.server(fault).unwrap().chain;
        let odd = of(IdentityFault::UnknownCritical);
        let odd = CertInspect::parse(&odd[0]).unwrap();
        assert!(odd.unprocessed_critical().is_some());
        let constrained = of(IdentityFault::NameConstraint);
        let said: Vec<String> = constrained
            .iter()
            .filter_map(|cert| Some(CertInspect::parse(cert)?.name_constraints()))
            .filter(|said| !said.is_empty())
            .collect();
        assert!(said[0].starts_with("permits DNS:"), "{said:?}");
        let purpose = of(IdentityFault::WrongEku);
        assert!(CertInspect::parse(&purpose[0]).unwrap().lacks_server_auth());
        assert_eq!(
            extension_name("2.5.29.32"),
            "certificatePolicies (2.5.29.32)"
        );
        assert_eq!(extension_name("1.2.3"), "1.2.3");
    }

    #[test]
    fn a_chain_links_up_to_its_root() {
        let pki = Pki::mint(&PkiSpec::default()).unwrap();
        let certs: Vec<_> = pki.server().chain.iter().map(CertInspect::parse).collect();
        let [Some(leaf), Some(intermediate)] = &certs[..] else {
            panic!("{certs:?}");
        };
        let root = CertInspect::parse(&pki.roots()[0]).unwrap();
        assert_eq!(leaf.issuer_der(), intermediate.subject_der());
        assert_eq!(intermediate.issuer_der(), root.subject_der());
        assert!(root.is_self_issued() && !leaf.is_self_issued());
        let (from, to) = leaf.validity_unix_s();
        assert!(from < to);
        assert_eq!(name_text(root.subject_der()), root.subject());
    }

    #[test]
    fn what_is_no_name_is_said_to_be_none() {
        assert_eq!(
            name_text(b"\x1b[31m"),
            "a name of 5 bytes that does not parse"
        );
        let junk = CertificateDer::from(vec![0; 9]);
        assert!(CertInspect::parse(&junk).is_none());
    }
}

//! How certificates relate: who issued which, and when each is valid, as raw names and seconds since 1970.
//! Like facts, relations are read, not judged: a matching name is no proof of a signature.

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use super::identity;
use crate::text::{UNTRUSTED_CAP, escape_untrusted};

/// What ties a certificate to its issuer and to time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertLinks {
    /// The subject's distinguished name in DER, as compared in path building.
    pub subject_der: Vec<u8>,
    /// The issuer's distinguished name in DER.
    pub issuer_der: Vec<u8>,
    /// The first second of validity, in seconds since 1970.
    pub not_before_unix_s: i64,
    /// The last second of validity, in seconds since 1970.
    pub not_after_unix_s: i64,
}

impl CertLinks {
    /// Reads the links of a certificate; `None` if it does not parse.
    pub fn parse(cert: &CertificateDer<'_>) -> Option<Self> {
        let parsed = identity::parse(cert).ok()?;
        Some(Self {
            subject_der: parsed.subject().as_raw().to_vec(),
            issuer_der: parsed.issuer().as_raw().to_vec(),
            not_before_unix_s: parsed.validity().not_before.timestamp(),
            not_after_unix_s: parsed.validity().not_after.timestamp(),
        })
    }

    /// Whether the certificate names itself as its issuer, as roots do.
    pub fn is_self_issued(&self) -> bool {
        self.subject_der == self.issuer_der
    }
}

/// A distinguished name in DER as text, escaped and capped: as a server lists the authorities it accepts.
pub fn name_text(der: &[u8]) -> String {
    match X509Name::from_der(der) {
        Ok(([], name)) => escape_untrusted(&name.to_string(), UNTRUSTED_CAP),
        _ => format!("a name of {} bytes that does not parse", der.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{CertFacts, Pki, PkiSpec};

    #[test]
    fn a_chain_links_up_to_its_root() {
        let pki = Pki::mint(&PkiSpec::default()).unwrap();
        let links: Vec<_> = pki.server().chain.iter().map(CertLinks::parse).collect();
        let [Some(leaf), Some(intermediate)] = &links[..] else {
            panic!("{links:?}");
        };
        let root = CertLinks::parse(&pki.roots()[0]).unwrap();
        assert_eq!(leaf.issuer_der, intermediate.subject_der);
        assert_eq!(intermediate.issuer_der, root.subject_der);
        assert!(root.is_self_issued() && !leaf.is_self_issued());
        assert!(leaf.not_before_unix_s < leaf.not_after_unix_s);
        let facts = CertFacts::parse(&pki.roots()[0]).unwrap();
        assert_eq!(name_text(&root.subject_der), facts.subject);
    }

    #[test]
    fn what_is_no_name_is_said_to_be_none() {
        assert_eq!(
            name_text(b"\x1b[31m"),
            "a name of 5 bytes that does not parse"
        );
        assert_eq!(CertLinks::parse(&CertificateDer::from(vec![0; 9])), None);
    }
}

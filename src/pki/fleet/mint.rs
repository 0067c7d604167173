//! Mints identities of a fleet from their index.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use rcgen::string::Ia5String;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, SanType, SerialNumber};
use rustls_pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};

use super::super::der::parse;
use super::super::error::failed;
use super::super::mint::{Authority, BACKDATE, Issuing, Validity, authority, leaf};
use super::super::{Identity, Pki, PkiError};
use super::Edition;
use super::derive::Deriver;
use super::shared::share_issuers;
use crate::scenario::{KeyAlgorithm, MintSection};

/// How long certificates are valid unless it is said.
const USUAL_VALIDITY: Duration = Duration::DAY;

/// What identities are minted with.
pub struct FleetMint {
    deriver: Deriver,
    key: KeyAlgorithm,
    issuer: Issuing,
    validity: Validity,
    san: San,
}

impl std::fmt::Debug for FleetMint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FleetMint")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// A subject alternative name with a place for the index.
#[derive(Debug, Clone)]
struct San {
    kind: String,
    template: String,
}

impl FleetMint {
    /// A mint with an authority from files.
    ///
    /// Fails if they cannot be read, are no authority, or `{index}` makes no name.
    pub(crate) fn new(section: &MintSection) -> Result<Self, PkiError> {
        let path = section.ca.as_deref().unwrap_or(Path::new(""));
        let authority = Identity::load(path, section.ca_key.as_deref())?;
        let key = authority
            .key
            .pair()
            .map_err(failed("authority of the fleet"))?;
        let chain = sent(authority.chain.clone());
        let above = Arc::new(Authority::of(&authority, key, chain)?);
        let algorithm = section.key.unwrap_or(KeyAlgorithm::EcdsaP256);
        Self::below(section, above, algorithm)
    }

    /// A mint with the authority of the embedded target's clients.
    ///
    /// Fails if `{index}` makes no name.
    pub(crate) fn of(
        section: &MintSection,
        pki: &Pki,
        key: KeyAlgorithm,
    ) -> Result<Self, PkiError> {
        Self::below(section, Arc::clone(&pki.issuer), key)
    }

    fn below(section: &MintSection, above: Issuing, key: KeyAlgorithm) -> Result<Self, PkiError> {
        let deriver = Deriver::new(section.seed.unwrap_or(1));
        let now = OffsetDateTime::now_utc();
        let asked = section.validity.and_then(|span| span.0.try_into().ok());
        let not_after = now.checked_add(asked.unwrap_or(USUAL_VALIDITY));
        let validity = Validity {
            early: now - BACKDATE,
            not_before: now - BACKDATE,
            not_after: not_after.ok_or_else(|| PkiError::InvalidSpec {
                cause: "the validity of the fleet ends after the calendar".into(),
                next: "write a shorter one",
            })?,
        };
        let mut issuer = above;
        for below in (0..section.chain.unwrap_or(0)).rev() {
            let name = format!("fleet intermediate {below}");
            let (pair, _) = deriver.key(key, &name, u32::from(below))?;
            let constraints = BasicConstraints::Constrained(below);
            let mut params = authority("fleet intermediate", &pair, constraints, validity);
            params.serial_number = Some(serial(&deriver, &name, u32::from(below)));
            issuer = Arc::new(issuer.below(&name, params, pair)?);
        }
        let san = section.san.as_deref().unwrap_or("dns:client-{index}");
        let (kind, template) = san.split_once(':').unwrap_or(("dns", san));
        let mint = Self {
            deriver,
            key,
            issuer,
            validity,
            san: San {
                kind: kind.to_owned(),
                template: template.to_owned(),
            },
        };
        // The first shows whether any can be made.
        mint.identity(0, Edition::default()).map(|_| mint)
    }

    /// The name of an identity.
    pub(crate) fn name(index: u32) -> String {
        format!("client-{index}")
    }

    /// Mints an edition of an identity. Its key and serial number are the same each time; an ECDSA signature is another.
    ///
    /// Fails if the crypto library does.
    pub(crate) fn identity(&self, index: u32, edition: Edition) -> Result<Identity, PkiError> {
        let name = Self::name(index);
        let (pair, key) = self.deriver.key(self.key, &edition.purpose("key"), index)?;
        let usage = ExtendedKeyUsagePurpose::ClientAuth;
        let mut params: CertificateParams = leaf(&name, Vec::new(), usage, self.validity)?;
        if let Some(end) = edition.not_after {
            params.not_after = OffsetDateTime::from_unix_timestamp(end).unwrap_or(params.not_after);
        }
        params.subject_alt_names = vec![self.san.of(index)?];
        params.serial_number = Some(serial(&self.deriver, &edition.purpose("serial"), index));
        let mut chain = self.issuer.issue(&name, &params, &pair)?;
        share_issuers(&mut chain);
        Ok(Identity {
            name,
            chain,
            key: key.into(),
        })
    }

    /// The serial number of an edition of an identity.
    pub(super) fn serial(&self, index: u32, edition: u32) -> Vec<u8> {
        let edition = Edition {
            number: edition,
            not_after: None,
        };
        serial(&self.deriver, &edition.purpose("serial"), index).to_bytes()
    }

    /// The authority that signs the identities.
    pub(super) fn issuer(&self) -> &Issuing {
        &self.issuer
    }
}

impl Edition {
    /// What a value of this edition is derived for.
    fn purpose(self, what: &str) -> Cow<'_, str> {
        match self.number {
            0 => what.into(),
            number => format!("{what} {number}").into(),
        }
    }
}

/// A positive serial number of 16 bytes (RFC 5280 section 4.1.2.2).
fn serial(deriver: &Deriver, purpose: &str, index: u32) -> SerialNumber {
    let mut bytes = deriver.bytes::<16>(purpose, index);
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from(bytes.to_vec())
}

/// What of an authority's chain is sent: all but roots, which the peer has.
fn sent(mut chain: Vec<CertificateDer<'static>>) -> Vec<CertificateDer<'static>> {
    chain.retain(|cert| {
        let parsed = parse(cert);
        !parsed.is_ok_and(|cert| cert.subject().as_raw() == cert.issuer().as_raw())
    });
    chain
}

impl San {
    fn of(&self, index: u32) -> Result<SanType, PkiError> {
        let name = self.template.replace("{index}", &index.to_string());
        let wrong = || PkiError::InvalidSpec {
            cause: format!("{}:{name} is no subject alternative name", self.kind),
            next: "write fleet.mint.san as dns:NAME, uri:URI, email:ADDRESS or ip:ADDRESS, in ASCII",
        };
        let text = || Ia5String::try_from(name.as_str()).map_err(|_| wrong());
        Ok(match self.kind.as_str() {
            "uri" => SanType::URI(text()?),
            "email" => SanType::Rfc822Name(text()?),
            "ip" => SanType::IpAddress(name.parse().map_err(|_| wrong())?),
            _ => SanType::DnsName(text()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{CertInspect, PkiSpec};
    use super::*;

    fn section(text: &str) -> MintSection {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn an_identity_is_made_of_its_index() {
        let pki = Pki::mint(&PkiSpec::default()).unwrap();
        let section = section("count = 9\nsan = \"uri:spiffe://x/dev/{index}\"\nchain = 1");
        let mint = FleetMint::of(&section, &pki, KeyAlgorithm::EcdsaP256).unwrap();
        let first = Edition::default();
        let [one, again] = [3, 3].map(|index| mint.identity(index, first).unwrap());
        assert_eq!(one.key.der(), again.key.der());
        assert_eq!(one.chain.len(), 3);
        let leaf = CertInspect::parse(&one.chain[0]).unwrap();
        let other = CertInspect::parse(&again.chain[0]).unwrap();
        assert_eq!(leaf.spki_der(), other.spki_der());
        assert_eq!(leaf.common_name().as_deref(), Some("client-3"));
        assert_eq!(one.chain[1..], again.chain[1..]);
        let renewed = mint.identity(
            3,
            Edition {
                number: 1,
                not_after: Some(1_900_000_000),
            },
        );
        let renewed = renewed.unwrap();
        let new = CertInspect::parse(&renewed.chain[0]).unwrap();
        assert_eq!(new.common_name(), leaf.common_name());
        assert_eq!(new.validity_unix_s().1, 1_900_000_000);
        assert_ne!(new.spki_der(), leaf.spki_der());
        assert_eq!(new.serial(), mint.serial(3, 1));
        assert_eq!(leaf.serial(), mint.serial(3, 0));
        assert!(std::ptr::eq(one.chain[1].as_ref(), again.chain[1].as_ref()));
    }

    #[test]
    fn names_that_cannot_be_are_refused_before_the_run() {
        let pki = Pki::mint(&PkiSpec::default()).unwrap();
        for san in ["ip:{index}", "dns:käse-{index}"] {
            let section = section(&format!("count = 1\nsan = \"{san}\""));
            let refused = FleetMint::of(&section, &pki, KeyAlgorithm::Ed25519);
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains("fleet.mint.san"), "{refused}");
        }
    }
}

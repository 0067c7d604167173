//! Revokes identities of a fleet: makes the list of their authority, and puts it beside those of others.

use std::path::Path;
use std::sync::Arc;

use rcgen::{RevocationReason, RevokedCertParams, SerialNumber};
use rustls_pki_types::CertificateRevocationListDer;
use time::{Duration, OffsetDateTime};

use super::super::error::failed;
use super::super::fault_authorities::{Listed, crl};
use super::super::inspect::CertInspect;
use super::super::mint::{Authority, Issuing};
use super::super::revocation::{CRL, ListScope, load_crls};
use super::super::{Identity, PkiError, pem};
use super::{Fleet, Source};
use crate::files;

/// How long a list is valid.
const VALIDITY: Duration = Duration::DAY;

/// An authority that revokes.
pub struct Revoker(Issuing);

impl std::fmt::Debug for Revoker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Revoker")
    }
}

impl Revoker {
    /// The authority of a fleet: that of its mint, or the one in these files.
    ///
    /// # Errors
    ///
    /// Fails if the files cannot be read, are no authority, or not the one that issued the fleet's first identity.
    pub fn of(fleet: &Fleet, ca: Option<(&Path, Option<&Path>)>) -> Result<Self, PkiError> {
        let issuing = match (&fleet.source, ca) {
            (Source::Minted(mint, _), None) => return Ok(Self(Arc::clone(mint.issuer()))),
            (_, Some((ca, key))) => Identity::load(ca, key)?,
            (Source::Files(_) | Source::Spiffe(_), None) => {
                return Err(PkiError::NotIssuer {
                    ca: None,
                    issuer: issuer_of(fleet)?,
                });
            }
        };
        let subject = issuing.chain.first().and_then(CertInspect::parse);
        let issuer = issuer_of(fleet)?;
        if subject.is_none_or(|ca| ca.subject() != issuer) {
            return Err(PkiError::NotIssuer {
                ca: ca.map(|(path, _)| path.to_owned()),
                issuer,
            });
        }
        let key = issuing
            .key
            .pair()
            .map_err(failed("authority that revokes"))?;
        Ok(Self(Arc::new(Authority::of(&issuing, key, Vec::new())?)))
    }

    /// A list of these serial numbers, as of now.
    ///
    /// # Errors
    ///
    /// Fails if the crypto library does.
    pub fn list(
        &self,
        serials: impl IntoIterator<Item = Vec<u8>>,
    ) -> Result<CertificateRevocationListDer<'static>, PkiError> {
        let now = OffsetDateTime::now_utc();
        let revoked = serials.into_iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: now,
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        });
        let listed = Listed {
            this_update: now,
            next_update: now + VALIDITY,
            // Later lists have higher numbers (RFC 5280 section 5.2.3).
            number: u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(1),
        };
        crl(&self.0, listed, revoked.collect())
    }
}

/// The issuer's name in an identity of the fleet.
fn issuer_of(fleet: &Fleet) -> Result<String, PkiError> {
    let first = fleet.load(0)?;
    let leaf = first.chain.first().and_then(CertInspect::parse);
    Ok(leaf.map_or_else(String::new, |leaf| leaf.issuer()))
}

/// The lists of a set with one of them renewed: those of its issuer are replaced.
pub(crate) fn renewed(
    mut lists: Vec<CertificateRevocationListDer<'static>>,
    new: CertificateRevocationListDer<'static>,
) -> Vec<CertificateRevocationListDer<'static>> {
    let issuer = ListScope::parse(&new).map(|scope| scope.issuer_der);
    lists.retain(|list| ListScope::parse(list).map(|scope| scope.issuer_der) != issuer);
    lists.insert(0, new);
    lists
}

/// Writes a list to a file, in place of that of its issuer. Lists of others in it are kept.
///
/// # Errors
///
/// Fails if the file holds something else, or cannot be written.
pub fn revoked_in(path: &Path, new: CertificateRevocationListDer<'static>) -> Result<(), PkiError> {
    let old = if path.exists() {
        load_crls(path)?
    } else {
        Vec::new()
    };
    let text: String = renewed(old, new)
        .iter()
        .map(|list| pem::encode(CRL, list))
        .collect();
    files::write::replace(path, text.as_bytes()).map_err(|source| PkiError::Write {
        path: path.to_owned(),
        source,
    })
}

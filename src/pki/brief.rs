//! Mints a client certificate that expires within seconds, to test sessions that outlive their certificate.

use std::time::Duration;

use rcgen::ExtendedKeyUsagePurpose;
use time::OffsetDateTime;

use super::error::failed;
use super::mint::{Authority, BACKDATE, Validity, generate, leaf};
use super::{Identity, KeyAlgorithm, PkiError};

/// Mints a client named `client-brief`, signed by `issuer`, and says when it expires: `lifetime` from now, truncated to
/// whole seconds, as X.509 has no fractions.
///
/// Fails if `issuer` is no authority or its key cannot sign, if the lifetime is out of range,
/// and if the crypto library fails.
pub(crate) fn brief_client(
    issuer: &Identity,
    lifetime: Duration,
) -> Result<(Identity, OffsetDateTime), PkiError> {
    const NAME: &str = "client-brief";
    let out_of_range = || PkiError::InvalidSpec {
        cause: format!(
            "a lifetime of {} s is out of the calendar",
            lifetime.as_secs()
        ),
        next: "ask for a few seconds",
    };
    let now = OffsetDateTime::now_utc();
    let lifetime = time::Duration::try_from(lifetime).map_err(|_| out_of_range())?;
    let not_after = now.checked_add(lifetime).ok_or_else(out_of_range)?;
    let not_after = not_after - time::Duration::nanoseconds(not_after.nanosecond().into());
    let validity = Validity {
        early: now - BACKDATE,
        not_before: now - BACKDATE,
        not_after,
    };
    let signer = issuer.key.pair().map_err(failed(&issuer.name))?;
    let authority = Authority::of(issuer, signer, issuer.chain.clone())?;
    let usage = ExtendedKeyUsagePurpose::ClientAuth;
    let params = leaf(NAME, vec![NAME.to_owned()], usage, validity)?;
    let key = generate(NAME, KeyAlgorithm::EcdsaP256)?;
    Ok((authority.identity(NAME, &params, &key)?, not_after))
}

#[cfg(test)]
mod tests {
    use super::super::{CertInspect, Pki, PkiSpec};
    use super::*;

    #[test]
    fn a_brief_client_is_signed_by_its_issuer_and_ends_on_time() {
        let pki = Pki::mint(&PkiSpec::default()).unwrap();
        let before = OffsetDateTime::now_utc();
        let (brief, until) = brief_client(&pki.intermediate, Duration::from_secs(3)).unwrap();
        assert_eq!(brief.chain.len(), 2);
        let leaf = CertInspect::parse(&brief.chain[0]).unwrap();
        let issuer = CertInspect::parse(&brief.chain[1]).unwrap();
        assert_eq!(leaf.issuer_der(), issuer.subject_der());
        assert_eq!(until.nanosecond(), 0);
        assert!(until > before + time::Duration::seconds(1));
        assert_eq!(leaf.validity_unix_s().1, until.unix_timestamp());
        // What lies beyond the calendar is refused, not wrapped.
        assert!(brief_client(&pki.intermediate, Duration::MAX).is_err());
    }
}

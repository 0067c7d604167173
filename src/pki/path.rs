//! Whether a chain leads to an authority: the path that verifiers look for (RFC 5280 section 6).

use std::fmt;
use std::time::Duration;

use crate::text::words;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::{CertificateDer, UnixTime};
use time::OffsetDateTime;
use webpki::{EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};

/// Why there is no path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathFault {
    /// No certificate of the chain was issued by a trusted authority.
    NoIssuer,
    /// A certificate is not for the purpose.
    Purpose,
    /// A signature does not verify, or with an algorithm that nobody takes.
    Signature,
    /// What the verifier says.
    Other(String),
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoIssuer => "no issuer is known",
            Self::Purpose => "a certificate is not for this purpose",
            Self::Signature => "a signature does not verify",
            Self::Other(cause) => cause,
        })
    }
}

/// Looks for a path from the first certificate over the others to a root, at a time.
///
/// Fails with the reason if there is none.
pub(crate) fn path_to(
    chain: &[CertificateDer<'static>],
    roots: &[CertificateDer<'static>],
    server: bool,
    at: OffsetDateTime,
) -> Result<(), PathFault> {
    let anchors: Vec<_> = roots
        .iter()
        .filter_map(|root| anchor_from_trusted_cert(root).ok())
        .collect();
    let (leaf, above) = chain.split_first().ok_or(PathFault::NoIssuer)?;
    let seconds = u64::try_from(at.unix_timestamp()).unwrap_or(0);
    let usage = if server {
        KeyUsage::server_auth()
    } else {
        KeyUsage::client_auth()
    };
    let leaf = EndEntityCert::try_from(leaf).map_err(of_webpki)?;
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
    leaf.verify_for_usage(
        algorithms.all,
        &anchors,
        above,
        UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        usage,
        None,
        None,
    )
    .map(drop)
    .map_err(of_webpki)
}

fn of_webpki(error: Error) -> PathFault {
    match error {
        Error::UnknownIssuer => PathFault::NoIssuer,
        Error::RequiredEkuNotFoundContext(_) | Error::CaUsedAsEndEntity => PathFault::Purpose,
        Error::InvalidSignatureForPublicKey => PathFault::Signature,
        other => PathFault::Other(words(&format!("{other:?}"))),
    }
}

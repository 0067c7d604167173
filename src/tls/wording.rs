//! Words for errors of rustls and webpki that need nothing of the chain.

use std::fmt;

use rustls::Error;
use rustls::pki_types::CertificateDer;

use super::classify::webpki_error;
use crate::pki::CertFacts;
use crate::stats::alert_text;
use crate::text::words;

/// Most names in one sentence.
const MAX_NAMED: usize = 5;

pub(super) const SHORT_RSA: &str = "the providers of this build take no RSA key below 2048 bits";

/// Whether [`CertInspect::key`] names an RSA key that no provider accepts.
pub(super) fn is_short_rsa(key: &str) -> bool {
    let bits = key.strip_prefix("RSA ").and_then(|bits| bits.parse().ok());
    bits.is_some_and(|bits: u32| bits < 2048)
}

/// Words for an error without the chain's context, and without type names.
pub(super) fn plain(error: &Error) -> String {
    match error {
        Error::PeerIncompatible(why) => format!("the peer is incompatible: {}", variant(why)),
        Error::PeerMisbehaved(why) => format!("the peer broke the protocol: {}", variant(why)),
        Error::InvalidMessage(why) => format!("a message is malformed: {}", variant(why)),
        Error::AlertReceived(alert) => {
            format!("received the alert {}", alert_text((*alert).into()))
        }
        Error::InvalidCertificate(why) => {
            let why = webpki_error(why).map_or_else(|| variant(why), variant);
            format!("the certificate is not accepted: {why}")
        }
        Error::InvalidCertRevocationList(why) => {
            format!("a revocation list cannot be used: {}", variant(why))
        }
        Error::InconsistentKeys(why) => format!("key and certificate differ: {}", variant(why)),
        Error::InvalidEncryptedClientHello(why) => {
            format!("encrypted client hello: {}", variant(why))
        }
        Error::General(why) => why.clone(),
        other => other.to_string(),
    }
}

/// The name of an error's variant as words, for errors without a message.
pub(super) fn variant<E: fmt::Debug + ?Sized>(error: &E) -> String {
    words(&format!("{error:?}"))
}

/// Says whom a certificate is for, and that `wanted` is not among them.
pub(super) fn name_sentence(leaf: Option<&CertificateDer<'_>>, wanted: &str) -> String {
    let names = leaf
        .and_then(|leaf| CertFacts::parse(leaf).ok())
        .map(|facts| facts.san)
        .unwrap_or_default();
    if names.is_empty() {
        return format!(
            "the certificate has no subjectAltName, so it names nobody, not {wanted} either (the common name does not count, RFC 9525)"
        );
    }
    let more = names.len().saturating_sub(MAX_NAMED);
    let listed = names[..names.len() - more].join(", ");
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("the certificate is for {listed}{more}, not for {wanted}")
}

//! Carries the class and explanation of a rejected chain from the verifier, which knows the chain, to the fault that
//! ends the session. Only here and in `reason` are errors of rustls and webpki put into words.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::{AlertDescription, CertRevocationListError, CertificateError, Error};

use super::classify::{cert_fault, list_fault, webpki_error};
use super::reason::Case;
use super::signature::Algorithms;
use super::verifier::Chain;
use crate::crypto::{self, ProviderError};
use crate::pki::{CertFacts, CertInspect};
use crate::scenario::ProviderName;
use crate::stats::{ServerCertFault, alert_text};
use crate::text::words;

/// Most names in one sentence.
const MAX_NAMED: usize = 5;

/// A chain that was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The class that is counted.
    pub fault: ServerCertFault,
    /// The explanation, already escaped.
    pub sentence: String,
    /// The code of the alert that we sent.
    pub alert: Option<u8>,
}

thread_local! {
    /// The rejection of the current session, until its error becomes a fault.
    static LAST: Cell<Option<Box<Rejection>>> = const { Cell::new(None) };
}

/// Keeps a rejection for [`take`].
pub(super) fn keep(rejection: Option<Rejection>) {
    if let Some(rejection) = rejection {
        LAST.set(Some(Box::new(rejection)));
    }
}

/// The rejection behind an error of the current session.
pub(super) fn take(error: &Error) -> Option<Box<Rejection>> {
    let last = LAST.take();
    match error {
        Error::InvalidCertificate(_) | Error::InvalidCertRevocationList(_) => last,
        _ => None,
    }
}

/// Whose chain it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// A server's, with the expected names in words; empty if it is the one that was sent.
    Server(String),
    /// A client's.
    Client,
}

/// The trust and provider of a configuration, for explanations.
#[derive(Debug, Clone)]
pub(super) struct Grounds {
    pub subject: Subject,
    pub roots: Arc<[CertificateDer<'static>]>,
    pub crls: Arc<[CertificateRevocationListDer<'static>]>,
    pub provider: ProviderName,
    pub algorithms: &'static Algorithms,
}

impl Grounds {
    pub(crate) fn new(
        subject: Subject,
        roots: &[CertificateDer<'static>],
        crls: &[CertificateRevocationListDer<'static>],
        provider: ProviderName,
    ) -> Result<Self, ProviderError> {
        // Not metered: explaining is no work of the handshake.
        let plain = crypto::provider(provider)?;
        Ok(Self {
            subject,
            roots: roots.into(),
            crls: crls.into(),
            provider,
            algorithms: plain.signature_verification_algorithms.all,
        })
    }

    pub(crate) fn explain(&self, error: &Error, chain: &Chain<'_>) -> Rejection {
        let case = Case::new(self, chain);
        match error {
            // Of several roots with one name, webpki reports the error of the last.
            Error::InvalidCertificate(CertificateError::BadSignature)
                if case.has_foreign_list() =>
            {
                Rejection {
                    fault: ServerCertFault::CrlSignature,
                    sentence: case.list(&CertRevocationListError::BadSignature),
                    alert: Some(AlertDescription::DecryptError.into()),
                }
            }
            Error::InvalidCertificate(error) => Rejection {
                fault: cert_fault(error),
                sentence: case.certificate(error),
                alert: Some(AlertDescription::from(error.clone()).into()),
            },
            Error::InvalidCertRevocationList(error) => Rejection {
                fault: list_fault(error),
                sentence: case.list(error),
                alert: None,
            },
            other => Rejection {
                fault: ServerCertFault::Other,
                sentence: plain(other),
                alert: None,
            },
        }
    }

    /// Explains a rejected signature over the handshake; `verifies` tries another provider.
    pub(crate) fn explain_handshake(
        &self,
        error: &Error,
        leaf: &CertificateDer<'_>,
        verifies: impl Fn(&CryptoProvider) -> bool,
    ) -> Rejection {
        let key = CertInspect::parse(leaf).map_or_else(|| "unreadable".to_owned(), |c| c.key());
        let mut rejection = self.explain(
            error,
            &Chain {
                leaf,
                rest: &[],
                name: None,
                ocsp: &[],
                now: UnixTime::now(),
            },
        );
        let able = || match crypto::others_that(self.provider, &verifies) {
            others if !others.is_empty() => format!(
                "{} cannot use that key, but {others} can (--provider)",
                self.provider
            ),
            _ if is_short_rsa(&key) => SHORT_RSA.to_owned(),
            _ => "the peer holds another key, or one that no provider of this build can use"
                .to_owned(),
        };
        if let Error::InvalidCertificate(
            CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
        ) = error
        {
            rejection.sentence = format!(
                "the signature over the handshake does not verify with the key of certificate 1 ({key}): {}",
                able()
            );
        }
        rejection
    }
}

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

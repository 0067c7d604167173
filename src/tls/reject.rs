//! Carries the class and explanation of a rejected chain from the verifier, which knows the chain, to the fault that
//! ends the session. Only here, in `reason` and in `wording` are errors of rustls and webpki put into words.

use std::cell::Cell;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{AlertDescription, CertRevocationListError, CertificateError, Error};

use super::chain::Chain;
use super::classify::{cert_fault, list_fault};
use super::grounds::Grounds;
use super::reason::Case;
use super::wording::{SHORT_RSA, is_short_rsa, plain};
use crate::crypto;
use crate::pki::CertInspect;
use crate::stats::ServerCertFault;

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

impl Grounds {
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
        if let Error::InvalidCertificate(
            CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
        ) = error
        {
            let others = crypto::others_that(self.provider, &verifies);
            let otherwise =
                "the peer holds another key, or one that no provider of this build can use";
            rejection.sentence = format!(
                "the signature over the handshake does not verify with the key of certificate 1 ({key}): {}",
                self.why_bad(&key, &others, otherwise)
            );
        }
        rejection
    }

    /// Why a signature does not verify with a key, which `others` of our providers can use.
    pub(super) fn why_bad(&self, key: &str, others: &str, otherwise: &str) -> String {
        if !others.is_empty() {
            let provider = self.provider;
            format!("{provider} cannot use this key, but {others} can (--provider)")
        } else if is_short_rsa(key) {
            SHORT_RSA.to_owned()
        } else {
            otherwise.to_owned()
        }
    }
}

//! What explanations of a rejection refer to.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use super::signature::Algorithms;
use crate::crypto::{self, ProviderError};
use crate::scenario::ProviderName;

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
}

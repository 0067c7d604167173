//! A server's verifier of clients whose revocation lists may be replaced while it serves.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::spec::{ClientTrust, TlsConfigError};
use super::verifier::Verifier;
use super::verify::client_verifier;
use crate::pki::renewed;
use crate::scenario::ProviderName;

/// The verifier, and what it is made anew from.
#[derive(Debug)]
pub(super) struct Revocable {
    /// The one without further lists: all but the lists is the same in those after it.
    first: Arc<Verifier>,
    current: RwLock<Arc<Verifier>>,
    trust: ClientTrust,
    name: ProviderName,
    provider: Arc<CryptoProvider>,
}

impl Revocable {
    /// As [`client_verifier`].
    pub(crate) fn new(
        trust: &ClientTrust,
        name: ProviderName,
        provider: &Arc<CryptoProvider>,
        required: bool,
    ) -> Result<Self, TlsConfigError> {
        let first = Arc::new(client_verifier(trust, name, provider, required)?);
        Ok(Self {
            current: RwLock::new(Arc::clone(&first)),
            first,
            trust: trust.clone(),
            name,
            provider: Arc::clone(provider),
        })
    }

    /// Verifies with a newer list of its issuer from now on; with the first lists again if there is none.
    ///
    /// Fails if the list cannot be used.
    pub(crate) fn replace(
        &self,
        list: Option<CertificateRevocationListDer<'static>>,
    ) -> Result<(), TlsConfigError> {
        let verifier = match list {
            None => Arc::clone(&self.first),
            Some(list) => {
                let trust = ClientTrust {
                    roots: self.trust.roots.clone(),
                    crls: renewed(self.trust.crls.clone(), list),
                };
                let required = self.first.required;
                Arc::new(client_verifier(
                    &trust,
                    self.name,
                    &self.provider,
                    required,
                )?)
            }
        };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = verifier;
        Ok(())
    }
}

impl ClientCertVerifier for Revocable {
    fn client_auth_mandatory(&self) -> bool {
        self.first.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.first.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.verify_client_cert(leaf, rest, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ClientCertVerifier::verify_tls12_signature(&*self.first, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ClientCertVerifier::verify_tls13_signature(&*self.first, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ClientCertVerifier::supported_verify_schemes(&*self.first)
    }
}

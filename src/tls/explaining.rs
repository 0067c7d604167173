//! Verifiers that say in words why they reject: they decide as the verifier inside does, and keep the reason for
//! the fault that the session ends with.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::reject::{Grounds, Rejection, keep};

/// Explains what the verifier inside rejects.
#[derive(Debug)]
pub(super) struct Explaining<V: ?Sized> {
    pub grounds: Grounds,
    pub inner: Arc<V>,
}

impl<V: ?Sized> Explaining<V> {
    fn chain<T>(
        &self,
        result: Result<T, Error>,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        sent: &str,
    ) -> Result<T, Error> {
        result.inspect_err(|error| {
            let chain: Vec<_> = [end_entity].into_iter().chain(intermediates).collect();
            keep(self.grounds.explain(error, &chain, now, sent));
        })
    }

    fn handshake<T>(
        &self,
        result: Result<T, Error>,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<T, Error> {
        result.inspect_err(|error| {
            keep(handshake(&self.grounds, error, message, leaf, dss));
        })
    }
}

/// Why a signature over the handshake was rejected, other providers asked.
pub(super) fn handshake(
    grounds: &Grounds,
    error: &Error,
    message: &[u8],
    leaf: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
) -> Rejection {
    grounds.explain_handshake(error, leaf, |provider| {
        let algorithms = &provider.signature_verification_algorithms;
        // That of TLS 1.2 tries more algorithms.
        verify_tls13_signature(message, leaf, dss, algorithms)
            .or_else(|_| verify_tls12_signature(message, leaf, dss, algorithms))
            .is_ok()
    })
}

/// The methods of both traits for signatures.
macro_rules! explained_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let result = self.inner.verify_tls12_signature(message, cert, dss);
            self.handshake(result, message, cert, dss)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let result = self.inner.verify_tls13_signature(message, cert, dss);
            self.handshake(result, message, cert, dss)
        }
    };
}

impl ServerCertVerifier for Explaining<dyn ServerCertVerifier> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let result = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        self.chain(
            result,
            end_entity,
            intermediates,
            now,
            &server_name.to_str(),
        )
    }

    explained_signatures!();

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.inner.requires_raw_public_keys()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.inner.root_hint_subjects()
    }
}

impl ClientCertVerifier for Explaining<dyn ClientCertVerifier> {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let result = self
            .inner
            .verify_client_cert(end_entity, intermediates, now);
        self.chain(result, end_entity, intermediates, now, "")
    }

    explained_signatures!();

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.inner.requires_raw_public_keys()
    }
}

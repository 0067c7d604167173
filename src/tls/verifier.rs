//! The verifier that rustls calls, at either end. Layers of [`Chains`] verify the chain, the provider verifies the
//! signature over the handshake, and every rejection is explained for the fault that ends the session.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::chain::{Chain, Chains};
use super::grounds::Grounds;
use super::observe::note_peer_scheme;
use super::reject::keep;
use super::seen::Capture;

/// What rustls calls.
#[derive(Debug)]
pub(super) struct Verifier {
    pub chains: Arc<dyn Chains>,
    /// For signatures over the handshake.
    pub algorithms: WebPkiSupportedAlgorithms,
    pub grounds: Grounds,
    /// Of a probe.
    pub capture: Option<Capture>,
    /// Whether a client has to present a certificate.
    pub required: bool,
    /// Names of the accepted authorities.
    pub hints: Vec<DistinguishedName>,
}

impl Verifier {
    fn chain(&self, chain: &Chain<'_>) -> Result<(), Error> {
        let result = self.chains.verify(chain);
        let rejection = result.as_ref().err();
        let rejection = rejection.map(|error| self.grounds.explain(error, chain));
        if let Some(capture) = &self.capture {
            capture.chain(chain, &self.grounds, rejection.as_ref());
        }
        keep(rejection);
        result
    }

    fn signature(
        &self,
        result: Result<HandshakeSignatureValid, Error>,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        note_peer_scheme(dss.scheme);
        let rejection = result.as_ref().err().map(|error| {
            self.grounds.explain_handshake(error, leaf, |provider| {
                let algorithms = &provider.signature_verification_algorithms;
                // The function for TLS 1.2 tries more algorithms.
                verify_tls13_signature(message, leaf, dss, algorithms)
                    .or_else(|_| verify_tls12_signature(message, leaf, dss, algorithms))
                    .is_ok()
            })
        });
        if let Some(capture) = &self.capture {
            capture.signature(rejection.as_ref());
        }
        keep(rejection);
        result
    }
}

/// The methods that the two traits share.
macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let result = verify_tls12_signature(message, cert, dss, &self.algorithms);
            self.signature(result, message, cert, dss)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let result = verify_tls13_signature(message, cert, dss, &self.algorithms);
            self.signature(result, message, cert, dss)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.algorithms.supported_schemes()
        }
    };
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let name = Some(name);
        self.chain(&Chain {
            leaf,
            rest,
            name,
            ocsp,
            now,
        })?;
        Ok(ServerCertVerified::assertion())
    }

    signatures!();
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.chain(&Chain {
            leaf,
            rest,
            name: None,
            ocsp: &[],
            now,
        })?;
        Ok(ClientCertVerified::assertion())
    }

    signatures!();
}

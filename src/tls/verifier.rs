//! The verifier that rustls calls, at either end. Layers of [`Chains`] verify the chain, the provider verifies the
//! signature over the handshake, and every rejection is explained for the fault that ends the session.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::capture::Capture;
use super::observe::note_peer_scheme;
use super::reject::{Grounds, keep};
use crate::crypto::enter;
use crate::stats::{CryptoOp, Work};

/// A chain to verify.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chain<'a> {
    pub leaf: &'a CertificateDer<'a>,
    /// The other certificates as sent.
    pub rest: &'a [CertificateDer<'a>],
    /// The name sent to the server; none for a client's chain.
    pub name: Option<&'a ServerName<'a>>,
    pub ocsp: &'a [u8],
    pub now: UnixTime,
}

impl<'a> Chain<'a> {
    /// The certificates as sent, leaf first.
    pub(crate) fn certs(&self) -> impl Iterator<Item = &'a CertificateDer<'a>> + use<'a> {
        [self.leaf].into_iter().chain(self.rest)
    }

    /// Fails for a client's chain.
    pub(crate) fn server_name(&self) -> Result<&'a ServerName<'a>, Error> {
        self.name
            .ok_or_else(|| CertificateError::NotValidForName.into())
    }

    /// Seconds since 1970.
    pub(crate) fn now_unix_s(&self) -> i64 {
        i64::try_from(self.now.as_secs()).unwrap_or(i64::MAX)
    }
}

/// A layer of the verification of chains.
pub(super) trait Chains: fmt::Debug + Send + Sync {
    /// Fails with what is wrong with the chain.
    fn verify(&self, chain: &Chain<'_>) -> Result<(), Error>;
}

impl Chains for WebPkiServerVerifier {
    fn verify(&self, chain: &Chain<'_>) -> Result<(), Error> {
        let name = chain.server_name()?;
        self.verify_server_cert(chain.leaf, chain.rest, name, chain.ocsp, chain.now)
            .map(drop)
    }
}

/// rustls's verifier of clients.
#[derive(Debug)]
pub(super) struct WebPkiClients(pub Arc<dyn ClientCertVerifier>);

impl Chains for WebPkiClients {
    fn verify(&self, chain: &Chain<'_>) -> Result<(), Error> {
        let Chain {
            leaf, rest, now, ..
        } = *chain;
        self.0.verify_client_cert(leaf, rest, now).map(drop)
    }
}

impl<C: Chains + ?Sized> Chains for Arc<C> {
    fn verify(&self, chain: &Chain<'_>) -> Result<(), Error> {
        (**self).verify(chain)
    }
}

/// Accepts any chain (`--insecure`).
#[derive(Debug)]
pub(super) struct AnyChain;

impl Chains for AnyChain {
    fn verify(&self, _: &Chain<'_>) -> Result<(), Error> {
        Ok(())
    }
}

/// Enters the time of the inner layer in the session's ledger.
#[derive(Debug)]
pub(super) struct Timed<C>(pub C);

impl<C: Chains> Chains for Timed<C> {
    fn verify(&self, chain: &Chain<'_>) -> Result<(), Error> {
        let _span = enter(Work::Crypto(CryptoOp::VerifyChain), None);
        self.0.verify(chain)
    }
}

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

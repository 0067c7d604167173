//! What rustls decides inside its callbacks, attributed to the session that is being driven.
//!
//! rustls calls the verifier and the client resolver synchronously while it processes packets, so
//! a thread-local "current session" around each poll attributes exactly, without a lock and with
//! one shared configuration per cell. Where the session is metered, so does its ledger.

use std::cell::Cell;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, SignatureScheme};

use crate::crypto::{Ledger, attributed};
use crate::stats::Work;

/// What the callbacks saw of one session.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Captured {
    /// The provider of the configuration that the session was begun with; empty for a server's.
    pub provider: &'static str,
    /// The server sent a `CertificateRequest`.
    pub requested: bool,
    /// Scheme of our answer to it, zero if we answered without a certificate.
    pub client_scheme: u16,
    /// Scheme of the server's handshake signature.
    pub server_scheme: u16,
}

thread_local! {
    static CURRENT: Cell<Captured> = const { Cell::new(Captured {
        provider: "",
        requested: false,
        client_scheme: 0,
        server_scheme: 0,
    }) };
}

impl Captured {
    /// Of a client's session that has not begun.
    pub fn of(provider: &'static str) -> Self {
        Self {
            provider,
            ..Self::default()
        }
    }
}

/// What is known of a session only while it is being driven.
#[derive(Debug, Default)]
pub(super) struct Current {
    pub captured: Captured,
    /// Where its time goes, if it is metered.
    pub ledger: Option<Box<Ledger>>,
}

impl Current {
    /// Runs `drive` with this as the current session. What nothing else is entered for is rustls's.
    pub fn attribute<T>(&mut self, drive: impl FnOnce() -> T) -> T {
        CURRENT.set(self.captured);
        let result = attributed(&mut self.ledger, Work::Tls, drive);
        self.captured = CURRENT.get();
        result
    }
}

fn note(change: impl FnOnce(&mut Captured)) {
    let mut captured = CURRENT.get();
    change(&mut captured);
    CURRENT.set(captured);
}

/// Answers a `CertificateRequest` with the one identity of its configuration, and notes it.
#[derive(Debug)]
pub(super) struct ObservingResolver {
    key: Option<Arc<CertifiedKey>>,
}

impl ObservingResolver {
    pub fn new(key: Option<Arc<CertifiedKey>>) -> Self {
        Self { key }
    }
}

impl ResolvesClientCert for ObservingResolver {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let signer = self
            .key
            .as_ref()
            .and_then(|key| key.key.choose_scheme(sigschemes));
        note(|captured| {
            captured.requested = true;
            captured.client_scheme = signer.as_ref().map_or(0, |s| s.scheme().into());
        });
        signer.and(self.key.clone())
    }

    fn has_certs(&self) -> bool {
        // Also without a key: a `CertificateRequest` must be noticed to be reported.
        true
    }
}

/// Notes the scheme of the server's signature and leaves the judgement to another verifier.
#[derive(Debug)]
pub(super) struct ObservingVerifier(pub Arc<dyn ServerCertVerifier>);

impl ServerCertVerifier for ObservingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.0
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        note(|captured| captured.server_scheme = dss.scheme.into());
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        note(|captured| captured.server_scheme = dss.scheme.into());
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.0.requires_raw_public_keys()
    }

    fn root_hint_subjects(&self) -> Option<&[rustls::DistinguishedName]> {
        self.0.root_hint_subjects()
    }
}

/// Accepts any chain and name (`--insecure`), but still checks that the server holds its key.
#[derive(Debug)]
pub(super) struct ChainBlindVerifier(pub WebPkiSupportedAlgorithms);

impl ServerCertVerifier for ChainBlindVerifier {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

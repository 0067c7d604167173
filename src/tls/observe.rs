//! What rustls decides inside its callbacks, attributed to the session that is being driven.
//!
//! rustls calls the verifier and the client resolver synchronously while it processes packets, so
//! a thread-local "current session" around each poll attributes exactly, without a lock and with
//! one shared configuration per cell. Where the session is metered, so does its ledger.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{HandshakeKind, SignatureScheme};

use super::capture::Shared;
use crate::crypto::{Ledger, attributed};
use crate::stats::{OkKind, Work};

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

/// How a session was established.
pub(super) fn ok_kind(kind: HandshakeKind) -> OkKind {
    match kind {
        HandshakeKind::Full => OkKind::Full,
        HandshakeKind::FullWithHelloRetryRequest => OkKind::FullWithHelloRetryRequest,
        HandshakeKind::Resumed => OkKind::Resumed,
    }
}

/// Notes the scheme of the peer's signature over the handshake.
pub(super) fn note_peer_scheme(scheme: SignatureScheme) {
    note(|captured| captured.server_scheme = scheme.into());
}

/// Answers a `CertificateRequest` with the identity of its configuration, and notes it.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    pub key: Option<Arc<CertifiedKey>>,
    /// Presented from the session on that begins once `switched` is set. It is behind the same pointer as `key`
    /// because rustls offers a ticket only where the resolver is the one that the ticket was gained with.
    pub other: Option<Arc<CertifiedKey>>,
    pub switched: Arc<AtomicBool>,
    /// Where a probe keeps what the server asks for.
    pub seen: Option<Shared>,
}

impl ResolvesClientCert for Resolver {
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        if let Some(seen) = &self.seen {
            seen.requested(root_hint_subjects, sigschemes);
        }
        let key = if self.switched.load(Ordering::Relaxed) {
            &self.other
        } else {
            &self.key
        };
        let signer = (key.as_ref()).and_then(|key| key.key.choose_scheme(sigschemes));
        note(|captured| {
            captured.requested = true;
            captured.client_scheme = signer.as_ref().map_or(0, |s| s.scheme().into());
        });
        signer.and(key.clone())
    }

    fn has_certs(&self) -> bool {
        // Also without a key: a `CertificateRequest` must be noticed to be reported.
        true
    }
}

//! Attributes what rustls's callbacks see to the current session.
//!
//! rustls calls the verifier and the client resolver synchronously while it processes packets, so a thread-local
//! "current session" around each poll is exact, without a lock and with one configuration per cell. The ledger of a
//! metered session works the same way.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{HandshakeKind, SignatureScheme};

use super::seen::Shared;
use crate::crypto::{Ledger, attributed};
use crate::stats::{OkKind, Work};

/// What the callbacks saw of one session.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Captured {
    /// The client's provider; empty for a server.
    pub provider: &'static str,
    /// The server sent a `CertificateRequest`.
    pub requested: bool,
    /// Scheme of our answer, zero without a certificate.
    pub client_scheme: u16,
    /// Scheme of the peer's signature over the handshake.
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
    pub(crate) fn of(provider: &'static str) -> Self {
        Self {
            provider,
            ..Self::default()
        }
    }
}

/// State of a session that the callbacks reach.
#[derive(Debug, Default)]
pub(super) struct Current {
    pub captured: Captured,
    /// If metered.
    pub ledger: Option<Box<Ledger>>,
}

impl Current {
    /// Runs `drive` with this as the current session. Time without another entry counts as rustls's.
    pub(crate) fn attribute<T>(&mut self, drive: impl FnOnce() -> T) -> T {
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
    /// Presented once `switched` is set. Both keys are in one resolver because rustls offers a ticket only with the
    /// resolver that earned it.
    pub other: Option<Arc<CertifiedKey>>,
    pub switched: Arc<AtomicBool>,
    /// Of a probe.
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
        // Even without a key, so that a `CertificateRequest` is noticed.
        true
    }
}

//! A client that changes who it is between two sessions, and still offers the tickets of the first:
//! for audits of what a server makes of that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

use super::config::provider;
use super::credential::certified;
use super::observe::{ObservingResolver, ObservingVerifier};
use super::verify::verifier;
use super::{ClientTls, ClientTlsSpec, TlsConfigError};
use crate::crypto::Metering;
use crate::pki::Identity;

/// Which identity a switching client presents from now on.
#[derive(Debug, Clone)]
pub struct IdentitySwitch(Arc<Switching>);

impl IdentitySwitch {
    /// Presents the other identity from the next session on.
    pub fn to_other(&self) {
        self.0.switched.store(true, Ordering::Relaxed);
    }
}

/// Two answers to a `CertificateRequest` behind one pointer: rustls offers a ticket only where the
/// resolver is the same object that the ticket was gained with.
#[derive(Debug)]
struct Switching {
    first: ObservingResolver,
    other: ObservingResolver,
    switched: AtomicBool,
}

impl ResolvesClientCert for Switching {
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let resolver = if self.switched.load(Ordering::Relaxed) {
            &self.other
        } else {
            &self.first
        };
        resolver.resolve(root_hint_subjects, sigschemes)
    }

    fn has_certs(&self) -> bool {
        // As in `ObservingResolver`: a `CertificateRequest` must be noticed to be reported.
        true
    }
}

impl ClientTls {
    /// Builds a configuration that presents `spec.identity` until it is switched to `other`.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::new`] does.
    pub fn switching(
        spec: &ClientTlsSpec<'_>,
        other: &Identity,
    ) -> Result<(Self, IdentitySwitch), TlsConfigError> {
        let metering = Metering::default();
        let provider = provider(spec.provider, spec.groups, spec.suites)?;
        let provider = Arc::new(metering.provider(provider));
        let verifier = verifier(spec, spec.roots, &provider, metering)?;
        let first = spec
            .identity
            .map(|identity| certified(identity, &provider, spec.provider))
            .transpose()?;
        let resolver = Arc::new(Switching {
            first: ObservingResolver::new(first),
            other: ObservingResolver::new(Some(certified(other, &provider, spec.provider)?)),
            switched: AtomicBool::new(false),
        });
        let verifier = Arc::new(ObservingVerifier(verifier));
        let tls = Self::assemble(
            spec,
            (provider, metering),
            verifier,
            Arc::clone(&resolver) as _,
        )?;
        Ok((tls, IdentitySwitch(resolver)))
    }
}

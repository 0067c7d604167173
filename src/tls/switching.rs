//! A client that changes its identity between two sessions and still offers the tickets of the first, for audits
//! of servers that accept them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::config::Parts;
use super::credential::certified;
use super::{ClientTls, ClientTlsSpec, TlsConfigError};
use crate::crypto::Metering;
use crate::pki::Identity;

/// Switches a client to its other identity.
#[derive(Debug, Clone)]
pub struct IdentitySwitch(Arc<AtomicBool>);

impl IdentitySwitch {
    /// Presents the other identity from the next session on.
    pub(crate) fn to_other(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl ClientTls {
    /// Builds a configuration that presents `spec.identity` until it is switched to `other`.
    ///
    /// Fails as [`Self::new`] does.
    pub(crate) fn switching(
        spec: &ClientTlsSpec<'_>,
        other: &Identity,
    ) -> Result<(Self, IdentitySwitch), TlsConfigError> {
        let mut parts = Parts::new(spec, Metering::default())?;
        parts.resolver.other = Some(certified(other, &parts.provider, spec.provider)?);
        let switch = IdentitySwitch(Arc::clone(&parts.resolver.switched));
        Ok((Self::assemble(spec, parts)?, switch))
    }
}

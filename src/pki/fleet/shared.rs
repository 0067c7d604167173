//! Intermediates that many chains share are kept once for the whole process.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use rustls_pki_types::CertificateDer;

/// Most certificates that are shared; further ones are kept by each chain.
const MOST: usize = 1_024;

static SHARED: LazyLock<Mutex<HashSet<&'static [u8]>>> = LazyLock::new(Mutex::default);

/// Makes every certificate above the leaf a reference to the one copy of it. They live as long as the process.
pub(super) fn share_issuers(chain: &mut [CertificateDer<'static>]) {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    for cert in chain.iter_mut().skip(1) {
        if let Some(known) = shared.get(cert.as_ref()) {
            *cert = CertificateDer::from(*known);
        } else if shared.len() < MOST {
            let kept: &'static [u8] = Box::leak(cert.as_ref().into());
            shared.insert(kept);
            *cert = CertificateDer::from(kept);
        }
    }
}

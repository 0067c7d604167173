//! What a user's files say a server is verified against.

use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

use super::{Fleet, PkiError, load_crls, load_roots, superseded};
use crate::scenario::TlsSection;

/// Trust anchors and revocation lists.
#[derive(Debug)]
pub(crate) struct Trust {
    /// `None` where nothing is verified; empty where no file names a root.
    pub roots: Option<Vec<CertificateDer<'static>>>,
    pub crls: Vec<CertificateRevocationListDer<'static>>,
    /// Which lists are not used as newer ones are there, each in a sentence.
    pub superseded: Vec<String>,
}

impl Trust {
    /// Fails as [`load_roots`] and [`load_crls`] do.
    pub(crate) fn load(tls: &TlsSection) -> Result<Self, PkiError> {
        let roots = match &tls.cacert {
            _ if tls.insecure => None,
            Some(path) => Some(load_roots(path)?),
            None => Some(Vec::new()),
        };
        let crls = tls.crl.as_deref().map(load_crls).transpose()?;
        let crls = crls.unwrap_or_default();
        let files = tls.crl.iter();
        let superseded = files.flat_map(|path| superseded(path, &crls)).collect();
        Ok(Self {
            roots,
            crls,
            superseded,
        })
    }

    /// Trusts what the source of a fleet says, where no file names a root.
    ///
    /// Fails as [`Fleet::roots`] does.
    pub(crate) fn or_of(mut self, fleet: Option<&Fleet>) -> Result<Self, PkiError> {
        if let (Some([]), Some(fleet)) = (self.roots.as_deref(), fleet) {
            self.roots = Some(fleet.roots()?);
        }
        Ok(self)
    }
}

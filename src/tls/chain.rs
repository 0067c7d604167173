//! A chain to verify, and the layers that verify it.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, Error};

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

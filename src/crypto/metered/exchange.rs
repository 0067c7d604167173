//! Key exchange, metered by group.

use rustls::crypto::{ActiveKeyExchange, CompletedKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, ProtocolVersion, SupportedProtocolVersion};

use super::crypto;
use crate::crypto::group_name;
use crate::stats::CryptoOp;

/// A group whose key pairs and shared secrets are metered.
#[derive(Debug)]
pub(super) struct Group {
    inner: &'static dyn SupportedKxGroup,
    name: &'static str,
}

impl Group {
    pub(crate) fn new(inner: &'static dyn SupportedKxGroup) -> Self {
        Self {
            inner,
            name: group_name(inner.name().into()).leak(),
        }
    }

    fn active(&self, inner: Box<dyn ActiveKeyExchange>) -> Box<dyn ActiveKeyExchange> {
        let name = self.name;
        Box::new(Exchange { inner, name })
    }
}

impl SupportedKxGroup for Group {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let _span = crypto(CryptoOp::KxStart, Some(self.name));
        self.inner.start().map(|inner| self.active(inner))
    }

    /// Both halves at once: an encapsulation cannot be split.
    fn start_and_complete(&self, peer_pub_key: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let _span = crypto(CryptoOp::KxComplete, Some(self.name));
        self.inner.start_and_complete(peer_pub_key)
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        self.inner.ffdhe_group()
    }

    fn name(&self) -> NamedGroup {
        self.inner.name()
    }

    fn fips(&self) -> bool {
        self.inner.fips()
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        self.inner.usable_for_version(version)
    }
}

/// A key pair that waits for the peer's share.
struct Exchange {
    inner: Box<dyn ActiveKeyExchange>,
    name: &'static str,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer_pub_key: &[u8]) -> Result<SharedSecret, Error> {
        let _span = crypto(CryptoOp::KxComplete, Some(self.name));
        self.inner.complete(peer_pub_key)
    }

    fn complete_for_tls_version(
        self: Box<Self>,
        peer_pub_key: &[u8],
        tls_version: &SupportedProtocolVersion,
    ) -> Result<SharedSecret, Error> {
        let _span = crypto(CryptoOp::KxComplete, Some(self.name));
        self.inner
            .complete_for_tls_version(peer_pub_key, tls_version)
    }

    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        self.inner.hybrid_component()
    }

    fn complete_hybrid_component(
        self: Box<Self>,
        peer_pub_key: &[u8],
    ) -> Result<SharedSecret, Error> {
        let _span = crypto(CryptoOp::KxComplete, Some(self.name));
        self.inner.complete_hybrid_component(peer_pub_key)
    }

    fn pub_key(&self) -> &[u8] {
        self.inner.pub_key()
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        self.inner.ffdhe_group()
    }

    fn group(&self) -> NamedGroup {
        self.inner.group()
    }
}

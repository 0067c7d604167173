//! Records one handshake for a reader: our offer, the server's chain with each check of it, and its
//! `CertificateRequest`. For single connections, not for load: it locks, copies and verifies repeatedly. The result
//! holds no types of rustls.

use std::sync::Arc;

use rustls::ProtocolVersion;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;

use super::Fault;
use super::config::{ClientTls, Parts};
use super::seen::{Capture, NoChain, Seen, Shared};
use super::spec::{ClientTlsSpec, TlsConfigError};
use super::verify::{expected_names, root_store};
use crate::crypto::Metering;

/// What the `ClientHello` offers, as code points of the TLS registries, in the order offered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// Protocol versions, latest first.
    pub versions: Vec<u16>,
    /// Cipher suites.
    pub suites: Vec<u16>,
    /// Key exchange groups.
    pub groups: Vec<u16>,
    /// Signature schemes that we verify.
    pub schemes: Vec<u16>,
    /// The server name indication; an address is never sent as one (RFC 6066 section 3).
    pub sni: Option<String>,
    /// ALPN protocols.
    pub alpn: Vec<String>,
}

/// The record of the one session made with its configuration.
#[derive(Debug, Clone)]
pub struct HandshakeCapture {
    offer: Offer,
    seen: Shared,
}

impl HandshakeCapture {
    /// What the configuration offers.
    pub(crate) fn offer(&self) -> &Offer {
        &self.offer
    }

    /// What has been seen so far.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().clone()
    }
}

impl ClientTls {
    /// Builds a configuration that records its handshake and keeps a ledger. Unlike [`ClientTls::new`] it accepts an
    /// empty list of roots: the server is then rejected, but only after its chain was recorded.
    ///
    /// Fails as [`ClientTls::new`].
    pub(crate) fn capturing(
        spec: &ClientTlsSpec<'_>,
    ) -> Result<(Self, HandshakeCapture), TlsConfigError> {
        let roots = spec.roots.filter(|roots| !roots.is_empty());
        let some = ClientTlsSpec { roots, ..*spec };
        let mut parts = Parts::new(&some, Metering::On)?;
        if spec.roots.is_some() && roots.is_none() {
            parts.verifier.chains = Arc::new(NoChain);
        }
        let seen = Shared::default();
        parts.resolver.seen = Some(seen.clone());
        parts.verifier.capture = Some(Capture {
            checks_chain: spec.roots.is_some(),
            roots: roots.map(root_store).transpose()?,
            names: expected_names(spec)?,
            seen: seen.clone(),
        });
        let offer = offer(spec, &parts.provider);
        let tls = Self::assemble(spec, parts)?;
        Ok((tls, HandshakeCapture { offer, seen }))
    }
}

fn offer(spec: &ClientTlsSpec<'_>, provider: &CryptoProvider) -> Offer {
    let schemes = provider
        .signature_verification_algorithms
        .supported_schemes();
    let mut versions: Vec<u16> = spec.versions.iter().map(|v| v.code()).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    let usable = |group: &&'static dyn rustls::crypto::SupportedKxGroup| {
        let mut offered = versions.iter();
        offered.any(|v| group.usable_for_version(ProtocolVersion::from(*v)))
    };
    let is_address = matches!(
        ServerName::try_from(spec.server_name),
        Ok(ServerName::IpAddress(_))
    );
    Offer {
        suites: provider
            .cipher_suites
            .iter()
            .map(|s| s.suite().into())
            .collect(),
        groups: provider
            .kx_groups
            .iter()
            .filter(|group| usable(group))
            .map(|g| g.name().into())
            .collect(),
        schemes: schemes.into_iter().map(u16::from).collect(),
        sni: (!is_address).then(|| spec.server_name.to_owned()),
        alpn: spec.alpn.to_vec(),
        versions,
    }
}

/// The alert that we sent for the server's certificate, if that is this fault.
pub(crate) fn alert_sent_for(fault: &Fault) -> Option<u8> {
    match fault {
        Fault::Tls(fault) => fault.rejection()?.alert,
        _ => None,
    }
}

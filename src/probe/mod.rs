//! One connection, one handshake, told step by step: why does mutual TLS to this server work, or not?
//!
//! [`probe`] makes the connection and always returns a [`ProbeReport`], which [`story`] prints as text.
//! It knows nothing of load, results or the command line.

mod capture;
mod chain;
mod checks;
mod cost;
mod explain;
mod report;
mod session;
mod status;
mod step;
mod steps;
mod story;
mod verdict;

#[cfg(test)]
mod story_tests;

use std::time::Duration;

use time::OffsetDateTime;

pub use cost::{Cost, OperationCost, StepCost};
pub use report::{
    Answer, CertificateRequest, ChainCert, Check, ClientCertificate, ClientHello, FORMAT, Finished,
    KeyExchange, MAX_CA_NAMES, MAX_CHAIN, Network, ProbeReport, ServerChain, ServerHello,
    ServerVerifies, Verdict, Verification,
};
pub(crate) use session::{Manner, connect, session};
pub use status::Status;
pub use story::story;
pub(crate) use verdict::is_about_request;

use crate::pki::{CertificateDer, CertificateRevocationListDer, Identity, PkiError, Trust};
use crate::protocol::ProtocolPlan;
use crate::scenario::{AuthMode, Checked, ProviderName, TargetPlan, TlsVersion, Verify};
use crate::tls::{ClientTls, ClientTlsSpec, TlsConfigError};
use crate::way::WayIn;

/// Why there is nothing to probe.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No URL was given.
    #[error("a probe needs a server to connect to; give host:port or https://host:port/path")]
    NoTarget,
    /// The URL's scheme is one without TLS.
    #[error("a probe shows a TLS handshake, and this URL has none; write https:// or tls://")]
    NoTls,
    /// Certificates or keys could not be loaded.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The TLS parameters cannot work.
    #[error(transparent)]
    Tls(#[from] TlsConfigError),
}

/// Everything a probe needs.
#[derive(Debug, Clone)]
pub struct ProbePlan {
    /// Name or address to connect to.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// IP addresses to use for `host`, instead of asking the resolver.
    pub pinned: Vec<String>,
    /// What is said before TLS.
    pub way_in: WayIn,
    /// The protocol after the handshake.
    pub protocol: ProtocolPlan,
    /// Where the cryptography comes from.
    pub provider: ProviderName,
    /// Versions to offer.
    pub versions: Vec<TlsVersion>,
    /// Groups to offer by name; X25519 alone if empty.
    pub groups: Vec<String>,
    /// Suites to offer by name; the provider's if empty.
    pub suites: Vec<String>,
    /// ALPN protocols to offer.
    pub alpn: Vec<String>,
    /// The name to send and verify.
    pub server_name: String,
    /// Names of which the certificate has to have one, in place of that one.
    pub expected_names: Vec<String>,
    /// Roots to verify against. If empty, every server is rejected once it has shown its chain; with
    /// `None` none is.
    pub roots: Option<Vec<CertificateDer<'static>>>,
    /// Revocation lists that the server's chain is looked up in.
    pub crls: Vec<CertificateRevocationListDer<'static>>,
    /// A sentence for each of them that is not used because of a newer one.
    pub superseded: Vec<String>,
    /// What to answer a `CertificateRequest` with.
    pub identity: Option<Identity>,
    /// How long each of connecting, the handshake and the answer may take.
    pub timeout: Duration,
}

impl ProbePlan {
    /// Takes target, protocol and TLS parameters from a checked scenario, and loads its files.
    ///
    /// # Errors
    ///
    /// Fails if the scenario has no remote target or no TLS, and if a file cannot be used.
    pub fn new(checked: &Checked, timeout: Duration) -> Result<Self, ProbeError> {
        checked.scenario.keep_secrets();
        let TargetPlan::Remote { host, port, pinned } = &checked.target else {
            return Err(ProbeError::NoTarget);
        };
        let cell = checked
            .cells
            .iter()
            .find(|cell| cell.auth != AuthMode::None)
            .ok_or(ProbeError::NoTls)?;
        let tls = &checked.scenario.tls;
        let identity = checked.scenario.identity.as_ref();
        let identity = identity.map(Identity::of_files).transpose()?;
        let Trust {
            roots,
            crls,
            superseded,
        } = Trust::load(tls)?;
        Ok(Self {
            host: host.clone(),
            port: *port,
            pinned: pinned.clone(),
            way_in: checked.way_in.clone(),
            protocol: checked.protocol.once(),
            provider: checked.provider,
            versions: cell.versions.clone(),
            groups: tls.groups.clone(),
            suites: tls.suites.clone(),
            alpn: tls.alpn.clone(),
            server_name: checked.server_name().to_owned(),
            expected_names: tls.expected_name.clone(),
            roots,
            crls,
            superseded,
            identity,
            timeout,
        })
    }

    /// The client's TLS, without resumption.
    pub(crate) fn tls(&self) -> ClientTlsSpec<'_> {
        ClientTlsSpec {
            provider: self.provider,
            versions: &self.versions,
            groups: &self.groups,
            suites: &self.suites,
            alpn: &self.alpn,
            server_name: &self.server_name,
            expected_names: &self.expected_names,
            roots: self.roots.as_deref(),
            crls: &self.crls,
            verify: Verify::default(),
            identity: self.identity.as_ref(),
            resumption: None,
        }
    }
}

/// Makes the connection and tells what happened. A server that cannot be reached or is rejected is a
/// report, too.
///
/// # Errors
///
/// Fails only if the plan's TLS parameters cannot work.
pub async fn probe(plan: &ProbePlan) -> Result<ProbeReport, ProbeError> {
    let (tls, capture) = ClientTls::capturing(&plan.tls())?;
    let facts = session::run(plan, &tls, &capture).await;
    Ok(explain::report(plan, &facts, OffsetDateTime::now_utc()))
}

/// The certificates that a server presents, leaf first and not verified, or why none were seen.
///
/// # Errors
///
/// Fails as [`probe`] does.
pub async fn presented(
    plan: &ProbePlan,
) -> Result<Result<Vec<CertificateDer<'static>>, String>, ProbeError> {
    let (tls, capture) = ClientTls::capturing(&plan.tls())?;
    let facts = session::run(plan, &tls, &capture).await;
    let chain = facts.seen.chain;
    Ok(match (chain.is_empty(), facts.end) {
        (false, _) => Ok(chain),
        (true, session::End::Failed(class, message)) => Err(format!("{class} ({message})")),
        (true, _) => Err("it sent none".to_owned()),
    })
}

//! What a handshake shows: the server's chain with each check of it, and its `CertificateRequest`.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore, SignatureScheme};

use super::chain::{Chain, Chains};
use super::grounds::Grounds;
use super::reject::Rejection;
use super::trust::{ExpectedName, Trusting};
use crate::crypto::enter;
use crate::pki::CertInspect;
use crate::stats::{ServerCertFault, Work};

/// The outcome of one check of the server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Passed.
    Passed,
    /// Failed.
    Failed {
        /// The class that is counted.
        fault: ServerCertFault,
        /// In words, not yet escaped.
        message: String,
    },
    /// There was nothing to check it with.
    NotChecked,
}

impl Finding {
    fn of(rejection: Option<&Rejection>) -> Self {
        match rejection {
            None => Self::Passed,
            Some(rejection) => Self::Failed {
                fault: rejection.fault,
                message: rejection.sentence.clone(),
            },
        }
    }

    /// Why the check failed, if it did.
    pub(crate) fn fault(&self) -> Option<ServerCertFault> {
        match self {
            Self::Failed { fault, .. } => Some(*fault),
            _ => None,
        }
    }
}

/// The checks of the server's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether a trusted root signed the chain, dates left aside.
    pub issuer: Finding,
    /// Whether the leaf is for the name we asked for.
    pub name: Finding,
    /// The verifier's own decision, the one that counts.
    pub verdict: Finding,
}

/// A server's `CertificateRequest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// Names of the authorities it accepts, in DER; none means any.
    pub ca_names: Vec<Vec<u8>>,
    /// Signature schemes it accepts.
    pub schemes: Vec<u16>,
}

/// What the handshake has shown so far; see [`HandshakeCapture::seen`](super::HandshakeCapture::seen).
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The server's certificates as sent, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The checks of them.
    pub judgement: Option<Judgement>,
    /// Whether the server's handshake signature verifies, once it was checked.
    pub signature: Option<Finding>,
    /// Its request for our certificate.
    pub requested: Option<Requested>,
}

#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Seen>>);

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Seen> {
        // No update under this lock can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn requested(&self, ca_names: &[&[u8]], schemes: &[SignatureScheme]) {
        self.lock().requested = Some(Requested {
            ca_names: ca_names.iter().map(|der| der.to_vec()).collect(),
            schemes: schemes.iter().map(|s| (*s).into()).collect(),
        });
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().fmt(f)
    }
}

/// Rejects every chain, as there is no root.
#[derive(Debug)]
pub(super) struct NoChain;

impl Chains for NoChain {
    fn verify(&self, _: &Chain<'_>) -> Result<(), Error> {
        Err(CertificateError::UnknownIssuer.into())
    }
}

/// Records the chain and its checks.
#[derive(Debug)]
pub(super) struct Capture {
    /// Whether chains are verified, even if without a root.
    pub checks_chain: bool,
    pub roots: Option<RootCertStore>,
    pub names: Vec<ExpectedName>,
    pub seen: Shared,
}

impl Capture {
    pub(crate) fn chain(&self, chain: &Chain<'_>, grounds: &Grounds, verdict: Option<&Rejection>) {
        let _for_the_reader = enter(Work::Probe, None);
        let name = Trusting::name(&self.names, chain);
        let judgement = Judgement {
            issuer: match verdict {
                // A trusted leaf passes without an issuer.
                None if self.checks_chain => Finding::Passed,
                _ => self.issuer(chain, grounds),
            },
            name: found(&name, grounds, chain),
            verdict: Finding::of(verdict),
        };
        let mut seen = self.seen.lock();
        seen.chain = chain
            .certs()
            .map(|cert| cert.clone().into_owned())
            .collect();
        seen.judgement = Some(judgement);
    }

    pub(crate) fn signature(&self, verdict: Option<&Rejection>) {
        self.seen.lock().signature = Some(Finding::of(verdict));
    }

    fn issuer(&self, chain: &Chain<'_>, grounds: &Grounds) -> Finding {
        if !self.checks_chain {
            return Finding::NotChecked;
        }
        let at = |now| {
            let chain = Chain { now, ..*chain };
            let verified = match &self.roots {
                None => NoChain.verify(&chain),
                Some(roots) => ParsedCertificate::try_from(chain.leaf).and_then(|leaf| {
                    let algorithms = grounds.algorithms;
                    verify_server_cert_signed_by_trust_anchor(
                        &leaf, roots, chain.rest, now, algorithms,
                    )
                }),
            };
            found(&verified, grounds, &chain)
        };
        match at(chain.now) {
            // The dates have their own check: judge the issuer at a time when all were valid.
            Finding::Failed {
                fault: ServerCertFault::Expired | ServerCertFault::NotYetValid,
                ..
            } => at(common_validity(chain).unwrap_or(chain.now)),
            finding => finding,
        }
    }
}

/// The first second at which no certificate was still to become valid.
fn common_validity(chain: &Chain<'_>) -> Option<UnixTime> {
    let begins = chain
        .certs()
        .filter_map(|cert| Some(CertInspect::parse(cert)?.validity_unix_s().0))
        .max()?;
    let since_1970 = u64::try_from(begins).ok()?;
    Some(UnixTime::since_unix_epoch(Duration::from_secs(since_1970)))
}

fn found(result: &Result<(), Error>, grounds: &Grounds, chain: &Chain<'_>) -> Finding {
    let rejection = result
        .as_ref()
        .err()
        .map(|error| grounds.explain(error, chain));
    Finding::of(rejection.as_ref())
}

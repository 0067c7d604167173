//! The metered provider decorates a provider to enter each operation in the current session's ledger. Apart from its
//! timing it behaves the same.
//!
//! Metered cells are separate, as two clock readings per operation are not free ([`span_cost`]); latency and CPU figures
//! are taken without it.

mod exchange;
mod ledger;
mod signature;
mod suite;

#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom, WebPkiSupportedAlgorithms};
use rustls::pki_types::SignatureVerificationAlgorithm;
use rustls::server::ProducesTickets;
use rustls::{SignatureScheme, SupportedCipherSuite};

use super::{ProviderError, Ticketer, provider};
use crate::scenario::ProviderName;
use crate::stats::{CryptoOp, Work};

pub use ledger::{Ledger, attributed, span_cost};
pub(crate) use ledger::{enter, note};

use ledger::Entered;

/// The environment variable that meters every session of the process if it is `1`, for tests. Results say so, as they
/// are no headline figures.
pub const SWITCH: &str = "SHAKEDOWN_METERED";

/// Whether a configuration's cryptography is metered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metering {
    /// Plain.
    Off,
    /// Its sessions keep a ledger.
    On,
}

impl Default for Metering {
    /// Off, unless [`SWITCH`] is set.
    fn default() -> Self {
        static SWITCHED_ON: LazyLock<bool> =
            LazyLock::new(|| std::env::var_os(SWITCH).is_some_and(|value| value == "1"));
        if *SWITCHED_ON { Self::On } else { Self::Off }
    }
}

impl Metering {
    /// A provider with all its groups, suites and schemes. rustls requires these to be `'static`, so each provider is
    /// decorated, and leaked, once per process.
    ///
    /// Fails as [`provider`] does.
    pub(crate) fn provider(self, name: ProviderName) -> Result<CryptoProvider, ProviderError> {
        static METERED: Mutex<Vec<(ProviderName, CryptoProvider)>> = Mutex::new(Vec::new());
        let plain = provider(name)?;
        if self == Self::Off {
            return Ok(plain);
        }
        let mut known = METERED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, metered)) = known.iter().find(|(other, _)| *other == name) {
            return Ok(metered.clone());
        }
        let metered = metered(&plain);
        known.push((name, metered.clone()));
        Ok(metered)
    }

    /// Decorates a ticketer, if on.
    pub(crate) fn ticketer(self, ticketer: Ticketer) -> Ticketer {
        match self {
            Self::Off => ticketer,
            Self::On => Arc::new(Tickets(ticketer)),
        }
    }
}

/// The same provider with every operation metered.
fn metered(provider: &CryptoProvider) -> CryptoProvider {
    let groups = provider.kx_groups.iter();
    CryptoProvider {
        cipher_suites: provider.cipher_suites.iter().map(suite).collect(),
        kx_groups: groups
            .map(|inner| forever(exchange::Group::new(*inner)) as _)
            .collect(),
        signature_verification_algorithms: verification(provider.signature_verification_algorithms),
        secure_random: forever(Random(provider.secure_random)),
        key_provider: forever(signature::Keys(provider.key_provider)),
    }
}

/// Starts the clock of a crypto operation.
fn crypto(op: CryptoOp, algorithm: Option<&'static str>) -> Entered {
    enter(Work::Crypto(op), algorithm)
}

/// Keeps a value for the rest of the process.
fn forever<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn suite(inner: &SupportedCipherSuite) -> SupportedCipherSuite {
    match *inner {
        SupportedCipherSuite::Tls12(inner) => forever(suite::tls12(inner)).into(),
        SupportedCipherSuite::Tls13(inner) => forever(suite::tls13(inner)).into(),
    }
}

type Algorithms = &'static [&'static dyn SignatureVerificationAlgorithm];

fn verification(inner: WebPkiSupportedAlgorithms) -> WebPkiSupportedAlgorithms {
    let decorate = |all: Algorithms, op| -> Algorithms {
        let each = |inner: &&'static dyn SignatureVerificationAlgorithm| {
            forever(signature::Verification::new(*inner, op)) as _
        };
        all.iter().map(each).collect::<Vec<_>>().leak()
    };
    WebPkiSupportedAlgorithms {
        all: decorate(inner.all, CryptoOp::VerifyChain),
        mapping: (inner.mapping.iter())
            .map(|(scheme, all)| (*scheme, decorate(all, CryptoOp::VerifyTranscript)))
            .collect::<Vec<(SignatureScheme, Algorithms)>>()
            .leak(),
    }
}

/// A source of random bytes that is metered.
#[derive(Debug)]
struct Random(&'static dyn SecureRandom);

impl SecureRandom for Random {
    fn fill(&self, buf: &mut [u8]) -> Result<(), GetRandomFailed> {
        let _span = crypto(CryptoOp::Random, None);
        self.0.fill(buf)
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

/// The algorithm under which tickets are entered.
const TICKET: &str = "ticket";

/// A maker of tickets that is metered.
#[derive(Debug)]
struct Tickets(Ticketer);

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        self.0.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.0.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let _span = crypto(CryptoOp::Seal, Some(TICKET));
        self.0.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let _span = crypto(CryptoOp::Open, Some(TICKET));
        self.0.decrypt(cipher)
    }
}

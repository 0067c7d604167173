//! The metered provider: any provider, with every operation entered in the ledger of the session that
//! is being driven. It forwards everything and changes nothing but the time it takes.
//!
//! It is for cells of its own, as two readings of the clock around each operation are not free
//! ([`span_cost`]); latency and CPU figures are taken without it.

mod callbacks;
mod exchange;
mod ledger;
mod signature;
mod suite;

#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{
    CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, SupportedKxGroup,
    WebPkiSupportedAlgorithms,
};
use rustls::pki_types::SignatureVerificationAlgorithm;
use rustls::server::ProducesTickets;
use rustls::server::danger::ClientCertVerifier;
use rustls::{SignatureScheme, SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite};

use crate::stats::{CryptoOp, Work};

pub use ledger::{Ledger, attributed, enter, note, span_cost};

use callbacks::Metered;
use ledger::Entered;

/// The environment variable that meters every session of the process if it is `1`, so that the tests can
/// be run so. The result says so, as headline figures are not to be taken with it.
pub const SWITCH: &str = "SHAKEDOWN_METERED";

/// Whether a configuration's cryptography is metered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metering {
    /// It is as the provider made it.
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
    /// A provider, decorated if it is on.
    #[must_use]
    pub fn provider(self, provider: CryptoProvider) -> CryptoProvider {
        match self {
            Self::Off => provider,
            Self::On => metered(&provider),
        }
    }

    /// What verifies servers, decorated if it is on.
    pub fn server_verifier(
        self,
        verifier: Arc<dyn ServerCertVerifier>,
    ) -> Arc<dyn ServerCertVerifier> {
        match self {
            Self::Off => verifier,
            Self::On => Arc::new(Metered(verifier)),
        }
    }

    /// What verifies clients, decorated if it is on.
    pub fn client_verifier(
        self,
        verifier: Arc<dyn ClientCertVerifier>,
    ) -> Arc<dyn ClientCertVerifier> {
        match self {
            Self::Off => verifier,
            Self::On => Arc::new(Metered(verifier)),
        }
    }

    /// What makes tickets, decorated if it is on.
    pub fn ticketer(self, ticketer: Arc<dyn ProducesTickets>) -> Arc<dyn ProducesTickets> {
        match self {
            Self::Off => ticketer,
            Self::On => Arc::new(Metered(ticketer)),
        }
    }
}

/// The same provider with every operation metered.
///
/// rustls wants groups, suites and algorithms that live for ever. Each is decorated once per process,
/// however many configurations are made from it, so what is leaked does not grow.
fn metered(provider: &CryptoProvider) -> CryptoProvider {
    CryptoProvider {
        cipher_suites: provider.cipher_suites.iter().map(|s| suite(*s)).collect(),
        kx_groups: provider.kx_groups.iter().map(|g| group(*g)).collect(),
        signature_verification_algorithms: verification(provider.signature_verification_algorithms),
        secure_random: random(provider.secure_random),
        key_provider: keys(provider.key_provider),
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

/// What was decorated already, each with its decoration.
type Known<T, D> = LazyLock<Mutex<Vec<(T, D)>>>;

/// The decoration of what `is` recognises; made by `make` the first time.
fn once<T: Copy, D: Copy>(
    known: &Known<T, D>,
    inner: T,
    is: impl Fn(T) -> bool,
    make: impl FnOnce() -> D,
) -> D {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, decorated)) = known.iter().find(|(other, _)| is(*other)) {
        return *decorated;
    }
    let decorated = make();
    known.push((inner, decorated));
    decorated
}

/// A name in lower case that lives for ever, each once.
fn label(name: &str) -> &'static str {
    static KNOWN: Known<&'static str, ()> = LazyLock::new(Mutex::default);
    let name = name.to_lowercase();
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((kept, ())) = known.iter().find(|(kept, ())| *kept == name) {
        return kept;
    }
    let kept: &'static str = Box::leak(name.into_boxed_str());
    known.push((kept, ()));
    kept
}

/// Whether two references are to the same object of the same type. Objects without size may share an
/// address, so the type counts.
fn same<T: ?Sized>(one: &T, other: &T) -> bool {
    std::ptr::eq(one, other)
}

fn group(inner: &'static dyn SupportedKxGroup) -> &'static dyn SupportedKxGroup {
    type Group = &'static dyn SupportedKxGroup;
    static KNOWN: Known<Group, Group> = LazyLock::new(Mutex::default);
    let is = |other: Group| same(other, inner) && other.name() == inner.name();
    once(&KNOWN, inner, is, || forever(exchange::Group::new(inner)))
}

fn suite(inner: SupportedCipherSuite) -> SupportedCipherSuite {
    static KNOWN12: Known<&Tls12CipherSuite, &Tls12CipherSuite> = LazyLock::new(Mutex::default);
    static KNOWN13: Known<&Tls13CipherSuite, &Tls13CipherSuite> = LazyLock::new(Mutex::default);
    match inner {
        SupportedCipherSuite::Tls12(inner) => {
            let is = |other| same(other, inner);
            once(&KNOWN12, inner, is, || forever(suite::tls12(inner))).into()
        }
        SupportedCipherSuite::Tls13(inner) => {
            let is = |other| same(other, inner);
            once(&KNOWN13, inner, is, || forever(suite::tls13(inner))).into()
        }
    }
}

type Algorithms = &'static [&'static dyn SignatureVerificationAlgorithm];

fn verification(inner: WebPkiSupportedAlgorithms) -> WebPkiSupportedAlgorithms {
    static KNOWN: Known<WebPkiSupportedAlgorithms, WebPkiSupportedAlgorithms> =
        LazyLock::new(Mutex::default);
    let is = |other: WebPkiSupportedAlgorithms| {
        same(other.all, inner.all) && same(other.mapping, inner.mapping)
    };
    let decorate = |all: Algorithms, op| -> Algorithms {
        let each = |inner: &&'static dyn SignatureVerificationAlgorithm| {
            forever(signature::Verification::new(*inner, op)) as _
        };
        all.iter().map(each).collect::<Vec<_>>().leak()
    };
    once(&KNOWN, inner, is, || WebPkiSupportedAlgorithms {
        all: decorate(inner.all, CryptoOp::VerifyChain),
        mapping: (inner.mapping.iter())
            .map(|(scheme, all)| (*scheme, decorate(all, CryptoOp::VerifyTranscript)))
            .collect::<Vec<(SignatureScheme, Algorithms)>>()
            .leak(),
    })
}

fn keys(inner: &'static dyn KeyProvider) -> &'static dyn KeyProvider {
    type Keys = &'static dyn KeyProvider;
    static KNOWN: Known<Keys, Keys> = LazyLock::new(Mutex::default);
    let is = |other: Keys| same(other, inner);
    once(&KNOWN, inner, is, || forever(signature::Keys(inner)))
}

fn random(inner: &'static dyn SecureRandom) -> &'static dyn SecureRandom {
    type Source = &'static dyn SecureRandom;
    static KNOWN: Known<Source, Source> = LazyLock::new(Mutex::default);
    let is = |other: Source| same(other, inner);
    once(&KNOWN, inner, is, || forever(Random(inner)))
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

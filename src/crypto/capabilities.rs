//! A provider's capabilities, all determined by querying it.

use rustls::crypto::CryptoProvider;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ProtocolVersion, SignatureScheme, SupportedCipherSuite};
use serde::Serialize;

use super::names::{cipher_suite_name, group_name, scheme_name};
use crate::scenario::{KeyAlgorithm, TlsVersion};

/// Both versions, the older one first.
const VERSIONS: [TlsVersion; 2] = [TlsVersion::Tls12, TlsVersion::Tls13];

/// A provider's capabilities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// TLS versions with a suite.
    pub versions: Vec<TlsVersion>,
    /// Cipher suites, in its own order of preference.
    pub suites: Vec<Suite>,
    /// Key exchange groups, in its own order of preference.
    pub groups: Vec<Group>,
    /// IANA names of the signature schemes that it verifies.
    pub verifies: Vec<String>,
    /// Keys of certificates.
    pub keys: Vec<KeySupport>,
    /// Whether all of it is approved by FIPS 140.
    pub fips: bool,
    /// Whether it has suites for early data (TLS 1.3).
    pub early_data: bool,
    /// Whether it has suites for QUIC.
    pub quic: bool,
}

/// A cipher suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suite {
    /// Its IANA name.
    pub name: String,
    /// The version it is for.
    pub version: TlsVersion,
}

/// A key exchange group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Its IANA name, in lower case.
    pub name: String,
    /// The versions it can be used in.
    pub versions: Vec<TlsVersion>,
    /// Whether it includes ML-KEM, the only post-quantum algorithm so far.
    pub post_quantum: bool,
    /// Whether it is approved by FIPS 140.
    pub fips: bool,
}

/// Support for certificates of one key algorithm: signing, and verifying the other end's signature and chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeySupport {
    /// The algorithm.
    pub key: KeyAlgorithm,
    /// Versions that allow such certificates of servers.
    pub server: Vec<TlsVersion>,
    /// Versions that allow them of clients.
    pub client: Vec<TlsVersion>,
}

impl Capabilities {
    /// Queries a provider. `sample` gives a private key of each algorithm to try; algorithms without one are left out.
    pub fn of(
        provider: &CryptoProvider,
        sample: impl Fn(KeyAlgorithm) -> Option<PrivateKeyDer<'static>>,
    ) -> Self {
        let suites = &provider.cipher_suites;
        let versions: Vec<TlsVersion> = (VERSIONS.into_iter())
            .filter(|version| suites.iter().any(|suite| version_of(suite) == *version))
            .collect();
        let keys = KeyAlgorithm::ALL.into_iter().filter_map(|key| {
            let sample = sample(key)?;
            Some(key_support(provider, key, sample, &versions))
        });
        let schemes = provider.signature_verification_algorithms.mapping.iter();
        Self {
            suites: suites.iter().map(suite).collect(),
            groups: groups(provider, &versions),
            verifies: schemes
                .map(|(scheme, _)| scheme_name((*scheme).into()))
                .collect(),
            keys: keys.collect(),
            fips: provider.fips(),
            early_data: versions.contains(&TlsVersion::Tls13),
            quic: suites
                .iter()
                .any(|suite| suite.tls13().is_some_and(|suite| suite.quic.is_some())),
            versions,
        }
    }

    /// The group of this name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// The support for an algorithm.
    pub fn key(&self, key: KeyAlgorithm) -> Option<&KeySupport> {
        self.keys.iter().find(|support| support.key == key)
    }

    /// Whether there is a suite of this name.
    pub fn has_suite(&self, name: &str) -> bool {
        self.suites.iter().any(|suite| suite.name == name)
    }
}

fn version_of(suite: &SupportedCipherSuite) -> TlsVersion {
    if suite.tls13().is_some() {
        TlsVersion::Tls13
    } else {
        TlsVersion::Tls12
    }
}

fn suite(suite: &SupportedCipherSuite) -> Suite {
    Suite {
        name: cipher_suite_name(suite.suite().into()),
        version: version_of(suite),
    }
}

fn groups(provider: &CryptoProvider, versions: &[TlsVersion]) -> Vec<Group> {
    let group = |group: &&'static dyn rustls::crypto::SupportedKxGroup| {
        let name = group_name(group.name().into());
        let usable = |version: &TlsVersion| {
            group.usable_for_version(match version {
                TlsVersion::Tls12 => ProtocolVersion::TLSv1_2,
                TlsVersion::Tls13 => ProtocolVersion::TLSv1_3,
            })
        };
        Group {
            versions: versions.iter().copied().filter(usable).collect(),
            post_quantum: name.contains("mlkem"),
            fips: group.fips(),
            name,
        }
    };
    provider.kx_groups.iter().map(group).collect()
}

fn key_support(
    provider: &CryptoProvider,
    key: KeyAlgorithm,
    sample: PrivateKeyDer<'static>,
    versions: &[TlsVersion],
) -> KeySupport {
    let known = |name: &str| {
        let mut schemes = provider.signature_verification_algorithms.mapping.iter();
        schemes.find_map(|(scheme, _)| (scheme_name((*scheme).into()) == name).then_some(*scheme))
    };
    let (Some(scheme), Some(_)) = (known(key.scheme()), known(key.certificate_scheme())) else {
        return KeySupport {
            key,
            server: Vec::new(),
            client: Vec::new(),
        };
    };
    let loaded = provider.key_provider.load_private_key(sample);
    let signs = loaded.is_ok_and(|loaded| loaded.choose_scheme(&[scheme]).is_some());
    let fits = |version: &TlsVersion| signs && key.fits(*version);
    let client: Vec<TlsVersion> = versions.iter().copied().filter(fits).collect();
    let server = client.iter().copied();
    KeySupport {
        key,
        server: server
            .filter(|version| *version == TlsVersion::Tls13 || in_tls12(provider, scheme))
            .collect(),
        client,
    }
}

/// Whether a TLS 1.2 suite, which is tied to the server's kind of key, fits this scheme.
fn in_tls12(provider: &CryptoProvider, scheme: SignatureScheme) -> bool {
    provider.cipher_suites.iter().any(|suite| match suite {
        SupportedCipherSuite::Tls12(suite) => suite.sign.contains(&scheme),
        SupportedCipherSuite::Tls13(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::provider;
    use crate::scenario::ProviderName;

    #[test]
    fn ring_tells_what_it_has_and_has_not() {
        let ring = Capabilities::of(&provider(ProviderName::Ring).unwrap(), |_| None);
        assert_eq!(ring.versions, VERSIONS);
        let names: Vec<&str> = ring.groups.iter().map(|g| g.name.as_str()).collect();
        assert_eq!(names, ["x25519", "secp256r1", "secp384r1"]);
        assert!(ring.has_suite("TLS_AES_128_GCM_SHA256") && ring.early_data && !ring.fips);
        assert!(ring.keys.is_empty() && ring.key(KeyAlgorithm::Ed25519).is_none());
    }

    #[test]
    fn post_quantum_groups_are_told_apart_and_are_not_for_tls_1_2() {
        let provider = provider(ProviderName::default()).unwrap();
        let groups = Capabilities::of(&provider, |_| None);
        let hybrid = groups.group("x25519mlkem768").unwrap();
        assert_eq!(hybrid.versions, [TlsVersion::Tls13]);
        assert!(hybrid.post_quantum && !groups.group("secp256r1").unwrap().post_quantum);
    }
}

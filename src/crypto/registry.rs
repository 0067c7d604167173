//! The registry: each provider with its requirements and, where compiled in, its constructor.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs, ring};
use rustls::server::ProducesTickets;
use serde::Serialize;

use crate::scenario::ProviderName;

#[cfg(all(
    any(feature = "openssl", feature = "bench-openssl"),
    feature = "boring"
))]
compile_error!(
    "the features `openssl` (or `bench-openssl`) and `boring` exclude each other: both libraries define the same symbols, \
     and calls would end up in the wrong one; build once with each"
);

/// A provider that cannot be used here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ProviderError {
    #[error(
        "provider {name} is not in this build; build with `--features {feature}`, which needs {needs}"
    )]
    NotCompiled {
        name: ProviderName,
        feature: &'static str,
        needs: &'static str,
    },
    #[error(
        "provider {0} is not in this build, which has its FIPS module in its place; build without `--features fips`, or use aws-lc-rs-fips"
    )]
    Replaced(ProviderName),
    #[error("provider {name} needs a CPU with {missing}, which this one has not; use another one")]
    Cpu { name: ProviderName, missing: String },
    #[error("provider {name} cannot encrypt tickets: {cause}; try again, or use another one")]
    Ticketer { name: ProviderName, cause: String },
}

/// Encrypts stateless tickets.
pub type Ticketer = Arc<dyn ProducesTickets>;

/// The constructors of a provider that is compiled in.
#[derive(Debug, Clone, Copy)]
pub struct Backend {
    /// Makes it with all its groups, not only its defaults.
    pub crypto: fn() -> CryptoProvider,
    /// Makes its own ticketer, if it has one.
    pub ticketer: Option<fn() -> Result<Ticketer, rustls::Error>>,
}

/// One provider, as this build has it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Entry {
    /// Its name.
    pub name: ProviderName,
    /// The crate that provides it.
    pub package: &'static str,
    /// Its cargo feature; none if it is always built.
    pub feature: Option<&'static str>,
    /// Build dependencies other than Rust.
    pub builds_with: &'static str,
    /// What a reader should know.
    pub remarks: &'static str,
    /// Instruction sets that it requires on this architecture, and whether the CPU has them.
    #[serde(skip)]
    pub cpu: fn() -> Vec<(&'static str, bool)>,
    /// None if it is not compiled in.
    #[serde(skip)]
    pub backend: Option<Backend>,
}

impl Entry {
    /// Whether it can be used in this build and on this CPU.
    ///
    /// # Errors
    ///
    /// Fails with what is missing.
    pub fn backend(&self) -> Result<Backend, ProviderError> {
        let name = self.name;
        let Some(backend) = self.backend else {
            return Err(match self.feature {
                Some(feature) => ProviderError::NotCompiled {
                    name,
                    feature,
                    needs: self.builds_with,
                },
                None => ProviderError::Replaced(name),
            });
        };
        let missing: Vec<&str> = (self.cpu)()
            .into_iter()
            .filter_map(|(set, there)| (!there).then_some(set))
            .collect();
        if missing.is_empty() {
            Ok(backend)
        } else {
            let missing = missing.join(", ");
            Err(ProviderError::Cpu { name, missing })
        }
    }
}

/// The entry of a provider.
pub fn entry(name: ProviderName) -> Entry {
    match name {
        ProviderName::AwsLcRs => Entry {
            name,
            package: "aws-lc-rs",
            feature: None,
            builds_with: "a C compiler",
            remarks: "the default; the only one with ML-DSA certificates",
            cpu: Vec::new,
            backend: (!cfg!(feature = "fips")).then_some(AWS_LC_RS),
        },
        ProviderName::Ring => Entry {
            name,
            package: "ring",
            feature: None,
            builds_with: "a C compiler",
            remarks: "no post-quantum groups",
            cpu: Vec::new,
            backend: Some(RING),
        },
        ProviderName::Graviola => Entry {
            name,
            package: "rustls-graviola",
            feature: Some("graviola"),
            builds_with: "nothing, on x86_64 and aarch64",
            remarks: "no C at all; servers with Ed25519 certificates in TLS 1.3 only",
            cpu: graviola_cpu,
            backend: GRAVIOLA,
        },
        ProviderName::Openssl => Entry {
            name,
            package: "rustls-openssl",
            feature: Some("openssl"),
            builds_with: "libssl-dev and pkg-config (`openssl-vendored`: a C compiler, perl and make)",
            remarks: "post-quantum groups from OpenSSL 3.5 on; not together with boring",
            cpu: Vec::new,
            backend: OPENSSL,
        },
        ProviderName::Rustcrypto => Entry {
            name,
            package: "rustls-rustcrypto",
            feature: Some("rustcrypto"),
            builds_with: "nothing",
            remarks: "an alpha release of 2024, pure Rust; a reference, not for production",
            cpu: Vec::new,
            backend: RUSTCRYPTO,
        },
        ProviderName::Boring => Entry {
            name,
            package: "boring-rustls-provider",
            feature: Some("boring"),
            builds_with: "cmake, a C++ compiler and libclang",
            remarks: "not together with openssl",
            cpu: Vec::new,
            backend: BORING,
        },
        ProviderName::AwsLcRsFips => Entry {
            name,
            package: "aws-lc-rs",
            feature: Some("fips"),
            builds_with: "a C compiler, cmake and Go",
            remarks: "takes the place of aws-lc-rs in the whole build; offers only what is approved",
            cpu: Vec::new,
            backend: cfg!(feature = "fips").then_some(AWS_LC_RS_FIPS),
        },
    }
}

/// A provider with all its groups, suites and schemes, for either end of a session.
///
/// # Errors
///
/// Fails if it is not in this build, or needs another CPU.
pub fn provider(name: ProviderName) -> Result<CryptoProvider, ProviderError> {
    entry(name).backend().map(|backend| (backend.crypto)())
}

/// The other providers of this build that can do something, as a list in words; empty if none can.
pub(crate) fn others_that(name: ProviderName, can: impl Fn(&CryptoProvider) -> bool) -> String {
    let others = ProviderName::ALL.into_iter().filter(|other| *other != name);
    let able = others.filter(|other| provider(*other).is_ok_and(|provider| can(&provider)));
    able.map(ProviderName::label).collect::<Vec<_>>().join(", ")
}

/// A provider's ticketer, or that of AWS-LC if it has none.
///
/// Fails as [`provider`] does, or if no key can be made.
pub(crate) fn ticketer(name: ProviderName) -> Result<Ticketer, ProviderError> {
    let own = entry(name).backend()?.ticketer;
    own.unwrap_or(aws_lc_rs::Ticketer::new)().map_err(|error| ProviderError::Ticketer {
        name,
        cause: error.to_string(),
    })
}

const AWS_LC_RS: Backend = Backend {
    crypto: || CryptoProvider {
        kx_groups: aws_lc_rs::ALL_KX_GROUPS.to_vec(),
        ..aws_lc_rs::default_provider()
    },
    ticketer: Some(aws_lc_rs::Ticketer::new),
};

const AWS_LC_RS_FIPS: Backend = Backend {
    crypto: || {
        let all = aws_lc_rs::ALL_KX_GROUPS.iter().copied();
        CryptoProvider {
            kx_groups: all.filter(|group| group.fips()).collect(),
            ..aws_lc_rs::default_provider()
        }
    },
    ticketer: Some(aws_lc_rs::Ticketer::new),
};

const RING: Backend = Backend {
    crypto: || CryptoProvider {
        kx_groups: ring::ALL_KX_GROUPS.to_vec(),
        ..ring::default_provider()
    },
    ticketer: Some(ring::Ticketer::new),
};

#[cfg(all(
    feature = "graviola",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
const GRAVIOLA: Option<Backend> = Some(Backend {
    crypto: rustls_graviola::default_provider,
    ticketer: Some(rustls_graviola::Ticketer::new),
});

#[cfg(not(all(
    feature = "graviola",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
const GRAVIOLA: Option<Backend> = None;

#[cfg(feature = "openssl")]
const OPENSSL: Option<Backend> = Some(Backend {
    crypto: || CryptoProvider {
        kx_groups: rustls_openssl::kx_group::available_groups(),
        ..rustls_openssl::default_provider()
    },
    ticketer: None,
});

#[cfg(not(feature = "openssl"))]
const OPENSSL: Option<Backend> = None;

#[cfg(feature = "rustcrypto")]
const RUSTCRYPTO: Option<Backend> = Some(Backend {
    crypto: rustls_rustcrypto::provider,
    ticketer: None,
});

#[cfg(not(feature = "rustcrypto"))]
const RUSTCRYPTO: Option<Backend> = None;

#[cfg(feature = "boring")]
const BORING: Option<Backend> = Some(Backend {
    crypto: boring_rustls_provider::provider,
    ticketer: None,
});

#[cfg(not(feature = "boring"))]
const BORING: Option<Backend> = None;

/// What graviola asserts at its first operation: it would abort the process.
fn graviola_cpu() -> Vec<(&'static str, bool)> {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        vec![
            ("adx", has!("adx")),
            ("aes", has!("aes")),
            ("avx", has!("avx")),
            ("avx2", has!("avx2")),
            ("bmi1", has!("bmi1")),
            ("pclmulqdq", has!("pclmulqdq")),
        ]
    }
    #[cfg(target_arch = "aarch64")]
    {
        use std::arch::is_aarch64_feature_detected as has;
        vec![
            ("neon", has!("neon")),
            ("aes", has!("aes")),
            ("pmull", has!("pmull")),
            ("sha2", has!("sha2")),
        ]
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use rustls::NamedGroup;

    use super::*;

    #[test]
    fn what_is_always_built_is_there_and_what_is_not_says_how_to_build_it() {
        assert!(provider(ProviderName::default()).is_ok());
        assert!(provider(ProviderName::Ring).is_ok());
        for name in ProviderName::ALL {
            let entry = entry(name);
            assert_eq!(entry.name, name);
            let Err(error) = entry.backend() else {
                assert!(ticketer(name).is_ok(), "{name}");
                continue;
            };
            let message = error.to_string();
            assert!(message.contains(name.label()), "{message}");
            if let ProviderError::NotCompiled { feature, .. } = error {
                assert!(message.contains(&format!("--features {feature}")));
                assert!(message.contains(entry.builds_with), "{message}");
            }
        }
    }

    #[test]
    fn the_document_has_every_provider_with_what_it_needs() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/providers.md");
        let text = std::fs::read_to_string(path).unwrap();
        for name in ProviderName::ALL {
            let entry = entry(name);
            let rows = text.lines();
            let mut row = rows.filter(|row| row.starts_with(&format!("| `{name}` |")));
            let row = row.next().unwrap_or_else(|| panic!("no row of {name}"));
            for part in [entry.package, entry.builds_with, entry.remarks] {
                assert!(row.contains(part), "{name}: {part:?} is not in {row}");
            }
            let feature = entry.feature.map(|feature| format!("`{feature}`"));
            let feature = feature.unwrap_or("always built".to_owned());
            assert!(row.contains(&feature), "{row}");
        }
    }

    #[test]
    fn every_group_of_a_provider_is_there() {
        let names = |name| {
            let provider = provider(name).unwrap();
            let groups = provider.kx_groups.iter();
            groups.map(|g| g.name()).collect::<Vec<_>>()
        };
        if ProviderName::default() == ProviderName::AwsLcRs {
            let groups = names(ProviderName::AwsLcRs);
            for group in [NamedGroup::X25519MLKEM768, NamedGroup::MLKEM1024] {
                assert!(groups.contains(&group), "{groups:?}");
            }
        }
        assert_eq!(names(ProviderName::Ring).len(), 3);
    }

    #[test]
    fn a_cpu_that_lacks_something_is_told_what() {
        let entry = Entry {
            cpu: || vec![("avx2", true), ("adx", false), ("bmi1", false)],
            ..entry(ProviderName::Ring)
        };
        let error = entry.backend().unwrap_err().to_string();
        assert_eq!(
            error,
            "provider ring needs a CPU with adx, bmi1, which this one has not; use another one"
        );
    }
}

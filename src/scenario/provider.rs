//! The crypto providers, by the names that scenarios, flags, results and reports use. Which of them this
//! build has, and what each can do, is in `crypto`; here are only the words.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of a crypto provider: where the cryptography of one end comes from.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderName {
    /// AWS-LC through aws-lc-rs.
    AwsLcRs,
    /// *ring*.
    Ring,
    /// Graviola.
    Graviola,
    /// OpenSSL through rustls-openssl.
    Openssl,
    /// The crates of the `RustCrypto` organisation through rustls-rustcrypto.
    Rustcrypto,
    /// `BoringSSL` through boring-rustls-provider.
    Boring,
    /// The FIPS module of AWS-LC through aws-lc-rs.
    AwsLcRsFips,
}

/// A name that no provider has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is no crypto provider; choose from {}",
    ProviderName::names()
)]
pub struct UnknownProvider {
    /// As written.
    given: String,
}

impl ProviderName {
    /// Every provider, in the order of display.
    pub const ALL: [Self; 7] = [
        Self::AwsLcRs,
        Self::Ring,
        Self::Graviola,
        Self::Openssl,
        Self::Rustcrypto,
        Self::Boring,
        Self::AwsLcRsFips,
    ];

    /// The stable name: what is parsed, displayed and serialised.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AwsLcRs => "aws-lc-rs",
            Self::Ring => "ring",
            Self::Graviola => "graviola",
            Self::Openssl => "openssl",
            Self::Rustcrypto => "rustcrypto",
            Self::Boring => "boring",
            Self::AwsLcRsFips => "aws-lc-rs-fips",
        }
    }

    fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

/// AWS-LC, in the form in which this build has it.
impl Default for ProviderName {
    fn default() -> Self {
        if cfg!(feature = "fips") {
            Self::AwsLcRsFips
        } else {
            Self::AwsLcRs
        }
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ProviderName {
    type Err = UnknownProvider;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|name| name.as_str() == s);
        found.ok_or_else(|| UnknownProvider {
            given: s.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_agree_in_display_parse_and_serde() {
        for provider in ProviderName::ALL {
            let name = provider.to_string();
            assert_eq!(name.parse::<ProviderName>().unwrap(), provider);
            assert_eq!(
                serde_json::to_string(&provider).unwrap(),
                format!("\"{name}\"")
            );
        }
        let error = "nss".parse::<ProviderName>().unwrap_err().to_string();
        assert_eq!(
            error,
            "\"nss\" is no crypto provider; choose from aws-lc-rs, ring, graviola, openssl, rustcrypto, \
             boring, aws-lc-rs-fips"
        );
    }
}

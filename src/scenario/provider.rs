//! The crypto providers, by the names that scenarios, flags, results and reports use. Which of them this
//! build has, and what each can do, is in `crypto`; here are only the words.

use std::str::FromStr;

use crate::text::labelled;

labelled! {
    serde
    /// The name of a crypto provider: where the cryptography of one end comes from.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum ProviderName {
        /// AWS-LC through aws-lc-rs.
        AwsLcRs = "aws-lc-rs",
        /// *ring*.
        Ring = "ring",
        /// Graviola.
        Graviola = "graviola",
        /// OpenSSL through rustls-openssl.
        Openssl = "openssl",
        /// The crates of the `RustCrypto` organisation through rustls-rustcrypto.
        Rustcrypto = "rustcrypto",
        /// `BoringSSL` through boring-rustls-provider.
        Boring = "boring",
        /// The FIPS module of AWS-LC through aws-lc-rs.
        AwsLcRsFips = "aws-lc-rs-fips",
    }
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
    fn names() -> String {
        Self::ALL.map(Self::label).join(", ")
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

impl FromStr for ProviderName {
    type Err = UnknownProvider;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::named(s).ok_or_else(|| UnknownProvider {
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

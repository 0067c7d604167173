//! The target of a scenario as written: a URL with where it is, or the embedded target's settings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EndKeys, ProviderName};
use crate::units::Rate;

/// What is put under load.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TargetSection {
    /// `https://host:port/path` (HTTP/1.1), `mqtts://host:port/topic`, `tls://host:port` (handshake only, or
    /// echo) or `tcp://host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Fixed addresses, `host:port:address[,address]…`, as curl's `--resolve`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolve: Vec<String>,
    /// Spreads the sessions over all addresses of the name, in turns, instead of using the first that
    /// answers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all_addresses: bool,
    /// The embedded target, if no `url` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedded: Option<EmbeddedTarget>,
    /// Allows a target with a public address, which must be yours to load.
    #[serde(default)]
    pub allow_public: bool,
    /// Most sessions per second that a public address is given; 50/s unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_rate_cap: Option<Rate>,
}

/// The embedded target's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct EmbeddedTarget {
    /// Threads, each with its own listener.
    pub threads: usize,
    /// Cores to pin them to; chosen apart from the workers' if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<String>,
    /// Key algorithm of the minted certificates, or `server+client`; p256 if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<EndKeys>,
    /// Intermediates between the root and each end's certificate; 1 if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<u8>,
    /// Where its cryptography comes from; aws-lc-rs if left out, whatever the client's is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
    /// What it offers for resumption; what the scenario's `resumption` needs if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tickets: Option<TicketMode>,
    /// TLS 1.3 tickets after each handshake, unless the client asks for a number; 2 if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket_count: Option<u8>,
}

impl Default for EmbeddedTarget {
    fn default() -> Self {
        Self {
            threads: 1,
            cores: None,
            key: None,
            chain: None,
            provider: None,
            tickets: None,
            ticket_count: None,
        }
    }
}

/// What the embedded target offers for resumption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TicketMode {
    /// No tickets and no session cache: every handshake is full.
    Off,
    /// Stateless tickets: the session is in them, encrypted.
    Stateless,
    /// A session cache: TLS 1.2 session ids, and TLS 1.3 tickets that are keys of the cache.
    Stateful,
}

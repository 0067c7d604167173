//! The way in of a scenario as written.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ProxyHeader, StartTls};

/// What is done on a connection before TLS; nothing if left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct WayInSection {
    /// The Unix socket to connect to, in place of the URL's host and port, which name the server all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unix_socket: Option<PathBuf>,
    /// An HTTP proxy, `http://host:port`, which connects to the URL's host and port (`CONNECT`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// File with `user:password` for the proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_user_file: Option<PathBuf>,
    /// Environment variable with `user:password` for the proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_user_env: Option<String>,
    /// Sends a PROXY header with the connection's own addresses, as a load balancer does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub haproxy_protocol: Option<ProxyHeader>,
    /// The protocol in which the server is asked to begin TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starttls: Option<StartTls>,
}

impl WayInSection {
    /// Whether nothing was written.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

//! The protocol of a scenario as written.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Frame, FramePattern, MqttVersion, ProtocolKind, Sizes, SslNegotiation, StatusRange};
use crate::units::Span;

/// Largest echo payload, HTTP body or MQTT message, in bytes.
pub const LARGEST_PAYLOAD: u64 = 16 << 20;

/// What happens on a session once it is up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ProtocolSection {
    /// The protocol; that of the URL's scheme, echo for the embedded target, handshake for `tls://`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<ProtocolKind>,
    /// Exchanges per session (all but handshake).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchanges: Option<u32>,
    /// Time between an answer and the next request of a session; none unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub think: Option<Span>,
    /// Time between two exchanges of a session that is held; it makes none unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// Payload of an echo exchange or an MQTT message; 64 bytes unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Sizes>,
    /// Concurrent requests of an exchange, each on a stream of its own (http2 and grpc); 1 unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streams: Option<u32>,
    /// HTTP method; GET unless set, POST with `data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// HTTP path, or gRPC method as `/package.Service/Method`, if not the URL's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Further HTTP headers, gRPC metadata.
    pub headers: Vec<Header>,
    /// Size of an HTTP request body of which only the size matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Sizes>,
    /// HTTP request body, framed message or MQTT message, as text; not kept in results.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// File with the HTTP request body, or the framed, MQTT or gRPC message, sent as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_file: Option<PathBuf>,
    /// `PostgreSQL`: the user, if not the URL's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// `PostgreSQL`: the database, if not the URL's; called as the user unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// `PostgreSQL`: the query of an exchange; `select 1` unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// `PostgreSQL`: whether TLS is asked for (`postgres`) or begins at once (`direct`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sslnegotiation: Option<SslNegotiation>,
    /// gRPC message in hexadecimal; not kept in results.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_hex: Option<String>,
    /// How long a gRPC server may take for a call, as it is told; none unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Span>,
    /// HTTP statuses that count as accepted: `204`, `"2xx"`, `"200-299"`; 2xx if left out.
    pub expect_status: Vec<StatusRange>,
    /// Where a framed message ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<Frame>,
    /// Regular expression over bytes that the frame of an answer must match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect_frame: Option<FramePattern>,
    /// Version of MQTT; 3.1.1 unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mqtt_version: Option<MqttVersion>,
    /// MQTT quality of service, 0 or 1; 1 unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos: Option<u8>,
    /// MQTT keep-alive time; a held session pings at half of it. 60 s unless set, 0 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<Span>,
    /// MQTT client id with `{identity}` and `{session}`; short and unique unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

/// One HTTP header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Field name.
    pub name: String,
    /// Field value.
    pub value: String,
}

impl ProtocolSection {
    /// The keys that are not for every protocol, and whether each was written.
    pub(super) fn given(&self) -> [(&'static str, bool); 24] {
        [
            ("protocol.exchanges", self.exchanges.is_some()),
            ("protocol.think", self.think.is_some()),
            ("protocol.every", self.every.is_some()),
            ("protocol.payload", self.payload.is_some()),
            ("protocol.streams", self.streams.is_some()),
            ("protocol.method", self.method.is_some()),
            ("protocol.path", self.path.is_some()),
            ("protocol.headers", !self.headers.is_empty()),
            ("protocol.body", self.body.is_some()),
            ("protocol.data", self.data.is_some()),
            ("protocol.data-file", self.data_file.is_some()),
            ("protocol.user", self.user.is_some()),
            ("protocol.database", self.database.is_some()),
            ("protocol.query", self.query.is_some()),
            ("protocol.sslnegotiation", self.sslnegotiation.is_some()),
            ("protocol.data-hex", self.data_hex.is_some()),
            ("protocol.deadline", self.deadline.is_some()),
            ("protocol.expect-status", !self.expect_status.is_empty()),
            ("protocol.frame", self.frame.is_some()),
            ("protocol.expect-frame", self.expect_frame.is_some()),
            ("protocol.mqtt-version", self.mqtt_version.is_some()),
            ("protocol.qos", self.qos.is_some()),
            ("protocol.keep-alive", self.keep_alive.is_some()),
            ("protocol.client-id", self.client_id.is_some()),
        ]
    }
}

/// The parts of the URL that requests use.
pub(crate) struct Asked<'u> {
    /// Whether it is over TLS.
    pub tls: bool,
    /// Host and, unless it is the scheme's own, port.
    pub authority: String,
    /// Path and query.
    pub path: &'u str,
    /// The user, percent-encoded, where the scheme has one.
    pub user: Option<&'u str>,
    /// Whether the scheme is the protocol's own.
    pub is_own: bool,
}

/// A problem with one key of a scenario, before its line is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Path of the key, e.g. `load.rate`.
    pub key: &'static str,
    pub cause: String,
    pub remedy: String,
}

impl Problem {
    pub(crate) fn new(
        key: &'static str,
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            key,
            cause: cause.into(),
            remedy: remedy.into(),
        }
    }
}

//! What a probe found, as plain data: the nine steps of a mutual handshake and the verdict. A step
//! that was not reached is `None`. Every string that the server chose is escaped and capped already.

use serde::Serialize;

use super::cost::Cost;
use super::status::Status;
use crate::pki::CertFacts;
use crate::stats::Proof;

/// Version of this format.
pub const FORMAT: u32 = 1;
/// Most authorities of a `CertificateRequest` that are kept by name.
pub const MAX_CA_NAMES: usize = 20;
/// Most certificates of a chain whose facts are kept.
pub const MAX_CHAIN: usize = 10;

/// One handshake, told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProbeReport {
    /// Version of this format; 1.
    pub format: u32,
    /// Whether the server accepted us, and we it.
    pub accepted: bool,
    /// Host and port as asked.
    pub target: String,
    /// The name verified and, unless it is an address, sent.
    pub server_name: String,
    /// What was to be spoken: `handshake`, `http1` or `echo`.
    pub protocol: &'static str,
    /// The connection.
    pub network: Network,
    /// Step 1.
    pub client_hello: Option<ClientHello>,
    /// Step 2, the parameters.
    pub server_hello: Option<ServerHello>,
    /// Step 2, the certificates.
    pub server_chain: Option<ServerChain>,
    /// Step 3.
    pub verification: Option<Verification>,
    /// Step 4.
    pub certificate_request: Option<CertificateRequest>,
    /// Step 5.
    pub client_certificate: Option<ClientCertificate>,
    /// Step 6.
    pub key_exchange: Option<KeyExchange>,
    /// Step 7.
    pub server_verifies: Option<ServerVerifies>,
    /// Step 8.
    pub finished: Option<Finished>,
    /// Step 9.
    pub answer: Option<Answer>,
    /// What it took on our side, step by step; `None` without a connection.
    pub cost: Option<Cost>,
    /// What it comes to.
    pub verdict: Verdict,
    /// The verdict in a sentence.
    pub summary: String,
    /// What to do, most likely first.
    pub advice: Vec<String>,
    /// From the start of name resolution to the verdict, in milliseconds.
    pub total_ms: u64,
}

/// The connection under the handshake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Network {
    /// The address and port we are connected to.
    pub address: Option<String>,
    /// What was said before TLS, and how long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way_in: Option<String>,
    /// Addresses that failed before, with the reason.
    pub failed: Vec<String>,
}

/// What we offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientHello {
    /// Bytes on the wire, record header included.
    pub bytes: u64,
    /// Versions, latest first.
    pub versions: Vec<String>,
    /// Cipher suites in order.
    pub cipher_suites: Vec<String>,
    /// Key exchange groups in order.
    pub groups: Vec<String>,
    /// Signature schemes in order.
    pub signature_schemes: Vec<String>,
    /// The name sent, if one was.
    pub sni: Option<String>,
    /// ALPN protocols in order.
    pub alpn: Vec<String>,
}

/// What the server chose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerHello {
    /// Protocol version.
    pub version: String,
    /// Cipher suite.
    pub cipher_suite: String,
    /// Key exchange group; unknown until the server's key share is processed.
    pub group: Option<String>,
    /// Whether it first sent a `HelloRetryRequest`, one round trip more.
    pub hello_retry_request: bool,
    /// The ALPN protocol.
    pub alpn: Option<String>,
}

/// A certificate, and how it stands today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainCert {
    /// Its facts, or why they cannot be read.
    #[serde(flatten)]
    pub facts: Option<CertFacts>,
    /// Why the facts cannot be read.
    pub unreadable: Option<String>,
    /// Whole days until it expires; negative once it has.
    pub days_left: Option<i64>,
}

/// The server's certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerChain {
    /// In the order sent, at most [`MAX_CHAIN`].
    pub certificates: Vec<ChainCert>,
    /// How many were sent.
    pub count: usize,
    /// Bytes of all of them.
    pub bytes: usize,
    /// A root was sent, which every client must have anyway.
    pub root_sent: bool,
    /// The link from the last certificate to a root seems to be missing.
    pub intermediate_missing: bool,
    /// Each certificate issued the one before it.
    pub in_order: bool,
}

/// One check of the server's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// How it ended.
    pub status: Status,
    /// What was found.
    pub detail: String,
    /// What to do, if there is something to do.
    pub remedy: Option<String>,
}

impl Check {
    /// One that leaves nothing to do.
    pub(super) fn new(status: Status, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            remedy: None,
        }
    }

    /// It with what to do.
    pub(super) fn but(self, remedy: impl Into<String>) -> Self {
        Self {
            remedy: Some(remedy.into()),
            ..self
        }
    }
}

/// How we judged the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The verifier's decision, which ends the handshake if it fails.
    pub accepted: bool,
    /// The verifier was told to accept anything (`-k`).
    pub insecure: bool,
    /// Every certificate is valid today.
    pub dates: Check,
    /// A trusted root signed the chain.
    pub issuer: Check,
    /// The leaf is for the name asked for.
    pub name: Check,
    /// What else made the verifier refuse.
    pub other: Option<Check>,
    /// The alert we ended the handshake with.
    pub alert_sent: Option<String>,
}

/// The server's request for a client certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateRequest {
    /// Whether it came.
    pub requested: bool,
    /// Authorities it accepts, at most [`MAX_CA_NAMES`]; none means that it did not say.
    pub ca_names: Vec<String>,
    /// How many it listed.
    pub ca_names_total: usize,
    /// Signature schemes it accepts.
    pub signature_schemes: Vec<String>,
}

/// What we answered it with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientCertificate {
    /// The chain sent; empty if none was.
    pub certificates: Vec<ChainCert>,
    /// Bytes of all of them.
    pub bytes: usize,
    /// Why none was sent.
    pub not_sent: Option<String>,
    /// Whether an issuer of our chain is among the authorities the server listed; `None` if it
    /// listed none or nothing was sent.
    pub issuer_listed: Option<bool>,
}

/// The keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyExchange {
    /// The group.
    pub group: String,
    /// The scheme of the server's signature over the handshake.
    pub server_scheme: Option<String>,
    /// Whether that signature verifies.
    pub server_signature: Status,
    /// The scheme of ours.
    pub client_scheme: Option<String>,
}

/// What we know of the server's verification of us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerVerifies {
    /// How it ended, as far as this step tells.
    pub status: Status,
    /// In words.
    pub detail: String,
}

/// The end of the handshake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finished {
    /// Bytes sent so far.
    pub bytes_sent: u64,
    /// Bytes received so far.
    pub bytes_received: u64,
}

/// What came after our Finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// How it counts.
    pub status: Status,
    /// In words.
    pub detail: String,
    /// The HTTP status line.
    pub http_status_line: Option<String>,
    /// What the answer says in its protocol; of HTTP, the same.
    pub told: Option<String>,
    /// `NewSessionTicket` messages (TLS 1.3).
    pub new_session_tickets: u32,
    /// The server ended its side with `close_notify`.
    pub orderly_close: bool,
    /// The alert it sent instead.
    pub alert: Option<String>,
}

/// What a probe comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Verdict {
    /// The server accepted us.
    Accepted {
        /// What proves it.
        proof: Proof,
    },
    /// The server refused us: by an alert, or in HTTP.
    Rejected {
        /// The failure class, as in results.
        class: String,
    },
    /// We refused the server.
    ServerRefused {
        /// The failure class, as in results.
        class: String,
    },
    /// The handshake ended for us, and nothing proves what the server thinks.
    Unconfirmed {
        /// The failure class, as in results.
        class: String,
    },
    /// There was no handshake to judge: no connection, no TLS, no answer.
    Failed {
        /// The failure class, as in results.
        class: String,
    },
}

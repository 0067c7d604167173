//! What a configuration is made of, and why it cannot be.

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use super::TlsFault;
use super::resume::TicketUse;
use crate::crypto::ProviderError;
use crate::pki::Identity;
use crate::scenario::{ProviderName, TlsVersion, Verify};

/// Groups offered by default: X25519 first, so that all providers and servers compare on the same one, then the
/// curves of ECDSA certificates, which a TLS 1.2 server may only use if offered (RFC 8422 section 5.1).
pub const DEFAULT_GROUPS: [&str; 3] = ["x25519", "secp256r1", "secp384r1"];

/// TLS parameters that cannot work, each with a remedy.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum TlsConfigError {
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error(
        "{0:?} is not a server name; give a DNS name or an IP address with --sni, and a URI that the certificate holds with --expected-name"
    )]
    ServerName(String),
    #[error("{what} {name:?} is not offered by this provider; choose from {known}")]
    Unknown {
        what: &'static str,
        name: String,
        known: String,
    },
    #[error(
        "these TLS versions, suites and groups leave nothing to offer: {0}; widen one of them (post-quantum groups need TLS 1.3)"
    )]
    NothingLeft(TlsFault),
    #[error(
        "no root certificate to verify the server against; pass --cacert (or -k to skip verification)"
    )]
    NoRoots,
    #[error(
        "certificate {number} in the CA bundle cannot be used as a root: {cause}; look at it with `openssl x509 -noout -text`, and leave it out if it is not needed"
    )]
    BadRoot { number: usize, cause: String },
    #[error(
        "{0:?} is no name to expect; give a DNS name, an address, or a URI such as spiffe://example.org/web"
    )]
    ExpectedName(String),
    #[error(
        "certificates cannot be verified with this CA bundle and these revocation lists: {0}; look at the files with openssl, and leave out what is not needed"
    )]
    Verifier(String),
    #[error("the key of identity {name:?} cannot be used: {reason}")]
    BadKey { name: String, reason: String },
}

/// The client's side of a cell.
#[derive(Debug)]
pub struct ClientTlsSpec<'a> {
    /// Where the cryptography comes from.
    pub provider: ProviderName,
    /// Versions to offer.
    pub versions: &'a [TlsVersion],
    /// Groups to offer by name; if empty, those of [`DEFAULT_GROUPS`] that the provider has.
    pub groups: &'a [String],
    /// Suites to offer by name; if empty, the provider's.
    pub suites: &'a [String],
    /// ALPN protocols to offer.
    pub alpn: &'a [String],
    /// The name to send, and to verify unless others are expected.
    pub server_name: &'a str,
    /// Names (DNS names, addresses or URIs) of which the certificate must have one, in place of `server_name`;
    /// unused without `roots`.
    pub expected_names: &'a [String],
    /// Roots to verify against; `None` skips the verification of chain and name.
    pub roots: Option<&'a [CertificateDer<'static>]>,
    /// Revocation lists; unused without `roots`. Every certificate of the chain is looked up in its issuer's newest
    /// list of each scope. Without a list of its issuer it counts as not revoked; a list past its next update fails
    /// the chain.
    pub crls: &'a [CertificateRevocationListDer<'static>],
    /// How often a chain is verified.
    pub verify: Verify,
    /// The answer to a `CertificateRequest`.
    pub identity: Option<&'a Identity>,
    /// Whether and how sessions are resumed; `None` makes every handshake full.
    pub resumption: Option<ResumptionSpec>,
}

/// How a client resumes sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResumptionSpec {
    /// Whether TLS 1.2 sessions are resumed by session id only.
    pub by_id_only: bool,
    /// Most tickets to keep; the oldest are dropped.
    pub capacity: usize,
    /// How often a ticket may be offered.
    pub ticket_use: TicketUse,
    /// TLS 1.3 tickets to ask for per session (RFC 9149); `None` leaves it to the server.
    pub request: Option<u8>,
    /// Whether the first request may be sent as early data (RFC 8446 section 2.3).
    pub early_data: bool,
}

/// What a server verifies clients against.
#[derive(Debug, Clone)]
pub struct ClientTrust {
    /// The trusted authorities.
    pub roots: Vec<CertificateDer<'static>>,
    /// Revocation lists, used like those of [`ClientTlsSpec`].
    pub crls: Vec<CertificateRevocationListDer<'static>>,
}

impl From<Vec<CertificateDer<'static>>> for ClientTrust {
    fn from(roots: Vec<CertificateDer<'static>>) -> Self {
        let crls = Vec::new();
        Self { roots, crls }
    }
}

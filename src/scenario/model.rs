//! The scenario file as written: strict (unknown keys are errors), versioned, every unit spelled out.
//!
//! `Option` means "not written". Flags of the command line fill the same fields, so a run from
//! flags and a run from a file take the same way.

use std::net::IpAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    EndKeys, EventSection, Expect, FleetSection, IdentityFault, IdentitySection, ProtocolSection,
    ProviderName, ResumptionSection, SourceAddresses, TargetSection, TokenUri, Verify,
    WayInSection,
};
use crate::text::labelled;
use crate::text::secrets::Passphrase;
use crate::units::{Rate, Ratio, Span};

/// A whole scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// Version of this format; 1.
    pub version: u32,
    /// A short name, used for result files.
    pub name: String,
    /// The question the scenario answers.
    #[serde(default)]
    pub question: String,
    /// How to read the answer.
    #[serde(default)]
    pub reading: String,
    /// What is put under load; the embedded target if left out.
    #[serde(default)]
    pub target: TargetSection,
    /// What is done on a connection before TLS.
    #[serde(default, skip_serializing_if = "WayInSection::is_empty")]
    pub way_in: WayInSection,
    /// TLS parameters of the client.
    #[serde(default)]
    pub tls: TlsSection,
    /// The client's certificate and key; minted for the embedded target if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityFiles>,
    /// Several client identities: a cell for each that `matrix.identity` names, or one cell whose
    /// sessions are dealt out among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<IdentitySection>,
    /// Thousands of client identities or more, each loaded when first used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<FleetSection>,
    /// What happens while a trial runs: certificates are renewed, revoked or expire, sessions are cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventSection>,
    /// What must become of the sessions of every cell, unless their identity says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
    /// Whether sessions are resumed, by what, and how many of them.
    #[serde(default, skip_serializing_if = "ResumptionSection::is_empty")]
    pub resumption: ResumptionSection,
    /// What happens on a session once it is up.
    #[serde(default)]
    pub protocol: ProtocolSection,
    /// How hard and for how long.
    #[serde(default)]
    pub load: LoadSection,
    /// The generator's threads.
    #[serde(default)]
    pub workers: WorkerSection,
    /// How long each stage may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Whether every session keeps a ledger of where its time goes. It takes time, so the result is an
    /// anatomy, and no figure of it is for comparing with unmetered ones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub metered: bool,
    /// How often each cell is measured, and in which order.
    #[serde(default)]
    pub trials: TrialSection,
    /// What is compared: one cell per combination.
    #[serde(default)]
    pub matrix: Matrix,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            version: 1,
            name: "run".to_owned(),
            question: String::new(),
            reading: String::new(),
            target: TargetSection::default(),
            way_in: WayInSection::default(),
            tls: TlsSection::default(),
            identity: None,
            identities: Vec::new(),
            fleet: None,
            events: Vec::new(),
            expect: None,
            resumption: ResumptionSection::default(),
            protocol: ProtocolSection::default(),
            load: LoadSection::default(),
            workers: WorkerSection::default(),
            timeouts: Timeouts::default(),
            metered: false,
            trials: TrialSection::default(),
            matrix: Matrix::default(),
        }
    }
}

impl Scenario {
    /// Whether it says which certificate the client presents.
    pub(super) fn presents(&self) -> bool {
        self.identity.is_some() || !self.identities.is_empty() || self.fleet.is_some()
    }
}

/// TLS parameters of the client.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TlsSection {
    /// Where the client's cryptography comes from; aws-lc-rs if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
    /// The CA bundle (PEM or DER) the server is verified against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cacert: Option<PathBuf>,
    /// Revocation lists (PEM or DER) in which the server's certificates are looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crl: Option<PathBuf>,
    /// Skips the verification of the server's chain and name. Signatures are still checked. The
    /// result is marked.
    pub insecure: bool,
    /// How often the server's chain is verified.
    #[serde(skip_serializing_if = "Verify::is_default")]
    pub verify: Verify,
    /// The name to send and to verify, if not the URL's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    /// Names of which the server's certificate has to have one, in place of the name that is sent: DNS
    /// names, addresses, or URIs such as `spiffe://example.org/web`. `spiffe://example.org` stands for any
    /// path in that trust domain.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expected_name: Vec<String>,
    /// ALPN protocols to offer, in order.
    pub alpn: Vec<String>,
    /// Key exchange groups to offer, in order; `x25519`, `secp256r1`, `secp384r1` if left out, so
    /// that runs compare.
    pub groups: Vec<String>,
    /// Cipher suites to offer, in order; the provider's if left out.
    pub suites: Vec<String>,
}

labelled! {
    serde
    /// What a certificate's file is, as curl has it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum CertType {
        /// Text with one or more certificates, and perhaps the key.
        Pem = "pem",
        /// One certificate.
        Der = "der",
        /// A PKCS#12 archive with the key.
        P12 = "p12",
    }
}

/// The files of a client identity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct IdentityFiles {
    /// Certificate chain, leaf first (PEM, DER, or PKCS#12 with the key).
    pub cert: PathBuf,
    /// Private key, a file or a `pkcs11:` URI; looked for in `cert` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// What `cert` is. Its content decides; where that is something else, it is not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_type: Option<CertType>,
    /// A file whose first line is the password of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass_file: Option<PathBuf>,
    /// A variable of the environment that holds the password of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass_env: Option<String>,
    /// The password itself, given as curl takes it. It is written nowhere.
    #[serde(skip)]
    pub password: Option<Passphrase>,
}

impl IdentityFiles {
    /// Takes the PIN out of the key's PKCS#11 URI, as its password; `false` without one.
    pub fn split_pin(&mut self) -> bool {
        let Some((key, Some(pin))) = self.key.as_deref().map(TokenUri::split_pin) else {
            return false;
        };
        self.key = Some(key);
        self.password = Some(pin);
        true
    }
}

/// How hard and for how long.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LoadSection {
    /// Closed loop: number of concurrent sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u64>,
    /// Open loop: arrivals per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Open loop: how arrivals are spaced; fixed unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrivals: Option<Arrivals>,
    /// A ramp: each stage moves linearly to its value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageSection>,
    /// Open loop: most sessions in flight; arrivals beyond are counted as not started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u64>,
    /// How long a confirmed session is kept open before it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Span>,
    /// How a confirmed session is closed; in order unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close: Option<Close>,
    /// Length of the measured part of a trial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Span>,
    /// Load before it, not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup: Option<Span>,
    /// Ends a trial after this many sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Closed loop: time over which the first sessions are opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ramp_up: Option<Span>,
    /// How long sessions in flight may take to finish after the last arrival; 5 s unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Span>,
}

/// How a confirmed session is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Close {
    /// With `close_notify` and FIN, and a wait for the server's. The port stays in `TIME_WAIT`.
    #[default]
    Orderly,
    /// With RST, without `close_notify`. The port is free at once.
    Reset,
}

/// One stage of a ramp: `rate` for an open loop, `sessions` for a closed one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StageSection {
    /// How long the stage takes.
    pub over: Span,
    /// The rate at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// The sessions at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u64>,
}

/// How open-loop arrivals are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// Evenly.
    #[default]
    Fixed,
    /// As a Poisson process: independent users.
    Poisson,
}

/// The generator's threads.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct WorkerSection {
    /// How many; every core (beside an embedded target: the cores it leaves) if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Cores to pin them to, such as `0,2-5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<String>,
    /// Local addresses to connect from, in turns; the system's choice if left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source: Vec<SourceAddresses>,
}

impl WorkerSection {
    /// Every local address to connect from; none leaves it to the system.
    pub fn sources(&self) -> Vec<IpAddr> {
        self.source.iter().flat_map(SourceAddresses::each).collect()
    }
}

/// How long each stage of a session may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Timeouts {
    /// Finding the address of the target's name, before the run.
    pub resolve: Span,
    /// TCP connection establishment.
    pub connect: Span,
    /// The way in: from the connection to the go-ahead for TLS.
    #[serde(skip_serializing_if = "is_usual_way_in")]
    pub way_in: Span,
    /// TLS until the client has finished.
    pub handshake: Span,
    /// Until the server proved its acceptance. Some servers delay a rejection by up to 30 s.
    pub confirm: Span,
    /// Each further exchange.
    pub exchange: Span,
    /// The server's close after ours; running out of it is no failure of a confirmed session.
    pub close: Span,
}

/// How long a way in may take unless it is said.
const USUAL_WAY_IN: Span = Span::secs(10);

/// Results of runs without a way in do not name it.
fn is_usual_way_in(span: &Span) -> bool {
    *span == USUAL_WAY_IN
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            resolve: Span::secs(5),
            connect: Span::secs(5),
            way_in: USUAL_WAY_IN,
            handshake: Span::secs(10),
            confirm: Span::secs(10),
            exchange: Span::secs(10),
            close: Span::secs(1),
        }
    }
}

/// How often each cell is measured, and in which order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TrialSection {
    /// Trials per cell.
    pub count: usize,
    /// Seed of the order of cells within each round, of Poisson arrivals and of drawn sizes.
    pub seed: u64,
}

impl Default for TrialSection {
    fn default() -> Self {
        Self { count: 1, seed: 1 }
    }
}

/// What is compared: one cell per combination.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Matrix {
    /// Who is authenticated; `mutual` if an identity is given, else `server`.
    pub auth: Vec<AuthMode>,
    /// TLS versions, a cell each; if left out one cell offers both.
    pub tls: Vec<TlsVersion>,
    /// Providers of the client's cryptography, a cell each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub provider: Vec<ProviderName>,
    /// Key algorithms of the embedded target's certificates on both sides, a cell each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<EndKeys>,
    /// Key exchange groups, a cell each, in which no other is offered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group: Vec<String>,
    /// Numbers of intermediates in the embedded target's chains, a cell each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<u8>,
    /// Whether both ends look certificates up in revocation lists of the embedded target, a cell each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crl: Vec<bool>,
    /// Numbers of exchanges per session, a cell each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exchanges: Vec<u32>,
    /// Numbers of streams of an exchange (http2 and grpc), a cell each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<u32>,
    /// Shares of sessions that are resumed, a cell each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resumed: Vec<Ratio>,
    /// Names of `identities`, a cell each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identity: Vec<String>,
    /// Further cells, one per fault, in which the embedded target presents a certificate with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub server_fault: Vec<IdentityFault>,
}

labelled! {
    // The labels are the short names used for cells.
    /// Who is authenticated.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    pub enum AuthMode {
        /// No TLS: plain TCP.
        #[default]
        None = "tcp",
        /// The server only.
        Server = "tls",
        /// Both ends.
        Mutual = "mtls",
    }
}

labelled! {
    serde
    /// A TLS protocol version.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum TlsVersion {
        /// TLS 1.2 (RFC 5246).
        Tls12 = "1.2",
        /// TLS 1.3 (RFC 8446).
        Tls13 = "1.3",
    }
}

impl TlsVersion {
    /// The code point on the wire.
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::Tls12 => 0x0303,
            Self::Tls13 => 0x0304,
        }
    }
}

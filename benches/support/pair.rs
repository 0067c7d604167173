//! A client and a server joined in memory, and the handshakes and bulk data between them.

use std::hint::black_box;
use std::io::{Read, Write};
use std::time::Duration;

use rustls::client::ClientConnection;
use rustls::server::ServerConnection;
use rustls::{ConnectionCommon, HandshakeKind, ProtocolVersion, SideData};
use shakedown::clock::thread_cpu;
use shakedown::crypto::{Capabilities, Ledger, Metering, attributed, cipher_suite_name};
use shakedown::pki::{CertificateDer, Identity, KeyAlgorithm, Pki};
use shakedown::scenario::{ProviderName, TicketMode, TlsVersion, Verify};
use shakedown::stats::Work;
use shakedown::tls::{
    ClientTls, ClientTlsSpec, MemorySession, ResumptionSpec, ServerAuth, ServerTls, ServerTlsSpec,
    TicketSupply, TicketUse, session_in_memory,
};

/// Which end a figure is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    Client,
    Server,
}

impl End {
    /// Both, with their names.
    pub const ALL: [(&'static str, Self); 2] = [("client", Self::Client), ("server", Self::Server)];
}

/// The CPU time of each end.
#[derive(Clone, Copy, Default)]
pub struct Times {
    pub client: Duration,
    pub server: Duration,
}

impl Times {
    /// That of one end.
    pub fn of(self, end: End) -> Duration {
        match end {
            End::Client => self.client,
            End::Server => self.server,
        }
    }
}

/// What kind of handshake.
#[derive(Clone, Copy)]
pub struct Case {
    pub provider: ProviderName,
    pub version: TlsVersion,
    pub mutual: bool,
    pub key: KeyAlgorithm,
    /// Whether it is resumed, by stateless ticket. A full handshake neither offers nor sends one.
    pub resumed: bool,
}

impl Case {
    /// Its stable name, without the end.
    pub fn name(self) -> String {
        format!("{}/{}", self.provider, self.kind())
    }

    /// The same without the provider.
    pub fn kind(self) -> String {
        format!(
            "tls{}/{}/{}/{}",
            self.version,
            if self.mutual { "mutual" } else { "server" },
            self.key,
            if self.resumed { "resumed" } else { "full" },
        )
    }

    /// The only suite offered, for comparability: AES-128-GCM with SHA-256.
    pub fn suite(self) -> &'static str {
        let rsa = matches!(self.key, KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072);
        match (self.version, rsa) {
            (TlsVersion::Tls13, _) => "TLS_AES_128_GCM_SHA256",
            (TlsVersion::Tls12, false) => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            (TlsVersion::Tls12, true) => "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        }
    }

    /// Why the provider does not support it.
    pub fn lacks(self, provider: &Capabilities) -> Option<String> {
        let key = provider.key(self.key);
        let serves = key.is_some_and(|key| key.server.contains(&self.version));
        let presents = key.is_some_and(|key| key.client.contains(&self.version));
        if !serves || self.mutual && !presents {
            let (key, version) = (self.key, self.version);
            Some(format!("no {key} certificates in TLS {version}"))
        } else if provider.has_suite(self.suite()) {
            None
        } else {
            Some(format!("no suite {}", self.suite()))
        }
    }
}

/// The certificates of both ends.
pub struct Certificates<'a> {
    pub roots: &'a [CertificateDer<'static>],
    pub server: &'a Identity,
    pub client: &'a Identity,
}

impl<'a> From<&'a Pki> for Certificates<'a> {
    fn from(pki: &'a Pki) -> Self {
        Self {
            roots: pki.roots(),
            server: pki.server(),
            client: &pki.clients()[0],
        }
    }
}

/// Both ends of sessions in memory.
pub struct Pair {
    client: ClientTls,
    server: ServerTls,
    case: Case,
    suite: String,
}

impl Pair {
    /// Ends that make handshakes of one kind.
    pub fn new<'a>(pki: impl Into<Certificates<'a>>, case: Case) -> Self {
        Self::build(&pki.into(), case, case.suite(), false)
    }

    /// The same with every operation metered.
    pub fn metered(pki: &Pki, case: Case) -> Self {
        Self::build(&pki.into(), case, case.suite(), true)
    }

    /// Ends with another suite than that of the case.
    pub fn with_suite(pki: &Pki, case: Case, suite: &str) -> Self {
        Self::build(&pki.into(), case, suite, false)
    }

    fn build(pki: &Certificates<'_>, case: Case, suite: &str, metered: bool) -> Self {
        let suite = suite.to_owned();
        let suites = std::slice::from_ref(&suite);
        let spec = ClientTlsSpec {
            provider: case.provider,
            versions: &[case.version],
            groups: &[],
            suites,
            alpn: &[],
            server_name: "localhost",
            expected_names: &[],
            roots: Some(pki.roots),
            crls: &[],
            verify: Verify::default(),
            identity: case.mutual.then_some(pki.client),
            resumption: case.resumed.then_some(ResumptionSpec {
                early_data: false,
                by_id_only: false,
                capacity: 8,
                ticket_use: TicketUse::Once,
                request: None,
            }),
        };
        let server_spec = ServerTlsSpec {
            provider: case.provider,
            versions: &[case.version],
            identity: pki.server,
            auth: if case.mutual {
                ServerAuth::Required(pki.roots.to_vec().into())
            } else {
                ServerAuth::Off
            },
            tickets: if case.resumed {
                TicketMode::Stateless
            } else {
                TicketMode::Off
            },
            alpn: &[],
        };
        let metering = if metered {
            Metering::On
        } else {
            Metering::default()
        };
        let supply = TicketSupply::default();
        Self {
            client: ClientTls::metering(&spec, metering).unwrap(),
            server: ServerTls::supplying(&server_spec, supply, metering).unwrap(),
            case,
            suite,
        }
    }

    /// Fills the client's store, so that the next handshake can resume a session. Does nothing where none
    /// is resumed.
    pub fn prime(&self) {
        if self.case.resumed {
            self.session(false, None);
        }
    }

    /// One handshake, with the tickets for the next one where sessions are resumed.
    pub fn handshake(&self) -> Times {
        self.session(self.case.resumed, None).times
    }

    /// The same with one end's calls in [`counted_turn`], to count their instructions.
    pub fn counted(&self, end: End) {
        self.session(self.case.resumed, Some(end));
    }

    /// A session whose handshake is complete.
    pub fn join(&self) -> Joined {
        self.session(self.case.resumed, None)
    }

    /// A session as the anatomy in memory makes it, with a ledger at each end.
    pub fn in_memory(&self) -> MemorySession {
        session_in_memory(&self.client, &self.server, self.case.resumed).unwrap()
    }

    /// The client's end of a session, driven by the caller.
    pub fn client(&self) -> ClientConnection {
        self.begin(self.case.resumed)
    }

    /// The server's end of a session, driven by the caller.
    pub fn server(&self) -> ServerConnection {
        self.server.connection().unwrap()
    }

    fn begin(&self, resumed: bool) -> ClientConnection {
        self.client.connection(resumed).unwrap()
    }

    /// Makes a session, and checks it on both ends.
    fn session(&self, resumed: bool, counted: Option<End>) -> Joined {
        let clock = |end| Clock {
            counted: counted == Some(end),
            ..Clock::default()
        };
        let (mut at_client, mut at_server) = (clock(End::Client), clock(End::Server));
        let mut client = at_client.begin(|| self.client.ledger(), || self.begin(resumed));
        let mut server = at_server.begin(|| self.server.ledger(), || self.server());
        let mut wire = Vec::with_capacity(16_384);
        let mut flights = Vec::with_capacity(4);
        while client.is_handshaking() || server.is_handshaking() {
            at_client.time(|| send(&mut client, &mut wire));
            flights.push(wire.len());
            at_server.time(|| receive(&mut server, &mut wire));
            at_server.time(|| send(&mut server, &mut wire));
            flights.push(wire.len());
            at_client.time(|| receive(&mut client, &mut wire));
        }
        let joined = Joined {
            client,
            server,
            flights,
            times: Times {
                client: at_client.used,
                server: at_server.used,
            },
        };
        self.check(&joined, resumed);
        joined
    }

    fn check(&self, joined: &Joined, resumed: bool) {
        let kind = if resumed {
            HandshakeKind::Resumed
        } else {
            HandshakeKind::Full
        };
        let version = match self.case.version {
            TlsVersion::Tls12 => ProtocolVersion::TLSv1_2,
            TlsVersion::Tls13 => ProtocolVersion::TLSv1_3,
        };
        let Joined { client, server, .. } = joined;
        assert_eq!(client.handshake_kind(), Some(kind));
        assert_eq!(server.handshake_kind(), Some(kind));
        assert_eq!(client.protocol_version(), Some(version));
        assert_eq!(server.peer_certificates().is_some(), self.case.mutual);
        let suite = client.negotiated_cipher_suite().unwrap().suite();
        assert_eq!(cipher_suite_name(suite.into()), self.suite);
    }
}

/// A session in memory whose handshake is complete.
pub struct Joined {
    pub client: ClientConnection,
    pub server: ServerConnection,
    /// Bytes of each flight, alternating from the client's; 0 where an end sent nothing.
    pub flights: Vec<usize>,
    /// The time of the handshake.
    pub times: Times,
}

impl Joined {
    /// Sends `data` from the client to the server.
    pub fn send_to_server(&mut self, data: &[u8], wire: &mut Vec<u8>) -> Times {
        let (client, server) = bulk(&mut self.client, &mut self.server, data, wire);
        Times { client, server }
    }

    /// Sends `data` from the server to the client.
    pub fn send_to_client(&mut self, data: &[u8], wire: &mut Vec<u8>) -> Times {
        let (server, client) = bulk(&mut self.server, &mut self.client, data, wire);
        Times { client, server }
    }
}

/// The CPU time of one end, and its ledger where it is metered.
#[derive(Default)]
struct Clock {
    used: Duration,
    ledger: Option<Box<Ledger>>,
    counted: bool,
}

impl Clock {
    /// Times the beginning of a session, its ledger included.
    fn begin<T>(
        &mut self,
        ledger: impl FnOnce() -> Option<Box<Ledger>>,
        begin: impl FnOnce() -> T,
    ) -> T {
        let before = thread_cpu();
        self.ledger = ledger();
        self.used += thread_cpu().saturating_sub(before);
        self.time(begin)
    }

    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let before = thread_cpu();
        let work = || attributed(&mut self.ledger, Work::Tls, work);
        let result = if self.counted {
            counted_turn(work)
        } else {
            work()
        };
        self.used += thread_cpu().saturating_sub(before);
        result
    }
}

/// Instructions are counted in here. `scripts/ci-gate` finds it by name, which must not be part of another function's:
/// entering that would turn counting off.
#[inline(never)]
fn counted_turn<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

fn send<D: SideData>(from: &mut ConnectionCommon<D>, wire: &mut Vec<u8>) {
    while from.wants_write() {
        from.write_tls(&mut *wire as &mut dyn Write).unwrap();
    }
}

fn receive<D: SideData>(to: &mut ConnectionCommon<D>, wire: &mut Vec<u8>) {
    let mut rest = wire.as_slice();
    while !rest.is_empty() {
        to.read_tls(&mut rest as &mut dyn Read).unwrap();
        to.process_new_packets().unwrap();
    }
    wire.clear();
}

/// Sends data one way and checks that all of it arrives. Returns the sender's time and the receiver's.
fn bulk<S: SideData, R: SideData>(
    from: &mut ConnectionCommon<S>,
    to: &mut ConnectionCommon<R>,
    data: &[u8],
    wire: &mut Vec<u8>,
) -> (Duration, Duration) {
    let (mut sender, mut receiver) = (Clock::default(), Clock::default());
    sender.time(|| {
        from.writer().write_all(data).unwrap();
        send(from, wire);
    });
    let mut left = data.len();
    receiver.time(|| {
        let mut rest = wire.as_slice();
        let mut came = [0; 16_384];
        while !rest.is_empty() {
            to.read_tls(&mut rest as &mut dyn Read).unwrap();
            to.process_new_packets().unwrap();
            while left > 0 {
                match to.reader().read(&mut came) {
                    Ok(count) => left -= count,
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        wire.clear();
    });
    assert_eq!(left, 0);
    (sender.used, receiver.used)
}

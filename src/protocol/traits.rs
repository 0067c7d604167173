//! The facts of a protocol that parsing and checks need.

use super::ProtocolKind;
use crate::stats::AnswerFault;

/// The facts of a protocol that parsing and checks need.
#[derive(Debug)]
pub struct Traits {
    /// Its name in scenarios, flags and results.
    pub label: &'static str,
    /// Its name in sentences.
    pub name: &'static str,
    /// The schemes of URLs that mean it.
    pub schemes: &'static [Scheme],
    /// The registered ALPN ids under which it can be spoken.
    pub alpn: &'static [&'static str],
    /// The ALPN ids that are offered unless the scenario names others.
    pub offers: &'static [&'static str],
    /// Whether the server may send something before our first request.
    pub server_may_speak_first: bool,
    /// The keys of `[protocol]` that are for it.
    pub keys: &'static [&'static str],
    /// The answers that it does not expect.
    pub faults: &'static [&'static AnswerFault],
    /// What the beginning of a server's data says, in one line that is safe to show.
    pub tell: fn(&[u8]) -> Option<String>,
}

/// The handshake alone, on which nothing is spoken.
pub(super) const HANDSHAKE: Traits = Traits {
    label: "handshake",
    name: "handshake",
    schemes: &[
        Scheme::TLS,
        Scheme {
            name: "tcp",
            port: None,
            tls: false,
            kind: ProtocolKind::Handshake,
        },
    ],
    alpn: &[],
    offers: &[],
    server_may_speak_first: false,
    keys: &[],
    faults: &[],
    tell: |_| None,
};

/// The scheme of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheme {
    /// The text before `://`.
    pub name: &'static str,
    /// The port where none is written.
    pub port: Option<u16>,
    /// Whether it is over TLS.
    pub tls: bool,
    /// The protocol unless the scenario names another.
    pub kind: ProtocolKind,
}

impl Scheme {
    /// That of a place without a scheme.
    pub const TLS: Self = Self {
        name: "tls",
        port: None,
        tls: true,
        kind: ProtocolKind::Handshake,
    };

    /// The scheme of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let all = ProtocolKind::ALL.iter();
        let mut all = all.flat_map(|kind| kind.traits().schemes);
        let found = all.find(|scheme| scheme.name.eq_ignore_ascii_case(name));
        found.copied()
    }
}

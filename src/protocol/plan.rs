//! The protocol of a run as checked, with its request ready to be sent.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::{Asked, Conversation, Problem, ProtocolKind, ProtocolSection, Request, Who};
use crate::units::Span;
use crate::way::StartTls;

/// What happens on a session once it is up.
#[derive(Debug, Clone, PartialEq)]
pub struct ProtocolPlan {
    request: Request,
    /// Exchanges per session; the most where cells differ.
    pub exchanges: u32,
    /// Whether cells differ in them.
    pub varies: bool,
    /// The time between an answer and the next request.
    pub think: Duration,
    /// The time between two exchanges of a held session; none makes none.
    pub every: Option<Duration>,
}

impl ProtocolPlan {
    /// Checks that every key is one of the protocol, and prepares its request.
    pub(crate) fn new(
        kind: ProtocolKind,
        section: &ProtocolSection,
        asked: Option<&Asked<'_>>,
    ) -> Result<Self, Problem> {
        for (key, given) in section.given() {
            let name = key.trim_start_matches("protocol.");
            let is_for = |kind: &&ProtocolKind| kind.traits().keys.contains(&name);
            if given && !is_for(&&kind) {
                let kinds = ProtocolKind::ALL.iter().filter(is_for);
                let kinds: Vec<_> = kinds.map(|kind| kind.traits().label).collect();
                return Err(Problem::new(
                    key,
                    format!("{name} is for {}", kinds.join(" and ")),
                    format!("write kind = \"{}\", or drop it", kinds.join("\" or \"")),
                ));
            }
        }
        if section.exchanges == Some(0) {
            return Err(Problem::new(
                "protocol.exchanges",
                "without an exchange nothing would prove acceptance",
                "write at least 1, or kind = \"handshake\"",
            ));
        }
        let exchanges = section.exchanges.unwrap_or(1);
        if section.think.is_some() && exchanges < 2 {
            return Err(Problem::new(
                "protocol.think",
                "it is the time between two exchanges, and a session makes one",
                "raise exchanges, or drop it; exchanges of a held session are spaced by every",
            ));
        }
        if section.every == Some(Span(Duration::ZERO)) {
            return Err(Problem::new(
                "protocol.every",
                "a session without a pause between exchanges is not held",
                "write a time such as 30s, or raise exchanges",
            ));
        }
        Ok(Self {
            request: Request::new(kind, section, asked)?,
            exchanges,
            varies: false,
            think: section.think.unwrap_or_default().0,
            every: section.every.map(|every| every.0),
        })
    }

    /// It with one exchange per session.
    #[must_use]
    pub(crate) fn once(&self) -> Self {
        Self {
            exchanges: 1,
            ..self.clone()
        }
    }

    /// Which protocol it is.
    pub fn kind(&self) -> ProtocolKind {
        self.request.kind()
    }

    /// Whether nobody said which HTTP statuses to expect.
    pub(crate) fn expects_no_status(&self) -> bool {
        match &self.request {
            Request::Http1(request) => !request.is_strict(),
            Request::Http2(request) => !request.is_strict(),
            _ => true,
        }
    }

    /// What the first exchange of a session writes before it reads anything; empty if nothing. It can be
    /// sent ahead of the exchange, which writes it all the same.
    pub(crate) fn opening(&self) -> Cow<'_, [u8]> {
        self.request.opening()
    }

    /// Begins the client's side of a session; none where nothing is spoken.
    pub fn conversation(&self, who: Who<'_>) -> Option<Conversation<'_>> {
        self.request.conversation(who)
    }

    /// How TLS is asked for before the protocol is spoken, unless the scenario says otherwise.
    pub(crate) fn starttls(&self) -> Option<StartTls> {
        match &self.request {
            Request::Postgres(request) if !request.is_direct() => Some(StartTls::Postgres),
            _ => None,
        }
    }

    /// Whether TLS begins at once, as the scenario says.
    pub(crate) fn is_direct(&self) -> bool {
        matches!(&self.request, Request::Postgres(request) if request.is_direct())
    }

    /// Whether the server may send something before our first request.
    pub(crate) fn server_may_speak_first(&self) -> bool {
        self.kind().traits().server_may_speak_first
    }
}

impl fmt::Display for ProtocolPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind(), self.exchanges) {
            (ProtocolKind::Handshake, _) => self.request.fmt(f),
            (_, most) if self.varies => {
                write!(f, "{}, up to {most} exchanges per session", self.request)
            }
            (_, 1) => write!(f, "{}, 1 exchange per session", self.request),
            (_, count) => write!(f, "{}, {count} exchanges per session", self.request),
        }
    }
}

//! What can become of an attempt: the outcome classes and their stable labels.
//!
//! Labels go into result files and must never change their meaning. Alerts are named as in
//! RFC 8446 section 6.

use std::fmt;

use super::alert::{alert_advice, alert_text};
use super::server_cert::ServerCertFault;
use crate::text::labelled;

labelled! {
    serde
    /// How a session that the server accepted was established.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum OkKind {
        /// No TLS at all: plain TCP.
        Tcp = "tcp",
        /// A full handshake.
        Full = "full",
        /// A full handshake after a `HelloRetryRequest`, one round trip more.
        FullWithHelloRetryRequest = "full_with_hello_retry_request",
        /// An abbreviated handshake from a session ticket or id.
        Resumed = "resumed",
    }
}

labelled! {
    serde
    /// A step of a session, in order.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum Stage {
        /// Finding the address of the target's name.
        Resolve = "resolve",
        /// TCP connection establishment.
        Connect = "connect",
        /// What is said before TLS: a proxy, a PROXY header, STARTTLS.
        WayIn = "way_in",
        /// TLS until the client has finished.
        Handshake = "handshake",
        /// Until the server proved that it accepted the client.
        Confirm = "confirm",
        /// From a request to the end of its response.
        FirstByte = "first_byte",
        /// Open and idle on purpose. What happens in it is no failure.
        Hold = "hold",
        /// From our close to the server's. What happens in it is no failure, unless it is a fatal alert, which
        /// outweighs the answer before it.
        Close = "close",
    }
}

labelled! {
    serde
    /// What proved that the server accepted the session, strongest first.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum Proof {
        /// Application data from the server.
        ApplicationData = "application_data",
        /// The server's TLS 1.2 Finished, which comes after the client's certificate (RFC 5246 section
        /// 7.3). Weaker: it shows that TLS went through, and some servers (nginx) reject a certificate
        /// only later, in HTTP.
        ServerFinished = "server_finished",
        /// A TLS 1.3 `NewSessionTicket`. Weaker, for the same reason.
        NewSessionTicket = "new_session_ticket",
        /// An orderly close in answer to ours. Weaker, for the same reason.
        OrderlyClose = "orderly_close",
    }
}

labelled! {
    /// Why an arrival never became an attempt.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum NotStarted {
        /// As many sessions were in flight as the plan allows.
        MaxInFlight = "max_in_flight",
        /// Every identity of a sticky fleet had a session open.
        IdentityBusy = "identity_busy",
        /// The run's deadline or an interrupt came before the generator got to it.
        Deadline = "deadline",
        /// The trial could not begin in time, and other shards did not wait.
        Late = "late",
    }
}

labelled! {
    serde
    /// When a session was cut off by us, or at the trial's deadline.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum CancelPhase {
        /// Still in flight when the time to drain was over: the grace period after the last arrival, or after a
        /// first interrupt.
        Drain = "drain",
        /// Still in flight when the run was aborted by a second interrupt.
        Abort = "abort",
    }
}

/// A resource of the generator's own host that ran out: our failure, not the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LocalResource {
    /// File descriptors.
    Files,
    /// Ephemeral ports.
    Ports,
    /// Memory or socket buffers.
    Memory,
}

labelled! {
    /// Why an identity could not be used: our failure, not the server's.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum IdentityTrouble {
        /// A file is not there, or cannot be read.
        Unreadable = "unreadable",
        /// The key is not the certificate's.
        Mismatch = "mismatch",
        /// A file holds no certificate or key, or one that cannot be used.
        Unusable = "unusable",
        /// The token that has its key did not sign with it.
        Token = "token",
    }
}

impl IdentityTrouble {
    /// One sentence on what is wrong and what to do, for reports.
    fn advice(self) -> &'static str {
        match self {
            Self::Unreadable => {
                "a file of the fleet was not there or could not be read when its session began; the example names it"
            }
            Self::Mismatch => {
                "a key of the fleet is not its certificate's: files that are renewed while they are read, or pairs that never matched; the example names them"
            }
            Self::Unusable => {
                "a file of the fleet holds no usable certificate or key; the example names it and says why"
            }
            Self::Token => {
                "the PKCS#11 token did not sign; the example has its error, and the token's own log may say more"
            }
        }
    }
}

/// A way in which an answer is not the one that a protocol expects. Every protocol lists its own.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnswerFault {
    /// The label, or its part before the code.
    pub label: &'static str,
    /// What the label ends with.
    pub code: AnswerCode,
    /// The codes with which the server says that it does not accept us; any other is trouble.
    pub refuses: &'static [AnswerCode],
    /// One sentence on what is wrong and what to do, for reports.
    pub advice: &'static str,
}

/// The code that a peer gives for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnswerCode {
    /// None.
    None,
    /// A number.
    Number(u32),
    /// Five letters and digits, such as an SQLSTATE. A fault that refuses has those of its class, the first two.
    Five([u8; 5]),
}

impl AnswerFault {
    /// As the class of a failure, with its code.
    pub(crate) fn class(&'static self, code: AnswerCode) -> FailureClass {
        FailureClass::Answer(self, code)
    }

    /// Whether the server says with this code that it does not accept us.
    pub(crate) fn refuses(&self, code: AnswerCode) -> bool {
        self.refuses.iter().any(|own| match (own, code) {
            (AnswerCode::Five(own), AnswerCode::Five(code)) => own[..2] == code[..2],
            (own, code) => *own == code,
        })
    }

    /// Whether `label` is one of its labels with which the server says so.
    pub(crate) fn refuses_with(&self, label: &str) -> bool {
        let mut codes = self.refuses.iter();
        codes.any(|code| match code {
            AnswerCode::Five(_) => self.has(label),
            _ => label == format!("{}{code}", self.label),
        })
    }

    /// Whether `label` is one of its labels.
    pub(crate) fn has(&self, label: &str) -> bool {
        let Some(code) = label.strip_prefix(self.label) else {
            return false;
        };
        let code = code.strip_prefix('.');
        match self.code {
            AnswerCode::None => code.is_none() && label == self.label,
            AnswerCode::Number(_) => code.is_some_and(|code| code.parse::<u32>().is_ok()),
            AnswerCode::Five(_) => code.is_some_and(|code| {
                let class = |code: &[u8; 5]| [code[0], code[1]];
                let same = |own: &[u8; 5]| {
                    let theirs = code.as_bytes().first_chunk();
                    theirs.is_some_and(|code| class(code) == class(own))
                };
                code.len() == 5
                    && (self.refuses.is_empty()
                        || matches!(&self.code, AnswerCode::Five(own) if same(own)))
                    && code
                        .bytes()
                        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            }),
        }
    }
}

impl fmt::Display for AnswerCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Number(number) => write!(f, ".{number}"),
            Self::Five(code) => write!(f, ".{}", code.escape_ascii()),
        }
    }
}

/// Why an attempt failed, by stage and cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureClass {
    /// The name of the target has no address. Found before any load, so it ends the run.
    ResolveFailed,
    /// The resolver took longer than its timeout. Found before any load, so it ends the run.
    ResolveTimeout,
    /// The server's host answered that nothing listens there.
    ConnectRefused,
    /// No route, or an ICMP unreachable.
    ConnectUnreachable,
    /// The connection was reset while it was being set up.
    ConnectReset,
    /// Any other error of the connect call.
    ConnectOther,
    /// The generator's host ran out of something.
    Local(LocalResource),
    /// The identity that a session was to present could not be loaded or used.
    Identity(IdentityTrouble),
    /// The server did not answer: not by the stage's timeout, not until the kernel gave the connection up,
    /// or not by the trial's deadline.
    Unanswered(Stage),
    /// We rejected the server.
    ServerCert(ServerCertFault),
    /// The server sent a fatal alert (the code of RFC 8446 section 6).
    Alert(u8),
    /// The server ended the stream without an alert.
    Eof(Stage),
    /// The connection was reset.
    Reset(Stage),
    /// Any other transport error.
    Transport(Stage),
    /// The server sent more than anyone asked for: tickets, key updates, empty records, data.
    Flood(Stage),
    /// The server broke the TLS protocol, or no common parameters were found by us.
    TlsProtocol,
    /// Plain text came where a TLS record was due.
    TlsPlainText,
    /// The server asks for a certificate only after the handshake: by renegotiation in TLS 1.2, by a
    /// `CertificateRequest` in TLS 1.3 (RFC 8446 section 4.6.2).
    TlsRenegotiation,
    /// The server answered HTTP with a status outside the expected ones.
    HttpStatus(u16),
    /// The server redirects, which says nothing of whether it accepts us.
    HttpRedirect(u16),
    /// The server's HTTP could not be parsed or exceeded a cap.
    HttpProtocol,
    /// The server ended an HTTP answer before its end.
    HttpCutShort,
    /// The server announced that it closes, with more requests still planned on the session.
    HttpClosed,
    /// The answer is not the one that the protocol expects.
    Answer(&'static AnswerFault, AnswerCode),
    /// The session ended without any proof that the server accepted it.
    Unconfirmed,
}

impl FailureClass {
    /// Whether the server left the session without an answer.
    pub(crate) fn is_silence(self) -> bool {
        matches!(self, Self::Unanswered(_))
    }

    /// Whether the server met the client and turned it away: neither silent nor out of reach, and no fault of ours.
    pub(crate) fn is_refusal(self) -> bool {
        !matches!(
            self,
            Self::ResolveFailed
                | Self::ResolveTimeout
                | Self::ConnectRefused
                | Self::ConnectUnreachable
                | Self::ConnectReset
                | Self::ConnectOther
                | Self::Local(_)
                | Self::Identity(_)
                | Self::Unanswered(_)
        )
    }

    /// The code of the alert the server sent, if it is one that failed the session.
    pub(crate) fn alert(self) -> Option<u8> {
        match self {
            Self::Alert(code) => Some(code),
            _ => None,
        }
    }

    /// One sentence on what is wrong and what to do, for reports.
    pub fn advice(self) -> &'static str {
        match self {
            Self::ResolveFailed | Self::ResolveTimeout => {
                "check the name and the resolver, or pin the address with --resolve HOST:PORT:ADDRESS"
            }
            Self::ConnectRefused => {
                "nothing listens on that address and port; check that the server is up"
            }
            Self::ConnectUnreachable => "no route to the server; check the address and the network",
            Self::ConnectReset => {
                "the server's host resets new connections; its accept queue may be full or a firewall in between"
            }
            Self::ConnectOther => {
                "the connect call failed locally; the example message has the system's reason"
            }
            Self::Local(LocalResource::Files) => {
                "the generator ran out of file descriptors; raise `ulimit -n` or lower --sessions"
            }
            Self::Local(LocalResource::Ports) => {
                "the generator ran out of ephemeral ports; make more exchanges per session, close with --close reset, or widen net.ipv4.ip_local_port_range"
            }
            Self::Local(LocalResource::Memory) => {
                "the generator ran out of memory or socket buffers; lower --sessions"
            }
            Self::Identity(trouble) => trouble.advice(),
            Self::Unanswered(Stage::WayIn) => {
                "the server or the proxy left these sessions without an answer before TLS; if the port speaks TLS at once, drop --starttls, else raise --way-in-timeout"
            }
            Self::Unanswered(_) => {
                "the server left these sessions without an answer; if it needs longer, raise the timeout or the grace period that the example names"
            }
            Self::ServerCert(fault) => fault.advice(),
            Self::Alert(code) => alert_advice(code),
            Self::Eof(Stage::Handshake) => {
                "the server hung up in the handshake without an alert; its error log should say why. Is it a TLS port? A protocol that begins in plain text needs --starttls"
            }
            Self::Eof(Stage::WayIn) => {
                "the server, or the proxy, hung up before TLS; its log should say why. Check what --starttls, --haproxy-protocol and --proxy say against what the port expects"
            }
            Self::Eof(_) => {
                "the server hung up where a later answer was due; it may allow fewer requests per connection than --exchanges asks for"
            }
            Self::Reset(Stage::Handshake) => {
                "the server reset the connection; see its error log. Behind a load balancer it may expect a PROXY header (--haproxy-protocol), in a protocol that begins in plain text --starttls"
            }
            Self::Reset(_) => "the server reset the connection; see its error log",
            Self::Transport(_) => {
                "the transport failed; the example message has the system's reason"
            }
            Self::Flood(_) => {
                "the server keeps sending what nobody asked for; the example says what, and its configuration or its load balancer's should say why"
            }
            Self::TlsProtocol => {
                "the TLS parameters do not fit or the server broke the protocol; `shakedown probe` shows what was offered"
            }
            Self::TlsPlainText => {
                "the server answers in plain text: is this its TLS port? A protocol that begins in plain text needs --starttls"
            }
            Self::TlsRenegotiation => {
                "the server asks for a client certificate per path, after the handshake, which is not supported: have it ask in the handshake (Apache: move SSLVerifyClient from the Location to the virtual host)"
            }
            Self::HttpStatus(400) => {
                "HTTP 400: the server finds the request wrong; nginx also answers so to a client certificate that it rejects, and its page then says so in the example"
            }
            Self::HttpStatus(_) => {
                "the status is not an expected one; set --expect-status if it should be"
            }
            Self::HttpRedirect(_) => {
                "a redirect does not show that the server accepts us: nginx rejects so with `error_page 495 = URL`. Ask for the final URL, or list the status in --expect-status if the redirect is meant"
            }
            Self::HttpProtocol => "not HTTP/1.1 as shakedown reads it; the example says why",
            Self::HttpCutShort => {
                "the server, or a proxy before it, broke off its answer; see its error log"
            }
            Self::HttpClosed => {
                "the server allows fewer requests per connection than --exchanges asks for; lower --exchanges, or raise the server's limit (nginx: keepalive_requests)"
            }
            Self::Answer(fault, _) => fault.advice,
            Self::Unconfirmed => {
                "nothing proved that the server accepts us: some close without a word on a certificate they reject, and its error log says why; with --protocol handshake nothing is asked, so use http1 or echo"
            }
        }
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ResolveFailed => f.write_str("resolve.failed"),
            Self::ResolveTimeout => f.write_str("timeout.resolve"),
            Self::ConnectRefused => f.write_str("connect.refused"),
            Self::ConnectUnreachable => f.write_str("connect.unreachable"),
            Self::ConnectReset => f.write_str("connect.reset"),
            Self::ConnectOther => f.write_str("connect.other"),
            Self::Local(LocalResource::Files) => f.write_str("local.files"),
            Self::Local(LocalResource::Ports) => f.write_str("local.ports"),
            Self::Local(LocalResource::Memory) => f.write_str("local.memory"),
            Self::Unanswered(stage) => write!(f, "unanswered.{}", stage.label()),
            Self::ServerCert(fault) => write!(f, "server_cert.{}", fault.label()),
            Self::Identity(trouble) => write!(f, "identity.{trouble}"),
            Self::Alert(code) => write!(f, "alert.{}", alert_text(*code)),
            Self::Eof(stage) => write!(f, "eof.{}", stage.label()),
            Self::Reset(stage) => write!(f, "reset.{}", stage.label()),
            Self::Transport(stage) => write!(f, "transport.{}", stage.label()),
            Self::Flood(stage) => write!(f, "flood.{}", stage.label()),
            Self::TlsProtocol => f.write_str("tls.protocol"),
            Self::TlsPlainText => f.write_str("tls.plain_text"),
            Self::TlsRenegotiation => f.write_str("tls.renegotiation"),
            Self::HttpStatus(status) => write!(f, "http.status.{status}"),
            Self::HttpRedirect(status) => write!(f, "http.redirect.{status}"),
            Self::HttpProtocol => f.write_str("http.protocol"),
            Self::HttpCutShort => f.write_str("http.cut_short"),
            Self::HttpClosed => f.write_str("http.closed"),
            Self::Answer(fault, code) => write!(f, "{}{code}", fault.label),
            Self::Unconfirmed => f.write_str("unconfirmed"),
        }
    }
}

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server accepted us, and this proves it.
    Ok {
        /// How the session was established.
        kind: OkKind,
        /// What proved the acceptance.
        proof: Proof,
    },
    /// It failed.
    Failed {
        /// The class that is counted.
        class: FailureClass,
        /// An example for people, not yet escaped or capped.
        message: String,
    },
    /// We cut it off before it could end: the run was interrupted, or it was never asked anything.
    Cancelled(CancelPhase),
}

impl Outcome {
    /// Whether how long it took says something about the server: it does unless the session was refused, by
    /// the server or by us. Who has no answer says that it takes longer.
    pub(crate) fn is_timed(&self) -> bool {
        match self {
            Self::Ok { .. } | Self::Cancelled(_) => true,
            Self::Failed { class, .. } => class.is_silence(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_stable() {
        let labels = [
            (FailureClass::Alert(48), "alert.unknown_ca"),
            (FailureClass::Alert(200), "alert.200"),
            (
                FailureClass::Unanswered(Stage::Confirm),
                "unanswered.confirm",
            ),
            (FailureClass::ResolveTimeout, "timeout.resolve"),
            (FailureClass::HttpStatus(400), "http.status.400"),
            (FailureClass::HttpRedirect(302), "http.redirect.302"),
            (FailureClass::Local(LocalResource::Ports), "local.ports"),
            (
                FailureClass::ServerCert(ServerCertFault::Name),
                "server_cert.name",
            ),
            (FailureClass::Eof(Stage::FirstByte), "eof.first_byte"),
            (FailureClass::Flood(Stage::Confirm), "flood.confirm"),
        ];
        for (class, label) in labels {
            assert_eq!(class.to_string(), label);
            assert!(!class.advice().is_empty());
        }
    }
}

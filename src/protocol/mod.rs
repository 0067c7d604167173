//! Protocols over any byte stream, both ends of each, and the catalogue of them.
//!
//! Nothing here knows TLS, so plain TCP is a cell like any other. A protocol is one file (or folder) with its
//! [`Traits`], a `Request` that a scenario's [`ProtocolSection`] makes, a `Conversation` with the state of a
//! session, and `serve` for the embedded target; and one row of the catalogue at the end of this file.

mod echo;
mod framed;
mod grpc;
pub(crate) mod http1;
mod http2;
mod message;
mod mqtt;
mod plan;
pub(crate) mod postgres;
mod section;
mod sizes;
mod traits;
mod who;

use std::borrow::Cow;
use std::io;
use std::time::Instant;

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

pub use self::framed::{Frame, FramePattern};
pub(crate) use self::http1::status_line;
pub use self::http1::{NotAStatus, StatusRange};
pub use self::mqtt::MqttVersion;
pub use self::plan::ProtocolPlan;
pub use self::postgres::SslNegotiation;
pub(crate) use self::section::{Asked, Problem};
pub use self::section::{Header, LARGEST_PAYLOAD, ProtocolSection};
pub use self::sizes::{Between, Draws, Sizes};
pub use self::traits::{Scheme, Traits};
pub use self::who::Who;
use crate::stats::{AnswerFault, FailureClass, Stage, covers, covers_common};
use crate::way::FAULTS;

/// A byte stream that a protocol is spoken on.
pub trait Wire: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire for S {}

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// The stream failed; the session knows more.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer answered, but not as expected.
    #[error("{message}")]
    Answer {
        /// The class that is counted.
        class: FailureClass,
        /// What came instead, not yet escaped.
        message: String,
    },
}

/// The client's side of one session, over any byte stream: what a protocol implements.
trait Converse {
    /// Whether [`Self::begin`] waits for an answer that proves acceptance. Otherwise that of the first exchange does.
    fn begins_with_proof(&self) -> bool {
        false
    }

    /// When the proof came, where it is not the first byte of the server's data.
    fn proved(&self) -> Option<Instant> {
        None
    }

    /// Opens the conversation.
    async fn begin<S: Wire>(&mut self, _stream: &mut S) -> Result<(), ProtocolError> {
        Ok(())
    }

    /// Makes one exchange: a request, and its response to the last byte.
    async fn exchange<S: Wire>(&mut self, stream: &mut S) -> Result<Next, ProtocolError>;

    /// Keeps the session alive while nothing is asked, until the server ends it. It may be dropped at any time, and
    /// an exchange may follow.
    async fn idle<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
        quiet(stream).await
    }

    /// Keeps the session alive to its end: as [`Self::idle`], but no exchange follows.
    async fn hold<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
        self.idle(stream).await
    }

    /// Takes leave, ahead of the close.
    async fn end<S: Wire>(&mut self, _stream: &mut S) -> Result<(), ProtocolError> {
        Ok(())
    }
}

/// Most bytes taken while nothing is asked.
const MOST_UNASKED: usize = 256 * 1024;

/// Reads until the server ends the session, and drops what comes.
async fn quiet<S: Wire>(stream: &mut S) -> Result<(), ProtocolError> {
    let mut scratch = [0; 512];
    for _ in 0..MOST_UNASKED / scratch.len() {
        if stream.read(&mut scratch).await? == 0 {
            return Ok(());
        }
    }
    Err(ProtocolError::Answer {
        class: FailureClass::Flood(Stage::Hold),
        message: format!("{} KiB of data that nobody asked for", MOST_UNASKED / 1024),
    })
}

/// The state of the session after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The next exchange can be made on it.
    Open,
    /// The peer announced that it closes.
    Closes,
}

/// What a page of an HTTP server says about a client certificate that it refuses, where we know the wording.
pub(crate) fn refusal(answer: &[u8]) -> Option<&'static str> {
    http1::refusal(answer)
}

/// Tells a client that came to a TLS port without TLS so, in HTTP.
///
/// Fails if the stream does.
pub(crate) async fn refuse_plain_http<S: Wire>(stream: &mut S) -> io::Result<()> {
    let why = "this port speaks TLS: use https://";
    http1::foreign::refuse(stream, StatusCode::BAD_REQUEST, why).await
}

/// The unexpected answers of every protocol, and those before TLS.
fn faults() -> impl Iterator<Item = &'static AnswerFault> {
    let kinds = ProtocolKind::ALL.iter();
    let own = kinds.flat_map(|kind| kind.traits().faults).copied();
    own.chain(FAULTS)
}

/// Every class that a session can have, those of protocols with an example of their code.
pub fn failure_classes() -> Vec<FailureClass> {
    let mut classes = FailureClass::common();
    classes.extend(faults().map(|fault| fault.class(fault.code)));
    classes
}

/// Whether `pattern` covers the label of any failure there is, so that a misspelt one is noticed.
pub(crate) fn covers_any(pattern: &str) -> bool {
    covers_common(pattern)
        || faults().any(|fault| covers(pattern, fault.label) || fault.has(pattern))
}

/// Whether the label is that of an answer with which a server refuses us in the protocol.
pub(crate) fn is_refusal(label: &str) -> bool {
    faults().any(|fault| fault.refuses_with(label))
}

/// Generates from the rows what every protocol needs: its kind, request and conversation.
macro_rules! catalogue {
    ($($(#[$doc:meta])* $kind:ident: $file:ident,)+) => {
        /// A protocol on top of a session.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum ProtocolKind {
            /// Nothing: confirmed by a ticket, the TLS 1.2 Finished or an orderly close.
            Handshake,
            $($(#[$doc])* $kind,)+
        }

        impl ProtocolKind {
            /// All there are.
            pub const ALL: &[Self] = &[Self::Handshake, $(Self::$kind),+];

            /// Its traits.
            pub(crate) fn traits(self) -> &'static Traits {
                match self {
                    Self::Handshake => &traits::HANDSHAKE,
                    $(Self::$kind => &$file::TRAITS,)+
                }
            }

            /// The ALPN ids that are offered, and by a server accepted, unless somebody names others.
            pub fn offers(self) -> Vec<String> {
                let offers = self.traits().offers.iter();
                offers.map(|name| (*name).to_owned()).collect()
            }

            /// Serves one session until the client closes it. The handshake protocol needs nothing but
            /// that, which echo does too.
            ///
            /// # Errors
            ///
            /// Fails if the stream does, or if the client does not keep to the protocol.
            pub async fn serve<S: Wire>(self, stream: &mut S) -> Result<(), ProtocolError> {
                match self {
                    Self::Handshake => echo::serve(stream).await,
                    $(Self::$kind => $file::serve(stream).await,)+
                }
            }
        }

        /// The request of every exchange.
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) enum Request {
            Handshake,
            $($kind($file::Request),)+
        }

        impl Request {
            fn new(
                kind: ProtocolKind,
                section: &ProtocolSection,
                asked: Option<&Asked<'_>>,
            ) -> Result<Self, Problem> {
                Ok(match kind {
                    ProtocolKind::Handshake => Self::Handshake,
                    $(ProtocolKind::$kind => Self::$kind($file::Request::new(section, asked)?),)+
                })
            }

            fn kind(&self) -> ProtocolKind {
                match self {
                    Self::Handshake => ProtocolKind::Handshake,
                    $(Self::$kind(_) => ProtocolKind::$kind,)+
                }
            }

            fn opening(&self) -> Cow<'_, [u8]> {
                match self {
                    Self::Handshake => Cow::Borrowed(&[]),
                    $(Self::$kind(request) => request.opening(),)+
                }
            }

            fn conversation(&self, who: Who<'_>) -> Option<Conversation<'_>> {
                match self {
                    Self::Handshake => None,
                    $(Self::$kind(request) => {
                        Some(Conversation::$kind($file::Conversation::new(request, who)))
                    })+
                }
            }
        }

        impl std::fmt::Display for Request {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    Self::Handshake => f.write_str("handshake alone"),
                    $(Self::$kind(request) => request.fmt(f),)+
                }
            }
        }

        /// The client's side of one session, with its state.
        #[derive(Debug)]
        pub enum Conversation<'p> {
            $(#[doc = concat!("Of `", stringify!($file), "`.")] $kind($file::Conversation<'p>),)+
        }

        impl Conversation<'_> {
            /// Whether [`Self::begin`] waits for an answer that proves acceptance. Otherwise that of the first
            /// exchange does.
            pub fn begins_with_proof(&self) -> bool {
                match self {
                    $(Self::$kind(conversation) => conversation.begins_with_proof(),)+
                }
            }

            /// When the proof came, where it is not the first byte of the server's data.
            pub fn proved(&self) -> Option<Instant> {
                match self {
                    $(Self::$kind(conversation) => conversation.proved(),)+
                }
            }

            /// Opens the conversation.
            ///
            /// # Errors
            ///
            /// Fails if the stream does, or if the answer is not the expected one.
            pub async fn begin<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
                match self {
                    $(Self::$kind(conversation) => conversation.begin(stream).await,)+
                }
            }

            /// Makes one exchange: a request, and its response to the last byte.
            ///
            /// # Errors
            ///
            /// Fails if the stream does, or if the answer is not the expected one.
            pub async fn exchange<S: Wire>(&mut self, stream: &mut S) -> Result<Next, ProtocolError> {
                match self {
                    $(Self::$kind(conversation) => conversation.exchange(stream).await,)+
                }
            }

            /// Keeps the session alive until the server ends it. May be dropped at any time.
            ///
            /// # Errors
            ///
            /// Fails if the stream does, or on what the protocol does not expect.
            pub async fn idle<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
                match self {
                    $(Self::$kind(conversation) => conversation.idle(stream).await,)+
                }
            }

            /// Keeps the session alive to its end: as [`Self::idle`], but no exchange follows.
            ///
            /// # Errors
            ///
            /// Fails if the stream does, or on what the protocol does not expect.
            pub async fn hold<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
                match self {
                    $(Self::$kind(conversation) => conversation.hold(stream).await,)+
                }
            }

            /// Takes leave, ahead of the close.
            ///
            /// # Errors
            ///
            /// Fails if the stream does.
            pub async fn end<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
                match self {
                    $(Self::$kind(conversation) => conversation.end(stream).await,)+
                }
            }
        }
    };
}

catalogue! {
    /// What is sent comes back.
    Echo: echo,
    /// HTTP/1.1 requests.
    Http1: http1,
    /// Messages in frames: HL7 (MLLP), FIX, DICOM, lines.
    Framed: framed,
    /// `PostgreSQL`: start-up, certificate authentication, queries.
    Postgres: postgres,
    /// MQTT: messages that are published.
    Mqtt: mqtt,
    /// HTTP/2 requests, several at once on a session.
    Http2: http2,
    /// gRPC calls, by default the health check.
    Grpc: grpc,
}

//! HTTP/2 over h2: concurrent requests on one session (RFC 9113).
//!
//! Preface, SETTINGS and the first request go out together. An exchange is a number of requests, one a stream, and
//! ends when all are answered.

mod client;
mod frame;
mod held;
#[cfg(test)]
mod held_tests;
mod pump;
mod request;
mod server;
mod tell;
#[cfg(test)]
mod tests;

pub(super) use self::client::{Answer, Ask, Session};
pub(super) use self::request::Prepared;
pub use self::request::Request;
pub(super) use self::server::serve;
pub(super) use self::tell::replay;
use super::Traits;
use crate::stats::{AnswerCode, AnswerFault};

/// The client's side of one session.
pub type Conversation<'p> = Session<'p, Request>;

pub(super) const GOAWAY: &AnswerFault = &AnswerFault {
    label: "http2.goaway",
    code: AnswerCode::Number(11),
    refuses: &[],
    advice: "the server ended the session with a GOAWAY; the number is its reason (RFC 9113 section 7): 0 it closes, \
             11 it takes the load for an attack, 13 it wants HTTP/1.1, often to ask for a client certificate per path",
};
pub(super) const RESET: &AnswerFault = &AnswerFault {
    label: "http2.reset",
    code: AnswerCode::Number(7),
    refuses: &[],
    advice: "the server reset a stream instead of answering; the number is its reason (RFC 9113 section 7): 7 it did \
             not look at the request, 2 it failed, 13 it wants HTTP/1.1; see its error log",
};
pub(super) const PROTOCOL: &AnswerFault = &AnswerFault {
    label: "http2.protocol",
    code: AnswerCode::None,
    refuses: &[],
    advice: "the server broke HTTP/2, or sent more than shakedown reads; the example says how",
};
pub(super) const ABSENT: &AnswerFault = &AnswerFault {
    label: "http2.absent",
    code: AnswerCode::None,
    refuses: &[],
    advice: "the server does not speak HTTP/2 here: drop --http2, or switch it on there (nginx: http2 on; haproxy: \
             alpn h2)",
};

/// The ways in which a session can break.
pub(super) const FAULTS: [&AnswerFault; 4] = [GOAWAY, RESET, PROTOCOL, ABSENT];

pub(super) const TRAITS: Traits = Traits {
    label: "http2",
    name: "HTTP/2",
    schemes: &[],
    alpn: &["h2"],
    offers: &["h2"],
    server_may_speak_first: true,
    keys: &[
        "exchanges",
        "think",
        "every",
        "streams",
        "method",
        "path",
        "headers",
        "body",
        "data",
        "data-file",
        "expect-status",
    ],
    faults: &FAULTS,
    tell: tell::tell,
};

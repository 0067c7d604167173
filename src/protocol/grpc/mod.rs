//! gRPC: unary calls over HTTP/2, and the standard health check where no method is named.
//!
//! Messages are bytes: nothing here knows a schema. See "gRPC over HTTP2" and "HTTP to gRPC Status Code Mapping" of
//! the gRPC project.

mod answer;
mod request;
#[cfg(test)]
mod tests;

pub use self::request::Request;
use super::http2::Session;
pub(super) use super::http2::serve;
use super::{ProtocolKind, Scheme, Traits};
use crate::stats::{AnswerCode, AnswerFault};

/// The client's side of one session.
pub type Conversation<'p> = Session<'p, Request>;

/// The standard health check (`grpc.health.v1`).
const HEALTH: &str = "/grpc.health.v1.Health/Check";

const STATUS: &AnswerFault = &AnswerFault {
    label: "grpc.status",
    code: AnswerCode::Number(14),
    refuses: &[],
    advice: "the call failed with this gRPC status: 4 its deadline passed, 5 or 12 the server has no such service or \
             method, 8 a quota is used up, 14 the server behind a proxy is away; the example has its message",
};
const DENIED: &AnswerFault = &AnswerFault {
    label: "grpc.status.7",
    code: AnswerCode::None,
    refuses: &[AnswerCode::None],
    advice: "PERMISSION_DENIED: the server knows this client and does not let it make the call; see its access rules",
};
const UNAUTHENTICATED: &AnswerFault = &AnswerFault {
    label: "grpc.status.16",
    code: AnswerCode::None,
    refuses: &[AnswerCode::None],
    advice: "UNAUTHENTICATED: the server does not take the client's certificate, or wants other credentials too (-H)",
};
const NOT_SERVING: &AnswerFault = &AnswerFault {
    label: "grpc.not_serving",
    code: AnswerCode::None,
    refuses: &[],
    advice: "the health check was answered, but not with SERVING; the server says that it is not ready",
};
const PROTOCOL: &AnswerFault = &AnswerFault {
    label: "grpc.protocol",
    code: AnswerCode::None,
    refuses: &[],
    advice: "the answer is not one of gRPC; the example says why. Is it a gRPC server?",
};

pub(super) const TRAITS: Traits = Traits {
    label: "grpc",
    name: "gRPC",
    schemes: &[
        Scheme {
            name: "grpcs",
            port: Some(443),
            tls: true,
            kind: ProtocolKind::Grpc,
        },
        Scheme {
            name: "grpc",
            port: Some(80),
            tls: false,
            kind: ProtocolKind::Grpc,
        },
    ],
    alpn: &["h2"],
    offers: &["h2"],
    server_may_speak_first: true,
    keys: &[
        "exchanges",
        "think",
        "every",
        "streams",
        "path",
        "headers",
        "data-file",
        "data-hex",
        "deadline",
    ],
    faults: &[PROTOCOL, NOT_SERVING, DENIED, UNAUTHENTICATED, STATUS],
    tell: answer::tell,
};

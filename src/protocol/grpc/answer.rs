//! The answer to a call: a message and a status, in trailers or, for a call that failed, in the head.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use super::{DENIED, NOT_SERVING, PROTOCOL, STATUS, UNAUTHENTICATED};
use crate::protocol::ProtocolError;
use crate::protocol::http1::{self, refusal, refused};
use crate::protocol::http2::{Answer, replay};
use crate::stats::{AnswerCode, AnswerFault};
use crate::text::escape_untrusted;
use crate::units::counted;

/// Bytes ahead of a message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// The status of a health check (`grpc.health.v1`).
const SERVING: u64 = 1;
/// Its statuses by number.
const HEALTH_STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
/// Most bytes of a server's message that are shown.
const SHOWN: usize = 256;

const DENIED_CODE: u32 = 7;
const UNAUTHENTICATED_CODE: u32 = 16;

/// Judges the answer to a call; `health` says that it is that of a health check.
pub(super) fn judge(answer: &Answer, health: bool) -> Result<(), ProtocolError> {
    let Some((code, fields)) = last_status(answer) else {
        return Err(without_status(answer));
    };
    let code = number(code);
    let code = code.ok_or_else(|| wrong(PROTOCOL, "grpc-status is not a number".to_owned()))?;
    if code != 0 {
        let said = said(fields);
        return Err(failed(code, format!("gRPC status {code}{said}")));
    }
    let message = message(answer)?;
    if health {
        let status = health_status(message);
        if status != Some(SERVING) {
            let status = status.map_or("no status".to_owned(), |status| format!("status {status}"));
            let message = format!("the health check says {status}, and SERVING is 1");
            return Err(wrong(NOT_SERVING, message));
        }
    }
    Ok(())
}

/// What the beginning of a server's data says.
pub(super) fn tell(bytes: &[u8]) -> Option<String> {
    if bytes.starts_with(b"HTTP/") {
        return (http1::TRAITS.tell)(bytes);
    }
    let heard = replay(bytes)?;
    let answer = match &heard.answer {
        Ok(answer) => answer,
        Err(error) => return Some(escape_untrusted(&error.to_string(), SHOWN)),
    };
    let found = last_status(answer);
    let found = found.and_then(|(code, fields)| Some((number(code)?, fields)));
    let Some((code, fields)) = found else {
        let status = answer.status;
        return Some(format!("HTTP/2 {status} without a grpc-status"));
    };
    let more = match message(answer) {
        _ if code != 0 => said(fields),
        Ok([8, status]) => match HEALTH_STATUSES.get(usize::from(*status)) {
            Some(name) => format!(", {name} if it is a health check"),
            None => String::new(),
        },
        Ok(message) => format!(", message of {}", counted(message.len() as u64, "byte")),
        Err(_) => ", without a whole message".to_owned(),
    };
    let streams = heard.streams();
    Some(escape_untrusted(
        &format!("grpc-status {code}{more}, {streams}"),
        SHOWN,
    ))
}

/// The status of a call in trailers, else in the head, and the fields with it.
fn last_status(answer: &Answer) -> Option<(&HeaderValue, &HeaderMap)> {
    let mut places = answer.trailers.iter().chain([&answer.fields]);
    places.find_map(|fields| Some((fields.get("grpc-status")?, fields)))
}

fn number(status: &HeaderValue) -> Option<u32> {
    status.to_str().ok()?.parse().ok()
}

/// An answer that does not come from a gRPC server, but from something before it.
fn without_status(answer: &Answer) -> ProtocolError {
    let kind = answer.fields.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_grpc = kind.is_some_and(|kind| kind.starts_with(b"application/grpc"));
    if refusal(&answer.excerpt).is_some() {
        // A page about the client's certificate says more than a status made of it.
        return refused(answer.status, None, &answer.excerpt);
    }
    if answer.status == 200 && is_grpc {
        return wrong(PROTOCOL, "the answer has no grpc-status".to_owned());
    }
    let code = match answer.status {
        400 => 13,
        401 => UNAUTHENTICATED_CODE,
        403 => DENIED_CODE,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    };
    let status = answer.status;
    failed(
        code,
        format!("HTTP status {status} without a grpc-status, which stands for gRPC status {code}"),
    )
}

fn failed(code: u32, message: String) -> ProtocolError {
    let class = match code {
        DENIED_CODE => DENIED.class(AnswerCode::None),
        UNAUTHENTICATED_CODE => UNAUTHENTICATED.class(AnswerCode::None),
        code => STATUS.class(AnswerCode::Number(code)),
    };
    ProtocolError::Answer { class, message }
}

fn wrong(fault: &'static AnswerFault, message: String) -> ProtocolError {
    ProtocolError::Answer {
        class: fault.class(AnswerCode::None),
        message,
    }
}

/// The server's words on a status, percent-decoded; not yet escaped.
fn said(fields: &HeaderMap) -> String {
    let Some(text) = fields.get("grpc-message") else {
        return String::new();
    };
    let mut bytes = text.as_bytes().iter().take(SHOWN).copied();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let hex = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match (byte, hex(ahead.next()), hex(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                plain.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                bytes = ahead;
            }
            _ => plain.push(byte),
        }
    }
    format!(": {}", String::from_utf8_lossy(&plain))
}

/// The one message of the answer, as far as it was kept.
fn message(answer: &Answer) -> Result<&[u8], ProtocolError> {
    let excerpt = &answer.excerpt;
    let Some((prefix, message)) = excerpt.split_at_checked(PREFIX) else {
        let cause = format!(
            "the message has {} bytes, not even its prefix",
            answer.length
        );
        return Err(wrong(PROTOCOL, cause));
    };
    let said = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
    let came = answer.length - PREFIX as u64;
    if u64::from(said) != came {
        let cause = format!("the message has {came} bytes, and its prefix says {said}");
        return Err(wrong(PROTOCOL, cause));
    }
    Ok(message)
}

/// Field 1 of a `HealthCheckResponse`; a field that is not written is 0.
fn health_status(message: &[u8]) -> Option<u64> {
    match message {
        [] => Some(0),
        [8, status, ..] if *status < 0x80 => Some(u64::from(*status)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = http::HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        pairs.collect()
    }

    fn answer(status: u16, head: &[(&'static str, &'static str)]) -> Answer {
        Answer {
            status,
            fields: fields(head),
            trailers: None,
            length: 0,
            excerpt: Vec::new(),
        }
    }

    fn with_message(bytes: &[u8], code: &'static str) -> Answer {
        Answer {
            trailers: Some(fields(&[("grpc-status", code)])),
            length: bytes.len() as u64,
            excerpt: bytes.to_vec(),
            ..answer(200, &[("content-type", "application/grpc+proto")])
        }
    }

    fn class(answer: &Answer, health: bool) -> String {
        match judge(answer, health) {
            Ok(()) => "ok".to_owned(),
            Err(ProtocolError::Answer { class, .. }) => class.to_string(),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn statuses_come_in_trailers_or_in_the_head() {
        assert_eq!(class(&with_message(&[0; 5], "0"), false), "ok");
        assert_eq!(class(&with_message(&[0; 5], "14"), false), "grpc.status.14");
        for (code, expected) in [("7", "grpc.status.7"), ("16", "grpc.status.16")] {
            let alone = answer(200, &[("grpc-status", code)]);
            assert_eq!(class(&alone, false), expected);
        }
        assert_eq!(class(&with_message(&[0; 5], "x"), false), "grpc.protocol");
    }

    #[test]
    fn messages_are_as_long_as_they_say() {
        for wrong in [&[][..], &[0; 4], &[0, 0, 0, 0, 1], &[0, 0, 0, 0, 0, 9]] {
            assert_eq!(class(&with_message(wrong, "0"), false), "grpc.protocol");
        }
    }

    #[test]
    fn a_healthy_server_serves() {
        let health = |message: &[u8]| class(&with_message(message, "0"), true);
        assert_eq!(health(&[0, 0, 0, 0, 2, 8, 1]), "ok");
        assert_eq!(health(&[0, 0, 0, 0, 2, 8, 2]), "grpc.not_serving");
        assert_eq!(health(&[0; 5]), "grpc.not_serving");
    }

    #[test]
    fn a_status_of_http_stands_for_one_of_grpc() {
        for (status, expected) in [
            (400, "grpc.status.13"),
            (401, "grpc.status.16"),
            (403, "grpc.status.7"),
            (404, "grpc.status.12"),
            (503, "grpc.status.14"),
            (500, "grpc.status.2"),
            (200, "grpc.status.2"),
        ] {
            assert_eq!(class(&answer(status, &[]), false), expected, "{status}");
        }
        let page = Answer {
            excerpt: b"<center>No required SSL certificate was sent</center>".to_vec(),
            ..answer(400, &[])
        };
        assert_eq!(class(&page, false), "http.status.400");
    }

    #[test]
    fn a_recorded_answer_is_told() {
        let frame = |kind, flags, payload: &[u8]| {
            let length = u8::try_from(payload.len()).unwrap();
            [&[0, 0, length, kind, flags, 0, 0, 0, 1], payload].concat()
        };
        let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100];
        let status = |code: u8| [&b"\0\x0bgrpc-status\x01"[..], &[code]].concat();
        let told = |message: &[u8], code| {
            let trailers = frame(1, 5, &status(code));
            let parts = [
                &settings[..],
                &frame(1, 4, &[0x88]),
                &frame(0, 0, message),
                &trailers,
            ];
            tell(&parts.concat()).unwrap()
        };
        let streams = "1 stream of max 100";
        let health = [0, 0, 0, 0, 2, 8, 1];
        let serves = format!("grpc-status 0, SERVING if it is a health check, {streams}");
        assert_eq!(told(&health, b'0'), serves);
        assert_eq!(
            told(&[0, 0, 0, 0, 1, 9], b'0'),
            format!("grpc-status 0, message of 1 byte, {streams}")
        );
        assert_eq!(told(&[], b'7'), format!("grpc-status 7, {streams}"));
        let page = [&settings[..], &frame(1, 5, &[0x8d])].concat();
        assert_eq!(tell(&page).unwrap(), "HTTP/2 404 without a grpc-status");
    }

    #[test]
    fn words_are_decoded_once() {
        let words = said(&fields(&[("grpc-message", "a%20b%2525%zz%4")]));
        assert_eq!(words, ": a b%25%zz%4");
    }
}

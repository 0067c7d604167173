//! The call of a scenario.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use http::header::{CONTENT_TYPE, TE};
use http::{HeaderName, HeaderValue, Method};

use super::HEALTH;
use crate::files::read_capped;
use crate::protocol::http2::{Answer, Ask, Prepared};
use crate::protocol::message::Message;
use crate::protocol::{Asked, LARGEST_PAYLOAD, Problem, ProtocolError, ProtocolSection};

/// A call, and whether its answer has to be that of a healthy server.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    prepared: Prepared,
    health: bool,
}

impl Request {
    pub(in crate::protocol) fn new(
        section: &ProtocolSection,
        asked: Option<&Asked<'_>>,
    ) -> Result<Self, Problem> {
        let bytes = message(section)?;
        let mut call = Message::without_body(section, asked, Method::POST)?;
        let path = call.path.as_str();
        if path == "/" {
            if bytes.is_some() {
                return Err(Problem::new(
                    "protocol.path",
                    "a message is given, and no method that takes it",
                    "write the URL with it, as in grpcs://host:port/package.Service/Method",
                ));
            }
            call.path = http::uri::PathAndQuery::from_static(HEALTH);
        } else if !is_method(path) {
            return Err(Problem::new(
                "protocol.path",
                format!("{path:?} names no gRPC method"),
                "write /package.Service/Method, or no path for the health check",
            ));
        }
        for (name, value) in [
            (TE, HeaderValue::from_static("trailers")),
            (CONTENT_TYPE, HeaderValue::from_static("application/grpc")),
        ] {
            if call.has(&name) {
                return Err(Problem::new(
                    "protocol.headers",
                    format!("gRPC sets {name} itself"),
                    "drop it",
                ));
            }
            call.fields.push((name, value));
        }
        if let Some(deadline) = section.deadline {
            let name = HeaderName::from_static("grpc-timeout");
            call.fields.push((name, timeout(deadline.0)?));
        }
        call.body = framed(&bytes.unwrap_or_default());
        let health = call.path == HEALTH;
        Ok(Self {
            prepared: Prepared::new(call, section, asked)?,
            health,
        })
    }

    /// Nothing is sent ahead, as in HTTP/2.
    #[expect(clippy::unused_self, reason = "every request has an opening")]
    pub(in crate::protocol) fn opening(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&[])
    }
}

impl Ask for Request {
    fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    fn reads(&self, _: u16) -> bool {
        true
    }

    fn judge(&self, answer: &Answer) -> Result<(), ProtocolError> {
        super::answer::judge(answer, self.health)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.health {
            f.write_str("gRPC health check")?;
        } else {
            write!(f, "gRPC {}", self.prepared.path())?;
        }
        f.write_str(&self.prepared.on_streams())
    }
}

/// Whether it is `/Service/Method`.
fn is_method(path: &str) -> bool {
    let mut parts = path.split('/').skip(1);
    let parts = (parts.next(), parts.next(), parts.next());
    matches!(parts, (Some(service), Some(method), None) if !service.is_empty() && !method.is_empty())
        && !path.contains('?')
}

/// The bytes of the message, if one is given.
fn message(section: &ProtocolSection) -> Result<Option<Vec<u8>>, Problem> {
    let bytes = match (&section.data_file, &section.data_hex) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(Problem::new(
                "protocol",
                "a call has one message",
                "give one of data-file and data-hex",
            ));
        }
        (Some(path), None) => read_capped(path, LARGEST_PAYLOAD).map_err(|error| {
            let cause = format!("cannot read {}: {error}", path.display());
            Problem::new("protocol.data-file", cause, "check the path")
        })?,
        (None, Some(text)) => from_hex(text).ok_or_else(|| {
            Problem::new(
                "protocol.data-hex",
                "it is not pairs of hexadecimal digits",
                "write it as in 0a0568656c6c6f; spaces are allowed between bytes",
            )
        })?,
    };
    Ok(Some(bytes))
}

/// Bytes in hexadecimal, with or without spaces between them.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for part in text.split_ascii_whitespace() {
        let digits = part.as_bytes().chunks(2);
        for pair in digits {
            let pair = std::str::from_utf8(pair)
                .ok()
                .filter(|pair| pair.len() == 2)?;
            // `from_str_radix` would take a sign.
            let plain = pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            bytes.push(u8::from_str_radix(pair, 16).ok().filter(|_| plain)?);
        }
    }
    Some(bytes)
}

/// A message with its prefix: not compressed, and its length.
fn framed(message: &[u8]) -> Vec<u8> {
    // Files are capped far below.
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut bytes = vec![0];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(message);
    bytes
}

/// The value of `grpc-timeout`: at most eight digits and a unit.
fn timeout(deadline: Duration) -> Result<HeaderValue, Problem> {
    let wrong = |cause: &str| {
        let next = "write a time from 1us to 1000h, such as 500ms";
        Problem::new("protocol.deadline", cause, next)
    };
    if deadline < Duration::from_micros(1) {
        return Err(wrong("no call can be answered in that time"));
    }
    let units = [
        (deadline.as_micros(), 'u'),
        (deadline.as_millis(), 'm'),
        (u128::from(deadline.as_secs()), 'S'),
    ];
    let fitting = units.into_iter().find(|(count, _)| *count < 100_000_000);
    let (count, unit) = fitting.ok_or_else(|| wrong("gRPC has no deadline so far away"))?;
    HeaderValue::from_str(&format!("{count}{unit}")).map_err(|_| wrong("it cannot be sent"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_have_at_most_eight_digits() {
        for (deadline, sent) in [
            (Duration::from_millis(500), "500000u"),
            (Duration::from_secs(3_600), "3600000m"),
            (Duration::from_secs(1_000_000), "1000000S"),
        ] {
            assert_eq!(timeout(deadline).unwrap(), sent);
        }
        for wrong in [Duration::from_nanos(999), Duration::MAX] {
            assert!(timeout(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn hexadecimal_is_pairs_of_digits() {
        assert_eq!(from_hex("0a 05FF"), Some(vec![10, 5, 255]));
        assert_eq!(from_hex(""), Some(Vec::new()));
        for wrong in ["0", "0g", "+1", "0 a", "é1"] {
            assert_eq!(from_hex(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_method_is_a_service_and_a_name() {
        for path in ["/a/b", "/grpc.health.v1.Health/Check"] {
            assert!(is_method(path), "{path}");
        }
        for path in ["/", "/a", "/a/", "//b", "/a/b/c", "/a/b?c"] {
            assert!(!is_method(path), "{path}");
        }
    }
}

//! The HTTP/1.1 request of a scenario, composed once.

use std::borrow::Cow;
use std::fmt;
use std::io;

use http::Method;
use tokio::io::AsyncWriteExt;

use super::StatusRange;
use crate::protocol::message::Message;
use crate::protocol::sizes::send;
use crate::protocol::{Asked, Between, Draws, Problem, ProtocolSection, Sizes, Wire};

/// The request, ready to be sent, and the responses that it takes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    pub bytes: Vec<u8>,
    /// No body follows a response, whatever its headers say (RFC 9110 section 9.3.2).
    pub head: bool,
    /// Accepted statuses; empty stands for 2xx.
    pub expect_status: Vec<StatusRange>,
    /// The sizes of bodies, where they differ.
    pub drawn: Option<Between>,
}

impl Request {
    /// Composes the request (RFC 9112 section 3).
    pub(crate) fn new(
        section: &ProtocolSection,
        asked: Option<&Asked<'_>>,
    ) -> Result<Self, Problem> {
        let message = Message::new(section, asked)?;
        Ok(Self {
            bytes: composed(&message),
            head: message.method == Method::HEAD,
            expect_status: section.expect_status.clone(),
            drawn: section.body.and_then(Sizes::drawn),
        })
    }

    /// What a session sends first; nothing where that differs from session to session.
    pub(crate) fn opening(&self) -> Cow<'_, [u8]> {
        match self.drawn {
            None => Cow::Borrowed(&self.bytes),
            Some(_) => Cow::Borrowed(&[]),
        }
    }

    /// Sends the next request.
    pub(super) async fn send<S: Wire>(&self, draws: &mut Draws, stream: &mut S) -> io::Result<()> {
        let Some(between) = self.drawn else {
            stream.write_all(&self.bytes).await?;
            return stream.flush().await;
        };
        // The length comes last in the head.
        let longest = usize::try_from(between.max.0).unwrap_or(0);
        let (head, body) = self.bytes.split_at(self.bytes.len() - longest);
        let head = &head[..head.len() - format!("{longest}\r\n\r\n").len()];
        let size = draws.next(between);
        let length = format!("{size}\r\n\r\n");
        send(stream, [head, length.as_bytes(), &body[..size]]).await
    }

    /// Whether somebody said which statuses to expect.
    pub(crate) fn is_strict(&self) -> bool {
        !self.expect_status.is_empty()
    }

    /// Whether it takes a response of this status.
    pub(crate) fn accepts(&self, status: u16) -> bool {
        StatusRange::accept(&self.expect_status, status)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.bytes.split(|byte| *byte == b' ').next();
        let method = String::from_utf8_lossy(method.unwrap_or_default());
        write!(f, "HTTP/1.1 {method}")?;
        match self.drawn {
            Some(between) => write!(f, " with bodies of {} bytes", Sizes::Drawn(between)),
            None => Ok(()),
        }
    }
}

/// The bytes of the request (RFC 9112 section 3).
fn composed(message: &Message) -> Vec<u8> {
    let Message {
        method,
        path,
        authority,
        fields,
        body,
    } = message;
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: {authority}\r\n").into_bytes();
    for (name, value) in fields {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Header;
    use crate::units::ByteSize;

    fn text(section: &ProtocolSection) -> String {
        String::from_utf8(Request::new(section, None).unwrap().bytes).unwrap()
    }

    fn header(name: &str, value: &str) -> Header {
        Header {
            name: name.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn a_request_is_complete() {
        let section = ProtocolSection {
            method: Some("POST".to_owned()),
            path: Some("/a?b=c".to_owned()),
            headers: vec![header("User-Agent", "mine")],
            body: Some(ByteSize(3).into()),
            ..ProtocolSection::default()
        };
        let expected = "POST /a?b=c HTTP/1.1\r\nhost: localhost\r\nuser-agent: mine\r\ncontent-length: 3\r\n\r\nxxx";
        assert_eq!(text(&section), expected);
    }

    #[test]
    fn methods_that_may_have_a_body_say_that_they_have_none() {
        for (method, announced) in [
            ("POST", true),
            ("PUT", true),
            ("PATCH", true),
            ("GET", false),
            ("HEAD", false),
            ("DELETE", false),
        ] {
            let section = ProtocolSection {
                method: Some(method.to_owned()),
                ..ProtocolSection::default()
            };
            let said = text(&section).contains("\r\ncontent-length: 0\r\n");
            assert_eq!(said, announced, "{method}");
            let headers = vec![header("Content-Length", "0")];
            let agreed = text(&ProtocolSection { headers, ..section });
            assert_eq!(agreed.matches("content-length: 0").count(), 1, "{method}");
        }
    }

    #[test]
    fn data_is_a_form_that_is_posted_unless_it_says_otherwise() {
        let section = ProtocolSection {
            data: Some("a=b".to_owned()),
            ..ProtocolSection::default()
        };
        let form = text(&section);
        assert!(form.starts_with("POST / HTTP/1.1\r\n"), "{form}");
        assert!(form.contains("\r\ncontent-type: application/x-www-form-urlencoded\r\n"));
        assert!(form.ends_with("\r\ncontent-length: 3\r\n\r\na=b"), "{form}");
        let other = text(&ProtocolSection {
            method: Some("PUT".to_owned()),
            headers: vec![header("Content-Type", "application/json")],
            ..section
        });
        assert!(other.starts_with("PUT ") && !other.contains("urlencoded"));
    }
}

//! The HTTP/1.1 request of a scenario, composed once and checked part by part.

use std::borrow::Cow;
use std::path::Path;
use std::{fmt, io};

use http::{HeaderName, HeaderValue, Method, Uri};
use tokio::io::AsyncWriteExt;

use super::StatusRange;
use crate::files::read_capped;
use crate::protocol::sizes::send;
use crate::protocol::{
    Asked, Between, Draws, Header, LARGEST_PAYLOAD, Problem, ProtocolSection, Sizes, Wire,
};
use crate::text::secrets::public_part;
use crate::units::ByteSize;

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
        let body = RequestBody::of(section, LARGEST_PAYLOAD)?;
        let (bytes, head) = http_request(section, asked, &body)?;
        Ok(Self {
            bytes,
            head,
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
        match &self.expect_status[..] {
            [] => StatusRange::SUCCESS.contains(status),
            ranges => ranges.iter().any(|range| range.contains(status)),
        }
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

/// The body of a scenario's request.
struct RequestBody {
    bytes: Vec<u8>,
    /// Whether there is one at all, if only of no bytes.
    given: bool,
    /// Whether it says something, so that its type has to be named.
    has_content: bool,
}

impl RequestBody {
    /// Reads or makes the body, which has at most `largest` bytes.
    fn of(section: &ProtocolSection, largest: u64) -> Result<Self, Problem> {
        let ProtocolSection {
            body,
            data,
            data_file,
            ..
        } = section;
        let (key, bytes) = match (body, data, data_file) {
            (None, None, None) => ("protocol.body", Vec::new()),
            (Some(sizes), None, None) => (
                "protocol.body",
                vec![b'x'; sizes.within("protocol.body", 0)?],
            ),
            (None, Some(text), None) => ("protocol.data", text.clone().into_bytes()),
            (None, None, Some(path)) => ("protocol.data-file", read(path, largest)?),
            _ => {
                return Err(Problem::new(
                    "protocol",
                    "a request has one body",
                    "give one of body, data and data-file",
                ));
            }
        };
        within(key, bytes.len() as u64, largest)?;
        let has_content = data.is_some() || data_file.is_some();
        Ok(Self {
            bytes,
            given: has_content || body.is_some(),
            has_content,
        })
    }

    /// Whether a request has to say how long it is: one with a body, and one that could be expected to
    /// have one (RFC 9110 section 8.6).
    fn is_announced(&self, method: &Method) -> bool {
        self.given || matches!(*method, Method::POST | Method::PUT | Method::PATCH)
    }
}

fn within(key: &'static str, bytes: u64, largest: u64) -> Result<(), Problem> {
    if bytes <= largest {
        return Ok(());
    }
    let most = ByteSize(largest);
    let cause = format!("{bytes} bytes is out of range");
    Err(Problem::new(key, cause, format!("give at most {most}")))
}

fn read(path: &Path, largest: u64) -> Result<Vec<u8>, Problem> {
    let failed = |error: io::Error| {
        let cause = format!("cannot read {}: {error}", path.display());
        Problem::new("protocol.data-file", cause, "check the path")
    };
    read_capped(path, largest).map_err(failed)
}

/// Composes the request (RFC 9112 section 3). Also says whether its response has no body (HEAD).
fn http_request(
    section: &ProtocolSection,
    asked: Option<&Asked<'_>>,
    body: &RequestBody,
) -> Result<(Vec<u8>, bool), Problem> {
    let usual = if body.has_content { "POST" } else { "GET" };
    let method = section.method.as_deref().unwrap_or(usual);
    let method: Method = method.parse().map_err(|_| {
        Problem::new(
            "protocol.method",
            "that is not an HTTP method",
            "write GET, POST, …",
        )
    })?;
    let url_path = asked.map_or("/", |asked| asked.path);
    let path = section.path.as_deref().unwrap_or(url_path);
    if !path.starts_with('/') || path.parse::<Uri>().is_err() {
        let cause = format!("{:?} is not a path", public_part(path));
        return Err(Problem::new(
            "protocol.path",
            cause,
            "begin it with / and percent-encode it",
        ));
    }
    let given = |name: &str| {
        section
            .headers
            .iter()
            .any(|h| h.name.eq_ignore_ascii_case(name))
    };
    let mut lines = vec![format!("{method} {path} HTTP/1.1")];
    if !given("host") {
        lines.push(format!(
            "host: {}",
            asked.map_or("localhost", |asked| &asked.authority)
        ));
    }
    if !given("user-agent") {
        lines.push(concat!("user-agent: shakedown/", env!("CARGO_PKG_VERSION")).to_owned());
    }
    for header in &section.headers {
        lines.extend(header_line(header, body.bytes.len())?);
    }
    if body.has_content && !given("content-type") {
        lines.push("content-type: application/x-www-form-urlencoded".to_owned());
    }
    if body.is_announced(&method) || given("content-length") {
        lines.push(format!("content-length: {}", body.bytes.len()));
    }
    let mut request = (lines.join("\r\n") + "\r\n\r\n").into_bytes();
    request.extend_from_slice(&body.bytes);
    Ok((request, method == Method::HEAD))
}

/// The line of a header; none for a length that is the body's anyway.
fn header_line(header: &Header, body: usize) -> Result<Option<String>, Problem> {
    let problem = |what: &str| {
        // Where the colon is missing, what should be the name holds the value.
        let name = header.name.split(' ').next().unwrap_or_default();
        let cause = format!("{name:?} is not a header {what}");
        Problem::new("protocol.headers", cause, "see RFC 9110 section 5")
    };
    let name: HeaderName = header.name.parse().map_err(|_| problem("name"))?;
    if name == "content-length" {
        if header.value.trim() == body.to_string() {
            return Ok(None);
        }
        return Err(Problem::new(
            "protocol.headers",
            format!("content-length does not agree with the body, which has {body} bytes"),
            "drop it, since it is set from the body (--data, --data-binary, --body SIZE)",
        ));
    }
    if name == "transfer-encoding" {
        return Err(Problem::new(
            "protocol.headers",
            "the body is sent with its length, in no other coding",
            "drop transfer-encoding",
        ));
    }
    let value = HeaderValue::from_str(&header.value).map_err(|_| problem("with a valid value"))?;
    let value = value
        .to_str()
        .map_err(|_| problem("with a printable value"))?;
    Ok(Some(format!("{name}: {value}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGEST: u64 = 1_000;

    fn text(section: &ProtocolSection) -> String {
        let body = RequestBody::of(section, LARGEST).unwrap();
        String::from_utf8(http_request(section, None, &body).unwrap().0).unwrap()
    }

    fn refusal(section: &ProtocolSection) -> Option<Problem> {
        let body = match RequestBody::of(section, LARGEST) {
            Ok(body) => body,
            Err(problem) => return Some(problem),
        };
        http_request(section, None, &body).err()
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

    #[test]
    fn a_file_is_sent_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("body");
        std::fs::write(&path, "a\r\nb\n").unwrap();
        let section = ProtocolSection {
            data_file: Some(path.clone()),
            ..ProtocolSection::default()
        };
        assert!(text(&section).ends_with("content-length: 5\r\n\r\na\r\nb\n"));
        std::fs::write(&path, vec![b'a'; 1_001]).unwrap();
        assert!(refusal(&section).is_some(), "more than is taken");
        std::fs::remove_file(&path).unwrap();
        let problem = refusal(&section).unwrap();
        assert!(problem.cause.contains("cannot read"), "{}", problem.cause);
        let two = ProtocolSection {
            body: Some(ByteSize(3).into()),
            data: Some("a".to_owned()),
            ..ProtocolSection::default()
        };
        assert!(refusal(&two).is_some());
    }

    #[test]
    fn nothing_can_be_smuggled_in() {
        for (name, value) in [
            ("X-A", "1\r\nX-B: 2"),
            ("X A", "1"),
            ("Content-Length", "9"),
            ("transfer-encoding", "chunked"),
        ] {
            let section = ProtocolSection {
                headers: vec![header(name, value)],
                ..ProtocolSection::default()
            };
            assert!(refusal(&section).is_some(), "{name}");
        }
        for path in ["x", "/a b", "/\r\n"] {
            let section = ProtocolSection {
                path: Some(path.to_owned()),
                ..ProtocolSection::default()
            };
            assert!(refusal(&section).is_some(), "{path:?}");
        }
    }
}

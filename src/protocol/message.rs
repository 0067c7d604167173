//! The HTTP request of a scenario, checked part by part: what every version of HTTP says of it.

use std::io;
use std::path::Path;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method};

use super::{Asked, Header, LARGEST_PAYLOAD, Problem, ProtocolSection};
use crate::files::read_capped;
use crate::text::secrets::public_part;
use crate::units::ByteSize;

/// What shakedown calls itself.
pub(super) const AGENT: &str = concat!("shakedown/", env!("CARGO_PKG_VERSION"));

/// A request, however it will be framed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    pub method: Method,
    /// Path and query.
    pub path: PathAndQuery,
    /// What `host` or `:authority` says.
    pub authority: String,
    /// Every other field, in the order in which they are sent.
    pub fields: Vec<(HeaderName, HeaderValue)>,
    pub body: Vec<u8>,
}

impl Message {
    /// The request of a scenario, with the type and length of its body.
    pub(super) fn new(
        section: &ProtocolSection,
        asked: Option<&Asked<'_>>,
    ) -> Result<Self, Problem> {
        Self::capped(section, asked, LARGEST_PAYLOAD)
    }

    /// As [`Self::new`], with a body of at most `largest` bytes.
    fn capped(
        section: &ProtocolSection,
        asked: Option<&Asked<'_>>,
        largest: u64,
    ) -> Result<Self, Problem> {
        let body = RequestBody::of(section, largest)?;
        let mut message = Self::without_body(section, asked, body.usual_method())?;
        let length = body.bytes.len();
        let mut announced = body.is_announced(&message.method);
        let mut wrong = None;
        message.fields.retain(|(name, value)| {
            if name != CONTENT_LENGTH {
                return true;
            }
            announced = true;
            let said = value.to_str().unwrap_or_default().trim();
            wrong = wrong.or((said != length.to_string()).then_some(length));
            false
        });
        if let Some(length) = wrong {
            return Err(Problem::new(
                "protocol.headers",
                format!("content-length does not agree with the body, which has {length} bytes"),
                "drop it, since it is set from the body (--data, --data-binary, --body SIZE)",
            ));
        }
        if body.has_content && !message.has(&CONTENT_TYPE) {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            message.fields.push((CONTENT_TYPE, form));
        }
        if announced {
            message.fields.push((CONTENT_LENGTH, length.into()));
        }
        message.body = body.bytes;
        Ok(message)
    }

    /// The request of a scenario but for its body.
    pub(super) fn without_body(
        section: &ProtocolSection,
        asked: Option<&Asked<'_>>,
        usual_method: Method,
    ) -> Result<Self, Problem> {
        let method = match section.method.as_deref().map(str::parse) {
            None => usual_method,
            Some(Ok(method)) => method,
            Some(Err(_)) => {
                return Err(Problem::new(
                    "protocol.method",
                    "that is not an HTTP method",
                    "write GET, POST, …",
                ));
            }
        };
        let url_path = asked.map_or("/", |asked| asked.path);
        let path = path(section.path.as_deref().unwrap_or(url_path))?;
        let mut fields = Vec::new();
        for header in &section.headers {
            fields.push(field(header)?);
        }
        let usual = asked.map_or("localhost", |asked| &asked.authority);
        let mut authority = usual.to_owned();
        if let Some(at) = fields.iter().position(|(name, _)| name == HOST) {
            let (_, value) = fields.remove(at);
            value
                .to_str()
                .unwrap_or_default()
                .clone_into(&mut authority);
        }
        let mut message = Self {
            method,
            path,
            authority,
            fields,
            body: Vec::new(),
        };
        if !message.has(&USER_AGENT) {
            let agent = (USER_AGENT, HeaderValue::from_static(AGENT));
            message.fields.insert(0, agent);
        }
        Ok(message)
    }

    pub(super) fn has(&self, name: &HeaderName) -> bool {
        self.fields.iter().any(|(given, _)| given == name)
    }
}

fn path(path: &str) -> Result<PathAndQuery, Problem> {
    let parsed = path.parse().ok().filter(|_| path.starts_with('/'));
    parsed.ok_or_else(|| {
        Problem::new(
            "protocol.path",
            format!("{:?} is not a path", public_part(path)),
            "begin it with / and percent-encode it",
        )
    })
}

/// A header as it is sent.
fn field(header: &Header) -> Result<(HeaderName, HeaderValue), Problem> {
    let problem = |what: &str| {
        // Where the colon is missing, what should be the name holds the value.
        let name = header.name.split(' ').next().unwrap_or_default();
        let cause = format!("{name:?} is not a header {what}");
        Problem::new("protocol.headers", cause, "see RFC 9110 section 5")
    };
    let name: HeaderName = header.name.parse().map_err(|_| problem("name"))?;
    if name == TRANSFER_ENCODING {
        return Err(Problem::new(
            "protocol.headers",
            "the body is sent with its length, in no other coding",
            "drop transfer-encoding",
        ));
    }
    let value = HeaderValue::from_str(&header.value).map_err(|_| problem("with a valid value"))?;
    if value.to_str().is_err() {
        return Err(problem("with a printable value"));
    }
    Ok((name, value))
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

    fn usual_method(&self) -> Method {
        if self.has_content {
            Method::POST
        } else {
            Method::GET
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const LARGEST: u64 = 1_000;

    fn refusal(section: &ProtocolSection) -> Option<Problem> {
        Message::capped(section, None, LARGEST).err()
    }

    fn header(name: &str, value: &str) -> Header {
        Header {
            name: name.to_owned(),
            value: value.to_owned(),
        }
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
        let message = Message::capped(&section, None, LARGEST).unwrap();
        assert_eq!(message.body, b"a\r\nb\n");
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

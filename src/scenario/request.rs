//! The HTTP/1.1 request of a scenario, composed once and checked part by part.

use http::{HeaderName, HeaderValue, Method, Uri};

use super::error::Problem;
use super::url::Url;
use super::{Header, ProtocolSection};

/// Composes the request (RFC 9112 section 3) with a body of `body` bytes. Also says whether its
/// response has no body (HEAD).
pub(super) fn http_request(
    section: &ProtocolSection,
    url: Option<&Url>,
    body: usize,
) -> Result<(Vec<u8>, bool), Problem> {
    let method: Method = section
        .method
        .as_deref()
        .unwrap_or("GET")
        .parse()
        .map_err(|_| {
            Problem::new(
                "protocol.method",
                "that is not an HTTP method",
                "write GET, POST, …",
            )
        })?;
    let url_path = url.map_or("/", |u| u.path.as_str());
    let path = section.path.as_deref().unwrap_or(url_path);
    if !path.starts_with('/') || path.parse::<Uri>().is_err() {
        let cause = format!("{path:?} is not a path");
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
            url.map_or("localhost", |u| u.authority.as_str())
        ));
    }
    if !given("user-agent") {
        lines.push(concat!("user-agent: shakedown/", env!("CARGO_PKG_VERSION")).to_owned());
    }
    for header in &section.headers {
        lines.push(header_line(header)?);
    }
    if section.body.is_some() {
        lines.push(format!("content-length: {body}"));
    }
    let mut request = (lines.join("\r\n") + "\r\n\r\n").into_bytes();
    request.resize(request.len() + body, b'x');
    Ok((request, method == Method::HEAD))
}

fn header_line(header: &Header) -> Result<String, Problem> {
    let problem = |what: &str| {
        let cause = format!("{:?} is not a header {what}", header.name);
        Problem::new("protocol.headers", cause, "see RFC 9110 section 5")
    };
    let name: HeaderName = header.name.parse().map_err(|_| problem("name"))?;
    if matches!(name.as_str(), "content-length" | "transfer-encoding") {
        let cause = format!("{name} is set from the body");
        return Err(Problem::new(
            "protocol.headers",
            cause,
            "give protocol.body instead",
        ));
    }
    let value = HeaderValue::from_str(&header.value).map_err(|_| problem("with a valid value"))?;
    let value = value
        .to_str()
        .map_err(|_| problem("with a printable value"))?;
    Ok(format!("{name}: {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::ByteSize;

    fn text(section: &ProtocolSection, body: usize) -> String {
        String::from_utf8(http_request(section, None, body).unwrap().0).unwrap()
    }

    #[test]
    fn a_request_is_complete() {
        let section = ProtocolSection {
            method: Some("POST".to_owned()),
            path: Some("/a?b=c".to_owned()),
            headers: vec![Header {
                name: "User-Agent".to_owned(),
                value: "mine".to_owned(),
            }],
            body: Some(ByteSize(3)),
            ..ProtocolSection::default()
        };
        let expected = "POST /a?b=c HTTP/1.1\r\nhost: localhost\r\nuser-agent: mine\r\ncontent-length: 3\r\n\r\nxxx";
        assert_eq!(text(&section, 3), expected);
    }

    #[test]
    fn nothing_can_be_smuggled_in() {
        for (name, value) in [
            ("X-A", "1\r\nX-B: 2"),
            ("X A", "1"),
            ("Content-Length", "9"),
            ("transfer-encoding", "chunked"),
        ] {
            let headers = vec![Header {
                name: name.to_owned(),
                value: value.to_owned(),
            }];
            let section = ProtocolSection {
                headers,
                ..ProtocolSection::default()
            };
            assert!(http_request(&section, None, 0).is_err(), "{name}");
        }
        for path in ["x", "/a b", "/\r\n"] {
            let section = ProtocolSection {
                path: Some(path.to_owned()),
                ..ProtocolSection::default()
            };
            assert!(http_request(&section, None, 0).is_err(), "{path:?}");
        }
    }
}

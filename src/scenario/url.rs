//! The target as people write it: URLs, and addresses pinned to a name.

use std::net::IpAddr;

use http::Uri;

use super::error::Problem;
use crate::text::secrets::public_part;

/// The parts of a target URL.
pub(super) struct Url {
    pub scheme: Scheme,
    pub host: String,
    pub port: u16,
    pub authority: String,
    pub path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Https,
    Http,
    Tls,
    Tcp,
}

pub(super) fn parse_url(text: &str) -> Result<Url, Problem> {
    let problem = |cause: String| {
        Problem::new(
            "target.url",
            cause,
            "write https://host:port/path, tls://host:port, http://host:port/path or tcp://host:port",
        )
    };
    let shown = public_part(text);
    let uri: Uri = text
        .parse()
        .map_err(|e| problem(format!("{shown:?} is not a URL: {e}")))?;
    let authority = uri
        .authority()
        .ok_or_else(|| problem(format!("{shown:?} names no host")))?;
    let (scheme, default_port) = match uri.scheme_str() {
        Some("https") => (Scheme::Https, Some(443)),
        Some("http") => (Scheme::Http, Some(80)),
        Some("tls") | None => (Scheme::Tls, None),
        Some("tcp") => (Scheme::Tcp, None),
        Some(other) => return Err(problem(format!("scheme {other:?} is not known"))),
    };
    let port = authority.port_u16().or(default_port);
    let port = port.ok_or_else(|| problem(format!("{shown:?} names no port")))?;
    if authority.as_str().contains('@') {
        return Err(problem(
            "user names and passwords do not belong in a URL".to_owned(),
        ));
    }
    Ok(Url {
        scheme,
        host: authority.host().trim_matches(['[', ']']).to_owned(),
        port,
        authority: authority.as_str().to_owned(),
        path: uri.path_and_query().map_or("/", |p| p.as_str()).to_owned(),
    })
}

/// Reads `host:port:address` as curl does; the address may be in brackets.
pub(super) fn parse_resolve(entry: &str) -> Result<(&str, u16, IpAddr), Problem> {
    let parts: Vec<&str> = entry.splitn(3, ':').collect();
    if let [host, port, address] = parts[..]
        && let Ok(port) = port.parse()
        && let Ok(address) = address.trim_matches(['[', ']']).parse()
    {
        return Ok((host, port, address));
    }
    Err(Problem::new(
        "target.resolve",
        format!("{:?} is not host:port:address", public_part(entry)),
        "write it as curl's --resolve, e.g. staging.example:443:10.0.0.7",
    ))
}

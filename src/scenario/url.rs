//! URLs and `host:port` as people write them: the one parser behind every argument and key that takes
//! one (RFC 3986; RFC 6874 for zones). Where the RFCs leave a choice it does as curl does. Errors quote
//! the host or the port, never user names, paths or queries, which may be secrets.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::uri::PathAndQuery;

use crate::protocol::Scheme;

/// A URL that cannot be used, or a `host:port` that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UrlError(String);

impl UrlError {
    pub(super) fn new(cause: String) -> Self {
        Self(cause)
    }
}

/// The parts of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// What is spoken, and whether over TLS.
    pub scheme: Scheme,
    /// The user, percent-encoded, where the scheme has one.
    pub user: Option<String>,
    /// Where.
    pub place: Place,
    /// The port, the scheme's default where none is written.
    pub port: u16,
    /// Path and query; `/` where none is written. A fragment is not sent (RFC 9110 section 7.1).
    pub path: String,
}

/// A host, and the port if one is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// A name, an IPv4 address in dotted decimal, or an IPv6 address without brackets, with its zone
    /// behind a `%` as the system's resolver takes it.
    pub host: String,
    /// The port; `None` also where nothing stands behind the colon.
    pub port: Option<u16>,
}

impl Url {
    /// A URL as it is written; `host:port` alone stands for `https://host:port`.
    pub(super) fn or_https(text: &str) -> String {
        let scheme = if text.contains("://") { "" } else { "https://" };
        format!("{scheme}{text}")
    }

    /// Reads a URL; `host:port` alone stands for `tls://host:port`.
    ///
    /// Fails with what is wrong with which part.
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        Self::with_default_port(text, None)
    }

    /// Reads a URL whose port is `default` where none is written, instead of the scheme's.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::parse`] does.
    pub fn with_default_port(text: &str, default: Option<u16>) -> Result<Self, UrlError> {
        if text.starts_with("unix:") {
            return Err(UrlError(
                "a Unix socket is no URL: give it with --unix-socket PATH (way-in.unix-socket), beside a URL that names the server"
                    .to_owned(),
            ));
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((name, rest)) if is_scheme(name) => {
                let scheme = Scheme::named(name);
                (
                    scheme.ok_or_else(|| UrlError(format!("scheme {name:?} is not known")))?,
                    rest,
                )
            }
            _ => (Scheme::TLS, text),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let has_user = scheme.kind.traits().keys.contains(&"user");
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, authority)) if has_user && !user.contains([':', '@']) => {
                (Some(user.to_owned()), authority)
            }
            _ => (None, authority),
        };
        let place = Place::parse(authority).map_err(|error| {
            // A password with a slash in it ends up here, and must not be quoted.
            if text.contains('@') {
                UrlError(if has_user {
                    "passwords do not belong in a URL".to_owned()
                } else {
                    "user names and passwords do not belong in a URL".to_owned()
                })
            } else {
                error
            }
        })?;
        let port = place.port.or(default).or(scheme.port);
        let port = port.ok_or_else(|| UrlError(format!("{:?} names no port", place.host)))?;
        if port == 0 {
            return Err(UrlError("port 0 cannot be connected to".to_owned()));
        }
        let sent = rest.split('#').next().unwrap_or_default();
        let slash = if sent.starts_with('/') { "" } else { "/" };
        let path = format!("{slash}{sent}");
        path.parse::<PathAndQuery>().map_err(|_| {
            UrlError("a character of the path or query has to be percent-encoded".to_owned())
        })?;
        Ok(Self {
            scheme,
            user,
            place,
            port,
            path,
        })
    }

    /// What a `Host` header says (RFC 9110 section 7.2): without the scheme's own port, and without a
    /// zone, which means nothing elsewhere (RFC 6874 section 4).
    pub fn authority(&self) -> String {
        let host = self.place.host.split('%').next().unwrap_or_default();
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        if self.scheme.port == Some(self.port) {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

fn is_scheme(name: &str) -> bool {
    let rest = |c: char| c.is_ascii_alphanumeric() || "+.-".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(rest)
}

impl Place {
    /// Reads `host`, `host:port`, `[address]` or `[address]:port`.
    ///
    /// # Errors
    ///
    /// Fails with what is wrong with which part.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.contains('@') {
            return Err(UrlError(
                "user names and passwords do not belong in a URL".to_owned(),
            ));
        }
        let (host, rest) = match text.strip_prefix('[') {
            Some(inner) => {
                let parts = inner.split_once(']');
                let (literal, rest) =
                    parts.ok_or_else(|| UrlError(format!("{text:?} lacks its closing bracket")))?;
                (ipv6(literal)?, rest)
            }
            None if text.matches(':').count() > 1 => {
                return Err(UrlError(format!(
                    "{text:?} has more than one colon; an IPv6 address stands in brackets: [::1]:443"
                )));
            }
            None => {
                let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
                (host_name(host)?, rest)
            }
        };
        let port = match rest.strip_prefix(':') {
            Some("") => None,
            None if rest.is_empty() => None,
            Some(digits) => Some(port(digits)?),
            None => {
                return Err(UrlError(format!(
                    "{rest:?} behind the address is not a port"
                )));
            }
        };
        Ok(Self { host, port })
    }

    /// The host as certificates name it: without a zone, and without the dot at the end of an absolute
    /// name (RFC 6066 section 3).
    pub(crate) fn server_name(host: &str) -> &str {
        let host = host.split('%').next().unwrap_or_default();
        host.strip_suffix('.').unwrap_or(host)
    }
}

/// A port in decimal digits.
pub(super) fn port(digits: &str) -> Result<u16, UrlError> {
    let parsed = digits.parse().ok();
    let parsed = parsed.filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
    parsed.ok_or_else(|| {
        // Behind user information that was put where none belongs there may be a password.
        let quoted = if digits.contains('@') {
            "what stands there".to_owned()
        } else {
            format!("{digits:?}")
        };
        UrlError(format!("{quoted} is not a port; ports are 1 to 65535"))
    })
}

/// An IPv6 address as it stands in brackets, with its zone if it has one: `%25` in URLs, `%` where people
/// copy it from other tools, as curl takes it too.
pub(super) fn ipv6(literal: &str) -> Result<String, UrlError> {
    let (address, zone) = match literal.split_once('%') {
        Some((address, zone)) => (address, Some(zone.strip_prefix("25").unwrap_or(zone))),
        None => (literal, None),
    };
    let problem = |what: &str| UrlError(format!("[{literal}] is not an IPv6 address{what}"));
    let address: Ipv6Addr = address.parse().map_err(|_| problem(""))?;
    let named = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    match zone {
        None => Ok(address.to_string()),
        Some(zone) if !zone.is_empty() && zone.chars().all(named) => {
            Ok(format!("{address}%{zone}"))
        }
        Some(_) => Err(problem(
            " with a zone; a zone is an interface, as in [fe80::1%25eth0]",
        )),
    }
}

/// A name, or an IPv4 address in whatever notation.
pub(super) fn host_name(host: &str) -> Result<String, UrlError> {
    let problem = |what: &str| Err(UrlError(format!("{host:?} {what}")));
    if host.is_empty() {
        return Err(UrlError("it names no host".to_owned()));
    }
    if !host.is_ascii() {
        return problem("is not ASCII; write the name as DNS has it, beginning with xn-- (IDNA)");
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if let Some(c) = host.chars().find(|c| !allowed(*c)) {
        return problem(&format!("is not a host name: {c:?} cannot be in one"));
    }
    let bare = host.strip_suffix('.').unwrap_or(host);
    let last = bare.rsplit('.').next().unwrap_or_default();
    if last.is_empty() {
        return problem("is not a host name");
    }
    // Nothing that ends in a number is a name.
    if number(last).is_none() && !last.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(host.to_owned());
    }
    match ipv4(bare) {
        Some(address) => Ok(address.to_string()),
        None => problem("is not an IPv4 address"),
    }
}

/// An IPv4 address as `inet_aton` reads it, and curl with it: one to four numbers, of which the last fills
/// what is left.
fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let numbers: Vec<u32> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = numbers.split_last()?;
    if first.len() > 3 || first.iter().any(|part| *part > 255) {
        return None;
    }
    let mut address: u32 = 0;
    for (part, shift) in first.iter().zip([24, 16, 8]) {
        address |= part << shift;
    }
    let left = 32 - 8 * first.len();
    let fits = u64::from(*last) < 1 << left;
    fits.then(|| Ipv4Addr::from(address | last))
}

/// A number as C writes it: decimal, `0x` hexadecimal, `0` octal.
fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    let plain = digits.chars().all(|c| c.is_digit(radix));
    u32::from_str_radix(digits, radix).ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> (String, String, u16, String) {
        let url = Url::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        (
            url.scheme.name.to_owned(),
            url.place.host,
            url.port,
            url.path,
        )
    }

    #[test]
    fn urls_are_read_as_curl_reads_them() {
        for (text, scheme, host, port, path) in [
            ("https://h", "https", "h", 443, "/"),
            ("HTTPS://H:8443/a", "https", "H", 8443, "/a"),
            ("http://h:/", "http", "h", 80, "/"),
            ("https://h?x=1", "https", "h", 443, "/?x=1"),
            ("https://h#part", "https", "h", 443, "/"),
            ("https://h/a?b#c", "https", "h", 443, "/a?b"),
            ("h:00443", "tls", "h", 443, "/"),
            ("Tcp://h.:9", "tcp", "h.", 9, "/"),
            ("h:1?u=http://x", "tls", "h", 1, "/?u=http://x"),
            ("tls://[::1]:1", "tls", "::1", 1, "/"),
            (
                "https://[fe80::1%25eth0]:1/",
                "https",
                "fe80::1%eth0",
                1,
                "/",
            ),
            (
                "https://[FE80::1%eth-0]/",
                "https",
                "fe80::1%eth-0",
                443,
                "/",
            ),
            ("https://127.1:1/", "https", "127.0.0.1", 1, "/"),
            ("https://0x7f.0.0.1.:1/", "https", "127.0.0.1", 1, "/"),
            ("https://2130706433/", "https", "127.0.0.1", 443, "/"),
            ("https://0177.0.0.010/", "https", "127.0.0.8", 443, "/"),
            ("https://1.2.259/", "https", "1.2.1.3", 443, "/"),
        ] {
            let expected = (scheme.to_owned(), host.to_owned(), port, path.to_owned());
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_never_guessed() {
        for (text, named) in [
            ("https://h:99999/", "\"99999\" is not a port"),
            ("https://h:65536", "\"65536\" is not a port"),
            ("https://h:84a/", "\"84a\" is not a port"),
            ("https://h:-1/", "\"-1\" is not a port"),
            ("https://h:+1/", "\"+1\" is not a port"),
            ("https://h:0/", "port 0"),
            ("tls://h:", "names no port"),
            ("h", "names no port"),
            ("https://", "names no host"),
            ("https:///p", "names no host"),
            ("https://:443/", "names no host"),
            ("", "names no host"),
            ("ftp://h/", "scheme \"ftp\""),
            ("unix:/run/s.sock", "--unix-socket PATH"),
            ("unix:///run/s.sock", "--unix-socket PATH"),
            ("https://::1:443/", "in brackets"),
            ("https://[::1/", "closing bracket"),
            ("https://[::1]443/", "behind the address"),
            ("https://[127.0.0.1]/", "not an IPv6 address"),
            ("https://[v1.x]/", "not an IPv6 address"),
            ("https://[fe80::1%25]/", "with a zone"),
            ("https://münchen.example/", "xn--"),
            ("https://a%2eb/", "'%' cannot be in one"),
            ("https://a b/", "' ' cannot be in one"),
            ("https://h\\p/", "'\\\\' cannot be in one"),
            ("https://256.0.0.1/", "not an IPv4 address"),
            ("https://1.2.3.4.5/", "not an IPv4 address"),
            ("https://09.0.0.1/", "not an IPv4 address"),
            ("https://4294967296/", "not an IPv4 address"),
            ("https://h/a b", "percent-encoded"),
        ] {
            let error = Url::parse(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }

    #[test]
    fn secrets_in_a_url_are_not_quoted() {
        for text in [
            "https://u:s3cret@h/",
            "https://u:s3/cret@h/",
            "https://h/s3 ?s3cret#s3",
        ] {
            let error = Url::parse(text).unwrap_err().to_string();
            assert!(!error.contains("s3"), "{error}");
        }
    }

    #[test]
    fn the_host_header_and_the_name_to_verify_are_what_curl_sends() {
        for (text, authority, name) in [
            ("https://h:443/", "h", "h"),
            ("https://h.:8443/", "h.:8443", "h"),
            ("https://[fe80::1%25eth0]:1/", "[fe80::1]:1", "fe80::1"),
            ("tls://[::1]:443", "[::1]:443", "::1"),
            ("http://h:443/", "h:443", "h"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(url.authority(), authority);
            assert_eq!(Place::server_name(&url.place.host), name);
        }
    }
}

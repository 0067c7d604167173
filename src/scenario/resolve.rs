//! Addresses that are given for a host and port instead of asking the resolver, as curl's `--resolve`.

use std::net::IpAddr;

use super::error::{Problem, refuse};
use super::url::{Place, Url, UrlError, host_name, ipv6, port};
use crate::text::secrets::public_part;

/// One entry: `[+]host:port:address[,address]…`, where `*` stands for every host.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    /// `None` is every host.
    host: Option<String>,
    port: u16,
    /// IP addresses, IPv6 with its zone behind a `%`.
    addresses: Vec<String>,
}

/// The addresses that `entries` give for the URL; none leaves it to the resolver. As in curl the last
/// entry decides, and one for the very host before one for all.
pub(super) fn pinned(entries: &[String], url: &Url) -> Result<Vec<String>, Problem> {
    let (mut exact, mut all) = (None, None);
    for text in entries {
        let entry = Entry::parse(text).map_err(|cause| {
            Problem::new(
                "target.resolve",
                cause.to_string(),
                "write it as curl's --resolve, e.g. staging.example:443:10.0.0.7,10.0.0.8",
            )
        })?;
        let name = |host: &str| Place::server_name(host).to_ascii_lowercase();
        let same = |host: &String| name(host) == name(&url.place.host);
        refuse(
            entry.port != url.port || !entry.host.as_ref().is_none_or(same),
            "target.resolve",
            format!(
                "{:?} is not for {}:{}",
                public_part(text),
                url.place.host,
                url.port
            ),
            "name the URL's own host and port",
        )?;
        let kept = if entry.host.is_some() {
            &mut exact
        } else {
            &mut all
        };
        *kept = Some(entry.addresses);
    }
    Ok(exact.or(all).unwrap_or_default())
}

impl Entry {
    fn parse(text: &str) -> Result<Self, UrlError> {
        let wrong = |what: &str| UrlError::new(format!("{:?} {what}", public_part(text)));
        if text.starts_with('-') {
            return Err(wrong("takes an entry back, and there is none; drop it"));
        }
        // With a `+` curl forgets the entry after a while; here names are looked up once.
        let rest = text.strip_prefix('+').unwrap_or(text);
        let parts = match rest.strip_prefix('[') {
            Some(inner) => inner
                .split_once("]:")
                .map(|(host, rest)| (ipv6(host), rest)),
            None => rest.split_once(':').map(|(host, rest)| match host {
                "*" => (Ok("*".to_owned()), rest),
                host => (host_name(host), rest),
            }),
        };
        let form = || wrong("is not HOST:PORT:ADDRESS[,ADDRESS]…");
        let (host, rest) = parts.ok_or_else(form)?;
        let (digits, addresses) = rest.split_once(':').ok_or_else(form)?;
        let addresses = addresses.split(',').map(address);
        Ok(Self {
            host: Some(host?).filter(|host| host != "*"),
            port: port(digits)?,
            addresses: addresses.collect::<Result<_, _>>()?,
        })
    }
}

/// An address, in brackets or not.
fn address(text: &str) -> Result<String, UrlError> {
    let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let bare = inner.unwrap_or(text);
    match bare.parse::<IpAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) if bare.contains(':') => ipv6(bare),
        Err(_) => Err(UrlError::new(format!(
            "{:?} is not an IP address",
            public_part(text)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pinned_for(entries: &[&str]) -> Result<Vec<String>, Problem> {
        let entries: Vec<String> = entries.iter().map(ToString::to_string).collect();
        pinned(&entries, &Url::parse("https://H.example:8443/").unwrap())
    }

    #[test]
    fn entries_are_read_as_curl_reads_them() {
        for (entries, expected) in [
            (&["h.example:8443:10.0.0.7"][..], &["10.0.0.7"][..]),
            (&["+h.EXAMPLE.:8443:::1"], &["::1"]),
            (&["h.example:8443:[::1],127.0.0.1"], &["::1", "127.0.0.1"]),
            (&["*:8443:127.0.0.1"], &["127.0.0.1"]),
            (&["h.example:8443:[fe80::1%25eth0]"], &["fe80::1%eth0"]),
            (&["h.example:8443:::1", "*:8443:127.0.0.1"], &["::1"]),
            (&["h.example:8443:::1", "h.example:8443:::2"], &["::2"]),
            (&[], &[]),
        ] {
            assert_eq!(pinned_for(entries).unwrap(), expected, "{entries:?}");
        }
    }

    #[test]
    fn what_is_no_entry_or_has_no_effect_is_refused() {
        for (entry, named) in [
            ("h.example:8443", "is not HOST:PORT:ADDRESS"),
            ("h.example:84430:::1", "\"84430\" is not a port"),
            ("h.example:8443:h2.example", "\"h2.example\" is not an IP"),
            ("h.example:8443:127.0.0.1,", "\"\" is not an IP address"),
            ("h.example:443:127.0.0.1", "is not for H.example:8443"),
            ("other:8443:127.0.0.1", "is not for H.example:8443"),
            ("-h.example:8443", "takes an entry back"),
        ] {
            let problem = pinned_for(&[entry]).unwrap_err();
            assert!(problem.cause.contains(named), "{entry}: {}", problem.cause);
        }
    }
}

//! Where a server is: the one resolver of every subcommand, which of a name's addresses answers, and whether
//! it may be loaded: public addresses only on request (invariant 9). Knows nothing of TLS sessions.

mod choice;

use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;
use std::{io, thread};

use crate::stats::FailureClass;

pub use choice::{Choice, MOST_TRIED, Tried};

/// A target that cannot be found or must not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// The resolver failed.
    #[error(
        "{}: cannot resolve {host}: {source}; check the name, or pin it with --resolve {host}:{port}:ADDRESS",
        FailureClass::ResolveFailed
    )]
    Unresolved {
        /// The name.
        host: String,
        /// The port.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// The resolver took too long.
    #[error(
        "{}: {host} did not resolve in {} ms; check the resolver, raise timeouts.resolve, or pin the name with --resolve {host}:{port}:ADDRESS",
        FailureClass::ResolveTimeout, limit.as_millis()
    )]
    ResolveTimeout {
        /// The name.
        host: String,
        /// The port.
        port: u16,
        /// How long it was given.
        limit: Duration,
    },
    /// A public address without authorisation.
    #[error(
        "{host} is {ip}, a public address; load only what you are allowed to. If this server's \
         owner agrees, pass --allow-public (which also caps the rate, see --public-rate-cap)"
    )]
    Public {
        /// The name.
        host: String,
        /// Its address.
        ip: IpAddr,
    },
}

impl AddressError {
    /// The class of a session that ends with it.
    pub(crate) fn class(&self) -> FailureClass {
        match self {
            Self::Unresolved { .. } => FailureClass::ResolveFailed,
            Self::ResolveTimeout { .. } => FailureClass::ResolveTimeout,
            Self::Public { .. } => FailureClass::ConnectOther,
        }
    }
}

/// Every address of a host, in the order in which they are to be tried: those that were pinned, or what
/// the system's resolver says, in its order (RFC 6724). On loopback IPv4 comes first: only
/// 127.0.0.0/8 has source addresses over which many connections can be spread.
///
/// Fails if there is none, or the resolver takes longer than `limit`.
pub(crate) fn addresses(
    host: &str,
    port: u16,
    pinned: &[String],
    limit: Duration,
) -> Result<Vec<SocketAddr>, AddressError> {
    if pinned.is_empty() {
        let mut found = look_up(host, port, limit)?;
        if found.iter().all(|address| address.ip().is_loopback()) {
            found.sort_by_key(SocketAddr::is_ipv6);
        }
        return Ok(found);
    }
    // Addresses are not asked of anyone, but only the system's resolver knows zones.
    let each = pinned.iter().map(|address| look_up(address, port, limit));
    let all = each.collect::<Result<Vec<_>, _>>()?;
    Ok(all.into_iter().flatten().collect())
}

/// The addresses of a host by name. The system's resolver cannot be told when to give up, so it is asked on
/// a thread that is left behind if it does not answer in time.
fn look_up(host: &str, port: u16, limit: Duration) -> Result<Vec<SocketAddr>, AddressError> {
    let (answer, answered) = mpsc::channel();
    let asked = (host.to_owned(), port);
    thread::spawn(move || {
        let found = (asked.0.as_str(), asked.1).to_socket_addrs();
        // Nobody listens any more after a timeout.
        let _ = answer.send(found.map(Iterator::collect::<Vec<_>>));
    });
    let unresolved = |source| AddressError::Unresolved {
        host: host.to_owned(),
        port,
        source,
    };
    let found = match answered.recv_timeout(limit) {
        Ok(found) => found.map_err(unresolved)?,
        Err(_) => {
            return Err(AddressError::ResolveTimeout {
                host: host.to_owned(),
                port,
                limit,
            });
        }
    };
    let mut distinct = Vec::new();
    for address in found {
        if !distinct.contains(&address) {
            distinct.push(address);
        }
    }
    if distinct.is_empty() {
        return Err(unresolved(io::ErrorKind::NotFound.into()));
    }
    Ok(distinct)
}

/// Refuses a host of which any address is public: each of them may be tried and loaded.
///
/// Fails with the first one that is.
pub(crate) fn refuse_public(host: &str, addresses: &[SocketAddr]) -> Result<(), AddressError> {
    match addresses.iter().find(|address| is_public(address.ip())) {
        None => Ok(()),
        Some(address) => Err(AddressError::Public {
            host: host.to_owned(),
            ip: address.ip(),
        }),
    }
}

/// Whether an address is neither loopback nor private (RFC 1918, RFC 4193, RFC 3927, RFC 4291
/// section 2.5.6, RFC 6598).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && (64..128).contains(&v4.octets()[1]);
            !(v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_unspecified()
                || shared)
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_public(IpAddr::V4(v4)),
            None => {
                !(v6.is_loopback()
                    || v6 == Ipv6Addr::UNSPECIFIED
                    || v6.is_unique_local()
                    || v6.is_unicast_link_local())
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_an_address_is_a_class_of_its_own() {
        let error = look_up("no-such-host.invalid", 443, Duration::from_secs(30)).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("resolve.failed: cannot resolve no-such")
        );
        let late = AddressError::ResolveTimeout {
            host: "localhost".to_owned(),
            port: 443,
            limit: Duration::ZERO,
        };
        assert!(
            late.to_string()
                .starts_with("timeout.resolve: localhost did not")
        );
    }

    #[test]
    fn pinned_addresses_keep_their_order_and_a_name_on_loopback_begins_with_ipv4() {
        let of = |pinned: &[&str]| {
            let pinned: Vec<String> = pinned.iter().map(ToString::to_string).collect();
            let found = addresses("localhost", 7, &pinned, Duration::from_secs(30)).unwrap();
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of(&["::1", "127.0.0.1"]), ["[::1]:7", "127.0.0.1:7"]);
        assert_eq!(of(&["fe80::1%1"]), ["[fe80::1%1]:7"]);
        let named = of(&[]);
        assert_eq!(named[0], "127.0.0.1:7", "{named:?}");
    }

    #[test]
    fn one_public_address_is_enough_to_refuse() {
        let of = |text: &str| text.parse::<SocketAddr>().unwrap();
        refuse_public("h", &[of("127.0.0.1:1"), of("[::1]:1")]).unwrap();
        let error = refuse_public("h", &[of("127.0.0.1:1"), of("192.0.2.1:1")]).unwrap_err();
        assert!(error.to_string().starts_with("h is 192.0.2.1"), "{error}");
    }

    #[test]
    fn private_addresses_run_freely_and_public_ones_do_not() {
        for private in [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2001:db8::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }
}

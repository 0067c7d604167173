//! Where a remote target is, and whether it may be loaded: public addresses only on request
//! (invariant 9).

use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;
use std::{io, thread};

use crate::scenario::{Checked, TargetPlan};
use crate::stats::FailureClass;

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

/// A target's name and the one address that is used for the whole run.
pub(super) struct Resolved {
    pub host: String,
    pub addr: SocketAddr,
}

/// The one address of a scenario's target.
///
/// # Errors
///
/// Fails if its name has none, and if it is public without the scenario allowing that.
pub fn permitted_address(checked: &Checked) -> Result<IpAddr, AddressError> {
    resolve(checked).map(|resolved| resolved.addr.ip())
}

pub(super) fn resolve(checked: &Checked) -> Result<Resolved, AddressError> {
    let TargetPlan::Remote { host, port, pinned } = &checked.target else {
        // The embedded target is asked for its addresses instead.
        return Ok(Resolved {
            host: "localhost".to_owned(),
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
        });
    };
    let addr = if let Some(ip) = pinned {
        SocketAddr::new(*ip, *port)
    } else {
        look_up(host, *port, checked.scenario.timeouts.resolve.0)?
    };
    if is_public(addr.ip()) && !checked.scenario.target.allow_public {
        return Err(AddressError::Public {
            host: host.clone(),
            ip: addr.ip(),
        });
    }
    Ok(Resolved {
        host: host.clone(),
        addr,
    })
}

/// The address of a name. The system's resolver cannot be told when to give up, so it is asked on a
/// thread that is left behind if it does not answer in time.
fn look_up(host: &str, port: u16, limit: Duration) -> Result<SocketAddr, AddressError> {
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
    let mut found = match answered.recv_timeout(limit) {
        Ok(found) => found.map_err(unresolved)?,
        Err(_) => {
            return Err(AddressError::ResolveTimeout {
                host: host.to_owned(),
                port,
                limit,
            });
        }
    };
    // IPv4 first: on loopback it is what most servers listen on.
    found.sort_by_key(SocketAddr::is_ipv6);
    let first = found.first().copied();
    first.ok_or_else(|| unresolved(io::ErrorKind::NotFound.into()))
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
        let late = look_up("localhost", 443, Duration::ZERO).unwrap_err();
        assert!(
            late.to_string()
                .starts_with("timeout.resolve: localhost did not")
        );
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

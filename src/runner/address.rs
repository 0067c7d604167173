//! Where a remote target is, and whether it may be loaded: public addresses only on request
//! (invariant 9).

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use crate::scenario::{Checked, TargetPlan};

/// A target that cannot be found or must not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// The resolver failed.
    #[error(
        "cannot resolve {host}: {source}; check the name, or pin it with --resolve {host}:{port}:ADDRESS"
    )]
    Unresolved {
        /// The name.
        host: String,
        /// The port.
        port: u16,
        /// Why.
        source: io::Error,
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

pub(super) fn resolve(checked: &Checked) -> Result<Resolved, AddressError> {
    let TargetPlan::Remote { host, port, pinned } = &checked.target else {
        // The embedded target is asked for its addresses instead.
        return Ok(Resolved {
            host: "localhost".to_owned(),
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
        });
    };
    let unresolved = |source| AddressError::Unresolved {
        host: host.clone(),
        port: *port,
        source,
    };
    let addr = if let Some(ip) = pinned {
        SocketAddr::new(*ip, *port)
    } else {
        // IPv4 first: on loopback it is what most servers listen on.
        let mut found: Vec<SocketAddr> = (host.as_str(), *port)
            .to_socket_addrs()
            .map_err(unresolved)?
            .collect();
        found.sort_by_key(SocketAddr::is_ipv6);
        let first = found.first().copied();
        first.ok_or_else(|| unresolved(io::ErrorKind::NotFound.into()))?
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

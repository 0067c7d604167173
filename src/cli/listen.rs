//! Addresses to listen on, as arguments.

use std::net::{SocketAddr, ToSocketAddrs};

use shakedown::scenario::Place;

/// Reads `address:port`; port 0 takes a free one.
pub(crate) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let wanted = "give an address and a port, e.g. 127.0.0.1:8443 or [::1]:8443";
    let place = Place::parse(text).map_err(|error| format!("{error}; {wanted}"))?;
    let Place { host, port } = place;
    let port = port.ok_or_else(|| format!("no port; {wanted}"))?;
    if !host.contains(':') && host.parse::<std::net::IpAddr>().is_err() {
        return Err(format!("{host:?} is a name; {wanted}"));
    }
    // Nothing is looked up but an interface, where the address has a zone.
    let found = (host.as_str(), port).to_socket_addrs().ok();
    let found = found.and_then(|mut all| all.next());
    found.ok_or_else(|| format!("no interface has the zone of {host}; {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_with_a_port_can_be_listened_on() {
        for (text, expected) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::1]:8443", "[::1]:8443"),
            ("[fe80::1%251]:1", "[fe80::1%1]:1"),
        ] {
            assert_eq!(listen_address(text).unwrap().to_string(), expected);
        }
        for (text, named) in [
            ("localhost:1", "is a name"),
            ("127.0.0.1", "no port"),
            ("127.0.0.1:", "no port"),
            ("127.0.0.1:65536", "\"65536\" is not a port"),
            ("::1:8443", "in brackets"),
            (":8443", "names no host"),
            ("[fe80::1%25nosuch0]:1", "no interface"),
        ] {
            let error = listen_address(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}

//! The PROXY protocol, versions 1 and 2 (haproxy's proxy-protocol.txt, sections 2.1 and 2.2).

use std::net::{IpAddr, SocketAddr};

use super::Ends;
use crate::text::labelled;

labelled! {
    serde
    /// Version of the PROXY header.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum ProxyHeader {
        /// A line of text.
        V1 = "v1",
        /// Binary.
        V2 = "v2",
    }
}

/// What a binary header begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, a connection on behalf of someone.
const PROXY: u8 = 0x21;
/// TCP over IPv4, over IPv6, and something else.
const FAMILIES: [u8; 3] = [0x11, 0x21, 0x00];

impl ProxyHeader {
    /// The header of a connection, with its own addresses, as curl sends it. On a Unix socket there are none to name.
    pub(super) fn bytes(self, ends: Option<Ends>) -> Vec<u8> {
        // One end mapped and the other not would be two families.
        let unmapped = |end: SocketAddr| (end.ip().to_canonical(), end.port());
        let ends = ends.map(|ends| (unmapped(ends.local), unmapped(ends.peer)));
        match self {
            Self::V1 => match ends {
                Some(((IpAddr::V4(from), sent), (IpAddr::V4(to), taken))) => {
                    format!("PROXY TCP4 {from} {to} {sent} {taken}\r\n").into_bytes()
                }
                Some(((IpAddr::V6(from), sent), (IpAddr::V6(to), taken))) => {
                    format!("PROXY TCP6 {from} {to} {sent} {taken}\r\n").into_bytes()
                }
                _ => b"PROXY UNKNOWN\r\n".to_vec(),
            },
            Self::V2 => {
                let (family, addresses) = match ends {
                    Some(((IpAddr::V4(from), sent), (IpAddr::V4(to), taken))) => {
                        let addresses = [from.octets(), to.octets()].concat();
                        (FAMILIES[0], ported(addresses, sent, taken))
                    }
                    Some(((IpAddr::V6(from), sent), (IpAddr::V6(to), taken))) => {
                        let addresses = [from.octets(), to.octets()].concat();
                        (FAMILIES[1], ported(addresses, sent, taken))
                    }
                    _ => (FAMILIES[2], Vec::new()),
                };
                let length = u16::try_from(addresses.len()).unwrap_or(u16::MAX);
                let mut bytes = SIGNATURE.to_vec();
                bytes.extend([PROXY, family]);
                bytes.extend(length.to_be_bytes());
                bytes.extend(addresses);
                bytes
            }
        }
    }
}

fn ported(mut addresses: Vec<u8>, sent: u16, taken: u16) -> Vec<u8> {
    addresses.extend(sent.to_be_bytes());
    addresses.extend(taken.to_be_bytes());
    addresses
}

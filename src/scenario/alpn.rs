//! Whether what is spoken on a session can be spoken under the ALPN protocols that are offered or accepted.

use super::ProtocolKind;
use super::error::Problem;

/// Registered names, or their beginnings where they end in `*`, of protocols that are not spoken here.
const OTHERS: [&str; 32] = [
    "h2c",
    "h3",
    "h3-*",
    "hq-*",
    "spdy/*",
    "webrtc",
    "c-webrtc",
    "stun.*",
    "ftp",
    "imap",
    "pop3",
    "managesieve",
    "coap",
    "co",
    "xmpp-client",
    "xmpp-server",
    "acme-tls/1",
    "dot",
    "doq",
    "ntske/1",
    "sunrpc",
    "smb",
    "irc",
    "nntp",
    "nnsp",
    "sip/2",
    "tds/8.0",
    "dicom",
    "radius/1.0",
    "radius/1.1",
    "netperfmeter/control",
    "netperfmeter/data",
];

/// Longest name of a protocol (RFC 7301 section 3.1).
const LONGEST: usize = 255;

/// Why these ALPN protocols cannot be offered or accepted with this one on the session. Names that nobody registered
/// are taken on trust, and with the handshake alone nothing is spoken.
pub fn alpn_conflict(alpn: &[String], kind: ProtocolKind) -> Option<String> {
    if let Some(name) = (alpn.iter()).find(|name| !(1..=LONGEST).contains(&name.len())) {
        return Some(format!(
            "{name:?} is no ALPN protocol: a name has 1 to {LONGEST} bytes"
        ));
    }
    if kind == ProtocolKind::Handshake {
        return None;
    }
    let spoken = kind.traits().name;
    let name = alpn.iter().find(|name| promises_another(name, kind))?;
    Some(format!(
        "{name:?} promises another protocol than the {spoken} that is spoken"
    ))
}

fn promises_another(name: &str, kind: ProtocolKind) -> bool {
    let promises = |kind: ProtocolKind| kind.traits().alpn.contains(&name);
    if promises(kind) {
        return false;
    }
    let other = OTHERS.iter().any(|other| match other.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == *other,
    });
    other || ProtocolKind::ALL.iter().any(|kind| promises(*kind))
}

/// Offers what the protocol offers, where nobody says what to offer.
pub(super) fn complete(alpn: &mut Vec<String>, kind: ProtocolKind, any_tls: bool) {
    if alpn.is_empty() && any_tls {
        alpn.extend(kind.offers());
    }
}

pub(super) fn check(alpn: &[String], kind: ProtocolKind) -> Result<(), Problem> {
    match alpn_conflict(alpn, kind) {
        Some(cause) => Err(Problem::new(
            "tls.alpn",
            cause,
            "offer http/1.1 for HTTP/1.1, h2 alone for HTTP/2 (--http2), or measure the handshake alone: \
             tls://host:port, or kind = \"handshake\"",
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_spoken_under_an_offered_name_is_refused() {
        let refused = |names: &[&str], kind| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            alpn_conflict(&names, kind)
        };
        for names in [
            &["h2"][..],
            &["h2", "http/1.1"],
            &["http/1.1", "h2"],
            &["h3-29"],
            &["mqtt"],
        ] {
            for kind in [ProtocolKind::Http1, ProtocolKind::Echo] {
                assert!(refused(names, kind).is_some(), "{names:?} {kind:?}");
            }
            assert_eq!(refused(names, ProtocolKind::Handshake), None, "{names:?}");
        }
        assert_eq!(
            refused(&["http/1.1", "http/1.0"], ProtocolKind::Http1),
            None
        );
        assert!(refused(&["http/1.1"], ProtocolKind::Echo).is_some());
        for kind in [ProtocolKind::Http2, ProtocolKind::Grpc] {
            assert_eq!(refused(&["h2"], kind), None);
            assert!(refused(&["h2", "http/1.1"], kind).is_some());
        }
        // Meshes and one's own servers have names of their own.
        for kind in [ProtocolKind::Http1, ProtocolKind::Echo] {
            assert_eq!(refused(&["istio-http/1.1", "mine"], kind), None);
        }
        let long = "x".repeat(256);
        for name in ["", long.as_str()] {
            assert!(refused(&[name], ProtocolKind::Handshake).is_some());
        }
    }
}

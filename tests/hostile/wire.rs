//! TLS by hand: records and messages, right and wrong, as bytes (RFC 8446 and RFC 5246).

use std::io::{self, Read};
use std::net::TcpStream;

/// Content types (RFC 8446 section 5.1).
pub const CHANGE_CIPHER_SPEC: u8 = 20;
pub const ALERT: u8 = 21;
pub const HANDSHAKE: u8 = 22;
pub const APPLICATION_DATA: u8 = 23;

/// Handshake messages (RFC 8446 section 4).
pub const HELLO_REQUEST: u8 = 0;
pub const CERTIFICATE_REQUEST: u8 = 13;
pub const SERVER_HELLO: u8 = 2;
pub const NEW_SESSION_TICKET: u8 = 4;

pub const TLS11: u16 = 0x0302;
pub const TLS12: u16 = 0x0303;
pub const TLS13: u16 = 0x0304;
pub const X25519: u16 = 0x001d;
pub const SECP256R1: u16 = 0x0017;
/// Suites (of TLS 1.3, and of TLS 1.2).
pub const AES_128_GCM_SHA256: u16 = 0x1301;
pub const ECDHE_ECDSA_CHACHA20: u16 = 0xcca9;

/// The random that makes a `ServerHello` a `HelloRetryRequest` (RFC 8446 section 4.1.3).
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// A record with a length that is true.
pub fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    record_claiming(kind, payload.len(), payload)
}

/// A record that claims to be `length` bytes long.
pub fn record_claiming(kind: u8, length: usize, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(length).unwrap().to_be_bytes();
    [&[kind, 3, 3], &length[..], payload].concat()
}

/// A handshake message that claims to be `length` bytes long.
pub fn message_claiming(kind: u8, length: u32, body: &[u8]) -> Vec<u8> {
    let length = length.to_be_bytes();
    [&[kind], &length[1..], body].concat()
}

/// A handshake message.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    message_claiming(kind, u32::try_from(body.len()).unwrap(), body)
}

/// A fatal alert.
pub fn alert(code: u8) -> Vec<u8> {
    record(ALERT, &[2, code])
}

/// What a `ServerHello` says.
pub struct ServerHello {
    pub legacy_version: u16,
    pub retry: bool,
    pub suite: u16,
    /// The extension `supported_versions`.
    pub version: Option<u16>,
    /// The group of `key_share`, with a share unless this is a retry.
    pub group: Option<u16>,
    /// The extension `application_layer_protocol_negotiation`.
    pub alpn: Option<&'static [u8]>,
}

impl ServerHello {
    /// The message in a record, in answer to a `ClientHello`.
    pub fn answering(&self, hello: &[u8]) -> Vec<u8> {
        let mut body = self.legacy_version.to_be_bytes().to_vec();
        body.extend(if self.retry { RETRY_RANDOM } else { [7; 32] });
        let session_id = session_id(hello);
        body.push(u8::try_from(session_id.len()).unwrap());
        body.extend(session_id);
        body.extend(self.suite.to_be_bytes());
        body.push(0);
        let mut extensions = Vec::new();
        let mut extension = |kind: u16, content: &[u8]| {
            extensions.extend(kind.to_be_bytes());
            extensions.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
            extensions.extend(content);
        };
        if let Some(version) = self.version {
            extension(43, &version.to_be_bytes());
        }
        if let Some(group) = self.group {
            let share: &[u8] = if self.retry { &[] } else { &[0, 32, 9] };
            let mut content = [&group.to_be_bytes(), share].concat();
            if !self.retry {
                content.resize(2 + 2 + 32, 9);
            }
            extension(51, &content);
        }
        if let Some(alpn) = self.alpn {
            let name = [&[u8::try_from(alpn.len()).unwrap()], alpn].concat();
            let length = u16::try_from(name.len()).unwrap().to_be_bytes();
            extension(16, &[&length[..], &name].concat());
        }
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);
        record(HANDSHAKE, &message(SERVER_HELLO, &body))
    }
}

/// The session id of a `ClientHello` in its record: after the headers (5 and 4 bytes), the version
/// and the random.
fn session_id(hello: &[u8]) -> &[u8] {
    let at = 5 + 4 + 2 + 32;
    let length = usize::from(hello[at]);
    &hello[at + 1..at + 1 + length]
}

/// Reads one record whole.
pub fn read_record(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut record = vec![0; 5];
    from.read_exact(&mut record)?;
    let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
    record.resize(5 + length, 0);
    from.read_exact(&mut record[5..])?;
    Ok(record)
}

/// Where each record of a flight begins, and its type.
pub fn records(flight: &[u8]) -> Vec<(usize, u8)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at + 5 <= flight.len() {
        found.push((at, flight[at]));
        at += 5 + usize::from(u16::from_be_bytes([flight[at + 3], flight[at + 4]]));
    }
    found
}

//! What was observed on a session's handshake, and how often (invariant 4).
//!
//! Values are the code points of the TLS registries, so that this layer needs no TLS library;
//! zero stands for "not negotiated".

use std::fmt;

use crate::text::escape_untrusted;

/// What one handshake negotiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Observed {
    /// The provider of our cryptography, by its name.
    pub provider: &'static str,
    /// Protocol version, e.g. 0x0304.
    pub version: u16,
    /// Cipher suite.
    pub suite: u16,
    /// Key exchange group.
    pub group: u16,
    /// Signature scheme of the server's `CertificateVerify` or `ServerKeyExchange`.
    pub server_scheme: u16,
    /// Signature scheme of our `CertificateVerify`.
    pub client_scheme: u16,
    /// Whether the server sent a `CertificateRequest`.
    pub certificate_requested: bool,
    /// Whether we answered it with a certificate.
    pub certificate_sent: bool,
    /// The protocol that ALPN chose.
    pub alpn: Option<AlpnId>,
    /// Whether an earlier session was resumed: then nobody signed, and nobody asked for a certificate.
    pub resumed: bool,
}

/// An ALPN protocol id (RFC 7301), small enough to be copied; ids longer than 15 bytes, of which the
/// registry has none, are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AlpnId {
    length: u8,
    bytes: [u8; 15],
}

impl From<&[u8]> for AlpnId {
    fn from(id: &[u8]) -> Self {
        let mut bytes = [0; 15];
        let mut length = 0;
        for (to, from) in bytes.iter_mut().zip(id) {
            *to = *from;
            length += 1;
        }
        Self { length, bytes }
    }
}

impl fmt::Display for AlpnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = String::from_utf8_lossy(&self.bytes[..usize::from(self.length)]);
        f.write_str(&escape_untrusted(&id, 15))
    }
}

/// How often each combination was observed. Runs see one or two, so a list beats a map.
#[derive(Debug, Clone, Default)]
pub struct ObservedTally(Vec<(Observed, u64)>);

impl ObservedTally {
    /// Counts one handshake.
    pub(crate) fn add(&mut self, observed: Observed, count: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == observed) {
            Some((_, n)) => *n += count,
            None => self.0.push((observed, count)),
        }
    }

    /// Adds another's counts.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (observed, count) in &other.0 {
            self.add(*observed, *count);
        }
    }

    /// Every combination with its count, most frequent first.
    pub(crate) fn sorted(&self) -> Vec<(Observed, u64)> {
        let mut all = self.0.clone();
        all.sort_by_key(|(observed, count)| (u64::MAX - count, observed.version, observed.suite));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_what_was_seen() {
        let tls13 = Observed {
            version: 0x0304,
            certificate_requested: true,
            ..Observed::default()
        };
        let tls12 = Observed {
            version: 0x0303,
            ..Observed::default()
        };
        let mut tally = ObservedTally::default();
        tally.add(tls12, 1);
        tally.add(tls13, 2);
        let mut other = ObservedTally::default();
        other.add(tls13, 1);
        tally.merge(&other);
        assert_eq!(tally.sorted(), vec![(tls13, 3), (tls12, 1)]);
    }
}

//! Observes what rustls does not report: who spoke first, bytes that are not TLS, and requests to renegotiate.

use rustls::{HandshakeType, ProtocolVersion};

use super::fault::{Fault, TlsFault};
use crate::text::first_line;

/// Most bytes shown of data that is not TLS or came unasked.
pub(super) const SHOWN: usize = 64;

/// Bytes of a plaintext alert with its record header.
const ALERT_RECORD: usize = 7;

/// The observations of one session. Allocates nothing while the server speaks TLS.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is something that was seen or not, in any combination"
)]
pub(super) struct Sight {
    /// Only a client must speak first.
    is_client: bool,
    /// Our first application data was handed to rustls.
    asked: bool,
    /// The server's application data came before ours.
    spoke_first: bool,
    /// The server asked to renegotiate (RFC 5246 section 7.4.1.1).
    renegotiates: bool,
    /// The last read filled its buffer, so more may be waiting.
    full: bool,
    begun: bool,
    /// The beginning of data that cannot be a TLS record.
    strange: Vec<u8>,
    /// The last bytes that came.
    tail: [u8; ALERT_RECORD],
}

impl Sight {
    pub(crate) fn of_client() -> Self {
        Self {
            is_client: true,
            ..Self::default()
        }
    }

    /// Notes the bytes of one read; `full` if it filled its buffer.
    pub(crate) fn received(&mut self, bytes: &[u8], full: bool) {
        self.full = full;
        let new = bytes.len().min(ALERT_RECORD);
        self.tail.rotate_left(new);
        self.tail[ALERT_RECORD - new..].copy_from_slice(&bytes[bytes.len() - new..]);
        if !self.begun || !self.strange.is_empty() {
            self.look(bytes);
        }
    }

    /// Every record begins with its type (RFC 8446 section 5.1).
    fn look(&mut self, bytes: &[u8]) {
        let record = matches!(bytes.first(), None | Some(20..=24));
        self.begun |= !bytes.is_empty();
        if !record || !self.strange.is_empty() {
            let room = SHOWN - self.strange.len();
            self.strange
                .extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    /// Whether the first bytes cannot be a TLS record.
    pub(crate) fn is_strange(&self) -> bool {
        !self.strange.is_empty()
    }

    /// Whether the last bytes are a plaintext `close_notify`, which rustls ignores during a handshake.
    pub(crate) fn closes_in_the_clear(&self) -> bool {
        matches!(self.tail, [21, 3, _, 0, 2, 1, 0])
    }

    /// Notes that application data has arrived.
    pub(crate) fn delivered(&mut self) {
        self.spoke_first |= self.is_client && !self.asked;
    }

    /// Notes that our request was sent.
    pub(crate) fn asked(&mut self) {
        self.asked = true;
    }

    /// Whether the server's data came before our request.
    pub(crate) fn spoke_first(&self) -> bool {
        self.spoke_first && !self.asked
    }

    /// Whether the socket may hold more of the server's first data.
    pub(crate) fn may_have_more(&self) -> bool {
        self.is_client && self.full && !self.spoke_first
    }

    /// Notes that rustls answers something other than application data. In TLS 1.2 that can only be a
    /// `HelloRequest`, which it answers with a warning.
    pub(crate) fn answered_unasked(&mut self, version: Option<ProtocolVersion>) {
        self.renegotiates |= version == Some(ProtocolVersion::TLSv1_2);
    }

    /// Replaces a fault by the one that the observations explain it with.
    pub(crate) fn explain(&mut self, fault: Fault) -> Fault {
        match fault {
            Fault::Tls(_) if !self.strange.is_empty() => {
                let strange = std::mem::take(&mut self.strange);
                Fault::NotTls(first_line(&strange))
            }
            Fault::Tls(TlsFault {
                error:
                    rustls::Error::InappropriateHandshakeMessage {
                        got_type: HandshakeType::CertificateRequest,
                        ..
                    },
                ..
            }) if self.asked => Fault::LateRequest("we end the session".to_owned()),
            Fault::Tls(TlsFault {
                error: rustls::Error::AlertReceived(_),
                ..
            })
            | Fault::Eof
            | Fault::Io(_)
                if self.renegotiates =>
            {
                Fault::LateRequest(fault.to_string())
            }
            fault => fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol_error() -> Fault {
        Fault::from(rustls::Error::General("x".to_owned()))
    }

    #[test]
    fn what_is_no_tls_is_shown_however_it_is_cut() {
        for piece in [1, 3, 100] {
            let mut sight = Sight::of_client();
            for part in b"SSH-2.0-OpenSSH_9.2\r\n".chunks(piece) {
                sight.received(part, false);
            }
            let fault = sight.explain(protocol_error());
            assert!(fault.to_string().contains("SSH-2.0-OpenSSH"), "{fault}");
        }
        let mut sight = Sight::of_client();
        sight.received(&[22, 3, 3], false);
        sight.received(b"SSH", false);
        assert!(matches!(sight.explain(protocol_error()), Fault::Tls(_)));
    }

    #[test]
    fn a_close_in_the_clear_is_seen_however_it_is_cut() {
        let bytes = [22, 3, 3, 0, 1, 0, 21, 3, 3, 0, 2, 1, 0];
        for piece in [1, 4, 8, 100] {
            let mut sight = Sight::of_client();
            for part in bytes.chunks(piece) {
                assert!(!sight.closes_in_the_clear());
                sight.received(part, false);
            }
            assert!(sight.closes_in_the_clear(), "{piece}");
        }
    }

    #[test]
    fn only_what_comes_before_a_clients_request_came_first() {
        let mut sight = Sight::of_client();
        sight.asked();
        sight.delivered();
        assert!(!sight.spoke_first());
        let mut sight = Sight::of_client();
        sight.delivered();
        assert!(sight.spoke_first());
        let mut server = Sight::default();
        server.delivered();
        assert!(!server.spoke_first());
    }
}

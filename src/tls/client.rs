//! The client's side of a TLS session: begins sessions and reports their outcome.

use std::time::Instant;

use rustls::ProtocolVersion;
use rustls::client::ClientConnection;

use super::ClientTls;
use super::fault::Fault;
use super::observe::{Captured, Current, ok_kind};
use super::resume::Wish;
use super::session::{Bytes, Marks, SessionStream};
use super::sight::Sight;
use super::socket::Socket;
use super::stream::TlsStream;
use crate::crypto::Ledger;
use crate::stats::{AlpnId, Observed, Offer, OkKind};

/// A client's session.
pub type ClientStream = TlsStream<ClientConnection>;

impl TlsStream<ClientConnection> {
    /// Starts a client session on a connected socket; nothing is sent yet. If `planned`, it offers to resume an earlier
    /// session if one is in store. A `ledger` is written only if the configuration is metered.
    ///
    /// # Errors
    ///
    /// Fails if rustls cannot begin a handshake with this configuration.
    pub fn resuming(
        io: impl Into<Socket>,
        tls: &ClientTls,
        planned: bool,
        ledger: Option<Box<Ledger>>,
    ) -> Result<Self, Fault> {
        let mut current = Current {
            captured: Captured::of(tls.provider.label()),
            ledger,
        };
        let begun = current.attribute(|| tls.begin(planned))?;
        Ok(Self {
            tickets: |conn| conn.tls13_tickets_received(),
            wish: Wish {
                planned,
                given: begun.given,
                full_hello: begun.full_hello,
            },
            current,
            sight: Sight::of_client(),
            ..Self::new(io.into(), begun.conn)
        })
    }

    /// Sends the protocol's first request as early data (RFC 8446 section 2.3) if the session offers a
    /// ticket with room for all of it. Call it before anything is sent. The protocol still writes its request, which
    /// the server gets once.
    pub(crate) fn send_early(&mut self, request: &[u8]) {
        self.attributed(|stream| stream.early.send(&mut stream.conn, request));
    }

    /// Lets the server's data come before ours without being taken for an answer to it, as its protocol allows.
    pub(crate) fn let_server_speak_first(&mut self) {
        self.sight.asked();
    }

    /// Bytes of the `ClientHello`, record header included, as far as it was sent.
    pub(crate) fn hello_bytes(&self) -> u64 {
        match self.hello {
            0 => self.bytes.sent,
            hello => hello,
        }
    }

    /// TLS 1.3 `NewSessionTicket` messages received so far.
    pub(crate) fn tickets_received(&self) -> u32 {
        self.conn.tls13_tickets_received()
    }

    fn note_tickets(&mut self) {
        if self.marks.ticket.is_none() && self.conn.tls13_tickets_received() > 0 {
            self.marks.ticket = Some(Instant::now());
        }
    }
}

impl SessionStream for TlsStream<ClientConnection> {
    async fn handshake(&mut self) -> Result<(), Fault> {
        let mut result = self.complete_handshake().await;
        if !self.conn.is_handshaking()
            && let Err(fault @ (Fault::Eof | Fault::Io(_))) = result
        {
            // Our part was done: this is the server's answer to our Finished, even if the kernel refused it.
            self.behind_data = Some(fault);
            result = Ok(());
        }
        if result.is_ok() {
            self.early.answered(self.conn.is_early_data_accepted());
        }
        self.note_tickets();
        result
    }

    async fn read_to_end(&mut self) -> Result<(), Fault> {
        self.discard(Self::note_tickets).await
    }

    fn kind(&self) -> Option<OkKind> {
        self.conn.handshake_kind().map(ok_kind)
    }

    fn observed(&self) -> Option<Observed> {
        Some(Observed {
            provider: self.current.captured.provider,
            version: self.conn.protocol_version()?.into(),
            suite: self.conn.negotiated_cipher_suite()?.suite().into(),
            group: self
                .conn
                .negotiated_key_exchange_group()
                .map_or(0, |g| g.name().into()),
            server_scheme: self.current.captured.server_scheme,
            client_scheme: self.current.captured.client_scheme,
            certificate_requested: self.current.captured.requested,
            certificate_sent: self.current.captured.client_scheme != 0,
            alpn: self.conn.alpn_protocol().map(AlpnId::from),
            resumed: self.kind() == Some(OkKind::Resumed),
        })
    }

    fn offer(&self) -> Offer {
        let Wish {
            planned,
            given,
            full_hello,
        } = self.wish;
        let resumed = self.kind() == Some(OkKind::Resumed);
        match self.hello {
            _ if !planned => Offer::Undecided,
            _ if !given => Offer::Starved,
            0 => Offer::Undecided,
            // Only an offer makes it larger. A session id just replaces the random one that TLS 1.3 sends anyway;
            // then only resumption shows that it was offered.
            hello if hello > full_hello || resumed => Offer::Sent {
                bytes: hello.saturating_sub(full_hello),
                early: self.early.fate(),
            },
            _ => Offer::Expired,
        }
    }

    fn finish_proves_acceptance(&self) -> bool {
        let tls12 = self.conn.protocol_version() == Some(ProtocolVersion::TLSv1_2);
        tls12 && self.kind() == Some(OkKind::Full)
    }

    fn marks(&self) -> Marks {
        self.marks
    }

    fn bytes(&self) -> Bytes {
        self.bytes
    }

    fn take_fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    fn reset_on_close(&self) -> std::io::Result<()> {
        self.io.set_zero_linger()
    }

    fn into_ledger(self) -> Option<Box<Ledger>> {
        Self::into_ledger(self)
    }
}

//! A rustls server with its buffers in memory, so that every byte of its flights can be kept back,
//! changed or repeated; and, once the handshake is done, its keys, to seal whatever it would not.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ServerConnection, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ConnectionTrafficSecrets, ContentType, ProtocolVersion, RootCertStore, ServerConfig,
    SupportedCipherSuite,
};
use shakedown::scenario::TlsVersion;

/// A configuration that requires client certificates of `client_ca`, knows one suite per version and
/// gives out its keys.
pub fn config(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
    client_ca: &CertificateDer<'static>,
    version: TlsVersion,
) -> Arc<ServerConfig> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = vec![
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ];
    let provider = Arc::new(provider);
    let version = match version {
        TlsVersion::Tls12 => &rustls::version::TLS12,
        TlsVersion::Tls13 => &rustls::version::TLS13,
    };
    let mut roots = RootCertStore::empty();
    roots.add(client_ca.clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let signer = provider.key_provider.load_private_key(key.clone_key());
    let certified = CertifiedKey::new(chain, signer.unwrap());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.enable_secret_extraction = true;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Arc::new(config)
}

/// A TLS 1.3 configuration that requires no certificate and may answer ahead of the client's Finished.
pub fn early_config(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
) -> Arc<ServerConfig> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = vec![cipher_suite::TLS13_CHACHA20_POLY1305_SHA256];
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key.clone_key())
        .unwrap();
    config.enable_secret_extraction = true;
    config.send_half_rtt_data = true;
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

/// One session of a server that does what it is told.
pub struct Peer {
    pub tcp: TcpStream,
    conn: ServerConnection,
}

impl Peer {
    pub fn new(tcp: TcpStream, config: &Arc<ServerConfig>) -> Self {
        let mut conn = ServerConnection::new(Arc::clone(config)).unwrap();
        conn.set_buffer_limit(None);
        Self { tcp, conn }
    }

    /// Reads once from the client.
    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        let received = self.tcp.read(&mut buffer)?;
        if received == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.feed(&buffer[..received])
    }

    /// Lets rustls process bytes as if they came from the client.
    pub fn feed(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Read beyond the end, rustls would take it for the end of the stream.
        let mut left = bytes;
        while !left.is_empty() {
            self.conn.read_tls(&mut left)?;
            self.conn.process_new_packets().map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// What rustls has to send.
    pub fn outgoing(&mut self) -> Vec<u8> {
        let mut flight = Vec::new();
        while self.conn.wants_write() {
            self.conn.write_tls(&mut flight).unwrap();
        }
        flight
    }

    /// Reads until rustls has an answer, and returns it unsent.
    pub fn next_flight(&mut self) -> io::Result<Vec<u8>> {
        loop {
            self.read()?;
            let flight = self.outgoing();
            if !flight.is_empty() {
                return Ok(flight);
            }
        }
    }

    /// Completes the handshake.
    pub fn complete(&mut self) -> io::Result<()> {
        while self.conn.is_handshaking() || self.conn.wants_write() {
            if self.conn.is_handshaking() && !self.conn.wants_write() {
                self.read()?;
            }
            let flight = self.outgoing();
            self.tcp.write_all(&flight)?;
        }
        Ok(())
    }

    /// Reads application data until `ends` is content with all of it.
    pub fn request(&mut self, ends: impl Fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
        let mut request = Vec::new();
        loop {
            let mut buffer = [0; 1024];
            match self.conn.reader().read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => request.extend(&buffer[..read]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.read()?,
                Err(e) => return Err(e),
            }
            if ends(&request) {
                return Ok(request);
            }
        }
    }

    /// Application data in records, unsent.
    pub fn sealed(&mut self, data: &[u8]) -> Vec<u8> {
        self.conn.writer().write_all(data).unwrap();
        self.outgoing()
    }

    /// Waits until the client has asked, and leaves the request where it is.
    pub fn asked(&mut self) -> io::Result<()> {
        let state = self.conn.process_new_packets().map_err(io::Error::other)?;
        if state.plaintext_bytes_to_read() == 0 {
            self.tcp.peek(&mut [0])?;
        }
        Ok(())
    }

    /// Sends application data.
    pub fn answer(&mut self, data: &[u8]) -> io::Result<()> {
        let flight = self.sealed(data);
        self.tcp.write_all(&flight)
    }

    /// Sends `close_notify`.
    pub fn close_notify(&mut self) -> io::Result<()> {
        self.conn.send_close_notify();
        let flight = self.outgoing();
        self.tcp.write_all(&flight)
    }

    /// A `KeyUpdate` that asks for another in return, unsent.
    pub fn key_update(&mut self) -> Vec<u8> {
        self.conn.refresh_traffic_keys().unwrap();
        self.outgoing()
    }

    /// The alert that rustls sends when it is given what no client should send.
    pub fn provoked_alert(&mut self) -> Vec<u8> {
        self.feed(&super::wire::record_claiming(99, 1, &[0]))
            .unwrap_err();
        self.outgoing()
    }

    /// Takes the keys of the finished handshake.
    pub fn into_sealer(self) -> Sealer {
        let suite = self.conn.negotiated_cipher_suite().unwrap();
        let (sequence, secrets) = self.conn.dangerous_extract_secrets().unwrap().tx;
        let ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } = secrets else {
            panic!("the one suite of each version");
        };
        let key = <[u8; 32]>::try_from(key.as_ref()).unwrap();
        let encrypter = match suite {
            SupportedCipherSuite::Tls13(suite) => suite.aead_alg.encrypter(key.into(), iv),
            SupportedCipherSuite::Tls12(suite) => {
                suite.aead_alg.encrypter(key.into(), iv.as_ref(), &[])
            }
        };
        Sealer {
            tcp: self.tcp,
            encrypter,
            sequence,
        }
    }
}

/// The keys of a session in the wrong hands.
pub struct Sealer {
    pub tcp: TcpStream,
    encrypter: Box<dyn MessageEncrypter>,
    sequence: u64,
}

impl Sealer {
    /// An encrypted record.
    pub fn seal(&mut self, kind: u8, payload: &[u8]) -> Vec<u8> {
        let plain = OutboundPlainMessage {
            typ: ContentType::from(kind),
            version: ProtocolVersion::TLSv1_2,
            payload: OutboundChunks::Single(payload),
        };
        let sealed = self.encrypter.encrypt(plain, self.sequence).unwrap();
        self.sequence += 1;
        sealed.encode()
    }

    /// Sends an encrypted record.
    pub fn send(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        let sealed = self.seal(kind, payload);
        self.tcp.write_all(&sealed)
    }
}

/// Waits until the client hangs up, taking in what it sends.
pub fn wait_for_end(tcp: &mut TcpStream) {
    let mut sink = [0; 4096];
    while tcp.read(&mut sink).is_ok_and(|read| read > 0) {}
}

/// Ends our side in order and lets the client read to the end.
pub fn end(mut tcp: TcpStream) {
    let _ = tcp.shutdown(Shutdown::Write);
    wait_for_end(&mut tcp);
}

/// Closes with a reset.
pub fn reset(tcp: TcpStream) {
    socket2::SockRef::from(&tcp)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(tcp);
}

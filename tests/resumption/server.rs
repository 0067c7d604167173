//! An echo server that knows whose sessions it resumed, and forgets or ages its tickets when told to.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::pki_types::CertificateDer;
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{HandshakeKind, RootCertStore, ServerConfig, ServerConnection, Stream};
use shakedown::pki::Pki;

/// What becomes of the server's tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tickets {
    /// They can be resumed.
    Kept,
    /// Each connection has a key of its own, so that none can be resumed.
    Forgotten,
    /// They are said to live for so many seconds.
    Lifetime(u32),
    /// They allow for early data, which is then rejected on every other connection.
    EarlyRejected,
    /// They allow for early data, which is then rejected on every connection.
    AllEarlyRejected,
}

#[derive(Debug)]
struct Aged(Arc<dyn ProducesTickets>, u32);

impl ProducesTickets for Aged {
    fn enabled(&self) -> bool {
        true
    }
    fn lifetime(&self) -> u32 {
        self.1
    }
    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.0.encrypt(plain)
    }
    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.0.decrypt(cipher)
    }
}

/// Resumed sessions by the certificate of the client.
type Resumed = Arc<Mutex<HashMap<Vec<u8>, u64>>>;

/// A running server; its threads end with the test.
pub struct Server {
    port: u16,
    resumed: Resumed,
    bytes: Arc<AtomicU64>,
}

impl Server {
    pub fn start(pki: &Pki, tickets: Tickets) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        for root in pki.roots() {
            roots.add(root.clone()).unwrap();
        }
        let roots = Arc::new(roots);
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
        let identity = pki.server();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.unwrap())
            .with_single_cert(
                identity.chain.clone(),
                identity.key.der().unwrap().clone_key(),
            )
            .unwrap();
        let early = matches!(tickets, Tickets::EarlyRejected | Tickets::AllEarlyRejected);
        if early {
            // rustls takes early data only if it keeps the sessions itself.
            config.session_storage = ServerSessionMemoryCache::new(4_096);
            config.max_early_data_size = 1_024;
        } else {
            config.ticketer = Ticketer::new().unwrap();
        }
        if let Tickets::Lifetime(seconds) = tickets {
            config.ticketer = Arc::new(Aged(Ticketer::new().unwrap(), seconds));
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let resumed = Resumed::default();
        let counts = Arc::clone(&resumed);
        let bytes = Arc::<AtomicU64>::default();
        let received = Arc::clone(&bytes);
        std::thread::spawn(move || {
            for (number, io) in listener.incoming().map_while(Result::ok).enumerate() {
                let mut config = config.clone();
                if tickets == Tickets::Forgotten {
                    config.ticketer = Ticketer::new().unwrap();
                }
                let counts = Arc::clone(&counts);
                let received = Arc::clone(&received);
                let mut conn = ServerConnection::new(Arc::new(config)).unwrap();
                if tickets == Tickets::AllEarlyRejected || (early && number % 2 == 0) {
                    conn.reject_early_data();
                }
                std::thread::spawn(move || serve(io, conn, &counts, &received));
            }
        });
        Self {
            port,
            resumed,
            bytes,
        }
    }

    /// Bytes that clients have sent, each as often as it came; early data that was rejected did not.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sessions that were resumed with tickets of this client.
    pub fn resumed_by(&self, client: &CertificateDer<'_>) -> u64 {
        let counts = self.resumed.lock().unwrap();
        counts.get(client.as_ref()).copied().unwrap_or(0)
    }
}

/// Echoes until the client closes.
fn serve(mut io: TcpStream, mut conn: ServerConnection, resumed: &Resumed, bytes: &AtomicU64) {
    io.set_nodelay(true).unwrap();
    while conn.is_handshaking() {
        if conn.complete_io(&mut io).is_err() {
            return;
        }
    }
    if conn.handshake_kind() == Some(HandshakeKind::Resumed) {
        let client = conn.peer_certificates().unwrap()[0].to_vec();
        *resumed.lock().unwrap().entry(client).or_default() += 1;
    }
    let mut data = [0; 1024];
    let early = conn
        .early_data()
        .map_or(0, |mut e| e.read(&mut data).unwrap());
    bytes.fetch_add(early as u64, Ordering::SeqCst);
    conn.writer().write_all(&data[..early]).unwrap();
    while let Ok(read @ 1..) = Stream::new(&mut conn, &mut io).read(&mut data) {
        bytes.fetch_add(read as u64, Ordering::SeqCst);
        let sent = Stream::new(&mut conn, &mut io).write_all(&data[..read]);
        if sent.is_err() {
            return;
        }
    }
    conn.send_close_notify();
    let _ = conn.complete_io(&mut io);
}

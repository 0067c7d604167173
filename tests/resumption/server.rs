//! An echo server that knows whose sessions it resumed, and forgets or ages its tickets when told to.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::pki_types::CertificateDer;
use rustls::server::{ProducesTickets, WebPkiClientVerifier};
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
            .with_single_cert(identity.chain.clone(), identity.key.clone_key())
            .unwrap();
        config.ticketer = Ticketer::new().unwrap();
        if let Tickets::Lifetime(seconds) = tickets {
            config.ticketer = Arc::new(Aged(Ticketer::new().unwrap(), seconds));
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let resumed = Resumed::default();
        let counts = Arc::clone(&resumed);
        std::thread::spawn(move || {
            for io in listener.incoming().map_while(Result::ok) {
                let mut config = config.clone();
                if tickets == Tickets::Forgotten {
                    config.ticketer = Ticketer::new().unwrap();
                }
                let counts = Arc::clone(&counts);
                std::thread::spawn(move || serve(io, config, &counts));
            }
        });
        Self { port, resumed }
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
fn serve(mut io: TcpStream, config: ServerConfig, resumed: &Resumed) {
    io.set_nodelay(true).unwrap();
    let mut conn = ServerConnection::new(Arc::new(config)).unwrap();
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
    while let Ok(read @ 1..) = Stream::new(&mut conn, &mut io).read(&mut data) {
        let sent = Stream::new(&mut conn, &mut io).write_all(&data[..read]);
        if sent.is_err() {
            return;
        }
    }
    conn.send_close_notify();
    let _ = conn.complete_io(&mut io);
}

//! The hostile server: one listener per case, a thread per connection, and counts of how often the
//! fault was really committed.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    SanType,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use shakedown::pki::Pki;

use super::acts;
use super::behaviour::{Behaviour, Case};
use super::peer::{config, early_config};
use crate::common::pki_in;

/// No connection is served longer than this.
pub const PATIENCE: Duration = Duration::from_secs(8);
/// No flood sends more than this; whoever takes it all has no cap.
const FLOOD_END: u64 = 256 << 20;

/// Certificates, good and bad.
pub struct Kit {
    pub dir: tempfile::TempDir,
    pub pki: Pki,
    evil_chain: Vec<CertificateDer<'static>>,
    evil_key: PrivateKeyDer<'static>,
}

/// What must not reach a terminal as it is, in every kind.
pub const EVIL: &str =
    "\u{1b}[2J\u{7}\u{8}\r\n\u{7f}\u{85}\u{9b}31m\u{202e}\u{2066}\u{200b}\u{feff}evil";

impl Kit {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pki = pki_in(dir.path());
        let mut params = CertificateParams::default();
        params.distinguished_name = evil_name("root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.distinguished_name = evil_name("leaf");
        for name in ["a\u{1b}[31mb.example", "c\u{7f}\r\nd.example"] {
            let name = name.try_into().unwrap();
            params.subject_alt_names.push(SanType::URI(name));
        }
        let mail = "\u{1b}]0;owned\u{7}@example".try_into().unwrap();
        params.subject_alt_names.push(SanType::Rfc822Name(mail));
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &issuer).unwrap();
        let evil = dir.path().join("evil");
        std::fs::create_dir(&evil).unwrap();
        std::fs::write(evil.join("ca.pem"), issuer.pem()).unwrap();
        Self {
            evil_chain: vec![leaf.der().clone()],
            evil_key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            pki,
            dir,
        }
    }

    /// The folder with the CA that a case's client trusts.
    pub fn trust(&self, behaviour: Behaviour) -> std::path::PathBuf {
        let dir: &Path = self.dir.path();
        match behaviour {
            Behaviour::EvilNames => dir.join("evil"),
            _ => dir.to_owned(),
        }
    }

    fn config(&self, case: &Case) -> Arc<ServerConfig> {
        let server = self.pki.server();
        let mut chain = server.chain.clone();
        let mut key = server.key.der().unwrap();
        match case.behaviour {
            Behaviour::LongChain => {
                let more = CertificateDer::from(vec![0x30; 3_400]);
                chain.extend(std::iter::repeat_n(more, 60));
            }
            Behaviour::GarbageCertificate => chain = vec![CertificateDer::from(vec![0xa5; 700])],
            Behaviour::EvilNames => (chain, key) = (self.evil_chain.clone(), &self.evil_key),
            _ => {}
        }
        match case.behaviour {
            // rustls sends nothing ahead to a client that it asks for a certificate.
            Behaviour::EarlyAnswer(_) | Behaviour::EarlyAnswerAndEof => early_config(chain, key),
            _ => config(chain, key, &self.pki.roots()[0], case.version),
        }
    }
}

fn evil_name(who: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, format!("{who}{EVIL}"));
    name.push(DnType::OrganizationName, EVIL.repeat(100));
    name
}

/// What the server has done.
#[derive(Debug, Default)]
pub struct Witness {
    connections: AtomicU64,
    ended: AtomicU64,
    fired: AtomicU64,
    most_sent: AtomicU64,
    stop: AtomicBool,
}

impl Witness {
    /// Counts one session as having met the fault.
    pub fn fire(&self) {
        self.fired.fetch_add(1, Ordering::SeqCst);
    }

    pub fn fired(&self) -> u64 {
        self.fired.load(Ordering::SeqCst)
    }

    /// The connections so far, once there are as many as `expected` and all have ended.
    pub fn connections(&self, expected: u64) -> u64 {
        let deadline = Instant::now() + PATIENCE * 2;
        loop {
            let connections = self.connections.load(Ordering::SeqCst);
            let settled =
                connections >= expected && self.ended.load(Ordering::SeqCst) == connections;
            if settled || Instant::now() > deadline {
                return connections;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Most bytes that one flood got rid of.
    pub fn most_sent(&self) -> u64 {
        self.most_sent.load(Ordering::SeqCst)
    }

    /// Sends what `next` gives until the client has had enough.
    pub fn flood(&self, tcp: &mut TcpStream, mut next: impl FnMut() -> Vec<u8>) -> io::Result<()> {
        let began = Instant::now();
        let mut sent = 0;
        self.fire();
        while sent < FLOOD_END && began.elapsed() < PATIENCE {
            let part = next();
            let written = tcp.write_all(&part);
            if written.is_ok() {
                sent += part.len() as u64;
                self.most_sent.fetch_max(sent, Ordering::SeqCst);
            }
            written?;
        }
        Ok(())
    }

    /// Sends bytes one by one until the client has had enough.
    pub fn drip(&self, tcp: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        self.fire();
        for byte in bytes {
            tcp.write_all(std::slice::from_ref(byte))?;
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

/// A running server; it accepts nothing any more once dropped.
pub struct Server {
    pub port: u16,
    pub witness: Arc<Witness>,
}

impl Server {
    pub fn start(case: Case, kit: &Kit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let witness = Arc::new(Witness::default());
        let config = kit.config(&case);
        let shared = Arc::clone(&witness);
        thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                if shared.stop.load(Ordering::SeqCst) {
                    return;
                }
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (witness, config) = (Arc::clone(&shared), Arc::clone(&config));
                thread::spawn(move || {
                    tcp.set_nodelay(true).unwrap();
                    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
                    tcp.set_write_timeout(Some(PATIENCE)).unwrap();
                    // That the client hangs up is what most behaviours are made for.
                    let _ = acts::act(&case, tcp, &config, &witness);
                    witness.ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { port, witness }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.witness.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

//! A client and a server of OpenSSL joined in memory, with the same certificates, version, suite, group, verification
//! and tickets as the pair of rustls.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openssl::pkey::PKey;
use openssl::ssl::{
    ErrorCode, ShutdownState, Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions,
    SslSession, SslSessionCacheMode, SslStream, SslVerifyMode, SslVersion,
};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use shakedown::clock::thread_cpu;
use shakedown::pki::{Identity, KeyAlgorithm, Pki};
use shakedown::scenario::TlsVersion;

use crate::support::pair::{Case, Times};
use crate::support::stack::Stack;

/// Both ends of sessions in memory, through OpenSSL.
pub struct OpensslPair {
    client: SslContext,
    server: SslContext,
    case: Case,
    /// The client's last ticket or session.
    session: Arc<Mutex<Option<SslSession>>>,
}

impl OpensslPair {
    /// Ends that make handshakes of one kind.
    pub fn new(pki: &Pki, case: Case) -> Self {
        let session = Arc::new(Mutex::new(None));
        let mut client = context(pki, case, case.mutual.then(|| &pki.clients()[0]));
        client.set_verify(SslVerifyMode::PEER);
        client.set_session_cache_mode(
            SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL_STORE,
        );
        let kept = Arc::clone(&session);
        client.set_new_session_callback(move |_, given| *kept.lock().unwrap() = Some(given));
        let mut server = context(pki, case, Some(pki.server()));
        if case.mutual {
            server.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        }
        server.set_session_id_context(b"bench").unwrap();
        // As many stateless tickets as the server of rustls sends.
        server.set_session_cache_mode(SslSessionCacheMode::OFF);
        server
            .set_num_tickets(if case.resumed { 2 } else { 0 })
            .unwrap();
        if !case.resumed {
            server.set_options(SslOptions::NO_TICKET);
        }
        Self {
            client: client.build(),
            server: server.build(),
            case,
            session,
        }
    }

    /// Makes a session, and checks it on both ends.
    fn session(&self, resumed: bool) -> Times {
        let (to_server, to_client) = (Pipe::default(), Pipe::default());
        let mut times = Times::default();
        let mut client = timed(&mut times.client, || {
            let mut ssl = Ssl::new(&self.client).unwrap();
            ssl.set_hostname("localhost").unwrap();
            ssl.param_mut().set_host("localhost").unwrap();
            if resumed {
                // In TLS 1.2 OpenSSL does not replace a valid ticket.
                let session = self.session.lock().unwrap().clone().unwrap();
                resume(&mut ssl, &session);
            }
            let io = Joint {
                input: to_client.clone(),
                output: to_server.clone(),
            };
            SslStream::new(ssl, io).unwrap()
        });
        let mut server = timed(&mut times.server, || {
            let io = Joint {
                input: to_server,
                output: to_client,
            };
            SslStream::new(Ssl::new(&self.server).unwrap(), io).unwrap()
        });
        let (mut connected, mut accepted) = (false, false);
        while !connected || !accepted {
            connected = connected || timed(&mut times.client, || done(client.connect()));
            accepted = accepted || timed(&mut times.server, || done(server.accept()));
        }
        // Tickets of TLS 1.3 come after the handshake.
        timed(&mut times.client, || {
            assert!(!done(client.ssl_read(&mut [0]).map(drop)));
        });
        for ssl in [client.ssl(), server.ssl()] {
            assert_eq!(ssl.session_reused(), resumed);
            assert_eq!(ssl.version2(), Some(version(self.case.version)));
            let suite = ssl.current_cipher().unwrap().standard_name().unwrap();
            assert_eq!(suite, self.case.suite());
        }
        // A session that was not closed is not resumed.
        for stream in [&mut client, &mut server] {
            stream.set_shutdown(ShutdownState::SENT | ShutdownState::RECEIVED);
        }
        let presented = server.ssl().peer_certificate().is_some();
        assert_eq!(presented, self.case.mutual);
        assert_eq!(self.session.lock().unwrap().is_some(), self.case.resumed);
        times
    }
}

impl Stack for OpensslPair {
    fn prime(&self) {
        if self.case.resumed {
            self.session(false);
        }
    }

    fn handshake(&self) -> Times {
        self.session(self.case.resumed)
    }
}

/// What both ends have in common.
fn context(pki: &Pki, case: Case, identity: Option<&Identity>) -> SslContextBuilder {
    let mut context = SslContext::builder(SslMethod::tls()).unwrap();
    let version = version(case.version);
    context.set_min_proto_version(Some(version)).unwrap();
    context.set_max_proto_version(Some(version)).unwrap();
    match (case.version, case.key) {
        (TlsVersion::Tls13, _) => context.set_ciphersuites(case.suite()).unwrap(),
        (TlsVersion::Tls12, KeyAlgorithm::Rsa2048) => {
            context
                .set_cipher_list("ECDHE-RSA-AES128-GCM-SHA256")
                .unwrap();
        }
        (TlsVersion::Tls12, _) => {
            context
                .set_cipher_list("ECDHE-ECDSA-AES128-GCM-SHA256")
                .unwrap();
        }
    }
    // The second is for the certificates of TLS 1.2; the first is used.
    context.set_groups_list("X25519:P-256").unwrap();
    let scheme = match case.key {
        KeyAlgorithm::Rsa2048 => "rsa_pss_rsae_sha256:rsa_pkcs1_sha256",
        _ => "ecdsa_secp256r1_sha256",
    };
    context.set_sigalgs_list(scheme).unwrap();
    let mut roots = X509StoreBuilder::new().unwrap();
    for root in pki.roots() {
        roots.add_cert(X509::from_der(root).unwrap()).unwrap();
    }
    context.set_cert_store(roots.build());
    if let Some(identity) = identity {
        let mut chain = identity
            .chain
            .iter()
            .map(|der| X509::from_der(der).unwrap());
        context.set_certificate(&chain.next().unwrap()).unwrap();
        for issuer in chain {
            context.add_extra_chain_cert(issuer).unwrap();
        }
        let key = PKey::private_key_from_der(identity.key.der().unwrap().secret_der()).unwrap();
        context.set_private_key(&key).unwrap();
    }
    context
}

fn version(version: TlsVersion) -> SslVersion {
    match version {
        TlsVersion::Tls12 => SslVersion::TLS1_2,
        TlsVersion::Tls13 => SslVersion::TLS1_3,
    }
}

#[expect(
    unsafe_code,
    reason = "OpenSSL has no other call to resume; the session is of the context that `ssl` is of"
)]
fn resume(ssl: &mut Ssl, session: &SslSession) {
    // SAFETY: each pair offers a session only to the client context that received it.
    unsafe { ssl.set_session(session) }.unwrap();
}

/// Whether a step completed; `false` if it waits for the other end.
fn done(result: Result<(), openssl::ssl::Error>) -> bool {
    match result {
        Ok(()) => true,
        Err(error) if error.code() == ErrorCode::WANT_READ => false,
        Err(error) => panic!("{error}"),
    }
}

fn timed<T>(used: &mut Duration, work: impl FnOnce() -> T) -> T {
    let before = thread_cpu();
    let result = work();
    *used += thread_cpu().saturating_sub(before);
    result
}

type Pipe = Rc<RefCell<VecDeque<u8>>>;

/// One end's view of two pipes, in place of a socket.
struct Joint {
    input: Pipe,
    output: Pipe,
}

impl Read for Joint {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.input.borrow_mut().read(buf)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

impl Write for Joint {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.output.borrow_mut().write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

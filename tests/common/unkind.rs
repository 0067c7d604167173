//! Servers on loopback that do not do what a server should, each connection on a thread of its own.
//! Threads and connections last until the test process ends.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::{ServerConnection, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use socket2::{Domain, SockRef, Socket, Type};

/// Longer than any test.
const FOREVER: Duration = Duration::from_secs(600);

/// How far a connection comes before it is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    Accepted,
    Hello,
    Handshake,
    Request,
}

/// What a server does after an orderly handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing, ever.
    Silence,
    /// Answers so many echo requests, and then nothing.
    Echoes(usize),
}

/// A listener with room for `backlog` connections that nobody has accepted.
pub fn listener(backlog: i32) -> (TcpListener, u16) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&any.into()).unwrap();
    socket.listen(backlog).unwrap();
    let listener = TcpListener::from(socket);
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Accepts whatever comes, keeps it, and neither reads nor writes.
pub fn silent() -> u16 {
    let (listener, port) = listener(4_096);
    std::thread::spawn(move || {
        let kept: Vec<TcpStream> = listener.incoming().flatten().collect();
        drop(kept);
    });
    port
}

/// Never accepts, and has no room left for connections that wait for it.
pub fn full() -> u16 {
    let (listener, port) = listener(1);
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&addr, Duration::from_millis(100)) {
        waiting.push(stream);
        assert!(waiting.len() < 100, "the queue is never full");
    }
    std::thread::spawn(move || {
        std::thread::sleep(FOREVER);
        drop((listener, waiting));
    });
    port
}

/// Answers a `ClientHello` with a handshake record at one byte a second.
pub fn trickling() -> u16 {
    each(|mut stream| {
        let _ = stream.read(&mut [0; 4_096]);
        // The head of a TLS record with a ServerHello of 16 KiB (RFC 8446 section 5.1).
        for byte in [22, 3, 3, 0x40, 0, 2]
            .into_iter()
            .chain(std::iter::repeat(0))
        {
            if stream.write_all(&[byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    })
}

/// Resets every connection once it has come so far.
pub fn resetting(pki: &Path, until: Until) -> u16 {
    let config = config(pki, pki);
    each(move |mut stream| {
        let _ = match until {
            Until::Accepted => Ok(()),
            Until::Hello => stream.read(&mut [0; 16]).map(|_| ()),
            Until::Handshake => handshake(&config, &mut stream).map(|_| ()),
            Until::Request => handshake(&config, &mut stream)
                .and_then(|mut conn| request(&mut conn, &mut stream).map(|_| ())),
        };
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    })
}

/// Does an orderly handshake, and then less than it should. It never closes.
pub fn lapsing(pki: &Path, then: Then) -> u16 {
    let config = config(pki, pki);
    each(move |mut stream| {
        let served = handshake(&config, &mut stream).and_then(|mut conn| {
            let Then::Echoes(count) = then else {
                return Ok(());
            };
            for _ in 0..count {
                let payload = request(&mut conn, &mut stream)?;
                conn.writer().write_all(&payload)?;
                flush(&mut conn, &mut stream)?;
            }
            Ok(())
        });
        if served.is_ok() {
            std::thread::sleep(FOREVER);
        }
    })
}

/// Rejects clients whose certificates are not of `clients`, with an alert that it holds back for
/// `delay`, as s2n does on purpose.
pub fn slow_to_reject(pki: &Path, clients: &Path, delay: Duration) -> u16 {
    let config = config(pki, clients);
    each(move |mut stream| {
        let mut conn = ServerConnection::new(Arc::clone(&config)).unwrap();
        if drive(&mut conn, &mut stream).is_err() {
            std::thread::sleep(delay);
            let _ = flush(&mut conn, &mut stream);
            // The alert is to arrive before the connection goes.
            let _ = stream.shutdown(std::net::Shutdown::Write);
            while stream.read(&mut [0; 1_024]).is_ok_and(|n| n > 0) {}
        }
    })
}

fn each(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let (listener, port) = listener(128);
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(stream));
        }
    });
    port
}

/// A server with the certificate in `pki` that demands one of the authority in `clients`.
fn config(pki: &Path, clients: &Path) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(pki.join("server.pem"))
        .unwrap()
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_file(pki.join("server.key")).unwrap();
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(clients.join("ca.pem")).unwrap() {
        roots.add(root.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

fn handshake(config: &Arc<ServerConfig>, stream: &mut TcpStream) -> io::Result<ServerConnection> {
    let mut conn = ServerConnection::new(Arc::clone(config)).unwrap();
    drive(&mut conn, stream)?;
    Ok(conn)
}

fn drive(conn: &mut ServerConnection, stream: &mut TcpStream) -> io::Result<()> {
    while conn.is_handshaking() {
        flush(conn, stream)?;
        receive(conn, stream)?;
    }
    flush(conn, stream)
}

/// The next application data.
fn request(conn: &mut ServerConnection, stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut data = vec![0; 16_384];
    loop {
        match conn.reader().read(&mut data) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                data.truncate(n);
                return Ok(data);
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => receive(conn, stream)?,
            Err(e) => return Err(e),
        }
    }
}

fn receive(conn: &mut ServerConnection, stream: &mut TcpStream) -> io::Result<()> {
    if conn.read_tls(stream)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    conn.process_new_packets().map_err(io::Error::other)?;
    Ok(())
}

fn flush(conn: &mut ServerConnection, stream: &mut TcpStream) -> io::Result<()> {
    while conn.wants_write() {
        conn.write_tls(stream)?;
    }
    Ok(())
}

//! A server that sends its fatal alert and resets the connection, so that our next write fails while
//! the alert is still unread. The moment is exact: the client goes on only when the reset has come.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::ServerConnection;
use shakedown::pki::{KeyAlgorithm, Pki, PkiSpec};
use shakedown::protocol::{ProtocolError, Who};
use shakedown::scenario::{ProviderName, Scenario, TlsVersion, Verify};
use shakedown::stats::{FailureClass, Stage};
use shakedown::tls::{
    ClientTls, ClientTlsSpec, Failure, SessionStream, TlsStream, explain, failure,
};
use tokio::io::AsyncWriteExt;

use super::peer::{Peer, config, reset};

/// What the client reads at a time: rustls's own step.
const READ: usize = 4_096;
/// How long the client looks for the alert.
const LIMIT: Duration = Duration::from_secs(5);

/// When the alert comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before our last flight of the handshake.
    Handshake,
    /// Before our first request.
    Confirm,
    /// Before our second request.
    Exchange,
}

impl Moment {
    pub const ALL: [Self; 3] = [Self::Handshake, Self::Confirm, Self::Exchange];
}

/// Both ends' configurations for one version.
pub struct Ends {
    client: ClientTls,
    server: Arc<ServerConfig>,
}

impl Ends {
    /// Pads the server's flight with a certificate so that one read of ours ends with it, and what
    /// follows is for the next. Ed25519 signatures have one length, so that it fits every time.
    pub fn new(version: TlsVersion) -> Self {
        let pki = Pki::mint(&PkiSpec {
            server_key: KeyAlgorithm::Ed25519,
            ..PkiSpec::default()
        })
        .unwrap();
        let client = ClientTls::new(&ClientTlsSpec {
            provider: ProviderName::default(),
            versions: &[version],
            groups: &[],
            suites: &[],
            alpn: &[],
            server_name: "localhost",
            expected_names: &[],
            // The padding is no certificate, so the chain is left alone.
            roots: None,
            crls: &[],
            verify: Verify::default(),
            identity: pki.clients().first(),
            resumption: None,
        })
        .unwrap();
        let server = |padding: usize| {
            let mut chain = pki.server().chain.clone();
            chain.push(CertificateDer::from(vec![0; padding]));
            config(
                chain,
                pki.server().key.der().unwrap(),
                &pki.roots()[0],
                version,
            )
        };
        let unpadded = 100;
        let short = flight(&client, &server(unpadded));
        let server = server(unpadded + READ - short);
        assert_eq!(flight(&client, &server), READ);
        Self { client, server }
    }
}

/// Length of the server's first flight.
fn flight(client: &ClientTls, server: &Arc<ServerConfig>) -> usize {
    let mut hello = Vec::new();
    client
        .connection(false)
        .unwrap()
        .write_tls(&mut hello)
        .unwrap();
    let mut conn = ServerConnection::new(Arc::clone(server)).unwrap();
    conn.read_tls(&mut hello.as_slice()).unwrap();
    conn.process_new_packets().unwrap();
    let mut flight = Vec::new();
    while conn.wants_write() {
        conn.write_tls(&mut flight).unwrap();
    }
    flight.len()
}

/// What became of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// A write of ours failed.
    pub write_failed: bool,
    /// The alert was found all the same.
    pub recovered: bool,
}

/// Lets one session meet an alert with a reset behind it.
pub fn session(moment: Moment, ends: &Ends) -> Seen {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (go, may_go) = channel();
    let (done, is_done) = channel();
    let config = Arc::clone(&ends.server);
    let server = thread::spawn(move || {
        let (tcp, _) = listener.accept()?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(LIMIT))?;
        reject(moment, Peer::new(tcp, &config), &may_go, &done)
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let seen = runtime.block_on(client(moment, ends, addr, &go, &is_done));
    server.join().unwrap().unwrap();
    seen
}

/// The server's part: up to the moment all is well, then the alert and the reset.
fn reject(
    moment: Moment,
    mut peer: Peer,
    may_go: &Receiver<()>,
    done: &Sender<()>,
) -> io::Result<()> {
    if moment == Moment::Handshake {
        let hello = all_but_consumed(&mut peer.tcp)?;
        peer.feed(&hello)?;
        let mut flight = peer.outgoing();
        flight.extend(peer.provoked_alert());
        peer.tcp.write_all(&flight)?;
        // With one byte unread, closing resets.
        drop(peer);
    } else {
        peer.complete()?;
        if moment == Moment::Exchange {
            let request = peer.request(|data| data.len() == 64)?;
            peer.answer(&request)?;
        }
        // The client has taken in everything before the alert.
        may_go.recv().unwrap();
        let alert = peer.provoked_alert();
        peer.tcp.write_all(&alert)?;
        reset(peer.tcp);
    }
    done.send(()).unwrap();
    Ok(())
}

/// Reads one record but leaves its last byte in the kernel.
fn all_but_consumed(tcp: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut record = vec![0; 5];
    tcp.read_exact(&mut record)?;
    let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
    record.resize(5 + length, 0);
    let last = record.len() - 1;
    tcp.read_exact(&mut record[5..last])?;
    tcp.peek(&mut record[last..])?;
    Ok(record)
}

/// Our part, as a session under load does it.
async fn client(
    moment: Moment,
    ends: &Ends,
    addr: std::net::SocketAddr,
    go: &Sender<()>,
    is_done: &Receiver<()>,
) -> Seen {
    let tcp = tokio::net::TcpStream::connect(addr).await.unwrap();
    let mut stream = TlsStream::resuming(tcp, &ends.client, false, None).unwrap();
    stream.flush().await.unwrap();
    let hello = stream.bytes().sent;
    if moment == Moment::Handshake {
        is_done.recv_timeout(LIMIT).unwrap();
        let fault = stream.handshake().await.unwrap_err();
        return Seen {
            // Nothing of our last flight was taken.
            write_failed: stream.bytes().sent == hello,
            recovered: is_alert(&failure(&fault, Stage::Handshake)),
        };
    }
    stream.handshake().await.unwrap();
    // What the built-in scenario speaks: an echo of 64 bytes.
    let echo = Scenario::default().check("", "").unwrap().protocol;
    let mut conversation = echo.conversation(Who::default()).unwrap();
    if moment == Moment::Exchange {
        conversation.exchange(&mut stream).await.unwrap();
    }
    go.send(()).unwrap();
    is_done.recv_timeout(LIMIT).unwrap();
    let sent = stream.bytes().sent;
    let failed = conversation.exchange(&mut stream).await;
    let write_failed = stream.bytes().sent == sent;
    let Err(ProtocolError::Io(error)) = failed else {
        panic!("{failed:?}");
    };
    let stage = match moment {
        Moment::Confirm => Stage::Confirm,
        _ => Stage::FirstByte,
    };
    let found = explain(&mut stream, error, stage, LIMIT).await;
    Seen {
        write_failed,
        recovered: is_alert(&found),
    }
}

fn is_alert((class, _): &Failure) -> bool {
    matches!(class, FailureClass::Alert(_))
}

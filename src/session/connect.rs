//! Connecting: a socket with its options set before the handshake, then TLS.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, Type};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep, timeout_at};

use crate::crypto::{Ledger, attributed};
use crate::protocol::ProtocolPlan;
use crate::stats::{Stage, Work};
use crate::tls::{
    ClientStream, ClientTls, Failure, Socket, TlsStream, connect_failure, failure, timed_out,
};

/// How long to wait before a Unix socket with a full backlog is asked again: it has no notice of room.
const AGAIN: Duration = Duration::from_millis(1);

/// Where sessions connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(Arc<Path>),
}

impl Endpoint {
    /// Its IP address and port, if it has them.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A connection that was begun.
#[derive(Debug)]
pub(crate) enum Opened {
    /// Over TCP; it may still fail.
    Tcp(io::Result<TcpStream>),
    /// To a Unix socket, which takes it at once or has no room yet.
    Unix(io::Result<UnixStream>, Arc<Path>),
}

/// Begins a connection, of a given source if it is over TCP.
pub(crate) fn open(to: &Endpoint, source: Option<IpAddr>) -> Opened {
    match to {
        Endpoint::Tcp(address) => Opened::Tcp(open_tcp(*address, source)),
        Endpoint::Unix(path) => Opened::Unix(open_unix(path), Arc::clone(path)),
    }
}

fn open_unix(path: &Path) -> io::Result<UnixStream> {
    let socket = socket(Domain::UNIX, None)?;
    socket.connect(&SockAddr::unix(path)?)?;
    UnixStream::from_std(socket.into())
}

/// Begins a connection that does not delay small segments: a ticket ahead of the first response
/// would otherwise cost 40 ms.
///
/// Fails if the system gives no socket or refuses the address.
fn open_tcp(address: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = socket(Domain::for_address(address), Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    if let Some(source) = source {
        bind(&socket, source, address)?;
    }
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => Err(error),
        _ => TcpStream::from_std(socket.into()),
    }
}

/// Whether connections to an address can be made from another: both are of a family, and this host has the latter.
///
/// # Errors
///
/// Fails with what the system says.
pub(crate) fn try_source(source: IpAddr, to: SocketAddr) -> io::Result<()> {
    bind(
        &socket(Domain::for_address(to), Some(Protocol::TCP))?,
        source,
        to,
    )
}

/// Makes a socket one of a local address. A link-local one is of the link that its peer is on.
fn bind(socket: &socket2::Socket, source: IpAddr, to: SocketAddr) -> io::Result<()> {
    defer_port_choice(socket)?;
    let local = match (source, to) {
        (IpAddr::V6(source), SocketAddr::V6(to)) => {
            SocketAddrV6::new(source, 0, 0, to.scope_id()).into()
        }
        _ => SocketAddr::from((source, 0)),
    };
    socket.bind(&local.into())
}

/// Completes what [`open`] began, within `limit` of its beginning.
///
/// Fails as [`open`] did, or with what the network answered.
pub(crate) async fn connect(
    opened: Opened,
    began: Instant,
    limit: Duration,
    ledger: &mut Option<Box<Ledger>>,
) -> Result<Socket, Failure> {
    let mut connecting = pin!(async {
        match opened {
            Opened::Tcp(opened) => established(opened?).await.map(Socket::Tcp),
            Opened::Unix(opened, path) => admitted(opened, &path).await.map(Socket::Unix),
        }
    });
    let connected = poll_fn(|cx| attributed(ledger, Work::Socket, || connecting.as_mut().poll(cx)));
    match timeout_at((began + limit).into(), connected).await {
        Ok(Ok(io)) => Ok(io),
        Ok(Err(error)) => Err(connect_failure(&error)),
        Err(_) => Err(timed_out(Stage::Connect, limit)),
    }
}

/// Begins TLS on a connection whose way in was walked, with the first request as early data where the configuration
/// allows it.
///
/// The stream is on the heap, since a future keeps room for every place that a value is moved through, and thousands
/// of sessions may be held at once.
///
/// # Errors
///
/// Fails if rustls cannot begin a handshake with this configuration.
pub fn begin_tls(
    io: impl Into<Socket>,
    tls: &ClientTls,
    resume: bool,
    protocol: &ProtocolPlan,
    ledger: Option<Box<Ledger>>,
) -> Result<Box<ClientStream>, Failure> {
    let begun = TlsStream::resuming(io, tls, resume, ledger);
    let mut stream = begun.map_err(|fault| failure(&fault, Stage::Handshake))?;
    if resume && tls.sends_early_data() {
        stream.send_early(&protocol.opening());
    }
    if protocol.server_may_speak_first() {
        stream.let_server_speak_first();
    }
    Ok(Box::new(stream))
}

async fn established(stream: TcpStream) -> io::Result<TcpStream> {
    let ready = stream.ready(Interest::WRITABLE | Interest::ERROR).await?;
    // epoll says that there is an error, which saves asking for it after every success.
    if (ready.is_error() || cfg!(not(target_os = "linux")))
        && let Some(error) = stream.take_error()?
    {
        return Err(error);
    }
    Ok(stream)
}

/// Waits for room in the backlog of a Unix socket, which says at once that it has none.
async fn admitted(mut opened: io::Result<UnixStream>, path: &Path) -> io::Result<UnixStream> {
    loop {
        match opened {
            Err(full) if full.kind() == io::ErrorKind::WouldBlock => sleep(AGAIN).await,
            opened => return opened,
        }
        opened = open_unix(path);
    }
}

/// A socket that does not block.
fn socket(domain: Domain, protocol: Option<Protocol>) -> io::Result<socket2::Socket> {
    #[cfg(target_os = "linux")]
    let socket = socket2::Socket::new(domain, Type::STREAM.nonblocking(), protocol)?;
    #[cfg(not(target_os = "linux"))]
    let socket = {
        let socket = socket2::Socket::new(domain, Type::STREAM, protocol)?;
        socket.set_nonblocking(true)?;
        socket
    };
    Ok(socket)
}

/// Lets the kernel choose the port at connect time, when it knows the destination and may reuse a
/// port that is taken towards another one (`IP_BIND_ADDRESS_NO_PORT`, ip(7)).
#[cfg(target_os = "linux")]
fn defer_port_choice(socket: &socket2::Socket) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
    setsockopt(socket, IpBindAddressNoPort, &true).map_err(io::Error::from)
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
fn defer_port_choice(_socket: &socket2::Socket) -> io::Result<()> {
    Ok(())
}

//! Connecting: TCP with its options set before the handshake, then TLS.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use crate::crypto::{Ledger, attributed};
use crate::protocol::ProtocolPlan;
use crate::stats::{Stage, Work};
use crate::tls::{
    ClientStream, ClientTls, Failure, TlsStream, connect_failure, failure, timed_out,
};

/// Begins a connection that does not delay small segments: a ticket ahead of the first response
/// would otherwise cost 40 ms.
///
/// Fails if the system gives no socket or refuses the address.
pub(crate) fn open(address: SocketAddr, source: Option<Ipv4Addr>) -> io::Result<TcpStream> {
    let socket = socket(Domain::for_address(address))?;
    socket.set_tcp_nodelay(true)?;
    if let Some(source) = source {
        defer_port_choice(&socket)?;
        socket.bind(&SocketAddr::from((source, 0)).into())?;
    }
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => Err(error),
        _ => TcpStream::from_std(socket.into()),
    }
}

/// Completes what [`open`] began, within `limit` of its beginning.
///
/// Fails as [`open`] did, or with what the network answered.
pub(crate) async fn connect(
    opened: io::Result<TcpStream>,
    began: Instant,
    limit: Duration,
    ledger: &mut Option<Box<Ledger>>,
) -> Result<TcpStream, Failure> {
    let mut connecting = pin!(async { established(opened?).await });
    let connected = poll_fn(|cx| attributed(ledger, Work::Socket, || connecting.as_mut().poll(cx)));
    match timeout_at((began + limit).into(), connected).await {
        Ok(Ok(io)) => Ok(io),
        Ok(Err(error)) => Err(connect_failure(&error)),
        Err(_) => Err(timed_out(Stage::Connect, limit)),
    }
}

/// Begins TLS on a connection from [`connect`], with the first request as early data where the configuration
/// allows it. A way in (STARTTLS, a proxy) belongs between the two.
///
/// The stream is on the heap, since a future keeps room for every place that a value is moved through, and thousands
/// of sessions may be held at once.
///
/// # Errors
///
/// Fails if rustls cannot begin a handshake with this configuration.
pub fn begin_tls(
    io: TcpStream,
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

/// A socket that does not block.
fn socket(domain: Domain) -> io::Result<Socket> {
    #[cfg(target_os = "linux")]
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    #[cfg(not(target_os = "linux"))]
    let socket = {
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket
    };
    Ok(socket)
}

/// Lets the kernel choose the port at connect time, when it knows the destination and may reuse a
/// port that is taken towards another one (`IP_BIND_ADDRESS_NO_PORT`, ip(7)).
#[cfg(target_os = "linux")]
fn defer_port_choice(socket: &Socket) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
    setsockopt(socket, IpBindAddressNoPort, &true).map_err(io::Error::from)
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
fn defer_port_choice(_socket: &Socket) -> io::Result<()> {
    Ok(())
}

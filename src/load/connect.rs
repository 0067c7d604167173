//! Opening TCP connections: options set before the handshake, source addresses in turn.

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::recorder::Attempt;

/// The addresses of a cell, which the sessions of a worker take in turns.
#[derive(Debug)]
pub(super) struct Addresses {
    all: Vec<SocketAddr>,
    next: Cell<usize>,
}

impl Addresses {
    /// They begin with another than the neighbour's. There is at least one.
    pub fn new(all: &[SocketAddr], worker: usize) -> Self {
        Self {
            all: all.to_vec(),
            next: Cell::new(worker),
        }
    }

    /// Gives an attempt the address whose turn it is, where there are several.
    pub fn deal(&self, attempt: &mut Attempt) {
        if self.all.len() > 1 {
            let index = self.next.get();
            self.next.set(index.wrapping_add(1));
            attempt.head_for(index % self.all.len());
        }
    }

    /// The address of an attempt.
    pub fn of(&self, attempt: &Attempt) -> SocketAddr {
        self.all[attempt.address()]
    }
}

/// Opens one worker's connections.
#[derive(Debug)]
pub(super) struct Connector {
    sources: Vec<Ipv4Addr>,
    next: Cell<usize>,
}

impl Connector {
    /// A connector that begins with another source than its neighbours.
    pub fn new(sources: &[Ipv4Addr], worker: usize) -> Self {
        Self {
            sources: sources.to_vec(),
            next: Cell::new(worker),
        }
    }

    /// Begins a connection that does not delay small segments: a ticket ahead of the first response
    /// would otherwise cost 40 ms. It is [`established`] later.
    pub fn open(&self, addr: SocketAddr) -> io::Result<TcpStream> {
        let socket = socket(Domain::for_address(addr))?;
        socket.set_tcp_nodelay(true)?;
        if !self.sources.is_empty() {
            let index = self.next.get();
            self.next.set(index.wrapping_add(1));
            let source = self.sources[index % self.sources.len()];
            defer_port_choice(&socket)?;
            socket.bind(&SocketAddr::from((source, 0)).into())?;
        }
        match socket.connect(&addr.into()) {
            Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => {
                return Err(error);
            }
            _ => {}
        }
        TcpStream::from_std(socket.into())
    }
}

/// Waits until a connection is established.
pub(super) async fn established(stream: TcpStream) -> io::Result<TcpStream> {
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

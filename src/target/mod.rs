//! The embedded target: a small server of known behaviour that counts what it served.
//!
//! Every thread has its own single-threaded runtime and its own listening sockets (`SO_REUSEPORT`),
//! so threads share nothing but the counters' sums. It knows nothing of the load.

mod counters;
mod serve;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::watch;

use counters::ListenerCounters;

use crate::affinity::{Placement, pin_current};
use crate::clock::ThreadClock;
use crate::crypto::Metering;
use crate::protocol::ProtocolKind;
use crate::session::runtime;
use crate::stats::{LedgersByKind, TargetCounts, merge_ledgers};
use crate::tls::{Refusal, ServerTls};

/// Length of the accept queue that is asked for; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4_096;

/// A target that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// A listening socket failed.
    #[error(
        "cannot listen on {addr}: {source}; choose another port (0 takes a free one), or stop what \
         listens on port {} (`ss -ltnp` names it)", addr.port()
    )]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A thread failed.
    #[error("cannot start a server thread: {0}")]
    Thread(io::Error),
}

/// Called for every refused connection, on the thread that refuses it.
pub type OnRefusal = Arc<dyn Fn(SocketAddr, &Refusal) + Send + Sync>;

/// One listening port of the target.
#[derive(Debug, Clone)]
pub struct ListenerSpec {
    /// TLS, or plain TCP without it.
    pub tls: Option<ServerTls>,
    /// The protocol of its sessions.
    pub protocol: ProtocolKind,
    /// The port; 0 picks a free one.
    pub port: u16,
}

/// What a target consists of.
#[derive(Debug, Clone)]
pub struct TargetSpec {
    /// The address to listen on.
    pub ip: IpAddr,
    /// The ports, all served by every thread.
    pub listeners: Vec<ListenerSpec>,
    /// The core of each thread; `None` leaves the thread where the system puts it.
    pub cores: Vec<Option<usize>>,
}

/// A running target; it stops when dropped.
#[derive(Debug)]
pub struct Target {
    addrs: Vec<SocketAddr>,
    counters: Vec<Vec<Arc<ListenerCounters>>>,
    threads: Vec<(Placement, ThreadClock)>,
    stop: watch::Sender<bool>,
    handles: Vec<JoinHandle<()>>,
}

impl Target {
    /// Starts the threads and returns once all listen.
    ///
    /// # Errors
    ///
    /// Fails if an address cannot be listened on or a thread cannot be started.
    pub fn start(spec: &TargetSpec) -> Result<Self, TargetError> {
        Self::launch(spec, Metering::Off, None)
    }

    /// As [`Self::start`]; where metering is on, sessions without TLS keep a ledger, too, and `on_refusal` is
    /// told of every connection that is refused.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::start`] does.
    pub fn launch(
        spec: &TargetSpec,
        metering: Metering,
        on_refusal: Option<&OnRefusal>,
    ) -> Result<Self, TargetError> {
        let mut addrs: Vec<SocketAddr> = spec
            .listeners
            .iter()
            .map(|l| SocketAddr::new(spec.ip, l.port))
            .collect();
        let (stop, stopped) = watch::channel(false);
        let mut target = Self {
            addrs: Vec::new(),
            counters: Vec::new(),
            threads: Vec::new(),
            stop,
            handles: Vec::new(),
        };
        for (index, core) in spec.cores.iter().enumerate() {
            let mut ports = Vec::new();
            let mut counters = Vec::new();
            for (addr, listener) in addrs.iter_mut().zip(&spec.listeners) {
                let socket = if index == 0 {
                    claim(*addr, spec.cores.len() > 1)
                } else {
                    listen(*addr, true)
                };
                let socket = socket.map_err(|source| TargetError::Listen {
                    addr: *addr,
                    source,
                })?;
                // The first thread learns the ports that were picked, the others share them.
                *addr = socket.local_addr().map_err(TargetError::Thread)?;
                let counts = Arc::new(ListenerCounters::default());
                counters.push(Arc::clone(&counts));
                ports.push(serve::Port {
                    socket,
                    tls: listener.tls.clone(),
                    protocol: listener.protocol,
                    metered: metering == Metering::On,
                    counts,
                    on_refusal: on_refusal.cloned(),
                });
            }
            target.counters.push(counters);
            target.spawn(index, *core, ports, stopped.clone())?;
        }
        target.addrs = addrs;
        Ok(target)
    }

    fn spawn(
        &mut self,
        index: usize,
        core: Option<usize>,
        ports: Vec<serve::Port>,
        stopped: watch::Receiver<bool>,
    ) -> Result<(), TargetError> {
        let (started, has_started) = mpsc::sync_channel(1);
        let name = format!("target-{index}");
        let handle = std::thread::Builder::new()
            .name(name.clone())
            .spawn(move || {
                let placement = pin_current(name, core);
                for tls in ports.iter().filter_map(|port| port.tls.as_ref()) {
                    tls.seed_thread();
                }
                let runtime = match runtime() {
                    Ok(runtime) => runtime,
                    Err(error) => return drop(started.send(Err(error))),
                };
                if started
                    .send(Ok((placement, ThreadClock::current())))
                    .is_ok()
                {
                    runtime.block_on(serve::all(ports, stopped));
                }
            })
            .map_err(TargetError::Thread)?;
        self.handles.push(handle);
        let failed = || TargetError::Thread(io::Error::other("the thread ended at once"));
        let thread = has_started
            .recv()
            .map_err(|_| failed())?
            .map_err(TargetError::Thread)?;
        self.threads.push(thread);
        Ok(())
    }

    /// The address of each listener, in the order of the specification.
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// What each listener has counted so far, summed over threads.
    pub fn counts(&self, listener: usize) -> TargetCounts {
        self.counters
            .iter()
            .map(|thread| thread[listener].read())
            .sum()
    }

    /// Where the time of a listener's metered sessions went that have ended since it was last asked.
    pub(crate) fn take_ledgers(&self, listener: usize) -> LedgersByKind {
        let mut sum = LedgersByKind::new();
        for thread in &self.counters {
            merge_ledgers(&mut sum, &thread[listener].take_ledgers());
        }
        sum
    }

    /// CPU time of all its threads so far.
    pub(crate) fn cpu(&self) -> Duration {
        self.threads
            .iter()
            .filter_map(|(_, clock)| clock.cpu())
            .sum()
    }

    /// Where its threads run.
    pub fn placements(&self) -> Vec<Placement> {
        self.threads
            .iter()
            .map(|(placement, _)| placement.clone())
            .collect()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        for handle in self.handles.drain(..) {
            // A thread that panicked has already said so on stderr.
            let _ = handle.join();
        }
    }
}

/// The first socket of a port. It is bound and listens before it may be shared, which the system refuses
/// while anyone else listens there, even one who would share; `shared` lets our own threads join it.
fn claim(addr: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
    // Elsewhere than on Linux, only what was set before the bind counts.
    let socket = listen(addr, shared && cfg!(not(target_os = "linux")))?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(&socket).set_reuse_port(shared)?;
    Ok(socket)
}

fn listen(addr: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    // Inherited by accepted sockets on Linux; a delayed small segment would cost 40 ms (Nagle).
    socket.set_tcp_nodelay(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(ip: &str, port: u16, threads: usize) -> Result<Target, TargetError> {
        Target::start(&TargetSpec {
            ip: ip.parse().unwrap(),
            listeners: vec![ListenerSpec {
                tls: None,
                protocol: ProtocolKind::Echo,
                port,
            }],
            cores: vec![None; threads],
        })
    }

    #[test]
    fn a_port_is_shared_among_our_threads_and_with_nobody_else() {
        let first = target("127.0.0.1", 0, 3).unwrap();
        let port = first.addrs()[0].port();
        for (ip, threads) in [
            ("127.0.0.1", 1),
            ("127.0.0.1", 2),
            ("0.0.0.0", 2),
            ("::", 1),
        ] {
            let error = target(ip, port, threads).unwrap_err().to_string();
            assert!(
                error.contains(&format!("listens on port {port}")),
                "{error}"
            );
        }
        let clients: Vec<_> = (0..60)
            .map(|_| std::net::TcpStream::connect(first.addrs()[0]).unwrap())
            .collect();
        let accepted = || (first.counters.iter()).map(|thread| thread[0].read().accepted);
        while accepted().sum::<u64>() < clients.len() as u64 {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(
            accepted().all(|count| count > 0),
            "{:?}",
            accepted().collect::<Vec<_>>()
        );
        // A port that was left is free at once, whatever is in TIME_WAIT there.
        drop((first, clients));
        target("127.0.0.1", port, 2).unwrap();
    }

    #[test]
    fn one_who_would_share_is_refused_too() {
        let stale = listen("127.0.0.1:0".parse().unwrap(), true).unwrap();
        let port = stale.local_addr().unwrap().port();
        target("127.0.0.1", port, 2).unwrap_err();
    }
}

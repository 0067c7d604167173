//! What one thread of the target does: accept, shake hands, speak, close.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::HandshakeKind;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::OnRefusal;
use super::counters::ListenerCounters;
use crate::crypto::Ledger;
use crate::protocol::{ProtocolKind, refuse_plain_http};
use crate::stats::OkKind;
use crate::tls::{PlainStream, Refusal, ServerTls, SessionStream};

/// How long a client may take for its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after a failed accept: its usual cause, a lack of descriptors, does not pass at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// One listening socket of one thread.
pub(super) struct Port {
    pub socket: StdListener,
    pub tls: Option<ServerTls>,
    pub protocol: ProtocolKind,
    /// Whether sessions without TLS keep a ledger; those with TLS do if their configuration says so.
    pub metered: bool,
    pub counts: Arc<ListenerCounters>,
    /// Whoever wants to know of refused connections.
    pub on_refusal: Option<OnRefusal>,
}

/// Serves every port until told to stop.
pub(super) async fn all(ports: Vec<Port>, mut stopped: watch::Receiver<bool>) {
    for port in ports {
        spawn_local(accept_loop(port));
    }
    // An error means that the target itself is gone, which is as good a reason to stop.
    let _ = stopped.wait_for(|stop| *stop).await;
}

async fn accept_loop(port: Port) {
    let Ok(listener) = TcpListener::from_std(port.socket) else {
        return bump(&port.counts.accept_failed);
    };
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            bump(&port.counts.accept_failed);
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        bump(&port.counts.accepted);
        let counts = Arc::clone(&port.counts);
        if let Some(tls) = port.tls.clone() {
            let observer = port.on_refusal.clone().map(|on_refusal| (on_refusal, peer));
            spawn_local(session(stream, tls, port.protocol, counts, observer));
        } else {
            let ledger = port.metered.then(Ledger::server);
            let stream = PlainStream::new(stream, ledger);
            spawn_local(plain_session(stream, port.protocol, counts));
        }
    }
}

/// Serves one connection. What goes wrong once it is up is the client's to report; here it is only counted.
async fn session(
    stream: TcpStream,
    tls: ServerTls,
    protocol: ProtocolKind,
    counts: Arc<ListenerCounters>,
    observer: Option<(OnRefusal, SocketAddr)>,
) {
    let refused = |refusal: &Refusal| {
        bump(&counts.handshake_failed);
        if let Some((on_refusal, peer)) = &observer {
            on_refusal(*peer, refusal);
        }
    };
    let mut stream = match tls.accept(stream) {
        Ok(stream) => stream,
        Err(fault) => return refused(&Refusal::of(&fault, 0)),
    };
    match timeout(HANDSHAKE_TIMEOUT, stream.complete_handshake()).await {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => {
            let refusal = stream.refusal(&fault);
            refused(&refusal);
            if refusal.kind == Refusal::NOT_TLS && protocol == ProtocolKind::Http1 {
                let _ = Box::pin(refuse_plain_http(&mut stream.into_socket())).await;
            }
            return;
        }
        Err(_) => return refused(&Refusal::new("no handshake within 30 s")),
    }
    let connection = stream.connection();
    let kind = match connection.handshake_kind() {
        Some(HandshakeKind::Resumed) => OkKind::Resumed,
        Some(HandshakeKind::FullWithHelloRetryRequest) => OkKind::FullWithHelloRetryRequest,
        _ => OkKind::Full,
    };
    bump(if kind == OkKind::Resumed {
        &counts.resumed
    } else {
        &counts.full
    });
    if connection.peer_certificates().is_some() {
        bump(&counts.authenticated);
    }
    if stream.takes_early_data() {
        bump(&counts.early_accepted);
    }
    let _ = protocol.serve(&mut stream).await;
    counts.dissected(kind, stream.into_ledger());
}

/// Serves one connection without TLS.
async fn plain_session(
    mut stream: PlainStream,
    protocol: ProtocolKind,
    counts: Arc<ListenerCounters>,
) {
    bump(&counts.plain);
    let _ = protocol.serve(&mut stream).await;
    counts.dissected(OkKind::Tcp, stream.into_ledger());
}

fn bump(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

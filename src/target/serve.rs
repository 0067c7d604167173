//! What one thread of the target does: accept, shake hands, speak, close.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::HandshakeKind;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::counters::ListenerCounters;
use crate::protocol;
use crate::scenario::ProtocolKind;
use crate::tls::ServerTls;

/// How long a client may take for its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after a failed accept: its usual cause, a lack of descriptors, does not pass at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// One listening socket of one thread.
pub(super) struct Port {
    pub socket: StdListener,
    pub tls: Option<ServerTls>,
    pub protocol: ProtocolKind,
    pub counts: Arc<ListenerCounters>,
}

/// The single-threaded runtime of a server thread.
pub(super) fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
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
        let Ok((stream, _)) = listener.accept().await else {
            bump(&port.counts.accept_failed);
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        bump(&port.counts.accepted);
        spawn_local(session(
            stream,
            port.tls.clone(),
            port.protocol,
            Arc::clone(&port.counts),
        ));
    }
}

/// Serves one connection. What goes wrong is the client's to report; here it is only counted.
async fn session(
    mut stream: TcpStream,
    tls: Option<ServerTls>,
    kind: ProtocolKind,
    counts: Arc<ListenerCounters>,
) {
    let Some(tls) = tls else {
        bump(&counts.plain);
        let _ = protocol::serve(kind, &mut stream).await;
        return;
    };
    let Ok(mut stream) = tls.accept(stream) else {
        return bump(&counts.handshake_failed);
    };
    match timeout(HANDSHAKE_TIMEOUT, stream.complete_handshake()).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) => return bump(&counts.handshake_failed),
    }
    let connection = stream.connection();
    match connection.handshake_kind() {
        Some(HandshakeKind::Resumed) => bump(&counts.resumed),
        _ => bump(&counts.full),
    }
    if connection.peer_certificates().is_some() {
        bump(&counts.authenticated);
    }
    if stream.takes_early_data() {
        bump(&counts.early_accepted);
    }
    let _ = protocol::serve(kind, &mut stream).await;
}

fn bump(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

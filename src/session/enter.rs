//! The way in: what is said between the connection and TLS. Load, probe and audit all pass here.

use std::future::{Future, poll_fn};
use std::time::Duration;

use tokio::time::timeout;

use crate::crypto::{Ledger, attributed};
use crate::stats::{Stage, Work};
use crate::tls::{Failure, Fault, Socket, failure, timed_out};
use crate::way::{Ends, WayError, WayIn};

/// Walks the way in on a connection from [`connect`](super::connect), within `limit`; [`begin_tls`](super::begin_tls)
/// is next.
///
/// Fails with what came instead of the go-ahead.
pub(crate) async fn enter(
    io: &mut Socket,
    way: &WayIn,
    limit: Duration,
    ledger: &mut Option<Box<Ledger>>,
) -> Result<(), Failure> {
    if way.is_silent() {
        return Ok(());
    }
    let ends = io.ends().map(|(local, peer)| Ends { local, peer });
    // On the heap, as a session has room for it all its life otherwise.
    let mut walking = Box::pin(way.walk(io, ends));
    let walked = poll_fn(|cx| attributed(ledger, Work::Socket, || walking.as_mut().poll(cx)));
    let walked = timeout(limit, walked).await;
    drop(walking);
    match walked {
        Ok(Ok(())) if way.is_answered() && io.has_unread() => Err(failed(WayError::injected())),
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(timed_out(Stage::WayIn, limit)),
    }
}

fn failed(error: WayError) -> Failure {
    match error {
        WayError::Answer { class, message } => (class, message),
        WayError::Io(error) => failure(&Fault::Io(error), Stage::WayIn),
    }
}

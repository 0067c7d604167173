//! The interface through which load, probe and audit watch a session.

use std::future::{Future, pending};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::Departure;
use crate::protocol::Wire;
use crate::stats::{FailureClass, OkKind, Proof, Stage};
use crate::tls::{Failure, Fault, SessionStream, failure};

/// How a held session is released before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// It is closed as planned.
    Close,
    /// It is cut, as if the network were gone.
    Cut,
}

/// Observes a session over the stream `S`. Dispatch is static: this path is measured.
pub trait Observer<S: SessionStream> {
    /// The stream as the conversation sees it: itself, or a wrapper that records the bytes.
    type Wire<'a>: Wire
    where
        Self: 'a,
        S: 'a;

    /// Wraps the stream for one exchange.
    fn wire<'a>(&'a mut self, stream: &'a mut S) -> Self::Wire<'a>;

    /// A stage begins.
    fn enters(&mut self, _stage: Stage) {}

    /// The outcome of the offer to resume may be known now.
    fn offered(&mut self, _stream: &S) {}

    /// The handshake failed with a fault, not with a timeout.
    fn faulted(&mut self, _fault: &Fault) {}

    /// The client finished the handshake at this time.
    fn handshaken(&mut self, _stream: &S, _kind: OkKind, _at: Instant) {}

    /// Whether the server stays with a client that asks nothing. By default each session waits for that; a load
    /// waits once.
    fn watches(&mut self, stream: &mut S) -> impl Future<Output = Result<(), Departure>> {
        stays(stream)
    }

    /// An exchange begins.
    fn asks(&mut self, _at: Instant) {}

    /// An exchange succeeded, from its beginning to its end.
    fn answered(&mut self, _kind: OkKind, _asked: Instant, _at: Instant) {}

    /// The proof of acceptance came at this time.
    fn confirmed(&mut self, _at: Instant) {}

    /// The session is ok unless its close shows a rejection.
    fn settled(&mut self, _stream: &S, _kind: OkKind, _proof: Proof) {}

    /// The session is ok; nothing can change that.
    fn accepted(&mut self, _kind: OkKind, _proof: Proof) {}

    /// The confirmed session is held from now on.
    fn holds(&mut self) {}

    /// The session is no longer held; `lost` says how the server ended it, if it did.
    fn released(&mut self, _lost: Option<Failure>) {}

    /// The session that was held is cut.
    fn is_cut(&mut self) {}

    /// Completes when a held session is to be released early, and says how.
    fn until_released(&self) -> impl Future<Output = Release> {
        pending()
    }
}

/// How long a server has to hang up by itself. The verdict of TLS 1.2's Finished, and of a close in answer to ours, is
/// no more than that it did not.
pub(crate) const SETTLES: Duration = Duration::from_millis(250);

/// Waits whether the server hangs up on a client that asks nothing.
pub(crate) async fn stays<S: SessionStream>(stream: &mut S) -> Result<(), Departure> {
    match timeout(SETTLES, stream.read_to_end()).await {
        Err(_) => Ok(()),
        Ok(Err(fault)) => Err(Departure::Own(failure(&fault, Stage::Confirm))),
        Ok(Ok(())) => {
            let message = "the server closed the session by itself before it was asked anything";
            Err(Departure::Own((
                FailureClass::Unconfirmed,
                message.to_owned(),
            )))
        }
    }
}

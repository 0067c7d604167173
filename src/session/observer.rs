//! Who drives a session and what it gets to see.

use std::future::{Future, pending};
use std::time::Instant;

use crate::protocol::Wire;
use crate::stats::{OkKind, Proof, Stage};
use crate::tls::Fault;

/// Sees a session over the stream `S` happen. Load, probe and audit each note what is theirs; calls are
/// dispatched statically, since this is the path that is measured.
pub trait Observer<S> {
    /// The stream as the conversation gets it: itself, or a wrapper that sees what passes.
    type Wire<'a>: Wire
    where
        Self: 'a,
        S: 'a;

    /// Wraps the stream for one exchange.
    fn wire<'a>(&'a mut self, stream: &'a mut S) -> Self::Wire<'a>;

    /// A stage begins.
    fn enters(&mut self, _stage: Stage) {}

    /// It may now be known what became of the plan to resume.
    fn offered(&mut self, _stream: &S) {}

    /// The handshake failed, but not for want of an answer.
    fn faulted(&mut self, _fault: &Fault) {}

    /// The handshake was complete for us at a time.
    fn handshaken(&mut self, _stream: &S, _kind: OkKind, _at: Instant) {}

    /// An exchange begins.
    fn asks(&mut self, _at: Instant) {}

    /// An exchange succeeded, from its beginning to its end.
    fn answered(&mut self, _kind: OkKind, _asked: Instant, _at: Instant) {}

    /// The proof that the server accepted us came at a time.
    fn confirmed(&mut self, _at: Instant) {}

    /// It is ok unless its close says otherwise.
    fn settled(&mut self, _stream: &S, _kind: OkKind, _proof: Proof) {}

    /// It is ok, whatever comes.
    fn accepted(&mut self, _kind: OkKind, _proof: Proof) {}

    /// It is confirmed and idle from now on.
    fn holds(&mut self) {}

    /// It is no longer held; `lost` if the server ended it.
    fn released(&mut self, _lost: bool) {}

    /// Ends the time for which a session is held ahead of its end.
    fn until_released(&self) -> impl Future<Output = ()> {
        pending()
    }
}

//! Did the server accept us? The rules that every client session follows, under load or alone
//! (invariant 3), and what it is called when it did not.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::session::SessionStream;
use super::{Fault, classify_fault};
use crate::stats::{FailureClass, Proof, Stage};
use crate::units::format_ns;

/// A failed attempt: what is counted, and an example for people, not yet escaped.
pub type Failure = (FailureClass, String);

/// The failure behind a fault in `stage`.
pub fn failure(fault: &Fault, stage: Stage) -> Failure {
    (classify_fault(fault, stage), fault.to_string())
}

/// The failure of a stage to which no answer came within its limit.
pub fn timed_out(stage: Stage, limit: Duration) -> Failure {
    let limit = format_ns(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
    let message = format!("no answer within {limit}, the timeout");
    (FailureClass::Unanswered(stage), message)
}

/// Finds what is behind an I/O error: the fault the stream remembers, or, after a failed write, the
/// server's alert that is still to be read.
pub async fn explain<S: SessionStream>(
    stream: &mut S,
    error: io::Error,
    stage: Stage,
    limit: Duration,
) -> Failure {
    if let Some(fault) = stream.take_fault() {
        return failure(&fault, stage);
    }
    let write_failed = matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    );
    if write_failed
        && let Ok(Err(fault @ (Fault::Tls(_) | Fault::Flood(_)))) =
            timeout(limit, stream.read_to_end()).await
    {
        return failure(&fault, stage);
    }
    failure(&Fault::Io(error), stage)
}

/// Ends a session on which nothing was asked, and takes a ticket, unasked data or the server's
/// orderly close for the proof, with the time it came. Data comes second, since it may be no more
/// than a complaint that nothing was asked (haproxy sends HTTP 400 to a bare close).
///
/// # Errors
///
/// Fails with what the server sent instead; an end of stream without any of these proves nothing.
pub async fn confirm_by_close<S: SessionStream>(
    stream: &mut S,
    limit: Duration,
) -> Result<(Proof, Instant), Failure> {
    let closing = async {
        // A failed write is followed by reading all the same: the reason is in what the server sent.
        let _ = stream.shutdown().await;
        stream.read_to_end().await
    };
    let ended = timeout(limit, closing).await;
    if let Ok(Err(fault @ (Fault::Tls(_) | Fault::Io(_) | Fault::Flood(_)))) = &ended {
        return Err(failure(fault, Stage::Confirm));
    }
    let marks = stream.marks();
    let proofs = [
        (Proof::NewSessionTicket, marks.ticket),
        (Proof::ApplicationData, marks.data),
        (Proof::OrderlyClose, marks.closed),
    ];
    let first = proofs
        .into_iter()
        .find_map(|(proof, at)| Some((proof, at?)));
    match (first, ended) {
        (Some(proof), _) => Ok(proof),
        (None, Err(_)) => Err(timed_out(Stage::Confirm, limit)),
        (None, Ok(_)) => Err((
            FailureClass::Unconfirmed,
            "the server ended the connection without close_notify, ticket or alert".to_owned(),
        )),
    }
}

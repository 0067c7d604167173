//! Decides whether the server accepted us (invariant 3), by the same rules for load, probe and audit, and names the
//! failure if it did not.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::classify::classify_connect;
use super::session::SessionStream;
use super::{Fault, classify_fault};
use crate::stats::{AlpnId, FailureClass, Observed, Proof, Stage};
use crate::units::format_ns;

/// A failed attempt: the counted class, and an example for people, not yet escaped.
pub type Failure = (FailureClass, String);

/// The failure behind a fault in `stage`.
pub fn failure(fault: &Fault, stage: Stage) -> Failure {
    told(classify_fault(fault, stage), &fault.to_string())
}

/// The failure behind an error of creating, binding or connecting a socket.
pub(crate) fn connect_failure(error: &io::Error) -> Failure {
    told(classify_connect(error), &error.to_string())
}

/// A failure reported by the system or the peer; silence can only be reported by the kernel.
fn told(class: FailureClass, message: &str) -> Failure {
    let message = if class.is_silence() {
        format!("no answer until the kernel gave up: {message}")
    } else {
        message.to_owned()
    };
    (class, message)
}

/// The failure of a stage that timed out.
pub(crate) fn timed_out(stage: Stage, limit: Duration) -> Failure {
    let limit = format_ns(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
    let message = format!("no answer within {limit}, the timeout");
    (FailureClass::Unanswered(stage), message)
}

/// Finds the cause of an I/O error: the fault that the stream remembers or, after a failed write, the server's
/// unread alert.
pub async fn explain<S: SessionStream>(
    stream: &mut S,
    error: io::Error,
    stage: Stage,
    limit: Duration,
) -> Failure {
    let write_failed = matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    );
    let fault = match stream.take_fault() {
        Some(fault @ Fault::SpokeFirst(_)) => {
            // Data cannot be an answer any more, but an alert behind it says more.
            let _ = timeout(limit, stream.shutdown()).await;
            fault
        }
        Some(fault) => return remarked(stream, failure(&fault, stage)),
        None if write_failed => Fault::Io(error),
        None => return failure(&Fault::Io(error), stage),
    };
    match timeout(limit, stream.read_to_end()).await {
        Ok(Err(behind)) if !matches!(behind, Fault::Eof | Fault::Io(_)) => failure(&behind, stage),
        _ => remarked(stream, failure(&fault, stage)),
    }
}

/// Adds a remark to failures that the session explains.
pub(crate) fn remarked<S: SessionStream>(stream: &S, (class, message): Failure) -> Failure {
    let Some(observed) = stream.observed() else {
        return (class, message);
    };
    let remarked = match class {
        // A TLS 1.3 server that cannot ask after the handshake answers 403.
        FailureClass::HttpStatus(403) if !observed.certificate_requested && !observed.resumed => {
            let remark = "the server asked for no client certificate in the handshake: if it does so per \
                          path (Apache: SSLVerifyClient in a Location), move that to the virtual host";
            format!("{message}; {remark}")
        }
        FailureClass::HttpProtocol if chose_h2(&observed) => {
            format!("the server chose h2 of --alpn: add --http2 to speak it; {message}")
        }
        FailureClass::Answer(fault, _)
            if fault.label.starts_with("http2.") && !chose_h2(&observed) =>
        {
            let chosen = observed.alpn.map_or_else(
                || "no protocol".to_owned(),
                |alpn| format!("{alpn}, not h2,"),
            );
            format!("the server chose {chosen} by ALPN; {message}")
        }
        _ => message,
    };
    (class, remarked)
}

fn chose_h2(observed: &Observed) -> bool {
    observed
        .alpn
        .is_some_and(|alpn| alpn == AlpnId::from(b"h2".as_slice()))
}

/// Sends our `close_notify` and FIN, and reads to the server's end.
async fn close<S: SessionStream>(stream: &mut S) -> Result<(), Fault> {
    // After a failed write, too: the reason is in what the server sent.
    let _ = stream.shutdown().await;
    stream.read_to_end().await
}

/// Closes in order: our `close_notify` and FIN, then the server's.
///
/// Fails with the server's fatal alert. A TLS 1.3 server may answer before it has verified our certificate, so a
/// rejection after the answer counts.
pub(crate) async fn close_in_order<S: SessionStream>(
    stream: &mut S,
    limit: Duration,
) -> Result<(), Failure> {
    match timeout(limit, close(stream)).await {
        Ok(Err(fault)) if fault.is_alert() => Err(failure(&fault, Stage::Confirm)),
        _ => Ok(()),
    }
}

/// Ends a session without a request. A ticket, or the server's orderly close in answer to ours, is the proof, with its
/// time. Data proves nothing: a TLS 1.3 server may send it before it has verified our certificate.
///
/// Fails with the server's alert or another fault, and as unconfirmed without a proof.
pub(crate) async fn confirm_by_close<S: SessionStream>(
    stream: &mut S,
    limit: Duration,
) -> Result<(Proof, Instant), Failure> {
    // A close before ours answers nothing.
    let closed_before = stream.marks().closed.is_some();
    let ended = timeout(limit, close(stream)).await;
    let marks = stream.marks();
    let closed = marks.closed.filter(|_| !closed_before);
    match (marks.ticket, closed, ended) {
        (_, _, Ok(Err(fault))) if !matches!(fault, Fault::Eof) => Err(failure(&fault, Stage::Confirm)),
        (Some(at), _, _) => Ok((Proof::NewSessionTicket, at)),
        (None, Some(at), _) => Ok((Proof::OrderlyClose, at)),
        (None, None, Err(_)) => Err(timed_out(Stage::Confirm, limit)),
        (None, None, Ok(_)) => Err((
            FailureClass::Unconfirmed,
            "the server ended the connection without a ticket, an alert or a close_notify in answer to ours"
                .to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;

    #[test]
    fn silence_says_how_it_came_to_be_known() {
        let lost = || io::Error::from_raw_os_error(Errno::ETIMEDOUT as i32);
        let kernel = "no answer until the kernel gave up: ";
        let (class, message) = connect_failure(&lost());
        assert_eq!(class, FailureClass::Unanswered(Stage::Connect));
        assert!(message.starts_with(kernel), "{message}");
        let (class, message) = failure(&Fault::Io(lost()), Stage::Confirm);
        assert_eq!(class, FailureClass::Unanswered(Stage::Confirm));
        assert!(message.starts_with(kernel), "{message}");
        let (_, message) = timed_out(Stage::Confirm, Duration::from_secs(5));
        assert_eq!(message, "no answer within 5.00 s, the timeout");
        let (_, message) = failure(&Fault::Eof, Stage::Confirm);
        assert!(!message.contains("no answer"), "{message}");
    }
}

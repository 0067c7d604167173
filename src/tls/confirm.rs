//! Did the server accept us? The rules that every client session follows, under load or alone
//! (invariant 3), and what it is called when it did not.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::classify::classify_connect;
use super::session::SessionStream;
use super::{Fault, classify_fault};
use crate::stats::{AlpnId, FailureClass, Observed, Proof, Stage};
use crate::units::format_ns;

/// A failed attempt: what is counted, and an example for people, not yet escaped.
pub type Failure = (FailureClass, String);

/// The failure behind a fault in `stage`.
pub fn failure(fault: &Fault, stage: Stage) -> Failure {
    told(classify_fault(fault, stage), &fault.to_string())
}

/// The failure behind an error of creating, binding or connecting a socket.
pub fn connect_failure(error: &io::Error) -> Failure {
    told(classify_connect(error), &error.to_string())
}

/// A failure that the system or the peer gave. Of silence only the kernel can say something.
fn told(class: FailureClass, message: &str) -> Failure {
    let message = if class.is_silence() {
        format!("no answer until the kernel gave up: {message}")
    } else {
        message.to_owned()
    };
    (class, message)
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
    let write_failed = matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    );
    let fault = match stream.take_fault() {
        Some(fault @ Fault::SpokeFirst(_)) => {
            // Nothing that comes now is an answer, but an alert among it says more.
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

/// A failure with what the session shows about it.
pub fn remarked<S: SessionStream>(stream: &S, (class, message): Failure) -> Failure {
    let Some(observed) = stream.observed() else {
        return (class, message);
    };
    let remarked = match class {
        // Under TLS 1.3 nobody can be asked after the handshake, so such servers refuse.
        FailureClass::HttpStatus(403) if !observed.certificate_requested && !observed.resumed => {
            let remark = "the server asked for no client certificate in the handshake: if it does so per \
                          path (Apache: SSLVerifyClient in a Location), move that to the virtual host";
            format!("{message}; {remark}")
        }
        FailureClass::HttpProtocol | FailureClass::Unconfirmed if chose_h2(&observed) => {
            format!(
                "the server chose h2 of --alpn, and shakedown speaks no HTTP/2: drop h2; {message}"
            )
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

/// Our `close_notify` and FIN, and all that the server still has to say.
async fn close<S: SessionStream>(stream: &mut S) -> Result<(), Fault> {
    // A failed write is followed by reading all the same: the reason is in what the server sent.
    let _ = stream.shutdown().await;
    stream.read_to_end().await
}

/// Closes in order: our `close_notify` and FIN, then the server's.
///
/// # Errors
///
/// Fails with a fatal alert of the server's. Under TLS 1.3 it may answer before it has looked at our
/// certificate, and nothing tells such an answer from a true one, so a rejection behind it counts.
pub async fn close_in_order<S: SessionStream>(
    stream: &mut S,
    limit: Duration,
) -> Result<(), Failure> {
    match timeout(limit, close(stream)).await {
        Ok(Err(fault)) if fault.is_alert() => Err(failure(&fault, Stage::Confirm)),
        _ => Ok(()),
    }
}

/// Ends a session on which nothing was asked, and takes a ticket or the server's orderly close in answer
/// to ours for the proof, with the time it came. Data is no proof: nothing was asked, and under TLS 1.3 a
/// server may send it before it has looked at our certificate.
///
/// # Errors
///
/// Fails with what the server sent instead; an end of stream without any of these proves nothing.
pub async fn confirm_by_close<S: SessionStream>(
    stream: &mut S,
    limit: Duration,
) -> Result<(Proof, Instant), Failure> {
    // A close of its own accord answers nothing.
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

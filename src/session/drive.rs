//! The one driver of a session, from a connected socket to its close: the handshake, the conversation, and
//! whether the server accepted us (invariant 3).

use std::time::{Duration, Instant};

use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::{Broken, Observer};
use crate::protocol::{Conversation, Next, ProtocolError, ProtocolPlan};
use crate::scenario::{Close, Timeouts};
use crate::stats::{FailureClass, OkKind, Proof, Stage};
use crate::tls::{
    Failure, Fault, SessionStream, close_in_order, confirm_by_close, explain, failure, remarked,
    timed_out,
};

/// How a session goes.
#[derive(Debug, Clone, Copy)]
pub struct Course<'a> {
    /// What is spoken.
    pub protocol: &'a ProtocolPlan,
    /// How long each stage may take.
    pub timeouts: &'a Timeouts,
    /// How long it is kept open once it is confirmed.
    pub hold: Duration,
    /// How it is closed then.
    pub close: Close,
}

/// Drives a session to its end. One that is held counts from its answer; any other one once it is closed,
/// since a rejection may follow the answer.
///
/// # Errors
///
/// Fails with the class of what went wrong, once what the server still has to say about it was read.
pub async fn drive<S, O>(
    course: &Course<'_>,
    stream: &mut S,
    observer: &mut O,
) -> Result<OkKind, Broken>
where
    S: SessionStream,
    O: Observer<S>,
{
    let (kind, finished) = shake(course, stream, observer).await?;
    observer.enters(Stage::Confirm);
    let proof = match course.protocol.conversation() {
        Some(conversation) => {
            converse(course, stream, observer, kind, conversation).await?;
            Proof::ApplicationData
        }
        None if stream.finish_proves_acceptance() => {
            observer.confirmed(finished);
            Proof::ServerFinished
        }
        None => {
            linger(course, stream, observer).await?;
            let (proof, at) = confirm_by_close(stream, course.timeouts.confirm.0).await?;
            observer.confirmed(at);
            observer.settled(stream, kind, proof);
            observer.accepted(kind, proof);
            return Ok(kind);
        }
    };
    observer.settled(stream, kind, proof);
    let held = !course.hold.is_zero();
    if held {
        observer.accepted(kind, proof);
        observer.holds();
        let ended = idle(course, stream, observer).await;
        observer.released(ended.is_some());
    }
    observer.enters(Stage::Close);
    let closed = match course.close {
        Close::Orderly => close_in_order(stream, course.timeouts.close.0).await,
        Close::Reset => {
            // Where the system refuses, the socket is closed with FIN all the same.
            let _ = stream.reset_on_close();
            Ok(())
        }
    };
    if !held {
        closed?;
        observer.accepted(kind, proof);
    }
    Ok(kind)
}

/// Shakes hands. Says how the session was established, and when.
async fn shake<S, O>(
    course: &Course<'_>,
    stream: &mut S,
    observer: &mut O,
) -> Result<(OkKind, Instant), Failure>
where
    S: SessionStream,
    O: Observer<S>,
{
    let limit = course.timeouts.handshake.0;
    observer.offered(stream);
    let shaken = timeout(limit, stream.handshake()).await;
    let finished = Instant::now();
    observer.offered(stream);
    match shaken {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => {
            observer.faulted(&fault);
            return Err(failure(&fault, Stage::Handshake));
        }
        Err(_) => return Err(timed_out(Stage::Handshake, limit)),
    }
    let Some(kind) = stream.kind() else {
        let message = "the handshake ended without a kind".to_owned();
        return Err((FailureClass::TlsProtocol, message));
    };
    observer.handshaken(stream, kind, finished);
    Ok((kind, finished))
}

/// Makes the session's exchanges; the first byte of the first answer is the confirmation.
async fn converse<S, O>(
    course: &Course<'_>,
    stream: &mut S,
    observer: &mut O,
    kind: OkKind,
    mut conversation: Conversation<'_>,
) -> Result<(), Broken>
where
    S: SessionStream,
    O: Observer<S>,
{
    let exchanges = course.protocol.exchanges;
    for number in 1..=exchanges {
        let first = number == 1;
        let (stage, limit) = if first {
            (Stage::Confirm, course.timeouts.confirm.0)
        } else {
            (Stage::FirstByte, course.timeouts.exchange.0)
        };
        observer.enters(stage);
        let asked = Instant::now();
        observer.asks(asked);
        let mut wire = observer.wire(stream);
        let ended = timeout(limit, conversation.exchange(&mut wire)).await;
        drop(wire);
        if first {
            // By now it is known whether early data was sent again.
            observer.offered(stream);
        }
        let answered = Instant::now();
        let next = judge(stream, ended, stage, limit).await?;
        observer.answered(kind, asked, answered);
        if first && let Some(at) = stream.marks().data {
            observer.confirmed(at);
        }
        if next == Next::Closes && number < exchanges {
            return Err(closed_after(number).into());
        }
    }
    Ok(())
}

/// Judges an exchange that was made within `limit`, or not. Protocols know no TLS, and TLS no protocol; here
/// what one saw explains the other.
async fn judge<S: SessionStream>(
    stream: &mut S,
    exchanged: Result<Result<Next, ProtocolError>, Elapsed>,
    stage: Stage,
    limit: Duration,
) -> Result<Next, Broken> {
    match exchanged {
        Ok(Ok(next)) => Ok(next),
        Ok(Err(ProtocolError::Answer { class, message })) => Err(Broken {
            failure: remarked(stream, (class, message)),
            answered: true,
        }),
        Ok(Err(ProtocolError::Io(error))) => Err(explain(stream, error, stage, limit).await.into()),
        Err(_) => Err(timed_out(stage, limit).into()),
    }
}

/// The failure of a session whose server closes, as it announced, with more exchanges to come.
fn closed_after(exchanges: u32) -> Failure {
    let times = if exchanges == 1 {
        "1 exchange".to_owned()
    } else {
        format!("{exchanges} exchanges")
    };
    (
        FailureClass::HttpClosed,
        format!("the server closed after {times}, as it announced; lower --exchanges"),
    )
}

/// Keeps a session open that is still to be confirmed by its close. What the server says meanwhile
/// is its answer: an alert ends it.
async fn linger<S, O>(course: &Course<'_>, stream: &mut S, observer: &mut O) -> Result<(), Failure>
where
    S: SessionStream,
    O: Observer<S>,
{
    if course.hold.is_zero() {
        return Ok(());
    }
    observer.enters(Stage::Hold);
    let ended = idle(course, stream, observer).await;
    observer.enters(Stage::Confirm);
    match ended {
        None | Some(Ok(()) | Err(Fault::Eof)) => Ok(()),
        Some(Err(fault)) => Err(failure(&fault, Stage::Confirm)),
    }
}

/// Waits for as long as the session is held, or until the observer lets go of it. Reads meanwhile, so that
/// tickets are taken in and a close by the server is noticed; it is returned.
async fn idle<S, O>(course: &Course<'_>, stream: &mut S, observer: &O) -> Option<Result<(), Fault>>
where
    S: SessionStream,
    O: Observer<S>,
{
    tokio::select! {
        () = observer.until_released() => None,
        ended = timeout(course.hold, stream.read_to_end()) => ended.ok(),
    }
}

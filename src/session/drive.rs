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

/// The plan of a session.
#[derive(Debug, Clone, Copy)]
pub struct Course<'a> {
    /// The protocol.
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
pub async fn drive<S: SessionStream, O: Observer<S>>(
    course: &Course<'_>,
    stream: &mut S,
    observer: &mut O,
) -> Result<OkKind, Broken> {
    let mut drive = Drive {
        course,
        stream,
        observer,
    };
    drive.run().await
}

struct Drive<'d, S, O> {
    course: &'d Course<'d>,
    stream: &'d mut S,
    observer: &'d mut O,
}

impl<S: SessionStream, O: Observer<S>> Drive<'_, S, O> {
    async fn run(&mut self) -> Result<OkKind, Broken> {
        let (kind, finished) = self.shake().await?;
        self.observer.enters(Stage::Confirm);
        let proof = match self.course.protocol.conversation() {
            Some(conversation) => {
                self.converse(conversation, kind).await?;
                Proof::ApplicationData
            }
            None if self.stream.finish_proves_acceptance() => {
                self.observer.confirmed(finished);
                Proof::ServerFinished
            }
            None => {
                self.linger().await?;
                let limit = self.course.timeouts.confirm.0;
                let (proof, at) = confirm_by_close(self.stream, limit).await?;
                self.observer.confirmed(at);
                self.observer.settled(self.stream, kind, proof);
                self.observer.accepted(kind, proof);
                return Ok(kind);
            }
        };
        self.observer.settled(self.stream, kind, proof);
        let held = !self.course.hold.is_zero();
        if held {
            self.observer.accepted(kind, proof);
            self.observer.holds();
            let ended = self.idle().await;
            self.observer.released(ended.is_some());
        }
        let closed = self.close().await;
        if !held {
            closed?;
            self.observer.accepted(kind, proof);
        }
        Ok(kind)
    }

    /// Completes the handshake; returns the kind of session and when it was established.
    async fn shake(&mut self) -> Result<(OkKind, Instant), Failure> {
        let limit = self.course.timeouts.handshake.0;
        self.observer.offered(self.stream);
        let shaken = timeout(limit, self.stream.handshake()).await;
        let finished = Instant::now();
        self.observer.offered(self.stream);
        match shaken {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => {
                self.observer.faulted(&fault);
                return Err(failure(&fault, Stage::Handshake));
            }
            Err(_) => return Err(timed_out(Stage::Handshake, limit)),
        }
        let Some(kind) = self.stream.kind() else {
            let message = "the handshake ended without a kind".to_owned();
            return Err((FailureClass::TlsProtocol, message));
        };
        self.observer.handshaken(self.stream, kind, finished);
        Ok((kind, finished))
    }

    /// Makes the session's exchanges; the first byte of the first answer is the confirmation.
    async fn converse(
        &mut self,
        mut conversation: Conversation<'_>,
        kind: OkKind,
    ) -> Result<(), Broken> {
        let exchanges = self.course.protocol.exchanges;
        for number in 1..=exchanges {
            let first = number == 1;
            let (stage, limit) = if first {
                (Stage::Confirm, self.course.timeouts.confirm.0)
            } else {
                (Stage::FirstByte, self.course.timeouts.exchange.0)
            };
            self.observer.enters(stage);
            let asked = Instant::now();
            self.observer.asks(asked);
            let mut wire = self.observer.wire(self.stream);
            let ended = timeout(limit, conversation.exchange(&mut wire)).await;
            drop(wire);
            if first {
                // By now it is known whether early data was sent again.
                self.observer.offered(self.stream);
            }
            let answered = Instant::now();
            let next = self.judge(ended, stage, limit).await?;
            self.observer.answered(kind, asked, answered);
            if first && let Some(at) = self.stream.marks().data {
                self.observer.confirmed(at);
            }
            if next == Next::Closes && number < exchanges {
                return Err(closed_after(number).into());
            }
        }
        Ok(())
    }

    /// Classifies the result of an exchange. Protocols know no TLS and TLS knows no protocol; here each
    /// explains what the other saw.
    async fn judge(
        &mut self,
        exchanged: Result<Result<Next, ProtocolError>, Elapsed>,
        stage: Stage,
        limit: Duration,
    ) -> Result<Next, Broken> {
        match exchanged {
            Ok(Ok(next)) => Ok(next),
            Ok(Err(ProtocolError::Answer { class, message })) => Err(Broken {
                failure: remarked(self.stream, (class, message)),
                answered: true,
            }),
            Ok(Err(ProtocolError::Io(error))) => {
                Err(explain(self.stream, error, stage, limit).await.into())
            }
            Err(_) => Err(timed_out(stage, limit).into()),
        }
    }

    /// Holds a session that only its close can confirm. Whatever the server sends meanwhile is its answer;
    /// an alert ends the session.
    async fn linger(&mut self) -> Result<(), Failure> {
        if self.course.hold.is_zero() {
            return Ok(());
        }
        self.observer.enters(Stage::Hold);
        let ended = self.idle().await;
        self.observer.enters(Stage::Confirm);
        match ended {
            None | Some(Ok(()) | Err(Fault::Eof)) => Ok(()),
            Some(Err(fault)) => Err(failure(&fault, Stage::Confirm)),
        }
    }

    /// Waits until the hold time is over or the observer releases the session. Reads meanwhile, to take in
    /// tickets and to notice a close by the server, which is returned.
    async fn idle(&mut self) -> Option<Result<(), Fault>> {
        tokio::select! {
            () = self.observer.until_released() => None,
            ended = timeout(self.course.hold, self.stream.read_to_end()) => ended.ok(),
        }
    }

    async fn close(&mut self) -> Result<(), Failure> {
        self.observer.enters(Stage::Close);
        match self.course.close {
            Close::Orderly => close_in_order(self.stream, self.course.timeouts.close.0).await,
            Close::Reset => {
                // Where the system refuses, the socket is closed with FIN all the same.
                let _ = self.stream.reset_on_close();
                Ok(())
            }
        }
    }
}

/// The failure of a session whose server closes, as it announced, with more exchanges to come.
fn closed_after(exchanges: u32) -> Failure {
    let plural = if exchanges == 1 { "" } else { "s" };
    let message = format!(
        "the server closed after {exchanges} exchange{plural}, as it announced; lower --exchanges"
    );
    (FailureClass::HttpClosed, message)
}

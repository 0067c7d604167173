//! The one driver of a session, from a connected socket to its close: the handshake, the conversation, and
//! whether the server accepted us (invariant 3).

use std::io;
use std::time::{Duration, Instant};

use tokio::time::error::Elapsed;
use tokio::time::{timeout, timeout_at};

use super::{Broken, Departure, Observer, Release};
use crate::protocol::{Conversation, Next, ProtocolError, ProtocolPlan, Who};
use crate::scenario::{Close, Timeouts};
use crate::stats::{FailureClass, OkKind, Proof, Stage};
use crate::tls::{
    Failure, Fault, SessionStream, close_in_order, confirm_by_close, explain, failure, remarked,
    timed_out,
};
use crate::units::counted;

/// The plan of a session.
#[derive(Debug, Clone, Copy)]
pub struct Course<'a> {
    /// Whose it is.
    pub who: Who<'a>,
    /// The protocol.
    pub protocol: &'a ProtocolPlan,
    /// Exchanges ahead of the hold or the close.
    pub exchanges: u32,
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
        is_cut: false,
    };
    drive.run().await
}

struct Drive<'d, S, O> {
    course: &'d Course<'d>,
    stream: &'d mut S,
    observer: &'d mut O,
    /// Whether it was cut while it was held.
    is_cut: bool,
}

impl<S: SessionStream, O: Observer<S>> Drive<'_, S, O> {
    async fn run(&mut self) -> Result<OkKind, Broken> {
        let (kind, finished) = self.shake().await?;
        self.observer.enters(Stage::Confirm);
        let Course { protocol, who, .. } = *self.course;
        let Some(mut conversation) = protocol.conversation(who) else {
            return self.without_a_word(kind, finished).await;
        };
        self.converse(&mut conversation, kind).await?;
        self.held_and_closed(Some(&mut conversation), kind, Proof::ApplicationData)
            .await
    }

    /// The rest of a session on which nothing is spoken.
    async fn without_a_word(&mut self, kind: OkKind, finished: Instant) -> Result<OkKind, Broken> {
        let waits = Instant::now();
        let departure = self.observer.watches(self.stream).await.err();
        if let Some(Departure::Own(failure)) = departure {
            return Err(failure.into());
        }
        let waited = waits.elapsed();
        if departure.is_none() && self.stream.finish_proves_acceptance() {
            self.observer.confirmed(finished);
            return self
                .held_and_closed(None, kind, Proof::ServerFinished)
                .await;
        }
        self.linger().await?;
        let limit = self.course.timeouts.confirm.0;
        let (proof, mut at) = confirm_by_close(self.stream, limit).await?;
        if departure.is_some() {
            let message = "the server hung up by itself on an earlier session that asked nothing";
            return Err((FailureClass::Unconfirmed, message.to_owned()).into());
        }
        if proof == Proof::OrderlyClose {
            // It was we who waited.
            at = at.checked_sub(waited).unwrap_or(at);
        }
        self.observer.confirmed(at);
        self.observer.settled(self.stream, kind, proof);
        self.observer.accepted(kind, proof);
        Ok(kind)
    }

    /// The rest of a confirmed session.
    async fn held_and_closed(
        &mut self,
        mut conversation: Option<&mut Conversation<'_>>,
        kind: OkKind,
        proof: Proof,
    ) -> Result<OkKind, Broken> {
        self.observer.settled(self.stream, kind, proof);
        let held = !self.course.hold.is_zero();
        if held {
            self.observer.accepted(kind, proof);
            self.observer.holds();
            let lost = self.hold(conversation.as_deref_mut(), kind).await;
            self.observer.released(lost);
        }
        let closed = self.close(conversation).await;
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

    /// Opens the conversation and makes the session's exchanges. The first byte of the answer that proves acceptance
    /// is the confirmation, unless the conversation knows better.
    async fn converse(
        &mut self,
        conversation: &mut Conversation<'_>,
        kind: OkKind,
    ) -> Result<(), Broken> {
        let limit = self.course.timeouts.confirm.0;
        let mut wire = self.observer.wire(self.stream);
        let begun = timeout(limit, conversation.begin(&mut wire)).await;
        drop(wire);
        self.judge(begun, Stage::Confirm, limit).await?;
        let mut confirmed = conversation.begins_with_proof();
        if confirmed {
            self.confirm(conversation);
        }
        let exchanges = self.course.exchanges;
        for number in 1..=exchanges {
            if number > 1 {
                self.think(conversation).await?;
            }
            let stage = if confirmed {
                Stage::FirstByte
            } else {
                Stage::Confirm
            };
            let next = self.exchange(conversation, stage, kind).await?;
            if !confirmed {
                confirmed = true;
                self.confirm(conversation);
            }
            if next == Next::Closes && number < exchanges {
                return Err(closed_after(number).into());
            }
        }
        Ok(())
    }

    /// Notes the proof of acceptance.
    fn confirm(&mut self, conversation: &Conversation<'_>) {
        if let Some(at) = conversation.proved().or(self.stream.marks().data) {
            self.observer.confirmed(at);
        }
    }

    /// Makes one exchange.
    async fn exchange(
        &mut self,
        conversation: &mut Conversation<'_>,
        stage: Stage,
        kind: OkKind,
    ) -> Result<Next, Broken> {
        let timeouts = self.course.timeouts;
        let limit = match stage {
            Stage::Confirm => timeouts.confirm.0,
            _ => timeouts.exchange.0,
        };
        self.observer.enters(stage);
        let asked = Instant::now();
        self.observer.asks(asked);
        let mut wire = self.observer.wire(self.stream);
        let ended = timeout(limit, conversation.exchange(&mut wire)).await;
        drop(wire);
        if stage == Stage::Confirm {
            // By now it is known whether early data was sent again.
            self.observer.offered(self.stream);
        }
        let answered = Instant::now();
        let next = self.judge(ended, stage, limit).await?;
        self.observer.answered(kind, asked, answered);
        Ok(next)
    }

    /// Waits between two exchanges.
    async fn think(&mut self, conversation: &mut Conversation<'_>) -> Result<(), Broken> {
        let think = self.course.protocol.think;
        if think.is_zero() {
            return Ok(());
        }
        let ended = timeout(think, conversation.idle(self.stream)).await;
        let Ok(ended) = ended else { return Ok(()) };
        self.observer.enters(Stage::FirstByte);
        let ended = ended.and_then(|()| Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()));
        self.judge(Ok(ended), Stage::FirstByte, think).await
    }

    /// Classifies the result of an exchange. Protocols know no TLS and TLS knows no protocol; here each
    /// explains what the other saw.
    async fn judge<T>(
        &mut self,
        exchanged: Result<Result<T, ProtocolError>, Elapsed>,
        stage: Stage,
        limit: Duration,
    ) -> Result<T, Broken> {
        match exchanged {
            Ok(Ok(done)) => Ok(done),
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
        let ended = tokio::select! {
            release = self.observer.until_released() => self.let_go(release),
            ended = timeout(self.course.hold, self.stream.read_to_end()) => ended.ok(),
        };
        self.observer.enters(Stage::Confirm);
        match ended {
            None | Some(Ok(()) | Err(Fault::Eof)) => Ok(()),
            Some(Err(fault)) => Err(failure(&fault, Stage::Confirm)),
        }
    }

    /// Holds a confirmed session until its time is over or the observer releases it. Reads meanwhile, to take in
    /// tickets and to notice how the server ends it, if it does, which is returned.
    async fn hold(
        &mut self,
        conversation: Option<&mut Conversation<'_>>,
        kind: OkKind,
    ) -> Option<Failure> {
        let until = Instant::now() + self.course.hold;
        let Some(conversation) = conversation else {
            let ended = tokio::select! {
                release = self.observer.until_released() => return self.let_go(release),
                ended = timeout_at(until.into(), self.stream.read_to_end()) => ended.ok()?,
            };
            return Some(match ended {
                Ok(()) => closed_while_held(),
                Err(fault) => failure(&fault, Stage::Hold),
            });
        };
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            let every = self.course.protocol.every;
            let pause = every.map_or(rest, |every| every.min(rest));
            let ended = tokio::select! {
                release = self.observer.until_released() => return self.let_go(release),
                ended = timeout(pause, async {
                    match every {
                        Some(_) => conversation.idle(self.stream).await,
                        None => conversation.hold(self.stream).await,
                    }
                }) => ended,
            };
            match ended {
                Ok(Ok(())) => return Some(closed_while_held()),
                Ok(ended) => {
                    let limit = self.course.timeouts.close.0;
                    let judged = self.judge(Ok(ended), Stage::Hold, limit).await;
                    return judged.err().map(Failure::from);
                }
                Err(_) if pause == rest => return None,
                Err(_) => {}
            }
            let exchanged = self.exchange(conversation, Stage::FirstByte, kind).await;
            if let Err(broken) = exchanged {
                return Some(broken.into());
            }
            self.observer.enters(Stage::Hold);
        }
    }

    /// Notes how a held session is released.
    fn let_go<T>(&mut self, release: Release) -> Option<T> {
        if release == Release::Cut {
            self.is_cut = true;
            self.observer.is_cut();
        }
        None
    }

    async fn close(&mut self, conversation: Option<&mut Conversation<'_>>) -> Result<(), Failure> {
        self.observer.enters(Stage::Close);
        let how = if self.is_cut {
            Close::Reset
        } else {
            self.course.close
        };
        match how {
            Close::Orderly => {
                let limit = self.course.timeouts.close.0;
                if let Some(conversation) = conversation {
                    // Where the server is gone already, the close finds out why.
                    let _ = timeout(limit, conversation.end(self.stream)).await;
                }
                close_in_order(self.stream, limit).await
            }
            Close::Reset => {
                // Where the system refuses, the socket is closed with FIN all the same.
                let _ = self.stream.reset_on_close();
                Ok(())
            }
        }
    }
}

/// How a held session ends whose server closes it in order.
fn closed_while_held() -> Failure {
    let message = "the server closed the held session in order".to_owned();
    (FailureClass::Eof(Stage::Hold), message)
}

/// The failure of a session whose server closes, as it announced, with more exchanges to come.
fn closed_after(exchanges: u32) -> Failure {
    let made = counted(exchanges.into(), "exchange");
    let message = format!("the server closed after {made}, as it announced; lower --exchanges");
    (FailureClass::HttpClosed, message)
}

//! One attempt: connect, handshake, confirm, hold, close, and what became of it.

use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};

use super::recorder::Attempt;
use super::worker::Env;
use crate::protocol::{self, ProtocolError};
use crate::scenario::ProtocolPlan;
use crate::stats::{FailureClass, OkKind, Outcome, Proof, Stage};
use crate::tls::{Fault, PlainStream, SessionStream, TlsStream, classify_connect, classify_fault};

/// A failed attempt: what is counted, and an example for people.
type Failure = (FailureClass, String);

/// Makes one attempt. Returns whether it succeeded.
pub(super) async fn run(env: Rc<Env>, mut attempt: Attempt) -> bool {
    attempt.launch();
    let result = match connect(&env, &attempt).await {
        Ok(io) => {
            attempt.connected(Instant::now());
            match &env.cell().tls {
                None => drive(&env, &mut attempt, PlainStream::new(io)).await,
                Some(tls) => match TlsStream::client(io, tls) {
                    Ok(stream) => drive(&env, &mut attempt, stream).await,
                    Err(fault) => Err(failure(&fault, Stage::Handshake)),
                },
            }
        }
        Err(failure) => Err(failure),
    };
    match result {
        Ok(()) => true,
        Err((class, message)) => {
            attempt.record(Outcome::Failed { class, message });
            false
        }
    }
}

async fn connect(env: &Env, attempt: &Attempt) -> Result<TcpStream, Failure> {
    let limit = env.timeouts().connect.0;
    let deadline = attempt.started() + limit;
    match timeout_at(deadline.into(), env.connector.connect(env.cell().addr)).await {
        Ok(Ok(io)) => Ok(io),
        Ok(Err(error)) => Err((classify_connect(&error), error.to_string())),
        Err(_) => Err(timed_out(Stage::Connect, limit)),
    }
}

/// Drives an established connection to its outcome, which is recorded as soon as it is certain,
/// and then holds and closes the session.
async fn drive<S: SessionStream>(
    env: &Env,
    attempt: &mut Attempt,
    mut stream: S,
) -> Result<(), Failure> {
    let connected = Instant::now();
    let limit = env.timeouts().handshake.0;
    within(Stage::Handshake, limit, stream.handshake()).await?;
    let finished = Instant::now();
    if let Some(observed) = stream.observed() {
        attempt.handshaken(connected, finished, stream.bytes(), observed);
    }
    let Some(kind) = stream.kind() else {
        return Err((
            FailureClass::TlsProtocol,
            "the handshake ended without a kind".to_owned(),
        ));
    };
    match env.plan.checked.protocol {
        ProtocolPlan::Handshake if stream.finish_proves_acceptance() => {
            attempt.confirmed(connected, finished);
            attempt.record(Outcome::Ok {
                kind,
                proof: Proof::ServerFinished,
            });
            hold(env, attempt, &mut stream).await;
            close(env, &mut stream).await;
            Ok(())
        }
        ProtocolPlan::Handshake => {
            hold(env, attempt, &mut stream).await;
            confirm_by_close(env, attempt, &mut stream, connected, kind).await
        }
        ProtocolPlan::Echo { exchanges, .. } | ProtocolPlan::Http1 { exchanges, .. } => {
            exchange_all(env, attempt, &mut stream, (connected, kind), exchanges).await?;
            attempt.record(Outcome::Ok {
                kind,
                proof: Proof::ApplicationData,
            });
            hold(env, attempt, &mut stream).await;
            close(env, &mut stream).await;
            Ok(())
        }
    }
}

/// Makes the session's exchanges; the first byte of the first answer is the confirmation.
async fn exchange_all<S: SessionStream>(
    env: &Env,
    attempt: &mut Attempt,
    stream: &mut S,
    (connected, kind): (Instant, OkKind),
    exchanges: u32,
) -> Result<(), Failure> {
    let timeouts = env.timeouts();
    let mut scratch = Vec::new();
    for number in 0..exchanges {
        let (stage, limit) = if number == 0 {
            (Stage::Confirm, timeouts.confirm.0)
        } else {
            (Stage::FirstByte, timeouts.exchange.0)
        };
        let from = Instant::now();
        let exchange = protocol::exchange(&env.plan.checked.protocol, stream, &mut scratch);
        match timeout(limit, exchange).await {
            Ok(Ok(())) => attempt.exchanged(kind, from, Instant::now()),
            Ok(Err(ProtocolError::Answer { class, message })) => return Err((class, message)),
            Ok(Err(ProtocolError::Io(error))) => {
                return Err(explain(stream, error, stage, limit).await);
            }
            Err(_) => return Err(timed_out(stage, limit)),
        }
        if number == 0
            && let Some(at) = stream.marks().data
        {
            attempt.confirmed(connected, at);
        }
    }
    Ok(())
}

/// Finds what is behind an I/O error: the fault the stream remembers, or, after a failed write, the
/// server's alert that is still to be read (invariant 3).
async fn explain<S: SessionStream>(
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
        && let Ok(Err(fault @ Fault::Tls(_))) = timeout(limit, stream.read_to_end()).await
    {
        return failure(&fault, stage);
    }
    failure(&Fault::Io(error), stage)
}

/// Keeps a session open for as long as the plan says, or until the load ends. Reads meanwhile, so
/// that tickets are taken in and a close by the server is noticed.
async fn hold<S: SessionStream>(env: &Env, attempt: &mut Attempt, stream: &mut S) {
    let hold = env.plan.checked.hold;
    if hold.is_zero() {
        return;
    }
    attempt.hold();
    let mut stop = env.stop.subscribe();
    tokio::select! {
        _ = stop.wait_for(|stopped| *stopped) => attempt.release(),
        ended = timeout(hold, stream.read_to_end()) => match ended {
            Ok(_) => attempt.lost(),
            Err(_) => attempt.release(),
        },
    }
}

/// Closes in order: our `close_notify` and FIN, then the server's. The outcome stands already, so
/// what goes wrong here is of no consequence.
async fn close<S: SessionStream>(env: &Env, stream: &mut S) {
    let closing = async {
        if stream.shutdown().await.is_ok() {
            let _ = stream.read_to_end().await;
        }
    };
    let _ = timeout(env.timeouts().close.0, closing).await;
}

/// Ends a session of the handshake protocol and takes a ticket or the server's orderly close for
/// the proof. An end of stream without either proves nothing.
async fn confirm_by_close<S: SessionStream>(
    env: &Env,
    attempt: &mut Attempt,
    stream: &mut S,
    connected: Instant,
    kind: OkKind,
) -> Result<(), Failure> {
    let limit = env.timeouts().confirm.0;
    let closing = async {
        // A failed write is followed by reading all the same: the reason is in what the server sent.
        let _ = stream.shutdown().await;
        stream.read_to_end().await
    };
    let ended = timeout(limit, closing).await;
    if let Ok(Err(fault @ (Fault::Tls(_) | Fault::Io(_)))) = &ended {
        return Err(failure(fault, Stage::Confirm));
    }
    let marks = stream.marks();
    let proof = match (marks.ticket, marks.closed) {
        (Some(at), _) => Some((Proof::NewSessionTicket, at)),
        (None, Some(at)) => Some((Proof::OrderlyClose, at)),
        (None, None) => None,
    };
    match (proof, ended) {
        (Some((proof, at)), _) => {
            attempt.confirmed(connected, at);
            attempt.record(Outcome::Ok { kind, proof });
            Ok(())
        }
        (None, Err(_)) => Err(timed_out(Stage::Confirm, limit)),
        (None, Ok(_)) => Err((
            FailureClass::Unconfirmed,
            "the server ended the connection without close_notify, ticket or alert".to_owned(),
        )),
    }
}

/// Runs one stage with its timeout.
async fn within(
    stage: Stage,
    limit: Duration,
    work: impl Future<Output = Result<(), Fault>>,
) -> Result<(), Failure> {
    match timeout(limit, work).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(fault)) => Err(failure(&fault, stage)),
        Err(_) => Err(timed_out(stage, limit)),
    }
}

fn failure(fault: &Fault, stage: Stage) -> Failure {
    (classify_fault(fault, stage), fault.to_string())
}

fn timed_out(stage: Stage, limit: Duration) -> Failure {
    (
        FailureClass::Timeout(stage),
        format!("no end after {} ms", limit.as_millis()),
    )
}

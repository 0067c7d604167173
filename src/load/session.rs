//! One attempt: connect, handshake, confirm, hold, close, and what became of it.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};

use super::connect::established;
use super::env::Env;
use super::recorder::Attempt;
use crate::crypto::{Ledger, attributed};
use crate::protocol::{self, Next};
use crate::scenario::ProtocolPlan;
use crate::session::{closed_after, judge};
use crate::stats::{FailureClass, OkKind, Outcome, Proof, Stage, Work};
use crate::tls::{
    ClientStream, ClientTls, Failure, Fault, PlainStream, SessionStream, TlsStream, close_in_order,
    confirm_by_close, connect_failure, failure, timed_out,
};

/// An attempt that has begun to connect.
pub(super) struct Opened {
    env: Rc<Env>,
    attempt: Attempt,
    ledger: Option<Box<Ledger>>,
    connecting: io::Result<TcpStream>,
}

/// Begins an attempt, now.
pub(super) fn open(env: Rc<Env>, mut attempt: Attempt) -> Opened {
    attempt.launch();
    let mut ledger = env.plan.metered.then(Ledger::client);
    let connecting = attributed(&mut ledger, Work::Socket, || {
        let address = env.addresses.of(&attempt);
        env.connector.open(address)
    });
    Opened {
        env,
        attempt,
        ledger,
        connecting,
    }
}

impl Opened {
    /// Makes the attempt. Returns whether it came to a connection.
    pub async fn run(self) -> bool {
        let Self {
            env,
            attempt,
            ledger,
            connecting,
        } = self;
        run(&env, attempt, ledger, connecting).await
    }
}

async fn run(
    env: &Env,
    mut attempt: Attempt,
    mut ledger: Option<Box<Ledger>>,
    connecting: io::Result<TcpStream>,
) -> bool {
    let mut came_to_a_connection = false;
    let result = match connect(env, &attempt, &mut ledger, connecting).await {
        Ok(io) => {
            came_to_a_connection = true;
            // From here the handshake counts, the making of the key share included.
            let connected = Instant::now();
            attempt.connected(connected);
            match env.tls_of(&attempt) {
                None => {
                    let stream = Box::new(PlainStream::new(io, ledger));
                    drive(env, &mut attempt, stream, connected).await
                }
                Some(tls) => match begin(io, tls, &attempt, env, ledger) {
                    Ok(stream) => drive(env, &mut attempt, stream, connected).await,
                    Err(fault) => Err(failure(&fault, Stage::Handshake)),
                },
            }
        }
        Err(failure) => Err(failure),
    };
    if let Err((class, message)) = result {
        attempt.record(Outcome::Failed { class, message });
    }
    came_to_a_connection
}

/// Begins the TLS session. On the heap, since a future keeps room for every place that a value is moved
/// through, and thousands of sessions may be held at once.
fn begin(
    io: TcpStream,
    tls: &ClientTls,
    attempt: &Attempt,
    env: &Env,
    ledger: Option<Box<Ledger>>,
) -> Result<Box<ClientStream>, Fault> {
    let mut stream = TlsStream::resuming(io, tls, attempt.resumes(), ledger)?;
    if tls.sends_early_data() && attempt.resumes() {
        stream.send_early(&protocol::opening(env.protocol()));
    }
    Ok(Box::new(stream))
}

async fn connect(
    env: &Env,
    attempt: &Attempt,
    ledger: &mut Option<Box<Ledger>>,
    connecting: io::Result<TcpStream>,
) -> Result<TcpStream, Failure> {
    let limit = env.timeouts().connect.0;
    let deadline = attempt.started() + limit;
    let mut connecting = pin!(async { established(connecting?).await });
    let connected = poll_fn(|cx| attributed(ledger, Work::Socket, || connecting.as_mut().poll(cx)));
    match timeout_at(deadline.into(), connected).await {
        Ok(Ok(io)) => Ok(io),
        Ok(Err(error)) => Err(connect_failure(&error)),
        Err(_) => Err(timed_out(Stage::Connect, limit)),
    }
}

/// Drives an established connection to its outcome, and holds and closes the session. A session that is
/// held counts from its answer; any other one once it is closed, since a rejection may follow the answer.
async fn drive<S: SessionStream>(
    env: &Env,
    attempt: &mut Attempt,
    mut stream: Box<S>,
    connected: Instant,
) -> Result<(), Failure> {
    let limit = env.timeouts().handshake.0;
    attempt.offered(stream.offer());
    let shaken = within(Stage::Handshake, limit, stream.handshake()).await;
    let finished = Instant::now();
    attempt.offered(stream.offer());
    shaken?;
    if let Some(observed) = stream.observed() {
        attempt.handshaken(connected, finished, stream.bytes(), observed);
    }
    attempt.enter(Stage::Confirm);
    let Some(kind) = stream.kind() else {
        return Err((
            FailureClass::TlsProtocol,
            "the handshake ended without a kind".to_owned(),
        ));
    };
    attempt.is_of(kind);
    let proof = match *env.protocol() {
        ProtocolPlan::Handshake if stream.finish_proves_acceptance() => {
            attempt.confirmed(connected, finished);
            Proof::ServerFinished
        }
        ProtocolPlan::Handshake => {
            linger(env, attempt, &mut *stream).await?;
            let limit = env.timeouts().confirm.0;
            let (proof, at) = confirm_by_close(&mut *stream, limit).await?;
            attempt.confirmed(connected, at);
            attempt.record(Outcome::Ok { kind, proof });
            attempt.dissected(kind, stream.into_ledger());
            return Ok(());
        }
        ProtocolPlan::Echo { exchanges, .. } | ProtocolPlan::Http1 { exchanges, .. } => {
            exchange_all(env, attempt, &mut *stream, (connected, kind), exchanges).await?;
            Proof::ApplicationData
        }
    };
    attempt.settle(kind, proof);
    if !env.hold().is_zero() {
        attempt.record(Outcome::Ok { kind, proof });
        hold(env, attempt, &mut *stream).await;
    }
    attempt.enter(Stage::Close);
    let closed = if env.resets() {
        // Where the system refuses, the socket is closed with FIN all the same.
        let _ = stream.reset_on_close();
        Ok(())
    } else {
        close_in_order(&mut *stream, env.timeouts().close.0).await
    };
    if env.hold().is_zero() {
        closed?;
        attempt.record(Outcome::Ok { kind, proof });
    }
    attempt.dissected(kind, stream.into_ledger());
    Ok(())
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
        attempt.enter(stage);
        let from = Instant::now();
        attempt.asks(from);
        let exchange = protocol::exchange(env.protocol(), stream, &mut scratch);
        let ended = timeout(limit, exchange).await;
        if number == 0 {
            // By now it is known whether early data was sent again.
            attempt.offered(stream.offer());
        }
        let to = Instant::now();
        let next = judge(stream, ended, stage, limit).await?;
        attempt.exchanged(kind, from, to);
        if number == 0
            && let Some(at) = stream.marks().data
        {
            attempt.confirmed(connected, at);
        }
        if next == Next::Closes && number + 1 < exchanges {
            return Err(closed_after(number + 1));
        }
    }
    Ok(())
}

/// Keeps a confirmed session open for as long as the plan says, or until the load ends. Reads
/// meanwhile, so that tickets are taken in and a close by the server is noticed.
async fn hold<S: SessionStream>(env: &Env, attempt: &mut Attempt, stream: &mut S) {
    attempt.hold();
    tokio::select! {
        () = env.until_stopped() => attempt.release(),
        ended = timeout(env.hold(), stream.read_to_end()) => match ended {
            Ok(_) => attempt.lost(),
            Err(_) => attempt.release(),
        },
    }
}

/// Keeps a session open that is still to be confirmed by its close. What the server says meanwhile
/// is its answer: an alert ends it.
async fn linger<S: SessionStream>(
    env: &Env,
    attempt: &mut Attempt,
    stream: &mut S,
) -> Result<(), Failure> {
    let hold = env.hold();
    if hold.is_zero() {
        return Ok(());
    }
    attempt.enter(Stage::Hold);
    let result = tokio::select! {
        () = env.until_stopped() => Ok(()),
        ended = timeout(hold, stream.read_to_end()) => match ended {
            Ok(Ok(()) | Err(Fault::Eof)) | Err(_) => Ok(()),
            Ok(Err(fault)) => Err(failure(&fault, Stage::Confirm)),
        },
    };
    attempt.enter(Stage::Confirm);
    result
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

//! The probe's one connection: resolve, connect, handshake, ask, close. Facts only; what they mean is
//! told elsewhere. Confirmation follows the same rules as a session under load.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::ProbePlan;
use super::capture::Tap;
use crate::address::{self, MOST_TRIED};
use crate::protocol::{self, ProtocolError};
use crate::scenario::ProtocolPlan;
use crate::session::judge;
use crate::stats::{FailureClass, Observed, OkKind, Proof, SessionLedger, Stage};
use crate::tls::{
    Bytes, ClientStream, ClientTls, Failure, HandshakeCapture, Offer, Seen, SessionStream,
    TlsStream, alert_sent_for, close_in_order, confirm_by_close, connect_failure, failure,
    timed_out,
};

/// How long the server may take to close after us; only its tickets are still of interest.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// How it ended.
#[derive(Debug)]
pub(super) enum End {
    /// The server answered as the protocol wants.
    Answered,
    /// The server answered, but not so: the class and what came instead.
    Odd(FailureClass, String),
    /// Nothing was asked, and this proves acceptance.
    Proved(Proof),
    /// It failed.
    Failed(FailureClass, String),
}

/// What one connection has shown.
#[derive(Debug)]
pub(super) struct Facts {
    pub offer: Offer,
    pub seen: Seen,
    pub peer: Option<SocketAddr>,
    pub failed_addresses: Vec<String>,
    pub hello_bytes: u64,
    pub kind: Option<OkKind>,
    pub observed: Option<Observed>,
    /// Bytes when our side of the handshake was done; `None` if it never was.
    pub finished: Option<Bytes>,
    pub our_alert: Option<u8>,
    /// The beginning of the server's application data.
    pub answer: Vec<u8>,
    pub tickets: u32,
    pub closed: bool,
    /// Where our time went until the server had answered.
    pub ledger: Option<SessionLedger>,
    pub end: End,
    pub elapsed: Duration,
}

/// Makes the connection. It ends whatever the server does: every wait has the plan's limit.
pub(super) async fn run(plan: &ProbePlan, tls: &ClientTls, capture: &HandshakeCapture) -> Facts {
    let start = Instant::now();
    let mut facts = Facts {
        offer: capture.offer().clone(),
        seen: Seen::default(),
        peer: None,
        failed_addresses: Vec::new(),
        hello_bytes: 0,
        kind: None,
        observed: None,
        finished: None,
        our_alert: None,
        answer: Vec::new(),
        tickets: 0,
        closed: false,
        ledger: None,
        end: End::Answered,
        elapsed: Duration::ZERO,
    };
    facts.end = match connect(plan, &mut facts.failed_addresses).await {
        Ok((io, peer)) => {
            facts.peer = Some(peer);
            match TlsStream::client(io, tls) {
                Ok(mut stream) => {
                    let end = drive(plan, &mut stream, &mut facts).await;
                    facts.elapsed = start.elapsed();
                    facts.kind = stream.kind();
                    facts.observed = stream.observed();
                    facts.ledger = stream.ledger();
                    let end = close(&mut stream, end).await;
                    facts.tickets = stream.tickets_received();
                    facts.closed = stream.marks().closed.is_some();
                    end
                }
                Err(fault) => failure(&fault, Stage::Handshake).into(),
            }
        }
        Err(failure) => failure.into(),
    };
    if facts.elapsed.is_zero() {
        facts.elapsed = start.elapsed();
    }
    facts.seen = capture.seen();
    facts
}

/// Connects to the first address of the plan's host that answers, and says to which. The addresses that
/// failed before are added to `failed`, each with its reason.
///
/// # Errors
///
/// Fails with the last reason if none answers within the plan's timeout, or the name has no address.
pub async fn connect(
    plan: &ProbePlan,
    failed: &mut Vec<String>,
) -> Result<(TcpStream, SocketAddr), Failure> {
    let mut last = (
        FailureClass::ConnectOther,
        "the name has no address".to_owned(),
    );
    for address in addresses(plan)? {
        let opening = async {
            let stream = TcpStream::connect(address).await?;
            // A small segment would otherwise wait for the peer's acknowledgement.
            stream.set_nodelay(true)?;
            Ok::<_, io::Error>(stream)
        };
        last = match timeout(plan.timeout, opening).await {
            Ok(Ok(stream)) => return Ok((stream, address)),
            Ok(Err(error)) => connect_failure(&error),
            Err(_) => timed_out(Stage::Connect, plan.timeout),
        };
        failed.push(format!("{address}: {}", last.1));
    }
    Err(last)
}

/// The addresses to try. The resolver may block: nothing else is to be done meanwhile.
fn addresses(plan: &ProbePlan) -> Result<Vec<SocketAddr>, Failure> {
    let mut found = address::addresses(&plan.host, plan.port, &plan.pinned, plan.timeout)
        .map_err(|error| (error.class(), error.to_string()))?;
    found.truncate(MOST_TRIED);
    Ok(found)
}

async fn drive(plan: &ProbePlan, stream: &mut ClientStream, facts: &mut Facts) -> End {
    facts.hello_bytes = match timeout(plan.timeout, stream.send_hello()).await {
        Ok(bytes) => bytes,
        Err(_) => stream.bytes().sent,
    };
    match timeout(plan.timeout, stream.handshake()).await {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => {
            facts.our_alert = alert_sent_for(&fault);
            return failure(&fault, Stage::Handshake).into();
        }
        Err(_) => return timed_out(Stage::Handshake, plan.timeout).into(),
    }
    facts.finished = Some(stream.bytes());
    match plan.protocol {
        ProtocolPlan::Handshake if stream.finish_proves_acceptance() => {
            End::Proved(Proof::ServerFinished)
        }
        ProtocolPlan::Handshake => match confirm_by_close(stream, plan.timeout).await {
            Ok((proof, _)) => End::Proved(proof),
            Err(failure) => failure.into(),
        },
        ProtocolPlan::Echo { .. } | ProtocolPlan::Http1 { .. } => {
            let mut tap = Tap::new(stream);
            let mut scratch = Vec::new();
            let exchange = protocol::exchange(&plan.protocol, &mut tap, &mut scratch);
            let exchanged = timeout(plan.timeout, exchange).await;
            facts.answer = tap.into_kept();
            let answered = matches!(exchanged, Ok(Err(ProtocolError::Answer { .. })));
            match judge(stream, exchanged, Stage::Confirm, plan.timeout).await {
                Ok(_) => End::Answered,
                Err((class, message)) if answered => End::Odd(class, message),
                Err(failure) => failure.into(),
            }
        }
    }
}

/// Closes in order after an answer, which a rejection behind it outweighs.
async fn close(stream: &mut ClientStream, end: End) -> End {
    if matches!(end, End::Failed(..)) {
        return end;
    }
    match close_in_order(stream, CLOSE_LIMIT).await {
        Ok(()) => end,
        Err(failure) => failure.into(),
    }
}

impl From<Failure> for End {
    fn from((class, message): Failure) -> Self {
        Self::Failed(class, message)
    }
}

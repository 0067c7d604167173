//! The one session of a probe, as facts; `explain` and `verdict` interpret them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ProbePlan;
use super::capture::Tap;
use crate::address::{self, MOST_TRIED};
use crate::pki::Identity;
use crate::protocol::Who;
use crate::scenario::{Close, Timeouts};
use crate::session::{Broken, Course, Endpoint, Observer, begin_tls, drive, enter, open};
use crate::stats::{FailureClass, Observed, OkKind, Proof, SessionLedger, Stage};
use crate::tls::{
    Bytes, ClientStream, ClientTls, Failure, Fault, HandshakeCapture, Offer, Seen, SessionStream,
    Socket, alert_sent_for, close_in_order,
};
use crate::units::Span;

/// How long the server may take to close after us; only its tickets are still of interest.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// How it ended.
#[derive(Debug, Default)]
pub(super) enum End {
    /// The server answered as the protocol wants.
    #[default]
    Answered,
    /// The server answered, but not so: the class and what came instead.
    Odd(FailureClass, String),
    /// Nothing was asked, and this proves acceptance.
    Proved(Proof),
    /// It failed.
    Failed(FailureClass, String),
}

/// What one connection has shown.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub offer: Offer,
    pub seen: Seen,
    pub peer: Option<Endpoint>,
    /// How long the way in took, if there is one and it led to TLS.
    pub way_in: Option<Duration>,
    /// Whether TLS was begun.
    pub begun: bool,
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
        ..Facts::default()
    };
    if let Err(failure) = make(plan, tls, &mut facts, start).await {
        facts.end = End::Failed(failure.0, failure.1);
    }
    if facts.elapsed.is_zero() {
        facts.elapsed = start.elapsed();
    }
    facts.seen = capture.seen();
    facts
}

async fn make(
    plan: &ProbePlan,
    tls: &ClientTls,
    facts: &mut Facts,
    start: Instant,
) -> Result<(), Failure> {
    let (io, peer) = connect(plan, &mut facts.failed_addresses).await?;
    facts.peer = Some(peer);
    let mut watch = Watch {
        facts,
        start,
        walked: None,
    };
    let (mut stream, driven) = session(plan, io, tls, Manner::default(), &mut watch).await?;
    watch.look(&stream);
    let result = match driven {
        Ok(_) => Ok(()),
        Err(Broken { failure, answered }) if answered => {
            facts.end = End::Odd(failure.0, failure.1);
            // A rejection behind the answer outweighs it.
            close_in_order(&mut *stream, CLOSE_LIMIT).await
        }
        Err(broken) => Err(broken.failure),
    };
    facts.hello_bytes = stream.hello_bytes();
    facts.tickets = stream.tickets_received();
    facts.closed = stream.marks().closed.is_some();
    result
}

/// Collects the facts.
struct Watch<'a> {
    facts: &'a mut Facts,
    start: Instant,
    /// When the way in began.
    walked: Option<Instant>,
}

impl Watch<'_> {
    /// Records the state of the session when it is first settled, well or not.
    fn look(&mut self, stream: &ClientStream) {
        if self.facts.elapsed.is_zero() {
            self.facts.elapsed = self.start.elapsed();
            self.facts.kind = stream.kind();
            self.facts.observed = stream.observed();
            self.facts.ledger = stream.ledger();
        }
    }
}

impl Observer<ClientStream> for Watch<'_> {
    type Wire<'a>
        = Tap<'a, ClientStream>
    where
        Self: 'a;

    fn wire<'a>(&'a mut self, stream: &'a mut ClientStream) -> Tap<'a, ClientStream> {
        Tap::new(stream, &mut self.facts.answer)
    }

    fn enters(&mut self, stage: Stage) {
        match stage {
            Stage::WayIn => self.walked = Some(Instant::now()),
            Stage::Handshake => {
                self.facts.begun = true;
                self.facts.way_in = self.walked.map(|began| began.elapsed());
            }
            _ => {}
        }
    }

    fn faulted(&mut self, fault: &Fault) {
        self.facts.our_alert = alert_sent_for(fault);
    }

    fn handshaken(&mut self, stream: &ClientStream, _kind: OkKind, _at: Instant) {
        self.facts.finished = Some(stream.bytes());
    }

    fn settled(&mut self, stream: &ClientStream, _kind: OkKind, proof: Proof) {
        if proof != Proof::ApplicationData {
            self.facts.end = End::Proved(proof);
        }
        self.look(stream);
    }
}

/// How the one session is made.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner {
    /// Offer a stored ticket.
    pub resume: bool,
    /// How long it is kept open once it is confirmed, with an exchange now and then as the protocol's plan says.
    pub hold: Duration,
}

/// Makes the one session of `plan` on a connection: its way in is walked, it is asked once, perhaps held, and closed in
/// order. The stream is returned as it was left.
///
/// Fails if TLS cannot begin: there is no way in, or rustls cannot begin a handshake with this configuration.
pub(crate) async fn session<O: Observer<ClientStream>>(
    plan: &ProbePlan,
    mut io: Socket,
    tls: &ClientTls,
    manner: Manner,
    observer: &mut O,
) -> Result<(Box<ClientStream>, Result<OkKind, Broken>), Failure> {
    if !plan.way_in.is_silent() {
        observer.enters(Stage::WayIn);
        enter(&mut io, &plan.way_in, plan.timeout, &mut None).await?;
    }
    observer.enters(Stage::Handshake);
    let mut stream = begin_tls(io, tls, manner.resume, &plan.protocol, tls.ledger())?;
    let timeouts = Timeouts {
        handshake: Span(plan.timeout),
        confirm: Span(plan.timeout),
        exchange: Span(plan.timeout),
        close: Span(CLOSE_LIMIT),
        ..Timeouts::default()
    };
    let name = plan.identity.as_ref().map(Identity::common_name);
    let course = Course {
        who: Who::next(name.as_deref().unwrap_or_default()),
        protocol: &plan.protocol,
        exchanges: plan.protocol.exchanges,
        timeouts: &timeouts,
        hold: manner.hold,
        close: Close::Orderly,
    };
    let ended = drive(&course, &mut *stream, observer).await;
    Ok((stream, ended))
}

/// Connects to the first address of the plan's host that answers, and says to which. The addresses that
/// failed before are added to `failed`, each with its reason.
///
/// Fails with the last reason if none answers within the plan's timeout, or the name has no address.
pub(crate) async fn connect(
    plan: &ProbePlan,
    failed: &mut Vec<String>,
) -> Result<(Socket, Endpoint), Failure> {
    let mut last = (
        FailureClass::ConnectOther,
        "the name has no address".to_owned(),
    );
    for address in addresses(plan)? {
        let opened = open(&address, None);
        match crate::session::connect(opened, Instant::now(), plan.timeout, &mut None).await {
            Ok(stream) => return Ok((stream, address)),
            Err(failure) => last = failure,
        }
        failed.push(format!("{address}: {}", last.1));
    }
    Err(last)
}

/// The addresses to try. The resolver may block: nothing else is to be done meanwhile.
fn addresses(plan: &ProbePlan) -> Result<Vec<Endpoint>, Failure> {
    if let Some(path) = &plan.way_in.unix {
        return Ok(vec![Endpoint::Unix(Arc::clone(path))]);
    }
    let (host, port) = plan.way_in.reached(&plan.host, plan.port);
    let mut found = address::addresses(host, port, &plan.pinned, plan.timeout)
        .map_err(|error| (error.class(), error.to_string()))?;
    found.truncate(MOST_TRIED);
    Ok(found.into_iter().map(Endpoint::Tcp).collect())
}

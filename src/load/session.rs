//! One attempt of a load: its session, and what the recorder gets to see of it.

use std::future::Future;
use std::rc::Rc;
use std::time::Instant;

use super::env::{Env, Whose};
use super::recorder::{Attempt, Away};
use crate::crypto::{Ledger, attributed};
use crate::session::{
    Course, Departure, Observer, Opened as Connecting, Release, begin_tls, connect, drive, enter,
    stays,
};
use crate::stats::{OkKind, Outcome, Proof, Stage, Work};
use crate::tls::{Failure, PlainStream, SessionStream, Socket};

/// An attempt that has begun to connect.
pub(super) struct Opened {
    env: Rc<Env>,
    /// On the heap: a future keeps room for every place that a value is moved through.
    attempt: Box<Attempt>,
    ledger: Option<Box<Ledger>>,
    connecting: Result<Connecting, Failure>,
}

/// Begins an attempt, now.
pub(super) fn open(env: Rc<Env>, mut attempt: Attempt) -> Opened {
    attempt.launch();
    let mut ledger = env.plan.metered.then(Ledger::client);
    let connecting = match attempt.take_unloaded() {
        Some(failure) => Err(failure),
        None => Ok(attributed(&mut ledger, Work::Socket, || {
            let (index, address) = env.addresses.of(&attempt);
            env.connector.open(index, address)
        })),
    };
    Opened {
        env,
        attempt: Box::new(attempt),
        ledger,
        connecting,
    }
}

/// How an attempt ended.
struct Ended {
    /// Whether it came to a connection.
    connected: bool,
    /// The session that is to be tried again, and whose it is.
    again: Option<(Away, Whose)>,
}

impl Opened {
    /// Makes the attempt. A session that an event cuts comes back, and is the attempt's until it does. Returns whether it
    /// came to a connection.
    pub(crate) async fn run(self) -> bool {
        let env = Rc::clone(&self.env);
        let Ended {
            connected,
            mut again,
        } = self.once().await;
        while let Some((away, whose)) = again {
            // On the heap: few sessions are cut.
            again = Box::pin(come_back(&env, away, whose)).await;
        }
        connected
    }

    async fn once(self) -> Ended {
        let Self {
            env,
            mut attempt,
            mut ledger,
            connecting,
        } = self;
        let mut came_to_a_connection = false;
        let limit = env.timeouts().connect.0;
        let connected = match connecting {
            Ok(connecting) => connect(connecting, attempt.started(), limit, &mut ledger).await,
            Err(failure) => Err(failure),
        };
        let result = match connected {
            Ok(io) => {
                came_to_a_connection = true;
                run(&env, &mut attempt, io, ledger).await
            }
            Err(failure) => Err(failure),
        };
        if let Err((class, message)) = result {
            attempt.record(Outcome::Failed { class, message });
        }
        let away = attempt.take_away();
        Ended {
            connected: came_to_a_connection,
            again: away.map(|away| (away, Whose::of(&mut attempt))),
        }
    }
}

/// Tries once to bring a session back that was cut, after its back-off. Returns it if it is to be tried again.
async fn come_back(env: &Rc<Env>, away: Away, whose: Whose) -> Option<(Away, Whose)> {
    let due = Instant::now() + env.back_off(&away);
    env.sleep_until(due).await;
    if env.stopped() {
        return None;
    }
    let attempt = env.begin_again(due, away, whose);
    open(Rc::clone(env), attempt).once().await.again
}

/// Makes a session of a connection.
async fn run(
    env: &Env,
    attempt: &mut Attempt,
    mut io: Socket,
    mut ledger: Option<Box<Ledger>>,
) -> Result<(), Failure> {
    // From here the handshake counts, the making of the key share included.
    let mut connected = Instant::now();
    attempt.connected(connected);
    let way = &env.plan.checked.way_in;
    if !way.is_silent() {
        attempt.enter(Stage::WayIn);
        enter(&mut io, way, env.timeouts().way_in.0, &mut ledger).await?;
        let began = std::mem::replace(&mut connected, Instant::now());
        attempt.entered(began, connected);
    }
    let resume = attempt.resumes();
    // Held apart from the attempt, which the session notes things in.
    let member = attempt.member.clone();
    let (tls, name) = env.client_of(attempt.sample.identity, member.as_deref());
    let course = env.course(name);
    let watch = Watch {
        env,
        attempt,
        connected,
        drops_seen: 0,
    };
    match tls {
        None => to_its_end(watch, &course, Box::new(PlainStream::new(io, ledger))).await,
        Some(tls) => {
            let stream = begin_tls(io, tls, resume, env.protocol(), ledger)?;
            to_its_end(watch, &course, stream).await
        }
    }
}

async fn to_its_end<S: SessionStream>(
    mut watch: Watch<'_>,
    course: &Course<'_>,
    mut stream: Box<S>,
) -> Result<(), Failure> {
    let kind = drive(course, &mut *stream, &mut watch).await?;
    watch.attempt.dissected(kind, stream.into_ledger());
    Ok(())
}

/// Notes what happens on a session in its attempt.
struct Watch<'a> {
    env: &'a Env,
    attempt: &'a mut Attempt,
    connected: Instant,
    /// How many drops had come due when it began to be held.
    drops_seen: usize,
}

impl<S: SessionStream> Observer<S> for Watch<'_> {
    type Wire<'a>
        = &'a mut S
    where
        Self: 'a,
        S: 'a;

    fn wire<'a>(&'a mut self, stream: &'a mut S) -> &'a mut S {
        stream
    }

    fn enters(&mut self, stage: Stage) {
        self.attempt.enter(stage);
    }

    fn offered(&mut self, stream: &S) {
        self.attempt.sample.offer = stream.offer();
    }

    fn handshaken(&mut self, stream: &S, kind: OkKind, at: Instant) {
        if let Some(observed) = stream.observed() {
            let bytes = stream.bytes();
            self.attempt.handshaken(self.connected, at, bytes, observed);
        }
        self.attempt.sample.kind = kind;
    }

    async fn watches(&mut self, stream: &mut S) -> Result<(), Departure> {
        let Some(stayed) = self.env.stayed_of(self.attempt) else {
            return Ok(());
        };
        let mut own = None;
        let first = async {
            own = stays(stream).await.err();
            own.is_none()
        };
        if *stayed.get_or_init(|| first).await {
            return Ok(());
        }
        Err(own.unwrap_or(Departure::Earlier))
    }

    fn asks(&mut self, at: Instant) {
        self.attempt.asks(at);
    }

    fn answered(&mut self, kind: OkKind, asked: Instant, at: Instant) {
        self.attempt.exchanged(kind, asked, at);
    }

    fn confirmed(&mut self, at: Instant) {
        self.attempt.confirmed(self.connected, at);
    }

    fn settled(&mut self, _stream: &S, kind: OkKind, proof: Proof) {
        self.attempt.settle(kind, proof);
    }

    fn accepted(&mut self, kind: OkKind, proof: Proof) {
        self.attempt.record(Outcome::Ok { kind, proof });
    }

    fn holds(&mut self) {
        self.drops_seen = self.env.drops_due();
        self.attempt.hold();
    }

    fn released(&mut self, lost: Option<Failure>) {
        match lost {
            Some(failure) => self.attempt.lost(&failure),
            None => self.attempt.release(),
        }
    }

    fn is_cut(&mut self) {
        let number = self.attempt.number();
        if let Some(event) = self.env.dropped_by(number, self.drops_seen) {
            self.attempt.cut(event);
        }
    }

    fn until_released(&self) -> impl Future<Output = Release> {
        self.env
            .until_released(self.attempt.number(), self.drops_seen)
    }
}

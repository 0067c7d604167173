//! Follows an agent's Workload API: one server stream of gRPC over a Unix socket, on a thread of its own.
//!
//! Each message holds the whole state. A stream that ends is opened again; what it said last stays in use.

use std::fmt;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use h2::RecvStream;
use h2::client::Builder;
use http::{HeaderMap, Request};
use hyper::body::Bytes;
use nix::unistd::getuid;
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{AgentError, Answer, Svid, message_of, socket_of, svids_of};
use crate::text::{UNTRUSTED_CAP, escape_untrusted};

const METHOD: &str = "http://localhost/SpiffeWorkloadAPI/FetchX509SVID";
/// How long a stream may take to its first message.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long is waited before a stream is opened again; it doubles up to ...
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// ... this.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Time between two messages, so that an agent that floods costs no core.
const PAUSE: Duration = Duration::from_millis(100);
/// Largest list of response fields, in bytes.
const HEAD_CAP: u32 = 16 * 1024;
const SEE_LOG: &str = "see the agent's log";
/// Status codes of gRPC.
const OK: &str = "0";
const PERMISSION_DENIED: &str = "7";

/// An agent's Workload API, followed until this is dropped.
pub struct Agent {
    socket: PathBuf,
    newest: Arc<Mutex<Option<Answer>>>,
    first: Answer,
    /// Its end ends the thread.
    _stop: oneshot::Sender<()>,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

impl Agent {
    /// Asks the agent at an endpoint, or at the environment's where that is empty, and waits for its first answer.
    ///
    /// Fails if there is none within 10 s.
    pub(crate) fn open(endpoint: &str) -> Result<Self, AgentError> {
        let socket = socket_of(endpoint)?;
        let wrong = |fault: Fault| AgentError::Agent {
            socket: socket.clone(),
            cause: fault.cause,
            next: fault.next,
        };
        let newest = Arc::new(Mutex::new(None));
        let (begun, begins) = sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let follower = Follower {
            socket: socket.clone(),
            newest: Arc::clone(&newest),
            begun,
        };
        thread::Builder::new()
            .name("spiffe".to_owned())
            .spawn(move || follower.run(stopped))
            .map_err(|error| wrong(Fault::own(&error)))?;
        let first = begins
            .recv()
            .unwrap_or_else(|_| Err(Fault::of("its thread ended", SEE_LOG)))
            .map_err(wrong)?;
        Ok(Self {
            socket,
            newest,
            first,
            _stop: stop,
        })
    }

    /// The socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// The newest answer.
    pub(crate) fn newest(&self) -> Answer {
        let newest = lock(&self.newest).clone();
        newest.unwrap_or_else(|| self.first.clone())
    }
}

fn lock(newest: &Mutex<Option<Answer>>) -> MutexGuard<'_, Option<Answer>> {
    newest.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why there is no answer, and what to do.
struct Fault {
    cause: String,
    next: String,
}

impl Fault {
    fn of(cause: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            next: next.into(),
        }
    }

    /// What this process lacks.
    fn own(error: &Error) -> Self {
        Self::of(
            format!("no thread to follow it ({error})"),
            "raise the limits of this process",
        )
    }

    fn unconnected(error: &Error) -> Self {
        let next = match error.kind() {
            ErrorKind::NotFound => {
                "start the agent, or write the socket that its configuration names"
            }
            ErrorKind::PermissionDenied => "run as a user who may write to the socket",
            ErrorKind::ConnectionRefused => "nothing listens on the socket: start the agent",
            _ => "check that this is the agent's socket",
        };
        Self::of(error.to_string(), next)
    }

    /// An answer that is none of the API.
    fn foreign(cause: &str) -> Self {
        Self::of(
            format!("it does not answer as the Workload API does ({cause})"),
            "check that this is the agent's socket",
        )
    }

    fn broken(error: &h2::Error) -> Self {
        Self::foreign(&escape_untrusted(&error.to_string(), UNTRUSTED_CAP))
    }

    /// What the fields or trailers of a response say has failed.
    fn told(fields: &HeaderMap) -> Option<Self> {
        let field = |name| {
            let value = fields.get(name)?;
            let value = String::from_utf8_lossy(value.as_bytes());
            Some(escape_untrusted(&value, UNTRUSTED_CAP))
        };
        let status = field("grpc-status")?;
        let message = field("grpc-message").unwrap_or_default();
        match status.as_str() {
            OK => None,
            PERMISSION_DENIED => Some(Self::of(
                format!("it has issued this process no identity (PERMISSION_DENIED: {message})"),
                format!(
                    "register the process, with SPIRE by `spire-server entry create -selector unix:uid:{}` and more",
                    getuid()
                ),
            )),
            _ => Some(Self::of(
                format!("it answered with the gRPC status {status}: {message}"),
                SEE_LOG,
            )),
        }
    }
}

/// What the thread has.
struct Follower {
    socket: PathBuf,
    newest: Arc<Mutex<Option<Answer>>>,
    begun: SyncSender<Result<Answer, Fault>>,
}

impl Follower {
    fn run(self, stopped: oneshot::Receiver<()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = self.follow() => {}
                }
            }),
            // Nobody waits any more if it cannot be sent.
            Err(error) => drop(self.begun.send(Err(Fault::own(&error)))),
        }
    }

    /// Opens one stream after the other. Returns if the first one fails.
    async fn follow(&self) {
        let mut wait = FIRST_WAIT;
        loop {
            let before = self.number();
            let fault = self.read().await;
            let Some(number) = self.number() else {
                drop(self.begun.send(Err(fault)));
                return;
            };
            if before != Some(number) {
                wait = FIRST_WAIT;
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// That of the newest answer.
    fn number(&self) -> Option<u64> {
        lock(&self.newest).as_ref().map(|answer| answer.number)
    }

    /// Reads a stream to its end.
    async fn read(&self) -> Fault {
        let begun = async {
            let mut stream = Stream::open(&self.socket).await?;
            let svids = stream.next().await?;
            Ok((stream, svids))
        };
        let (mut stream, mut svids) = match timeout(PATIENCE, begun).await {
            Ok(Ok(begun)) => begun,
            Ok(Err(fault)) => return fault,
            Err(_) => {
                let cause = format!("it did not answer within {} s", PATIENCE.as_secs());
                return Fault::of(cause, SEE_LOG);
            }
        };
        loop {
            self.take(svids);
            sleep(PAUSE).await;
            svids = match stream.next().await {
                Ok(svids) => svids,
                Err(fault) => return fault,
            };
        }
    }

    fn take(&self, svids: Vec<Svid>) {
        let mut newest = lock(&self.newest);
        let number = newest.as_ref().map_or(0, |answer| answer.number + 1);
        let answer = Answer {
            number,
            svids: svids.into(),
        };
        if newest.replace(answer.clone()).is_none() {
            drop(self.begun.send(Ok(answer)));
        }
    }
}

/// A stream of answers.
struct Stream {
    body: RecvStream,
    read: Vec<u8>,
    connection: JoinHandle<()>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Stream {
    async fn open(socket: &Path) -> Result<Self, Fault> {
        let io = UnixStream::connect(socket).await;
        let io = io.map_err(|error| Fault::unconnected(&error))?;
        let broken = |error| Fault::broken(&error);
        let (send, connection) = Builder::new()
            .enable_push(false)
            .max_header_list_size(HEAD_CAP)
            .handshake::<_, Bytes>(io)
            .await
            .map_err(broken)?;
        // How it ends, its stream says too.
        let connection = tokio::spawn(async { drop(connection.await) });
        let mut send = send.ready().await.map_err(broken)?;
        let request = Request::post(METHOD)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            // Keeps requests out that somebody else was made to send (section 6 of the endpoint's specification).
            .header("workload.spiffe.io", "true")
            .body(())
            .map_err(|error| Fault::foreign(&error.to_string()))?;
        let (answer, mut body) = send.send_request(request, false).map_err(broken)?;
        // A message without fields.
        body.send_data(Bytes::from_static(&[0; 5]), true)
            .map_err(broken)?;
        let answer = answer.await.map_err(broken)?;
        if answer.status() != 200 {
            return Err(Fault::foreign(&format!("HTTP status {}", answer.status())));
        }
        if let Some(fault) = Fault::told(answer.headers()) {
            return Err(fault);
        }
        Ok(Self {
            body: answer.into_body(),
            read: Vec::new(),
            connection,
        })
    }

    /// The next answer.
    async fn next(&mut self) -> Result<Vec<Svid>, Fault> {
        loop {
            let message = message_of(&mut self.read).map_err(|why| Fault::foreign(&why))?;
            if let Some(message) = message {
                return svids_of(&message).map_err(|why| Fault::foreign(&why));
            }
            match self.body.data().await {
                Some(Ok(bytes)) => {
                    // It fails for a stream that has ended, which the next read says.
                    drop(self.body.flow_control().release_capacity(bytes.len()));
                    self.read.extend_from_slice(&bytes);
                }
                Some(Err(error)) => return Err(Fault::broken(&error)),
                None => {
                    let trailers = self.body.trailers().await;
                    let trailers = trailers.map_err(|error| Fault::broken(&error))?;
                    let told = trailers.as_ref().and_then(Fault::told);
                    return Err(told.unwrap_or_else(|| {
                        Fault::of("it ended the stream of its answers", SEE_LOG)
                    }));
                }
            }
        }
    }
}

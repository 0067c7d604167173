//! The session driver against a server over a hostile path, or against arbitrary bytes: every session ends, and is ok only
//! if the server accepted it.
//!
//! Input: flags, and then operations of [`shakedown_fuzz::Path`] or the bytes themselves.
#![no_main]

use std::cell::LazyCell;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use shakedown::pki::{KeyAlgorithm, Pki, PkiSpec};
use shakedown::protocol::{ProtocolKind, ProtocolPlan, Who};
use shakedown::scenario::{
    Close, ProviderName, Scenario, TicketMode, Timeouts, TlsVersion, Verify,
};
use shakedown::session::{self, Course, Observer, begin_tls};
use shakedown::stats::{FailureClass, OkKind, Proof};
use shakedown::tls::{
    ClientStream, ClientTls, ClientTlsSpec, Failure, ServerAuth, ServerTls, ServerTlsSpec,
    SessionStream,
};
use shakedown::units::{ByteSize, Span};
use shakedown_fuzz::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// Limit of each stage. The clock is paused: it jumps when nobody has anything to do.
const LIMIT: Duration = Duration::from_secs(10);
/// Every session has ended by then, whatever the server does.
const END: Duration = Duration::from_secs(60);

thread_local! {
    static RUNTIME: LazyCell<Runtime> = LazyCell::new(|| {
        // Rust's start-up code does this, but libFuzzer owns `main`.
        signal_hook::flag::register(13, Arc::new(AtomicBool::new(false))).expect("SIGPIPE");
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime")
    });
}

/// One configuration of every kind, minted once.
struct Ends {
    /// By version and tickets.
    servers: [[ServerTls; 2]; 2],
    /// By version and whether it has a certificate.
    clients: [[ClientTls; 2]; 2],
}

static ENDS: LazyLock<Ends> = LazyLock::new(|| {
    let pki = Pki::mint(&PkiSpec {
        ca_key: KeyAlgorithm::Ed25519,
        server_key: KeyAlgorithm::Ed25519,
        client_key: KeyAlgorithm::Ed25519,
        ..PkiSpec::default()
    })
    .expect("a throw-away authority");
    let versions = [TlsVersion::Tls12, TlsVersion::Tls13];
    let server = |version, tickets| {
        ServerTls::new(&ServerTlsSpec {
            provider: ProviderName::default(),
            versions: &[version],
            identity: pki.server(),
            auth: ServerAuth::Required(pki.roots().to_vec().into()),
            tickets,
            alpn: &[],
        })
        .expect("a server")
    };
    let client = |version, with_certificate: bool| {
        ClientTls::new(&ClientTlsSpec {
            provider: ProviderName::default(),
            versions: &[version],
            groups: &[],
            suites: &[],
            alpn: &[],
            server_name: "localhost",
            expected_names: &[],
            roots: Some(pki.roots()),
            crls: &[],
            verify: Verify::default(),
            identity: pki.clients().first().filter(|_| with_certificate),
            resumption: None,
        })
        .expect("a client")
    };
    Ends {
        servers: versions.map(|v| [TicketMode::Off, TicketMode::Stateless].map(|t| server(v, t))),
        clients: versions.map(|v| [false, true].map(|with| client(v, with))),
    }
});

/// The handshake alone, and an echo.
static PLANS: LazyLock<[ProtocolPlan; 2]> = LazyLock::new(|| {
    let plan = |kind, payload| {
        let mut scenario = Scenario::default();
        scenario.protocol.kind = Some(kind);
        scenario.protocol.payload = payload;
        scenario.check("", "").expect("a scenario").protocol
    };
    [
        plan(ProtocolKind::Handshake, None),
        plan(ProtocolKind::Echo, Some(ByteSize(32).into())),
    ]
});

fuzz_target!(|input: &[u8]| {
    let Some((flags, rest)) = input.split_first() else {
        return;
    };
    let flag = |bit: u8| usize::from(flags >> bit & 1);
    let (version, tickets, has_certificate) = (flag(0), flag(1), flag(2));
    let echo = flag(3) == 1;
    let client = &ENDS.clients[version][has_certificate];
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let (near, far) = pair();
            if flag(4) == 1 {
                let (result, ()) = tokio::join!(drive(near, client, echo), recite(far, rest));
                assert!(result.is_err(), "{result:?} of bytes that no server sent");
                return;
            }
            let server = &ENDS.servers[version][tickets];
            let (result, served) =
                tokio::join!(drive(near, client, echo), serve(far, server, version, rest));
            must_hold(&result, &served, has_certificate == 1);
        });
    });
});

/// What the server knows of the session.
struct Served {
    path: Path,
    /// It verified the client and sent all that its acceptance takes.
    accepted: bool,
    /// Bytes it had sent by the end of what proves that.
    proof_at: usize,
}

fn must_hold(result: &Result<Proof, Failure>, served: &Served, has_certificate: bool) {
    match result {
        Ok(proof) => {
            assert!(served.accepted, "{proof:?} of a server that did not accept");
            assert!(has_certificate, "{proof:?} without a certificate");
            assert!(
                served.path.delivered_intact(served.proof_at),
                "{proof:?} out of bytes that were meddled with"
            );
        }
        Err((class, message)) => {
            assert!(!class.to_string().is_empty() && !class.advice().is_empty());
            if served.path.is_untouched() {
                let rejected = matches!(class, FailureClass::Alert(_)) && !has_certificate;
                assert!(rejected, "{class}: {message}, though nothing was touched");
            }
        }
    }
}

/// A Unix connection within this process: the driver needs nothing specific to TCP, and it uses up no ports.
fn pair() -> (TcpStream, TcpStream) {
    let stream = |end: UnixStream| {
        end.set_nonblocking(true)?;
        TcpStream::from_std(std::net::TcpStream::from(OwnedFd::from(end)))
    };
    let (near, far) = UnixStream::pair().expect("a pair of sockets");
    (stream(near).expect("our end"), stream(far).expect("theirs"))
}

/// One session from the first byte to its outcome, as a session under load.
async fn drive(io: TcpStream, tls: &ClientTls, echo: bool) -> Result<Proof, Failure> {
    let protocol = &PLANS[usize::from(echo)];
    let limit = Span(LIMIT);
    let timeouts = Timeouts {
        handshake: limit,
        confirm: limit,
        exchange: limit,
        close: limit,
        ..Timeouts::default()
    };
    let course = Course {
        who: Who::default(),
        protocol,
        exchanges: 1,
        timeouts: &timeouts,
        hold: Duration::ZERO,
        close: Close::Orderly,
    };
    let mut proven = Proven(None);
    let session = async {
        let mut stream = begin_tls(io, tls, false, protocol, None)?;
        session::drive(&course, &mut *stream, &mut proven).await?;
        Ok::<_, Failure>(())
    };
    timeout(END, session).await.expect("the session ends")?;
    Ok(proven.0.expect("an accepted session has a proof"))
}

/// Notes by what a session was accepted.
struct Proven(Option<Proof>);

impl Observer<ClientStream> for Proven {
    type Wire<'a> = &'a mut ClientStream;

    fn wire<'a>(&'a mut self, stream: &'a mut ClientStream) -> &'a mut ClientStream {
        stream
    }

    fn handshaken(&mut self, stream: &ClientStream, _: OkKind, _: Instant) {
        assert!(stream.observed().is_some());
    }

    fn accepted(&mut self, _: OkKind, proof: Proof) {
        self.0 = Some(proof);
    }
}

/// Sends the bytes, the last of which says whether to hang up or to fall silent.
async fn recite(mut io: TcpStream, bytes: &[u8]) {
    let _ = io.write_all(bytes).await;
    if bytes.last().is_some_and(|last| last & 1 == 0) {
        return;
    }
    let mut heard = Vec::new();
    let _ = io.read_to_end(&mut heard).await;
}

/// A true server that echoes, whose output takes the hostile path.
async fn serve(mut io: TcpStream, tls: &ServerTls, version: usize, operations: &[u8]) -> Served {
    let mut conn = tls.connection().expect("a server's connection");
    let mut served = Served {
        path: Path::new(operations),
        accepted: false,
        proof_at: 0,
    };
    let mut buffer = [0; 4096];
    loop {
        let read = match io.read(&mut buffer).await {
            Ok(0) | Err(_) => return served,
            Ok(read) => read,
        };
        let mut input = &buffer[..read];
        let mut over = false;
        while !input.is_empty() && !over {
            let taken = conn.read_tls(&mut input).unwrap_or(0);
            let state = conn.process_new_packets();
            over = taken == 0 || !state.is_ok_and(|state| !state.peer_has_closed());
        }
        let mut heard = Vec::new();
        let _ = conn.reader().read_to_end(&mut heard);
        let _ = conn.writer().write_all(&heard);
        if over {
            conn.send_close_notify();
        }
        let mut chunk = Vec::new();
        while conn.wants_write() && conn.write_tls(&mut chunk).is_ok() {}
        // A whole echo is proof, and so is the last flight of TLS 1.2. After a TLS 1.3 handshake the first ticket
        // would do, so there only the handshake itself counts.
        if !conn.is_handshaking() {
            let first = !served.accepted;
            served.accepted = true;
            if !heard.is_empty() || first && version == 0 {
                served.proof_at = served.path.sent.len() + chunk.len();
            } else if first {
                served.proof_at = served.path.sent.len();
            }
        }
        if !chunk.is_empty() {
            for segment in served.path.take(chunk) {
                if io.write_all(&segment).await.is_err() {
                    return served;
                }
                tokio::task::yield_now().await;
            }
        }
        if over || served.path.is_closed() {
            return served;
        }
    }
}

//! The CPU cost of one full mTLS handshake: in memory, client and server apart, and of a whole
//! session through the worker and loopback. The distance between them is the driver and the kernel.
//!
//! Every figure is thread CPU time (`CLOCK_THREAD_CPUTIME_ID`), not wall time; each reading of that
//! clock costs about 0.15 µs and is part of the in-memory figures (eight readings a handshake).

#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot run must stop at once"
)]

use std::hint::black_box;
use std::io::{Read, Write};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use rustls::{ConnectionCommon, HandshakeKind, SideData};
use shakedown::clock::thread_cpu;
use shakedown::load::Interrupt;
use shakedown::pki::{Pki, PkiSpec};
use shakedown::runner::prepare;
use shakedown::scenario::{Scenario, TicketMode, TlsVersion};
use shakedown::tls::{ClientTls, ClientTlsSpec, ServerAuth, ServerTls, ServerTlsSpec};
use tokio::sync::watch;

/// Both ends of a session in memory, with the CPU time each has used.
struct Pair {
    client: ClientTls,
    server: ServerTls,
    mutual: bool,
}

/// Which end a figure is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Client,
    Server,
}

impl Pair {
    fn new(pki: &Pki, version: TlsVersion, mutual: bool) -> Self {
        let client = ClientTls::new(&ClientTlsSpec {
            versions: &[version],
            groups: &[],
            suites: &[],
            alpn: &[],
            server_name: "localhost",
            roots: Some(pki.roots()),
            crls: &[],
            identity: mutual.then(|| &pki.clients()[0]),
            resumption: None,
        });
        let roots = pki.roots().to_vec();
        let server = ServerTls::new(&ServerTlsSpec {
            versions: &[version],
            identity: pki.server(),
            auth: if mutual {
                ServerAuth::Required(roots.into())
            } else {
                ServerAuth::Off
            },
            tickets: TicketMode::Off,
            alpn: &[],
        });
        Self {
            client: client.unwrap(),
            server: server.unwrap(),
            mutual,
        }
    }

    /// One handshake; returns the CPU time of one end, and checks that it was what was asked for.
    fn handshake(&self, end: End) -> Duration {
        let mut used = Duration::ZERO;
        let mut timed = |which: End, work: &mut dyn FnMut()| {
            let before = thread_cpu();
            work();
            if which == end {
                used += thread_cpu().saturating_sub(before);
            }
        };
        let (mut client, mut server) = (None, None);
        timed(End::Client, &mut || {
            client = Some(self.client.connection().unwrap());
        });
        timed(End::Server, &mut || {
            server = Some(self.server.connection().unwrap());
        });
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        let mut wire = Vec::with_capacity(8192);
        while client.is_handshaking() || server.is_handshaking() {
            timed(End::Client, &mut || send(&mut client, &mut wire));
            timed(End::Server, &mut || receive(&mut server, &mut wire));
            timed(End::Server, &mut || send(&mut server, &mut wire));
            timed(End::Client, &mut || receive(&mut client, &mut wire));
        }
        assert_eq!(client.handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(server.peer_certificates().is_some(), self.mutual);
        black_box((client, server));
        used
    }
}

fn send<D: SideData>(from: &mut ConnectionCommon<D>, wire: &mut Vec<u8>) {
    while from.wants_write() {
        from.write_tls(&mut *wire as &mut dyn Write).unwrap();
    }
}

fn receive<D: SideData>(to: &mut ConnectionCommon<D>, wire: &mut Vec<u8>) {
    let mut rest = wire.as_slice();
    while !rest.is_empty() {
        to.read_tls(&mut rest as &mut dyn Read).unwrap();
        to.process_new_packets().unwrap();
    }
    wire.clear();
}

fn in_memory(criterion: &mut Criterion) {
    let pki = Pki::mint(&PkiSpec::default()).unwrap();
    let mut group = criterion.benchmark_group("handshake_in_memory");
    for (auth, mutual) in [("tls", false), ("mtls", true)] {
        for (version_name, version) in [("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)] {
            let pair = Pair::new(&pki, version, mutual);
            for (end_name, end) in [("client", End::Client), ("server", End::Server)] {
                group.bench_function(format!("{auth}{version_name}/p256/{end_name}"), |b| {
                    b.iter_custom(|n| (0..n).map(|_| pair.handshake(end)).sum());
                });
            }
        }
    }
    group.finish();
}

/// A session through the worker and loopback, one at a time: connect, handshake, 64 bytes echoed,
/// orderly close.
fn through_the_worker(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session_on_loopback");
    group.sample_size(10);
    for auth in ["none", "server", "mutual"] {
        let name = match auth {
            "none" => "tcp/worker".to_owned(),
            "server" => "tls1.3/p256/worker".to_owned(),
            _ => "mtls1.3/p256/worker".to_owned(),
        };
        group.bench_function(name, |b| b.iter_custom(|n| worker_cpu(auth, n)));
    }
    group.finish();
}

fn worker_cpu(auth: &str, sessions: u64) -> Duration {
    let versions = if auth == "none" {
        ""
    } else {
        "tls = [\"1.3\"]"
    };
    let text = format!(
        "version = 1\nname = \"bench\"\n[load]\nsessions = 1\ntotal = {sessions}\n\
         [workers]\ncount = 1\n[matrix]\nauth = [\"{auth}\"]\n{versions}\n",
    );
    let checked = Scenario::parse("bench", &text)
        .unwrap()
        .check("bench", &text)
        .unwrap();
    let (_sender, control) = watch::channel(Interrupt::None);
    let record = prepare(checked)
        .unwrap()
        .run(Vec::new(), &control, &mut |_| {})
        .unwrap();
    let trial = &record.cells[0].trials[0];
    assert_eq!(trial.total.ok_total(), sessions);
    Duration::from_nanos(trial.worker_cpu.cpu_ns)
}

criterion_group!(benches, in_memory, through_the_worker);
criterion_main!(benches);

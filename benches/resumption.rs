//! The CPU cost of a resumed handshake against a full one, in memory, client and server apart: TLS and
//! mTLS, 1.2 and 1.3, by stateless ticket. The making and taking of the tickets that follow is part of
//! both.
//!
//! Every figure is thread CPU time (`CLOCK_THREAD_CPUTIME_ID`), not wall time; each reading of that
//! clock costs about 0.15 µs and is part of the figures (eight readings a handshake).

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
use shakedown::pki::{Pki, PkiSpec};
use shakedown::scenario::{TicketMode, TlsVersion};
use shakedown::tls::{
    ClientTls, ClientTlsSpec, ResumptionSpec, ServerAuth, ServerTls, ServerTlsSpec, TicketUse,
};

/// Both ends of a session in memory, with the CPU time each has used. The client's store was filled by a
/// full handshake, and every resumed one fills it again.
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
            resumption: Some(ResumptionSpec {
                early_data: false,
                by_id_only: false,
                capacity: 8,
                ticket_use: TicketUse::Once,
                request: None,
            }),
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
            tickets: TicketMode::Stateless,
            alpn: &[],
        });
        Self {
            client: client.unwrap(),
            server: server.unwrap(),
            mutual,
        }
    }

    /// One handshake with the tickets that follow it; returns the CPU time of one end, and checks that it was what was asked for.
    fn handshake(&self, resumed: bool, end: End) -> Duration {
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
            let connection = if resumed {
                self.client.resuming_connection()
            } else {
                self.client.connection()
            };
            client = Some(connection.unwrap());
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
        let kind = if resumed {
            HandshakeKind::Resumed
        } else {
            HandshakeKind::Full
        };
        assert_eq!(client.handshake_kind(), Some(kind));
        assert_eq!(server.handshake_kind(), Some(kind));
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

fn resumption(criterion: &mut Criterion) {
    let pki = Pki::mint(&PkiSpec::default()).unwrap();
    let mut group = criterion.benchmark_group("resumption_in_memory");
    for (auth, mutual) in [("tls", false), ("mtls", true)] {
        for (version_name, version) in [("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)] {
            let pair = Pair::new(&pki, version, mutual);
            for (kind, resumed) in [("full", false), ("resumed", true)] {
                for (end_name, end) in [("client", End::Client), ("server", End::Server)] {
                    let name = format!("{auth}{version_name}/{kind}/{end_name}");
                    group.bench_function(name, |b| {
                        // Tickets for the first; each handshake brings those of the next.
                        pair.handshake(false, end);
                        b.iter_custom(|n| (0..n).map(|_| pair.handshake(resumed, end)).sum());
                    });
                }
            }
        }
    }
    group.finish();
}

criterion_group!(benches, resumption);
criterion_main!(benches);

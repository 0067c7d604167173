//! A client and a server joined in memory, each timed by itself. Figures are thread CPU time
//! (`CLOCK_THREAD_CPUTIME_ID`); each reading of that clock costs about 0.15 µs and is part of them.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::hint::black_box;
use std::io::{Read, Write};
use std::time::Duration;

use rustls::{ConnectionCommon, HandshakeKind, SideData};
use shakedown::clock::thread_cpu;
use shakedown::pki::Pki;
use shakedown::scenario::{ProviderName, TicketMode, TlsVersion};
use shakedown::tls::{
    ClientTls, ClientTlsSpec, ResumptionSpec, ServerAuth, ServerTls, ServerTlsSpec, TicketUse,
};

/// Both ends of a session in memory.
pub struct Pair {
    client: ClientTls,
    server: ServerTls,
    mutual: bool,
}

/// Which end a figure is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    Client,
    Server,
}

impl Pair {
    /// Ends that make full handshakes only.
    pub fn full(pki: &Pki, version: TlsVersion, mutual: bool) -> Self {
        Self::new(pki, version, mutual, None, TicketMode::Off)
    }

    /// Ends with stateless tickets: every handshake fills the client's store for the next.
    pub fn resuming(pki: &Pki, version: TlsVersion, mutual: bool) -> Self {
        let resumption = ResumptionSpec {
            early_data: false,
            by_id_only: false,
            capacity: 8,
            ticket_use: TicketUse::Once,
            request: None,
        };
        Self::new(
            pki,
            version,
            mutual,
            Some(resumption),
            TicketMode::Stateless,
        )
    }

    fn new(
        pki: &Pki,
        version: TlsVersion,
        mutual: bool,
        resumption: Option<ResumptionSpec>,
        tickets: TicketMode,
    ) -> Self {
        let client = ClientTls::new(&ClientTlsSpec {
            provider: ProviderName::default(),
            versions: &[version],
            groups: &[],
            suites: &[],
            alpn: &[],
            server_name: "localhost",
            roots: Some(pki.roots()),
            crls: &[],
            identity: mutual.then(|| &pki.clients()[0]),
            resumption,
        });
        let roots = pki.roots().to_vec();
        let server = ServerTls::new(&ServerTlsSpec {
            provider: ProviderName::default(),
            versions: &[version],
            identity: pki.server(),
            auth: if mutual {
                ServerAuth::Required(roots.into())
            } else {
                ServerAuth::Off
            },
            tickets,
            alpn: &[],
        });
        Self {
            client: client.unwrap(),
            server: server.unwrap(),
            mutual,
        }
    }

    /// One handshake with the tickets that follow it, if any; returns the CPU time of one end, and checks
    /// on both that it was what was asked for.
    pub fn handshake(&self, resumed: bool, end: End) -> Duration {
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

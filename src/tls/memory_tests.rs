//! Which operations each kind of session takes at each end, counted. This is also the proof that a
//! metered provider forwards everything a session needs.

use super::*;
use crate::crypto::{Metering, entry};
use crate::pki::{Pki, PkiSpec};
use crate::scenario::{ProviderName, TicketMode, TlsVersion, Verify};
use crate::stats::{CryptoOp, Entry, OkKind, Passage, SessionLedger, Work};

struct Ends {
    client: ClientTls,
    server: ServerTls,
}

fn ends(provider: ProviderName, version: TlsVersion, mutual: bool, groups: &[String]) -> Ends {
    ends_verifying(Verify::default(), provider, version, mutual, groups)
}

fn ends_verifying(
    verify: Verify,
    provider: ProviderName,
    version: TlsVersion,
    mutual: bool,
    groups: &[String],
) -> Ends {
    let pki = Pki::mint(&PkiSpec::default()).unwrap();
    let spec = ClientTlsSpec {
        provider,
        versions: &[version],
        groups,
        suites: &[],
        alpn: &[],
        server_name: "localhost",
        expected_names: &[],
        roots: Some(pki.roots()),
        crls: &[],
        verify,
        identity: pki.clients().first().filter(|_| mutual),
        resumption: Some(ResumptionSpec {
            by_id_only: false,
            capacity: 8,
            ticket_use: TicketUse::Once,
            request: None,
            early_data: false,
        }),
    };
    let client = ClientTls::metering(&spec, Metering::On).unwrap();
    let auth = if mutual {
        ServerAuth::Required(pki.roots().to_vec().into())
    } else {
        ServerAuth::Off
    };
    let spec = ServerTlsSpec {
        provider,
        versions: &[TlsVersion::Tls12, TlsVersion::Tls13],
        identity: pki.server(),
        auth,
        tickets: TicketMode::Stateless,
        alpn: &[],
    };
    let server = ServerTls::supplying(&spec, TicketSupply::default(), Metering::On).unwrap();
    Ends { client, server }
}

/// Key pairs, shared secrets, signatures, paths built, signatures in chains verified, signatures over
/// the handshake verified.
fn counts(ledger: &SessionLedger) -> [u64; 6] {
    let chain = |signatures: bool| {
        let found = |(entry, _): &&(Entry, _)| {
            entry.work == Work::Crypto(CryptoOp::VerifyChain)
                && entry.algorithm.is_some() == signatures
        };
        let of_chain = ledger.entries.iter().filter(found);
        of_chain.map(|(_, spent)| spent.count).sum()
    };
    [
        ledger.count(CryptoOp::KxStart),
        ledger.count(CryptoOp::KxComplete),
        ledger.count(CryptoOp::Sign),
        chain(false),
        chain(true),
        ledger.count(CryptoOp::VerifyTranscript),
    ]
}

#[test]
fn every_kind_of_session_takes_the_operations_that_its_protocol_asks_for() {
    use OkKind::{Full, Resumed};
    use TlsVersion::{Tls12, Tls13};
    // Version, mutual, kind, counts of the client, counts of the server. A TLS 1.3 server makes its key
    // pair in the call that computes the shared secret. Chains are leaf and intermediate.
    let table = [
        (Tls13, false, Full, [1, 1, 0, 1, 2, 1], [0, 1, 1, 0, 0, 0]),
        (Tls13, true, Full, [1, 1, 1, 1, 2, 1], [0, 1, 1, 1, 2, 1]),
        (Tls13, true, Resumed, [1, 1, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]),
        (Tls12, false, Full, [1, 1, 0, 1, 2, 1], [1, 1, 1, 0, 0, 0]),
        (Tls12, true, Full, [1, 1, 1, 1, 2, 1], [1, 1, 1, 1, 2, 1]),
        (Tls12, true, Resumed, [0; 6], [0; 6]),
    ];
    let compiled = ProviderName::ALL.into_iter();
    for provider in compiled.filter(|name| entry(*name).backend().is_ok()) {
        for (version, mutual, kind, client, server) in table {
            let case = format!("{provider} {version} mutual: {mutual} {kind:?}");
            let ends = ends(provider, version, mutual, &[]);
            let make = |resume| {
                session_in_memory(&ends.client, &ends.server, resume)
                    .unwrap_or_else(|fault| panic!("{case}: {fault}"))
            };
            let mut session = make(false);
            if kind == Resumed {
                session = make(true);
            }
            assert_eq!((session.kind, session.version), (kind, version.code()));
            assert_eq!(counts(&session.client.ledger), client, "client: {case}");
            assert_eq!(counts(&session.server.ledger), server, "server: {case}");
            records_are_sealed_and_opened(&session, &case);
        }
    }
}

#[test]
fn a_chain_that_is_verified_once_takes_no_operation_again() {
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        for (verify, again) in [
            (Verify::EveryHandshake, [1, 1, 1, 1, 2, 1]),
            // Signing and the signature over the handshake stay.
            (Verify::OncePerChain, [1, 1, 1, 0, 0, 1]),
        ] {
            let ends = ends_verifying(verify, ProviderName::AwsLcRs, version, true, &[]);
            for expected in [[1, 1, 1, 1, 2, 1], again, again] {
                let session = session_in_memory(&ends.client, &ends.server, false).unwrap();
                assert_eq!(session.kind, OkKind::Full);
                assert_eq!(
                    counts(&session.client.ledger),
                    expected,
                    "{version} {verify:?}"
                );
            }
        }
    }
}

/// The 64 bytes are sealed once and opened once at each end, after the handshake.
fn records_are_sealed_and_opened(session: &MemorySession, case: &str) {
    let of = |ledger: &SessionLedger, op| {
        let found = |(entry, _): &&(Entry, _)| {
            entry.work == Work::Crypto(op) && entry.passage == Passage::Data
        };
        let all = ledger.entries.iter().filter(found);
        all.map(|(_, spent)| spent.count).sum::<u64>()
    };
    let (client, server) = (&session.client.ledger, &session.server.ledger);
    assert_eq!(of(client, CryptoOp::Seal), 1, "{case}");
    assert_eq!(of(server, CryptoOp::Open), 1, "{case}");
    assert!(of(client, CryptoOp::Open) >= 1 && of(server, CryptoOp::Seal) >= 1);
    for op in [CryptoOp::Hash, CryptoOp::Kdf, CryptoOp::Random] {
        assert!(
            client.count(op) > 0 && server.count(op) > 0,
            "{case} {op:?}"
        );
    }
    assert!(client.data_sent >= 64 && client.data_received >= 64);
    assert_eq!(client.data_sent, server.data_received, "{case}");
    let bytes = |ledger: &SessionLedger| -> u64 {
        let sizes = ledger.flights.iter().map(|flight| flight.bytes);
        sizes.sum::<u64>() + ledger.data_sent + ledger.data_received
    };
    assert_eq!(
        bytes(client),
        bytes(server),
        "what one sends the other gets: {case}"
    );
}

#[test]
fn operations_are_told_apart_by_algorithm() {
    let hybrid = ["X25519MLKEM768".to_lowercase()];
    let ends = ends(ProviderName::AwsLcRs, TlsVersion::Tls13, true, &hybrid);
    let session = session_in_memory(&ends.client, &ends.server, false).unwrap();
    let with = |ledger: &SessionLedger, op| {
        let found = |(entry, _): &&(Entry, _)| entry.work == Work::Crypto(op);
        let named = ledger.entries.iter().filter(found);
        named
            .filter_map(|(entry, _)| entry.algorithm)
            .collect::<Vec<_>>()
    };
    let client = &session.client.ledger;
    assert_eq!(with(client, CryptoOp::KxStart), ["x25519mlkem768"]);
    let server = &session.server.ledger;
    assert_eq!(with(server, CryptoOp::KxComplete), ["x25519mlkem768"]);
    for (op, ledger) in [
        (CryptoOp::Sign, client),
        (CryptoOp::VerifyTranscript, server),
        (CryptoOp::VerifyChain, client),
    ] {
        assert_eq!(with(ledger, op), ["ecdsa_secp256r1_sha256"], "{op:?}");
    }
    // Stateless tickets are encrypted by the ticketer, after the handshake was done.
    assert_eq!(with(server, CryptoOp::Seal), ["ticket"]);
}

#[test]
fn what_was_not_asked_to_be_metered_keeps_no_ledger() {
    let metered = std::env::var_os(crate::crypto::SWITCH).is_some_and(|value| value == "1");
    let pki = Pki::mint(&PkiSpec::default()).unwrap();
    let server = ServerTls::new(&ServerTlsSpec {
        provider: ProviderName::default(),
        versions: &[TlsVersion::Tls13],
        identity: pki.server(),
        auth: ServerAuth::Off,
        tickets: TicketMode::Off,
        alpn: &[],
    })
    .unwrap();
    assert_eq!(server.ledger().is_some(), metered);
}

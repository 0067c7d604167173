//! What can be minted and what cannot, and what the facts of minted and of hostile certificates are.

use rcgen::{CertificateParams, DnType, SanType};
use time::OffsetDateTime;

use super::{CertFacts, KeyAlgorithm, Pki, PkiSpec};
use crate::text::UNTRUSTED_CAP;

fn refusal(spec: &PkiSpec) -> String {
    Pki::mint(spec).unwrap_err().to_string()
}

#[test]
fn what_cannot_be_minted_is_refused_with_a_reason() {
    let base = PkiSpec::default;
    assert_eq!(
        refusal(&PkiSpec {
            clients: 100_001,
            ..base()
        }),
        "cannot mint certificates: 100001 clients are more than 100000; ask for fewer and let sessions share identities, or have them minted as they are needed (`run --fleet mint:COUNT`)"
    );
    assert_eq!(
        refusal(&PkiSpec {
            valid_days: 0,
            ..base()
        }),
        "cannot mint certificates: a validity of 0 days is out of range; ask for 1 to 36525 days"
    );
    assert_eq!(
        refusal(&PkiSpec {
            server_names: vec![],
            ..base()
        }),
        "cannot mint certificates: the server has no names; give at least one DNS name or IP address"
    );
    for name in ["https://a", "a:443", "[::1]", "", "žluť", "a b", "*"] {
        let refused = refusal(&PkiSpec {
            server_names: vec![name.into()],
            ..base()
        });
        assert!(
            refused.contains(&format!("\"{name}\" cannot name a server")),
            "{refused}"
        );
    }
}

#[test]
fn identities_are_named_and_never_print_their_keys() {
    let pki = Pki::mint(&PkiSpec {
        clients: 3,
        ..PkiSpec::default()
    })
    .unwrap();
    let names: Vec<_> = pki
        .clients()
        .iter()
        .map(|client| client.name.as_str())
        .collect();
    assert_eq!(names, ["client-0", "client-1", "client-2"]);
    assert_eq!(pki.server().name, "server");
    assert_eq!(pki.server().chain.len(), 2);
    let shown = format!("{:?}", pki.server());
    assert!(
        shown.contains("[secret key elided]") && shown.len() < 200,
        "{shown}"
    );
    let copy = pki.server().clone();
    assert_eq!(copy.key.der(), pki.server().key.der());
}

#[test]
fn no_clients_and_wildcards_are_allowed() {
    let server_names = vec!["*.test.example".into(), "192.0.2.1".into()];
    let pki = Pki::mint(&PkiSpec {
        clients: 0,
        server_names,
        ..PkiSpec::default()
    })
    .unwrap();
    assert!(pki.clients().is_empty());
}

#[test]
fn a_minted_chain_says_what_was_asked() {
    let pki = Pki::mint(&PkiSpec {
        ca_key: KeyAlgorithm::EcdsaP384,
        ..PkiSpec::default()
    })
    .unwrap();
    let server = CertFacts::parse(&pki.server().chain[0]).unwrap();
    assert_eq!(server.subject, "CN=server");
    assert!(
        server.issuer.starts_with("CN=shakedown intermediate "),
        "{}",
        server.issuer
    );
    assert_eq!(server.key, "EC P-256");
    assert_eq!(server.signature_algorithm, "ecdsa-with-SHA384");
    assert_eq!(server.san, ["DNS:localhost", "IP:127.0.0.1", "IP:::1"]);
    assert_eq!(server.eku, ["serverAuth"]);
    assert!(!server.is_ca);
    assert_eq!(server.der_len, pki.server().chain[0].len());
    assert!(server.not_after.ends_with('Z') && server.not_after.len() == 20);
    assert!(server.serial_hex.len() >= 32);

    let client = CertFacts::parse(&pki.clients()[0].chain[0]).unwrap();
    assert_eq!(
        (client.subject.as_str(), client.eku.as_slice()),
        ("CN=client-0", &["clientAuth".to_owned()][..])
    );
    assert_eq!(client.san, ["DNS:client-0"]);

    let issuer = CertFacts::parse(&pki.server().chain[1]).unwrap();
    assert!(issuer.is_ca && issuer.eku.is_empty() && issuer.subject == server.issuer);
    let root = CertFacts::parse(&pki.roots()[0]).unwrap();
    assert!(root.is_ca && root.subject == root.issuer && root.subject == issuer.issuer);
}

#[test]
fn every_key_is_named() {
    let expected = ["EC P-256", "EC P-384", "RSA 2048", "RSA 3072", "Ed25519"];
    for (algorithm, expected) in KeyAlgorithm::ALL.into_iter().zip(expected) {
        let spec = PkiSpec {
            clients: 0,
            server_key: algorithm,
            ..PkiSpec::default()
        };
        let pki = Pki::mint(&spec).unwrap();
        assert_eq!(
            CertFacts::parse(&pki.server().chain[0]).unwrap().key,
            expected
        );
    }
}

#[test]
fn days_are_rounded_down_and_go_negative() {
    let pki = Pki::mint(&PkiSpec {
        valid_days: 2,
        ..PkiSpec::default()
    })
    .unwrap();
    let facts = CertFacts::parse(&pki.roots()[0]).unwrap();
    let end = OffsetDateTime::from_unix_timestamp(facts.not_after_unix_s).unwrap();
    let ago = |seconds| facts.days_left(end - time::Duration::seconds(seconds));
    assert_eq!((ago(172_800), ago(172_799), ago(0), ago(-1)), (2, 1, 0, -1));
}

#[test]
fn hostile_names_are_escaped_capped_and_counted() {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "\u{1b}[2J\u{202e}evil");
    params
        .distinguished_name
        .push(DnType::OrganizationName, "x".repeat(5000));
    params.subject_alt_names = (0..100)
        .map(|i| SanType::DnsName(format!("h{i}\u{7}.example").try_into().unwrap()))
        .collect();
    let cert = params
        .self_signed(&super::mint::generate("key", KeyAlgorithm::EcdsaP256).unwrap())
        .unwrap();
    let facts = CertFacts::parse(cert.der()).unwrap();
    assert!(
        facts.subject.contains(r"\u{1b}[2J\u{202e}evil"),
        "{}",
        facts.subject
    );
    assert!(facts.subject.chars().count() <= UNTRUSTED_CAP);
    assert_eq!(facts.san.len(), 65);
    assert_eq!(facts.san[1], r"DNS:h1\u{7}.example");
    assert_eq!(facts.san[64], "… and 36 more");
}

#[test]
fn facts_survive_serialisation_and_garbage_is_an_error() {
    let pki = Pki::mint(&PkiSpec::default()).unwrap();
    let facts = CertFacts::parse(&pki.roots()[0]).unwrap();
    let text = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<CertFacts>(&text).unwrap(), facts);

    let mut cut = pki.roots()[0].to_vec();
    cut.truncate(100);
    let error = CertFacts::parse(&cut.into()).unwrap_err().to_string();
    assert!(
        error.starts_with("certificate of 100 bytes does not parse: "),
        "{error}"
    );
    assert!(error.ends_with("`openssl s_client -showcerts`"), "{error}");
}

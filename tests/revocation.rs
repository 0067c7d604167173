//! Revocation lists in use: a revoked server in a run and in a probe, lists that do not cover a chain, and
//! lists that cannot be relied on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

mod common;

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use common::{against, run, scenario, total};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};
use rustls_pki_types::PrivateKeyDer;
use shakedown::pki::{CertificateDer, CertificateRevocationListDer, Identity, Pki, PkiSpec};
use shakedown::probe::{ProbePlan, ProbeReport, Status, Verdict, probe};
use shakedown::record::RunRecord;
use shakedown::scenario::{
    IdentityFault, ProtocolKind, ProviderName, Scenario, TicketMode, TlsVersion, Verify,
};
use shakedown::target::{ListenerSpec, Target, TargetSpec};
use shakedown::tls::{
    ClientTls, ClientTlsSpec, ClientTrust, ServerAuth, ServerTls, ServerTlsSpec, TlsConfigError,
};
use time::{Duration as Days, OffsetDateTime};

/// A target that presents `identity` and asks for no certificate.
fn serve(identity: &Identity, protocol: ProtocolKind) -> Target {
    let tls = ServerTls::new(&ServerTlsSpec {
        provider: ProviderName::default(),
        versions: &[TlsVersion::Tls12, TlsVersion::Tls13],
        identity,
        auth: ServerAuth::Off,
        tickets: TicketMode::Off,
        alpn: &[],
    });
    let listener = ListenerSpec {
        tls: Some(tls.unwrap()),
        protocol,
        port: 0,
    };
    Target::start(&TargetSpec {
        ip: Ipv4Addr::LOCALHOST.into(),
        listeners: vec![listener],
        cores: vec![None],
    })
    .unwrap()
}

/// Ten sessions with a target, verified with the roots and, if asked, the lists in a folder.
fn ten(target: &Target, dir: &Path, with_crl: bool) -> RunRecord {
    let url = format!("https://localhost:{}/", target.addrs()[0].port());
    let load = "[load]\nsessions = 2\ntotal = 10\n[matrix]\nauth = [\"server\"]\n";
    let mut scenario = against(scenario(load), &url, dir, None);
    scenario.tls.crl = with_crl.then(|| dir.join("crl.pem"));
    run(scenario)
}

#[test]
fn a_run_counts_a_revoked_server_only_with_its_list() {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::mint(&PkiSpec::default()).unwrap();
    let faults = pki.mint_faults().unwrap();
    pki.write_with_faults(&faults, dir.path(), false).unwrap();
    let revoked = faults.server(IdentityFault::Revoked).unwrap();
    let target = serve(revoked, ProtocolKind::Http1);
    assert_eq!(total(&ten(&target, dir.path(), false)).ok_total(), 10);
    let counts = total(&ten(&target, dir.path(), true));
    assert_eq!(counts.failed["server_cert.revoked"].count, 10, "{counts:?}");
    let good = serve(pki.server(), ProtocolKind::Http1);
    assert_eq!(total(&ten(&good, dir.path(), true)).ok_total(), 10);
}

fn told(
    identity: &Identity,
    pki: &Pki,
    crls: &[CertificateRevocationListDer<'static>],
) -> ProbeReport {
    let target = serve(identity, ProtocolKind::Http1);
    let mut scenario = Scenario::default();
    let port = target.addrs()[0].port();
    scenario.target.url = Some(format!("https://localhost:{port}/"));
    let checked = scenario.check("probe", "").unwrap();
    let plan = ProbePlan {
        pinned: vec!["127.0.0.1".to_owned()],
        roots: Some(pki.roots().to_vec()),
        crls: crls.to_vec(),
        ..ProbePlan::new(&checked, Duration::from_secs(5)).unwrap()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(probe(&plan)).unwrap()
}

#[test]
fn a_probe_finds_one_check_failed_for_each_fault() {
    let pki = Pki::mint(&PkiSpec::default()).unwrap();
    let faults = pki.mint_faults().unwrap();
    for (fault, identity) in faults.servers() {
        if fault == IdentityFault::NoDigitalSignature {
            continue;
        }
        let report = told(identity, &pki, faults.crls());
        let refused = matches!(&report.verdict, Verdict::ServerRefused { .. });
        assert!(refused, "{fault}: {:?}", report.verdict);
        let checks = report.verification.unwrap();
        let failed: Vec<&str> = [
            ("dates", Some(&checks.dates)),
            ("issuer", Some(&checks.issuer)),
            ("name", Some(&checks.name)),
            ("other", checks.other.as_ref()),
        ]
        .into_iter()
        .filter(|(_, check)| check.is_some_and(|check| check.status == Status::Failed))
        .map(|(name, _)| name)
        .collect();
        let expected: &[&str] = match fault {
            IdentityFault::ExpiredLeaf
            | IdentityFault::ExpiredIntermediate
            | IdentityFault::NotYetValid => &["dates"],
            IdentityFault::WrongName => &["name"],
            IdentityFault::Revoked => &["other"],
            // Its chain and name are right, and its handshake signature is what fails.
            IdentityFault::Rsa1024 => &[],
            // A leaf that cannot be read has no name either.
            IdentityFault::UnknownCritical => &["issuer", "name"],
            _ => &["issuer"],
        };
        assert_eq!(failed, expected, "{fault}");
    }
}

/// A root with a server below it, and a list of the root.
struct Small {
    root: CertificateDer<'static>,
    server: Identity,
    crl: CertificateRevocationListDer<'static>,
    /// The next list of the same signer, in which the server is.
    newer: CertificateRevocationListDer<'static>,
}

impl Small {
    /// The list is signed with the root's `own_key` or another, and good until `next_update` from now.
    fn new(own_key: bool, next_update: Days) -> Self {
        let now = OffsetDateTime::now_utc();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let root = params.self_signed(&key).unwrap().der().clone();
        let issuer = Issuer::from_params(&params, &key);
        let server_key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.serial_number = Some(SerialNumber::from(7));
        let leaf = leaf.signed_by(&server_key, &issuer).unwrap();
        let other = KeyPair::generate().unwrap();
        let signer = if own_key { &key } else { &other };
        let signer = Issuer::from_params(&params, signer);
        let list = |number: u64, age: i64, revoked: &[u64]| {
            let revoked = revoked.iter().map(|serial| RevokedCertParams {
                serial_number: SerialNumber::from(*serial),
                revocation_time: now - Days::days(age),
                reason_code: None,
                invalidity_date: None,
            });
            let crl = CertificateRevocationListParams {
                this_update: now - Days::days(age),
                next_update: now + next_update,
                crl_number: SerialNumber::from(number),
                issuing_distribution_point: None,
                revoked_certs: revoked.collect(),
                key_identifier_method: KeyIdMethod::Sha256,
            };
            crl.signed_by(&signer).unwrap().into()
        };
        let (crl, newer) = (list(1, 9, &[]), list(2, 5, &[7]));
        Self {
            root,
            server: Identity {
                name: "small".into(),
                chain: vec![leaf.der().clone()],
                key: PrivateKeyDer::from(server_key).into(),
            },
            crl,
            newer,
        }
    }

    /// A run against the server with these lists.
    fn run(&self, crls: &[CertificateRevocationListDer<'static>]) -> RunRecord {
        let target = serve(&self.server, ProtocolKind::Http1);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), &self.root).unwrap();
        let lists: String = crls.iter().map(pem).collect();
        std::fs::write(dir.path().join("crl.pem"), lists).unwrap();
        ten(&target, dir.path(), !crls.is_empty())
    }

    /// What a run with these lists counts its sessions as; `None` if all are ok.
    fn refusal(&self, crls: &[CertificateRevocationListDer<'static>]) -> Option<String> {
        total(&self.run(crls)).failed.keys().next().cloned()
    }
}

fn pem(crl: &CertificateRevocationListDer<'static>) -> String {
    let body = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, crl);
    format!("-----BEGIN X509 CRL-----\n{body}\n-----END X509 CRL-----\n")
}

#[test]
fn only_lists_of_the_own_issuers_count_and_they_have_to_be_good() {
    let fresh = Small::new(true, Days::DAY);
    let stranger = Small::new(true, -Days::DAY);
    let lists = |small: &Small| vec![small.crl.clone()];
    assert_eq!(fresh.refusal(&lists(&fresh)), None);
    let expired = Some("server_cert.crl_expired".to_owned());
    assert_eq!(stranger.refusal(&lists(&stranger)), expired);
    let forged = Small::new(false, Days::DAY);
    let other_signer = Some("server_cert.crl_signature".to_owned());
    assert_eq!(forged.refusal(&lists(&forged)), other_signer);
    // No list covers this chain, so nothing is known of it, and that is no reason to refuse.
    let pki = Pki::mint(&PkiSpec::default()).unwrap();
    let faults = pki.mint_faults().unwrap();
    assert_eq!(fresh.refusal(faults.crls()), None);
}

#[test]
fn the_newer_list_decides_and_the_older_is_named() {
    let small = Small::new(true, Days::DAY);
    let (old, new) = (small.crl.clone(), small.newer.clone());
    let orders = [(vec![old.clone(), new.clone()], 1), (vec![new, old], 2)];
    for (lists, number) in orders {
        let record = small.run(&lists);
        let counts = total(&record);
        let revoked = &counts.failed["server_cert.revoked"];
        assert_eq!(revoked.count, 10, "{counts:?}");
        let example = &revoked.example;
        assert!(example.starts_with("certificate 1 ("), "{example}");
        let mut warnings = record.warnings.iter();
        let named = warnings.find(|note| note.code == "crl-superseded").unwrap();
        let start = format!("revocation list {number} in ");
        assert!(named.message.starts_with(&start), "{}", named.message);
    }
}

#[test]
fn a_list_that_is_none_is_refused_before_any_session() {
    let pki = Pki::mint(&PkiSpec::default()).unwrap();
    let junk = vec![CertificateRevocationListDer::from(vec![1, 2, 3])];
    let client = ClientTls::new(&ClientTlsSpec {
        provider: ProviderName::default(),
        versions: &[TlsVersion::Tls13],
        groups: &[],
        suites: &[],
        alpn: &[],
        server_name: "localhost",
        expected_names: &[],
        roots: Some(pki.roots()),
        crls: &junk,
        verify: Verify::default(),
        identity: None,
        resumption: None,
    });
    assert!(matches!(client, Err(TlsConfigError::Verifier(_))));
    let server = ServerTls::new(&ServerTlsSpec {
        provider: ProviderName::default(),
        versions: &[TlsVersion::Tls13],
        identity: pki.server(),
        auth: ServerAuth::Required(ClientTrust {
            roots: pki.roots().to_vec(),
            crls: junk.clone(),
        }),
        tickets: TicketMode::Off,
        alpn: &[],
    });
    assert!(matches!(server, Err(TlsConfigError::Verifier(_))));
}

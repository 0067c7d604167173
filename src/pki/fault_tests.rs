//! What faulty identities look like, whatever the algorithms and names of the good ones beside them.

use super::{CertFacts, CertInspect, KeyAlgorithm, Pki, PkiSpec};
use crate::scenario::{IdentityFault, TlsVersion};

fn minted(key: KeyAlgorithm) -> PkiSpec {
    PkiSpec {
        ca_key: key,
        server_key: key,
        client_key: key,
        ..PkiSpec::default()
    }
}

#[test]
fn every_algorithm_gives_every_fault_with_keys_of_its_own_kind() {
    // RSA 3072 goes the way of RSA 2048 and takes seconds longer.
    let all = KeyAlgorithm::ALL.into_iter();
    let classical = all.filter(|key| key.fits(TlsVersion::Tls12));
    for key in classical.filter(|key| *key != KeyAlgorithm::Rsa3072) {
        let pki = Pki::mint(&minted(key)).unwrap();
        let faults = pki.mint_faults().unwrap();
        let good = CertFacts::parse(&pki.server().chain[0]).unwrap();
        for (fault, identity) in faults.clients().chain(faults.servers()) {
            let leaf = CertFacts::parse(&identity.chain[0]).unwrap();
            let expected = match fault {
                IdentityFault::Rsa1024 => "RSA 1024",
                _ => &good.key,
            };
            assert_eq!(leaf.key, expected, "{key} {fault}");
            assert_eq!(leaf.subject, format!("CN={}", identity.name));
        }
        let sizes = faults.clients().map(|(_, client)| {
            let chain = client.chain.iter();
            chain.map(|cert| cert.len()).sum::<usize>()
        });
        let largest = sizes.max().unwrap();
        assert!(largest < 20_000, "{key}: a chain of {largest} bytes");
    }
}

#[test]
fn chains_hold_what_is_sent_and_never_the_root() {
    let pki = Pki::mint(&PkiSpec::default()).unwrap();
    let faults = pki.mint_faults().unwrap();
    for (fault, identity) in faults.clients().chain(faults.servers()) {
        let expected = match fault {
            IdentityFault::SelfSigned | IdentityFault::MissingIntermediate => 1,
            IdentityFault::PathLength => 3,
            IdentityFault::LongChain => 18,
            _ => 2,
        };
        assert_eq!(identity.chain.len(), expected, "{fault}");
        let links: Vec<_> = identity
            .chain
            .iter()
            .filter_map(CertInspect::parse)
            .collect();
        assert_eq!(links.len(), expected, "{fault}");
        for pair in links.windows(2) {
            assert_eq!(pair[0].issuer_der(), pair[1].subject_der(), "{fault}");
        }
        let above = &links[1..];
        assert!(!above.iter().any(CertInspect::is_self_issued), "{fault}");
    }
}

#[test]
fn one_moment_is_common_to_every_chain() {
    let pki = Pki::mint(&PkiSpec {
        valid_days: 1,
        ..PkiSpec::default()
    })
    .unwrap();
    let faults = pki.mint_faults().unwrap();
    for (fault, identity) in faults.clients() {
        let links: Vec<_> = identity
            .chain
            .iter()
            .filter_map(CertInspect::parse)
            .collect();
        let begin = links.iter().map(|l| l.validity_unix_s().0).max().unwrap();
        let end = links.iter().map(|l| l.validity_unix_s().1).min().unwrap();
        assert!(begin < end, "{fault} was never valid");
    }
}

#[test]
fn serial_numbers_are_not_used_twice() {
    let pki = Pki::mint(&PkiSpec::default()).unwrap();
    let faults = pki.mint_faults().unwrap();
    let all = faults.clients().chain(faults.servers());
    let certs = all.flat_map(|(_, identity)| &identity.chain);
    let mut serials: Vec<_> = certs
        .map(|cert| (CertFacts::parse(cert).unwrap().serial_hex, cert.to_vec()))
        .collect();
    serials.sort();
    serials.dedup();
    let before = serials.len();
    serials.dedup_by(|a, b| a.0 == b.0);
    assert_eq!(serials.len(), before);
    assert!(before > 2 * 16);
}

#[test]
fn faults_keep_the_names_of_the_good_server() {
    let pki = Pki::mint(&PkiSpec {
        server_names: vec!["192.0.2.1".into()],
        ..PkiSpec::default()
    })
    .unwrap();
    let faults = pki.mint_faults().unwrap();
    for (fault, identity) in faults.servers() {
        let leaf = CertFacts::parse(&identity.chain[0]).unwrap();
        let expected = match fault {
            IdentityFault::WrongName => "DNS:wrong-name.invalid",
            _ => "IP:192.0.2.1",
        };
        assert_eq!(leaf.san, [expected], "{fault}");
    }
}

#[test]
fn faults_are_refused_where_they_would_not_be_the_only_ones() {
    for spec in [
        PkiSpec {
            intermediates: 2,
            ..PkiSpec::default()
        },
        minted(KeyAlgorithm::MlDsa44),
    ] {
        let error = Pki::mint(&spec).unwrap().mint_faults().unwrap_err();
        assert!(error.to_string().contains("or for no faults"), "{error}");
    }
}

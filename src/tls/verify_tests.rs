//! What verifiers make of chains and revocation lists, asked of them without any session.

use std::slice::from_ref;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    CrlIssuingDistributionPoint, CustomExtension, DnType, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use time::{Duration, OffsetDateTime};

use super::{ClientTlsSpec, ClientTrust, TlsConfigError, reject, verify};
use crate::crypto;
use crate::pki::{Pki, PkiSpec};
use crate::scenario::{ProviderName, TlsVersion, Verify};

/// An authority that issues and revokes.
struct Authority {
    params: CertificateParams,
    key: KeyPair,
    cert: CertificateDer<'static>,
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Authority {
    fn root(name: &str) -> Self {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap().der().clone();
        Self { params, key, cert }
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }

    /// An intermediate with these extensions.
    fn below(&self, name: &str, extensions: Vec<CustomExtension>) -> Self {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.custom_extensions = extensions;
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer()).unwrap();
        let cert = cert.der().clone();
        Self { params, key, cert }
    }

    /// A leaf for localhost with this serial number, or for these names.
    fn leaf(&self, serial: u64, names: Option<Vec<SanType>>) -> CertificateDer<'static> {
        let mut params = named("leaf");
        let localhost = || vec![SanType::DnsName("localhost".try_into().unwrap())];
        params.subject_alt_names = names.unwrap_or_else(localhost);
        params.serial_number = Some(SerialNumber::from(serial));
        params.is_ca = IsCa::ExplicitNoCa;
        let key = KeyPair::generate().unwrap();
        params
            .signed_by(&key, &self.issuer())
            .unwrap()
            .der()
            .clone()
    }

    /// A list made `age` days ago that is good for `days` from now.
    fn list(&self, number: u64, age: i64, days: i64, revoked: &[u64]) -> List {
        self.scoped_list(number, age, days, revoked, None)
    }

    fn scoped_list(
        &self,
        number: u64,
        age: i64,
        days: i64,
        revoked: &[u64],
        point: Option<&str>,
    ) -> List {
        // Whole seconds, so that equal ages are equal.
        let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap();
        let revoked_certs = revoked.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: now - Duration::days(age),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: now - Duration::days(age),
            next_update: now + Duration::days(days),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: point.map(|uri| CrlIssuingDistributionPoint {
                distribution_point: CrlDistributionPoint {
                    uris: vec![uri.to_owned()],
                },
                scope: None,
            }),
            revoked_certs: revoked_certs.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer()).unwrap().into()
    }
}

type List = CertificateRevocationListDer<'static>;

/// What a client makes of a chain: `ok`, or the label and the words of its rejection.
fn client(
    roots: &[CertificateDer<'static>],
    crls: &[List],
    expected: &[&str],
    chain: &[CertificateDer<'static>],
) -> String {
    let expected: Vec<String> = expected.iter().map(|name| (*name).to_owned()).collect();
    let spec = ClientTlsSpec {
        provider: ProviderName::AwsLcRs,
        versions: &[TlsVersion::Tls13],
        groups: &[],
        suites: &[],
        alpn: &[],
        server_name: "localhost",
        expected_names: &expected,
        roots: Some(roots),
        crls,
        verify: Verify::default(),
        identity: None,
        resumption: None,
    };
    let provider = Arc::new(crypto::provider(ProviderName::AwsLcRs).unwrap());
    let verifier = verify::server_verifier(&spec, &provider).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let (leaf, rest) = chain.split_first().unwrap();
    told(verifier.verify_server_cert(leaf, rest, &name, &[], UnixTime::now()))
}

/// What a server makes of it.
fn server(
    roots: &[CertificateDer<'static>],
    crls: &[List],
    chain: &[CertificateDer<'static>],
) -> String {
    let trust = ClientTrust {
        roots: roots.to_vec(),
        crls: crls.to_vec(),
    };
    let name = ProviderName::AwsLcRs;
    let provider = Arc::new(crypto::provider(name).unwrap());
    let verifier = verify::client_verifier(&trust, name, &provider, true).unwrap();
    let (leaf, rest) = chain.split_first().unwrap();
    told(verifier.verify_client_cert(leaf, rest, UnixTime::now()))
}

fn told<T>(result: Result<T, rustls::Error>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => {
            let rejection = reject::take(&error).unwrap();
            format!("{}: {}", rejection.fault.label(), rejection.sentence)
        }
    }
}

/// Both orders of a file with two lists, at both ends.
fn both(authority: &Authority, lists: [&List; 2], leaf: &CertificateDer<'static>) -> Vec<String> {
    let roots = [authority.cert.clone()];
    let chain = [leaf.clone()];
    let orders = [[lists[0], lists[1]], [lists[1], lists[0]]];
    let each = orders.map(|order| {
        let crls = order.map(Clone::clone);
        [
            client(&roots, &crls, &[], &chain),
            server(&roots, &crls, &chain),
        ]
    });
    each.concat()
}

#[test]
fn the_newest_list_of_an_issuer_decides_whatever_the_order() {
    let root = Authority::root("root");
    let leaf = root.leaf(7, None);
    let old = root.list(5, 5, 30, &[]);
    let new = root.list(6, 1, 30, &[7]);
    for said in both(&root, [&old, &new], &leaf) {
        assert_eq!(
            said,
            "revoked: certificate 1 (CN=leaf) is revoked by the revocation list of CN=root"
        );
    }
    let stale = root.list(5, 9, -2, &[7]);
    let fresh = root.list(6, 3, 30, &[]);
    for said in both(&root, [&stale, &fresh], &leaf) {
        assert_eq!(said, "ok");
    }
    // A list that is both newer and out of date is the one that counts.
    let short = root.list(7, 2, -1, &[]);
    for said in both(&root, [&fresh, &short], &leaf) {
        assert!(
            said.starts_with("crl_expired: the revocation list of CN=root is out of date"),
            "{said}"
        );
    }
}

#[test]
fn numbers_decide_between_lists_of_one_date_and_dates_before_numbers() {
    let root = Authority::root("root");
    let leaf = root.leaf(7, None);
    // 256 is more than 9, although its first byte is less.
    let first = root.list(9, 1, 30, &[]);
    let second = root.list(256, 1, 30, &[7]);
    assert!(
        both(&root, [&first, &second], &leaf)
            .iter()
            .all(|said| said.starts_with("revoked"))
    );
    let later = root.list(3, 0, 30, &[]);
    assert!(
        both(&root, [&second, &later], &leaf)
            .iter()
            .all(|said| said == "ok")
    );
}

#[test]
fn lists_of_two_authorities_with_one_name_are_told_apart_by_their_signature() {
    let (old, new) = (Authority::root("twin"), Authority::root("twin"));
    let roots = [old.cert.clone(), new.cert.clone()];
    let leaf = new.leaf(7, None);
    for (revoked, expected) in [(vec![7], "revoked"), (vec![], "ok")] {
        // The other authority's list is newer, and names or does not name the same serial number.
        let lists = [new.list(1, 5, 30, &revoked), old.list(9, 1, 30, &[])];
        let others = [new.list(1, 5, 30, &revoked), old.list(9, 1, 30, &[7])];
        for mut crls in [lists, others] {
            for _ in 0..2 {
                crls.reverse();
                let said = client(&roots, &crls, &[], from_ref(&leaf));
                assert!(said.starts_with(expected), "{said}");
                let said = server(&roots, &crls, from_ref(&leaf));
                assert!(said.starts_with(expected), "{said}");
            }
        }
    }
    // Alone, the list of the other is no list of this one, and nothing is known of who may have made it.
    let said = client(&roots, &[old.list(1, 1, 30, &[])], &[], &[leaf]);
    assert!(
        said.starts_with("crl_signature: the revocation list of CN=twin"),
        "{said}"
    );
}

#[test]
fn all_scopes_that_apply_have_to_agree() {
    let root = Authority::root("root");
    let leaf = root.leaf(7, None);
    let complete = root.list(5, 5, 30, &[7]);
    let part = root.scoped_list(6, 1, 30, &[], Some("http://localhost/part"));
    assert!(
        both(&root, [&complete, &part], &leaf)
            .iter()
            .all(|said| said.starts_with("revoked"))
    );
    // A newer list of everything says all that an older part says.
    let stale = root.scoped_list(4, 9, -2, &[], Some("http://localhost/part"));
    let all = root.list(5, 1, 30, &[]);
    assert!(
        both(&root, [&stale, &all], &leaf)
            .iter()
            .all(|said| said == "ok")
    );
    let other_part = root.scoped_list(4, 9, 30, &[7], Some("http://localhost/other"));
    assert!(
        both(&root, [&other_part, &part], &leaf)
            .iter()
            .all(|said| said.starts_with("revoked"))
    );
}

#[test]
fn lists_of_strangers_change_nothing() {
    let (root, stranger) = (Authority::root("root"), Authority::root("stranger"));
    let leaf = root.leaf(7, None);
    let crls = [stranger.list(1, 9, -3, &[7]), stranger.list(2, 1, 30, &[7])];
    assert_eq!(client(from_ref(&root.cert), &crls, &[], &[leaf]), "ok");
}

#[test]
fn a_leaf_in_the_bundle_is_trusted_as_it_is() {
    let tutorial = |names: Vec<String>, days: i64| {
        let mut params = CertificateParams::new(names).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = OffsetDateTime::now_utc() - Duration::days(9);
        params.not_after = OffsetDateTime::now_utc() + Duration::days(days);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    };
    let cert = tutorial(vec!["localhost".into()], 9);
    let alone = |cert: &CertificateDer<'static>| client(from_ref(cert), &[], &[], from_ref(cert));
    assert_eq!(alone(&cert), "ok");
    let other = tutorial(vec!["localhost".into()], 9);
    let said = client(&[other], &[], &[], &[cert]);
    assert!(said.starts_with("ca_as_leaf: certificate 1 ("), "{said}");
    let said = alone(&tutorial(vec!["localhost".into()], -1));
    assert!(said.starts_with("expired: certificate 1 ("), "{said}");
    let said = alone(&tutorial(vec!["example.org".into()], 9));
    assert_eq!(
        said,
        "name: the certificate is for DNS:example.org, not for localhost"
    );
    // Not its own root, but its issuer is not there.
    let root = Authority::root("root");
    let leaf = root.leaf(7, None);
    assert_eq!(alone(&leaf), "ok");
    let crls = [root.list(1, 1, 30, &[7])];
    let said = client(from_ref(&leaf), &crls, &[], from_ref(&leaf));
    assert!(said.starts_with("revoked"), "{said}");
}

#[test]
fn expected_names_take_the_place_of_the_one_that_is_sent() {
    let root = Authority::root("root");
    let id = "spiffe://example.org/ns/web";
    let leaf = root.leaf(7, Some(vec![SanType::URI(id.try_into().unwrap())]));
    let roots = [root.cert.clone()];
    let with = |names: &[&str]| client(&roots, &[], names, from_ref(&leaf));
    assert_eq!(
        with(&[]),
        format!("name: the certificate is for URI:{id}, not for localhost")
    );
    for names in [
        &[id][..],
        &["spiffe://example.org"],
        &["localhost", id],
        &["spiffe://other.org/x", "spiffe://example.org/"],
    ] {
        assert_eq!(with(names), "ok", "{names:?}");
    }
    for wrong in [
        "spiffe://example.org/ns",
        "spiffe://example.or",
        "localhost",
    ] {
        assert!(with(&[wrong]).starts_with("name: "), "{wrong}");
    }
    // Nothing else is let through with the name.
    let stranger = Authority::root("stranger");
    let said = client(&[stranger.cert], &[], &[id], from_ref(&leaf));
    assert!(
        said.starts_with("unknown_issuer: certificate 1 (CN=leaf) was issued by CN=root"),
        "{said}"
    );
    let said = client(&roots, &[root.list(1, 1, 30, &[7])], &[id], from_ref(&leaf));
    assert!(said.starts_with("revoked"), "{said}");
    let parts = ["http://localhost/a", "http://localhost/b"];
    let lists = parts.map(|part| root.scoped_list(1, 1, 30, &[7], Some(part)));
    let empty = root.scoped_list(2, 1, 30, &[], Some("http://localhost/c"));
    for crls in [[empty.clone(), lists[0].clone()], [lists[1].clone(), empty]] {
        let said = client(&roots, &crls, &[id], from_ref(&leaf));
        assert!(said.starts_with("revoked"), "{said}");
    }
    let localhost = root.leaf(8, None);
    let said = client(&roots, &[], &["example.org"], from_ref(&localhost));
    assert_eq!(
        said,
        "name: the certificate is for DNS:localhost, not for example.org"
    );
    assert_eq!(client(&roots, &[], &["localhost"], &[localhost]), "ok");
}

#[test]
fn a_critical_extension_is_named_with_its_certificate() {
    let root = Authority::root("root");
    // certificatePolicies with anyPolicy.
    let policies = |critical| {
        let any = vec![0x30, 8, 0x30, 6, 6, 4, 0x55, 0x1d, 0x20, 0];
        let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 32], any);
        extension.set_criticality(critical);
        vec![extension]
    };
    let inter = root.below("inter", policies(true));
    let leaf = inter.leaf(7, None);
    let chain = [leaf, inter.cert.clone()];
    assert_eq!(
        client(from_ref(&root.cert), &[], &[], &chain),
        "critical_extension: certificate 2 (CN=inter) has a critical extension that is not processed here: certificatePolicies (2.5.29.32)"
    );
    // As the advice says: the CA's certificate among the trusted ones.
    assert_eq!(
        client(&[root.cert.clone(), inter.cert], &[], &[], &chain),
        "ok"
    );
    let inter = root.below("inter", policies(false));
    let chain = [inter.leaf(7, None), inter.cert];
    assert_eq!(client(&[root.cert], &[], &[], &chain), "ok");
}

#[test]
fn every_fault_is_a_sentence_without_names_of_types() {
    let pki = Pki::mint(&PkiSpec::default()).unwrap();
    let faults = pki.mint_faults().unwrap();
    for (fault, identity) in faults.servers() {
        let said = client(pki.roots(), faults.crls(), &[], &identity.chain);
        let camel = said.split(|c: char| !c.is_alphanumeric()).any(|word| {
            let letters: Vec<char> = word.chars().collect();
            let humps = letters
                .windows(2)
                .filter(|p| p[0].is_lowercase() && p[1].is_uppercase());
            humps.count() > 1 && !said.contains("basicConstraints")
        });
        assert!(!camel && !said.contains("Other("), "{fault}: {said}");
    }
}

#[test]
fn a_name_that_is_none_is_refused_at_once() {
    let root = Authority::root("root");
    let expected = ["a b".to_owned()];
    let spec = ClientTlsSpec {
        provider: ProviderName::AwsLcRs,
        versions: &[TlsVersion::Tls13],
        groups: &[],
        suites: &[],
        alpn: &[],
        server_name: "localhost",
        expected_names: &expected,
        roots: Some(from_ref(&root.cert)),
        crls: &[],
        verify: Verify::default(),
        identity: None,
        resumption: None,
    };
    let refused = super::ClientTls::new(&spec).unwrap_err();
    assert!(matches!(refused, TlsConfigError::ExpectedName(_)));
}

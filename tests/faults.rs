//! Every faulty identity is rejected for its own reason and no other, by the embedded server, by our
//! client and by OpenSSL; the good identities are accepted beside them, with the same revocation lists.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use shakedown::pki::{Faults, Identity, Pki, PkiSpec, ShortRsa};
use shakedown::scenario::{IdentityFault, ProviderName, TicketMode, TlsVersion, Verify};
use shakedown::stats::{FailureClass, Stage};
use shakedown::tls::{
    ClientTls, ClientTlsSpec, ClientTrust, Fault, ServerAuth, ServerTls, ServerTlsSpec, failure,
};

const BOTH: [TlsVersion; 2] = [TlsVersion::Tls12, TlsVersion::Tls13];

/// One set for all tests: minting is the slow part.
static SET: LazyLock<(Pki, Faults)> = LazyLock::new(|| {
    let pki = Pki::mint(&PkiSpec::default()).unwrap();
    let faults = pki.mint_faults().unwrap();
    (pki, faults)
});

/// A mutual handshake in memory. What became of it, as the client
/// counts and words it; `None` if both accept.
fn meet(
    version: TlsVersion,
    client: Option<&Identity>,
    server: &Identity,
) -> Option<(FailureClass, String)> {
    let (pki, faults) = &*SET;
    let tls = ServerTls::new(&ServerTlsSpec {
        provider: ProviderName::default(),
        versions: &[version],
        identity: server,
        auth: ServerAuth::Required(ClientTrust {
            roots: pki.roots().to_vec(),
            crls: faults.crls().to_vec(),
        }),
        tickets: TicketMode::Off,
        alpn: &[],
    });
    let mut server = tls.unwrap().connection().unwrap();
    let tls = ClientTls::new(&ClientTlsSpec {
        provider: ProviderName::default(),
        versions: &[version],
        groups: &[],
        suites: &[],
        alpn: &[],
        server_name: "localhost",
        expected_names: &[],
        roots: Some(pki.roots()),
        crls: faults.crls(),
        verify: Verify::default(),
        identity: client,
        resumption: None,
    });
    let mut client = tls.unwrap().connection(false).unwrap();
    for _ in 0..10 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() && server.read_tls(&mut rest).is_ok_and(|read| read > 0) {
            // What the server thinks comes back as its alert.
            let _ = server.process_new_packets();
        }
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            if let Err(error) = client.process_new_packets() {
                return Some(failure(&Fault::from(error), Stage::Handshake));
            }
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    None
}

/// What the embedded server tells a client with each fault, in both versions. webpki leaves key usage to
/// others: it accepts `no-digital-signature` where OpenSSL does not.
const CLIENTS: [(IdentityFault, Option<&str>); 16] = [
    (IdentityFault::UnknownCa, Some("alert.unknown_ca")),
    (IdentityFault::SelfSigned, Some("alert.unknown_ca")),
    (IdentityFault::MissingIntermediate, Some("alert.unknown_ca")),
    (
        IdentityFault::ExpiredLeaf,
        Some("alert.certificate_expired"),
    ),
    (
        IdentityFault::ExpiredIntermediate,
        Some("alert.certificate_expired"),
    ),
    (
        IdentityFault::NotYetValid,
        Some("alert.certificate_expired"),
    ),
    (
        IdentityFault::WrongEku,
        Some("alert.unsupported_certificate"),
    ),
    (IdentityFault::NoDigitalSignature, None),
    (IdentityFault::Revoked, Some("alert.certificate_revoked")),
    (
        IdentityFault::NameConstraint,
        Some("alert.certificate_unknown"),
    ),
    (IdentityFault::PathLength, Some("alert.certificate_unknown")),
    (IdentityFault::NotACa, Some("alert.certificate_unknown")),
    (
        IdentityFault::UnknownCritical,
        Some("alert.certificate_unknown"),
    ),
    (IdentityFault::BrokenSignature, Some("alert.decrypt_error")),
    (IdentityFault::Rsa1024, Some("alert.decrypt_error")),
    (IdentityFault::LongChain, Some("alert.certificate_unknown")),
];

/// Why our client rejects a server with each fault: the class, and a part of the message.
const SERVERS: [(IdentityFault, Option<(&str, &str)>); 17] = [
    (
        IdentityFault::UnknownCa,
        Some(("unknown_issuer", "which --cacert does not hold")),
    ),
    (
        IdentityFault::SelfSigned,
        Some(("unknown_issuer", "is self-signed")),
    ),
    (
        IdentityFault::MissingIntermediate,
        Some(("unknown_issuer", "which --cacert does not hold")),
    ),
    (
        IdentityFault::ExpiredLeaf,
        Some(("expired", ") expired on ")),
    ),
    (
        IdentityFault::ExpiredIntermediate,
        Some(("expired", "certificate 2 (")),
    ),
    (
        IdentityFault::NotYetValid,
        Some(("not_yet_valid", "is not valid before")),
    ),
    (
        IdentityFault::WrongEku,
        Some(("purpose", "not for serverAuth")),
    ),
    (IdentityFault::NoDigitalSignature, None),
    (
        IdentityFault::Revoked,
        Some(("revoked", "is revoked by the revocation list of")),
    ),
    (
        IdentityFault::NameConstraint,
        Some((
            "name_constraints",
            "outside of the name constraints of certificate 2 (",
        )),
    ),
    (
        IdentityFault::PathLength,
        Some(("path_length", "path length allows")),
    ),
    (IdentityFault::NotACa, Some(("not_a_ca", "certificate 2 ("))),
    (
        IdentityFault::UnknownCritical,
        Some(("critical_extension", "certificate 1 (")),
    ),
    (
        IdentityFault::BrokenSignature,
        Some(("signature", "the signature of certificate 1 (")),
    ),
    (
        IdentityFault::Rsa1024,
        Some(("signature", "take no RSA key below 2048 bits")),
    ),
    (
        IdentityFault::LongChain,
        Some(("other", "the 6 that are followed")),
    ),
    (
        IdentityFault::WrongName,
        Some(("name", "wrong-name.invalid")),
    ),
];

#[test]
fn good_identities_are_accepted_with_the_same_revocation_lists() {
    let (pki, _) = &*SET;
    for version in BOTH {
        let met = meet(version, Some(&pki.clients()[0]), pki.server());
        assert_eq!(met, None, "{version}");
    }
}

#[test]
fn the_embedded_server_rejects_every_client_for_its_fault() {
    let (pki, faults) = &*SET;
    let minted: Vec<_> = faults.clients().map(|(fault, _)| fault).collect();
    assert_eq!(minted, CLIENTS.map(|(fault, _)| fault));
    for (fault, expected) in CLIENTS {
        let client = faults.client(fault).unwrap();
        for version in BOTH {
            let met = meet(version, Some(client), pki.server());
            let class = met.map(|(class, _)| class.to_string());
            assert_eq!(class.as_deref(), expected, "{fault} under {version}");
        }
    }
}

#[test]
fn our_client_rejects_every_server_for_its_fault() {
    let (pki, faults) = &*SET;
    let minted: Vec<_> = faults.servers().map(|(fault, _)| fault).collect();
    assert_eq!(minted, SERVERS.map(|(fault, _)| fault));
    for (fault, expected) in SERVERS {
        let server = faults.server(fault).unwrap();
        for version in BOTH {
            match (meet(version, Some(&pki.clients()[0]), server), expected) {
                (None, None) => {}
                (Some((class, message)), Some((kind, part))) => {
                    assert_eq!(class.to_string(), format!("server_cert.{kind}"), "{fault}");
                    assert!(message.contains(part), "{fault} under {version}: {message}");
                }
                (met, expected) => panic!("{fault} under {version}: {met:?}, not {expected:?}"),
            }
        }
    }
}

#[test]
fn the_embedded_server_rejects_clients_that_present_nothing() {
    let (pki, _) = &*SET;
    for version in BOTH {
        let (class, _) = meet(version, None, pki.server()).unwrap();
        // rustls uses the alert of TLS 1.3 in TLS 1.2, too.
        assert_eq!(class.to_string(), "alert.certificate_required", "{version}");
    }
}

#[test]
fn what_no_side_can_have_is_not_minted() {
    let (_, faults) = &*SET;
    assert!(faults.client(IdentityFault::None).is_none());
    assert!(faults.server(IdentityFault::None).is_none());
    assert!(faults.client(IdentityFault::WrongName).is_none());
}

/// The errors that `openssl verify` reports for each fault, as it goes on after some of them. The two that
/// have no authority above them, or one that is none, lack its revocation list as well.
const OPENSSL: [(IdentityFault, &[&str]); 17] = [
    (
        IdentityFault::UnknownCa,
        &["20 at 1 depth lookup: unable to get local issuer certificate"],
    ),
    (
        IdentityFault::SelfSigned,
        &["18 at 0 depth lookup: self-signed certificate", NO_CRL],
    ),
    (
        IdentityFault::MissingIntermediate,
        &["20 at 0 depth lookup: unable to get local issuer certificate"],
    ),
    (
        IdentityFault::ExpiredLeaf,
        &["10 at 0 depth lookup: certificate has expired"],
    ),
    (
        IdentityFault::ExpiredIntermediate,
        &["10 at 1 depth lookup: certificate has expired"],
    ),
    (
        IdentityFault::NotYetValid,
        &["9 at 0 depth lookup: certificate is not yet valid"],
    ),
    (
        IdentityFault::WrongEku,
        &["26 at 0 depth lookup: unsuitable certificate purpose"],
    ),
    (
        IdentityFault::NoDigitalSignature,
        &["26 at 0 depth lookup: unsuitable certificate purpose"],
    ),
    (
        IdentityFault::Revoked,
        &["23 at 0 depth lookup: certificate revoked"],
    ),
    (
        IdentityFault::NameConstraint,
        &["47 at 0 depth lookup: permitted subtree violation"],
    ),
    (
        IdentityFault::PathLength,
        &["25 at 2 depth lookup: path length constraint exceeded"],
    ),
    (
        IdentityFault::NotACa,
        &[
            "79 at 1 depth lookup: invalid CA certificate",
            "26 at 1 depth lookup: unsuitable certificate purpose",
            NO_CRL,
        ],
    ),
    (
        IdentityFault::UnknownCritical,
        &["34 at 0 depth lookup: unhandled critical extension"],
    ),
    (
        IdentityFault::BrokenSignature,
        &["7 at 0 depth lookup: certificate signature failure"],
    ),
    (
        IdentityFault::Rsa1024,
        &["66 at 0 depth lookup: EE certificate key too weak"],
    ),
    (
        IdentityFault::LongChain,
        &["22 at 11 depth lookup: certificate chain too long"],
    ),
    (
        IdentityFault::WrongName,
        &["62 at 0 depth lookup: hostname mismatch"],
    ),
];

const NO_CRL: &str = "3 at 0 depth lookup: unable to get certificate CRL";

/// Whether there is an openssl command; panics instead of `false` where there must be.
fn has_openssl() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok();
    let required = std::env::var_os("SHAKEDOWN_REQUIRE_SERVERS").is_some();
    assert!(
        found || !required,
        "openssl is not installed; run scripts/install-deps"
    );
    if !found {
        eprintln!("skipped: openssl is not installed; scripts/install-deps installs it");
    }
    found
}

/// Verifies a chain as strictly as OpenSSL can, with a list for every certificate, and returns its
/// errors. It follows fewer intermediates than its default, as servers do that set a depth.
fn openssl_verify(dir: &Path, chain: &str, purpose: &[&str]) -> Vec<String> {
    let output = Command::new("openssl")
        .args([
            "verify",
            "-x509_strict",
            "-auth_level",
            "2",
            "-verify_depth",
            "10",
        ])
        .args(["-CAfile", "ca.pem", "-crl_check_all", "-CRLfile", "crl.pem"])
        .args(purpose)
        .args(["-untrusted", chain, chain])
        .current_dir(dir)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let errors: Vec<String> = said
        .lines()
        .filter_map(|line| line.strip_prefix("error "))
        .filter(|line| line.contains("depth lookup"))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        output.status.success(),
        errors.is_empty(),
        "{chain}: {said}"
    );
    errors
}

/// Rejected signatures look alike, whether the key is too short or the signature wrong: this one is right.
#[test]
fn openssl_verifies_the_signatures_of_short_keys() {
    if !has_openssl() {
        return;
    }
    let (_, faults) = &*SET;
    let client = faults.client(IdentityFault::Rsa1024).unwrap();
    let key = ShortRsa::load(client.key.der().unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    put("key.der", key.spki_der());
    put("message", b"signed");
    put("pss", &key.sign_pss_sha256(b"signed").unwrap());
    put("pkcs1", &key.sign_pkcs1_sha256(b"signed").unwrap());
    // TLS 1.3 wants a salt as long as the hash.
    let pss = "rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32";
    for (signature, padding) in [("pss", pss), ("pkcs1", "rsa_padding_mode:pkcs1")] {
        let args = format!(
            "dgst -sha256 -verify key.der -keyform DER -sigopt {padding} -signature {signature} message"
        );
        let output = Command::new("openssl")
            .args(args.split(' '))
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{signature}: {output:?}");
    }
}

#[test]
fn openssl_finds_the_same_single_defects() {
    if !has_openssl() {
        return;
    }
    let (pki, faults) = &*SET;
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    pki.write_with_faults(faults, dir, false).unwrap();
    let client = ["-purpose", "sslclient"];
    let server = ["-purpose", "sslserver", "-verify_hostname", "localhost"];
    let none: &[&str] = &[];
    assert_eq!(openssl_verify(dir, "client-0.pem", &client), none);
    assert_eq!(openssl_verify(dir, "server.pem", &server), none);
    for (fault, expected) in OPENSSL {
        if faults.client(fault).is_some() {
            let chain = format!("faults/client-{fault}.pem");
            assert_eq!(openssl_verify(dir, &chain, &client), expected, "{chain}");
        }
        let chain = format!("faults/server-{fault}.pem");
        assert_eq!(openssl_verify(dir, &chain, &server), expected, "{chain}");
    }
}

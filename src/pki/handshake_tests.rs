//! Proof that minted identities work: mutual handshakes in memory under rustls, and the openssl command.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, Error, ProtocolVersion, RootCertStore, ServerConfig,
    ServerConnection, SupportedProtocolVersion, version,
};

use super::{Identity, KeyAlgorithm, Pki, PkiSpec};
use crate::scenario::TlsVersion;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn trust(pki: &Pki) -> Arc<RootCertStore> {
    let mut store = RootCertStore::empty();
    for root in pki.roots() {
        store.add(root.clone()).unwrap();
    }
    Arc::new(store)
}

fn pair(
    pki: &Pki,
    client: &Identity,
    host: &str,
    version: &'static SupportedProtocolVersion,
) -> (ClientConnection, ServerConnection) {
    let verifier = WebPkiClientVerifier::builder_with_provider(trust(pki), provider())
        .build()
        .unwrap();
    let server = pki.server().clone();
    let server_config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(server.chain, server.key.der().unwrap().clone_key())
        .unwrap();
    let client = client.clone();
    let client_config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(trust(pki))
        .with_client_auth_cert(client.chain, client.key.der().unwrap().clone_key())
        .unwrap();
    (
        ClientConnection::new(Arc::new(client_config), host.to_owned().try_into().unwrap())
            .unwrap(),
        ServerConnection::new(Arc::new(server_config)).unwrap(),
    )
}

/// Carries bytes both ways until both sides are done or one of them fails.
fn handshake(client: &mut ClientConnection, server: &mut ServerConnection) -> Result<(), Error> {
    for _ in 0..10 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(())
}

fn minted(algorithm: KeyAlgorithm) -> Pki {
    let (ca_key, server_key, client_key) = (algorithm, algorithm, algorithm);
    Pki::mint(&PkiSpec {
        ca_key,
        server_key,
        client_key,
        ..PkiSpec::default()
    })
    .unwrap()
}

#[test]
fn every_algorithm_completes_a_mutual_handshake() {
    for algorithm in KeyAlgorithm::ALL {
        let pki = minted(algorithm);
        for (version, expected) in [
            (&version::TLS13, ProtocolVersion::TLSv1_3),
            (&version::TLS12, ProtocolVersion::TLSv1_2),
        ] {
            if expected == ProtocolVersion::TLSv1_2 && !algorithm.fits(TlsVersion::Tls12) {
                continue;
            }
            let identity = &pki.clients()[0];
            let (mut client, mut server) = pair(&pki, identity, "localhost", version);
            handshake(&mut client, &mut server).unwrap();
            assert_eq!(client.protocol_version(), Some(expected));
            assert_eq!(
                server.peer_certificates().unwrap(),
                identity.chain,
                "{algorithm}"
            );
            assert_eq!(
                client.peer_certificates().unwrap(),
                pki.server().chain,
                "{algorithm}"
            );
        }
    }
}

#[test]
fn the_server_is_valid_for_its_names_and_no_others() {
    let pki = minted(KeyAlgorithm::EcdsaP256);
    for host in ["localhost", "127.0.0.1", "::1"] {
        let (mut client, mut server) = pair(&pki, &pki.clients()[0], host, &version::TLS13);
        handshake(&mut client, &mut server).unwrap();
    }
    let (mut client, mut server) = pair(&pki, &pki.clients()[0], "other.example", &version::TLS13);
    assert!(matches!(
        handshake(&mut client, &mut server),
        Err(Error::InvalidCertificate(_))
    ));
}

#[test]
fn strangers_and_servers_are_not_clients() {
    let pki = minted(KeyAlgorithm::EcdsaP256);
    let stranger = minted(KeyAlgorithm::EcdsaP256);
    for identity in [&stranger.clients()[0], pki.server()] {
        let (mut client, mut server) = pair(&pki, identity, "localhost", &version::TLS13);
        assert!(matches!(
            handshake(&mut client, &mut server),
            Err(Error::InvalidCertificate(_))
        ));
    }
}

/// Runs openssl and returns its complaint; `None` where there is no such command.
fn openssl(args: &[&str], file: &Path) -> Option<Result<(), String>> {
    let output = Command::new("openssl").args(args).arg(file).output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Some(if output.status.success() {
        Ok(())
    } else {
        Err(said)
    })
}

#[test]
fn openssl_reads_every_key_and_verifies_every_chain() {
    // OpenSSL 3.0, which most systems have, does not know ML-DSA.
    let all = KeyAlgorithm::ALL.into_iter();
    for algorithm in all.filter(|key| key.fits(TlsVersion::Tls12)) {
        let dir = tempfile::tempdir().unwrap();
        let spec = PkiSpec {
            server_key: algorithm,
            ..PkiSpec::default()
        };
        Pki::mint(&spec).unwrap().write(dir.path(), false).unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let Some(read) = openssl(
            &["pkey", "-noout", "-check", "-in"],
            &dir.path().join("server.key"),
        ) else {
            eprintln!("openssl is not on the PATH: only the structure of keys is tested");
            return;
        };
        read.unwrap();
        let (root, middle) = (at("ca.pem"), at("intermediate.pem"));
        for (purpose, leaf) in [("sslserver", "server.pem"), ("sslclient", "client-0.pem")] {
            let strict = ["verify", "-x509_strict", "-purpose", purpose];
            let args = [&strict[..], &["-CAfile", &root, "-untrusted", &middle]].concat();
            openssl(&args, &dir.path().join(leaf)).unwrap().unwrap();
        }
    }
}

//! What providers claim, checked by mutual handshakes in memory: every claim must come true, and what is
//! not claimed must be refused.

use std::sync::Arc;

use rustls::client::ClientConnection;
use rustls::server::ServerConnection;

use super::{ClientTls, ClientTlsSpec, ServerAuth, ServerTls, ServerTlsSpec};
use crate::crypto::{Capabilities, group_name, provider, scheme_name, version_name};
use crate::pki::{Identity, KeyAlgorithm, Pki, PkiSpec};
use crate::scenario::{ProviderName, TicketMode, TlsVersion, Verify};

const VERSIONS: [TlsVersion; 2] = [TlsVersion::Tls12, TlsVersion::Tls13];

/// An authority for each algorithm, RSA ones once for all tests.
fn minted() -> &'static [(KeyAlgorithm, Pki)] {
    static MINTED: std::sync::OnceLock<Vec<(KeyAlgorithm, Pki)>> = std::sync::OnceLock::new();
    MINTED.get_or_init(|| {
        let mint = |key| {
            let (ca_key, server_key, client_key) = (key, key, key);
            let spec = PkiSpec {
                ca_key,
                server_key,
                client_key,
                ..PkiSpec::default()
            };
            (key, Pki::mint(&spec).unwrap())
        };
        KeyAlgorithm::ALL.into_iter().map(mint).collect()
    })
}

fn of(key: KeyAlgorithm) -> &'static Pki {
    let found = minted().iter().find(|(known, _)| *known == key);
    &found.unwrap().1
}

/// The providers of this build, each with what it claims.
fn claims() -> Vec<(ProviderName, Capabilities)> {
    let ask = |name| {
        let asked = Capabilities::of(&provider(name).ok()?, |key| {
            Some(of(key).server().key.der()?.clone_key())
        });
        Some((name, asked))
    };
    ProviderName::ALL.into_iter().filter_map(ask).collect()
}

/// What the ends of a mutual session have.
#[derive(Clone, Copy, Debug)]
struct Ends<'a> {
    client: ProviderName,
    server: ProviderName,
    server_key: KeyAlgorithm,
    client_key: KeyAlgorithm,
    group: &'a str,
    version: TlsVersion,
}

impl Ends<'_> {
    /// Makes the handshake; the error is what ended it.
    fn handshake(&self) -> Result<(ClientConnection, ServerConnection), String> {
        let (server_pki, client_pki) = (of(self.server_key), of(self.client_key));
        let versions = &[self.version];
        let group = self.group.to_owned();
        let client = ClientTls::new(&ClientTlsSpec {
            provider: self.client,
            versions,
            groups: std::slice::from_ref(&group),
            suites: &[],
            alpn: &[],
            server_name: "localhost",
            expected_names: &[],
            roots: Some(server_pki.roots()),
            crls: &[],
            verify: Verify::default(),
            identity: client_pki.clients().first(),
            resumption: None,
        });
        let server = ServerTls::new(&ServerTlsSpec {
            provider: self.server,
            versions,
            identity: server_pki.server(),
            auth: ServerAuth::Required(client_pki.roots().to_vec().into()),
            tickets: TicketMode::Off,
            alpn: &[],
        });
        let client = client.map_err(|error| error.to_string())?;
        let server = server.map_err(|error| error.to_string())?;
        let mut client = client
            .connection(false)
            .map_err(|fault| format!("{fault:?}"))?;
        let mut server = server.connection().map_err(|fault| format!("{fault:?}"))?;
        drive(&mut client, &mut server).map_err(|error| error.to_string())?;
        Ok((client, server))
    }

    /// Makes a handshake that was claimed to work, and looks at what was negotiated.
    fn holds(&self) {
        let (client, server) = self
            .handshake()
            .unwrap_or_else(|error| panic!("{self:?} was claimed: {error}"));
        let version = client.protocol_version().unwrap();
        assert_eq!(
            version_name(version.into()),
            version_name(self.version.code())
        );
        let group = client.negotiated_key_exchange_group().unwrap().name();
        assert_eq!(group_name(group.into()), self.group, "{self:?}");
        let sent = &of(self.client_key).clients()[0].chain;
        assert_eq!(server.peer_certificates(), Some(&sent[..]), "{self:?}");
    }
}

fn drive(
    client: &mut ClientConnection,
    server: &mut ServerConnection,
) -> Result<(), rustls::Error> {
    let mut bytes = Vec::new();
    while client.is_handshaking() || server.is_handshaking() {
        bytes.clear();
        client.write_tls(&mut bytes).unwrap();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        bytes.clear();
        server.write_tls(&mut bytes).unwrap();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok(())
}

#[test]
fn every_claim_of_every_provider_comes_true_and_nothing_else_does() {
    for (name, can) in claims() {
        let groups = can.groups.iter().map(|group| &group.name);
        assert!(groups.clone().count() >= 3, "{name}");
        for (key, version) in pairs() {
            let support = can.key(key).unwrap();
            for group in &can.groups {
                let ends = Ends {
                    client: name,
                    server: name,
                    server_key: key,
                    client_key: key,
                    group: &group.name,
                    version,
                };
                let usable = group.versions.contains(&version);
                if usable && support.server.contains(&version) && support.client.contains(&version)
                {
                    ends.holds();
                } else {
                    assert!(ends.handshake().is_err(), "{ends:?} was not claimed");
                }
            }
        }
    }
}

#[test]
fn ends_of_different_providers_and_keys_meet() {
    let claims = claims();
    let default = ProviderName::default();
    for (name, can) in &claims {
        for (key, version) in pairs() {
            let theirs = claims.iter().find(|(other, _)| *other == default);
            let theirs = theirs.unwrap().1.key(key).unwrap();
            let ours = can.key(key).unwrap();
            let both = [&ours.client, &theirs.client];
            let ends = Ends {
                client: *name,
                server: default,
                server_key: KeyAlgorithm::EcdsaP256,
                client_key: key,
                group: "secp256r1",
                version,
            };
            if both.iter().all(|versions| versions.contains(&version)) {
                ends.holds();
            }
        }
    }
}

#[test]
fn names_that_a_provider_does_not_have_are_refused_with_those_that_it_has() {
    let refused = |provider, groups: &[&str], suites: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        super::check_offer(provider, &owned(groups), &owned(suites))
            .unwrap_err()
            .to_string()
    };
    let group = refused(ProviderName::Ring, &["x25519mlkem768"], &[]);
    assert!(
        group.contains("choose from x25519, secp256r1, secp384r1"),
        "{group}"
    );
    let suite = refused(ProviderName::Ring, &[], &["TLS_AES_128_CCM_SHA256"]);
    assert!(suite.contains("TLS_AES_128_GCM_SHA256"), "{suite}");
    for name in ProviderName::ALL {
        if let Err(error) = provider(name) {
            assert_eq!(refused(name, &[], &[]), error.to_string());
        }
    }
}

#[test]
fn every_rsa_key_signs_with_the_scheme_that_is_pinned() {
    for (name, can) in claims() {
        for (key, version) in pairs() {
            if !can.key(key).unwrap().client.contains(&version) {
                continue;
            }
            let provider = provider(name).unwrap();
            let identity: &Identity = of(key).server();
            let certified = super::credential::certified(identity, &provider, name).unwrap();
            let all: Vec<_> = (provider.signature_verification_algorithms.mapping.iter())
                .map(|(scheme, _)| *scheme)
                .collect();
            let chosen = Arc::clone(&certified.key).choose_scheme(&all).unwrap();
            let scheme = scheme_name(chosen.scheme().into());
            assert_eq!(scheme, key.scheme(), "{name} {key}");
        }
    }
}

fn pairs() -> impl Iterator<Item = (KeyAlgorithm, TlsVersion)> {
    let keys = KeyAlgorithm::ALL.into_iter();
    keys.flat_map(|key| VERSIONS.into_iter().map(move |version| (key, version)))
}

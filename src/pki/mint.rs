//! A throw-away certificate authority: root, intermediate, one server and any number of clients.
//! The keys exist to be measured and thrown away. Nothing here should guard anything of value.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::{CertificateDer, DnsName};
use time::{Duration, OffsetDateTime};

use super::algorithm::pkcs8_v1;
use super::{Identity, KeyAlgorithm, PkiError};
use crate::text::{UNTRUSTED_CAP, escape_untrusted};

/// The most clients of one [`Pki`]: enough for one identity per session on one machine.
const MAX_CLIENTS: usize = 100_000;

/// The longest validity, in days; a century, far inside what X.509 can express.
const MAX_VALID_DAYS: u32 = 36_525;

/// How far in the past certificates begin, so that peers whose clocks are behind accept them.
pub(super) const BACKDATE: Duration = Duration::HOUR;

/// How far in the past authorities begin: early enough that a leaf which has expired was valid under
/// them once, so that having expired is all that is wrong with it.
const AUTHORITY_BACKDATE: Duration = Duration::days(2);

/// What [`Pki::mint`] should make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PkiSpec {
    /// The key of the root and of the intermediate, hence also the signatures on every chain.
    pub ca_key: KeyAlgorithm,
    /// The key of the server.
    pub server_key: KeyAlgorithm,
    /// The key of each client.
    pub client_key: KeyAlgorithm,
    /// How many clients; 0 to 100,000.
    pub clients: usize,
    /// The names the server is valid for: DNS names (a leading `*.` is allowed) and IP addresses.
    pub server_names: Vec<String>,
    /// How long everything is valid from now, in days; 1 to 36,525.
    pub valid_days: u32,
}

impl Default for PkiSpec {
    fn default() -> Self {
        Self {
            ca_key: KeyAlgorithm::EcdsaP256,
            server_key: KeyAlgorithm::EcdsaP256,
            client_key: KeyAlgorithm::EcdsaP256,
            clients: 1,
            server_names: ["localhost", "127.0.0.1", "::1"]
                .map(str::to_owned)
                .to_vec(),
            valid_days: 30,
        }
    }
}

/// A minted authority with the identities it issued.
///
/// Chains are leaf and intermediate: a peer trusts [`Pki::roots`] and is sent everything else.
#[derive(Clone, Debug)]
pub struct Pki {
    /// Exactly one certificate, the root.
    roots: Vec<CertificateDer<'static>>,
    pub(super) root: Identity,
    pub(super) intermediate: Identity,
    server: Identity,
    clients: Vec<Identity>,
    /// What was asked for, and when it is valid: what is minted later has to agree with it.
    pub(super) spec: PkiSpec,
    pub(super) validity: Validity,
}

impl Pki {
    /// Generates all keys and signs all certificates, in memory.
    ///
    /// # Errors
    ///
    /// Fails if the specification is out of its ranges or names something that is neither a DNS name nor
    /// an IP address, and if the crypto library fails.
    pub fn mint(spec: &PkiSpec) -> Result<Self, PkiError> {
        check(spec)?;
        let validity = Validity::starting(OffsetDateTime::now_utc(), spec.valid_days)?;
        let root_key = generate("root key", spec.ca_key)?;
        let root_params = authority("root", &root_key, BasicConstraints::Unconstrained, validity);
        let root_secret = pkcs8_v1(&root_key);
        let root = CertifiedIssuer::self_signed(root_params, root_key).map_err(failed("root"))?;

        let key = generate("intermediate key", spec.ca_key)?;
        let params = authority(
            "intermediate",
            &key,
            BasicConstraints::Constrained(0),
            validity,
        );
        let secret = pkcs8_v1(&key);
        let issuer =
            CertifiedIssuer::signed_by(params, key, &root).map_err(failed("intermediate"))?;

        let server_usage = ExtendedKeyUsagePurpose::ServerAuth;
        let server_names = spec.server_names.clone();
        let params = leaf("server", server_names, server_usage, validity)?;
        let server = issue("server", &params, spec.server_key, &issuer)?;
        let clients = (0..spec.clients).map(|index| {
            let name = format!("client-{index}");
            let usage = ExtendedKeyUsagePurpose::ClientAuth;
            let params = leaf(&name, vec![name.clone()], usage, validity)?;
            issue(&name, &params, spec.client_key, &issuer)
        });
        Ok(Self {
            spec: spec.clone(),
            validity,
            roots: vec![root.der().clone()],
            clients: clients.collect::<Result<_, _>>()?,
            server,
            root: Identity {
                name: "root".into(),
                chain: vec![root.der().clone()],
                key: root_secret,
            },
            intermediate: Identity {
                name: "intermediate".into(),
                chain: vec![issuer.der().clone()],
                key: secret,
            },
        })
    }

    /// What to trust: the root certificate alone.
    pub fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    /// The server, named `server`.
    pub fn server(&self) -> &Identity {
        &self.server
    }

    /// The clients, named `client-0` and on.
    pub fn clients(&self) -> &[Identity] {
        &self.clients
    }
}

/// The two ends of validity, shared by all certificates of one [`Pki`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Validity {
    /// When authorities begin.
    pub(super) early: OffsetDateTime,
    /// When leaves begin.
    pub(super) not_before: OffsetDateTime,
    pub(super) not_after: OffsetDateTime,
}

impl Validity {
    fn starting(now: OffsetDateTime, days: u32) -> Result<Self, PkiError> {
        let not_after = now.checked_add(Duration::days(i64::from(days)));
        match (now.checked_sub(AUTHORITY_BACKDATE), not_after) {
            (Some(early), Some(not_after)) => Ok(Self {
                early,
                not_before: now - BACKDATE,
                not_after,
            }),
            _ => Err(PkiError::InvalidSpec {
                cause: format!("{days} days from {now} is out of the calendar"),
                next: "check this machine's clock",
            }),
        }
    }
}

fn check(spec: &PkiSpec) -> Result<(), PkiError> {
    let invalid = |cause: String, next| Err(PkiError::InvalidSpec { cause, next });
    if spec.clients > MAX_CLIENTS {
        return invalid(
            format!("{} clients are more than {MAX_CLIENTS}", spec.clients),
            "ask for fewer and let sessions share identities",
        );
    }
    if spec.valid_days == 0 || spec.valid_days > MAX_VALID_DAYS {
        return invalid(
            format!("a validity of {} days is out of range", spec.valid_days),
            "ask for 1 to 36525 days",
        );
    }
    if spec.server_names.is_empty() {
        return invalid(
            "the server has no names".into(),
            "give at least one DNS name or IP address",
        );
    }
    for name in &spec.server_names {
        let host = name.strip_prefix("*.").unwrap_or(name);
        if name.parse::<IpAddr>().is_err() && DnsName::try_from(host).is_err() {
            return invalid(
                format!(
                    "\"{}\" cannot name a server",
                    escape_untrusted(name, UNTRUSTED_CAP)
                ),
                "give DNS names (without scheme and port) or IP addresses (without brackets)",
            );
        }
    }
    Ok(())
}

/// The parameters of a certificate authority.
///
/// Its name carries part of its key's identifier: two authorities minted apart then have different names,
/// and a peer that finds issuers by name cannot confuse them.
pub(super) fn authority(
    name: &str,
    key: &KeyPair,
    constraints: BasicConstraints,
    validity: Validity,
) -> CertificateParams {
    let mut params = base(validity);
    params.not_before = validity.early;
    let id = params
        .key_identifier(key)
        .iter()
        .take(4)
        .fold(0_u32, |id, byte| (id << 8) | u32::from(*byte));
    params.distinguished_name = named(&format!("shakedown {name} {id:08x}"));
    params.is_ca = IsCa::Ca(constraints);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// The parameters of a server or client.
pub(super) fn leaf(
    name: &str,
    alt_names: Vec<String>,
    usage: ExtendedKeyUsagePurpose,
    validity: Validity,
) -> Result<CertificateParams, PkiError> {
    let mut params = base(validity);
    params.subject_alt_names = CertificateParams::new(alt_names)
        .map_err(failed(name))?
        .subject_alt_names;
    params.distinguished_name = named(name);
    // Explicitly no authority: this also makes rcgen write the subject key identifier.
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    Ok(params)
}

fn base(validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = validity.not_before;
    params.not_after = validity.not_after;
    params.use_authority_key_identifier_extension = true;
    params
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// Generates a key and signs its certificate.
fn issue(
    name: &str,
    params: &CertificateParams,
    algorithm: KeyAlgorithm,
    issuer: &CertifiedIssuer<'_, KeyPair>,
) -> Result<Identity, PkiError> {
    let key = generate(name, algorithm)?;
    let cert = params.signed_by(&key, issuer).map_err(failed(name))?;
    let chain = vec![cert.der().clone(), issuer.der().clone()];
    Ok(Identity {
        name: name.to_owned(),
        chain,
        key: pkcs8_v1(&key),
    })
}

pub(super) fn generate(what: &str, algorithm: KeyAlgorithm) -> Result<KeyPair, PkiError> {
    algorithm.generate().map_err(failed(what))
}

pub(super) fn failed(what: &str) -> impl FnOnce(rcgen::Error) -> PkiError + use<'_> {
    move |error| PkiError::Mint {
        what: what.to_owned(),
        cause: error.to_string(),
    }
}

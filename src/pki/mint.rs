//! A throw-away certificate authority: root, intermediates, one server and any number of clients.
//! The keys exist to be measured and thrown away. Nothing here should guard anything of value.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::{CertificateDer, DnsName, PrivateKeyDer};
use time::{Duration, OffsetDateTime};

use super::algorithm::{key_pair, pkcs8_v1};
use super::error::failed;
use super::{Identity, KeyAlgorithm, PkiError};
use crate::scenario::MOST_INTERMEDIATES;
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
    /// The key of the root and of the intermediates, hence also the signatures on every chain.
    pub ca_key: KeyAlgorithm,
    /// The key of the server.
    pub server_key: KeyAlgorithm,
    /// The key of each client.
    pub client_key: KeyAlgorithm,
    /// How many intermediates are between the root and the leaves; 0 to [`MOST_INTERMEDIATES`].
    pub intermediates: u8,
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
            intermediates: 1,
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
/// Chains are leaf and intermediates: a peer trusts [`Pki::roots`] and is sent everything else.
#[derive(Clone, Debug)]
pub struct Pki {
    /// Exactly one certificate, the root.
    roots: Vec<CertificateDer<'static>>,
    pub(super) root: Identity,
    /// What issues the leaves: the lowest intermediate, or the root where there is none.
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
        Self::in_line(spec, &[spec.intermediates])?
            .pop()
            .ok_or_else(|| PkiError::Mint {
                what: "chain".into(),
                cause: "there is none".into(),
            })
    }

    /// Mints one for each of several numbers of intermediates, in place of that of `spec`. They share the
    /// root, the intermediates as far as each goes, and the keys of the leaves: RSA keys take long.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::mint`] does.
    pub fn in_line(spec: &PkiSpec, lengths: &[u8]) -> Result<Vec<Self>, PkiError> {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        check(spec, longest)?;
        let validity = Validity::starting(OffsetDateTime::now_utc(), spec.valid_days)?;
        let authorities = line(spec.ca_key, longest, validity)?;
        let server_key = generate("server", spec.server_key)?;
        let client_keys = (0..spec.clients)
            .map(|index| generate(&format!("client-{index}"), spec.client_key))
            .collect::<Result<Vec<_>, _>>()?;
        let mint = |length: &u8| {
            let spec = PkiSpec {
                intermediates: *length,
                ..spec.clone()
            };
            let authorities = &authorities[..=usize::from(*length)];
            Self::below(authorities, spec, validity, &server_key, &client_keys)
        };
        lengths.iter().map(mint).collect()
    }

    /// Issues the leaves below the last of `authorities`, of which the first is the root.
    fn below(
        authorities: &[Minted],
        spec: PkiSpec,
        validity: Validity,
        server_key: &KeyPair,
        client_keys: &[KeyPair],
    ) -> Result<Self, PkiError> {
        let issue = |name: &str, names, usage, key: &KeyPair| {
            issue(name, &leaf(name, names, usage, validity)?, key, authorities)
        };
        let names = spec.server_names.clone();
        let server = issue(
            "server",
            names,
            ExtendedKeyUsagePurpose::ServerAuth,
            server_key,
        )?;
        let clients = client_keys.iter().enumerate().map(|(index, key)| {
            let name = format!("client-{index}");
            let usage = ExtendedKeyUsagePurpose::ClientAuth;
            issue(&name, vec![name.clone()], usage, key)
        });
        let clients = clients.collect::<Result<_, _>>()?;
        let [root, ..] = authorities else {
            return Err(nothing_issues());
        };
        let issuer = authorities.last().unwrap_or(root);
        Ok(Self {
            roots: vec![root.issuer.der().clone()],
            root: root.identity("root"),
            intermediate: issuer.identity("intermediate"),
            server,
            clients,
            spec,
            validity,
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

fn check(spec: &PkiSpec, intermediates: u8) -> Result<(), PkiError> {
    let invalid = |cause: String, next| Err(PkiError::InvalidSpec { cause, next });
    if spec.clients > MAX_CLIENTS {
        return invalid(
            format!("{} clients are more than {MAX_CLIENTS}", spec.clients),
            "ask for fewer and let sessions share identities",
        );
    }
    if intermediates > MOST_INTERMEDIATES {
        return invalid(
            format!("{intermediates} intermediates are more than verifiers follow"),
            "ask for 0 to 6",
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

/// An authority with its secret key.
struct Minted {
    issuer: CertifiedIssuer<'static, KeyPair>,
    secret: PrivateKeyDer<'static>,
}

impl Minted {
    fn identity(&self, name: &str) -> Identity {
        Identity {
            name: name.to_owned(),
            chain: vec![self.issuer.der().clone()],
            key: self.secret.clone_key(),
        }
    }
}

/// A root and so many intermediates, each below the one before it.
fn line(
    algorithm: KeyAlgorithm,
    intermediates: u8,
    validity: Validity,
) -> Result<Vec<Minted>, PkiError> {
    let key = generate("root key", algorithm)?;
    let params = authority("root", &key, BasicConstraints::Unconstrained, validity);
    let secret = pkcs8_v1(&key);
    let issuer = CertifiedIssuer::self_signed(params, key).map_err(failed("root"))?;
    let mut line = vec![Minted { issuer, secret }];
    for below in (0..intermediates).rev() {
        let key = generate("intermediate key", algorithm)?;
        let constraints = BasicConstraints::Constrained(below);
        let params = authority("intermediate", &key, constraints, validity);
        let secret = pkcs8_v1(&key);
        let above = &line.last().ok_or_else(nothing_issues)?.issuer;
        let issuer =
            CertifiedIssuer::signed_by(params, key, above).map_err(failed("intermediate"))?;
        line.push(Minted { issuer, secret });
    }
    Ok(line)
}

fn nothing_issues() -> PkiError {
    PkiError::Mint {
        what: "certificate".into(),
        cause: "there is no authority".into(),
    }
}

/// Signs the certificate of a key with the last of `authorities`, of which the first is the root.
fn issue(
    name: &str,
    params: &CertificateParams,
    key: &KeyPair,
    authorities: &[Minted],
) -> Result<Identity, PkiError> {
    let (root, below) = authorities.split_first().ok_or_else(nothing_issues)?;
    let issuer = below.last().unwrap_or(root);
    let cert = params
        .signed_by(key, &*issuer.issuer)
        .map_err(failed(name))?;
    let mut chain = vec![cert.der().clone()];
    chain.extend(below.iter().rev().map(|a| a.issuer.der().clone()));
    Ok(Identity {
        name: name.to_owned(),
        chain,
        key: pkcs8_v1(key),
    })
}

pub(super) fn generate(what: &str, algorithm: KeyAlgorithm) -> Result<KeyPair, PkiError> {
    key_pair(algorithm).map_err(failed(what))
}

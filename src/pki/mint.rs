//! A throw-away certificate authority: root, intermediates, one server and any number of clients.
//! Its keys are for measurements, not for protecting anything.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SigningKey,
};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, DnsName};
use time::{Duration, OffsetDateTime};

use super::algorithm::{key_pair, pkcs8_v1};
use super::error::failed;
use super::fault_authorities::crl;
use super::{Identity, KeyAlgorithm, PkiError};
use crate::scenario::MOST_INTERMEDIATES;
use crate::text::{UNTRUSTED_CAP, escape_untrusted};

/// The most clients of one [`Pki`]: enough for one identity per session on one machine.
const MAX_CLIENTS: usize = 100_000;

/// The longest validity, in days: a century.
const MAX_VALID_DAYS: u32 = 36_525;

/// How far certificates are backdated, for peers whose clocks are behind.
pub(super) const BACKDATE: Duration = Duration::HOUR;

/// How far authorities are backdated, so that an expired leaf was once valid under them and has no other defect.
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
/// Chains end below the root, which is in [`Pki::roots`].
#[derive(Clone, Debug)]
pub struct Pki {
    /// Exactly one certificate, the root.
    roots: Vec<CertificateDer<'static>>,
    pub(super) root: Identity,
    /// The issuer of the leaves: the lowest intermediate, or the root without one.
    pub(super) intermediate: Identity,
    /// The same with its key as it was generated: not every kind can be read again.
    pub(super) issuer: Issuing,
    server: Identity,
    clients: Vec<Identity>,
    /// A list of every authority of the chain, which revokes nothing.
    crls: Vec<CertificateRevocationListDer<'static>>,
    /// Kept for identities that are minted later.
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
        let mut minted = Self::in_line(spec, &[spec.intermediates])?;
        minted.pop().ok_or_else(nothing_issues)
    }

    /// Mints one for each number of intermediates in `lengths`. They share the root, intermediates and keys of leaves, as
    /// RSA keys take long to generate.
    ///
    /// Fails as [`Self::mint`] does.
    pub(crate) fn in_line(spec: &PkiSpec, lengths: &[u8]) -> Result<Vec<Self>, PkiError> {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        check(spec, longest)?;
        let validity = Validity::starting(OffsetDateTime::now_utc(), spec.valid_days)?;
        let (root, line) = line(spec.ca_key, longest, validity)?;
        let server_key = generate("server", spec.server_key)?;
        let client_keys = (0..spec.clients)
            .map(|index| generate(&format!("client-{index}"), spec.client_key))
            .collect::<Result<Vec<_>, _>>()?;
        let own = |name: &str, authority: &Authority<KeyPair>| Identity {
            name: name.to_owned(),
            chain: vec![authority.chain.first().unwrap_or(&root).clone()],
            key: pkcs8_v1(authority.issuer.key()).into(),
        };
        let issue = |issuer: &Authority<KeyPair>, name: &str, names, usage, key: &KeyPair| {
            issuer.identity(name, &leaf(name, names, usage, validity)?, key)
        };
        let crls = line
            .iter()
            .map(|authority| crl(authority, validity, vec![]));
        let crls = crls.collect::<Result<Vec<_>, _>>()?;
        let mint = |length: &u8| {
            let top = line.first().ok_or_else(nothing_issues)?;
            let issuer = line.get(usize::from(*length)).ok_or_else(nothing_issues)?;
            let names = spec.server_names.clone();
            let usage = ExtendedKeyUsagePurpose::ServerAuth;
            let server = issue(issuer, "server", names, usage, &server_key)?;
            let clients = client_keys.iter().enumerate();
            let clients = clients.map(|(index, key)| issuer.client(index, key, validity));
            Ok(Self {
                clients: clients.collect::<Result<_, _>>()?,
                roots: vec![root.clone()],
                root: own("root", top),
                intermediate: own("intermediate", issuer),
                issuer: Arc::clone(issuer),
                server,
                crls: crls
                    .iter()
                    .take(usize::from(*length) + 1)
                    .cloned()
                    .collect(),
                spec: PkiSpec {
                    intermediates: *length,
                    ..spec.clone()
                },
                validity,
            })
        };
        lengths.iter().map(mint).collect()
    }

    /// Mints further clients, one when asked for it; each may fail as [`Self::mint`] does.
    pub(super) fn further_clients(
        &self,
        indexes: Range<usize>,
    ) -> impl Iterator<Item = Result<Identity, PkiError>> {
        indexes.map(|index| {
            let key = generate(&format!("client-{index}"), self.spec.client_key)?;
            self.issuer.client(index, &key, self.validity)
        })
    }

    /// The certificate to trust.
    pub fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    /// The server, named `server`.
    pub fn server(&self) -> &Identity {
        &self.server
    }

    /// The revocation lists of the root and the intermediates, which revoke nothing.
    pub(crate) fn crls(&self) -> &[CertificateRevocationListDer<'static>] {
        &self.crls
    }

    /// The clients, named `client-0` and on.
    pub fn clients(&self) -> &[Identity] {
        &self.clients
    }
}

/// The validity of all certificates of one [`Pki`].
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
    check_clients(spec.clients)?;
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

/// Refuses more clients than files of one folder are made for.
pub(super) fn check_clients(clients: usize) -> Result<(), PkiError> {
    if clients > MAX_CLIENTS {
        return Err(PkiError::InvalidSpec {
            cause: format!("{clients} clients are more than {MAX_CLIENTS}"),
            next: "ask for fewer and let sessions share identities, or have them minted as they are needed (`run --fleet mint:COUNT`)",
        });
    }
    Ok(())
}

/// The parameters of a certificate authority.
///
/// Its name has a part of its key's identifier, so that peers, which find issuers by name, never confuse two
/// authorities.
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
    // Also makes rcgen write the subject key identifier.
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

/// An authority with its own key, which several sets share.
pub(super) type Issuing = Arc<Authority<KeyPair>>;

/// A signer of certificates.
#[derive(Debug)]
pub(super) struct Authority<S> {
    pub(super) issuer: Issuer<'static, S>,
    /// Its own certificate and those above it, without the root.
    pub(super) chain: Vec<CertificateDer<'static>>,
}

impl<S: SigningKey> Authority<S> {
    /// An authority that has its certificate.
    pub(super) fn of(
        identity: &Identity,
        key: S,
        chain: Vec<CertificateDer<'static>>,
    ) -> Result<Self, PkiError> {
        let cert = identity.chain.first().ok_or_else(nothing_issues)?;
        let issuer = Issuer::from_ca_cert_der(cert, key).map_err(failed(&identity.name))?;
        Ok(Self { issuer, chain })
    }

    /// Signs a key's certificate and returns its chain.
    pub(super) fn issue(
        &self,
        name: &str,
        params: &CertificateParams,
        key: &impl PublicKeyData,
    ) -> Result<Vec<CertificateDer<'static>>, PkiError> {
        let cert = params.signed_by(key, &self.issuer).map_err(failed(name))?;
        let mut chain = vec![cert.into()];
        chain.extend_from_slice(&self.chain);
        Ok(chain)
    }

    /// A server or client of this name.
    pub(super) fn identity(
        &self,
        name: &str,
        params: &CertificateParams,
        key: &KeyPair,
    ) -> Result<Identity, PkiError> {
        Ok(Identity {
            name: name.to_owned(),
            chain: self.issue(name, params, key)?,
            key: pkcs8_v1(key).into(),
        })
    }

    /// The client of this number.
    fn client(
        &self,
        index: usize,
        key: &KeyPair,
        validity: Validity,
    ) -> Result<Identity, PkiError> {
        let name = format!("client-{index}");
        let usage = ExtendedKeyUsagePurpose::ClientAuth;
        self.identity(
            &name,
            &leaf(&name, vec![name.clone()], usage, validity)?,
            key,
        )
    }

    /// An authority below this one.
    pub(super) fn below<K: SigningKey>(
        &self,
        name: &str,
        params: CertificateParams,
        key: K,
    ) -> Result<Authority<K>, PkiError> {
        let chain = self.issue(name, &params, &key)?;
        let issuer = Issuer::new(params, key);
        Ok(Authority { issuer, chain })
    }
}

/// A root's certificate; then the root and intermediates, each below the previous.
fn line(
    algorithm: KeyAlgorithm,
    intermediates: u8,
    validity: Validity,
) -> Result<(CertificateDer<'static>, Vec<Issuing>), PkiError> {
    let key = generate("root key", algorithm)?;
    let params = authority("root", &key, BasicConstraints::Unconstrained, validity);
    let root = params.self_signed(&key).map_err(failed("root"))?;
    let issuer = Issuer::new(params, key);
    let chain = Vec::new();
    let mut line = vec![Arc::new(Authority { issuer, chain })];
    for below in (0..intermediates).rev() {
        let key = generate("intermediate key", algorithm)?;
        let constraints = BasicConstraints::Constrained(below);
        let params = authority("intermediate", &key, constraints, validity);
        let above = line.last().ok_or_else(nothing_issues)?;
        line.push(Arc::new(above.below("intermediate", params, key)?));
    }
    Ok((root.into(), line))
}

fn nothing_issues() -> PkiError {
    PkiError::Mint {
        what: "certificate".into(),
        cause: "there is no authority".into(),
    }
}

pub(super) fn generate(what: &str, algorithm: KeyAlgorithm) -> Result<KeyPair, PkiError> {
    key_pair(algorithm).map_err(failed(what))
}

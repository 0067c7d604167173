//! The authorities behind faulty identities, with their revocation lists. All but the stranger are validly issued
//! below the root of their [`Pki`] and share one key.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CidrSubnet,
    ExtendedKeyUsagePurpose, GeneralSubtree, Issuer, KeyIdMethod, KeyPair, NameConstraints,
    RevokedCertParams, SerialNumber, SigningKey,
};
use rustls_pki_types::CertificateRevocationListDer;
use time::{Duration, OffsetDateTime};

use super::error::failed;
use super::mint::{Validity, authority, generate, leaf};
use super::{Identity, Pki, PkiError};

/// How many intermediates a long chain has.
///
/// More than the default limits of webpki (6), mbed TLS (8), wolfSSL (9), Java (10), `GnuTLS` (16), nginx and
/// Apache (1). OpenSSL's is 100, so servers that keep its default, such as haproxy, accept the chain. It takes about
/// 8 KB with ECDSA and 16 KB with RSA, far below the limit of a handshake message.
pub(super) const LONG_CHAIN: usize = 17;

/// An authority that shares its key.
type Authority<'k> = super::mint::Authority<&'k KeyPair>;

/// The keys behind all [`Authorities`].
pub(super) struct AuthorityKeys {
    root: KeyPair,
    intermediate: KeyPair,
    /// Of everything below our root.
    faulty: KeyPair,
    /// Of everything below the other root.
    stranger: KeyPair,
}

/// Every issuer that a faulty identity may need.
pub(super) struct Authorities<'k> {
    /// The intermediate that issues the good identities.
    pub(super) intermediate: Authority<'k>,
    /// Below another root, which is not sent.
    pub(super) stranger: Authority<'k>,
    /// Its certificate has expired.
    pub(super) expired: Authority<'k>,
    /// Its name constraints permit no name in use.
    pub(super) constrained: Authority<'k>,
    /// Below the good intermediate, whose path length is 0.
    pub(super) too_deep: Authority<'k>,
    /// An end entity, validly issued by the root.
    pub(super) end_entity: Authority<'k>,
    /// At the end of [`LONG_CHAIN`] intermediates.
    pub(super) distant: Authority<'k>,
    /// One empty list of every authority but the good intermediate, the stranger and the end entity.
    pub(super) crls: Vec<CertificateRevocationListDer<'static>>,
}

impl AuthorityKeys {
    pub(super) fn new(pki: &Pki) -> Result<Self, PkiError> {
        let key = pki.spec.ca_key;
        Ok(Self {
            root: reopen(&pki.root)?,
            intermediate: reopen(&pki.intermediate)?,
            faulty: generate("key of faulty authorities", key)?,
            stranger: generate("key of the unknown authority", key)?,
        })
    }
}

impl<'k> Authorities<'k> {
    pub(super) fn mint(pki: &Pki, keys: &'k AuthorityKeys) -> Result<Self, PkiError> {
        let validity = pki.validity;
        let root = Authority::of(&pki.root, &keys.root, vec![])?;
        let intermediate = Authority::of(
            &pki.intermediate,
            &keys.intermediate,
            pki.intermediate.chain.clone(),
        )?;
        let below = |name: &str, above: &Authority<'k>, change: &dyn Fn(&mut CertificateParams)| {
            let mut params = open_authority(name, &keys.faulty, validity);
            change(&mut params);
            issued(name, params, &keys.faulty, above)
        };
        let expired = below("expired intermediate", &root, &|params| {
            params.not_after = params.not_before + Duration::DAY;
        })?;
        let constrained = below("constrained intermediate", &root, &|params| {
            params.name_constraints = Some(nobody());
        })?;
        let too_deep = below("lower intermediate", &intermediate, &|_| {})?;
        let mut crls = Vec::new();
        for authority in [&root, &expired, &constrained, &too_deep] {
            crls.push(crl(authority, validity, vec![])?);
        }
        let mut distant = root;
        for number in 1..=LONG_CHAIN {
            distant = below(&format!("intermediate {number}"), &distant, &|_| {})?;
            crls.push(crl(&distant, validity, vec![])?);
        }
        Ok(Self {
            end_entity: end_entity(pki, keys)?,
            stranger: stranger(&keys.stranger, validity)?,
            intermediate,
            expired,
            constrained,
            too_deep,
            distant,
            crls,
        })
    }
}

/// A random serial number of 127 bits: rcgen derives it from the key, which many certificates share here.
pub(super) fn serial() -> Result<SerialNumber, PkiError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| PkiError::Mint {
        what: "serial number".into(),
        cause: error.to_string(),
    })?;
    // Positive and without leading zeros (RFC 5280 section 4.1.2.2).
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// The dates and the number of a revocation list.
#[derive(Clone, Copy)]
pub(super) struct Listed {
    pub(super) this_update: OffsetDateTime,
    pub(super) next_update: OffsetDateTime,
    pub(super) number: u64,
}

/// A first list, valid for as long as its authority's certificates are.
impl From<Validity> for Listed {
    fn from(validity: Validity) -> Self {
        Self {
            this_update: validity.not_before,
            next_update: validity.not_after,
            number: 1,
        }
    }
}

/// The revocation list of an authority.
pub(super) fn crl<S: SigningKey>(
    authority: &super::mint::Authority<S>,
    listed: impl Into<Listed>,
    revoked_certs: Vec<RevokedCertParams>,
) -> Result<CertificateRevocationListDer<'static>, PkiError> {
    let listed = listed.into();
    let params = CertificateRevocationListParams {
        this_update: listed.this_update,
        next_update: listed.next_update,
        crl_number: SerialNumber::from(listed.number),
        issuing_distribution_point: None,
        revoked_certs,
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let crl = params.signed_by(&authority.issuer);
    Ok(crl.map_err(failed("revocation list"))?.into())
}

/// The key of one of the good authorities.
fn reopen(identity: &Identity) -> Result<KeyPair, PkiError> {
    identity.key.pair().map_err(failed(&identity.name))
}

/// The parameters of an authority that may sign anything.
fn open_authority(name: &str, key: &KeyPair, validity: Validity) -> CertificateParams {
    authority(name, key, BasicConstraints::Unconstrained, validity)
}

fn issued<'k>(
    name: &str,
    mut params: CertificateParams,
    key: &'k KeyPair,
    above: &Authority<'_>,
) -> Result<Authority<'k>, PkiError> {
    params.serial_number = Some(serial()?);
    above.below(name, params, key)
}

/// An intermediate below a root that nobody trusts.
fn stranger(key: &KeyPair, validity: Validity) -> Result<Authority<'_>, PkiError> {
    let (root, name) = ("unknown root", "unknown intermediate");
    let root = Authority {
        issuer: Issuer::new(open_authority(root, key, validity), key),
        chain: vec![],
    };
    issued(name, open_authority(name, key, validity), key, &root)
}

/// A certificate like that of any client, used as an issuer.
fn end_entity<'k>(pki: &Pki, keys: &'k AuthorityKeys) -> Result<Authority<'k>, PkiError> {
    let name = "end entity";
    let root = Authority::of(&pki.root, &keys.root, vec![])?;
    let usage = ExtendedKeyUsagePurpose::ClientAuth;
    let mut params = leaf(name, vec!["end-entity".into()], usage, pki.validity)?;
    params
        .extended_key_usages
        .push(ExtendedKeyUsagePurpose::ServerAuth);
    issued(name, params, &keys.faulty, &root)
}

/// Critical constraints (RFC 5280 section 4.2.1.10) to names that no leaf has: a reserved domain and the unspecified
/// addresses.
fn nobody() -> NameConstraints {
    NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("permitted.invalid".into()),
            GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0xff; 4])),
            GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0xff; 16])),
        ],
        excluded_subtrees: vec![],
    }
}

//! Mints identities with exactly one defect each, signed by the authorities of a [`Pki`], so that a rejection can only be
//! about that defect.

use rcgen::{
    CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
    RevocationReason, RevokedCertParams, SubjectPublicKeyInfo,
};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use time::Duration;

use super::algorithm::pkcs8_v1;
use super::error::failed;
use super::fault_authorities::{Authorities, AuthorityKeys, crl, serial};
use super::mint::{generate, leaf};
use super::short_rsa::ShortRsa;
use super::{Identity, Pki, PkiError};
use crate::scenario::{IdentityFault, TlsVersion};

/// The unknown critical extension, below the enterprise number for documentation (RFC 5612), so that no software will
/// ever know it.
const UNKNOWN_OID: [u64; 8] = [1, 3, 6, 1, 4, 1, 32473, 1];

/// The name of [`IdentityFault::WrongName`], in a reserved domain (RFC 2606).
const WRONG_NAME: &str = "wrong-name.invalid";

/// How long before its authorities expire a not yet valid identity begins: as late as possible, to stay so for as long
/// as the files are used.
const BEGINS_BEFORE_END: Duration = Duration::HOUR;

/// Identities that peers must reject, and the revocation lists that belong to them.
#[derive(Clone, Debug)]
pub struct Faults {
    clients: Vec<(IdentityFault, Identity)>,
    servers: Vec<(IdentityFault, Identity)>,
    crls: Vec<CertificateRevocationListDer<'static>>,
}

impl Faults {
    /// The client with this fault, named `client-` and its label; none for [`IdentityFault::None`] and faults of
    /// servers.
    pub fn client(&self, fault: IdentityFault) -> Option<&Identity> {
        find(&self.clients, fault)
    }

    /// The server with this fault, named `server-` and its label; none for faults of clients. All but
    /// [`IdentityFault::WrongName`] have the names of the good server.
    pub fn server(&self, fault: IdentityFault) -> Option<&Identity> {
        find(&self.servers, fault)
    }

    /// Every faulty client, in the order of display.
    pub fn clients(&self) -> impl Iterator<Item = (IdentityFault, &Identity)> {
        self.clients
            .iter()
            .map(|(fault, identity)| (*fault, identity))
    }

    /// Every faulty server, in the order of display.
    pub fn servers(&self) -> impl Iterator<Item = (IdentityFault, &Identity)> {
        self.servers
            .iter()
            .map(|(fault, identity)| (*fault, identity))
    }

    /// A revocation list of each authority at or below the root, valid as long as the certificates. With them a verifier
    /// that demands a list for every certificate accepts the good identities.
    pub fn crls(&self) -> &[CertificateRevocationListDer<'static>] {
        &self.crls
    }
}

fn find(identities: &[(IdentityFault, Identity)], wanted: IdentityFault) -> Option<&Identity> {
    let found = identities.iter().find(|(fault, _)| *fault == wanted);
    found.map(|(_, identity)| identity)
}

impl Pki {
    /// Mints every faulty client and server under the authorities of this [`Pki`], with the key algorithms, names and
    /// validity of the good ones. The faulty clients share one key, and so do the faulty servers.
    ///
    /// # Errors
    ///
    /// Fails unless there is exactly one intermediate and no key is ML-DSA, and if the crypto library or
    /// the system's source of random bytes does.
    pub fn mint_faults(&self) -> Result<Faults, PkiError> {
        self.can_be_faulty()?;
        let keys = AuthorityKeys::new(self)?;
        let authorities = Authorities::mint(self, &keys)?;
        let short = ShortRsa::generate()?;
        let mut revoked = Vec::new();
        let mut side = |role: Role, faults: &mut dyn Iterator<Item = IdentityFault>| {
            let key = generate("key of faulty identities", role.algorithm(self))?;
            let mint = Mint {
                pki: self,
                authorities: &authorities,
                role,
                key: &key,
                short: &short,
            };
            faults
                .map(|fault| Ok((fault, mint.identity(fault, &mut revoked)?)))
                .collect::<Result<Vec<_>, PkiError>>()
        };
        let mut of_clients = IdentityFault::of_clients().filter(|f| *f != IdentityFault::None);
        let clients = side(Role::Client, &mut of_clients)?;
        let servers = side(Role::Server, &mut IdentityFault::of_servers())?;
        let mut crls = vec![crl(&authorities.intermediate, self.validity, revoked)?];
        crls.extend(authorities.crls);
        Ok(Faults {
            clients,
            servers,
            crls,
        })
    }
}

impl Pki {
    /// Some faults need one intermediate, and long chains of ML-DSA exceed a handshake message.
    fn can_be_faulty(&self) -> Result<(), PkiError> {
        let spec = &self.spec;
        let keys = [spec.ca_key, spec.server_key, spec.client_key];
        let (cause, next) = if spec.intermediates != 1 {
            let cause = format!("faults take one intermediate, not {}", spec.intermediates);
            (cause, "ask for a chain of 1, or for no faults")
        } else if keys.iter().any(|key| !key.fits(TlsVersion::Tls12)) {
            let cause =
                "faulty chains of ML-DSA keys are larger than a handshake message".to_owned();
            (cause, "ask for another key algorithm, or for no faults")
        } else {
            return Ok(());
        };
        Err(PkiError::InvalidSpec { cause, next })
    }
}

/// The side of a session that presents an identity.
#[derive(Clone, Copy)]
enum Role {
    Client,
    Server,
}

impl Role {
    fn algorithm(self, pki: &Pki) -> super::KeyAlgorithm {
        match self {
            Self::Client => pki.spec.client_key,
            Self::Server => pki.spec.server_key,
        }
    }

    fn name(self, fault: IdentityFault) -> String {
        match self {
            Self::Client => format!("client-{fault}"),
            Self::Server => format!("server-{fault}"),
        }
    }

    fn usage(self) -> ExtendedKeyUsagePurpose {
        match self {
            Self::Client => ExtendedKeyUsagePurpose::ClientAuth,
            Self::Server => ExtendedKeyUsagePurpose::ServerAuth,
        }
    }

    fn other_usage(self) -> ExtendedKeyUsagePurpose {
        match self {
            Self::Client => Self::Server.usage(),
            Self::Server => Self::Client.usage(),
        }
    }
}

struct Mint<'a> {
    pki: &'a Pki,
    authorities: &'a Authorities<'a>,
    role: Role,
    key: &'a KeyPair,
    short: &'a ShortRsa,
}

impl Mint<'_> {
    /// An identity without another defect.
    fn identity(
        &self,
        fault: IdentityFault,
        revoked: &mut Vec<RevokedCertParams>,
    ) -> Result<Identity, PkiError> {
        let name = self.role.name(fault);
        let serial_number = serial()?;
        let mut params = self.params(&name, fault)?;
        params.serial_number = Some(serial_number.clone());
        let from = self.authorities;
        let authority = match fault {
            IdentityFault::UnknownCa => &from.stranger,
            IdentityFault::ExpiredIntermediate => &from.expired,
            IdentityFault::NameConstraint => &from.constrained,
            IdentityFault::PathLength => &from.too_deep,
            IdentityFault::NotACa => &from.end_entity,
            IdentityFault::LongChain => &from.distant,
            _ => &from.intermediate,
        };
        let mut chain = match fault {
            IdentityFault::SelfSigned => {
                vec![params.self_signed(self.key).map_err(failed(&name))?.into()]
            }
            IdentityFault::Rsa1024 => {
                let key = SubjectPublicKeyInfo::from_der(self.short.spki_der());
                authority.issue(&name, &params, &key.map_err(failed(&name))?)?
            }
            _ => authority.issue(&name, &params, self.key)?,
        };
        match fault {
            IdentityFault::Revoked => revoked.push(RevokedCertParams {
                serial_number,
                revocation_time: self.pki.validity.not_before,
                reason_code: Some(RevocationReason::KeyCompromise),
                invalidity_date: None,
            }),
            IdentityFault::BrokenSignature => break_signature(&mut chain),
            IdentityFault::MissingIntermediate => chain.truncate(1),
            _ => {}
        }
        Ok(Identity {
            name,
            chain,
            key: self.private_key(fault)?.into(),
        })
    }

    fn params(&self, name: &str, fault: IdentityFault) -> Result<CertificateParams, PkiError> {
        let alt_names = match (self.role, fault) {
            (_, IdentityFault::WrongName) => vec![WRONG_NAME.to_owned()],
            (Role::Client, _) => vec![name.to_owned()],
            (Role::Server, _) => self.pki.spec.server_names.clone(),
        };
        let validity = self.pki.validity;
        let mut params = leaf(name, alt_names, self.role.usage(), validity)?;
        match fault {
            IdentityFault::ExpiredLeaf => {
                params.not_before = validity.early;
                params.not_after = validity.early + Duration::DAY;
            }
            // As its intermediate, so that it was once valid.
            IdentityFault::ExpiredIntermediate => params.not_before = validity.early,
            IdentityFault::NotYetValid => {
                params.not_before = validity.not_after - BEGINS_BEFORE_END;
            }
            IdentityFault::WrongEku => params.extended_key_usages = vec![self.role.other_usage()],
            // Allowed for every kind of key, and useless for TLS. In place of digitalSignature OpenSSL also accepts
            // keyAgreement, and from servers keyEncipherment.
            IdentityFault::NoDigitalSignature => {
                params.key_usages = vec![KeyUsagePurpose::ContentCommitment];
            }
            IdentityFault::UnknownCritical => {
                // An ASN.1 NULL.
                let mut unknown = CustomExtension::from_oid_content(&UNKNOWN_OID, vec![5, 0]);
                unknown.set_criticality(true);
                params.custom_extensions.push(unknown);
            }
            _ => {}
        }
        Ok(params)
    }

    fn private_key(&self, fault: IdentityFault) -> Result<PrivateKeyDer<'static>, PkiError> {
        match fault {
            IdentityFault::Rsa1024 => self.short.pkcs8(),
            _ => Ok(pkcs8_v1(self.key)),
        }
    }
}

/// Flips the last bit of the leaf, which is in the value of the signature with every algorithm, so that all lengths
/// stay.
fn break_signature(chain: &mut [CertificateDer<'static>]) {
    if let [leaf, ..] = chain {
        let mut der = leaf.to_vec();
        if let Some(last) = der.last_mut() {
            *last ^= 1;
        }
        *leaf = der.into();
    }
}

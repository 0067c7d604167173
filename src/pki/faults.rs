//! Identities with exactly one defect each, minted beside the good ones of a [`Pki`] and signed by its
//! authorities: whatever a peer says against one can only be about that defect.

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

/// The object identifier of the unknown critical extension. It lies below the enterprise number for
/// documentation (RFC 5612), so that no software will ever know it.
const UNKNOWN_OID: [u64; 8] = [1, 3, 6, 1, 4, 1, 32473, 1];

/// The name that the certificate of [`IdentityFault::WrongName`] is for; its domain is reserved (RFC 2606).
const WRONG_NAME: &str = "wrong-name.invalid";

/// How long before the authorities' end an identity that is not valid yet begins: as late as possible,
/// so that it stays so for as long as the files are used, and yet while its authorities are valid.
const BEGINS_BEFORE_END: Duration = Duration::HOUR;

/// Identities that peers must reject, and the revocation lists that belong to them.
#[derive(Clone, Debug)]
pub struct Faults {
    clients: Vec<(IdentityFault, Identity)>,
    servers: Vec<(IdentityFault, Identity)>,
    crls: Vec<CertificateRevocationListDer<'static>>,
}

impl Faults {
    /// The client with this fault, named `client-` and its label. There is none for
    /// [`IdentityFault::None`], which is to present nothing, and for faults of servers only.
    pub fn client(&self, fault: IdentityFault) -> Option<&Identity> {
        find(&self.clients, fault)
    }

    /// The server with this fault, named `server-` and its label. But for [`IdentityFault::WrongName`]
    /// it is for the names of the good server. There is none for faults of clients only.
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

    /// The revocation lists: one of each authority at or below the root, valid for as long as the
    /// certificates are. A verifier that demands a list for every certificate accepts the good
    /// identities with them.
    pub fn crls(&self) -> &[CertificateRevocationListDer<'static>] {
        &self.crls
    }
}

fn find(identities: &[(IdentityFault, Identity)], wanted: IdentityFault) -> Option<&Identity> {
    let found = identities.iter().find(|(fault, _)| *fault == wanted);
    found.map(|(_, identity)| identity)
}

impl Pki {
    /// Mints every faulty client and server under the authorities of this [`Pki`], with the key
    /// algorithms, names and validity of the good ones, which stay as they are. The faulty clients share
    /// one key, and so do the faulty servers.
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
    /// Some faults are about the one intermediate, and long chains of ML-DSA fit no handshake message.
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
    /// A chain that is right in everything but the fault.
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
            key: self.private_key(fault)?,
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
            // It was valid when its intermediate was.
            IdentityFault::ExpiredIntermediate => params.not_before = validity.early,
            IdentityFault::NotYetValid => {
                params.not_before = validity.not_after - BEGINS_BEFORE_END;
            }
            IdentityFault::WrongEku => params.extended_key_usages = vec![self.role.other_usage()],
            // The one usage that every kind of key may have and that none of TLS accepts: OpenSSL takes
            // keyAgreement from clients, and keyEncipherment too from servers, for digitalSignature.
            IdentityFault::NoDigitalSignature => {
                params.key_usages = vec![KeyUsagePurpose::ContentCommitment];
            }
            IdentityFault::UnknownCritical => {
                // The contents: an ASN.1 NULL.
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

/// Flips the last bit of the leaf, which is one of the signature's value: of the number s for ECDSA,
/// of the only number for RSA, of the last byte for Ed25519. Every length stays what it was.
fn break_signature(chain: &mut [CertificateDer<'static>]) {
    if let [leaf, ..] = chain {
        let mut der = leaf.to_vec();
        if let Some(last) = der.last_mut() {
            *last ^= 1;
        }
        *leaf = der.into();
    }
}

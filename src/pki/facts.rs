//! The contents of a certificate as plain data for reports. Text of strangers is escaped and capped; nothing is
//! verified.

use std::net::IpAddr;

use rustls_pki_types::CertificateDer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ExtendedKeyUsage, GeneralName};
use x509_parser::oid_registry::Oid;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::PkiError;
use super::der::{parse, shown};
use crate::text::hex;

/// Most entries kept of a list; one more says how many were left out.
const MAX_LISTED: usize = 64;

/// The facts of one certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CertFacts {
    /// The subject's distinguished name, escaped.
    pub subject: String,
    /// The issuer's distinguished name, escaped.
    pub issuer: String,
    /// The serial number in lower-case hexadecimal, without separators.
    pub serial_hex: String,
    /// The first second of validity, RFC 3339 in UTC.
    pub not_before: String,
    /// The last second of validity, RFC 3339 in UTC.
    pub not_after: String,
    /// The last second of validity, in seconds since 1970.
    pub not_after_unix_s: i64,
    /// The public key: `EC P-256`, `RSA 2048`, `Ed25519`, or its object identifier.
    pub key: String,
    /// The algorithm of the issuer's signature: `ecdsa-with-SHA256`, or its object identifier.
    pub signature_algorithm: String,
    /// The subject's alternative names as `DNS:…`, `IP:…`, `email:…`, `URI:…`, escaped.
    pub san: Vec<String>,
    /// Whether the certificate may sign others.
    pub is_ca: bool,
    /// The extended key usages: `serverAuth`, `clientAuth`, …, or object identifiers.
    pub eku: Vec<String>,
    /// The length of the certificate as sent, in bytes.
    pub der_len: usize,
}

impl CertFacts {
    /// Reads the facts of a certificate.
    ///
    /// # Errors
    ///
    /// Fails if the certificate or one of the extensions read here is malformed or repeated.
    pub fn parse(cert: &CertificateDer<'_>) -> Result<Self, PkiError> {
        let malformed = |cause: String| PkiError::MalformedCertificate {
            der_len: cert.len(),
            cause,
        };
        let parsed = parse(cert).map_err(malformed)?;
        let extension = |error: x509_parser::error::X509Error| malformed(shown(&error.to_string()));
        let validity = parsed.validity();
        let is_ca = parsed.basic_constraints().map_err(extension)?;
        let eku = parsed.extended_key_usage().map_err(extension)?;
        Ok(Self {
            subject: shown(&parsed.subject().to_string()),
            issuer: shown(&parsed.issuer().to_string()),
            serial_hex: shown(&hex(parsed.raw_serial())),
            not_before: rfc3339(validity.not_before).map_err(malformed)?,
            not_after: rfc3339(validity.not_after).map_err(malformed)?,
            not_after_unix_s: validity.not_after.timestamp(),
            key: key_name(parsed.public_key()),
            signature_algorithm: signature_name(
                &parsed.signature_algorithm.algorithm.to_id_string(),
            ),
            san: alt_names(&parsed).map_err(extension)?,
            is_ca: is_ca.is_some_and(|constraints| constraints.value.ca),
            eku: eku.map_or_else(Vec::new, |eku| usages(eku.value)),
            der_len: cert.len(),
        })
    }

    /// Whole days from `now` until the certificate expires, rounded down; negative once it has.
    pub(crate) fn days_left(&self, now: OffsetDateTime) -> i64 {
        self.not_after_unix_s
            .saturating_sub(now.unix_timestamp())
            .div_euclid(86_400)
    }
}

fn rfc3339(at: ASN1Time) -> Result<String, String> {
    at.to_datetime()
        .format(&Rfc3339)
        .map_err(|error| format!("a date cannot be shown: {error}"))
}

/// Names a public key by its family and size.
pub(super) fn key_name(spki: &SubjectPublicKeyInfo<'_>) -> String {
    let sized = |family: &str| match spki.parsed() {
        Ok(PublicKey::RSA(rsa)) => format!("{family} {}", bit_len(rsa.modulus)),
        _ => family.to_owned(),
    };
    let oid = spki.algorithm.algorithm.to_id_string();
    match oid.as_str() {
        "1.2.840.113549.1.1.1" => sized("RSA"),
        "1.2.840.113549.1.1.10" => sized("RSA-PSS"),
        "1.2.840.10045.2.1" => {
            let curve = spki
                .algorithm
                .parameters
                .as_ref()
                .and_then(|any| any.as_oid().ok());
            match curve {
                Some(curve) => format!("EC {}", curve_name(&curve.to_id_string())),
                None => "EC with explicit parameters".into(),
            }
        }
        other => family_name(other),
    }
}

/// Names a curve by its object identifier in dots.
pub(super) fn curve_name(oid: &str) -> String {
    let name = match oid {
        "1.2.840.10045.3.1.7" => "P-256",
        "1.3.132.0.34" => "P-384",
        "1.3.132.0.35" => "P-521",
        "1.3.132.0.10" => "secp256k1",
        "1.2.840.10045.3.1.1" => "P-192",
        "1.3.132.0.33" => "P-224",
        "1.3.36.3.3.2.8.1.1.7" => "brainpoolP256r1",
        "1.3.36.3.3.2.8.1.1.11" => "brainpoolP384r1",
        "1.3.36.3.3.2.8.1.1.13" => "brainpoolP512r1",
        other => return shown(other),
    };
    name.to_owned()
}

/// Names the algorithm of a key that has no sizes or curves by its object identifier in dots.
pub(super) fn family_name(oid: &str) -> String {
    let name = match oid {
        "1.3.101.110" => "X25519",
        "1.3.101.111" => "X448",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        "1.2.840.10040.4.1" => "DSA",
        "1.2.840.113549.1.3.1" => "Diffie-Hellman",
        "2.16.840.1.101.3.4.3.17" => "ML-DSA-44",
        "2.16.840.1.101.3.4.3.18" => "ML-DSA-65",
        "2.16.840.1.101.3.4.3.19" => "ML-DSA-87",
        other => return shown(other),
    };
    name.to_owned()
}

/// The length of a big-endian number in bits, leading zeros not counted.
pub(super) fn bit_len(number: &[u8]) -> usize {
    let first = number
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(number.len());
    match number.get(first..) {
        Some([top, rest @ ..]) => 8 * (rest.len() + 1) - top.leading_zeros() as usize,
        _ => 0,
    }
}

/// Names a signature algorithm as OpenSSL does, by its object identifier in dots.
fn signature_name(oid: &str) -> String {
    let name = match oid {
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.2.840.113549.1.1.5" => "sha1WithRSAEncryption",
        "1.2.840.113549.1.1.10" => "rsassaPss",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.2.840.113549.1.1.2" => "md2WithRSAEncryption",
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
        "1.2.840.113549.1.1.14" => "sha224WithRSAEncryption",
        "1.2.840.10045.4.3.1" => "ecdsa-with-SHA224",
        "1.2.840.10040.4.3" => "dsa-with-SHA1",
        "2.16.840.1.101.3.4.3.2" => "dsa-with-SHA256",
        // The others have one identifier for key and signature.
        other => return family_name(other),
    };
    name.to_owned()
}

fn alt_names(cert: &X509Certificate<'_>) -> Result<Vec<String>, x509_parser::error::X509Error> {
    let Some(san) = cert.subject_alternative_name()? else {
        return Ok(Vec::new());
    };
    Ok(capped(san.value.general_names.iter().map(alt_name)))
}

/// One name with its kind, as the certificate has it.
pub(super) fn alt_name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => format!("DNS:{name}"),
        GeneralName::IPAddress(bytes) => format!("IP:{}", address(bytes)),
        GeneralName::RFC822Name(name) => format!("email:{name}"),
        GeneralName::URI(uri) => format!("URI:{uri}"),
        GeneralName::DirectoryName(name) => format!("dirname:{name}"),
        GeneralName::RegisteredID(oid) => format!("RID:{}", oid.to_id_string()),
        GeneralName::OtherName(oid, _) => format!("othername:{}", oid.to_id_string()),
        GeneralName::X400Address(_) => "x400".into(),
        GeneralName::EDIPartyName(_) => "ediparty".into(),
        GeneralName::Invalid(tag, bytes) => format!("invalid[{}]:{}", tag.0, hex(bytes)),
    }
}

/// An address of 4 or 16 bytes in its usual form, and anything else in hexadecimal.
fn address(bytes: &[u8]) -> String {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4.or(v6)
        .map_or_else(|_| format!("0x{}", hex(bytes)), |ip| ip.to_string())
}

fn usages(eku: &ExtendedKeyUsage<'_>) -> Vec<String> {
    let known = [
        (eku.any, "anyExtendedKeyUsage"),
        (eku.server_auth, "serverAuth"),
        (eku.client_auth, "clientAuth"),
        (eku.code_signing, "codeSigning"),
        (eku.email_protection, "emailProtection"),
        (eku.time_stamping, "timeStamping"),
        (eku.ocsp_signing, "OCSPSigning"),
    ];
    let known = known
        .into_iter()
        .filter(|(present, _)| *present)
        .map(|(_, name)| name.to_owned());
    capped(known.chain(eku.other.iter().map(Oid::to_id_string)))
}

/// Escapes every entry, keeps the first [`MAX_LISTED`] and says how many more there were.
fn capped(entries: impl Iterator<Item = String>) -> Vec<String> {
    let mut entries = entries.peekable();
    let mut kept: Vec<_> = entries
        .by_ref()
        .take(MAX_LISTED)
        .map(|entry| shown(&entry))
        .collect();
    if entries.peek().is_some() {
        kept.push(format!("… and {} more", entries.count()));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::bit_len;

    #[test]
    fn leading_zeros_are_not_counted() {
        assert_eq!(bit_len(&[0, 0x7f, 0xff]), 15);
        assert_eq!(bit_len(&[0x80, 0]), 16);
        assert_eq!(bit_len(&[0, 0]), 0);
        assert_eq!(bit_len(&[]), 0);
    }
}

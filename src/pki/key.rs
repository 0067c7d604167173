//! Describes private keys from their encoding, independent of any provider, and compares public keys across
//! encodings. Never prints or returns private parts.

use rustls_pki_types::PrivateKeyDer;
use x509_parser::oid_registry::Oid;

use super::der::{Element, SEQUENCE};
use super::facts::{bit_len, curve_name, family_name};
use super::signed::Spki;

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
/// Curve and public key in an EC private key (RFC 5915 section 3).
const PARAMETERS: u8 = 0xa0;
const PUBLIC_KEY: u8 = 0xa1;

const EC: &str = "1.2.840.10045.2.1";
const RSA: &str = "1.2.840.113549.1.1.1";
const RSA_PSS: &str = "1.2.840.113549.1.1.10";

/// The public facts in a private key's encoding.
#[derive(Debug)]
pub struct KeyHeld<'a> {
    /// The object identifier of its algorithm.
    algorithm: String,
    /// The curve of an EC key.
    curve: Option<Curve>,
    /// The public point of an EC key.
    point: Option<&'a [u8]>,
    /// Modulus and public exponent of an RSA key, big-endian.
    rsa: Option<(&'a [u8], &'a [u8])>,
}

/// The curve of an EC key.
#[derive(Debug, PartialEq, Eq)]
enum Curve {
    /// Its object identifier.
    Named(String),
    /// Given by its parameters (RFC 3279 section 2.3.5).
    Explicit,
}

impl<'a> KeyHeld<'a> {
    /// `None` if the key is damaged.
    pub(crate) fn parse(key: &'a PrivateKeyDer<'_>) -> Option<Self> {
        match key {
            PrivateKeyDer::Pkcs8(der) => Self::pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Sec1(der) => Self::ec(der.secret_sec1_der(), None),
            PrivateKeyDer::Pkcs1(der) => Self::rsa(der.secret_pkcs1_der(), RSA.to_owned()),
            _ => None,
        }
    }

    fn pkcs8(der: &'a [u8]) -> Option<Self> {
        let version = Element::of(Element::of(der, SEQUENCE)?.body, INTEGER)?;
        let algorithm = Element::of(version.rest, SEQUENCE)?;
        let oid = Element::of(algorithm.body, OID)?;
        let inner = Element::of(algorithm.rest, OCTET_STRING)?.body;
        match dotted(oid.body).as_str() {
            EC => Self::ec(inner, curve(oid.rest)),
            rsa @ (RSA | RSA_PSS) => Self::rsa(inner, rsa.to_owned()),
            other => Some(Self {
                algorithm: other.to_owned(),
                curve: None,
                point: None,
                rsa: None,
            }),
        }
    }

    fn ec(der: &'a [u8], outer: Option<Curve>) -> Option<Self> {
        let version = Element::of(Element::of(der, SEQUENCE)?.body, INTEGER)?;
        let mut rest = Element::of(version.rest, OCTET_STRING)?.rest;
        let mut own = None;
        if let Some(parameters) = Element::of(rest, PARAMETERS) {
            own = curve(parameters.body);
            rest = parameters.rest;
        }
        // A BIT STRING without unused bits.
        let point = Element::of(rest, PUBLIC_KEY)
            .and_then(|tagged| Element::of(tagged.body, 0x03)?.body.split_first())
            .map(|(_, point)| point);
        Some(Self {
            algorithm: EC.to_owned(),
            curve: outer.or(own),
            point,
            rsa: None,
        })
    }

    fn rsa(der: &'a [u8], algorithm: String) -> Option<Self> {
        let version = Element::of(Element::of(der, SEQUENCE)?.body, INTEGER)?;
        let modulus = Element::of(version.rest, INTEGER)?;
        let exponent = Element::of(modulus.rest, INTEGER)?;
        Some(Self {
            algorithm,
            curve: None,
            point: None,
            rsa: Some((modulus.body, exponent.body)),
        })
    }

    /// Whether it is an RSA key whose modulus is not whole bytes, which changes the padding (RFC 8017 section 9.1.1).
    pub(crate) fn has_modulus_of_odd_length(&self) -> bool {
        self.rsa
            .is_some_and(|(modulus, _)| !bit_len(modulus).is_multiple_of(8))
    }

    /// The key in words: `RSA 2047`, `EC secp256k1 without its public part`.
    pub(crate) fn words(&self) -> String {
        if let Some((modulus, exponent)) = self.rsa {
            let family = if self.algorithm == RSA_PSS {
                "RSA-PSS"
            } else {
                "RSA"
            };
            let exponent = match exponent {
                [0x01, 0x00, 0x01] => String::new(),
                [small] => format!(" with the public exponent {small}"),
                _ => " with an unusual public exponent".to_owned(),
            };
            return format!("{family} {}{exponent}", bit_len(modulus));
        }
        if self.algorithm != EC {
            return family_name(&self.algorithm);
        }
        let curve = match &self.curve {
            Some(Curve::Named(oid)) => format!("EC {}", curve_name(oid)),
            Some(Curve::Explicit) => "EC with explicit parameters".to_owned(),
            None => "EC without its curve".to_owned(),
        };
        match self.point {
            None => format!("{curve}, without its public part"),
            Some([2 | 3, ..]) => format!("{curve}, with a compressed point"),
            Some(_) => curve,
        }
    }

    /// The command that converts an unusual encoding to the usual one.
    pub(crate) fn conversion(&self) -> Option<&'static str> {
        let plain =
            matches!(self.point, Some([4, ..])) && matches!(self.curve, Some(Curve::Named(_)));
        (self.algorithm == EC && !plain && self.curve.is_some()).then_some(
            "openssl ec -in KEY -param_enc named_curve -conv_form uncompressed -out NEW-KEY",
        )
    }

    /// Whether it is the key of this DER `SubjectPublicKeyInfo`; `None` if that takes curve arithmetic to tell.
    pub(super) fn is_of(&self, spki_der: &[u8]) -> Option<bool> {
        let own = match (self.rsa, self.point) {
            (Some((modulus, exponent)), _) => Comparable::Rsa(modulus, exponent),
            (_, Some(point)) => Comparable::point(point)?,
            _ => return None,
        };
        Some(Comparable::of(spki_der)? == own)
    }
}

/// Whether two DER `SubjectPublicKeyInfo`s hold the same key in any encoding: compressed points, explicit curves, RSA
/// with or without parameters.
pub(crate) fn same_key(one: &[u8], other: &[u8]) -> bool {
    one == other
        || matches!(
            (Comparable::of(one), Comparable::of(other)),
            (Some(one), Some(other)) if one == other
        )
}

/// Whether a DER `SubjectPublicKeyInfo` spells out its curve, which certificates must not (RFC 5480 section 2.1.1).
pub(super) fn is_explicit(spki_der: &[u8]) -> bool {
    let parameters = Spki::parse(spki_der).and_then(|spki| {
        let oid = Element::of(spki.algorithm, OID)?;
        (dotted(oid.body) == EC).then(|| curve(oid.rest))?
    });
    parameters == Some(Curve::Explicit)
}

/// A public key without its encoding.
#[derive(PartialEq, Eq)]
enum Comparable<'a> {
    /// The abscissa, and whether the ordinate is odd.
    Point(&'a [u8], bool),
    Rsa(&'a [u8], &'a [u8]),
    Other(Spki<'a>),
}

impl<'a> Comparable<'a> {
    fn of(spki_der: &'a [u8]) -> Option<Self> {
        let spki = Spki::parse(spki_der)?;
        match dotted(Element::of(spki.algorithm, OID)?.body).as_str() {
            EC => Self::point(spki.key),
            RSA | RSA_PSS => {
                let modulus = Element::of(Element::of(spki.key, SEQUENCE)?.body, INTEGER)?;
                let exponent = Element::of(modulus.rest, INTEGER)?;
                Some(Self::Rsa(modulus.body, exponent.body))
            }
            _ => Some(Self::Other(spki)),
        }
    }

    /// A point in one of the forms of SEC 1 section 2.3.3.
    fn point(bytes: &'a [u8]) -> Option<Self> {
        let (form, rest) = bytes.split_first()?;
        match form {
            2 | 3 => Some(Self::Point(rest, *form == 3)),
            4 | 6 | 7 => {
                let (x, y) = rest.split_at(rest.len() / 2);
                Some(Self::Point(x, y.last()? & 1 == 1))
            }
            _ => None,
        }
    }
}

/// The curve that EC parameters name or spell out.
fn curve(parameters: &[u8]) -> Option<Curve> {
    let found = Element::first(parameters)?;
    match found.tag {
        OID => Some(Curve::Named(dotted(found.body))),
        SEQUENCE => Some(Curve::Explicit),
        _ => None,
    }
}

fn dotted(oid: &[u8]) -> String {
    Oid::new(oid.into()).to_id_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::algorithm::{key_pair, pkcs8_v1};
    use crate::scenario::KeyAlgorithm;

    #[test]
    fn keys_are_named_by_what_they_hold() {
        for (algorithm, expected) in [
            (KeyAlgorithm::EcdsaP256, "EC P-256"),
            (KeyAlgorithm::Rsa2048, "RSA 2048"),
            (KeyAlgorithm::Ed25519, "Ed25519"),
        ] {
            let key = pkcs8_v1(&key_pair(algorithm).unwrap());
            let held = KeyHeld::parse(&key).unwrap();
            assert_eq!(held.words(), expected);
            assert_eq!(held.conversion(), None);
        }
    }

    #[test]
    fn a_point_is_the_same_in_every_form() {
        let spki = |point: &[u8]| {
            let head = [0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8];
            let oid = [0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
            let len = u8::try_from(point.len()).unwrap();
            let mut body = [&head[..], &oid, &[3, len + 1, 0], point].concat();
            body.splice(0..0, [0x30, u8::try_from(body.len()).unwrap()]);
            body
        };
        let (x, odd, even) = ([7; 32], [9; 32], [8; 32]);
        let full = |y: &[u8]| spki(&[&[4][..], &x, y].concat());
        let compressed = |form: u8| spki(&[&[form][..], &x].concat());
        assert!(same_key(&full(&odd), &compressed(3)));
        assert!(same_key(&full(&even), &compressed(2)));
        assert!(!same_key(&full(&odd), &compressed(2)));
        assert!(!same_key(&full(&odd), &full(&even)));
        assert!(!same_key(&full(&odd), b"junk"));
    }
}

//! Splits certificates and revocation lists into signed bytes, algorithm and signature. Verifies nothing.

use super::der::{Element, SEQUENCE};

/// The tag of a BIT STRING.
const BIT_STRING: u8 = 0x03;

/// A signed object: a certificate or a revocation list (RFC 5280 sections 4.1.1 and 5.1.1).
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The signed bytes, header included.
    pub tbs: &'a [u8],
    /// The contents of the `AlgorithmIdentifier`, the form that verifiers compare.
    pub algorithm: &'a [u8],
    /// The signature's bytes.
    pub signature: &'a [u8],
}

impl<'a> Signed<'a> {
    /// `None` if `der` is neither a certificate nor a revocation list.
    pub(crate) fn parse(der: &'a [u8]) -> Option<Self> {
        let (_, outer) = sequence(der)?;
        let (tbs, _) = sequence(outer)?;
        let rest = outer.get(tbs.len()..)?;
        let (raw, algorithm) = sequence(rest)?;
        Some(Self {
            tbs,
            algorithm,
            signature: bit_string(rest.get(raw.len()..)?)?,
        })
    }
}

/// A public key as certificates hold it (RFC 5280 section 4.1.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spki<'a> {
    /// The contents of the `AlgorithmIdentifier`.
    pub algorithm: &'a [u8],
    /// The key in the form of its algorithm.
    pub key: &'a [u8],
}

impl<'a> Spki<'a> {
    /// `None` if `der` is no `SubjectPublicKeyInfo`.
    pub(crate) fn parse(der: &'a [u8]) -> Option<Self> {
        let (_, outer) = sequence(der)?;
        let (raw, algorithm) = sequence(outer)?;
        Some(Self {
            algorithm,
            key: bit_string(outer.get(raw.len()..)?)?,
        })
    }
}

/// The SEQUENCE at the start of some bytes, with and without its header.
fn sequence(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let element = Element::of(bytes, SEQUENCE)?;
    let raw = bytes.get(..bytes.len() - element.rest.len())?;
    Some((raw, element.body))
}

/// The bytes of a BIT STRING that has no unused bits.
fn bit_string(bytes: &[u8]) -> Option<&[u8]> {
    match Element::of(bytes, BIT_STRING)?.body.split_first()? {
        (0, bits) => Some(bits),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{Pki, PkiSpec};

    #[test]
    fn a_certificate_is_taken_apart_as_its_parser_does() {
        let pki = Pki::mint(&PkiSpec::default()).unwrap();
        let der = &pki.server().chain[0];
        let parsed = crate::pki::der::parse(der).unwrap();
        let signed = Signed::parse(der).unwrap();
        assert_eq!(signed.tbs, parsed.tbs_certificate.as_ref());
        assert_eq!(signed.signature, parsed.signature_value.data.as_ref());
        let spki = Spki::parse(parsed.public_key().raw).unwrap();
        assert_eq!(
            spki.key,
            parsed.public_key().subject_public_key.data.as_ref()
        );
        assert!(Signed::parse(&der[..der.len() - 1]).is_none());
        assert!(Spki::parse(&[]).is_none());
    }
}

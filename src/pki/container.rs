//! Recognises the format of a certificate or key file: PEM, one DER object, or a container to convert. Reads at most
//! [`MAX_FILE_BYTES`]; does not look into certificates.

use std::io;
use std::path::Path;

use super::PkiError;
use super::der::{Element, SEQUENCE};
use super::error::{quoted, with_suffix};
use super::pem::Section;
use crate::files::read_capped;
use crate::scenario::CertType;

/// Most bytes read of a file. A system's whole trust store is about a quarter of a megabyte.
pub(super) const MAX_FILE_BYTES: u64 = 4 << 20;

const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const INTEGER: u8 = 0x02;
/// The contents of OID 1.2.840.113549.1.7, the arc of PKCS#7.
const PKCS7_ARC: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07];

/// The outermost layer of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Text with at least one `-----BEGIN`.
    Pem,
    /// One complete DER object: a certificate or a key.
    Der,
    /// A PKCS#8 key under a password, in DER.
    EncryptedDer,
}

/// Fails if the file cannot be read or is larger than [`MAX_FILE_BYTES`].
pub(super) fn read(path: &Path) -> Result<Vec<u8>, PkiError> {
    read_capped(path, MAX_FILE_BYTES).map_err(|source| match source.kind() {
        io::ErrorKind::FileTooLarge => PkiError::TooLarge {
            path: path.to_owned(),
            limit: MAX_FILE_BYTES,
        },
        _ => PkiError::Read {
            path: path.to_owned(),
            source,
        },
    })
}

/// The shape of a file's bytes, or `Ok(Err(found))` if they have none.
///
/// Fails if the file is a container that has to be converted first.
pub(super) fn shape(path: &Path, bytes: &[u8]) -> Result<Result<Shape, String>, PkiError> {
    let container = |what, command| PkiError::Container {
        path: path.to_owned(),
        what,
        command,
    };
    let pem = quoted(&with_suffix(path, ".pem"));
    if bytes.windows(11).any(|w| w == b"-----BEGIN ") {
        return Ok(Ok(Shape::Pem));
    }
    if bytes.is_empty() {
        return Ok(Err("an empty file".into()));
    }
    if let Some(encoding) = utf16(bytes) {
        let command = format!("iconv -f {encoding} -t UTF-8 {} > {pem}", quoted(path));
        return Err(container("UTF-16 text", command));
    }
    if bytes.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) {
        let p12 = quoted(&with_suffix(path, ".p12"));
        let command = format!(
            "keytool -importkeystore -srckeystore {} -destkeystore {p12} -deststoretype PKCS12",
            quoted(path)
        );
        return Err(container("a Java key store", command));
    }
    let Some(outer) = Element::first(bytes).filter(|outer| outer.tag == SEQUENCE) else {
        return Ok(Err("neither PEM text nor DER".into()));
    };
    if outer.is_short() {
        let (have, total) = (outer.body.len(), outer.len);
        return Ok(Err(format!(
            "DER that ends after {have} of its {total} content bytes"
        )));
    }
    let Some(inner) = Element::first(outer.body) else {
        return Ok(Err("neither PEM text nor DER".into()));
    };
    match inner.tag {
        // A PKCS#12 archive has version 3 and then a PKCS#7 sequence; RSA keys have version 0 or 1.
        INTEGER if inner.body == [3] && inner.rest.first() == Some(&SEQUENCE) => {
            Err(PkiError::Pkcs12 {
                path: path.to_owned(),
            })
        }
        OID if inner.body.starts_with(&PKCS7_ARC) => {
            let command = format!(
                "openssl pkcs7 -inform DER -in {} -print_certs -out {pem}",
                quoted(path)
            );
            Err(container("a PKCS#7 bundle", command))
        }
        // AlgorithmIdentifier, then OCTET STRING. A public key has a BIT STRING there, and a certificate
        // begins with another kind of sequence.
        SEQUENCE
            if inner.rest.first() == Some(&OCTET_STRING) && inner.body.first() == Some(&OID) =>
        {
            Ok(Ok(Shape::EncryptedDer))
        }
        _ => Ok(Ok(Shape::Der)),
    }
}

/// Fails if the file is of another type than somebody says. What is of none fails when it is read.
pub(super) fn check_type(path: &Path, bytes: &[u8], said: CertType) -> Result<(), PkiError> {
    let (holds, what) = match shape(path, bytes) {
        Ok(Ok(Shape::Pem)) => (CertType::Pem, "PEM text"),
        Ok(Ok(Shape::Der | Shape::EncryptedDer)) => (CertType::Der, "DER"),
        Err(PkiError::Pkcs12 { .. }) => (CertType::P12, "a PKCS#12 archive"),
        _ => return Ok(()),
    };
    if holds == said {
        return Ok(());
    }
    Err(PkiError::OtherType {
        path: path.to_owned(),
        what,
        holds,
        said,
    })
}

/// The encoding, as iconv names it, of UTF-16 text with a byte order mark or PEM dashes.
fn utf16(bytes: &[u8]) -> Option<&'static str> {
    let dashes = |units: &[u8]| bytes.windows(units.len()).any(|window| window == units);
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        Some("UTF-16")
    } else if dashes(b"-\0-\0-\0-\0-\0B\0") {
        Some("UTF-16LE")
    } else if dashes(b"\0-\0-\0-\0-\0-\0B") {
        Some("UTF-16BE")
    } else {
        None
    }
}

/// Fails if the sections only hold containers of certificates or keys, with the command that converts them.
pub(super) fn refuse_wrapped(path: &Path, sections: &[Section<'_>]) -> Result<(), PkiError> {
    let holds = |label: &str| sections.iter().any(|section| section.label == label);
    let pem = quoted(&with_suffix(path, ".pem"));
    let (what, command) = if holds("PKCS7") || holds("CMS") || holds("PKCS #7 SIGNED DATA") {
        let command = format!("openssl pkcs7 -in {} -print_certs -out {pem}", quoted(path));
        ("a PKCS#7 bundle", command)
    } else if let Some(key) = sections.iter().find(|s| s.label == "OPENSSH PRIVATE KEY") {
        if key.has_openssh_ed25519() {
            let path = path.to_owned();
            return Err(PkiError::OpensshEd25519 { path });
        }
        // It rewrites the file that it is given.
        let command = format!(
            "cp {} {pem} && ssh-keygen -p -N '' -m PKCS8 -f {pem}",
            quoted(path)
        );
        ("an OpenSSH key", command)
    } else {
        return Ok(());
    };
    let path = path.to_owned();
    Err(PkiError::Container {
        path,
        what,
        command,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pki::pem;

    /// Bytes that look like DER or PEM often enough to get past the first checks.
    fn nearly_a_file() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"-----BEGIN CERTIFICATE-----\n".to_vec()),
            Just(b"-----END CERTIFICATE-----\n".to_vec()),
            Just(b"-----BEGIN -----".to_vec()),
            Just(vec![SEQUENCE, 0x82, 0, 20, SEQUENCE, 3, OID]),
            Just(vec![SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff]),
            Just(vec![SEQUENCE, 0x80]),
            prop::collection::vec(any::<u8>(), 0..40),
        ];
        prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_readers_panic(bytes in nearly_a_file()) {
            let _ = shape(Path::new("x"), &bytes);
            for section in pem::split(&bytes).unwrap_or_default() {
                let _ = (section.is_encrypted(), section.decode());
            }
        }
    }
}

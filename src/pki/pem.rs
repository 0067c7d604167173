//! Splits PEM text into sections with line numbers, decodes and encodes them. Messages never quote the file, which may
//! hold a key.

use std::str;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::{PemObject, SectionKind};

use super::der::Element;

/// The label of a certificate's section.
pub(super) const CERTIFICATE: &str = "CERTIFICATE";

/// OpenSSL's other labels of certificates: an old one, and one with trust settings.
const OTHER_CERTIFICATES: [&str; 2] = ["X509 CERTIFICATE", "TRUSTED CERTIFICATE"];

/// The UTF-8 byte order mark that editors on Windows begin files with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One section, from its `-----BEGIN` to its `-----END` line, still encoded.
pub(super) struct Section<'a> {
    /// The words after `BEGIN`, or `unrecognised` where they are not plain capitals.
    pub(super) label: &'a str,
    /// The line of its `BEGIN`, counted from 1.
    pub(super) line: usize,
    /// Its lines, trimmed.
    body: Vec<&'a [u8]>,
}

/// A defect of a PEM text.
#[derive(Debug)]
pub(super) struct PemFault {
    /// The line, counted from 1.
    pub(super) line: usize,
    /// The cause, as a clause.
    pub(super) cause: String,
}

impl Section<'_> {
    /// Whether it is a private key of any kind, encrypted or not.
    pub(super) fn is_private_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }

    /// Whether it is a certificate, under any label.
    pub(super) fn is_certificate(&self) -> bool {
        self.label == CERTIFICATE || OTHER_CERTIFICATES.contains(&self.label)
    }

    /// Whether it is a PKCS#8 key under a password.
    pub(super) fn is_encrypted(&self) -> bool {
        self.label == "ENCRYPTED PRIVATE KEY"
    }

    /// Whether its header says that it is under a password, in OpenSSL's old form.
    pub(super) fn has_old_encryption(&self) -> bool {
        self.body.iter().any(|line| {
            line.starts_with(b"Proc-Type:") && line.windows(9).any(|w| w == b"ENCRYPTED")
        })
    }

    /// The cipher, initialisation vector and data of a key in OpenSSL's old form; `None` if its header or base64 is
    /// damaged.
    pub(super) fn old_encryption(&self) -> Option<(&str, Vec<u8>, Vec<u8>)> {
        let mut lines = self.body.iter();
        let info = lines.find_map(|line| line.strip_prefix(b"DEK-Info:"))?;
        let (cipher, iv) = str::from_utf8(info).ok()?.trim().split_once(',')?;
        let digits = iv.trim().as_bytes().chunks(2);
        let iv = digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
        let data: Vec<u8> = lines.flat_map(|line| line.iter().copied()).collect();
        Some((
            cipher,
            iv.collect::<Option<_>>()?,
            STANDARD.decode(data).ok()?,
        ))
    }

    /// Whether this OpenSSH key is Ed25519, by the name in its public part.
    pub(super) fn has_openssh_ed25519(&self) -> bool {
        let der = STANDARD.decode(self.body.concat()).unwrap_or_default();
        der.windows(11).any(|name| name == b"ssh-ed25519")
    }

    /// Fails if the section is not one of the standard kinds, is empty, or is not base64.
    pub(super) fn decode(&self) -> Result<(SectionKind, Vec<u8>), PemFault> {
        let fault = |cause: String| PemFault {
            line: self.line,
            cause,
        };
        let label = if self.is_certificate() {
            CERTIFICATE
        } else if self.is_encrypted() {
            "PRIVATE KEY"
        } else {
            self.label
        };
        let mut text = format!("-----BEGIN {label}-----\n").into_bytes();
        for line in &self.body {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        text.extend_from_slice(format!("-----END {label}-----\n").as_bytes());
        match <(SectionKind, Vec<u8>)>::from_pem_slice(&text) {
            Ok((_, der)) if der.is_empty() => {
                Err(fault(format!("section {} is empty", self.label)))
            }
            Ok((kind, der)) if self.label == OTHER_CERTIFICATES[1] => Ok((kind, first(der))),
            Ok(decoded) => Ok(decoded),
            Err(rustls_pki_types::pem::Error::NoItemsFound) => Err(fault(format!(
                "section {} is of a kind that is not read here",
                self.label
            ))),
            Err(_) => Err(fault(format!("section {} is not valid base64", self.label))),
        }
    }
}

/// The certificate, without the trust settings that OpenSSL puts after it.
fn first(mut der: Vec<u8>) -> Vec<u8> {
    if let Some(element) = Element::first(&der) {
        let len = der.len() - element.rest.len();
        der.truncate(len);
    }
    der
}

/// The lines of a text, which end in LF, CRLF or CR, trimmed and without byte order marks.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    // The LF of a CRLF ends the line, not the CR.
    let ends = move |at: usize| match text.get(at) {
        Some(b'\n') => true,
        Some(b'\r') => text.get(at + 1) != Some(&b'\n'),
        _ => false,
    };
    let mut from = 0;
    std::iter::from_fn(move || {
        if from >= text.len() {
            return None;
        }
        let to = (from..text.len())
            .find(|at| ends(*at))
            .unwrap_or(text.len());
        let line = text.get(from..to).unwrap_or_default();
        from = to + 1;
        let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        Some(line.trim_ascii())
    })
}

/// Splits a text into its sections; anything between them is ignored, as OpenSSL does.
///
/// Fails if a section has no end, an end has no section, or the line breaks are lost.
pub(super) fn split(text: &[u8]) -> Result<Vec<Section<'_>>, PemFault> {
    let mut sections = Vec::new();
    let mut open: Option<Section<'_>> = None;
    for (number, line) in (1..).zip(lines(text)) {
        let fault = |cause: String| PemFault {
            line: number,
            cause,
        };
        if let Some(rest) = line.strip_prefix(b"-----BEGIN ") {
            if let Some(Section { label, line, .. }) = open {
                return Err(fault(format!(
                    "section {label} that begins at line {line} has no END line before the next BEGIN"
                )));
            }
            let (label, complete) = read_label(rest);
            if !complete {
                return Err(fault(
                    "the BEGIN line does not end after its label, as if line breaks were lost"
                        .into(),
                ));
            }
            open = Some(Section {
                label,
                line: number,
                body: Vec::new(),
            });
        } else if let Some(rest) = line.strip_prefix(b"-----END ") {
            let (label, _) = read_label(rest);
            let Some(section) = open.take() else {
                return Err(fault(format!("END {label} without a BEGIN before it")));
            };
            if label != section.label {
                return Err(fault(format!(
                    "section {} that begins at line {} ends as {label}",
                    section.label, section.line
                )));
            }
            sections.push(section);
        } else if let Some(section) = &mut open {
            section.body.push(line);
        }
    }
    match open {
        Some(Section { label, line, .. }) => Err(PemFault {
            line,
            cause: format!("section {label} has no END line; the file may be truncated"),
        }),
        None => Ok(sections),
    }
}

/// Writes one section with lines of 64 characters.
pub(super) fn encode(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    out.push_str("-----END ");
    out.push_str(label);
    out.push_str("-----\n");
    out
}

/// Reads a label up to its dashes, and whether the line ends there.
///
/// Only plain capitals are a label: where line breaks are lost, key material may follow.
fn read_label(rest: &[u8]) -> (&str, bool) {
    let end = rest.windows(5).position(|w| w == b"-----");
    let label = rest.get(..end.unwrap_or(0)).unwrap_or_default();
    let plain = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b' ';
    let known = !label.is_empty() && label.len() <= 40 && label.iter().all(plain);
    let label = if known {
        str::from_utf8(label).ok()
    } else {
        None
    };
    (
        label.unwrap_or("unrecognised"),
        end.is_some_and(|end| end + 5 == rest.len()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        let fault = split(text.as_bytes()).err().unwrap();
        format!("{}: {}", fault.line, fault.cause)
    }

    #[test]
    fn what_is_encoded_decodes() {
        for len in [1, 47, 48, 49, 500] {
            let der = vec![7; len];
            let text = encode(CERTIFICATE, &der);
            assert!(text.lines().all(|line| line.len() <= 64));
            let sections = split(text.as_bytes()).unwrap();
            assert_eq!(
                sections[0].decode().unwrap(),
                (SectionKind::Certificate, der)
            );
        }
    }

    #[test]
    fn sections_are_found_among_comments_and_indents_and_crlf() {
        let text = "subject=x\n  -----BEGIN CERTIFICATE-----\r\n  AAAA\r\n  -----END CERTIFICATE-----\r\nbye\n-----BEGIN EC PARAMETERS-----\nAAAA\n-----END EC PARAMETERS-----";
        let sections = split(text.as_bytes()).unwrap();
        let found: Vec<_> = sections.iter().map(|s| (s.label, s.line)).collect();
        assert_eq!(found, [("CERTIFICATE", 2), ("EC PARAMETERS", 6)]);
        assert!(
            sections[1]
                .decode()
                .unwrap_err()
                .cause
                .contains("not read here")
        );
    }

    #[test]
    fn line_ends_and_byte_order_marks_of_other_systems_are_read() {
        let der: Vec<u8> = (0..99).collect();
        let plain = format!("comment\n{}", encode(CERTIFICATE, &der));
        let marked = format!("\u{feff}{}\u{feff}{plain}", encode(CERTIFICATE, &der));
        for (text, count) in [
            (plain.replace('\n', "\r\n"), 1),
            (plain.replace('\n', "\r"), 1),
            (plain.replace('\n', "  \t\n\n"), 1),
            (marked.clone(), 2),
            (marked.replace('\n', "\r"), 2),
        ] {
            let sections = split(text.as_bytes()).unwrap();
            assert_eq!(sections.len(), count, "{text:?}");
            for section in sections {
                assert_eq!(section.decode().unwrap().1, der, "{text:?}");
            }
        }
        assert_eq!(
            split(plain.replace('\n', "\r\n").as_bytes()).unwrap()[0].line,
            2
        );
    }

    #[test]
    fn certificates_have_two_other_names_and_may_carry_trust_settings() {
        let der = [0x30, 2, 5, 0];
        let old = encode("X509 CERTIFICATE", &der);
        let trusted = encode(
            "TRUSTED CERTIFICATE",
            &[&der[..], &[0x30, 3, 0x30, 1, 6]].concat(),
        );
        for text in [old, trusted] {
            let sections = split(text.as_bytes()).unwrap();
            assert!(sections[0].is_certificate());
            let decoded = sections[0].decode().unwrap();
            assert_eq!(decoded, (SectionKind::Certificate, der.to_vec()));
        }
    }

    #[test]
    fn damage_is_located() {
        assert_eq!(
            fault("\n-----BEGIN CERTIFICATE-----\nAAAA\n"),
            "2: section CERTIFICATE has no END line; the file may be truncated"
        );
        assert_eq!(
            fault("-----BEGIN A-----\n-----BEGIN B-----\n"),
            "2: section A that begins at line 1 has no END line before the next BEGIN"
        );
        assert_eq!(
            fault("-----END A-----\n"),
            "1: END A without a BEGIN before it"
        );
        assert_eq!(
            fault("-----BEGIN A-----\n-----END B-----\n"),
            "2: section A that begins at line 1 ends as B"
        );
    }

    #[test]
    fn a_key_without_line_breaks_is_refused_without_quoting_it() {
        let text = "-----BEGIN PRIVATE KEY-----SECRET-----END PRIVATE KEY-----";
        assert_eq!(
            fault(text),
            "1: the BEGIN line does not end after its label, as if line breaks were lost"
        );
    }

    #[test]
    fn passwords_are_noticed_in_both_forms() {
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        assert!(split(old.as_bytes()).unwrap()[0].has_old_encryption());
        let new = encode("ENCRYPTED PRIVATE KEY", b"x");
        assert!(split(new.as_bytes()).unwrap()[0].is_encrypted());
        let plain = encode("PRIVATE KEY", b"x");
        assert!(!split(plain.as_bytes()).unwrap()[0].is_encrypted());
    }
}

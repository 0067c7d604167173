//! PEM text: split into labelled sections with line numbers, decoded one by one, and written.
//! Messages made here never quote a line of the file, because that line may be a key.

use std::str;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::{PemObject, SectionKind};

/// The label of a certificate's section.
pub(super) const CERTIFICATE: &str = "CERTIFICATE";

/// One section, from its `-----BEGIN` to its `-----END` line, still encoded.
pub(super) struct Section<'a> {
    /// The words after `BEGIN`, or `unrecognised` where they are not plain capitals.
    pub(super) label: &'a str,
    /// The line of its `BEGIN`, counted from 1.
    pub(super) line: usize,
    text: &'a [u8],
}

/// What is wrong with a PEM text, and where.
#[derive(Debug)]
pub(super) struct PemFault {
    /// The line, counted from 1.
    pub(super) line: usize,
    /// The cause, as a clause.
    pub(super) cause: String,
}

impl Section<'_> {
    /// Says whether the section is a private key of any kind, encrypted ones included.
    pub(super) fn is_private_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }

    /// Says whether a password is needed: PKCS#8 by its label, the old OpenSSL form by its header.
    pub(super) fn is_encrypted(&self) -> bool {
        self.label == "ENCRYPTED PRIVATE KEY"
            || self.text.split(|b| *b == b'\n').any(|line| {
                line.starts_with(b"Proc-Type:") && line.windows(9).any(|w| w == b"ENCRYPTED")
            })
    }

    /// Decodes the section.
    ///
    /// Fails if the section is not one of the standard kinds, is empty, or is not base64.
    pub(super) fn decode(&self) -> Result<(SectionKind, Vec<u8>), PemFault> {
        let fault = |cause: String| PemFault {
            line: self.line,
            cause,
        };
        match <(SectionKind, Vec<u8>)>::from_pem_slice(self.text) {
            Ok((_, der)) if der.is_empty() => {
                Err(fault(format!("section {} is empty", self.label)))
            }
            Ok(decoded) => Ok(decoded),
            Err(rustls_pki_types::pem::Error::NoItemsFound) => Err(fault(format!(
                "section {} is of a kind that is not read here",
                self.label
            ))),
            Err(_) => Err(fault(format!("section {} is not valid base64", self.label))),
        }
    }
}

/// Splits a text into its sections; anything between them is ignored, as OpenSSL does.
///
/// Fails if a section has no end, an end has no section, or the line breaks are lost.
pub(super) fn split(text: &[u8]) -> Result<Vec<Section<'_>>, PemFault> {
    let mut sections = Vec::new();
    let mut open: Option<(&str, usize, usize)> = None;
    let mut offset = 0;
    for (number, raw) in (1..).zip(text.split_inclusive(|b| *b == b'\n')) {
        let start = offset + raw.len() - raw.trim_ascii_start().len();
        offset += raw.len();
        let line = raw.trim_ascii();
        let fault = |cause: String| PemFault {
            line: number,
            cause,
        };
        if let Some(rest) = line.strip_prefix(b"-----BEGIN ") {
            if let Some((label, at, _)) = open {
                return Err(fault(format!(
                    "section {label} that begins at line {at} has no END line before the next BEGIN"
                )));
            }
            let (label, complete) = read_label(rest);
            if !complete {
                return Err(fault(
                    "the BEGIN line does not end after its label, as if line breaks were lost"
                        .into(),
                ));
            }
            open = Some((label, number, start));
        } else if let Some(rest) = line.strip_prefix(b"-----END ") {
            let (label, _) = read_label(rest);
            let Some((opened, at, from)) = open.take() else {
                return Err(fault(format!("END {label} without a BEGIN before it")));
            };
            if label != opened {
                return Err(fault(format!(
                    "section {opened} that begins at line {at} ends as {label}"
                )));
            }
            let text = text.get(from..offset).unwrap_or_default();
            sections.push(Section {
                label,
                line: at,
                text,
            });
        }
    }
    match open {
        Some((label, line, _)) => Err(PemFault {
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
/// Only plain capitals are passed on: where line breaks are lost, what follows may be key material.
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
        assert!(split(old.as_bytes()).unwrap()[0].is_encrypted());
        let new = encode("ENCRYPTED PRIVATE KEY", b"x");
        assert!(split(new.as_bytes()).unwrap()[0].is_encrypted());
        let plain = encode("PRIVATE KEY", b"x");
        assert!(!split(plain.as_bytes()).unwrap()[0].is_encrypted());
    }
}

//! Reads DER (X.690): single elements, and whole objects. What a file says is escaped and capped.

use x509_parser::prelude::{FromDer, X509Certificate, X509Error};

use crate::text::{UNTRUSTED_CAP, escape_untrusted};

pub(super) const SEQUENCE: u8 = 0x30;

/// One DER element at the start of some bytes.
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    /// The declared length of the contents, in bytes.
    pub(super) len: usize,
    /// The contents, as far as present.
    pub(super) body: &'a [u8],
    /// What follows the element.
    pub(super) rest: &'a [u8],
}

impl<'a> Element<'a> {
    pub(super) fn first(bytes: &'a [u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (len, rest) = if *first < 0x80 {
            (usize::from(*first), rest)
        } else {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            if digits.is_empty() || digits.len() > 4 {
                return None;
            }
            let digits = digits.iter();
            let len = digits.fold(0, |len, digit| (len << 8) | usize::from(*digit));
            (len, rest)
        };
        let (body, rest) = rest.split_at(len.min(rest.len()));
        Some(Self {
            tag: *tag,
            len,
            body,
            rest,
        })
    }

    /// A whole element of this tag at the start of some bytes.
    pub(super) fn of(bytes: &'a [u8], tag: u8) -> Option<Self> {
        Self::first(bytes).filter(|element| element.tag == tag && !element.is_short())
    }

    pub(super) fn is_short(&self) -> bool {
        self.body.len() < self.len
    }
}

/// Parses one certificate, as [`whole`] does.
pub(super) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, String> {
    // The parser does not check that the sequence is constructed (X.690 section 8.9.1), as TLS peers do.
    if der.first().is_some_and(|tag| *tag != SEQUENCE) {
        return Err("it does not begin as a DER sequence".into());
    }
    whole(der)
}

/// Parses an object that must fill its bytes; the error is a clause, without text from them.
pub(super) fn whole<'a, T: FromDer<'a, X509Error>>(der: &'a [u8]) -> Result<T, String> {
    match T::from_der(der) {
        Ok(([], parsed)) => Ok(parsed),
        Ok((rest, _)) => Err(format!("{} bytes follow its end", rest.len())),
        Err(x509_parser::nom::Err::Incomplete(_)) => Err("it is truncated".into()),
        Err(x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error)) => {
            Err(shown(&error.to_string()))
        }
    }
}

/// Text of strangers, escaped and capped.
pub(super) fn shown(text: &str) -> String {
    escape_untrusted(text, UNTRUSTED_CAP)
}

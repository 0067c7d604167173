//! URIs of private keys in PKCS#11 tokens (RFC 7512). What a module does with them is in `pki`; here are only the
//! words.

use std::path::{Path, PathBuf};

use super::error::Problem;
use crate::text::escape_untrusted;
use crate::text::secrets::{PIN_VALUE, Passphrase};

const SCHEME: &str = "pkcs11:";

/// As much of an attribute's name as a message quotes.
const NAME_CAP: usize = 40;

/// What a URI says of a private key, its token and the module that reaches it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TokenUri {
    /// The token's label.
    pub token: Option<String>,
    pub manufacturer: Option<String>,
    pub model: Option<String>,
    pub serial: Option<String>,
    pub slot_id: Option<u64>,
    /// The key's label.
    pub object: Option<String>,
    /// The key's identifier, any bytes.
    pub id: Option<Vec<u8>>,
    /// The module's file, or a folder of modules.
    pub module_path: Option<PathBuf>,
    /// The module's name without folder, prefix and suffix: `softhsm2`.
    pub module_name: Option<String>,
    /// A file with the PIN.
    pub pin_source: Option<PathBuf>,
}

impl TokenUri {
    /// Whether a key is a URI and no file.
    pub(crate) fn is(key: &Path) -> bool {
        let bytes = key.as_os_str().as_encoded_bytes();
        bytes
            .get(..SCHEME.len())
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME.as_bytes()))
    }

    /// Reads a URI without a PIN. The error is a clause that quotes no value.
    ///
    /// An attribute may stand on either side of the `?`, as modules and engines write them on both.
    pub(crate) fn parse(key: &Path) -> Result<Self, String> {
        let text = key.to_str().ok_or("it is not UTF-8")?;
        let mut uri = Self::default();
        let mut known: Vec<&str> = Vec::new();
        for attribute in attributes(text) {
            let (name, value) = attribute
                .split_once('=')
                .ok_or("an attribute has no value: write NAME=VALUE, with ';' between them")?;
            if known.contains(&name) {
                return Err(format!("{} is given twice", quoted(name)));
            }
            known.push(name);
            uri.set(name, value)?;
        }
        Ok(uri)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let bytes = decoded(value)
            .ok_or_else(|| format!("the value of {} has a bad percent escape", quoted(name)))?;
        if name == "id" {
            self.id = Some(bytes);
            return Ok(());
        }
        let text = String::from_utf8(bytes)
            .ok()
            .filter(|text| !text.contains('\0'))
            .ok_or_else(|| format!("the value of {} is not text", quoted(name)))?;
        match name {
            "token" => self.token = Some(text),
            "manufacturer" => self.manufacturer = Some(text),
            "model" => self.model = Some(text),
            "serial" => self.serial = Some(text),
            "object" => self.object = Some(text),
            "slot-id" => {
                let number = text.parse().map_err(|_| "slot-id is not a number")?;
                self.slot_id = Some(number);
            }
            "type" if text == "private" => {}
            "type" => return Err("it names another type of object; write type=private".to_owned()),
            "module-path" => self.module_path = Some(text.into()),
            "module-name" if text.contains('/') => {
                return Err("module-name is a path; write module-path=".to_owned());
            }
            "module-name" => self.module_name = Some(text),
            "pin-source" => self.pin_source = Some(file(&text)?),
            PIN_VALUE => return Err("it holds a PIN".to_owned()),
            _ => {
                return Err(format!(
                    "{} is not read here; there are token, object, id, serial, manufacturer, model, slot-id, type, module-path, module-name and pin-source",
                    quoted(name)
                ));
            }
        }
        Ok(())
    }

    /// A key without the PIN in it, and the PIN. A PIN that is badly escaped stays where it is, for [`Self::parse`] to
    /// refuse.
    pub(crate) fn split_pin(key: &Path) -> (PathBuf, Option<Passphrase>) {
        match key.to_str().filter(|_| Self::is(key)).and_then(split) {
            Some((uri, pin)) => (uri.into(), Some(Passphrase::new(&pin))),
            None => (key.to_owned(), None),
        }
    }

    /// Checks a scenario's key, if it is a URI.
    pub(super) fn check(key: Option<&Path>, place: &'static str) -> Result<(), Problem> {
        match key.filter(|key| Self::is(key)).map(Self::parse) {
            Some(Err(cause)) => Err(Problem::new(
                place,
                format!("the PKCS#11 URI cannot be used: {cause}"),
                "write pkcs11:token=NAME;object=NAME?module-path=FILE (RFC 7512), and give the PIN with pass-file or pass-env (--pass-file, --pass-env)",
            )),
            _ => Ok(()),
        }
    }
}

/// A URI without its one PIN, and the PIN; `None` if there is none to take.
fn split(text: &str) -> Option<(String, String)> {
    let is_pin = |attribute: &&str| {
        let name = attribute.split_once('=').map(|(name, _)| name);
        name == Some(PIN_VALUE)
    };
    let mut pins = attributes(text).filter(is_pin);
    let (Some(pin), None) = (pins.next(), pins.next()) else {
        return None;
    };
    let value = pin.get(PIN_VALUE.len() + 1..)?;
    let pin = String::from_utf8(decoded(value)?).ok()?;
    let (scheme, rest) = text.split_at_checked(SCHEME.len())?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let others = |part: &str, separator: char| {
        let kept = part.split(separator).filter(|attribute| !is_pin(attribute));
        kept.collect::<Vec<_>>().join(&separator.to_string())
    };
    let mut uri = format!("{scheme}{}", others(path, ';'));
    let query = others(query, '&');
    if !query.is_empty() {
        uri.push('?');
        uri.push_str(&query);
    }
    Some((uri, pin))
}

/// The attributes of a URI, `NAME=VALUE` each.
fn attributes(text: &str) -> impl Iterator<Item = &str> {
    let text = text.get(SCHEME.len()..).unwrap_or_default();
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    path.split(';')
        .chain(query.split('&'))
        .filter(|attribute| !attribute.is_empty())
}

/// A value without its percent escapes.
fn decoded(value: &str) -> Option<Vec<u8>> {
    let mut bytes = value.bytes();
    let mut out = Vec::with_capacity(value.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
                u8::try_from(high << 4 | low).ok()?
            }
            plain => plain,
        });
    }
    Some(out)
}

/// The file of a `pin-source`: a path, or a `file:` URI of this machine.
fn file(source: &str) -> Result<PathBuf, String> {
    if source.starts_with('|') {
        return Err(
            "pin-source is a command, which is not run; write pin-source=file:…".to_owned(),
        );
    }
    let path = source.strip_prefix("file:").unwrap_or(source);
    let path = match path.strip_prefix("//") {
        Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
        None => path,
    };
    if path.is_empty() {
        return Err("pin-source names no file".to_owned());
    }
    Ok(path.into())
}

fn quoted(name: &str) -> String {
    escape_untrusted(name, NAME_CAP)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<TokenUri, String> {
        TokenUri::parse(Path::new(text))
    }

    #[test]
    fn attributes_are_read_on_both_sides_of_the_question_mark() {
        let uri = parse(
            "pkcs11:token=My%20token;object=a%3Bb;id=%00%ffx;serial=12;manufacturer=M;model=v2;slot-id=7;type=private\
             ?module-path=/usr/lib/x.so&module-name=softhsm2&pin-source=file:///run/pin",
        );
        let expected = TokenUri {
            token: Some("My token".to_owned()),
            manufacturer: Some("M".to_owned()),
            model: Some("v2".to_owned()),
            serial: Some("12".to_owned()),
            slot_id: Some(7),
            object: Some("a;b".to_owned()),
            id: Some(vec![0, 0xff, b'x']),
            module_path: Some("/usr/lib/x.so".into()),
            module_name: Some("softhsm2".to_owned()),
            pin_source: Some("/run/pin".into()),
        };
        assert_eq!(uri, Ok(expected));
        for (source, path) in [
            ("file:/a", "/a"),
            ("file:a/b", "a/b"),
            ("/a%20b", "/a b"),
            ("file://localhost/a", "/a"),
        ] {
            let uri = parse(&format!("PKCS11:object=x;pin-source={source}")).unwrap();
            assert_eq!(uri.pin_source.unwrap(), Path::new(path));
        }
        assert_eq!(parse("pkcs11:"), Ok(TokenUri::default()));
    }

    #[test]
    fn what_cannot_be_used_is_named_and_no_value_is_quoted() {
        for (uri, words) in [
            ("pkcs11:token", "no value"),
            ("pkcs11:object=a;object=s3cret", "object is given twice"),
            ("pkcs11:object=s3cret%2", "object has a bad percent escape"),
            ("pkcs11:object=s3cret%+1", "object has a bad percent escape"),
            ("pkcs11:object=%ff", "object is not text"),
            ("pkcs11:slot-id=s3cret", "slot-id is not a number"),
            ("pkcs11:type=cert", "type=private"),
            ("pkcs11:colour=s3cret", "colour is not read here"),
            ("pkcs11:object=a?module-name=../s3cret", "module-path="),
            ("pkcs11:object=a?pin-source=|s3cret", "is not run"),
            ("pkcs11:object=a?pin-source=file:", "names no file"),
            ("pkcs11:object=a?pin-value=s3cret", "it holds a PIN"),
            ("pkcs11:object=a;pin-value=%s3cret", "bad percent escape"),
        ] {
            let refused = parse(uri).unwrap_err();
            assert!(refused.contains(words), "{uri}: {refused}");
            assert!(!refused.contains("s3cret"), "{uri}: {refused}");
        }
    }

    #[test]
    fn a_pin_is_taken_out_wherever_it_stands() {
        for (given, left) in [
            ("pkcs11:token=a?pin-value=1%262", "pkcs11:token=a"),
            ("pkcs11:token=a;pin-value=1%262;id=b", "pkcs11:token=a;id=b"),
            (
                "pkcs11:token=a?pin-value=1%262&module-name=m",
                "pkcs11:token=a?module-name=m",
            ),
        ] {
            let (key, pin) = TokenUri::split_pin(Path::new(given));
            assert_eq!(key, Path::new(left));
            assert_eq!(pin.unwrap().expose(), "1&2");
        }
        for given in [
            "pkcs11:token=a",
            "pin-value=1",
            "pkcs11:pin-value=%",
            "pkcs11:pin-value=1;pin-value=2",
        ] {
            let (key, pin) = TokenUri::split_pin(Path::new(given));
            assert_eq!((key.as_path(), pin), (Path::new(given), None));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}", attribute in "[a-z-]{1,12}", value in ".{0,20}") {
            for uri in [
                text.clone(),
                format!("pkcs11:{text}"),
                format!("pkcs11:{attribute}={value}?pin-value={text}"),
            ] {
                let _ = TokenUri::parse(Path::new(&uri));
                // A password of its own would be hidden in other tests.
                if let Some((left, _)) = split(&uri) {
                    prop_assert!(split(&left).is_none());
                }
            }
        }

        #[test]
        fn every_value_survives_its_escapes(value in prop::collection::vec(any::<u8>(), 0..20)) {
            let escaped: Vec<String> = value.iter().map(|byte| format!("%{byte:02X}")).collect();
            let uri = parse(&format!("pkcs11:id={}", escaped.concat())).unwrap();
            prop_assert_eq!(uri.id, Some(value));
        }
    }
}

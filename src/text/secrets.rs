//! What must not be shown: parts of our requests that may be tokens or passwords, which servers echo and errors
//! quote, and the values of variables in scenarios. Whoever composes a request or reads a scenario registers them.
//! [`hide`] leaves the former out of text of strangers, [`name_variables`] names the latter in what we print.
//!
//! The list is the process's: a request has one author, and its echo may turn up in any of the many places that show
//! what a server said. ADR 0030 says why.

use std::borrow::Cow;
use std::fmt;
use std::sync::{PoisonError, RwLock};

/// The attribute of a PKCS#11 URI that holds a PIN (RFC 7512 section 2.4).
pub(crate) const PIN_VALUE: &str = "pin-value";

/// Replaces a secret.
pub const REDACTED: &str = "(redacted)";
/// Shorter texts would be found in ordinary words, and are no secret.
const SHORTEST: usize = 6;
/// Shorter values of variables are no secret, and would be found everywhere.
const SHORTEST_VALUE: usize = 3;
/// Shorter values of variables are replaced only as words of their own.
const SHORT_VALUE: usize = 8;
/// So much of the beginning of a secret is taken for it where a text was cut in it, ...
const SHORTEST_PART: usize = 8;
/// ... and so much at the end of the text.
const SHORTEST_END: usize = 4;

/// So often a beginning is looked for in one text.
const MOST_PARTS: usize = 32;

static SECRETS: RwLock<Vec<Secret>> = RwLock::new(Vec::new());

struct Secret {
    text: String,
    kind: Kind,
}

#[derive(Clone, PartialEq)]
enum Kind {
    /// Its beginning is a secret, too.
    Parts,
    Whole,
    /// The value of a variable, with its `${NAME}`.
    Value(String),
}

/// A password. It is left out of everything that is printed or written, and has no other form than [`Self::expose`].
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Passphrase(String);

impl Passphrase {
    /// Takes a password, and keeps it out of all messages from now on.
    pub fn new(text: &str) -> Self {
        keep(text);
        Self(text.to_owned())
    }

    /// The password.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Leaves a text out of everything that is shown from now on, also where it is cut, unless it is too short to be
/// told from others.
pub fn keep(secret: &str) {
    add(secret.trim(), SHORTEST, &Kind::Parts);
}

/// Leaves a text out where the whole of it is there.
pub(crate) fn keep_whole(secret: &str) {
    add(secret.trim(), SHORTEST, &Kind::Whole);
}

/// Lets [`name_variables`] write `${NAME}` for a value.
pub(crate) fn keep_value(name: &str, value: &str) {
    add(value, SHORTEST_VALUE, &Kind::Value(format!("${{{name}}}")));
}

fn add(text: &str, shortest: usize, kind: &Kind) {
    if text.chars().count() < shortest {
        return;
    }
    let mut all = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    let is_value = matches!(kind, Kind::Value(_));
    // Messages quote it as Rust does, too.
    let quoted = format!("{text:?}");
    for form in [text, quoted.trim_matches('"')] {
        let same =
            |known: &Secret| known.text == form && matches!(known.kind, Kind::Value(_)) == is_value;
        if !all.iter().any(same) {
            all.push(Secret {
                text: form.to_owned(),
                kind: kind.clone(),
            });
        }
    }
    // The longer first: one may be a part of another.
    all.sort_by_key(|known| std::cmp::Reverse(known.text.len()));
}

/// A text without the secrets in it, and without what is left of one where the text was cut in it.
pub fn hide(text: &str) -> Cow<'_, str> {
    let all = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
    let mut text = Cow::Borrowed(text);
    for secret in &*all {
        if !matches!(secret.kind, Kind::Value(_)) && text.contains(&secret.text) {
            text = Cow::Owned(text.replace(&secret.text, REDACTED));
        }
    }
    for secret in all.iter().filter(|secret| secret.kind == Kind::Parts) {
        // The replacement could begin like a secret.
        for _ in 0..MOST_PARTS {
            let Some((from, to)) = part_of(&text, &secret.text) else {
                break;
            };
            text = Cow::Owned(format!("{}{REDACTED}{}", &text[..from], &text[to..]));
        }
    }
    text
}

/// A text with the names of variables in place of their values.
pub fn name_variables(text: &str) -> String {
    let all = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
    let mut text = text.to_owned();
    for secret in &*all {
        if let Kind::Value(name) = &secret.kind {
            text = replace_words(&text, &secret.text, name);
        }
    }
    text
}

/// Replaces a value, a short one only where it is no part of another word.
fn replace_words(text: &str, value: &str, name: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(value) {
        out.push_str(before);
        let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let inside = word(out.chars().last()) || word(after.chars().next());
        let stays = inside && value.chars().count() < SHORT_VALUE;
        out.push_str(if stays { value } else { name });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Where the beginning of a secret stands in a text.
fn part_of(text: &str, secret: &str) -> Option<(usize, usize)> {
    let cut = |at: usize| {
        secret
            .char_indices()
            .nth(at)
            .map(|(byte, _)| &secret[..byte])
    };
    let from = cut(SHORTEST_PART).and_then(|part| text.find(part));
    let at_the_end = || {
        let mut ends = (SHORTEST_END..SHORTEST_PART).rev().filter_map(cut);
        let end = ends.find(|part| text.ends_with(part))?;
        Some(text.len() - end.len())
    };
    let from = from.or_else(at_the_end)?;
    let same = text[from..].chars().zip(secret.chars());
    let length: usize = (same.take_while(|(a, b)| a == b))
        .map(|(c, _)| c.len_utf8())
        .sum();
    Some((from, from + length))
}

/// A text without the PINs of PKCS#11 URIs in it. Most are too short for [`hide`] to find elsewhere.
pub fn hide_pin(text: &str) -> Cow<'_, str> {
    let Some((before, rest)) = text.split_once(PIN_VALUE) else {
        return Cow::Borrowed(text);
    };
    let Some(value) = rest.strip_prefix('=') else {
        return Cow::Owned(format!("{before}{PIN_VALUE}{}", hide_pin(rest)));
    };
    let after = &value[value.find(['&', ';']).unwrap_or(value.len())..];
    Cow::Owned(format!("{before}{PIN_VALUE}={REDACTED}{}", hide_pin(after)))
}

/// An address as it may be shown: without user and password, query and fragment. Takes any text, so that errors
/// can quote what is not an address.
pub fn public_part(address: &str) -> String {
    let address = &*hide_pin(address);
    let (scheme, rest) = match address.find("://") {
        Some(at) => address.split_at(at + 3),
        None => ("", address),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let authority = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{REDACTED}@{host}"),
        None => authority.to_owned(),
    };
    let path = match path.find(['?', '#']) {
        Some(at) => format!("{}{REDACTED}", &path[..=at]),
        None => path.to_owned(),
    };
    format!("{scheme}{authority}{path}")
}

/// A type error of serde without the value: `invalid type: string, expected u64`.
pub(crate) fn without_value(message: &str) -> String {
    let found = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|words| Some(message.find(words)? + words.len()));
    let parts = found.and_then(|from| {
        let (before, rest) = message.split_at(from);
        let (value, expected) = rest.split_at(rest.rfind(", expected")?);
        let kind = value.split(['"', '`']).next().unwrap_or_default();
        Some(format!("{before}{}{expected}", kind.trim_end()))
    });
    parts.unwrap_or_else(|| message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_not_shown_however_it_is_quoted_or_cut() {
        keep("tok\"en-4711-of-a-test");
        keep("tok\"en-4711-of-a-test-and-more");
        keep("short");
        keep_whole("name-of-a-header: 42");
        for (text, shown) in [
            (
                "GET /?t=tok\"en-4711-of-a-test HTTP",
                "GET /?t=(redacted) HTTP",
            ),
            ("a tok\"en-4711-of-a-test-and-more b", "a (redacted) b"),
            (
                r#"not HTTP: "x tok\"en-4711-of-a-test y""#,
                r#"not HTTP: "x (redacted) y""#,
            ),
            (
                r#"not HTTP: "GET /?t=tok\"en-4711"…"#,
                r#"not HTTP: "GET /?t=(redacted)"…"#,
            ),
            ("GET /?t=tok\"en-47", "GET /?t=(redacted)"),
            ("GET /?t=tok\"e", "GET /?t=(redacted)"),
            ("a tok\"e b", "a tok\"e b"),
            ("not name-of-a-header: but", "not name-of-a-header: but"),
            ("name-of-a-header: 42 x", "(redacted) x"),
            ("a short tok", "a short tok"),
        ] {
            assert_eq!(hide(text), shown);
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_is_named_by_its_type() {
        for (message, shown) in [
            (
                r#"invalid type: string "a, expected b", expected a sequence"#,
                "invalid type: string, expected a sequence",
            ),
            (
                "invalid type: integer `5`, expected a string",
                "invalid type: integer, expected a string",
            ),
            (
                "x: invalid value: string \"s\", expected y",
                "x: invalid value: string, expected y",
            ),
            (
                "invalid type: map, expected a string",
                "invalid type: map, expected a string",
            ),
            ("unknown field `x`", "unknown field `x`"),
        ] {
            assert_eq!(without_value(message), shown);
        }
    }

    #[test]
    fn addresses_are_shown_without_what_may_be_a_secret() {
        for (address, shown) in [
            ("https://h:1/p", "https://h:1/p"),
            (
                "https://u:p@h:1/p?t=s#f",
                "https://(redacted)@h:1/p?(redacted)",
            ),
            ("u:p@ss@h?t=s", "(redacted)@h?(redacted)"),
            ("https://h#s", "https://h#(redacted)"),
            ("h:443:10.0.0.1", "h:443:10.0.0.1"),
            (
                "--key=pkcs11:token=a;pin-value=s3;id=b",
                "--key=pkcs11:token=a;pin-value=(redacted);id=b",
            ),
            ("pin-value pin-value=s", "pin-value pin-value=(redacted)"),
            ("", ""),
        ] {
            assert_eq!(public_part(address), shown);
        }
    }
}

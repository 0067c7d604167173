//! Text that is safe to show: escaping for what strangers send, quoting for commands we print, and where
//! in a TOML file a key stands. Knows nothing of TLS or certificates. Lengths are in `char`s, not bytes.

mod labelled;
pub mod secrets;

use std::fmt::Write;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(crate) use labelled::labelled;

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// Text with an ANSI style, such as `1;31`, where there is colour.
pub(crate) fn paint(text: &str, style: &str, color: bool) -> String {
    if color && !style.is_empty() {
        format!("\u{1b}[{style}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// The length, in characters, that reports give one string sent by a peer.
pub const UNTRUSTED_CAP: usize = 256;

/// Marks a cut; counts towards the cap.
const ELLIPSIS: char = '…';

/// Makes a string that a stranger chose safe to print in a terminal, a log or a report.
///
/// Control characters (so also ESC sequences and newlines), bidirectional marks, zero-width and other
/// invisible characters become `\u{..}`, and so does the backslash, which keeps the escaping unambiguous.
/// The result has at most `cap` characters; when something was cut, the last of them is `…` and no
/// escape is left in half. Markup is not escaped: HTML and CSV writers still do their own. What a server only
/// repeats of our own [`secrets`] is left out.
pub fn escape_untrusted(text: &str, cap: usize) -> String {
    let text = secrets::hide(text);
    let mut out = String::new();
    let mut len = 0;
    // Where to cut should the text turn out too long: the last place that leaves room for the ellipsis.
    let mut cut = 0;
    for c in text.chars() {
        let before = out.len();
        if needs_escape(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
        len += out.get(before..).map_or(0, |added| added.chars().count());
        if len > cap {
            out.truncate(cut);
            if cap > 0 {
                out.push(ELLIPSIS);
            }
            return out;
        }
        if len < cap {
            cut = out.len();
        }
    }
    out
}

/// Makes visible what could change how a report looks: control characters, bidirectional marks and invisible
/// characters become `\u{..}`. What [`escape_untrusted`] made stays as it is, so this is for what is written out
/// once more. Markup is not escaped.
pub(crate) fn defuse(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\\' && needs_escape(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// The first line of bytes that say something, for showing how an answer begins; not yet escaped.
pub(crate) fn first_line(bytes: &[u8]) -> String {
    let mut lines = bytes.split(|byte| matches!(byte, b'\r' | b'\n'));
    let line = lines.find(|line| !line.is_empty()).unwrap_or_default();
    String::from_utf8_lossy(line).into_owned()
}

/// Makes a report of ours that may quote strangers safe to print: what [`defuse`] makes visible, except that line
/// breaks and tabs stay, and, where `colors` are wanted, what sets them (SGR sequences).
pub fn for_terminal(text: &str, colors: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let sgr = if colors { sgr_length(rest) } else { 0 };
        let taken = if sgr > 0 { sgr } else { c.len_utf8() };
        let (now, later) = rest.split_at(taken);
        if sgr > 0 || "\n\t\\".contains(c) || !needs_escape(c) {
            out.push_str(now);
        } else {
            out.extend(c.escape_unicode());
        }
        rest = later;
    }
    out
}

/// How many bytes at the beginning of a text set a colour.
fn sgr_length(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix("\u{1b}[") else {
        return 0;
    };
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';');
    match end {
        Some(end) if parameters[end..].starts_with('m') => 2 + end + 1,
        _ => 0,
    }
}

/// Makes JSON safe to print: what [`defuse`] makes visible is escaped as JSON does it, so that it reads the same.
pub fn for_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || c == '\\' || !needs_escape(c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// The words of an error that a library names in CamelCase only: `NoCipherSuitesInCommon` becomes
/// `no cipher suites in common`. What a variant holds, in brackets, is left out.
pub(crate) fn words(name: &str) -> String {
    let end = name.find(|c: char| !c.is_ascii_alphanumeric());
    let name = name.get(..end.unwrap_or(name.len())).unwrap_or_default();
    let letters = name.as_bytes();
    let upper = |at: usize| letters.get(at).is_some_and(u8::is_ascii_uppercase);
    let lower = |at: usize| letters.get(at).is_some_and(u8::is_ascii_lowercase);
    let begins = |at: &usize| *at > 0 && upper(*at) && (!upper(*at - 1) || lower(*at + 1));
    let mut cuts = vec![0];
    cuts.extend((0..letters.len()).filter(begins));
    cuts.push(letters.len());
    let words = cuts.windows(2).map(|pair| {
        let word = name.get(pair[0]..pair[1]).unwrap_or_default();
        let abbreviation = word.len() > 1 && !word.contains(|c: char| c.is_ascii_lowercase());
        if abbreviation {
            word.to_owned()
        } else {
            word.to_ascii_lowercase()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Quotes a word for a POSIX shell, so that a command we print can be pasted whatever the path is.
pub fn shell_quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Groups values by key, in the order of first appearance.
pub(crate) fn grouped<K: PartialEq, V>(
    pairs: impl IntoIterator<Item = (K, V)>,
) -> Vec<(K, Vec<V>)> {
    let mut groups: Vec<(K, Vec<V>)> = Vec::new();
    for (key, value) in pairs {
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) => values.push(value),
            None => groups.push((key, vec![value])),
        }
    }
    groups
}

/// Whether a character could change how the text around it is shown, or be invisible.
fn needs_escape(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\\'
            | '\u{ad}' // soft hyphen
            | '\u{34f}' // combining grapheme joiner
            | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' // bidi
            | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // hangul fillers
            | '\u{17b4}' | '\u{17b5}' // khmer inherent vowels
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
            | '\u{2028}' | '\u{2029}' // line and paragraph separators
            | '\u{fe00}'..='\u{fe0f}' // variation selectors
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}' // musical beams and slurs
            | '\u{e0000}'..='\u{e0fff}' // tags and more variation selectors
        )
}

/// The line (from 1) of a byte offset.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    1 + text.get(..offset).unwrap_or(text).matches('\n').count()
}

/// The line of a TOML document on which the key with this path, or else its nearest written parent,
/// stands. A number in the path is a place in a list, from 0.
pub(crate) fn line_of_key(text: &str, path: &[&str]) -> Option<usize> {
    let table = DeTable::parse(text).ok()?;
    let span = table.span();
    let mut current = &Spanned::new(span, DeValue::Table(table.into_inner()));
    let mut found = None;
    for part in path {
        let (at, value) = match current.get_ref() {
            DeValue::Table(table) => {
                let entry = table.iter().find(|(key, _)| key.get_ref() == part);
                let Some((key, value)) = entry else { break };
                (key.span().start, value)
            }
            DeValue::Array(array) => {
                let element = part.parse().ok().and_then(|index: usize| array.get(index));
                let Some(value) = element else { break };
                (value.span().start, value)
            }
            _ => break,
        };
        found = Some(line_at(text, at));
        current = value;
    }
    found
}

/// The first control character in the strings and keys of a TOML document that text of people has no use for, with
/// its line: all but line breaks and tabs, and those that turn the direction of writing.
pub(crate) fn control_in_toml(text: &str) -> Option<(usize, char)> {
    let table = DeTable::parse(text).ok()?;
    let (at, c) = control_in_table(table.get_ref())?;
    Some((line_at(text, at), c))
}

fn control_in_table(table: &DeTable<'_>) -> Option<(usize, char)> {
    table.iter().find_map(|(key, value)| {
        let in_key = control_in(key.get_ref(), key.span().start);
        in_key.or_else(|| control_in_value(value))
    })
}

fn control_in_value(value: &Spanned<DeValue<'_>>) -> Option<(usize, char)> {
    match value.get_ref() {
        DeValue::String(text) => control_in(text, value.span().start),
        DeValue::Array(items) => items.iter().find_map(control_in_value),
        DeValue::Table(table) => control_in_table(table),
        _ => None,
    }
}

fn control_in(text: &str, at: usize) -> Option<(usize, char)> {
    let turns = |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let useless = |c: &char| c.is_control() && !"\n\r\t".contains(*c) || turns(*c);
    text.chars().find(useless).map(|c| (at, c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variants_become_words() {
        for (name, expected) in [
            ("NoCipherSuitesInCommon", "no cipher suites in common"),
            ("UnsupportedCRLVersion", "unsupported CRL version"),
            ("BadDer", "bad der"),
            ("Unknown(17)", "unknown"),
            ("", ""),
        ] {
            assert_eq!(words(name), expected);
        }
    }

    #[test]
    fn keys_are_found_where_they_stand() {
        let text = "[a]\nb = 1\n[c.d]\ne = 2\n[c.\"x.y\"]\nf = 3\n";
        assert_eq!(line_of_key(text, &["a", "b"]), Some(2));
        assert_eq!(line_of_key(text, &["c", "d", "e"]), Some(4));
        assert_eq!(line_of_key(text, &["c", "x.y", "f"]), Some(6));
        assert_eq!(line_of_key(text, &["a", "x"]), Some(1));
        assert_eq!(line_of_key(text, &["z"]), None);
        let lists = "[[a]]\nb = 1\n[[a]]\nb = [\n1,\n2]\n";
        assert_eq!(line_of_key(lists, &["a", "1", "b"]), Some(4));
        assert_eq!(line_of_key(lists, &["a", "1", "b", "1"]), Some(6));
        assert_eq!(line_of_key(lists, &["a", "1", "c"]), Some(3));
    }

    #[test]
    fn control_characters_in_toml_are_found_where_they_stand() {
        for (text, found) in [
            ("a = 1\nb = \"x\\ty\\n\u{200d}ž\"\n", None),
            ("a = 1\nb = \"\\u001b[2J\"\n", Some((2, '\u{1b}'))),
            ("[a]\n\"b\\u009b\" = 1\n", Some((2, '\u{9b}'))),
            ("[[a]]\nb = [1, \"\u{202e}\"]\n", Some((2, '\u{202e}'))),
            ("broken", None),
        ] {
            assert_eq!(control_in_toml(text), found, "{text}");
        }
    }

    #[test]
    fn groups_keep_the_order_in_which_they_come() {
        let pairs = [("b", 1), ("a", 2), ("b", 3)];
        assert_eq!(grouped(pairs), [("b", vec![1, 3]), ("a", vec![2])]);
        assert!(grouped::<&str, u8>([]).is_empty());
    }

    #[test]
    fn plain_text_is_left_alone() {
        for text in ["", "CN=client-0", "O=Žižkov, L=東京", "<b>&\"'"] {
            assert_eq!(escape_untrusted(text, UNTRUSTED_CAP), text);
        }
    }

    #[test]
    fn terminal_sequences_are_defused() {
        assert_eq!(
            escape_untrusted("a\u{1b}[31mred\u{7}\r\nx\u{9b}0m", UNTRUSTED_CAP),
            r"a\u{1b}[31mred\u{7}\u{d}\u{a}x\u{9b}0m"
        );
    }

    #[test]
    fn bidirectional_and_invisible_characters_are_shown() {
        assert_eq!(
            escape_untrusted("exe\u{202e}gpj\u{2066}.\u{200b}\u{feff}", UNTRUSTED_CAP),
            r"exe\u{202e}gpj\u{2066}.\u{200b}\u{feff}"
        );
    }

    #[test]
    fn no_character_that_changes_what_is_around_it_passes() {
        let controls = ('\0'..='\u{1f}').chain('\u{7f}'..='\u{9f}');
        let bidi = ['\u{61c}', '\u{200e}', '\u{200f}'].into_iter();
        let bidi = bidi.chain('\u{202a}'..='\u{202e}');
        let bidi = bidi.chain('\u{2066}'..='\u{2069}');
        let unseen = [
            '\u{ad}',
            '\u{2060}',
            '\u{2061}',
            '\u{feff}',
            '\u{17b4}',
            '\u{1d173}',
        ];
        let unseen = unseen.into_iter().chain('\u{200b}'..='\u{200d}');
        let breaks = ['\u{2028}', '\u{2029}'];
        for c in controls.chain(bidi).chain(unseen).chain(breaks) {
            let shown = escape_untrusted(&format!("a{c}b"), UNTRUSTED_CAP);
            assert_eq!(shown, format!("a{}b", c.escape_unicode()));
        }
    }

    #[test]
    fn a_forged_escape_cannot_be_mistaken_for_ours() {
        assert_eq!(escape_untrusted(r"\u{1b}", UNTRUSTED_CAP), r"\u{5c}u{1b}");
    }

    #[test]
    fn what_was_escaped_is_written_out_as_it_is() {
        let once = escape_untrusted("a\u{202e}b\\", UNTRUSTED_CAP);
        assert_eq!(defuse(&once), once);
        assert_eq!(defuse("a\u{202e}\u{1b}\nb"), r"a\u{202e}\u{1b}\u{a}b");
    }

    #[test]
    fn only_line_breaks_tabs_and_wanted_colours_reach_a_terminal() {
        let text = "a\n\tb\\ \u{1b}[1;31mred\u{1b}[0m \u{1b}[2J\u{1b}]0;x\u{7}\u{9b}31m\u{202e}";
        let rest = r" \u{1b}[2J\u{1b}]0;x\u{7}\u{9b}31m\u{202e}";
        assert_eq!(
            for_terminal(text, true),
            format!("a\n\tb\\ \u{1b}[1;31mred\u{1b}[0m{rest}")
        );
        assert_eq!(
            for_terminal(text, false),
            format!("a\n\tb\\ \\u{{1b}}[1;31mred\\u{{1b}}[0m{rest}")
        );
    }

    #[test]
    fn json_that_is_safe_to_print_reads_the_same() {
        let value = "\u{1b}[31m\u{9b}0m\u{7f}\u{202e}\u{e0001}\\ž\n";
        let text = for_json(&serde_json::to_string(value).unwrap());
        assert!(
            text.chars().all(|c| c == '\\' || !needs_escape(c)),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), value);
    }

    #[test]
    fn the_cap_counts_what_is_shown_and_never_splits_an_escape() {
        assert_eq!(escape_untrusted("abcd", 4), "abcd");
        assert_eq!(escape_untrusted("abcde", 4), "abc…");
        assert_eq!(escape_untrusted("ab\u{1b}", 8), r"ab\u{1b}");
        assert_eq!(escape_untrusted("ab\u{1b}", 7), "ab…");
        assert_eq!(escape_untrusted("ab\u{1b}c", 8), "ab…");
        assert_eq!(escape_untrusted("abc", 0), "");
        assert_eq!(escape_untrusted("abc", 1), "…");
        let long = escape_untrusted(&"\u{202e}".repeat(10_000), UNTRUSTED_CAP);
        assert!(long.chars().count() <= UNTRUSTED_CAP && long.ends_with("}…"));
    }

    #[test]
    fn the_first_line_says_how_bytes_begin() {
        for (bytes, line) in [
            (&b"220 mail\r\nmore"[..], "220 mail"),
            (b"\r\n\nx\r", "x"),
            (b"\r\n", ""),
            (b"", ""),
        ] {
            assert_eq!(first_line(bytes), line);
        }
    }

    #[test]
    fn shell_words_are_quoted_only_when_they_must_be() {
        assert_eq!(shell_quote("pki/client-0.pem"), "pki/client-0.pem");
        assert_eq!(shell_quote("my keys/a.pem"), "'my keys/a.pem'");
        assert_eq!(shell_quote("it's"), r"'it'\''s'");
        assert_eq!(shell_quote(""), "''");
    }
}

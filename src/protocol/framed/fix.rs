//! FIX messages (FIX Session Layer, tag=value encoding): fields, length, checksum, and the few messages that
//! keep a session.

/// The separator of fields.
const SOH: u8 = 1;
/// Longest beginning of a message: its version and length.
const LONGEST_HEAD: usize = 64;
/// Bytes of the checksum field with its separator.
const TRAILER: usize = 7;
/// Who sends to whom: the fields that every message of a session repeats.
const PARTIES: [&str; 6] = ["49", "50", "142", "56", "57", "143"];
/// What is set for each message: version, length, checksum, number and time.
const OURS: [&str; 5] = ["8", "9", "10", "34", "52"];

/// Bytes of the message at the beginning of `buffer`; none while it is not whole.
///
/// Fails if it is no message or its checksum is wrong.
pub(super) fn complete(buffer: &[u8]) -> Result<Option<usize>, String> {
    let begins = b"8=FIX";
    if !buffer.starts_with(&begins[..buffer.len().min(begins.len())]) {
        return Err("a message does not begin with 8=FIX".to_owned());
    }
    let head = &buffer[..buffer.len().min(LONGEST_HEAD)];
    let mut ends = head.iter().enumerate().filter(|(_, byte)| **byte == SOH);
    let (Some((version, _)), Some((length, _))) = (ends.next(), ends.next()) else {
        let long = buffer.len() >= LONGEST_HEAD;
        return if long {
            Err("a message has no length".to_owned())
        } else {
            Ok(None)
        };
    };
    let digits = head[version + 1..length].strip_prefix(b"9=");
    let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
    let body: Option<usize> = digits.and_then(|digits| digits.parse().ok());
    let body = body.filter(|body| *body <= super::frame::FRAME_CAP);
    let body = body.ok_or_else(|| "a message has no length that can be used".to_owned())?;
    let sum_at = length + 1 + body;
    let Some(trailer) = buffer.get(sum_at..sum_at + TRAILER) else {
        return Ok(None);
    };
    if *trailer != *trailer_of(&buffer[..sum_at]).as_bytes() {
        return Err("the length or the checksum of a message is wrong".to_owned());
    }
    Ok(Some(sum_at + TRAILER))
}

/// The checksum field of the bytes before it.
fn trailer_of(bytes: &[u8]) -> String {
    let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    format!("10={sum:03}\x01")
}

/// The value of a field.
pub(super) fn field<'m>(message: &'m [u8], tag: &str) -> Option<&'m [u8]> {
    fields(message)
        .find(|(name, _)| *name == tag.as_bytes())
        .map(|(_, value)| value)
}

fn fields(message: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    message.split(|byte| *byte == SOH).filter_map(|field| {
        let equals = field.iter().position(|byte| *byte == b'=')?;
        Some((&field[..equals], &field[equals + 1..]))
    })
}

/// A message without what is set when it is sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template {
    version: Vec<u8>,
    kind: Vec<u8>,
    /// Its other fields, each with its separator.
    rest: Vec<u8>,
}

impl Template {
    /// The messages of a file, fields separated by SOH or `|`.
    pub(super) fn all(text: &[u8]) -> Result<Vec<Self>, &'static str> {
        let mut text = text.to_vec();
        if !text.contains(&SOH) {
            text.iter_mut()
                .filter(|byte| **byte == b'|')
                .for_each(|byte| *byte = SOH);
        }
        text.retain(|byte| !matches!(byte, b'\r' | b'\n'));
        let mut templates: Vec<Self> = Vec::new();
        for (tag, value) in fields(&text) {
            if tag == b"8" {
                let version = value.to_vec();
                templates.push(Self {
                    version,
                    kind: Vec::new(),
                    rest: Vec::new(),
                });
                continue;
            }
            let template = templates.last_mut().ok_or("a message begins with 8=FIX…")?;
            if tag == b"35" {
                template.kind = value.to_vec();
            } else if !OURS.iter().any(|ours| ours.as_bytes() == tag) {
                push(&mut template.rest, tag, value);
            }
        }
        if templates.iter().any(|template| template.kind.is_empty()) {
            return Err("a message has no type (35=)");
        }
        Ok(templates)
    }

    pub(super) fn is_logon(&self) -> bool {
        self.kind == b"A"
    }

    /// The value of a field.
    pub(super) fn field(&self, tag: &str) -> Option<&[u8]> {
        field(&self.rest, tag)
    }

    /// It with a field more, unless it has that.
    pub(super) fn with(mut self, tag: &str, value: &[u8]) -> Self {
        if self.field(tag).is_none() {
            push(&mut self.rest, tag.as_bytes(), value);
        }
        self
    }

    /// Another message of the same session.
    pub(super) fn sibling(&self, kind: &str) -> Self {
        let mut rest = Vec::new();
        for (tag, value) in fields(&self.rest) {
            if PARTIES.iter().any(|party| party.as_bytes() == tag) {
                push(&mut rest, tag, value);
            }
        }
        Self {
            version: self.version.clone(),
            kind: kind.into(),
            rest,
        }
    }

    /// The answer of the other side, of this kind.
    pub(super) fn reply(message: &[u8], kind: &str) -> Self {
        let value = |tag| field(message, tag).unwrap_or_default().to_vec();
        let reply = Self {
            version: value("8"),
            kind: kind.into(),
            rest: Vec::new(),
        };
        reply.with("49", &value("56")).with("56", &value("49"))
    }

    /// Adds it to `out` as message `number` of the session, sent at `time`.
    pub(super) fn compose(&self, number: u64, time: &str, out: &mut Vec<u8>) {
        let mut body = Vec::with_capacity(self.rest.len() + 64);
        push(&mut body, b"35", &self.kind);
        push(&mut body, b"34", number.to_string().as_bytes());
        push(&mut body, b"52", time.as_bytes());
        body.extend_from_slice(&self.rest);
        let begin = out.len();
        push(out, b"8", &self.version);
        push(out, b"9", body.len().to_string().as_bytes());
        out.extend_from_slice(&body);
        let trailer = trailer_of(&out[begin..]);
        out.extend_from_slice(trailer.as_bytes());
    }
}

fn push(out: &mut Vec<u8>, tag: &[u8], value: &[u8]) {
    for part in [tag, b"=", value, &[SOH]] {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGON: &[u8] =
        b"8=FIX.4.4|35=A|49=BUYER|56=VENUE|98=0|108=30|\n8=FIX.4.4|35=D|49=BUYER|56=VENUE|11=1|\n";

    #[test]
    fn what_is_composed_is_whole_and_read_again() {
        let templates = Template::all(LOGON).unwrap();
        assert_eq!(templates.len(), 2);
        assert!(templates[0].is_logon() && !templates[1].is_logon());
        let mut out = Vec::new();
        templates[0].compose(7, "20261130-00:00:00.000", &mut out);
        assert_eq!(complete(&out), Ok(Some(out.len())));
        assert_eq!(field(&out, "34"), Some(&b"7"[..]));
        assert_eq!(field(&out, "108"), Some(&b"30"[..]));
        assert!(out.starts_with(b"8=FIX.4.4\x019="));
        let last = out.len() - 3;
        out[last] ^= 1;
        assert!(complete(&out).is_err(), "a wrong checksum");
    }

    #[test]
    fn a_sibling_has_the_same_parties_and_a_reply_the_other_way_round() {
        let logon = &Template::all(LOGON).unwrap()[0];
        let sibling = logon.sibling("1").with("112", b"x");
        assert_eq!(sibling.field("49"), Some(&b"BUYER"[..]));
        assert_eq!(sibling.field("98"), None);
        let mut out = Vec::new();
        sibling.compose(1, "t", &mut out);
        let reply = Template::reply(&out, "0");
        assert_eq!(reply.field("49"), Some(&b"VENUE"[..]));
    }

    #[test]
    fn a_file_without_messages_is_refused() {
        for wrong in [&b"35=A|"[..], b"8=FIX.4.4|49=A|"] {
            assert!(Template::all(wrong).is_err());
        }
        assert_eq!(Template::all(b""), Ok(Vec::new()));
    }
}

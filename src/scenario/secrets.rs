//! What a scenario may hold that is nobody else's business: header values and URL queries may be tokens.

use super::LARGEST_PAYLOAD;
use super::Scenario;
use crate::files::read_capped;
use crate::text::secrets::{REDACTED, keep, keep_whole, public_part};

/// No message of a server is longer, in bytes.
const MOST_ECHOED: usize = 4 << 10;

/// Headers whose values say nothing about who sends them.
const PUBLIC: [&str; 14] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-language",
    "content-type",
    "expect",
    "host",
    "pragma",
    "te",
    "upgrade",
    "user-agent",
];

impl Scenario {
    /// A copy for the record: header values, bodies and what of a URL may be a token or password are left out.
    #[must_use]
    pub(crate) fn without_secrets(&self) -> Self {
        let mut copy = self.clone();
        for header in &mut copy.protocol.headers {
            REDACTED.clone_into(&mut header.value);
        }
        let protocol = &mut copy.protocol;
        for body in [&mut protocol.data, &mut protocol.data_hex]
            .into_iter()
            .flatten()
        {
            REDACTED.clone_into(body);
        }
        for text in [&mut copy.target.url, &mut copy.protocol.path]
            .into_iter()
            .flatten()
        {
            *text = public_part(text);
        }
        copy
    }

    /// Leaves what may be a secret out of everything that is shown from now on, as servers echo it.
    pub(crate) fn keep_secrets(&self) {
        let protocol = &self.protocol;
        let public = |name: &str| PUBLIC.iter().any(|known| name.eq_ignore_ascii_case(known));
        for header in protocol.headers.iter().filter(|h| !public(&h.name)) {
            keep_whole(&format!("{}: {}", header.name.to_lowercase(), header.value));
            keep_parts(&header.value);
        }
        for body in [&protocol.data, &protocol.data_hex].into_iter().flatten() {
            keep_body(body.as_bytes());
        }
        let file = protocol.data_file.as_ref();
        if let Some(bytes) = file.and_then(|path| read_capped(path, LARGEST_PAYLOAD).ok()) {
            keep_body(&bytes);
        }
        for text in [&self.target.url, &protocol.path].into_iter().flatten() {
            if let Some(at) = text.find(['?', '#']) {
                keep(&text[at..]);
                keep_parts(&text[at + 1..]);
            }
        }
    }
}

/// As much of a body as may come back in a message, and each of its lines.
fn keep_body(bytes: &[u8]) {
    let beginning = &bytes[..bytes.len().min(MOST_ECHOED)];
    let text = String::from_utf8_lossy(beginning);
    keep(&text);
    text.lines().for_each(keep_parts);
}

/// A text, and the words in it that are long enough to be keys by themselves.
fn keep_parts(text: &str) {
    /// No password is shorter, and few words of requests are so long.
    const KEY: usize = 8;
    keep(text);
    for part in text.split([' ', ';', ',', '&', '=', '"']) {
        if part.len() >= KEY {
            keep(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Header;
    use super::*;
    use crate::text::secrets::hide;

    #[test]
    fn what_a_request_carries_is_not_shown() {
        let mut scenario = Scenario::default();
        scenario.target.url = Some("https://h/p?token=Sesame4711&x=1#frag".to_owned());
        for (name, value) in [
            ("Authorization", "Bearer open-sesame-4712"),
            ("X-Pin", "99"),
            ("Content-Type", "application/json"),
        ] {
            scenario.protocol.headers.push(Header {
                name: name.to_owned(),
                value: value.to_owned(),
            });
        }
        scenario.keep_secrets();
        for secret in [
            "GET /p?token=Sesame4711&x=1#frag HTTP/1.1",
            "Sesame4711",
            "open-sesame-4712",
            "x-pin: 99",
        ] {
            let shown = hide(secret);
            assert!(shown.contains(REDACTED), "{shown}");
            assert!(!shown.contains("4711") && !shown.contains("99"), "{shown}");
        }
        assert_eq!(hide("application/json"), "application/json");
        let kept = scenario.without_secrets();
        assert_eq!(kept.target.url.unwrap(), "https://h/p?(redacted)");
        assert!(kept.protocol.headers.iter().all(|h| h.value == REDACTED));
    }
}

//! What a `PostgreSQL` server says after the start-up, in one line for a probe.

use super::reader::{Reader, error};
use crate::text::escape_untrusted;

/// Most characters that are told.
const MOST_TOLD: usize = 160;

/// What the beginning of a server's data says.
pub(super) fn tell(answer: &[u8]) -> Option<String> {
    let (mut user, mut version) = (None, None);
    let mut reader = Reader::default();
    let mut rest = answer;
    while let Ok(Some(kind)) = reader.feed(&mut rest) {
        let body = reader.body();
        let told = match kind {
            b'S' => {
                let mut parts = body.split(|byte| *byte == 0).map(String::from_utf8_lossy);
                let (name, value) = (parts.next(), parts.next().map(String::from));
                match name.as_deref() {
                    Some("session_authorization") => user = value,
                    Some("server_version") => version = value,
                    _ => {}
                }
                continue;
            }
            b'E' => {
                let error = error(body);
                format!(
                    "ErrorResponse {}, {}",
                    error.code.escape_ascii(),
                    error.message
                )
            }
            b'Z' => {
                let user = user.map_or(String::new(), |user| format!(" for user {user}"));
                let version =
                    version.map_or(String::new(), |version| format!(", server {version}"));
                format!("ReadyForQuery{user}{version}")
            }
            _ => continue,
        };
        return Some(escape_untrusted(&told, MOST_TOLD));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::request::sized;
    use super::*;

    #[test]
    fn who_is_let_in_where_is_told_and_why_not() {
        let welcome = [
            sized(b"R", &[0; 4]),
            sized(b"S", b"server_version\x0015.18\0"),
            sized(b"S", b"session_authorization\0app\0"),
            sized(b"Z", b"I"),
        ];
        let told = tell(&welcome.concat());
        assert_eq!(
            told.as_deref(),
            Some("ReadyForQuery for user app, server 15.18")
        );
        let refused = sized(b"E", b"SFATAL\0C28000\0Mno \x1b entry\0\0");
        let told = tell(&refused);
        assert_eq!(
            told.as_deref(),
            Some("ErrorResponse 28000, FATAL: no \\u{1b} entry")
        );
        assert_eq!(tell(&welcome[0]), None);
        assert_eq!(tell(b"HTTP/1.1 400"), None);
    }
}

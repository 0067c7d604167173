//! Messages of `PostgreSQL` out of bytes in whatever pieces, without I/O. Of a message's body only the beginning is kept,
//! so that its length costs no memory.

use crate::text::first_line;

/// So much of a body is kept.
const KEPT: usize = 1024;
/// Longer messages are taken for another protocol: `PostgreSQL`'s own limit is 1 GiB.
const LONGEST: u32 = 1 << 30;

/// What is known of a message so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    head: [u8; 5],
    /// Bytes of the head that came.
    filled: usize,
    body: Vec<u8>,
    /// Bytes of the body to come.
    left: usize,
}

impl Reader {
    /// Takes bytes until a message is complete, and gives its type.
    ///
    /// Fails with what is wrong with its head.
    pub(crate) fn feed(&mut self, bytes: &mut &[u8]) -> Result<Option<u8>, String> {
        while self.filled < self.head.len() {
            let Some((first, rest)) = bytes.split_first() else {
                return Ok(None);
            };
            self.head[self.filled] = *first;
            self.filled += 1;
            *bytes = rest;
            if self.filled == self.head.len() {
                self.begin()?;
            }
        }
        let taken = self.left.min(bytes.len());
        let (body, rest) = bytes.split_at(taken);
        let kept = body.len().min(KEPT.saturating_sub(self.body.len()));
        self.body.extend_from_slice(&body[..kept]);
        self.left -= taken;
        *bytes = rest;
        if self.left > 0 {
            return Ok(None);
        }
        self.filled = 0;
        Ok(Some(self.head[0]))
    }

    fn begin(&mut self) -> Result<(), String> {
        let [kind, length @ ..] = self.head;
        let length = u32::from_be_bytes(length);
        if !kind.is_ascii_alphanumeric() || !(4..=LONGEST).contains(&length) {
            let begin = first_line(&self.head);
            return Err(format!("this is no message: \"{begin}\""));
        }
        self.left = length as usize - 4;
        self.body = Vec::new();
        Ok(())
    }

    /// Whether a message has begun that is not complete.
    pub(crate) fn is_within(&self) -> bool {
        self.filled > 0
    }

    /// The beginning of the body of the message that is complete.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }
}

/// An `ErrorResponse`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServerError {
    /// SQLSTATE; XX000, an internal error, where there is none.
    pub code: [u8; 5],
    pub message: String,
    /// Whether the session ends with it.
    pub is_fatal: bool,
}

/// Reads an error's fields (protocol documentation, section "Error and Notice Message Fields").
pub(super) fn error(body: &[u8]) -> ServerError {
    let field = |kind: &[u8]| {
        let mut fields = body.split(|byte| *byte == 0);
        fields.find_map(|field| field.strip_prefix(kind))
    };
    let code = field(b"C").and_then(|code| <[u8; 5]>::try_from(code).ok());
    let valid = |code: &[u8; 5]| {
        let mut all = code.iter();
        all.all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    let severity = field(b"V").or_else(|| field(b"S")).unwrap_or_default();
    let message = first_line(field(b"M").unwrap_or_default());
    ServerError {
        code: code.filter(valid).unwrap_or(*b"XX000"),
        message: format!("{}: {message}", first_line(severity)),
        is_fatal: matches!(severity, b"FATAL" | b"PANIC"),
    }
}

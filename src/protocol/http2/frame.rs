//! Heads of frames (RFC 9113 section 4.1), for what is read beside h2.

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

/// Of SETTINGS and PING: the answer to one.
pub(super) const ACK: u8 = 1;
/// Of HEADERS, `PUSH_PROMISE` and CONTINUATION: no CONTINUATION follows.
pub(super) const END_HEADERS: u8 = 4;

/// The head of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    /// Bytes of the payload.
    pub length: usize,
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
}

impl Head {
    /// Its bytes.
    pub(super) const SIZE: usize = 9;

    pub(super) fn of(bytes: &[u8; Self::SIZE]) -> Self {
        let [long, length, short, kind, flags, stream @ ..] = *bytes;
        Self {
            length: u32::from_be_bytes([0, long, length, short]) as usize,
            kind,
            flags,
            // The first bit is reserved.
            stream: u32::from_be_bytes(stream) & (u32::MAX >> 1),
        }
    }

    pub(super) fn is_ack(&self) -> bool {
        self.flags & ACK != 0
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            DATA => "DATA",
            HEADERS => "HEADERS",
            PRIORITY => "PRIORITY",
            RST_STREAM => "RST_STREAM",
            SETTINGS => "SETTINGS",
            PUSH_PROMISE => "PUSH_PROMISE",
            PING => "PING",
            GOAWAY => "GOAWAY",
            WINDOW_UPDATE => "WINDOW_UPDATE",
            CONTINUATION => "CONTINUATION",
            _ => "a frame of an unknown type",
        }
    }

    /// Whether a CONTINUATION must follow.
    fn goes_on(&self) -> bool {
        matches!(self.kind, HEADERS | PUSH_PROMISE | CONTINUATION) && self.flags & END_HEADERS == 0
    }
}

/// A frame of the connection.
pub(super) fn bytes(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    // No caller has a longer one than a ping.
    let length = u8::try_from(payload.len()).unwrap_or_default();
    let head = [0, 0, length, kind, flags, 0, 0, 0, 0];
    [&head, payload].concat()
}

/// Follows where frames end in bytes that somebody else reads.
#[derive(Debug, Default)]
pub(super) struct Boundary {
    head: [u8; Head::SIZE],
    /// How much of the head is known.
    known: usize,
    /// Bytes of the payload that are still to come.
    rest: usize,
    /// Whether a CONTINUATION must follow.
    goes_on: bool,
}

impl Boundary {
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.rest > 0 {
                let count = bytes.len().min(self.rest);
                self.rest -= count;
                bytes = &bytes[count..];
                continue;
            }
            let count = bytes.len().min(Head::SIZE - self.known);
            self.head[self.known..][..count].copy_from_slice(&bytes[..count]);
            self.known += count;
            bytes = &bytes[count..];
            if self.known == Head::SIZE {
                let head = Head::of(&self.head);
                self.known = 0;
                self.rest = head.length;
                self.goes_on = head.goes_on();
            }
        }
    }

    /// Whether all that passed are whole frames, and no list of fields waits for its end.
    pub(super) fn is_reached(&self) -> bool {
        self.known == 0 && self.rest == 0 && !self.goes_on
    }
}

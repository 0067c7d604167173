//! A hostile network path: the input decides what happens to a server's bytes on their way to the client. Knows what a
//! client must notice.

/// Bytes of one operation: kind, chunk, offset (two bytes, little endian) and value.
const OPERATION: usize = 5;

/// What happens to one chunk of the server's output; offsets are taken modulo its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    /// Bits of one byte change.
    Flip(usize, u8),
    /// The chunk ends early.
    Truncate(usize),
    /// It comes twice.
    Duplicate,
    /// A small record of the operation's choice comes in between.
    Insert(usize, u8),
    /// It does not come.
    Drop,
    /// It comes after the next one.
    HoldBack,
    /// The connection ends after it.
    Close,
    /// It comes in two segments.
    Split(usize),
}

/// Records an attacker can forge without a key: alerts, a `ChangeCipherSpec`, a `HelloRequest`,
/// an empty fragment, application data, and an oversized header.
const FORGED: [&[u8]; 8] = [
    &[21, 3, 3, 0, 2, 2, 40],
    &[21, 3, 3, 0, 2, 1, 0],
    &[21, 3, 3, 0, 2, 1, 90],
    &[20, 3, 3, 0, 1, 1],
    &[22, 3, 3, 0, 4, 0, 0, 0, 0],
    &[22, 3, 3, 0, 0],
    &[23, 3, 3, 0, 3, 1, 2, 3],
    &[22, 3, 3, 0xff, 0xff],
];

/// Applies operations to the chunks of a server's output, and remembers both sides of it.
#[derive(Debug)]
pub struct Path {
    /// By chunk.
    operations: Vec<(usize, Operation)>,
    chunk: usize,
    held: Vec<u8>,
    closed: bool,
    /// What the server sent.
    pub sent: Vec<u8>,
    /// What was delivered.
    pub delivered: Vec<u8>,
}

impl Path {
    /// Reads the operations from an input; a rest shorter than an operation is ignored.
    pub fn new(input: &[u8]) -> Self {
        let operations = input.chunks_exact(OPERATION).map(|bytes| {
            let offset = usize::from(u16::from_le_bytes([bytes[2], bytes[3]]));
            let value = bytes[4];
            let operation = match bytes[0] % 8 {
                0 => Operation::Flip(offset, value),
                1 => Operation::Truncate(offset),
                2 => Operation::Duplicate,
                3 => Operation::Insert(offset, value),
                4 => Operation::Drop,
                5 => Operation::HoldBack,
                6 => Operation::Close,
                _ => Operation::Split(offset),
            };
            (usize::from(bytes[1] % 8), operation)
        });
        Self {
            operations: operations.collect(),
            chunk: 0,
            held: Vec::new(),
            closed: false,
            sent: Vec::new(),
            delivered: Vec::new(),
        }
    }

    /// Takes the server's next chunk; returns the segments that are delivered in its place.
    pub fn take(&mut self, mut chunk: Vec<u8>) -> Vec<Vec<u8>> {
        self.sent.extend(&chunk);
        let mut cut = 0;
        let mut hold = false;
        let mut close = false;
        for (number, operation) in &self.operations {
            if *number != self.chunk {
                continue;
            }
            let at = |offset: &usize| offset % (chunk.len() + 1);
            match operation {
                Operation::Flip(offset, bits) => {
                    let at = at(offset);
                    if let Some(byte) = chunk.get_mut(at) {
                        *byte ^= bits;
                    }
                }
                Operation::Truncate(offset) => chunk.truncate(at(offset)),
                Operation::Duplicate if chunk.len() < 1 << 16 => chunk.extend_from_within(..),
                Operation::Duplicate => {}
                Operation::Insert(offset, choice) => {
                    let at = at(offset);
                    let forged = FORGED[usize::from(*choice) % FORGED.len()];
                    chunk.splice(at..at, forged.iter().copied());
                }
                Operation::Drop => chunk.clear(),
                Operation::HoldBack => hold = true,
                Operation::Close => close = true,
                Operation::Split(offset) => cut = at(offset),
            }
        }
        self.chunk += 1;
        if hold {
            self.held.append(&mut chunk);
        } else {
            chunk.append(&mut self.held);
        }
        if self.closed {
            chunk.clear();
        }
        self.closed |= close;
        self.delivered.extend(&chunk);
        let second = chunk.split_off(cut.min(chunk.len()));
        [chunk, second]
            .into_iter()
            .filter(|segment| !segment.is_empty())
            .collect()
    }

    /// Whether the connection is to end now.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether the client saw exactly what the server sent.
    pub fn is_untouched(&self) -> bool {
        !self.closed && self.sent == self.delivered
    }

    /// Whether everything that TLS protects in the first `length` bytes sent was delivered.
    ///
    /// Record headers, `ChangeCipherSpec` and plaintext warnings are not protected (RFC 8446 sections 5 and 5.1, RFC 5246
    /// section 6.2), so changes to them may go unnoticed. rustls opens a TLS 1.3 record whatever type its header claims,
    /// so it counts as delivered under any.
    pub fn delivered_intact(&self, length: usize) -> bool {
        let sent = self.sent.get(..length).unwrap_or(&self.sent);
        let sent: Vec<u8> = records(sent)
            .filter(|(kind, _)| is_protected(*kind))
            .flat_map(|(_, content)| content)
            .copied()
            .collect();
        let mut missing = &sent[..];
        for (kind, content) in records(&self.delivered) {
            let counts = is_protected(kind) || content.len() > TAG;
            if let Some(rest) = missing.strip_prefix(content).filter(|_| counts) {
                missing = rest;
            } else if is_protected(kind) {
                return content.starts_with(missing);
            }
        }
        missing.is_empty()
    }
}

/// Bytes that authenticate a record of TLS 1.3; what is not longer was never one.
const TAG: usize = 16;

/// Handshake and application data.
fn is_protected(kind: u8) -> bool {
    [22, 23].contains(&kind)
}

/// Type and content of each record; the last may be cut short.
fn records(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (header, rest) = bytes.split_first_chunk::<5>()?;
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        let (content, rest) = rest.split_at(length.min(rest.len()));
        bytes = rest;
        Some((header[0], content))
    })
}

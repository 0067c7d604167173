//! The pieces of MQTT packets, read and written: lengths, strings, properties (MQTT 5.0 sections 1.5 and 2).

/// The control packets (MQTT 5.0 section 2.1.2).
pub(super) const CONNECT: u8 = 1;
pub(super) const CONNACK: u8 = 2;
pub(super) const PUBLISH: u8 = 3;
pub(super) const PUBACK: u8 = 4;
pub(super) const PINGREQ: u8 = 12;
pub(super) const PINGRESP: u8 = 13;
pub(super) const DISCONNECT: u8 = 14;

/// The properties that are looked at (MQTT 5.0 section 2.2.2.2).
pub(super) const SERVER_KEEP_ALIVE: u8 = 0x13;
pub(super) const ASSIGNED_CLIENT_ID: u8 = 0x12;
pub(super) const REASON_STRING: u8 = 0x1f;
pub(super) const RECEIVE_MAXIMUM: u8 = 0x21;
pub(super) const TOPIC_ALIAS: u8 = 0x23;
pub(super) const MAXIMUM_QOS: u8 = 0x24;
pub(super) const MAXIMUM_PACKET_SIZE: u8 = 0x27;
pub(super) const WILDCARD_SUBSCRIPTION: u8 = 0x28;
pub(super) const SUBSCRIPTION_ID: u8 = 0x29;
pub(super) const SHARED_SUBSCRIPTION: u8 = 0x2a;
const USER_PROPERTY: u8 = 0x26;

/// The properties that each packet may have (MQTT 5.0 section 2.2.2.2), a bit each.
pub(super) const OF_CONNECT: u64 = bits(&[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27]);
pub(super) const OF_WILL: u64 = bits(&[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26]);
pub(super) const OF_CONNACK: u64 = bits(&[
    0x11, 0x12, 0x13, 0x15, 0x16, 0x1a, 0x1c, 0x1f, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29,
    0x2a,
]);
pub(super) const OF_PUBLISH: u64 = bits(&[0x01, 0x02, 0x03, 0x08, 0x09, 0x0b, 0x23, 0x26]);
pub(super) const OF_PUBACK: u64 = bits(&[0x1f, 0x26]);
pub(super) const OF_DISCONNECT: u64 = bits(&[0x11, 0x1c, 0x1f, 0x26]);

const fn bits(ids: &[u8]) -> u64 {
    let (mut mask, mut at) = (0, 0);
    while at < ids.len() {
        mask |= 1 << ids[at];
        at += 1;
    }
    mask
}

/// What is wrong with a packet.
pub(super) type Wrong = &'static str;

/// The beginning of a packet (MQTT 5.0 section 2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Type and flags.
    pub first: u8,
    /// Bytes of it.
    pub length: usize,
    /// Bytes that follow it.
    pub body: usize,
}

impl Head {
    /// Which control packet it is.
    pub(super) fn kind(self) -> u8 {
        self.first >> 4
    }

    /// The flags beside the type.
    pub(super) fn flags(self) -> u8 {
        self.first & 0x0f
    }

    /// Reads it; `None` where not all of it has come.
    ///
    /// Fails on a length of more than four bytes.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, Wrong> {
        let Some((first, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        let length = varint(rest)?;
        Ok(length.map(|(body, used)| Self {
            first: *first,
            length: 1 + used,
            body,
        }))
    }
}

/// Reads a variable byte integer (MQTT 5.0 section 1.5.5) and how many bytes it takes.
fn varint(bytes: &[u8]) -> Result<Option<(usize, usize)>, Wrong> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((value, at + 1)));
        }
    }
    if bytes.len() < 4 {
        return Ok(None);
    }
    Err("a length has more than four bytes")
}

/// Writes a variable byte integer. Its callers keep below the largest there is, 256 MiB.
#[expect(clippy::cast_possible_truncation, reason = "seven bits")]
pub(super) fn put_varint(mut value: usize, into: &mut Vec<u8>) {
    while value > 0x7f {
        into.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

/// Writes a string or binary data with its length (MQTT 5.0 section 1.5.4); cut where it is too long for it.
pub(super) fn put_binary(bytes: &[u8], into: &mut Vec<u8>) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    into.extend_from_slice(&length.to_be_bytes());
    into.extend_from_slice(&bytes[..usize::from(length)]);
}

/// What of a packet was not yet read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The next bytes.
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Wrong> {
        let (taken, rest) = (self.0.split_at_checked(count)).ok_or("it ends in a field")?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Wrong> {
        Ok(self.bytes(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, Wrong> {
        let bytes = self.bytes(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&mut self) -> Result<u32, Wrong> {
        let high = self.u16()?;
        Ok(u32::from(high) << 16 | u32::from(self.u16()?))
    }

    fn varint(&mut self) -> Result<usize, Wrong> {
        let (value, used) = varint(self.0)?.ok_or("it ends in a length")?;
        self.0 = &self.0[used..];
        Ok(value)
    }

    pub(super) fn binary(&mut self) -> Result<&'a [u8], Wrong> {
        let length = self.u16()?;
        self.bytes(usize::from(length))
    }

    /// A string, which is UTF-8 without U+0000 (MQTT 5.0 section 1.5.4).
    pub(super) fn text(&mut self) -> Result<&'a str, Wrong> {
        let text = std::str::from_utf8(self.binary()?).map_err(|_| "a string is not UTF-8")?;
        if text.contains('\0') {
            return Err("a string has a U+0000");
        }
        Ok(text)
    }

    /// Reads the properties, of which only those in `allowed` may occur, and each once but for user properties
    /// (MQTT 5.0 section 2.2.2).
    pub(super) fn properties(
        &mut self,
        allowed: u64,
        mut each: impl FnMut(u8, Value<'a>) -> Result<(), Wrong>,
    ) -> Result<(), Wrong> {
        let length = self.varint()?;
        let mut fields = Fields(self.bytes(length)?);
        let mut seen = 0u64;
        while !fields.is_empty() {
            let id = fields.u8()?;
            let bit = 1u64.checked_shl(id.into()).unwrap_or(0);
            if allowed & bit == 0 {
                return Err("it has a property of other packets");
            }
            if seen & bit != 0 && id != USER_PROPERTY {
                return Err("it has a property twice");
            }
            seen |= bit;
            each(id, fields.value(id)?)?;
        }
        Ok(())
    }

    fn value(&mut self, id: u8) -> Result<Value<'a>, Wrong> {
        Ok(match id {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2a => Value::Number(self.u8()?.into()),
            0x13 | 0x21..=0x23 => Value::Number(self.u16()?.into()),
            0x02 | 0x11 | 0x18 | 0x27 => Value::Number(self.u32()?),
            0x0b => Value::Number(u32::try_from(self.varint()?).unwrap_or(u32::MAX)),
            0x03 | 0x08 | 0x12 | 0x15 | 0x1a | 0x1c | 0x1f => Value::Text(self.text()?),
            0x09 | 0x16 => {
                self.binary()?;
                Value::Other
            }
            USER_PROPERTY => {
                self.text()?;
                self.text()?;
                Value::Other
            }
            _ => return Err("it has a property that MQTT does not know"),
        })
    }
}

/// The value of a property.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Number(u32),
    Text(&'a str),
    /// Binary data, or a pair of strings.
    Other,
}

/// Whether a message can be published under this name (MQTT 5.0 section 4.7).
pub(super) fn is_topic(name: &str) -> bool {
    !name.is_empty() && u16::try_from(name.len()).is_ok() && !name.contains(['+', '#', '\0'])
}

//! What a server sends, packet by packet, wherever it is cut. Knows no stream. Whole packets are read where they
//! lie; only what is not whole is kept.

use super::Version;
use super::wire::{
    CONNACK, DISCONNECT, Fields, Head, MAXIMUM_PACKET_SIZE, MAXIMUM_QOS, OF_CONNACK, OF_DISCONNECT,
    OF_PUBACK, PINGRESP, PUBACK, REASON_STRING, RECEIVE_MAXIMUM, SERVER_KEEP_ALIVE, Value, Wrong,
};

/// Longest packet that is read, in bytes behind its head. Nothing was subscribed to, so all are short.
pub(super) const PACKET_CAP: usize = 16 * 1024;

/// A packet of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Packet {
    Connack(Connack),
    Puback {
        id: u16,
        answer: Answer,
    },
    Pingresp,
    Disconnect(Answer),
    /// One that only clients send, or that a client gets who asked for more.
    Other(u8),
}

impl Packet {
    /// Its name in messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Connack(_) => "CONNACK",
            Self::Puback { .. } => "PUBACK",
            Self::Pingresp => "PINGRESP",
            Self::Disconnect(_) => "DISCONNECT",
            Self::Other(kind) => match kind {
                0 => "packet of type 0",
                1 => "CONNECT",
                3 => "PUBLISH",
                5 => "PUBREC",
                6 => "PUBREL",
                7 => "PUBCOMP",
                8 => "SUBSCRIBE",
                9 => "SUBACK",
                10 => "UNSUBSCRIBE",
                11 => "UNSUBACK",
                12 => "PINGREQ",
                14 => "DISCONNECT",
                _ => "AUTH",
            },
        }
    }
}

/// A code, and what the server says about one that is none of success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub code: u8,
    pub reason: Option<Box<str>>,
}

/// The answer to CONNECT, with what the server allows (MQTT 5.0 section 3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Connack {
    pub session_present: bool,
    pub answer: Answer,
    /// The keep-alive time that counts in place of ours, in seconds.
    pub keep_alive: Option<u16>,
    /// Whether it takes messages at QoS 1.
    pub takes_qos1: bool,
    /// Longest packet that it takes, in bytes.
    pub longest: Option<u32>,
}

/// Reads a server's packets.
#[derive(Debug)]
pub(super) struct Reader {
    version: Version,
    /// What came and was not yet taken.
    kept: Vec<u8>,
}

impl Reader {
    pub(super) fn new(version: Version) -> Self {
        Self {
            version,
            kept: Vec::new(),
        }
    }

    /// Whether part of a packet has come, or more than was taken.
    pub(super) fn has_more(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Takes the next packet from what was kept and then came; `None` where it is not whole.
    ///
    /// Fails on a packet that is malformed or too long.
    pub(super) fn take(&mut self, came: &[u8]) -> Result<Option<Packet>, Wrong> {
        if self.kept.is_empty() {
            let taken = take(self.version, came)?;
            let used = taken.as_ref().map_or(0, |(_, used)| *used);
            self.kept.extend_from_slice(&came[used..]);
            return Ok(taken.map(|(packet, _)| packet));
        }
        self.kept.extend_from_slice(came);
        let Some((packet, used)) = take(self.version, &self.kept)? else {
            return Ok(None);
        };
        self.kept.drain(..used);
        Ok(Some(packet))
    }
}

/// The first packet, and its bytes.
fn take(version: Version, bytes: &[u8]) -> Result<Option<(Packet, usize)>, Wrong> {
    let Some(head) = Head::parse(bytes)? else {
        return Ok(None);
    };
    if head.body > PACKET_CAP {
        return Err("a packet is over shakedown's limit of 16 KiB");
    }
    let whole = head.length + head.body;
    let Some(body) = bytes.get(head.length..whole) else {
        return Ok(None);
    };
    Ok(Some((packet(version, head, body)?, whole)))
}

fn packet(version: Version, head: Head, body: &[u8]) -> Result<Packet, Wrong> {
    let mut fields = Fields(body);
    let kind = head.kind();
    let packet = match (kind, version) {
        (CONNACK, _) => Packet::Connack(connack(version, &mut fields)?),
        (PUBACK, _) => Packet::Puback {
            id: fields.u16()?,
            answer: match version {
                Version::V311 => Answer::of(0),
                Version::V5 => answer(&mut fields, OF_PUBACK)?,
            },
        },
        (PINGRESP, _) => Packet::Pingresp,
        // In 3.1.1 only clients send it (section 3.14).
        (DISCONNECT, Version::V5) => Packet::Disconnect(answer(&mut fields, OF_DISCONNECT)?),
        // Whatever is in it, nobody asked for it.
        _ => return Ok(Packet::Other(kind)),
    };
    if head.flags() != 0 {
        return Err("reserved bits of its head are set");
    }
    if !fields.is_empty() {
        return Err("it is longer than what is in it");
    }
    Ok(packet)
}

/// A reason code and its properties, either of which may be left out (MQTT 5.0 sections 3.4.2 and 3.14.2).
fn answer(fields: &mut Fields<'_>, allowed: u64) -> Result<Answer, Wrong> {
    if fields.is_empty() {
        return Ok(Answer::of(0));
    }
    let mut answer = Answer::of(fields.u8()?);
    if !fields.is_empty() {
        fields.properties(allowed, |id, value| {
            answer.note(id, value);
            Ok(())
        })?;
    }
    Ok(answer)
}

impl Answer {
    fn of(code: u8) -> Self {
        Self { code, reason: None }
    }

    /// Keeps why something failed.
    fn note(&mut self, id: u8, value: Value<'_>) {
        if let (REASON_STRING, Value::Text(text)) = (id, value)
            && self.code >= 0x80
        {
            self.reason = Some(text.into());
        }
    }
}

fn connack(version: Version, fields: &mut Fields<'_>) -> Result<Connack, Wrong> {
    let flags = fields.u8()?;
    let mut connack = Connack {
        session_present: flags & 1 != 0,
        answer: Answer::of(fields.u8()?),
        keep_alive: None,
        takes_qos1: true,
        longest: None,
    };
    if flags > 1 {
        return Err("reserved flags are set");
    }
    let code = connack.answer.code;
    match version {
        Version::V311 if code > 5 => return Err("its return code is a reserved one"),
        Version::V311 => return Ok(connack),
        // A server that speaks no MQTT 5 answers in 3.1.1.
        Version::V5 if fields.is_empty() && (1..=5).contains(&code) => return Ok(connack),
        Version::V5 if (1..0x80).contains(&code) => return Err("its reason code is no error"),
        Version::V5 => {}
    }
    fields.properties(OF_CONNACK, |id, value| {
        connack.answer.note(id, value);
        match (id, value) {
            (SERVER_KEEP_ALIVE, Value::Number(seconds)) => {
                connack.keep_alive = u16::try_from(seconds).ok();
            }
            (MAXIMUM_QOS, Value::Number(0)) => connack.takes_qos1 = false,
            (MAXIMUM_QOS, Value::Number(2..)) => return Err("it allows a QoS that is none"),
            (RECEIVE_MAXIMUM, Value::Number(0)) => return Err("it allows no message at all"),
            (MAXIMUM_PACKET_SIZE, Value::Number(0)) => return Err("it allows no packet at all"),
            (MAXIMUM_PACKET_SIZE, Value::Number(longest)) => connack.longest = Some(longest),
            _ => {}
        }
        Ok(())
    })?;
    Ok(connack)
}

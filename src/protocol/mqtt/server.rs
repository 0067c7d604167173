//! The broker of the embedded target: it takes messages at QoS 0 and 1, passes none on, and refuses what is malformed.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::Version;
use super::wire::{
    ASSIGNED_CLIENT_ID, CONNACK, CONNECT, DISCONNECT, Fields, Head, MAXIMUM_QOS, OF_CONNECT,
    OF_DISCONNECT, OF_PUBLISH, OF_WILL, PINGREQ, PINGRESP, PUBACK, PUBLISH, SHARED_SUBSCRIPTION,
    SUBSCRIPTION_ID, TOPIC_ALIAS, WILDCARD_SUBSCRIPTION, Wrong, is_topic, put_binary, put_varint,
};
use crate::protocol::{LARGEST_PAYLOAD, ProtocolError, Who, Wire};

/// How long a client may take for its CONNECT, or for the rest of a packet that it has begun.
const PATIENCE: Duration = Duration::from_secs(30);
/// As much of a packet as is read before it is judged: more than the longest topic and its properties.
const HEAD_CAP: usize = 128 * 1024;
/// Longest PUBLISH that is taken, in bytes behind its head.
const PUBLISH_CAP: u64 = LARGEST_PAYLOAD + HEAD_CAP as u64;
/// Bytes read at a time where more is expected.
const READ_SIZE: usize = 4 * 1024;

/// Reason codes of MQTT 5 (section 2.4).
const MALFORMED: u8 = 129;
const PROTOCOL_ERROR: u8 = 130;
const NOT_HERE: u8 = 131;
const UNSUPPORTED_VERSION: u8 = 132;
const BAD_AUTHENTICATION: u8 = 140;
const KEEP_ALIVE_TIMEOUT: u8 = 141;
const TOPIC_INVALID: u8 = 144;
const ALIAS_INVALID: u8 = 148;
const TOO_LARGE: u8 = 149;
const QOS_NOT_SUPPORTED: u8 = 155;

/// Serves one session until either end closes it.
pub(in crate::protocol) async fn serve<S: Wire>(stream: &mut S) -> Result<(), ProtocolError> {
    let mut buffer = Vec::with_capacity(512);
    let mut broker = Broker::default();
    let farewell = loop {
        match broker.next(stream, &mut buffer).await {
            Ok(Some(())) => {
                if !broker.reply.is_empty() {
                    stream.write_all(&broker.reply).await?;
                    stream.flush().await?;
                }
                if broker.over {
                    break Vec::new();
                }
            }
            Ok(None) => break Vec::new(),
            Err(End::Io(error)) => return Err(error.into()),
            Err(End::Refused(code)) => break broker.farewell(code),
        }
    };
    stream.write_all(&farewell).await?;
    stream.flush().await?;
    stream.shutdown().await?;
    Ok(())
}

/// Why a session ends before the client ends it.
#[derive(Debug)]
enum End {
    Io(io::Error),
    /// With the reason code of MQTT 5.
    Refused(u8),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Wrong> for End {
    fn from(_: Wrong) -> Self {
        Self::Refused(MALFORMED)
    }
}

/// The state of a session.
#[derive(Debug, Default)]
struct Broker {
    /// The version of CONNECT, once that was accepted.
    version: Option<Version>,
    /// How long the client may be silent.
    silence: Option<Duration>,
    /// What is sent next.
    reply: Vec<u8>,
    /// Whether the client took leave, or was turned away with the reply.
    over: bool,
}

impl Broker {
    /// Takes the next packet, and leaves the reply to it; `None` where the client closed instead.
    async fn next<S: Wire>(
        &mut self,
        stream: &mut S,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<()>, End> {
        self.reply.clear();
        let head = loop {
            if let Some(head) = Head::parse(buffer)? {
                break head;
            }
            if !self.fill(stream, buffer).await? {
                return Ok(None);
            }
        };
        let publishes = head.kind() == PUBLISH && self.version.is_some();
        let most = if publishes {
            PUBLISH_CAP
        } else {
            HEAD_CAP as u64
        };
        if head.body as u64 > most {
            return Err(End::Refused(TOO_LARGE));
        }
        let needed = head.length + head.body.min(HEAD_CAP);
        while buffer.len() < needed {
            if !self.fill(stream, buffer).await? {
                return Ok(None);
            }
        }
        self.take(head, &buffer[head.length..needed])?;
        let mut left = head.length + head.body;
        loop {
            let here = left.min(buffer.len());
            buffer.drain(..here);
            left -= here;
            if left == 0 {
                return Ok(Some(()));
            }
            if !self.fill(stream, buffer).await? {
                return Ok(None);
            }
        }
    }

    /// Reads more; `false` at the end of the stream.
    async fn fill<S: Wire>(&self, stream: &mut S, buffer: &mut Vec<u8>) -> Result<bool, End> {
        if buffer.len() == buffer.capacity() {
            buffer.reserve(READ_SIZE);
        }
        let limit = match self.silence {
            _ if self.version.is_none() || !buffer.is_empty() => Some(PATIENCE),
            silence => silence,
        };
        let read = stream.read_buf(buffer);
        let count = match limit {
            Some(limit) => timeout(limit, read).await,
            None => Ok(read.await),
        };
        let count = count.map_err(|_| End::Refused(KEEP_ALIVE_TIMEOUT))?;
        Ok(count? > 0)
    }

    /// Answers a packet; of a long one, as much as is judged.
    fn take(&mut self, head: Head, body: &[u8]) -> Result<(), End> {
        let fields = Fields(body);
        let Some(version) = self.version else {
            return match (head.kind(), head.flags()) {
                (CONNECT, 0) => self.connect(fields),
                _ => Err(End::Refused(PROTOCOL_ERROR)),
            };
        };
        match head.kind() {
            PUBLISH => self.publish(version, head.flags(), fields),
            PINGREQ if head.flags() == 0 && body.is_empty() => {
                self.reply.extend([PINGRESP << 4, 0]);
                Ok(())
            }
            DISCONNECT if head.flags() == 0 => self.disconnect(version, fields),
            PINGREQ | DISCONNECT => Err(End::Refused(MALFORMED)),
            // SUBSCRIBE and UNSUBSCRIBE.
            8 | 10 => Err(End::Refused(NOT_HERE)),
            _ => Err(End::Refused(PROTOCOL_ERROR)),
        }
    }

    /// Accepts a client (MQTT 3.1.1 and 5.0 section 3.1).
    fn connect(&mut self, mut fields: Fields<'_>) -> Result<(), End> {
        if fields.text()? != "MQTT" {
            return Err(End::Refused(UNSUPPORTED_VERSION));
        }
        let version = match fields.u8()? {
            4 => Version::V311,
            5 => Version::V5,
            level => {
                // Section 3.1.2.2: an answer in the form that the client may know, and no session.
                let known: &[u8] = if level < 4 {
                    &[2, 0, 1]
                } else {
                    &[3, 0, UNSUPPORTED_VERSION, 0]
                };
                self.reply.push(CONNACK << 4);
                self.reply.extend_from_slice(known);
                self.over = true;
                return Ok(());
            }
        };
        let flags = fields.u8()?;
        let keep_alive = fields.u16()?;
        let [user, password, will] = [0x80, 0x40, 0x04].map(|bit| flags & bit != 0);
        let will_qos = flags >> 3 & 3;
        let wrong_will = if will {
            will_qos == 3
        } else {
            flags & 0x38 != 0
        };
        let bare_password = version == Version::V311 && password && !user;
        if flags & 1 != 0 || wrong_will || bare_password {
            return Err(End::Refused(MALFORMED));
        }
        let mut authenticates = false;
        if version == Version::V5 {
            fields.properties(OF_CONNECT, |id, _| {
                authenticates |= id == 0x15;
                Ok(())
            })?;
        }
        let client_id = fields.text()?;
        if will {
            if version == Version::V5 {
                fields.properties(OF_WILL, |_, _| Ok(()))?;
            }
            if !is_topic(fields.text()?) {
                return Err(End::Refused(MALFORMED));
            }
            fields.binary()?;
        }
        if user {
            fields.text()?;
        }
        if password {
            fields.binary()?;
        }
        if !fields.is_empty() {
            return Err(End::Refused(MALFORMED));
        }
        if authenticates {
            self.reply
                .extend([CONNACK << 4, 3, 0, BAD_AUTHENTICATION, 0]);
            self.over = true;
            return Ok(());
        }
        if client_id.is_empty() && version == Version::V311 && flags & 2 == 0 {
            // Nobody could come back to that session (MQTT 3.1.1 section 3.1.3.1).
            self.reply.extend([CONNACK << 4, 2, 0, 2]);
            self.over = true;
            return Ok(());
        }
        self.version = Some(version);
        // Section 3.1.2.10: one and a half times the keep-alive time.
        let silence = Duration::from_secs(keep_alive.into()) * 3 / 2;
        self.silence = (keep_alive > 0).then_some(silence);
        match version {
            Version::V311 => self.reply.extend([CONNACK << 4, 2, 0, 0]),
            Version::V5 => self.admit(client_id.is_empty()),
        }
        Ok(())
    }

    /// Says what can be done here (MQTT 5.0 section 3.2.2.3).
    fn admit(&mut self, nameless: bool) {
        let mut properties = vec![MAXIMUM_QOS, 1];
        for without in [WILDCARD_SUBSCRIPTION, SUBSCRIPTION_ID, SHARED_SUBSCRIPTION] {
            properties.extend([without, 0]);
        }
        if nameless {
            properties.push(ASSIGNED_CLIENT_ID);
            put_binary(&Who::next("").token(), &mut properties);
        }
        self.reply.push(CONNACK << 4);
        put_varint(properties.len() + 3, &mut self.reply);
        self.reply.extend([0, 0]);
        put_varint(properties.len(), &mut self.reply);
        self.reply.extend(properties);
    }

    /// Takes a message (section 3.3).
    fn publish(&mut self, version: Version, flags: u8, mut fields: Fields<'_>) -> Result<(), End> {
        let (again, qos) = (flags & 8 != 0, flags >> 1 & 3);
        if qos == 3 || (again && qos == 0) {
            return Err(End::Refused(MALFORMED));
        }
        let topic = fields.text()?;
        if !is_topic(topic) {
            return Err(End::Refused(TOPIC_INVALID));
        }
        let id = if qos > 0 { fields.u16()? } else { 0 };
        if version == Version::V5 {
            let mut alias = false;
            fields.properties(OF_PUBLISH, |id, _| {
                alias |= id == TOPIC_ALIAS;
                Ok(())
            })?;
            if alias {
                // CONNACK allows none.
                return Err(End::Refused(ALIAS_INVALID));
            }
        }
        match qos {
            0 => {}
            1 if id == 0 => return Err(End::Refused(PROTOCOL_ERROR)),
            1 => {
                self.reply.extend([PUBACK << 4, 2]);
                self.reply.extend(id.to_be_bytes());
            }
            _ => return Err(End::Refused(QOS_NOT_SUPPORTED)),
        }
        Ok(())
    }

    /// Lets the client go (section 3.14).
    fn disconnect(&mut self, version: Version, mut fields: Fields<'_>) -> Result<(), End> {
        if version == Version::V5 && !fields.is_empty() {
            fields.u8()?;
            if !fields.is_empty() {
                fields.properties(OF_DISCONNECT, |_, _| Ok(()))?;
            }
        }
        if !fields.is_empty() {
            return Err(End::Refused(MALFORMED));
        }
        self.over = true;
        Ok(())
    }

    /// What is sent ahead of the close: nothing but in MQTT 5, after CONNECT (section 4.13).
    fn farewell(&self, code: u8) -> Vec<u8> {
        match self.version {
            Some(Version::V5) => vec![DISCONNECT << 4, 1, code],
            _ => Vec::new(),
        }
    }
}

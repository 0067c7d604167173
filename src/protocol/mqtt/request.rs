//! The packets of a client, composed once and checked part by part.

use std::borrow::Cow;
use std::{fmt, io};

use tokio::io::AsyncWriteExt;

use super::Version;
use super::reader::PACKET_CAP;
use super::wire::{CONNECT, MAXIMUM_PACKET_SIZE, PUBLISH, is_topic, put_binary, put_varint};
use crate::files::read_capped;
use crate::protocol::sizes::send;
use crate::protocol::{
    Asked, Between, Draws, LARGEST_PAYLOAD, Problem, ProtocolSection, Sizes, Who, Wire,
};
use crate::text::secrets::public_part;
use crate::units::{ByteSize, Span};

/// What is sent to check that the connection lives (MQTT 5.0 section 3.12).
pub(super) const PING: [u8; 2] = [super::wire::PINGREQ << 4, 0];
/// How a client takes leave; in MQTT 5 the code left out is 0 (section 3.14.2.1).
pub(super) const LEAVE: [u8; 2] = [super::wire::DISCONNECT << 4, 0];

/// Bytes of a message unless a scenario says otherwise.
const USUAL_PAYLOAD: u64 = 64;
/// The topic where no URL names one.
const USUAL_TOPIC: &str = "shakedown";
/// The keep-alive time unless a scenario says otherwise, in seconds.
const USUAL_KEEP_ALIVE: u16 = 60;
/// The byte of a message of which only the size matters.
const FILL: u8 = b'm';
/// Longest client id, before and after names are filled in, in characters.
const LONGEST_ID: usize = 256;
/// Most characters of an identity in a client id that nobody chose: with the session's 15 they make the 23 that
/// every server takes (MQTT 5.0 section 3.1.3.1).
const SHORT_IDENTITY: usize = 8;
/// In place of an identity, where there is none.
const NOBODY: &str = "sd";

/// The packets of every session.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    pub version: Version,
    /// Whether messages are published at QoS 1, else at 0.
    pub qos1: bool,
    /// The keep-alive time in seconds; 0 is none.
    pub keep_alive: u16,
    /// The longest message.
    payload: usize,
    /// The sizes to draw from, where they differ.
    drawn: Option<Between>,
    /// The body of CONNECT up to the client id.
    connect: Vec<u8>,
    client_id: Option<Vec<Part>>,
    /// PUBLISH as it is sent in turn, with the packet ids 1 and 2: only one is in flight at a time, and a second
    /// answer to the one before is noticed. At QoS 0 a PINGREQ follows, whose answer shows that it arrived.
    publish: [Vec<u8>; 2],
}

/// A part of a client id.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Identity,
    Session,
}

impl Request {
    /// Composes the packets (MQTT 5.0 sections 3.1 and 3.3).
    pub(crate) fn new(
        section: &ProtocolSection,
        asked: Option<&Asked<'_>>,
    ) -> Result<Self, Problem> {
        let version = section.mqtt_version.unwrap_or_default();
        let qos1 = match section.qos {
            None | Some(1) => true,
            Some(0) => false,
            Some(_) => {
                return Err(Problem::new(
                    "protocol.qos",
                    "messages are published at QoS 0 or 1",
                    "write 1, or 0 to have the server confirm a ping instead",
                ));
            }
        };
        let keep_alive = keep_alive(section.keep_alive)?;
        let topic = topic(asked)?;
        let payload = payload(section)?;
        let client_id = section.client_id.as_deref().map(parts).transpose()?;
        Ok(Self {
            version,
            qos1,
            keep_alive,
            payload: payload.len(),
            drawn: section.payload.and_then(Sizes::drawn),
            connect: connect(version, keep_alive),
            client_id,
            publish: [1, 2].map(|id| publish(version, &topic, qos1.then_some(id), &payload)),
        })
    }

    /// Nothing: CONNECT differs from session to session.
    #[expect(clippy::unused_self, reason = "what all protocols have")]
    pub(crate) fn opening(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&[])
    }

    /// CONNECT, whole.
    pub(super) fn connect(&self, who: Who<'_>) -> Vec<u8> {
        let id = self.id(who);
        let mut packet = Vec::with_capacity(self.connect.len() + id.len() + 8);
        packet.push(CONNECT << 4);
        put_varint(self.connect.len() + 2 + id.len(), &mut packet);
        packet.extend_from_slice(&self.connect);
        put_binary(id.as_bytes(), &mut packet);
        packet
    }

    /// PUBLISH, whole, with the longest message; its packet id is 1 or 2.
    pub(super) fn publish(&self, id: u16) -> &[u8] {
        &self.publish[usize::from(id - 1)]
    }

    /// Sends PUBLISH with the next message.
    pub(super) async fn send<S: Wire>(
        &self,
        id: u16,
        draws: &mut Draws,
        stream: &mut S,
    ) -> io::Result<()> {
        let longest = self.publish(id);
        let Some(between) = self.drawn else {
            stream.write_all(longest).await?;
            return stream.flush().await;
        };
        let ping: &[u8] = if self.qos1 { &[] } else { &PING };
        let message = longest.len() - ping.len() - self.payload;
        let varint = longest[1..].iter().position(|byte| *byte < 0x80);
        let fields = &longest[2 + varint.unwrap_or(0)..message];
        let size = draws.next(between);
        let mut head = vec![longest[0]];
        put_varint(fields.len() + size, &mut head);
        head.extend_from_slice(fields);
        send(stream, [&head, &longest[message..message + size], ping]).await
    }

    /// The client id of a session.
    fn id(&self, who: Who<'_>) -> String {
        let token = who.token();
        let token = token.iter().copied().map(char::from);
        let Some(parts) = &self.client_id else {
            let plain = |c: &char| c.is_ascii_alphanumeric();
            let mut id: String = who
                .identity
                .chars()
                .filter(plain)
                .take(SHORT_IDENTITY)
                .collect();
            if id.is_empty() {
                NOBODY.clone_into(&mut id);
            }
            id.extend(token);
            return id;
        };
        let mut id = String::new();
        for part in parts {
            match part {
                Part::Text(text) => id.push_str(text),
                Part::Identity => {
                    let shown = who.identity.chars().filter(|c| !c.is_control());
                    id.extend(shown.take(LONGEST_ID));
                }
                Part::Session => id.extend(token.clone()),
            }
        }
        id
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload = ByteSize(self.payload as u64);
        let payload = self.drawn.map_or(payload.into(), Sizes::Drawn);
        let qos = u8::from(self.qos1);
        write!(f, "MQTT {} with {payload} at QoS {qos}", self.version)
    }
}

fn keep_alive(asked: Option<Span>) -> Result<u16, Problem> {
    let Some(Span(asked)) = asked else {
        return Ok(USUAL_KEEP_ALIVE);
    };
    match u16::try_from(asked.as_secs()) {
        Ok(seconds) if asked.subsec_nanos() == 0 => Ok(seconds),
        _ => Err(Problem::new(
            "protocol.keep-alive",
            "MQTT counts it in whole seconds, up to 65535",
            "write a time such as 60s, or 0s for none",
        )),
    }
}

/// The topic that the URL names, behind its first slash.
fn topic(asked: Option<&Asked<'_>>) -> Result<String, Problem> {
    let path = asked.map_or("/", |asked| asked.path);
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(USUAL_TOPIC.to_owned());
    }
    let problem = |cause: String, remedy| Err(Problem::new("target.url", cause, remedy));
    if path.contains('?') {
        return problem(
            "a topic has no query".to_owned(),
            "write %3F for a question mark in it, or drop the query",
        );
    }
    match percent_decoded(path) {
        Some(topic) if is_topic(&topic) => Ok(topic),
        _ => problem(
            format!("{:?} is no topic to publish under", public_part(path)),
            "write a name in UTF-8 without the wildcards + and #, as in mqtts://host:8883/some/topic",
        ),
    }
}

/// `None` where an escape is broken, or the text is not UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

fn payload(section: &ProtocolSection) -> Result<Vec<u8>, Problem> {
    let (key, bytes) = match (section.payload, &section.data, &section.data_file) {
        (Some(_) | None, None, None) => {
            let usual = || ByteSize(USUAL_PAYLOAD).into();
            let size = section.payload.unwrap_or_else(usual);
            let size = size.within("protocol.payload", 0)?;
            ("protocol.payload", vec![FILL; size])
        }
        (None, Some(text), None) => ("protocol.data", text.clone().into_bytes()),
        (None, None, Some(path)) => {
            let read = read_capped(path, LARGEST_PAYLOAD).map_err(|error| {
                let cause = format!("cannot read {}: {error}", path.display());
                Problem::new("protocol.data-file", cause, "check the path")
            });
            ("protocol.data-file", read?)
        }
        _ => {
            return Err(Problem::new(
                "protocol",
                "a message has one payload",
                "give one of payload, data and data-file",
            ));
        }
    };
    within(key, bytes.len() as u64)?;
    Ok(bytes)
}

fn within(key: &'static str, bytes: u64) -> Result<(), Problem> {
    if bytes <= LARGEST_PAYLOAD {
        return Ok(());
    }
    let cause = format!("{bytes} bytes is out of range");
    let most = ByteSize(LARGEST_PAYLOAD);
    Err(Problem::new(key, cause, format!("give at most {most}")))
}

/// The parts of a client id as written.
fn parts(text: &str) -> Result<Vec<Part>, Problem> {
    let problem = |cause: &str| {
        let remedy =
            "write text with {identity} and {session}, such as device-{identity}-{session}";
        Err(Problem::new("protocol.client-id", cause, remedy))
    };
    if text.is_empty() || text.chars().count() > LONGEST_ID {
        return problem("it is empty, or has more than 256 characters");
    }
    if text.chars().any(char::is_control) {
        return problem("it has a control character");
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return problem("a brace is not closed");
        };
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        parts.push(match name {
            "identity" => Part::Identity,
            "session" => Part::Session,
            _ => return problem("between its braces there is neither identity nor session"),
        });
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

/// The body of CONNECT up to the client id (MQTT 3.1.1 and 5.0 section 3.1.2): a clean session without a will.
fn connect(version: Version, keep_alive: u16) -> Vec<u8> {
    let mut body = Vec::new();
    put_binary(b"MQTT", &mut body);
    let level = match version {
        Version::V311 => 4,
        Version::V5 => 5,
    };
    let clean = 0b10;
    body.extend([level, clean]);
    body.extend(keep_alive.to_be_bytes());
    if version == Version::V5 {
        // A server that would say more than is read here leaves it out (MQTT 5.0 section 3.1.2.11.4).
        body.extend([5, MAXIMUM_PACKET_SIZE]);
        let longest = u32::try_from(PACKET_CAP).unwrap_or(u32::MAX);
        body.extend(longest.to_be_bytes());
    }
    body
}

/// PUBLISH, whole, at QoS 1 where there is an id (MQTT 3.1.1 and 5.0 section 3.3).
fn publish(version: Version, topic: &str, id: Option<u16>, payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    put_binary(topic.as_bytes(), &mut head);
    head.extend(id.iter().flat_map(|id| id.to_be_bytes()));
    if version == Version::V5 {
        put_varint(0, &mut head);
    }
    let mut packet = vec![PUBLISH << 4 | u8::from(id.is_some()) << 1];
    put_varint(head.len() + payload.len(), &mut packet);
    packet.extend(head);
    packet.extend_from_slice(payload);
    if id.is_none() {
        packet.extend(PING);
    }
    packet
}

//! MQTT 3.1.1 and 5: the conversation of a device that publishes.
//!
//! CONNECT opens it and CONNACK proves acceptance; an exchange is a PUBLISH at QoS 1 with its PUBACK, or at QoS 0 with a
//! PINGREQ behind it; PINGREQ keeps a held session alive; DISCONNECT ends it. Nothing is subscribed to, so whatever else
//! comes is a fault. Packets are composed once and their answers read without an allocation, as ADR 0004 has it for
//! HTTP. "MQTT 3.1.1" and "MQTT 5.0" are the OASIS standards of 29 October 2014 and 7 March 2019.

mod reader;
mod request;
mod server;
#[cfg(test)]
mod server_tests;
#[cfg(test)]
mod tests;
mod wire;

use std::fmt;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout_at;

use self::reader::{Answer, Connack, Packet, Reader};
pub(crate) use self::request::Request;
use self::request::{LEAVE, PING};
pub(super) use self::server::serve;
use self::wire::Wrong;
use super::{Converse, Draws, Next, ProtocolError, ProtocolKind, Scheme, Traits, Who, Wire};
use crate::stats::{AnswerCode, AnswerFault, FailureClass, Stage};
use crate::text::escape_untrusted;

use MqttVersion as Version;

/// Bytes read at a time: answers are short.
const READ_SIZE: usize = 128;

/// Most packets of a server that are told.
const MOST_TOLD: usize = 4;

/// With which of its codes a server turns the client away is from MQTT 3.1.1 section 3.2.2.3 and MQTT 5.0 section
/// 3.2.2.2: bad user name or password, not authorized, banned, bad authentication method. Others are trouble.
const CONNACK: &AnswerFault = &AnswerFault {
    label: "mqtt.connack",
    code: AnswerCode::Number(5),
    refuses: &[
        AnswerCode::Number(4),
        AnswerCode::Number(5),
        AnswerCode::Number(134),
        AnswerCode::Number(135),
        AnswerCode::Number(138),
        AnswerCode::Number(140),
    ],
    advice: "the server took the connection but not CONNECT; 1 and 132 mean another --mqtt-version, 2 and 133 another --client-id, 4, 5, 134 and 135 that it does not let this client in: see its log and its rules for names of certificates",
};
const PUBACK: &AnswerFault = &AnswerFault {
    label: "mqtt.puback",
    code: AnswerCode::Number(135),
    refuses: &[AnswerCode::Number(135)],
    advice: "the server did not take the message; 135 means that this client may not publish under the topic of the URL: see the server's access rules",
};
const DISCONNECT: &AnswerFault = &AnswerFault {
    label: "mqtt.disconnect",
    code: AnswerCode::Number(142),
    refuses: &[AnswerCode::Number(135)],
    advice: "the server ended the session and says why; 139 means that it shuts down, 141 that no ping came in time, 142 that another session has the same client id: write {session} into --client-id",
};
const PROTOCOL: &AnswerFault = &AnswerFault {
    label: "mqtt.protocol",
    code: AnswerCode::None,
    refuses: &[],
    advice: "not MQTT as shakedown reads it, or a packet that nobody asked for; the example says which. Is it the server's MQTT port, not that of MQTT over WebSocket?",
};

pub(super) const TRAITS: Traits = Traits {
    label: "mqtt",
    name: "MQTT",
    schemes: &[
        Scheme {
            name: "mqtts",
            port: Some(8883),
            tls: true,
            kind: ProtocolKind::Mqtt,
        },
        Scheme {
            name: "mqtt",
            port: Some(1883),
            tls: false,
            kind: ProtocolKind::Mqtt,
        },
    ],
    alpn: &["mqtt"],
    offers: &[],
    server_may_speak_first: false,
    keys: &[
        "exchanges",
        "think",
        "every",
        "payload",
        "data",
        "data-file",
        "mqtt-version",
        "qos",
        "keep-alive",
        "client-id",
    ],
    faults: &[CONNACK, PUBACK, DISCONNECT, PROTOCOL],
    tell,
};

/// A version of MQTT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MqttVersion {
    /// MQTT 3.1.1.
    #[default]
    #[serde(rename = "3.1.1")]
    V311,
    /// MQTT 5.0, with reasons of failures.
    #[serde(rename = "5")]
    V5,
}

impl fmt::Display for MqttVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V311 => "3.1.1",
            Self::V5 => "5",
        })
    }
}

/// The exchanges of one session.
#[derive(Debug)]
pub struct Conversation<'p> {
    request: &'p Request,
    /// CONNECT, until it is sent.
    connect: Vec<u8>,
    reader: Reader,
    draws: Draws,
    /// The packet id of the next message, 1 or 2.
    id: u16,
    /// The keep-alive time in seconds: ours, or the server's.
    keep_alive: u16,
    /// When a packet was last sent.
    sent: Instant,
    /// Bytes of a PINGREQ that was begun and not yet written whole.
    pinging: usize,
    /// Pings without an answer yet.
    pings: u8,
}

impl<'p> Conversation<'p> {
    pub(super) fn new(request: &'p Request, who: Who<'_>) -> Self {
        Self {
            request,
            connect: request.connect(who),
            reader: Reader::new(request.version),
            draws: who.draws,
            id: 1,
            keep_alive: request.keep_alive,
            sent: Instant::now(),
            pinging: 0,
            pings: 0,
        }
    }

    /// Reads the next packet; `None` at the end of the stream. It may be dropped at any time.
    async fn packet<S: Wire>(&mut self, stream: &mut S) -> Result<Option<Packet>, ProtocolError> {
        let mut chunk = [0; READ_SIZE];
        let mut came = 0;
        loop {
            let taken = self.reader.take(&chunk[..came]);
            if let Some(packet) = taken.map_err(malformed)? {
                return Ok(Some(packet));
            }
            let read = stream.read(&mut chunk).await;
            let ended = match &read {
                Ok(count) => *count == 0,
                Err(error) => is_end(error),
            };
            if ended && self.reader.has_more() {
                return Err(broken("the connection ended inside a packet".to_owned()));
            }
            came = read?;
            if came == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads the answer that is due.
    async fn answer<S: Wire>(&mut self, stream: &mut S) -> Result<Packet, ProtocolError> {
        let packet = self.packet(stream).await?;
        Ok(packet.ok_or_else(|| io::Error::from(ErrorKind::UnexpectedEof))?)
    }

    /// Notes what the server allows, where it lets us in.
    fn admitted(&mut self, connack: &Connack) -> Result<(), ProtocolError> {
        if connack.answer.code != 0 {
            return Err(failed(CONNACK, "CONNACK", &connack.answer));
        }
        if connack.session_present {
            let what = "CONNACK says that a session is present, and a clean one was asked for";
            return Err(broken(what.to_owned()));
        }
        if self.request.qos1 && !connack.takes_qos1 {
            let what = "the server takes messages at QoS 0 alone; write --qos 0";
            return Err(broken(what.to_owned()));
        }
        let size = self.request.publish(1).len();
        if let Some(longest) = connack.longest.filter(|most| (*most as usize) < size) {
            return Err(broken(format!(
                "the server takes packets of at most {longest} bytes, and a message has {size}; lower its payload"
            )));
        }
        self.keep_alive = connack.keep_alive.unwrap_or(self.keep_alive);
        Ok(())
    }

    /// Sends a ping, or the rest of one. It may be dropped at any time, so it notes what was written.
    async fn ping<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
        while self.pinging < PING.len() {
            let written = stream.write(&PING[self.pinging..]).await?;
            if written == 0 {
                return Err(io::Error::from(ErrorKind::WriteZero).into());
            }
            self.pinging += written;
        }
        self.pinging = 0;
        self.pings += 1;
        self.sent = Instant::now();
        Ok(stream.flush().await?)
    }

    /// Takes what may come at any time: the answer to an earlier ping.
    fn take_pong(&mut self, packet: &Packet) -> bool {
        let pong = *packet == Packet::Pingresp && self.pings > 0;
        self.pings -= u8::from(pong);
        pong
    }
}

impl Converse for Conversation<'_> {
    fn begins_with_proof(&self) -> bool {
        true
    }

    async fn begin<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
        let connect = std::mem::take(&mut self.connect);
        stream.write_all(&connect).await?;
        stream.flush().await?;
        self.sent = Instant::now();
        match self.answer(stream).await? {
            Packet::Connack(connack) => self.admitted(&connack),
            other => Err(unexpected(&other, "CONNACK is due")),
        }
    }

    async fn exchange<S: Wire>(&mut self, stream: &mut S) -> Result<Next, ProtocolError> {
        if self.pinging > 0 {
            self.ping(stream).await?;
        }
        let id = self.id;
        self.id = 3 - id;
        self.request.send(id, &mut self.draws, stream).await?;
        self.sent = Instant::now();
        if !self.request.qos1 {
            self.pings += 1;
        }
        loop {
            let packet = self.answer(stream).await?;
            if self.take_pong(&packet) {
                if !self.request.qos1 && self.pings == 0 {
                    return Ok(Next::Open);
                }
                continue;
            }
            match packet {
                Packet::Puback { id: of, answer } if of == id && self.request.qos1 => {
                    return match answer.code {
                        0..0x80 => Ok(Next::Open),
                        _ => Err(failed(PUBACK, "PUBACK", &answer)),
                    };
                }
                Packet::Puback { id: of, .. } if self.request.qos1 => {
                    let what = format!("PUBACK is for packet {of}, and packet {id} was sent");
                    return Err(broken(what));
                }
                other if self.request.qos1 => return Err(unexpected(&other, "PUBACK is due")),
                other => return Err(unexpected(&other, "PINGRESP is due")),
            }
        }
    }

    /// Sends a ping once half of the keep-alive time is over, and expects its answer in the other half.
    async fn idle<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
        // What was written before this was dropped last may lie there still.
        stream.flush().await?;
        let half = Duration::from_secs(self.keep_alive.into()) / 2;
        loop {
            let came = if half.is_zero() {
                Ok(self.packet(stream).await)
            } else {
                timeout_at((self.sent + half).into(), self.packet(stream)).await
            };
            match came {
                Ok(packet) => match packet? {
                    None => return Ok(()),
                    Some(packet) if self.take_pong(&packet) => {}
                    Some(other) => return Err(unexpected(&other, "nothing was asked")),
                },
                Err(_) if self.pings > 0 => {
                    return Err(ProtocolError::Answer {
                        class: FailureClass::Unanswered(Stage::Hold),
                        message: format!("no PINGRESP within {half:?}, half the keep-alive time"),
                    });
                }
                Err(_) => self.ping(stream).await?,
            }
        }
    }

    async fn end<S: Wire>(&mut self, stream: &mut S) -> Result<(), ProtocolError> {
        if self.pinging > 0 {
            self.ping(stream).await?;
        }
        stream.write_all(&LEAVE).await?;
        Ok(stream.flush().await?)
    }
}

/// What a server says, packet by packet.
fn tell(answer: &[u8]) -> Option<String> {
    // In MQTT 3.1.1 CONNACK is never longer (section 3.2.1).
    let version = match answer.get(..2)? {
        [_, 2] => Version::V311,
        _ => Version::V5,
    };
    let mut reader = Reader::new(version);
    let mut came = answer;
    let mut told = Vec::new();
    while let Ok(Some(packet)) = reader.take(std::mem::take(&mut came)) {
        let said = |answer: &Answer| match &answer.reason {
            Some(reason) => escape_untrusted(&format!("{}, {reason:.80}", answer.code), 100),
            None => answer.code.to_string(),
        };
        told.push(match &packet {
            Packet::Connack(connack) => {
                let present = if connack.session_present { "a" } else { "no" };
                format!(
                    "CONNACK {}, {present} session present",
                    said(&connack.answer)
                )
            }
            Packet::Puback { answer, .. } | Packet::Disconnect(answer) => {
                format!("{} {}", packet.name(), said(answer))
            }
            other => other.name().to_owned(),
        });
        if told.len() == MOST_TOLD {
            break;
        }
    }
    (!told.is_empty()).then(|| told.join("; "))
}

/// Whether the connection is over.
fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    )
}

fn broken(message: String) -> ProtocolError {
    ProtocolError::Answer {
        class: PROTOCOL.class(AnswerCode::None),
        message,
    }
}

fn malformed(wrong: Wrong) -> ProtocolError {
    broken(format!("what the server sent cannot be read: {wrong}"))
}

/// An answer that says that something failed.
fn failed(fault: &'static AnswerFault, name: &str, answer: &Answer) -> ProtocolError {
    let code = answer.code;
    let said = match &answer.reason {
        Some(reason) => format!(", {reason:.200}"),
        None => String::new(),
    };
    ProtocolError::Answer {
        class: fault.class(AnswerCode::Number(code.into())),
        message: format!("{name} {code}: {}{said}", meaning(code)),
    }
}

/// A packet that is none of those due.
fn unexpected(packet: &Packet, due: &str) -> ProtocolError {
    match packet {
        Packet::Disconnect(answer) => failed(DISCONNECT, "DISCONNECT", answer),
        other => broken(format!("{} came, and {due}", other.name())),
    }
}

/// What a code says (MQTT 3.1.1 section 3.2.2.3, MQTT 5.0 section 2.4).
fn meaning(code: u8) -> &'static str {
    match code {
        0 => "no reason given",
        1 | 132 => "unsupported protocol version",
        2 | 133 => "client identifier not valid",
        3 | 136 => "server unavailable",
        4 | 134 => "bad user name or password",
        5 | 135 => "not authorized",
        128 => "unspecified error",
        129 => "malformed packet",
        130 => "protocol error",
        131 => "implementation specific error",
        137 => "server busy",
        138 => "banned",
        139 => "server shutting down",
        140 => "bad authentication method",
        141 => "keep-alive timeout",
        142 => "session taken over",
        144 => "topic name invalid",
        145 => "packet identifier in use",
        147 => "receive maximum exceeded",
        149 => "packet too large",
        150 => "message rate too high",
        151 => "quota exceeded",
        152 => "administrative action",
        153 => "payload format invalid",
        154 => "retain not supported",
        155 => "QoS not supported",
        156 => "use another server",
        157 => "server moved",
        159 => "connection rate exceeded",
        160 => "maximum connect time",
        _ => "a code without a meaning",
    }
}

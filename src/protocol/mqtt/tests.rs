//! What the client sends and takes, also as another implementation of MQTT has it.

use std::sync::Arc;

use mqtt_protocol_core::mqtt::packet::{Property, ReasonString, ServerKeepAlive, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt::result_code::{
    ConnectReasonCode, ConnectReturnCode, DisconnectReasonCode, PubackReasonCode,
};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::reader::{Answer, Connack, Packet, Reader};
use super::request::{LEAVE, PING};
use super::wire::Head;
use super::*;
use crate::protocol::{Asked, Problem, ProtocolSection};
use crate::units::{ByteSize, Span};

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

fn section(version: Version) -> ProtocolSection {
    ProtocolSection {
        mqtt_version: Some(version),
        ..ProtocolSection::default()
    }
}

fn request(version: Version) -> Request {
    Request::new(&section(version), None).unwrap()
}

fn at(path: &str) -> Result<Request, Problem> {
    let asked = Asked {
        tls: true,
        authority: String::new(),
        path,
        user: None,
        is_own: true,
    };
    Request::new(&section(Version::V311), Some(&asked))
}

/// The body of a packet.
fn body(packet: &[u8]) -> &[u8] {
    let head = Head::parse(packet).unwrap().unwrap();
    assert_eq!(packet.len(), head.length + head.body);
    &packet[head.length..]
}

fn client_id(request: &Request, who: Who<'_>) -> String {
    let packet = request.connect(who);
    let (packet, _) = v3_1_1::Connect::parse(body(&packet)).unwrap();
    packet.client_id().to_owned()
}

#[test]
fn another_implementation_reads_what_is_sent() {
    let who = Who::next("client-0");
    for (version, qos) in [
        (Version::V311, 0),
        (Version::V311, 1),
        (Version::V5, 0),
        (Version::V5, 1),
    ] {
        let section = ProtocolSection {
            qos: Some(qos),
            keep_alive: Some(Span::secs(7)),
            data: Some("the message".to_owned()),
            ..section(version)
        };
        let asked = Asked {
            tls: true,
            authority: String::new(),
            path: "/a/b%20%2D",
            user: None,
            is_own: true,
        };
        let request = Request::new(&section, Some(&asked)).unwrap();
        let connect = request.connect(who);
        let publish = request.publish(2);
        let (first, rest) = (publish[0], publish);
        let rest = if qos == 0 {
            rest.strip_suffix(&PING).unwrap()
        } else {
            rest
        };
        let message: Arc<[u8]> = body(rest).into();
        assert_eq!(connect[0], 0x10);
        if version == Version::V311 {
            let (connect, used) = v3_1_1::Connect::parse(body(&connect)).unwrap();
            assert_eq!(used, body(&request.connect(who)).len());
            assert!(connect.clean_session());
            assert_eq!(connect.keep_alive(), 7);
            let (publish, _) = v3_1_1::Publish::parse(first & 15, message).unwrap();
            assert_eq!(publish.topic_name(), "a/b -");
            assert_eq!(publish.payload().as_slice(), b"the message");
            assert_eq!(publish.packet_id(), (qos == 1).then_some(2));
        } else {
            let (connect, used) = v5_0::Connect::parse(body(&connect)).unwrap();
            assert_eq!(used, body(&request.connect(who)).len());
            assert!(connect.clean_start());
            assert_eq!(connect.keep_alive(), 7);
            let (publish, _) = v5_0::Publish::parse(first & 15, message).unwrap();
            assert_eq!(publish.topic_name(), "a/b -");
            assert_eq!(publish.payload().as_slice(), b"the message");
            assert_eq!(publish.packet_id(), (qos == 1).then_some(2));
        }
    }
    assert!(v3_1_1::Disconnect::parse(body(&LEAVE)).is_ok());
    assert!(v5_0::Disconnect::parse(body(&LEAVE)).is_ok());
}

#[test]
fn it_reads_what_another_implementation_sends() {
    let take = |version, bytes: Vec<u8>| {
        let mut reader = Reader::new(version);
        let packet = reader.take(&bytes).unwrap().unwrap();
        assert!(!reader.has_more());
        packet
    };
    let plain = |code| Answer { code, reason: None };
    let connack = v3_1_1::Connack::builder()
        .session_present(false)
        .return_code(ConnectReturnCode::NotAuthorized)
        .build()
        .unwrap();
    let Packet::Connack(read) = take(Version::V311, connack.to_continuous_buffer()) else {
        panic!("{connack}");
    };
    assert_eq!(read.answer, plain(5));
    let puback = v3_1_1::Puback::builder().packet_id(7u16).build().unwrap();
    assert_eq!(
        take(Version::V311, puback.to_continuous_buffer()),
        Packet::Puback {
            id: 7,
            answer: plain(0)
        }
    );
    let pong = v3_1_1::Pingresp::new();
    assert_eq!(
        take(Version::V311, pong.to_continuous_buffer()),
        Packet::Pingresp
    );
    let why = || Property::ReasonString(ReasonString::new("go away").unwrap());
    let connack = v5_0::Connack::builder()
        .session_present(false)
        .reason_code(ConnectReasonCode::Banned)
        .props(vec![
            Property::ServerKeepAlive(ServerKeepAlive::new(9).unwrap()),
            why(),
        ])
        .build()
        .unwrap();
    let said = |code| Answer {
        code,
        reason: Some("go away".into()),
    };
    assert_eq!(
        take(Version::V5, connack.to_continuous_buffer()),
        Packet::Connack(Connack {
            session_present: false,
            answer: said(138),
            keep_alive: Some(9),
            takes_qos1: true,
            longest: None,
        })
    );
    let puback = v5_0::Puback::builder()
        .packet_id(1u16)
        .reason_code(PubackReasonCode::QuotaExceeded)
        .props(vec![why()])
        .build()
        .unwrap();
    assert_eq!(
        take(Version::V5, puback.to_continuous_buffer()),
        Packet::Puback {
            id: 1,
            answer: said(151)
        }
    );
    let bye = v5_0::Disconnect::builder()
        .reason_code(DisconnectReasonCode::SessionTakenOver)
        .props(vec![why()])
        .build()
        .unwrap();
    assert_eq!(
        take(Version::V5, bye.to_continuous_buffer()),
        Packet::Disconnect(said(142))
    );
}

proptest! {
    /// Packets are the same wherever they are cut, and nothing that comes panics.
    #[test]
    fn cuts_decide_nothing(
        bytes in prop::collection::vec(
            prop_oneof![
                Just(vec![0x20, 2, 0, 0]),
                Just(vec![0x20, 3, 0, 0, 0]),
                Just(vec![0x40, 2, 0, 1]),
                Just(vec![0x40, 4, 0, 1, 0x87, 0]),
                Just(vec![0xd0, 0]),
                Just(vec![0xe0, 1, 0x8e]),
                prop::collection::vec(any::<u8>(), 0..6),
            ],
            0..6,
        ),
        cut in 1usize..9,
        five in any::<bool>(),
    ) {
        let bytes = bytes.concat();
        let version = if five { Version::V5 } else { Version::V311 };
        let all = |cut: usize| {
            let mut reader = Reader::new(version);
            let mut found = Vec::new();
            for part in bytes.chunks(cut) {
                let mut part = part;
                loop {
                    match reader.take(part) {
                        Ok(None) => break,
                        Ok(Some(packet)) => found.push(Ok(packet)),
                        Err(wrong) => {
                            found.push(Err(wrong));
                            return found;
                        }
                    }
                    part = &[];
                }
            }
            found
        };
        prop_assert_eq!(all(cut), all(usize::MAX));
    }
}

#[test]
fn what_a_server_says_is_told_in_a_line() {
    for (bytes, told) in [
        (
            &[0x20, 2, 0, 0, 0x40, 2, 0, 1][..],
            "CONNACK 0, no session present; PUBACK 0",
        ),
        (&[0x20, 2, 1, 5], "CONNACK 5, a session present"),
        (
            b"\x20\x08\0\x87\x05\x1f\0\x02\x1b[",
            "CONNACK 135, \\u{1b}[, no session present",
        ),
        (
            &[0x20, 3, 0, 0, 0, 0xe0, 1, 0x8e],
            "CONNACK 0, no session present; DISCONNECT 142",
        ),
    ] {
        assert_eq!(tell(bytes).as_deref(), Some(told), "{bytes:x?}");
    }
    for bytes in [&b""[..], b"\x20", b"\x20\x02\0", b"HTTP/1.1 200 OK"] {
        assert_eq!(tell(bytes), None);
    }
    let flood = [0x20, 2, 0, 0].repeat(100);
    assert_eq!(tell(&flood).unwrap().matches("CONNACK").count(), MOST_TOLD);
}

#[test]
fn client_ids_are_short_unique_and_as_asked() {
    let usual = request(Version::V311);
    let mut seen = Vec::new();
    for identity in ["client-0", "", "Ünïcode 7 and more", "a\0b"] {
        let id = client_id(&usual, Who::next(identity));
        assert!((17..=23).contains(&id.len()), "{id}");
        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
        assert!(!seen.contains(&id));
        seen.push(id);
    }
    assert!(seen[0].starts_with("client0") && seen[1].starts_with("sd"));
    let chosen = |text: &str| {
        let section = ProtocolSection {
            client_id: Some(text.to_owned()),
            ..section(Version::V311)
        };
        Request::new(&section, None)
    };
    let who = Who::next("pump 7");
    let id = |text| client_id(&chosen(text).unwrap(), who);
    assert_eq!(id("plain"), "plain");
    assert_eq!(id("<{identity}>"), "<pump 7>");
    let unique = id("{identity}/{session}");
    assert_eq!(unique.len(), "pump 7/".len() + 15);
    let long = "x".repeat(257);
    for text in ["", "{", "{x}", "a\n", &long] {
        assert_eq!(
            chosen(text).unwrap_err().key,
            "protocol.client-id",
            "{text}"
        );
    }
}

#[test]
fn what_cannot_be_sent_is_refused() {
    for path in [
        "/a+", "/%2B", "/a%23", "/%00", "/%ff", "/%4", "/%+1", "/a?b",
    ] {
        assert_eq!(at(path).unwrap_err().key, "target.url", "{path}");
    }
    for path in ["", "/", "//", "/$aws/things", "/%C3%BC"] {
        assert!(at(path).is_ok(), "{path}");
    }
    let usual = || section(Version::V311);
    for (key, section) in [
        (
            "protocol.qos",
            ProtocolSection {
                qos: Some(2),
                ..usual()
            },
        ),
        (
            "protocol.keep-alive",
            ProtocolSection {
                keep_alive: Some(Span(Duration::from_millis(1500))),
                ..usual()
            },
        ),
        (
            "protocol.keep-alive",
            ProtocolSection {
                keep_alive: Some(Span::secs(65_536)),
                ..usual()
            },
        ),
        (
            "protocol.payload",
            ProtocolSection {
                payload: Some(ByteSize(1 << 30).into()),
                ..usual()
            },
        ),
        (
            "protocol",
            ProtocolSection {
                payload: Some(ByteSize(1).into()),
                data: Some(String::new()),
                ..usual()
            },
        ),
    ] {
        assert_eq!(Request::new(&section, None).unwrap_err().key, key);
    }
}

/// How a session ends whose server sends this after each of our packets: the label of its class.
fn ends(version: Version, answers: &[&[u8]]) -> Result<(), String> {
    run(async {
        let (mut client, mut server) = tokio::io::duplex(4096);
        let request = &request(version);
        let talk = async move {
            let mut conversation = Conversation::new(request, Who::default());
            conversation.begin(&mut client).await?;
            conversation.exchange(&mut client).await?;
            conversation.exchange(&mut client).await?;
            Ok(())
        };
        let serve = async {
            for answer in answers {
                next(&mut server).await;
                server.write_all(answer).await.unwrap();
            }
            server.shutdown().await.unwrap();
            server.read_to_end(&mut Vec::new()).await.unwrap();
        };
        let (ended, ()) = tokio::join!(talk, serve);
        ended.map_err(|error: ProtocolError| match error {
            ProtocolError::Answer { class, .. } => class.to_string(),
            // A write may meet the end, too.
            ProtocolError::Io(error) => {
                assert!(is_end(&error), "{error}");
                "the end".to_owned()
            }
        })
    })
}

/// Reads one packet of the client.
async fn next(stream: &mut DuplexStream) {
    let mut head = [0; 2];
    if stream.read_exact(&mut head).await.is_ok() {
        let mut body = vec![0; head[1].into()];
        stream.read_exact(&mut body).await.unwrap();
    }
}

#[test]
fn sessions_end_in_their_class() {
    use Version::{V5, V311};

    let (in3, in5): (&[u8], &[u8]) = (&[0x20, 2, 0, 0], &[0x20, 3, 0, 0, 0]);
    let (one, two): (&[u8], &[u8]) = (&[0x40, 2, 0, 1], &[0x40, 2, 0, 2]);
    assert_eq!(ends(V311, &[in3, one, two]), Ok(()));
    assert_eq!(ends(V5, &[in5, one, &[0x40, 3, 0, 2, 0x10]]), Ok(()));
    for (version, answers, class) in [
        (V311, &[&[0x20, 2, 0, 5][..]][..], "mqtt.connack.5"),
        (V311, &[&[0x20, 2, 0, 6]], "mqtt.protocol"),
        (V5, &[&[0x20, 3, 0, 0x87, 0]], "mqtt.connack.135"),
        // A server that speaks 3.1.1 alone.
        (V5, &[&[0x20, 2, 0, 1]], "mqtt.connack.1"),
        (V5, &[&[0x20, 2, 0, 0]], "mqtt.protocol"),
        (V311, &[&[0x20, 2, 1, 0]], "mqtt.protocol"),
        (V311, &[&[0x20, 2, 2, 0]], "mqtt.protocol"),
        (V311, &[&[0x20, 3, 0, 0, 0]], "mqtt.protocol"),
        (V311, &[&[0x21, 2, 0, 0]], "mqtt.protocol"),
        (V311, &[one], "mqtt.protocol"),
        (V311, &[b"HTTP/1.1 400 Bad Request\r\n"], "mqtt.protocol"),
        (V311, &[&[0x20, 0x80, 0x80, 0x80, 0x80, 1]], "mqtt.protocol"),
        (V311, &[&[0x20, 0xff, 0xff, 0x7f]], "mqtt.protocol"),
        (V311, &[&[0x20, 2, 0]], "mqtt.protocol"),
        (V311, &[], "the end"),
        (V311, &[in3], "the end"),
        (V311, &[&in3.repeat(3)], "mqtt.protocol"),
        (V311, &[in3, two], "mqtt.protocol"),
        (V311, &[in3, one, one], "mqtt.protocol"),
        (V311, &[in3, &[0xd0, 0]], "mqtt.protocol"),
        (V311, &[in3, &[0xe0, 0]], "mqtt.protocol"),
        (V5, &[in5, &[0x40, 4, 0, 1, 0x87, 0]], "mqtt.puback.135"),
        (V5, &[in5, &[0xe0, 1, 0x8e]], "mqtt.disconnect.142"),
        (V5, &[in5, &[0xe0, 0]], "mqtt.disconnect.0"),
        // The server takes no message at QoS 1, or none as long as ours.
        (V5, &[&[0x20, 5, 0, 0, 2, 0x24, 0]], "mqtt.protocol"),
        (
            V5,
            &[&[0x20, 8, 0, 0, 5, 0x27, 0, 0, 0, 9]],
            "mqtt.protocol",
        ),
        (
            V5,
            &[&[0x20, 7, 0, 0, 4, 0x24, 0, 0x24, 0]],
            "mqtt.protocol",
        ),
        (V5, &[&[0x20, 5, 0, 0, 2, 0x23, 1]], "mqtt.protocol"),
    ] {
        let ended = ends(version, answers).unwrap_err();
        assert_eq!(ended, class, "{version} {answers:x?}");
    }
}

#[test]
fn a_held_session_pings_in_time_and_notices_silence() {
    run(async {
        let (mut client, mut server) = tokio::io::duplex(4096);
        let section = ProtocolSection {
            keep_alive: Some(Span::secs(1)),
            ..section(Version::V311)
        };
        let request = Request::new(&section, None).unwrap();
        let mut conversation = Conversation::new(&request, Who::default());
        let serve = async {
            next(&mut server).await;
            server.write_all(&[0x20, 2, 0, 0]).await.unwrap();
            for _ in 0..2 {
                next(&mut server).await;
                server.write_all(&[0xd0, 0]).await.unwrap();
            }
            next(&mut server).await;
            server
        };
        let hold = async {
            conversation.begin(&mut client).await.unwrap();
            let began = Instant::now();
            let ended = conversation.idle(&mut client).await.unwrap_err();
            (began.elapsed(), ended)
        };
        let ((took, ended), _server) = tokio::join!(hold, serve);
        let ProtocolError::Answer { class, message } = ended else {
            panic!("{ended}");
        };
        assert_eq!(class, FailureClass::Unanswered(Stage::Hold), "{message}");
        // Two pings that were answered, and one that was not.
        assert!(took >= Duration::from_secs(2), "{took:?}");
    });
}

//! What clients of any kind get from the broker, byte for byte.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::yield_now;

use super::server::serve;

/// What a client gets that sends these segments and then ends its side.
fn answered(segments: &[&[u8]]) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (mut client, mut server) = tokio::io::duplex(4096);
        let talk = async {
            for segment in segments {
                // The broker may hang up in between.
                let _ = client.write_all(segment).await;
                yield_now().await;
            }
            let _ = client.shutdown().await;
            let mut came = Vec::new();
            client.read_to_end(&mut came).await.unwrap();
            came
        };
        let respond = async {
            let _ = serve(&mut server).await;
            drop(server);
        };
        let (came, ()) = tokio::join!(talk, respond);
        came
    })
}

const CONNECT: &[u8] = b"\x10\x0e\0\x04MQTT\x04\x02\0\x3c\0\x02ab";
const CONNECT5: &[u8] = b"\x10\x0f\0\x04MQTT\x05\x02\0\x3c\0\0\x02ab";
const NOTHING: [u8; 0] = [];
const IN: &[u8] = &[0x20, 2, 0, 0];
const IN5: &[u8] = &[0x20, 11, 0, 0, 8, 0x24, 1, 0x28, 0, 0x29, 0, 0x2a, 0];

fn after(connect: &[u8], packets: &[u8]) -> Vec<u8> {
    let whole = [connect, packets].concat();
    let came = answered(&[&whole]);
    let (head, tail) = whole.split_at(whole.len() / 2);
    assert_eq!(answered(&[head, tail]), came, "{packets:x?}");
    let accepted = if connect == CONNECT { IN } else { IN5 };
    let rest = came.strip_prefix(accepted);
    rest.unwrap_or_else(|| panic!("{came:x?}")).to_vec()
}

#[test]
fn messages_and_pings_are_answered() {
    let at = |qos: u8| [&[0x30 | qos << 1, 6, 0, 1, b't'][..], &[0, 9, b'x']].concat();
    assert_eq!(after(CONNECT, &at(1)), [0x40, 2, 0, 9]);
    assert_eq!(after(CONNECT, &at(0)), NOTHING);
    assert_eq!(after(CONNECT, &[0xc0, 0]), [0xd0, 0]);
    let both = [&at(0)[..], &[0xc0, 0], &at(1), &[0xe0, 0]].concat();
    assert_eq!(after(CONNECT, &both), [0xd0, 0, 0x40, 2, 0, 9]);
    let in5 = [0x32, 7, 0, 1, b't', 0, 9, 0, b'x'];
    assert_eq!(after(CONNECT5, &in5), [0x40, 2, 0, 9]);
    // A large one, in pieces.
    let mut large = vec![0x32, 0x80, 0x80, 0x10, 0, 1, b't', 0, 9];
    large.resize(4 + 0x4_0000, b'x');
    large.extend([0xc0, 0]);
    assert_eq!(after(CONNECT, &large), [0x40, 2, 0, 9, 0xd0, 0]);
}

#[test]
fn nothing_follows_a_leave() {
    assert_eq!(after(CONNECT, &[0xe0, 0, 0xc0, 0]), NOTHING);
    assert_eq!(after(CONNECT5, &[0xe0, 2, 4, 0, 0xc0, 0]), NOTHING);
}

#[test]
fn clients_that_are_not_welcome_learn_why() {
    for (connect, answer) in [
        // Another version; an old one.
        (
            &b"\x10\x0e\0\x04MQTT\x06\x02\0\x3c\0\x02ab"[..],
            &[0x20, 3, 0, 132, 0][..],
        ),
        (
            b"\x10\x0e\0\x04MQTT\x03\x02\0\x3c\0\x02ab",
            &[0x20, 2, 0, 1],
        ),
        (b"\x10\x10\0\x06MQIsdp\x03\x02\0\x3c\0\x02ab", &[]),
        // No name, and a session to come back to.
        (b"\x10\x0c\0\x04MQTT\x04\0\0\x3c\0\0", &[0x20, 2, 0, 2]),
        // Authentication of MQTT 5.
        (
            b"\x10\x13\0\x04MQTT\x05\x02\0\x3c\x04\x15\0\x01x\0\x02ab",
            &[0x20, 3, 0, 140, 0],
        ),
        // Reserved flags, a will of QoS 3, a will's QoS without a will, a password without a name.
        (b"\x10\x0e\0\x04MQTT\x04\x03\0\x3c\0\x02ab", &[]),
        (b"\x10\x0e\0\x04MQTT\x04\x1e\0\x3c\0\x02ab", &[]),
        (b"\x10\x0e\0\x04MQTT\x04\x0a\0\x3c\0\x02ab", &[]),
        (b"\x10\x11\0\x04MQTT\x04\x42\0\x3c\0\x02ab\0\x01x", &[]),
        // More, or less, than what is in it; no UTF-8; not CONNECT.
        (b"\x10\x0f\0\x04MQTT\x04\x02\0\x3c\0\x02abc", &[]),
        (b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x02a", &[]),
        (b"\x10\x0e\0\x04MQTT\x04\x02\0\x3c\0\x02\xff\xff", &[]),
        (b"\xc0\0", &[]),
        (b"\x10\xff\xff\xff\xff\x01", &[]),
        (b"GET / HTTP/1.1\r\n\r\n", &[]),
    ] {
        assert_eq!(answered(&[connect]), answer, "{connect:x?}");
    }
    let nameless = answered(&[b"\x10\x0d\0\x04MQTT\x05\x02\0\x3c\0\0\0"]);
    assert_eq!(nameless[..5], [0x20, 29, 0, 0, 26], "{nameless:x?}");
}

#[test]
fn what_is_malformed_ends_the_session() {
    for (packets, code) in [
        (&[0x36u8, 7, 0, 1, b't', 0, 9, 0, b'x'][..], 129),
        (&[0x34, 7, 0, 1, b't', 0, 9, 0, b'x'], 155),
        (&[0x38, 4, 0, 1, b't', 0], 129),
        (&[0x32, 6, 0, 1, b't', 0, 0, 0], 130),
        (&[0x32, 6, 0, 1, b'+', 0, 9, 0], 144),
        (&[0x32, 6, 0, 9, b't', 0, 9, 0], 129),
        (&[0x32, 9, 0, 1, b't', 0, 9, 3, 0x23, 0, 1], 148),
        (&[0x32, 0xff, 0xff, 0xff, 0x7f, 0], 149),
        (&[0xc1, 0], 129),
        (&[0xc0, 1, 0], 129),
        (&[0x82, 6, 0, 1, 0, 1, b't', 0], 131),
        (&[0x40, 2, 0, 1], 130),
        (&[0xf0, 0], 130),
        (CONNECT5, 130),
    ] {
        assert_eq!(after(CONNECT5, packets), [0xe0, 1, code], "{packets:x?}");
    }
    assert_eq!(after(CONNECT, &[0xc1, 0]), NOTHING);
}

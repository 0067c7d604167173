//! Arbitrary bytes from a client to the HTTP/1.1 server: the session ends, the answers are well-formed, only the last may
//! be an error, and their statuses do not depend on segmentation.
//!
//! Input: the number of cuts, the cuts (two bytes each), and then what the client sends.
#![no_main]

use std::cell::LazyCell;

use libfuzzer_sys::fuzz_target;
use shakedown::protocol::ProtocolKind;
use shakedown_fuzz::segments;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

thread_local! {
    static RUNTIME: LazyCell<Runtime> = LazyCell::new(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime with a clock that jumps")
    });
}

fuzz_target!(|input: &[u8]| {
    let Some((cuts, rest)) = input.split_first() else {
        return;
    };
    let (cuts, sent) = rest.split_at((2 * usize::from(cuts % 16)).min(rest.len()));
    let whole = answers(&[sent]);
    for (at, status) in whole.iter().enumerate() {
        let is_last = at + 1 == whole.len();
        assert!(
            *status == 200 || is_last && (400..600).contains(status),
            "{whole:?}"
        );
    }
    assert_eq!(whole, answers(&segments(sent, cuts)));
});

/// The statuses of the answers to a client that sends these segments and then ends its side.
fn answers(segments: &[&[u8]]) -> Vec<u16> {
    let (mut client, mut server) = tokio::io::duplex(1 << 20);
    let serve = async move {
        // Fails if the stream ends early, as the input may.
        let _ = ProtocolKind::Http1.serve(&mut server).await;
    };
    let ask = async move {
        for segment in segments {
            // The server hangs up once it has seen enough.
            if client.write_all(segment).await.is_err() {
                break;
            }
            // Let the server read this segment first.
            tokio::task::yield_now().await;
        }
        let _ = client.shutdown().await;
        let mut came = Vec::new();
        client
            .read_to_end(&mut came)
            .await
            .expect("what is in memory");
        came
    };
    let came = RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let (came, ()) = tokio::join!(ask, serve);
            came
        })
    });
    statuses(&String::from_utf8(came).expect("an answer in ASCII"))
}

/// The statuses of well-formed answers; those to HEAD have a length and no body.
fn statuses(came: &str) -> Vec<u16> {
    let mut rest = came;
    let mut statuses = Vec::new();
    while !rest.is_empty() {
        let (head, behind) = rest.split_once("\r\n\r\n").expect("a whole head");
        let line = head.strip_prefix("HTTP/1.").expect("a status line");
        let status = line[2..5].parse().expect("a status");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |digits| digits.parse().expect("a length"));
        let has_body = !behind.is_empty() && !behind.starts_with("HTTP/1.");
        rest = if has_body { &behind[length..] } else { behind };
        // Interim answers depend on how much of the body has arrived.
        if status != 100 {
            statuses.push(status);
        }
    }
    statuses
}

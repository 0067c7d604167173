//! Arbitrary bytes from whoever answers before TLS: the way in ends, within its cap, and succeeds only with a go-ahead.
//!
//! Input: a letter that says what is asked for, then what the other end sends.
#![no_main]

use std::cell::LazyCell;
use std::io;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use libfuzzer_sys::fuzz_target;
use shakedown::scenario::{Scenario, StartTls, WayIn};
use shakedown::way::WayError;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Runtime;

/// No way in reads more.
const CAP: usize = 16 * 1024;

thread_local! {
    static RUNTIME: LazyCell<Runtime> = LazyCell::new(|| {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime without drivers")
    });
}

static PROXY: LazyLock<WayIn> = LazyLock::new(|| {
    let mut scenario = Scenario::default();
    scenario.target.url = Some("tls://server.example:443".to_owned());
    scenario.tls.insecure = true;
    scenario.way_in.proxy = Some("http://127.0.0.1:3128".to_owned());
    scenario.check("", "").expect("a scenario").way_in
});

fuzz_target!(|input: &[u8]| {
    let Some((kind, answer)) = input.split_first() else {
        return;
    };
    let starttls = match kind {
        b'p' => StartTls::Postgres,
        b'm' => StartTls::Mysql,
        b's' => StartTls::Smtp,
        b'i' => StartTls::Imap,
        b'l' => StartTls::Ldap,
        _ => {
            // Empty lines ahead of an answer are ignored, as RFC 9112 section 2.2 has it for requests.
            let begins = |taken: &[u8]| taken.trim_ascii_start().starts_with(b"HTTP/1.");
            return judge(&PROXY, answer, begins);
        }
    };
    let way = WayIn {
        starttls: Some(starttls),
        ..WayIn::default()
    };
    judge(&way, answer, |taken| match starttls {
        StartTls::Postgres => taken == b"S",
        StartTls::Mysql => taken.len() > 4,
        StartTls::Smtp => lines(taken).any(|line| line.starts_with(b"220")),
        StartTls::Imap => {
            lines(taken).any(|line| line.len() >= 5 && line[..5].eq_ignore_ascii_case(b"a1 OK"))
        }
        StartTls::Ldap => taken.first() == Some(&0x30),
    });
});

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n')
}

/// Walks with the answer in one segment and in several.
fn judge(way: &WayIn, answer: &[u8], is_go_ahead: impl Fn(&[u8]) -> bool) {
    let whole = outcome(way, answer, answer.len().max(1), &is_go_ahead);
    let crumbs = outcome(way, answer, answer.len() / 256 + 1, &is_go_ahead);
    // Whether something is there ahead of its question, or behind a go-ahead, depends on the segment.
    let early = [&whole, &crumbs]
        .iter()
        .any(|told| *told == "way_in.protocol");
    assert!(
        whole == crumbs || early,
        "in one segment: {whole}, in several: {crumbs}"
    );
}

/// How the way in ends that is answered in segments of `piece` bytes.
fn outcome(
    way: &WayIn,
    answer: &[u8],
    piece: usize,
    is_go_ahead: &impl Fn(&[u8]) -> bool,
) -> String {
    let mut peer = Peer {
        rest: answer,
        piece,
        asked: 0,
    };
    let ended = RUNTIME.with(|runtime| runtime.block_on(way.walk(&mut peer, None)));
    let taken = &answer[..answer.len() - peer.rest.len()];
    assert!(taken.len() <= CAP, "{} bytes were read", taken.len());
    assert!(peer.asked <= CAP, "{} bytes were sent", peer.asked);
    match ended {
        Ok(()) => {
            assert!(
                is_go_ahead(taken),
                "no go-ahead in {:?}",
                taken.escape_ascii()
            );
            "ok".to_owned()
        }
        Err(WayError::Io(error)) => format!("Io {:?}", error.kind()),
        Err(WayError::Answer { class, .. }) => class.to_string(),
    }
}

/// The other end: what it still has to say, and how much it was asked.
struct Peer<'a> {
    rest: &'a [u8],
    piece: usize,
    asked: usize,
}

impl AsyncRead for Peer<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let peer = self.get_mut();
        let count = peer.piece.min(buf.remaining()).min(peer.rest.len());
        let (now, later) = peer.rest.split_at(count);
        buf.put_slice(now);
        peer.rest = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().asked += data.len();
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

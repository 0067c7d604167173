//! Whose session it is, for protocols in which a client has a name.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Draws;

/// Numbers that a thread takes at a time, so that threads do not share a counter with every session.
const BLOCK: u64 = 1 << 16;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Digits of the process's part of a token, and of the session's: 35 bits at random, and 10¹⁶ sessions.
const TAG_LEN: usize = 6;
const NUMBER_LEN: usize = 9;

static NEXT_BLOCK: AtomicU64 = AtomicU64::new(0);
/// Tells this process from others at the same server.
static TAG: LazyLock<[u8; TAG_LEN]> = LazyLock::new(|| {
    let random = getrandom::u64().unwrap_or_else(|_| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let nanos = now.map_or(0, |now| now.as_secs() ^ u64::from(now.subsec_nanos()) << 32);
        nanos ^ u64::from(std::process::id()).rotate_left(16)
    });
    digits(random)
});

thread_local! {
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

/// Whose session it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Who<'a> {
    /// The name of its identity; empty without a certificate.
    pub identity: &'a str,
    /// The number of the session, unique within the process.
    pub session: u64,
    /// The sizes of its payloads, where they differ.
    pub draws: Draws,
    /// The streams of its exchanges, where cells differ in them.
    pub streams: Option<usize>,
}

impl<'a> Who<'a> {
    /// The next session, of this identity.
    pub(crate) fn next(identity: &'a str) -> Self {
        let session = NEXT.with(|next| {
            let mut number = next.get();
            if number.is_multiple_of(BLOCK) {
                number = NEXT_BLOCK.fetch_add(BLOCK, Ordering::Relaxed);
            }
            next.set(number + 1);
            number
        });
        Self {
            identity,
            session,
            draws: Draws::default(),
            streams: None,
        }
    }

    /// It with these sizes and streams.
    pub(crate) fn drawing(self, draws: Draws, streams: Option<usize>) -> Self {
        Self {
            draws,
            streams,
            ..self
        }
    }

    /// Letters and digits that no other session has, of this process or of another.
    pub(super) fn token(&self) -> [u8; TAG_LEN + NUMBER_LEN] {
        let mut token = [0; TAG_LEN + NUMBER_LEN];
        let (tag, number) = token.split_at_mut(TAG_LEN);
        tag.copy_from_slice(&*TAG);
        number.copy_from_slice(&digits::<NUMBER_LEN>(self.session));
        token
    }
}

/// The last digits of a number.
fn digits<const N: usize>(mut number: u64) -> [u8; N] {
    let mut text = [b'0'; N];
    for digit in text.iter_mut().rev() {
        *digit = DIGITS[(number % 62) as usize];
        number /= 62;
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::*;

    #[test]
    fn no_two_sessions_have_the_same_token() {
        let some = || -> Vec<_> {
            let block = usize::try_from(BLOCK).unwrap();
            (0..block + 10).map(|_| Who::next("x").token()).collect()
        };
        let threads: Vec<_> = (0..3).map(|_| thread::spawn(some)).collect();
        let mut all = HashSet::new();
        for tokens in threads.into_iter().map(|t| t.join().unwrap()) {
            for token in tokens {
                assert!(token.iter().all(u8::is_ascii_alphanumeric));
                assert!(all.insert(token));
            }
        }
    }
}

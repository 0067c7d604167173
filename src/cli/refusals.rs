//! Reports the connections that `serve` refuses: a line each, counts where there are many.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shakedown::text::{UNTRUSTED_CAP, escape_untrusted};
use shakedown::tls::Refusal;
use shakedown::units::format_count;
use tokio::sync::Notify;

/// Most lines of one kind in a window.
const LINES: u64 = 10;
/// Length of a window, after which refusals without a line are summed up.
pub const WINDOW: Duration = Duration::from_secs(5);

/// Refused connections. Serving threads only write here, so that a slow terminal cannot delay them.
#[derive(Debug, Default)]
pub struct Refusals {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    total: BTreeMap<&'static str, u64>,
    window: BTreeMap<&'static str, u64>,
    lines: Vec<String>,
}

impl Refusals {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of one.
    pub(crate) fn note(&self, peer: SocketAddr, refusal: &Refusal) {
        let mut state = self.state();
        *state.total.entry(refusal.kind).or_default() += 1;
        let seen = state.window.entry(refusal.kind).or_default();
        *seen += 1;
        if *seen <= LINES {
            let detail = match escape_untrusted(&refusal.detail, UNTRUSTED_CAP) {
                detail if detail.is_empty() => detail,
                detail => format!(" ({detail})"),
            };
            let line = format!("refused {peer}: {}{detail}", refusal.kind);
            state.lines.push(line);
            self.news.notify_one();
        }
    }

    /// Waits until there are lines to take.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    /// The lines that came since the last time.
    pub(crate) fn take_lines(&self) -> Vec<String> {
        std::mem::take(&mut self.state().lines)
    }

    /// Ends a window: remaining lines, and counts of refusals without one.
    pub(crate) fn end_window(&self) -> Vec<String> {
        let mut state = self.state();
        let mut lines = std::mem::take(&mut state.lines);
        for (kind, seen) in std::mem::take(&mut state.window) {
            if seen > LINES {
                let more = format_count(seen - LINES);
                lines.push(format!("refused {more} more: {kind}"));
            }
        }
        lines
    }

    /// All of them by kind, the most frequent first; `None` if there were none.
    pub(crate) fn summary(&self) -> Option<String> {
        let mut kinds: Vec<_> = self.state().total.clone().into_iter().collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let words = |(kind, count): &(&str, u64)| format!("{} × {kind}", format_count(*count));
        let words: Vec<String> = kinds.iter().map(words).collect();
        (!words.is_empty()).then(|| format!("refused: {}", words.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_summed_up_and_text_of_strangers_is_escaped() {
        let refusals = Refusals::default();
        let peer = SocketAddr::from(([127, 0, 0, 1], 4433));
        for _ in 0..1_234 {
            refusals.note(peer, &Refusal::new("no client certificate"));
        }
        let detail = "\u{1b}[31mred".to_owned();
        refusals.note(
            peer,
            &Refusal {
                kind: "not TLS",
                detail,
            },
        );
        let lines = refusals.take_lines();
        assert_eq!(lines.len(), 11);
        assert_eq!(lines[0], "refused 127.0.0.1:4433: no client certificate");
        assert_eq!(
            lines[10],
            "refused 127.0.0.1:4433: not TLS (\\u{1b}[31mred)"
        );
        assert_eq!(
            refusals.end_window(),
            ["refused 1,224 more: no client certificate"]
        );
        assert!(refusals.end_window().is_empty());
        refusals.note(peer, &Refusal::new("not TLS"));
        assert_eq!(refusals.take_lines().len(), 1);
        assert_eq!(
            refusals.summary().unwrap(),
            "refused: 1,234 × no client certificate, 2 × not TLS"
        );
    }
}

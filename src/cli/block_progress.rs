//! Progress of an A/B run on stderr: a bar of blocks on a terminal, elsewhere a line per round.

use shakedown::compare::{AbEvent, BLOCKS_PER_ROUND, Turn};
use shakedown::record::{Comparison, Verdict};
use shakedown::text::for_terminal;

use super::output::{say, show, stderr_is_ready};
use super::progress::Shown;

/// Shows the events of an A/B run.
pub struct BlockProgress {
    shown: Shown,
    rounds_max: usize,
}

impl BlockProgress {
    /// A display for at most `rounds_max` rounds; `quiet` shows nothing.
    pub(crate) fn of(rounds_max: usize, quiet: bool) -> Self {
        let shown = Shown::of(quiet, "{bar:30.cyan/blue} {percent:>3} % {wide_msg}");
        if let Shown::Bar(bar) = &shown {
            bar.set_length((rounds_max * BLOCKS_PER_ROUND) as u64);
        }
        Self { shown, rounds_max }
    }

    pub(crate) fn on(&self, event: &AbEvent<'_>) {
        match event {
            AbEvent::Due(Turn { side, kept, place }) => {
                if let Shown::Bar(bar) = &self.shown
                    && stderr_is_ready()
                {
                    bar.set_position((kept * BLOCKS_PER_ROUND + place) as u64);
                    bar.set_message(format!("{}: {}", self.label(kept + 1), side.label()));
                }
            }
            AbEvent::Discarded(note) => {
                self.say(&format!("round discarded: {}: {}", note.code, note.message));
            }
            AbEvent::Kept(kept) => {
                if matches!(self.shown, Shown::Lines) {
                    show(self.label(*kept));
                }
            }
            AbEvent::Open(comparison) => self.say(&still_open(comparison)),
        }
    }

    fn label(&self, round: usize) -> String {
        format!("round {round}/{}", self.rounds_max)
    }

    /// Prints a line that stays.
    fn say(&self, text: &str) {
        match &self.shown {
            Shown::Lines => say(text),
            Shown::Bar(bar) if stderr_is_ready() => bar.println(for_terminal(text, false)),
            Shown::Nothing | Shown::Bar(_) => {}
        }
    }

    /// Removes the display.
    pub(crate) fn finish(self) {
        self.shown.finish();
    }
}

/// The figures that are still undecided.
fn still_open(comparison: &Comparison) -> String {
    let sides = [("", &comparison.cells), ("control ", &comparison.control)];
    let open: Vec<String> = sides
        .into_iter()
        .flat_map(|(side, cells)| cells.iter().map(move |cell| (side, cell)))
        .flat_map(|(side, cell)| {
            let figures = cell.figures.iter();
            let open = figures.filter(|f| f.gated && f.verdict == Some(Verdict::Inconclusive));
            open.map(move |figure| format!("{side}{} {}", cell.name, figure.figure))
        })
        .collect();
    if open.is_empty() {
        return "too few samples so far".to_owned();
    }
    let shown = open.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    let more = match open.len().saturating_sub(3) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("undecided so far: {shown}{more}")
}

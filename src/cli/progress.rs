//! Progress of a run on stderr: a steady display on a terminal, elsewhere a line every few seconds. Drawn by the
//! thread that watches the workers.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use shakedown::load::Event;
use shakedown::runner::Prepared;
use shakedown::scenario::Checked;
use shakedown::units::counted;

use super::color::wanted_on;
use super::live::Live;
use super::output::{say, show, stderr_is_ready};

/// Without a terminal, no more time passes without a line.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// On a terminal, no less time passes between two drawings.
const DRAW_EVERY: Duration = Duration::from_millis(200);
/// A bar with lines beside and below it as its message, and a last one as its prefix.
const DISPLAY: &str = "{bar:30.cyan/blue} {percent:>3} % {msg}\n{prefix:.yellow}";

/// Shows the events of an engine.
pub struct Progress {
    shown: Shown,
    live: Live,
    /// When something was shown last.
    last: Instant,
}

/// How something is shown.
pub enum Shown {
    /// Not at all.
    Nothing,
    /// In lines, without a terminal.
    Lines,
    /// By a bar on a terminal.
    Bar(ProgressBar),
}

impl Shown {
    /// By a bar of this template, where there is a terminal.
    pub(crate) fn of(quiet: bool, template: &str) -> Self {
        if quiet {
            Self::Nothing
        } else if std::io::stderr().is_terminal() {
            Self::Bar(on_stderr(template))
        } else {
            Self::Lines
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(self) {
        if let Self::Bar(bar) = self {
            if !stderr_is_ready() {
                bar.set_draw_target(ProgressDrawTarget::hidden());
            }
            bar.finish_and_clear();
        }
    }
}

impl Progress {
    /// The display of a run, which is announced; `quiet` shows nothing.
    pub(crate) fn of(prepared: &Prepared, quiet: bool) -> Self {
        let plan = prepared.plan();
        if !quiet {
            announce(&plan.checked);
            for shortage in &prepared.preflight().shortages {
                say(format_args!(
                    "warning: {}\n  help: {}",
                    shortage.message, shortage.advice
                ));
            }
        }
        Self {
            shown: Shown::of(quiet, DISPLAY),
            live: Live::new(plan.checked.clone().into(), plan.shard),
            last: Instant::now(),
        }
    }

    pub(crate) fn on(&mut self, event: Event<'_>) {
        self.live.on(event);
        let looked = matches!(
            event,
            Event::Tick { .. } | Event::Priming { .. } | Event::Waiting { .. }
        );
        match &self.shown {
            Shown::Lines if matches!(event, Event::End(_)) => show(self.live.outcome()),
            Shown::Lines if looked && self.last.elapsed() >= LINE_EVERY => {
                show(self.live.line());
            }
            Shown::Bar(bar) if looked && self.last.elapsed() >= DRAW_EVERY => {
                draw(bar, &self.live);
            }
            _ => return,
        }
        self.last = Instant::now();
    }

    /// Removes the display.
    pub(crate) fn finish(self) {
        self.shown.finish();
    }
}

fn draw(bar: &ProgressBar, live: &Live) {
    if !stderr_is_ready() {
        return;
    }
    let (beside, below, alarms) = live.display();
    let (done, of) = live.done();
    if bar.length() != Some(of) {
        bar.set_length(of);
    }
    // Everything is changed before it is drawn once.
    let changed = (bar.clone())
        .with_message(format!("{beside}\n{below}"))
        .with_prefix(alarms)
        .with_position(done);
    changed.tick();
}

fn announce(checked: &Checked) {
    let name = &checked.written.name;
    let trials = counted(checked.trials() as u64, "trial");
    say(format_args!("{name}: {trials}{}", checked.length_text()));
}

/// Drawn five times a second at most, with the template's colours where they are wanted.
pub(crate) fn on_stderr(template: &str) -> ProgressBar {
    // Left to itself, the library would let NO_COLOR count more than --color.
    console::set_colors_enabled_stderr(wanted_on(&std::io::stderr()));
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

//! What is shown while a run goes on: a bar on a terminal, plain lines elsewhere, always on stderr.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use shakedown::load::{Event, LiveTotals};
use shakedown::runner::Prepared;
use shakedown::scenario::Checked;
use shakedown::units::format_count;

use super::color::wanted_on;

/// Shows the events of an engine.
pub struct Progress {
    shown: Shown,
    cells: Vec<String>,
    trial: Duration,
    current: (usize, usize, usize),
    last: LiveTotals,
}

enum Shown {
    Nothing,
    Lines,
    Bar(ProgressBar),
}

impl Progress {
    /// The display of a run, which is announced; `quiet` shows nothing.
    pub fn of(prepared: &Prepared, quiet: bool) -> Self {
        let plan = prepared.plan();
        let stop = plan.checked.stop;
        let cells = plan.cells.iter().map(|site| site.cell.name.clone());
        let cells = cells.collect();
        if !quiet {
            announce(&plan.checked);
        }
        let trial = stop.warmup + stop.duration;
        let shown = if quiet {
            Shown::Nothing
        } else if std::io::stderr().is_terminal() {
            Shown::Bar(bar())
        } else {
            Shown::Lines
        };
        Self {
            shown,
            cells,
            trial,
            current: (0, 0, 0),
            last: LiveTotals::default(),
        }
    }

    /// Takes one event in.
    pub fn on(&mut self, event: Event<'_>) {
        match event {
            Event::Begin { number, of, cell } => self.current = (number + 1, of, cell),
            Event::Tick { elapsed, live } => {
                self.last = live;
                self.tick(elapsed);
            }
            Event::Priming { .. } | Event::Primed | Event::Second(_) => {}
            Event::End => self.end(),
        }
    }

    fn label(&self) -> String {
        let (number, of, cell) = self.current;
        format!("trial {number}/{of} {}", self.cells[cell])
    }

    fn tick(&self, elapsed: Duration) {
        let Shown::Bar(bar) = &self.shown else { return };
        let (number, of, _) = self.current;
        let trial_ms = self.trial.as_millis().max(1);
        let done_ms = trial_ms * (number as u128 - 1) + elapsed.as_millis().min(trial_ms);
        bar.set_length(u64::try_from(trial_ms * of as u128).unwrap_or(u64::MAX));
        bar.set_position(u64::try_from(done_ms).unwrap_or(u64::MAX));
        bar.set_message(format!("{}  {}", self.label(), self.counts()));
    }

    fn counts(&self) -> String {
        let live = &self.last;
        let held = if live.held > 0 {
            format!(", {} held", format_count(live.held))
        } else {
            String::new()
        };
        format!(
            "{} confirmed, {} failed, {} in flight{held}",
            format_count(live.ok),
            format_count(live.failed),
            format_count(live.in_flight),
        )
    }

    fn end(&self) {
        if matches!(self.shown, Shown::Lines) {
            let live = &self.last;
            eprintln!(
                "{}: {} confirmed, {} failed",
                self.label(),
                format_count(live.ok),
                format_count(live.failed)
            );
        }
    }

    /// Removes the display.
    pub fn finish(self) {
        if let Shown::Bar(bar) = self.shown {
            bar.finish_and_clear();
        }
    }
}

fn announce(checked: &Checked) {
    let stop = checked.stop;
    let trials = checked.cells.len() * checked.scenario.trials.count;
    let seconds = (stop.warmup + stop.duration).as_secs_f64() * trials as f64;
    let plural = if trials == 1 { "" } else { "s" };
    let length = match stop.total {
        Some(_) => String::new(),
        None => format!(", about {seconds:.0} s"),
    };
    eprintln!("{}: {trials} trial{plural}{length}", checked.scenario.name);
}

/// A bar on stderr.
pub fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
    let template = if wanted_on(&std::io::stderr()) {
        "{bar:30.cyan/blue} {percent:>3} % {wide_msg}"
    } else {
        "{bar:30} {percent:>3} % {wide_msg}"
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

//! The state of a run in progress, as lines of a display or as one line. Pure: events in, text out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shakedown::load::{Event, LiveTotals};
use shakedown::scenario::{Checked, LoadModel};
use shakedown::shard::Shard;
use shakedown::stats::{FailureClass, Second};
use shakedown::units::{Span, format_count, format_ns, three_digits};

/// Failure classes that are named; the others are summed up.
const CLASSES: usize = 3;
/// A worker that is on its core for a larger share has no time left.
const AT_LIMIT: f64 = 0.95;
/// A session that begins later than this is late by the generator's own fault, in nanoseconds.
const LATE_NS: u64 = 10_000_000;

/// Where a run is.
#[derive(Debug, Clone)]
pub struct Live {
    /// Shared, as a request may be large.
    plan: Arc<Checked>,
    /// Number of the trial, from 1, and of how many.
    trial: (usize, usize),
    cell: usize,
    /// Which part of the run this process does.
    shard: Shard,
    /// Time until its load begins, while it waits for that.
    waiting: Option<Duration>,
    /// Since when it is primed, while it is.
    priming: Option<Duration>,
    elapsed: Duration,
    totals: LiveTotals,
    /// The last whole second.
    last: Option<Second>,
    failures: BTreeMap<FailureClass, u64>,
}

impl Live {
    /// A run that has not begun.
    pub(crate) fn new(plan: Arc<Checked>, shard: Shard) -> Self {
        Self {
            plan,
            shard,
            waiting: None,
            trial: (0, 0),
            cell: 0,
            priming: None,
            elapsed: Duration::ZERO,
            totals: LiveTotals::default(),
            last: None,
            failures: BTreeMap::new(),
        }
    }

    pub(crate) fn on(&mut self, event: Event<'_>) {
        match event {
            Event::Begin { number, of, cell } => {
                *self = Self {
                    trial: (number + 1, of),
                    cell,
                    ..Self::new(Arc::clone(&self.plan), self.shard)
                };
            }
            Event::Waiting { left } => self.waiting = Some(left),
            Event::Priming { elapsed } => (self.waiting, self.priming) = (None, Some(elapsed)),
            Event::Primed => self.priming = None,
            Event::Tick { elapsed, live } => {
                self.waiting = None;
                (self.elapsed, self.totals) = (elapsed, live);
            }
            Event::Second(second) => self.second(second),
            Event::End(_) => {}
        }
    }

    fn second(&mut self, second: &Second) {
        for (class, count) in &second.failures {
            *self.failures.entry(*class).or_default() += count;
        }
        if second.is_whole() {
            self.last = Some(second.clone());
        }
    }

    /// Arrivals that are due in a second, which the end of the load may cut short; open loop.
    fn asked_in(&self, second: u64) -> Option<f64> {
        let LoadModel::Open { rate, .. } = &self.plan.load else {
            return None;
        };
        let end = self.length().as_secs_f64();
        let until = |t: f64| rate.area(t.min(end));
        let asked = until(second as f64 + 1.0) - until(second as f64);
        Some(asked / f64::from(self.shard.of))
    }

    /// From the first arrival of a trial to its last.
    fn length(&self) -> Duration {
        self.plan.stop.warmup + self.plan.stop.duration
    }

    /// How much of the run is done and how much there is, in milliseconds of load, or in sessions where they
    /// end it.
    pub(crate) fn done(&self) -> (u64, u64) {
        let (number, of) = (self.trial.0.saturating_sub(1) as u64, self.trial.1 as u64);
        let (done, each) = match self.plan.stop.total {
            Some(total) => (self.totals.started, self.part(total)),
            None => (millis(self.elapsed), millis(self.length())),
        };
        (each * number + done.min(each), each * of)
    }

    fn label(&self) -> String {
        format!("{} {}", self.trial(), self.cell())
            .trim_end()
            .to_owned()
    }

    fn trial(&self) -> String {
        let (number, of) = self.trial;
        match (self.shard, number) {
            (Shard::WHOLE, _) => format!("trial {number}/{of}"),
            // It waits for the others.
            (shard, 0) => format!("shard {shard}"),
            (shard, _) => format!("shard {shard}, trial {number}/{of}"),
        }
    }

    /// About this shard's part of a count.
    fn part(&self, count: u64) -> u64 {
        count.div_ceil(u64::from(self.shard.of))
    }

    fn cell(&self) -> &str {
        let cell = self.plan.cells.get(self.cell);
        cell.map_or("", |cell| cell.name.as_str())
    }

    /// The phase and its remaining time.
    fn phase(&self) -> String {
        let stop = &self.plan.stop;
        if let Some(left) = self.waiting {
            return format!("waiting, the load begins in {}", seconds(left));
        }
        if let Some(elapsed) = self.priming {
            return format!("priming for {}", seconds(elapsed));
        }
        if let Some(total) = stop.total {
            let [begun, total] = [self.totals.started, self.part(total)].map(format_count);
            return format!("{begun} of {total} sessions begun");
        }
        let until = |end: Duration| seconds(end.saturating_sub(self.elapsed));
        if self.elapsed < stop.warmup {
            format!("warming up, measuring in {}", until(stop.warmup))
        } else if self.elapsed <= self.length() {
            format!("measuring, {} left", until(self.length()))
        } else {
            let end = self.length() + stop.grace;
            format!("draining, at most {} left", until(end))
        }
    }

    /// Remaining time of the run, if known.
    fn run_left(&self) -> Option<String> {
        let (done, of) = self.done();
        let known = self.plan.stop.total.is_none();
        known.then(|| {
            let left = Duration::from_millis(of.saturating_sub(done));
            format!("about {} of the run left", seconds(left))
        })
    }

    /// Rates of the last whole second: begun of asked, and confirmed.
    fn rates(&self) -> String {
        let Some(last) = &self.last else {
            return "no full second yet".to_owned();
        };
        let asked = self.asked_in(last.number);
        let asked = asked.map(|asked| format!(" of {}/s asked", rate(asked)));
        let missed = match last.not_started {
            0 => String::new(),
            count => format!(", {}/s not started", format_count(count)),
        };
        format!(
            "last second: begun {}/s{}{missed}, confirmed {}/s",
            format_count(last.started),
            asked.unwrap_or_default(),
            format_count(last.ok)
        )
    }

    /// Open sessions.
    fn open(&self) -> String {
        let in_flight = format_count(self.totals.in_flight);
        let asked = match &self.plan.load {
            LoadModel::Closed { sessions, .. } => {
                let asked = sessions.value(self.elapsed.min(self.length()).as_secs_f64());
                let asked = asked / f64::from(self.shard.of);
                format!(" of {} sessions", rate(asked))
            }
            LoadModel::Open { .. } => String::new(),
        };
        let held = match self.totals.held {
            0 => String::new(),
            held => format!(", {} held", format_count(held)),
        };
        format!("{in_flight}{asked} in flight{held}")
    }

    /// Latency and the generator's own state in the last whole second.
    fn second_in_words(&self) -> Option<String> {
        let last = self.last.as_ref()?;
        let time = |q| {
            let timing = last.latency.quantile(q);
            timing.map_or("–".to_owned(), |timing| timing.to_string())
        };
        Some(format!(
            "p50 {}, p99 {}, busiest worker {:.0} %, lag up to {}",
            time(0.5),
            time(0.99),
            last.busiest * 100.0,
            format_ns(last.lag_max_ns)
        ))
    }

    /// Alarms: a generator that cannot keep up, failures of this trial by class.
    fn alarms(&self) -> String {
        let generator = self.last.as_ref().and_then(trouble);
        let failed = (!self.failures.is_empty()).then(|| format!("failed: {}", self.classes()));
        let alarms: Vec<String> = generator.into_iter().chain(failed).collect();
        alarms.join("; ")
    }

    /// The commonest failure classes of this trial.
    fn classes(&self) -> String {
        let mut classes: Vec<(&FailureClass, u64)> = self
            .failures
            .iter()
            .map(|(class, count)| (class, *count))
            .collect();
        classes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let (named, others) = classes.split_at(classes.len().min(CLASSES));
        let mut parts: Vec<String> = (named.iter())
            .map(|(class, count)| format!("{} {class}", format_count(*count)))
            .collect();
        let rest: u64 = others.iter().map(|(_, count)| count).sum();
        if rest > 0 {
            parts.push(format!("{} others", format_count(rest)));
        }
        parts.join(", ")
    }

    /// The display: the text beside the bar, the lines below it, and the alarms, empty while all is well.
    pub(crate) fn display(&self) -> (String, String, String) {
        let beside = match self.run_left() {
            Some(left) => format!("{}, {left}", self.trial()),
            None => self.trial(),
        };
        let second = self.second_in_words().unwrap_or_default();
        let below = format!(
            "{}: {}; {}\n{}\n{second}",
            self.cell(),
            self.phase(),
            self.open(),
            self.rates(),
        );
        (beside, below, self.alarms())
    }

    /// The same in one line.
    pub(crate) fn line(&self) -> String {
        let label = self.label();
        let mut parts = vec![format!("{label}: {}", self.phase())];
        if self.priming.is_none() && self.waiting.is_none() {
            parts.extend([self.open(), self.rates()]);
            parts.extend(self.second_in_words());
            parts.extend(Some(self.alarms()).filter(|alarms| !alarms.is_empty()));
        }
        parts.join("; ")
    }

    /// The outcome of a trial that has ended.
    pub(crate) fn outcome(&self) -> String {
        let [confirmed, failed] = [self.totals.ok, self.totals.failed].map(format_count);
        let classes = if self.failures.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.classes())
        };
        format!(
            "{}: {confirmed} confirmed, {failed} failed{classes}",
            self.label()
        )
    }
}

/// The generator's trouble, if any.
fn trouble(second: &Second) -> Option<String> {
    let what = if second.stalls.count > 0 {
        let longest = format_ns(second.stalls.longest_ns);
        format!("stalled for up to {longest}")
    } else if second.busiest > AT_LIMIT {
        "is at its limit".to_owned()
    } else if second.lag_max_ns > LATE_NS {
        "is behind schedule".to_owned()
    } else {
        return None;
    };
    Some(format!("the generator {what}"))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whole seconds, those begun included.
fn seconds(duration: Duration) -> Span {
    Span::secs(millis(duration).div_ceil(1_000))
}

/// A count per second, with decimals where there are few.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "arrivals or sessions of a second, positive and far below 2^64"
)]
fn rate(value: f64) -> String {
    if value < 10.0 && value.fract() > 0.0 {
        return three_digits(value);
    }
    format_count(value.round() as u64)
}

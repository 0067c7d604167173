//! What has happened so far in a run, for those who ask while it goes on: counters that only grow, warm-up
//! and drain included, and gauges of the trial that runs. Knows no format.

use std::collections::BTreeMap;

use shakedown::load::{Event, LiveTotals};
use shakedown::runner::Prepared;
use shakedown::scenario::LoadModel;
use shakedown::shard::Shard;
use shakedown::stats::{FailureClass, Second};

/// Upper ends of the buckets of latencies in nanoseconds: 100 µs to 50 s, about 1, 2.5 and 5 of each power of ten.
pub const BUCKETS_NS: [u64; 18] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    25_000_000_000,
    50_000_000_000,
];

/// What one cell has counted in all its trials so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CellCounts {
    /// The cell's name.
    pub name: String,
    /// Attempts begun.
    pub started: u64,
    /// Arrivals that never became attempts.
    pub not_started: u64,
    /// Sessions confirmed.
    pub confirmed: u64,
    /// Attempts failed, by class.
    pub failed: BTreeMap<FailureClass, u64>,
    /// Latencies of sessions that were not refused, by bucket; the last one has those beyond [`BUCKETS_NS`] and those
    /// without an answer.
    pub latency: [u64; BUCKETS_NS.len() + 1],
    /// Their sum in seconds, to the precision of two digits; those without an answer with their age.
    pub latency_sum_s: f64,
    /// CPU time of the workers in seconds.
    pub cpu_s: f64,
}

impl CellCounts {
    fn add(&mut self, second: &Second) {
        self.started += second.started;
        self.not_started += second.not_started;
        self.confirmed += second.ok;
        for (class, count) in &second.failures {
            *self.failed.entry(*class).or_default() += count;
        }
        let histogram = &second.latency;
        let within = histogram.counts_between(&BUCKETS_NS);
        // Who had no answer may have had one at any time from now on, so it is in no bucket with an end.
        let beyond = histogram.samples() + histogram.overflow() - within.iter().sum::<u64>();
        for (sum, count) in self
            .latency
            .iter_mut()
            .zip(within.into_iter().chain([beyond]))
        {
            *sum += count;
        }
        let mean = histogram.mean().or_else(|| histogram.mean_at_least());
        self.latency_sum_s += mean.unwrap_or(0.0) * histogram.samples() as f64 / 1e9;
        self.cpu_s += second.cpu_ns as f64 / 1e9;
    }
}

/// The state of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Board {
    /// The scenario's name.
    pub scenario: String,
    /// Every cell, in the scenario's order.
    pub cells: Vec<CellCounts>,
    /// Trials of the plan.
    pub trials: usize,
    /// Of these, trials that have ended.
    pub trials_ended: usize,
    /// Index of the cell whose trial runs.
    pub current: Option<usize>,
    /// Counts of that trial, a tenth of a second old at most.
    pub live: LiveTotals,
    /// Sessions per second that are asked of it now, in an open loop.
    pub asked: Option<f64>,
    /// Share of the last second, 0 to 1, that the busiest worker spent on its core.
    pub busiest: f64,
    /// Which part of the run this process does.
    pub shard: Shard,
    load: LoadModel,
}

impl Board {
    /// A run that has not begun.
    pub(crate) fn of(prepared: &Prepared) -> Self {
        let plan = prepared.plan();
        let checked = &plan.checked;
        let cells = plan.cells.iter().map(|site| site.cell.name.clone());
        Self::new(
            checked.written.name.clone(),
            cells.collect(),
            checked.scenario.trials.count,
            (checked.load.clone(), plan.shard),
        )
    }

    fn new(
        scenario: String,
        cells: Vec<String>,
        rounds: usize,
        (load, shard): (LoadModel, Shard),
    ) -> Self {
        Self {
            scenario,
            trials: cells.len() * rounds,
            cells: (cells.into_iter())
                .map(|name| CellCounts {
                    name,
                    ..CellCounts::default()
                })
                .collect(),
            trials_ended: 0,
            current: None,
            live: LiveTotals::default(),
            asked: None,
            busiest: 0.0,
            shard,
            load,
        }
    }

    /// Takes one event in.
    pub(crate) fn on(&mut self, event: Event<'_>) {
        match event {
            Event::Begin { cell, .. } => self.current = Some(cell),
            Event::Tick { elapsed, live } => {
                self.live = live;
                if let LoadModel::Open { rate, .. } = &self.load {
                    let asked = rate.value(elapsed.as_secs_f64());
                    self.asked = Some(asked / f64::from(self.shard.of));
                }
            }
            Event::Second(second) => {
                self.busiest = second.busiest;
                if let Some(cell) = self.current.and_then(|index| self.cells.get_mut(index)) {
                    cell.add(second);
                }
            }
            Event::Waiting { .. } | Event::Priming { .. } | Event::Primed => {}
            Event::End(_) => {
                self.trials_ended += 1;
                self.current = None;
                self.live = LiveTotals::default();
                self.asked = None;
                self.busiest = 0.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shakedown::scenario::Profile;

    use super::*;
    use crate::cli::live_tests::ended;
    use crate::cli::telemetry::exposition::render;

    fn second(number: u64, latencies_ns: &[u64], failed: u64) -> Second {
        let mut second = Second::new(number, 0);
        second.started = latencies_ns.len() as u64 + failed;
        second.ok = latencies_ns.len() as u64;
        second.not_started = 2;
        second.failures = BTreeMap::from([(FailureClass::Alert(48), failed)]);
        for ns in latencies_ns {
            second.latency.record(*ns);
        }
        second.cpu_ns = 250_000_000;
        second.busiest = 0.25;
        second
    }

    /// Two cells, of which the first has had a trial and the second has one.
    fn board() -> Board {
        let cells = ["tls", "mtls \"quoted\""].map(str::to_owned).into();
        let load = LoadModel::Open {
            rate: Profile::ramp(0.0, [(10.0, 100.0)]),
            arrivals: shakedown::scenario::Arrivals::Fixed,
            max_in_flight: 10,
        };
        let mut board = Board::new("x".to_owned(), cells, 2, (load, Shard::WHOLE));
        for cell in 0..2 {
            board.on(Event::Begin {
                number: cell,
                of: 4,
                cell,
            });
            board.on(Event::Second(&second(
                0,
                &[99_000, 1_000_000, 3_000_000],
                1,
            )));
            board.on(Event::Second(&second(1, &[60_000_000_000], 0)));
            if cell == 0 {
                board.on(Event::End(&ended()));
            }
        }
        board.on(Event::Tick {
            elapsed: Duration::from_secs(5),
            live: LiveTotals {
                in_flight: 7,
                held: 3,
                ..LiveTotals::default()
            },
        });
        board
    }

    #[test]
    fn a_scrape_has_every_metric_by_cell() {
        let text = render(&board());
        let build = text.lines().filter(|line| !line.contains("run_info{"));
        insta::assert_snapshot!(build.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn who_had_no_answer_is_in_no_bucket_with_an_end() {
        let mut cell = CellCounts::default();
        let mut silent = second(0, &[1_000_000], 0);
        silent.latency.record_beyond(2_000_000_000);
        cell.add(&silent);
        assert_eq!(cell.latency.iter().sum::<u64>(), 2);
        assert_eq!(cell.latency.last(), Some(&1));
        assert!((cell.latency_sum_s - 2.001).abs() < 0.05, "{cell:?}");
    }

    #[test]
    fn between_trials_there_is_nothing_in_flight() {
        let mut board = board();
        board.on(Event::End(&ended()));
        let text = render(&board);
        assert!(!text.contains("shakedown_in_flight"), "{text}");
        assert!(!text.contains("shakedown_asked_per_second"), "{text}");
        assert!(
            text.contains("shakedown_trials{scenario=\"x\",state=\"to_come\"} 2"),
            "{text}"
        );
    }

    #[test]
    fn a_shard_is_a_label_of_every_metric() {
        let shard = Shard { index: 3, of: 8 };
        let text = render(&Board { shard, ..board() });
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let unlabelled: Vec<&str> = lines.filter(|line| !line.contains("shard=\"3\"")).collect();
        assert!(unlabelled.is_empty(), "{unlabelled:?}");
        assert!(!render(&board()).contains("shard="));
    }
}

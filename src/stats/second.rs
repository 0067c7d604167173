//! One second of a trial: one worker's, and merged the second of all. Live figures and the timeline are made of it.
//!
//! An event belongs to the second in which it was noticed.

use std::collections::BTreeMap;

use super::{FailureClass, Hundredths, Outcome, Sample, SecondHistogram, Stalls};

/// Nanoseconds in a second.
const NS_PER_S: u64 = 1_000_000_000;

/// What happened in one second of a trial.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Second {
    /// Seconds since the trial's start.
    pub number: u64,
    /// How long it was, in nanoseconds: the last one of a trial may be shorter than a second.
    pub length_ns: u64,
    /// Attempts that began in it.
    pub started: u64,
    /// Arrivals given up in it, whenever they were due: a second that was handed over is never reopened.
    pub not_started: u64,
    /// Sessions confirmed in it.
    pub ok: u64,
    /// Attempts in flight when it began, ...
    pub in_flight_from: u64,
    /// ... and most of them at once. Of several workers both are sums.
    pub in_flight_max: u64,
    /// Confirmed sessions held open when it began, ...
    pub held_from: u64,
    /// ... and when it ended.
    pub held: u64,
    /// Attempts that failed in it, by class.
    pub failures: BTreeMap<FailureClass, u64>,
    /// See [`super::Metric::Latency`], of the sessions that ended in it and were not refused.
    pub latency: SecondHistogram,
    /// The longest lag of the attempts that ended in it, see [`super::Metric::Lag`].
    pub lag_max_ns: u64,
    /// When sessions were confirmed or exchanges answered.
    pub answered: Hundredths,
    /// When attempts were waiting for that.
    pub waiting: Hundredths,
    /// Stalls of workers; only the measure phase is watched.
    pub stalls: Stalls,
    /// CPU time of the workers in it, in nanoseconds.
    pub cpu_ns: u64,
    /// Share of it that the busiest worker spent on its core, 0 to 1.
    pub busiest: f64,
}

impl Second {
    /// An empty second, with the attempts in flight when it begins.
    pub fn new(number: u64, in_flight: u64) -> Self {
        Self {
            number,
            in_flight_from: in_flight,
            in_flight_max: in_flight,
            ..Self::default()
        }
    }

    /// The number of the second of a time, in nanoseconds after the trial's start.
    pub(crate) fn number_at(at_ns: u64) -> u64 {
        at_ns / NS_PER_S
    }

    /// Counts a finished attempt.
    pub fn finish(&mut self, sample: &Sample) {
        if let Some(latency) = sample.latency().filter(|_| sample.outcome.is_timed()) {
            self.latency.add(latency);
        }
        match &sample.outcome {
            Outcome::Ok { .. } => self.ok += 1,
            Outcome::Failed { class, .. } => *self.failures.entry(*class).or_default() += 1,
            Outcome::Cancelled(_) => return,
        }
        self.lag_max_ns = self.lag_max_ns.max(sample.lag_ns);
    }

    /// Closes one worker's second at a time, in nanoseconds after the trial's start. The worker had `cpu_ns`
    /// of CPU time in the `wall_ns` since it closed the one before.
    pub fn close(&mut self, at_ns: u64, cpu_ns: u64, wall_ns: u64) {
        self.length_ns = at_ns.saturating_sub(self.number * NS_PER_S).min(NS_PER_S);
        self.cpu_ns = cpu_ns;
        if wall_ns > 0 {
            self.busiest = (cpu_ns as f64 / wall_ns as f64).min(1.0);
        }
    }

    /// Adds the same second of another worker, in any order.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.length_ns = self.length_ns.max(other.length_ns);
        self.started += other.started;
        self.not_started += other.not_started;
        self.ok += other.ok;
        self.in_flight_from += other.in_flight_from;
        self.in_flight_max += other.in_flight_max;
        self.held_from += other.held_from;
        self.held += other.held;
        for (class, count) in &other.failures {
            *self.failures.entry(*class).or_default() += count;
        }
        self.latency.merge(&other.latency);
        self.lag_max_ns = self.lag_max_ns.max(other.lag_max_ns);
        self.answered.merge(other.answered);
        self.waiting.merge(other.waiting);
        self.stalls.merge(&other.stalls);
        self.cpu_ns += other.cpu_ns;
        self.busiest = self.busiest.max(other.busiest);
    }

    /// Whether it was a whole second, so that its counts are rates.
    pub fn is_whole(&self) -> bool {
        self.length_ns == NS_PER_S
    }

    /// Attempts that failed in it, of every class.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::{CancelPhase, OkKind, Phase, Proof, Stage, Timing};

    fn sample(outcome: Outcome, service_ns: u64) -> Sample {
        let known = matches!(outcome, Outcome::Ok { .. });
        Sample {
            outcome,
            lag_ns: 10,
            service: Some(if known {
                Timing::At(service_ns)
            } else {
                Timing::Beyond(service_ns)
            }),
            ..Sample::begun(Phase::Warmup)
        }
    }

    /// One worker's second: each value is the service time of an attempt, and decides what became of it.
    fn of(values: &[u64]) -> Second {
        let mut second = Second::new(3, 0);
        for value in values {
            let outcome = match value % 6 {
                0 => Outcome::Failed {
                    class: FailureClass::Alert(48),
                    message: String::new(),
                },
                1 => Outcome::Failed {
                    class: FailureClass::Unconfirmed,
                    message: String::new(),
                },
                2 => Outcome::Cancelled(CancelPhase::Drain),
                4 => Outcome::Failed {
                    class: FailureClass::Unanswered(Stage::Confirm),
                    message: String::new(),
                },
                _ => Outcome::Ok {
                    kind: OkKind::Full,
                    proof: Proof::ApplicationData,
                },
            };
            second.started += 1;
            second.finish(&sample(outcome, *value));
        }
        let cpu_ns = values.len() as u64 * 1_000_000;
        second.close(3_900_000_000, cpu_ns, 900_000_000);
        second
    }

    #[test]
    fn who_is_refused_has_no_latency_and_who_is_silent_has_an_age() {
        let second = of(&[0, 1, 3, 6]);
        assert_eq!((second.ok, second.failed(), second.started), (1, 3, 4));
        assert_eq!(second.failures[&FailureClass::Alert(48)], 2);
        assert_eq!(second.latency.max(), Some(Timing::At(13)));
        assert_eq!(second.lag_max_ns, 10);
        let second = of(&[3, 4]);
        assert_eq!((second.ok, second.failed()), (1, 1));
        assert_eq!(second.latency.max(), Some(Timing::Beyond(14)));
    }

    #[test]
    fn only_the_last_second_is_not_whole() {
        let mut second = Second::new(3, 0);
        second.close(3_250_000_000, 100_000_000, 250_000_000);
        assert_eq!((second.length_ns, second.is_whole()), (250_000_000, false));
        assert!((second.busiest - 0.4).abs() < 1e-9);
        // A stalled worker closes it late.
        second.close(5_000_000_000, 100_000_000, 2_000_000_000);
        assert!(second.is_whole() && second.busiest < 0.1, "{second:?}");
    }

    proptest! {
        #[test]
        fn merging_is_order_free_and_loses_nothing(
            a in prop::collection::vec(0u64..u64::MAX, 0..30),
            b in prop::collection::vec(0u64..10_000_000_000, 0..30),
            c in prop::collection::vec(0u64..10_000_000_000, 0..30),
        ) {
            let parts = [of(&a), of(&b), of(&c)];
            let merged = |order: [usize; 3]| {
                let mut sum = Second::new(3, 0);
                for part in order {
                    sum.merge(&parts[part]);
                }
                sum
            };
            let sum = merged([0, 1, 2]);
            prop_assert_eq!(&sum, &merged([2, 0, 1]));
            prop_assert_eq!(sum.started, (a.len() + b.len() + c.len()) as u64);
            prop_assert_eq!(sum.ok, sum.latency.count() + sum.latency.overflow());
        }
    }
}

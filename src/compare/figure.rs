//! The figures that are compared: their labels, scales and units, and how each is read from a trial.

use std::fmt;
use std::str::FromStr;

use crate::record::{Scale, TrialRecord};
use crate::stats::{HistogramError, Metric, OkKind, Timing};

/// One figure of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// Client CPU time per session, in microseconds: the primary one.
    ClientCpu,
    /// CPU time of the embedded target per session, in microseconds.
    TargetCpu,
    /// Sessions confirmed per second.
    Throughput,
    /// Bytes sent per handshake.
    BytesOut,
    /// Bytes received per handshake.
    BytesIn,
    /// Growth of the process's memory per held session, in bytes.
    Memory,
    /// Share of started attempts that failed.
    FailureRate,
    /// Share of confirmed sessions that were resumed.
    ResumedShare,
    /// A percentile of a duration, in nanoseconds.
    Quantile(Metric, Percentile),
}

/// The percentiles that are compared. Above, there are too few samples in a block to tell changes apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Percentile {
    /// The median.
    P50,
    /// The 90th.
    P90,
    /// The 99th.
    P99,
}

impl Percentile {
    const ALL: [Self; 3] = [Self::P50, Self::P90, Self::P99];

    fn share(self) -> f64 {
        match self {
            Self::P50 => 0.5,
            Self::P90 => 0.9,
            Self::P99 => 0.99,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
        }
    }
}

/// Samples that a unit must have before its p99 is judged: below, it hangs on fewer than a hundred
/// sessions.
pub const P99_SAMPLES: u64 = 10_000;

/// Durations whose percentiles are compared. `lag` is the generator's own and is in `latency`.
const DURATIONS: [Metric; 6] = [
    Metric::Connect,
    Metric::Handshake,
    Metric::Confirm,
    Metric::Exchange,
    Metric::Latency,
    Metric::Service,
];

impl Figure {
    /// Every figure, in the order of display.
    pub fn all() -> Vec<Self> {
        let mut all = vec![
            Self::ClientCpu,
            Self::TargetCpu,
            Self::Throughput,
            Self::BytesOut,
            Self::BytesIn,
            Self::Memory,
            Self::FailureRate,
            Self::ResumedShare,
        ];
        for metric in DURATIONS {
            all.extend(Percentile::ALL.map(|p| Self::Quantile(metric, p)));
        }
        all
    }

    /// The unit of its values; empty for shares.
    pub fn unit(self) -> &'static str {
        match self {
            Self::ClientCpu | Self::TargetCpu => "us",
            Self::Throughput => "/s",
            Self::BytesOut | Self::BytesIn | Self::Memory => "B",
            Self::FailureRate | Self::ResumedShare => "",
            Self::Quantile(..) => "ns",
        }
    }

    /// How two of its values are held against each other.
    pub fn scale(self) -> Scale {
        match self {
            Self::FailureRate | Self::ResumedShare => Scale::Difference,
            _ => Scale::Ratio,
        }
    }

    /// Whether less is better.
    pub fn smaller_is_better(self) -> bool {
        !matches!(self, Self::Throughput | Self::ResumedShare)
    }

    /// By how much it may get worse where no policy says otherwise: the noise that a quiet machine
    /// makes of nothing, rounded up.
    pub fn default_allowed(self) -> f64 {
        match self {
            Self::FailureRate => 0.001,
            Self::ResumedShare | Self::BytesOut | Self::BytesIn => 0.01,
            Self::ClientCpu | Self::TargetCpu => 0.02,
            Self::Throughput => 0.05,
            Self::Memory | Self::Quantile(_, Percentile::P50) => 0.10,
            Self::Quantile(_, Percentile::P90) => 0.15,
            Self::Quantile(_, Percentile::P99) => 0.25,
        }
    }

    /// Samples that a unit must have before it is judged.
    pub fn least_samples(self) -> u64 {
        match self {
            Self::Quantile(_, Percentile::P99) => P99_SAMPLES,
            _ => 0,
        }
    }

    /// Whether every run that did what was asked has it; the others depend on what was asked.
    pub fn is_universal(self) -> bool {
        matches!(self, Self::ClientCpu | Self::Throughput | Self::FailureRate)
    }

    /// Its value in one trial; `None` where there is none, and for percentiles, which come from
    /// [`Figure::percentiles`]. `memory_floor` is the memory of the process before the run's first trial.
    pub fn of(self, trial: &TrialRecord, memory_floor: Option<u64>) -> Option<f64> {
        let measured = &trial.measured;
        let confirmed = measured.ok_total();
        let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
        let per_handshake = |bytes: u64| share(bytes, confirmed).filter(|bytes| *bytes > 0.0);
        match self {
            Self::ClientCpu => trial.client_cpu_us(),
            Self::TargetCpu => trial.target_cpu_us(),
            Self::Throughput => trial.confirmed_per_second().filter(|rate| *rate > 0.0),
            Self::BytesOut => per_handshake(trial.sum(|kind| kind.handshake_bytes_out)),
            Self::BytesIn => per_handshake(trial.sum(|kind| kind.handshake_bytes_in)),
            Self::Memory => memory_floor.and_then(|floor| trial.memory_per_session(floor)),
            Self::FailureRate => share(measured.failed_total(), measured.started),
            Self::ResumedShare => trial
                .resumption
                .and_then(|_| share(measured.ok_of(OkKind::Resumed), confirmed)),
            Self::Quantile(..) => None,
        }
    }

    /// The percentiles of every duration of one trial for which there are samples enough.
    ///
    /// # Errors
    ///
    /// Fails if a stored histogram is damaged.
    pub fn percentiles(trial: &TrialRecord) -> Result<Vec<(Self, Timing)>, HistogramError> {
        let mut found = Vec::new();
        for metric in DURATIONS {
            let histogram = trial.histogram(metric)?;
            for percentile in Percentile::ALL {
                let value = histogram.quantile(percentile.share());
                found.extend(value.map(|timing| (Self::Quantile(metric, percentile), timing)));
            }
        }
        Ok(found)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientCpu => "client-cpu",
            Self::TargetCpu => "target-cpu",
            Self::Throughput => "throughput",
            Self::BytesOut => "bytes-out",
            Self::BytesIn => "bytes-in",
            Self::Memory => "memory",
            Self::FailureRate => "failure-rate",
            Self::ResumedShare => "resumed-share",
            Self::Quantile(metric, percentile) => {
                return write!(f, "{}-{}", metric.label(), percentile.label());
            }
        })
    }
}

impl FromStr for Figure {
    type Err = ();

    fn from_str(label: &str) -> Result<Self, ()> {
        let known = Self::all().into_iter();
        known.into_iter().find(|f| f.to_string() == label).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_unique_and_read_back() {
        let all = Figure::all();
        for figure in &all {
            assert_eq!(figure.to_string().parse(), Ok(*figure));
        }
        assert_eq!(all.len(), 8 + 18);
        assert!("confirm-p999".parse::<Figure>().is_err());
    }
}

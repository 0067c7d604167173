//! The catalogue of figures: what each is called, its unit, which way is better, and how it is read from a trial. Policies,
//! comparisons, taxes and drawings take them from here.

use std::fmt;
use std::str::FromStr;

use crate::record::{KindRecord, Scale, TrialRecord};
use crate::stats::{Accounting, HistogramError, Metric, OkKind, Timing};

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
    /// Both together. Comparisons have them apart.
    Bytes,
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
    pub(super) const ALL: [Self; 3] = [Self::P50, Self::P90, Self::P99];

    /// Its share of all samples, its label, and by how much it may get worse.
    fn row(self) -> (f64, &'static str, f64) {
        match self {
            Self::P50 => (0.5, "p50", 0.10),
            Self::P90 => (0.9, "p90", 0.15),
            Self::P99 => (0.99, "p99", 0.25),
        }
    }

    pub(super) fn share(self) -> f64 {
        self.row().0
    }
}

/// Samples that a unit must have before its p99 is judged: below, it hangs on fewer than a hundred
/// sessions.
pub const P99_SAMPLES: u64 = 10_000;

/// Durations whose percentiles are compared. `lag` is the generator's own and is in `latency`.
const DURATIONS: [Metric; 7] = [
    Metric::Connect,
    Metric::WayIn,
    Metric::Handshake,
    Metric::Confirm,
    Metric::Exchange,
    Metric::Latency,
    Metric::Service,
];

impl Figure {
    /// Those with one value in a trial that are compared.
    pub const PLAIN: [Self; 8] = [
        Self::ClientCpu,
        Self::TargetCpu,
        Self::Throughput,
        Self::BytesOut,
        Self::BytesIn,
        Self::Memory,
        Self::FailureRate,
        Self::ResumedShare,
    ];

    /// Every figure that is compared, in the order of display.
    pub(crate) fn all() -> Vec<Self> {
        let percentiles = DURATIONS
            .iter()
            .flat_map(|metric| Percentile::ALL.map(|p| Self::Quantile(*metric, p)));
        Self::PLAIN.into_iter().chain(percentiles).collect()
    }

    /// Its stable label and its title, of a percentile those of the duration; its unit; and by how much it may get
    /// worse where no policy says otherwise: the noise that a quiet machine makes of nothing, rounded up.
    fn row(self) -> (&'static str, &'static str, &'static str, f64) {
        match self {
            Self::ClientCpu => ("client-cpu", "client CPU per session", "us", 0.02),
            Self::TargetCpu => ("target-cpu", "target CPU per session", "us", 0.02),
            Self::Throughput => ("throughput", "sessions confirmed", "/s", 0.05),
            Self::BytesOut => ("bytes-out", "bytes out per handshake", "B", 0.01),
            Self::BytesIn => ("bytes-in", "bytes in per handshake", "B", 0.01),
            Self::Bytes => ("bytes", "handshake bytes", "B", 0.01),
            Self::Memory => ("memory", "memory per held session", "B", 0.10),
            Self::FailureRate => ("failure-rate", "failure rate", "", 0.001),
            Self::ResumedShare => ("resumed-share", "resumed share", "", 0.01),
            Self::Quantile(metric, percentile) => {
                (metric.label(), metric.label(), "ns", percentile.row().2)
            }
        }
    }

    /// What follows its label and title, if it is a percentile.
    fn percentile(self) -> Option<&'static str> {
        match self {
            Self::Quantile(_, percentile) => Some(percentile.row().1),
            _ => None,
        }
    }

    /// What it is called in tables.
    pub(crate) fn title(self) -> String {
        let (_, title, ..) = self.row();
        match self.percentile() {
            Some(name) => format!("{title} {name}"),
            None => title.to_owned(),
        }
    }

    /// The unit of its values; empty for shares.
    pub(crate) fn unit(self) -> &'static str {
        self.row().2
    }

    /// How two of its values are compared.
    pub(crate) fn scale(self) -> Scale {
        if self.unit().is_empty() {
            Scale::Difference
        } else {
            Scale::Ratio
        }
    }

    /// Whether less is better.
    pub(crate) fn smaller_is_better(self) -> bool {
        !matches!(self, Self::Throughput | Self::ResumedShare)
    }

    /// By how much it may get worse where no policy says otherwise.
    pub(crate) fn default_allowed(self) -> f64 {
        self.row().3
    }

    /// Samples that a unit must have before it is judged.
    pub(crate) fn least_samples(self) -> u64 {
        match self {
            Self::Quantile(_, Percentile::P99) => P99_SAMPLES,
            _ => 0,
        }
    }

    /// Whether every run that did what was asked has it; the others depend on what was asked.
    pub(crate) fn is_universal(self) -> bool {
        matches!(self, Self::ClientCpu | Self::Throughput | Self::FailureRate)
    }

    /// Its value in one trial; `None` where there is none, and for percentiles, which come from
    /// [`Figure::percentiles`]. `memory_floor` is the memory of the process before the run's first trial.
    pub(crate) fn of(self, trial: &TrialRecord, memory_floor: Option<u64>) -> Option<f64> {
        let measured = &trial.measured;
        let per_handshake = |of: fn(&KindRecord) -> u64| {
            share(trial.sum(of), measured.ok_total()).filter(|bytes| *bytes > 0.0)
        };
        match self {
            Self::ClientCpu => trial.client_cpu_us(),
            Self::TargetCpu => trial.target_cpu_us(),
            Self::Throughput => trial.confirmed_per_second().filter(|rate| *rate > 0.0),
            Self::BytesOut => per_handshake(|kind| kind.handshake_bytes_out),
            Self::BytesIn => per_handshake(|kind| kind.handshake_bytes_in),
            Self::Bytes => per_handshake(|kind| kind.handshake_bytes_out + kind.handshake_bytes_in),
            Self::Memory => memory_floor.and_then(|floor| trial.memory_per_session(floor)),
            Self::FailureRate => self.share(measured),
            Self::ResumedShare => trial.resumption.and_then(|_| self.share(measured)),
            Self::Quantile(..) => None,
        }
    }

    /// Its value over all of these attempts, if it is a share of them.
    pub(crate) fn share(self, measured: &Accounting) -> Option<f64> {
        match self {
            Self::FailureRate => share(measured.failed_total(), measured.started),
            Self::ResumedShare => share(measured.ok_of(OkKind::Resumed), measured.ok_total()),
            _ => None,
        }
    }

    /// The percentiles of every duration of one trial for which there are samples enough.
    ///
    /// Fails if a stored histogram is damaged.
    pub(crate) fn percentiles(trial: &TrialRecord) -> Result<Vec<(Self, Timing)>, HistogramError> {
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
        f.write_str(self.row().0)?;
        match self.percentile() {
            Some(name) => write!(f, "-{name}"),
            None => Ok(()),
        }
    }
}

fn share(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

impl FromStr for Figure {
    type Err = ();

    fn from_str(label: &str) -> Result<Self, ()> {
        let mut known = Self::all().into_iter();
        known.find(|f| f.to_string() == label).ok_or(())
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
        assert_eq!(all.len(), 8 + 21);
        assert!("confirm-p999".parse::<Figure>().is_err());
    }
}

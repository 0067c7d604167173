//! Absolute thresholds, in the grammar of k6: `p(99)<25ms`, `rate<0.01`, and also `p99<25ms`.

use std::fmt;
use std::str::FromStr;

use crate::analysis::{Figure, events};
use crate::record::CellRecord;
use crate::stats::{HistogramError, LatencyHistogram, Metric, Timing};
use crate::units::Span;

/// What a threshold is about: a duration, or a figure with one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The histogram of a duration, merged over all trials.
    Duration(Metric),
    /// A figure, over all trials.
    Figure(Figure),
    /// From the cut of a session by an event until it was back, over all such events.
    Recovery,
    /// How long a revoked or expired certificate was accepted, of the slowest event.
    Reaction,
}

impl Subject {
    /// Every subject; percentiles are written as those of a duration.
    pub(crate) fn all() -> Vec<Self> {
        let durations = Metric::ALL.into_iter().map(Self::Duration);
        let figures = Figure::PLAIN.map(Self::Figure);
        let events = [Self::Recovery, Self::Reaction];
        durations.chain(figures).chain(events).collect()
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duration(metric) => f.write_str(metric.label()),
            Self::Figure(figure) => figure.fmt(f),
            Self::Recovery => f.write_str("recovery"),
            Self::Reaction => f.write_str("revocation-reaction"),
        }
    }
}

impl FromStr for Subject {
    type Err = ();

    fn from_str(label: &str) -> Result<Self, ()> {
        let mut all = Self::all().into_iter();
        all.find(|s| s.to_string() == label).ok_or(())
    }
}

/// The value that is compared with a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Observed {
    /// It is this.
    At(f64),
    /// It is beyond this, how far is not known: it falls among sessions without an answer.
    Beyond(f64),
}

impl Observed {
    /// The value, or what it is beyond.
    pub(crate) fn least(self) -> f64 {
        let (Self::At(value) | Self::Beyond(value)) = self;
        value
    }

    /// Whether it is only known to be beyond its value.
    pub(crate) fn is_beyond(self) -> bool {
        matches!(self, Self::Beyond(_))
    }
}

impl From<Timing> for Observed {
    fn from(timing: Timing) -> Self {
        match timing {
            Timing::At(ns) => Self::At(ns as f64),
            Timing::Beyond(ns) => Self::Beyond(ns as f64),
        }
    }
}

/// How a subject becomes one value.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Aggregate {
    /// A percentile, as a share.
    Percentile(f64),
    Mean,
    Min,
    Max,
    /// The figure itself: `rate` for shares, `value` for the others.
    Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

/// Longer ones first, because they begin like the shorter ones.
const RELATIONS: [(&str, Relation); 8] = [
    ("<=", Relation::LessOrEqual),
    (">=", Relation::GreaterOrEqual),
    ("===", Relation::Equal),
    ("==", Relation::Equal),
    ("!=", Relation::NotEqual),
    ("<", Relation::Less),
    (">", Relation::Greater),
    ("=", Relation::Equal),
];

/// One threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    subject: Subject,
    aggregate: Aggregate,
    relation: Relation,
    /// Nanoseconds for durations, else in the figure's own unit.
    pub limit: f64,
    text: String,
}

/// What is wrong with the text of a threshold: the cause and the remedy.
pub type Fault = (String, String);

impl Threshold {
    /// Reads a threshold about `subject`.
    ///
    /// # Errors
    ///
    /// Fails with cause and remedy if the text is not of the grammar, or does not fit the subject.
    pub fn parse(subject: Subject, text: &str) -> Result<Self, Fault> {
        let found = RELATIONS
            .iter()
            .filter_map(|(sign, relation)| Some((text.find(sign)?, *sign, *relation)))
            .min_by_key(|(at, sign, _)| (*at, usize::MAX - sign.len()));
        let fault = |cause: String| (cause, format!("write {}", example(subject)));
        let (at, sign, relation) =
            found.ok_or_else(|| fault(format!("{text:?} compares nothing")))?;
        let (aggregate, limit) = (text[..at].trim(), text[at + sign.len()..].trim());
        let aggregate = aggregate_of(subject, aggregate)
            .ok_or_else(|| fault(format!("{aggregate:?} says nothing about {subject}")))?;
        let limit = limit_of(subject, limit)
            .ok_or_else(|| fault(format!("{limit:?} is no limit for {subject}")))?;
        Ok(Self {
            subject,
            aggregate,
            relation,
            limit,
            text: text.trim().to_owned(),
        })
    }

    /// The unit of the limit: `ns` for durations.
    pub(crate) fn unit(&self) -> &'static str {
        match self.subject {
            Subject::Figure(figure) => figure.unit(),
            _ => "ns",
        }
    }

    /// Whether what was observed keeps to it; `None` where that cannot be said, since what is beyond a value on this
    /// side of the limit may be on either.
    pub(crate) fn keeps(&self, observed: Observed) -> Option<bool> {
        let past = match observed {
            Observed::At(value) => return Some(self.holds(value)),
            Observed::Beyond(value) => value >= self.limit,
        };
        past.then_some(matches!(
            self.relation,
            Relation::Greater | Relation::GreaterOrEqual | Relation::NotEqual
        ))
    }

    /// Whether a value keeps to it.
    fn holds(&self, value: f64) -> bool {
        match self.relation {
            Relation::Less => value < self.limit,
            Relation::LessOrEqual => value <= self.limit,
            Relation::Greater => value > self.limit,
            Relation::GreaterOrEqual => value >= self.limit,
            // Both were read from decimal text or counted; nearer than this nobody writes them.
            Relation::Equal => (value - self.limit).abs() <= 1e-9 * self.limit.abs(),
            Relation::NotEqual => (value - self.limit).abs() > 1e-9 * self.limit.abs(),
        }
    }

    /// The value that it limits, over all trials of a cell; `None` where there are too few samples for
    /// it, or none.
    ///
    /// Fails if a stored histogram is damaged.
    pub(crate) fn observed(
        &self,
        cell: &CellRecord,
        memory_floor: Option<u64>,
    ) -> Result<Option<Observed>, HistogramError> {
        match self.subject {
            Subject::Duration(metric) => Ok(self.aggregate.of(&cell.histogram(metric)?)),
            Subject::Figure(figure) => {
                Ok(over_trials(figure, cell, memory_floor).map(Observed::At))
            }
            Subject::Recovery => Ok(self.aggregate.of(&recovery(cell)?)),
            Subject::Reaction => Ok(slowest_reaction(cell)?.map(Observed::from)),
        }
    }
}

/// How long all sessions of a cell took to come back that events cut.
fn recovery(cell: &CellRecord) -> Result<LatencyHistogram, HistogramError> {
    let mut sum = LatencyHistogram::new();
    for event in events(cell)? {
        sum.merge(&event.recovery);
    }
    Ok(sum)
}

/// The slowest reaction of a cell's server to an event.
fn slowest_reaction(cell: &CellRecord) -> Result<Option<Timing>, HistogramError> {
    let events = events(cell)?.into_iter();
    let slower = |timing: &Timing| (timing.least(), timing.exact().is_none());
    Ok(events.filter_map(|event| event.reaction).max_by_key(slower))
}

/// A figure of a cell: shares over all attempts, the others as means over trials.
fn over_trials(figure: Figure, cell: &CellRecord, memory_floor: Option<u64>) -> Option<f64> {
    if figure.unit().is_empty() {
        return figure.share(&cell.measured());
    }
    let trials = cell.trials.iter();
    let values: Option<Vec<f64>> = trials.map(|t| figure.of(t, memory_floor)).collect();
    let values = values.filter(|values| !values.is_empty())?;
    Some(values.iter().sum::<f64>() / values.len() as f64)
}

impl Aggregate {
    fn of(self, histogram: &LatencyHistogram) -> Option<Observed> {
        match self {
            Self::Percentile(share) => histogram.quantile(share).map(Observed::from),
            Self::Mean => {
                let beyond = || histogram.mean_at_least().map(Observed::Beyond);
                histogram.mean().map(Observed::At).or_else(beyond)
            }
            Self::Min => histogram.min().map(|ns| Observed::At(ns as f64)),
            Self::Max => histogram.max().map(Observed::from),
            Self::Value => None,
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.text)
    }
}

fn aggregate_of(subject: Subject, text: &str) -> Option<Aggregate> {
    match subject {
        Subject::Reaction => (text == "max").then_some(Aggregate::Max),
        Subject::Duration(_) | Subject::Recovery => match text {
            "med" => Some(Aggregate::Percentile(0.5)),
            "avg" => Some(Aggregate::Mean),
            "min" => Some(Aggregate::Min),
            "max" => Some(Aggregate::Max),
            _ => percentile(text),
        },
        Subject::Figure(figure) => {
            let name = if figure.unit().is_empty() {
                "rate"
            } else {
                "value"
            };
            (text == name).then_some(Aggregate::Value)
        }
    }
}

/// `p(99)` or `p99`, up to the one with which ten of 10,000 samples lie beyond.
fn percentile(text: &str) -> Option<Aggregate> {
    let rest = text.strip_prefix('p')?;
    let number = match rest.strip_prefix('(') {
        Some(inner) => inner.strip_suffix(')')?.trim(),
        None => rest,
    };
    let plain = number.chars().all(|c| c.is_ascii_digit() || c == '.');
    let percent: f64 = number.parse().ok().filter(|_| plain)?;
    (0.0..100.0)
        .contains(&percent)
        .then_some(Aggregate::Percentile(percent / 100.0))
}

fn limit_of(subject: Subject, text: &str) -> Option<f64> {
    let in_us = matches!(
        subject,
        Subject::Figure(Figure::ClientCpu | Figure::TargetCpu)
    );
    if in_us || !matches!(subject, Subject::Figure(_)) {
        let ns = text.parse::<Span>().ok()?.0.as_nanos() as f64;
        return Some(if in_us { ns / 1e3 } else { ns });
    }
    let value: f64 = text.parse().ok()?;
    (value.is_finite() && value >= 0.0).then_some(value)
}

fn example(subject: Subject) -> &'static str {
    match subject {
        Subject::Recovery => {
            "one of p(N), pN, med, avg, min and max, a sign, and a time with its unit, e.g. \"p(99)<30s\""
        }
        Subject::Reaction => "max, a sign, and a time with its unit, e.g. \"max<1s\"",
        Subject::Duration(_) => {
            "one of p(N), pN, med, avg, min and max, a sign, and a time with its unit, e.g. \"p(99)<25ms\""
        }
        Subject::Figure(Figure::FailureRate | Figure::ResumedShare) => {
            "rate, a sign, and a share from 0 to 1, e.g. \"rate<0.01\""
        }
        Subject::Figure(Figure::ClientCpu | Figure::TargetCpu) => {
            "value, a sign, and a time with its unit, e.g. \"value<700us\""
        }
        Subject::Figure(_) => "value, a sign, and a number, e.g. \"value>=500\"",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIRM: Subject = Subject::Duration(Metric::Confirm);

    #[test]
    fn the_grammar_of_k6_is_read_with_units() {
        for (text, limit) in [
            ("p(99)<25ms", 25e6),
            ("p99 < 25ms", 25e6),
            ("p(99.9)<=1s", 1e9),
            ("med<500us", 5e5),
            ("avg>=1ms", 1e6),
            ("max!=1ms", 1e6),
        ] {
            let read = Threshold::parse(CONFIRM, text).unwrap();
            assert!((read.limit - limit).abs() < 1e-6, "{text}: {}", read.limit);
        }
        let rate = Threshold::parse(Subject::Figure(Figure::FailureRate), "rate<0.01").unwrap();
        assert!(rate.holds(0.009) && !rate.holds(0.01));
        let cpu = Threshold::parse(Subject::Figure(Figure::ClientCpu), "value<700us").unwrap();
        assert!(cpu.holds(699.0) && !cpu.holds(700.0));
        assert_eq!(rate.to_string(), "failure-rate: rate<0.01");
        let equal = Threshold::parse(Subject::Figure(Figure::ResumedShare), "rate==1").unwrap();
        assert!(equal.holds(1.0) && !equal.holds(0.999));
    }

    #[test]
    fn what_is_beyond_the_limit_has_crossed_it_and_the_rest_is_open() {
        let keeps = |text: &str, ns: f64| {
            let threshold = Threshold::parse(CONFIRM, text).unwrap();
            threshold.keeps(Observed::Beyond(ns))
        };
        assert_eq!(keeps("p(90)<100ms", 5e9), Some(false));
        assert_eq!(keeps("p(90)<=100ms", 100e6), Some(false));
        assert_eq!(keeps("p(90)<100ms", 99e6), None);
        assert_eq!(keeps("p(90)>100ms", 5e9), Some(true));
        assert_eq!(keeps("p(90)>=100ms", 99e6), None);
        assert_eq!(keeps("p(90)==100ms", 5e9), Some(false));
        assert_eq!(keeps("max!=100ms", 5e9), Some(true));
    }

    #[test]
    fn what_is_not_of_the_grammar_is_refused_with_an_example() {
        for text in [
            "",
            "p(99)",
            "<25ms",
            "p(101)<1s",
            "p99<25",
            "rate<0.1",
            "p(99<1s",
            "p-1<1s",
            "count<5",
            "p(9)<-1ms",
        ] {
            let (cause, remedy) = Threshold::parse(CONFIRM, text).unwrap_err();
            assert!(remedy.contains("p(99)<25ms"), "{text}: {cause}: {remedy}");
        }
        let share = Subject::Figure(Figure::FailureRate);
        for text in ["p99<1s", "rate<nan", "rate<1%", "value<1"] {
            let (_, remedy) = Threshold::parse(share, text).unwrap_err();
            assert!(remedy.contains("rate<0.01"), "{remedy}");
        }
    }
}

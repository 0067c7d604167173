//! The metrics of a run, of which each format makes its own text. Names and units follow OpenTelemetry; what
//! a collector calls them in Prometheus is what we call them there.
//! <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>

use shakedown::shard::Shard;

use super::board::{Board, CellCounts};

/// What kind of metric it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, over the whole run.
    Counter,
    /// What is so at the moment.
    Gauge,
    /// Counts by bucket, which only grow.
    Histogram,
}

/// A number, or the counts of the buckets of [`super::board::BUCKETS_NS`] and of what is beyond.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// Counts by bucket, and the sum of all samples.
    Buckets(Vec<u64>, f64),
}

/// Values of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Its name, parts separated by dots.
    pub name: &'static str,
    /// Its unit in UCUM; what is counted in braces.
    pub unit: &'static str,
    /// What it is.
    pub help: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// Its values with what they are of.
    pub points: Vec<(Vec<(&'static str, String)>, Value)>,
}

/// All metrics that have a value now.
pub(crate) fn metrics(board: &Board) -> Vec<Metric> {
    let all = [trials(board)].into_iter();
    let all = all
        .chain(counters(board))
        .chain([failed(board), latency(board)]);
    let all = all.chain(gauges(board));
    let mut all: Vec<Metric> = all.filter(|metric| !metric.points.is_empty()).collect();
    if board.shard != Shard::WHOLE {
        let points = all.iter_mut().flat_map(|metric| &mut metric.points);
        points.for_each(|(labels, _)| labels.push(("shard", board.shard.index.to_string())));
    }
    all
}

fn trials(board: &Board) -> Metric {
    let running = usize::from(board.current.is_some());
    let to_come = board.trials - board.trials_ended - running;
    let states = [
        ("ended", board.trials_ended),
        ("running", running),
        ("to_come", to_come),
    ];
    Metric {
        name: "trials",
        unit: "{trial}",
        help: "Trials of the run by state.",
        kind: Kind::Gauge,
        points: states
            .map(|(state, count)| {
                (
                    vec![("state", state.to_owned())],
                    Value::Number(count as f64),
                )
            })
            .into(),
    }
}

fn of_cell(cell: &CellCounts) -> Vec<(&'static str, String)> {
    vec![("cell", cell.name.clone())]
}

fn counters(board: &Board) -> impl Iterator<Item = Metric> {
    type Count = fn(&CellCounts) -> f64;
    let all: [(_, _, _, Count); 4] = [
        ("attempts", "{attempt}", "Attempts begun.", |cell| {
            cell.started as f64
        }),
        (
            "sessions.confirmed",
            "{session}",
            "Sessions that the server was seen to accept.",
            |cell| cell.confirmed as f64,
        ),
        (
            "arrivals.not_started",
            "{arrival}",
            "Arrivals that never became attempts.",
            |cell| cell.not_started as f64,
        ),
        ("worker.cpu", "s", "CPU time of the workers.", |cell| {
            cell.cpu_s
        }),
    ];
    all.into_iter().map(|(name, unit, help, count)| Metric {
        name,
        unit,
        help,
        kind: Kind::Counter,
        points: (board.cells.iter())
            .map(|cell| (of_cell(cell), Value::Number(count(cell))))
            .collect(),
    })
}

fn failed(board: &Board) -> Metric {
    let points = board.cells.iter().flat_map(|cell| {
        cell.failed.iter().map(|(class, count)| {
            let mut labels = of_cell(cell);
            labels.push(("class", class.to_string()));
            (labels, Value::Number(*count as f64))
        })
    });
    Metric {
        name: "attempts.failed",
        unit: "{attempt}",
        help: "Attempts that failed, by class.",
        kind: Kind::Counter,
        points: points.collect(),
    }
}

fn latency(board: &Board) -> Metric {
    let points = board.cells.iter().map(|cell| {
        let counts = Value::Buckets(cell.latency.to_vec(), cell.latency_sum_s);
        (of_cell(cell), counts)
    });
    Metric {
        name: "latency",
        unit: "s",
        help: "From a session's scheduled start to the proof that the server accepted it; a session without an answer is in no bucket but +Inf.",
        kind: Kind::Histogram,
        points: points.collect(),
    }
}

/// Of the trial that runs; absent between trials.
fn gauges(board: &Board) -> Vec<Metric> {
    let Some(cell) = board.current.and_then(|index| board.cells.get(index)) else {
        return Vec::new();
    };
    let live = &board.live;
    let all = [
        (
            "in_flight",
            "{session}",
            "Attempts and sessions in flight.",
            Some(live.in_flight as f64),
        ),
        (
            "held",
            "{session}",
            "Confirmed sessions that are held open.",
            Some(live.held as f64),
        ),
        (
            "asked",
            "{session}/s",
            "Sessions per second that are asked for.",
            board.asked,
        ),
        (
            "worker.busiest",
            "1",
            "Share of the last second that the busiest worker spent on its core.",
            Some(board.busiest),
        ),
    ];
    let known = all.into_iter().filter_map(|(name, unit, help, value)| {
        Some(Metric {
            name,
            unit,
            help,
            kind: Kind::Gauge,
            points: vec![(of_cell(cell), Value::Number(value?))],
        })
    });
    known.collect()
}

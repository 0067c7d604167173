//! The metrics of a run as Prometheus scrapes them.

use shakedown::record::BuildInfo;
use shakedown::report::Family;
use shakedown::shard::Shard;

use super::board::{BUCKETS_NS, Board};
use super::metrics::{Kind, Metric, Value, metrics};

/// The text of one scrape.
pub(crate) fn render(board: &Board) -> String {
    let mut families = vec![info(board)];
    families.extend(metrics(board).iter().map(|metric| family(board, metric)));
    Family::write_all(&families)
}

fn info(board: &Board) -> Family {
    let mut family = Family::new("run_info", "gauge", "What makes the run; always 1.");
    let build = BuildInfo::current();
    let shard = board.shard.index.to_string();
    let mut labels = vec![
        ("scenario", board.scenario.as_str()),
        ("version", &build.version),
        ("revision", &build.git_revision),
    ];
    if board.shard != Shard::WHOLE {
        labels.push(("shard", &shard));
    }
    family.add("", &labels, 1.0);
    family
}

fn family(board: &Board, metric: &Metric) -> Family {
    let name = name(metric);
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let mut family = Family::new(&name, kind, metric.help);
    for (labels, value) in &metric.points {
        let labels = labels.iter().map(|(label, value)| (*label, value.as_str()));
        let labels: Vec<_> = [("scenario", board.scenario.as_str())]
            .into_iter()
            .chain(labels)
            .collect();
        match value {
            Value::Number(number) => family.add("", &labels, *number),
            Value::Buckets(counts, sum) => buckets(&mut family, &labels, counts, *sum),
        }
    }
    family
}

/// Counts as the format wants them: each bucket has all samples up to its end.
fn buckets(family: &mut Family, labels: &[(&str, &str)], counts: &[u64], sum: f64) {
    let ends = BUCKETS_NS.iter().map(|ns| (*ns as f64 / 1e9).to_string());
    let mut below = 0;
    for (end, count) in ends.chain(["+Inf".to_owned()]).zip(counts) {
        below += count;
        let labels: Vec<_> = labels
            .iter()
            .copied()
            .chain([("le", end.as_str())])
            .collect();
        family.add("_bucket", &labels, below as f64);
    }
    family.add("_sum", labels, sum);
    family.add("_count", labels, below as f64);
}

fn name(metric: &Metric) -> String {
    let unit = match (metric.unit, metric.kind) {
        ("s", _) => "_seconds",
        ("1", Kind::Gauge) => "_ratio",
        (unit, _) if unit.ends_with("/s") => "_per_second",
        _ => "",
    };
    let total = if metric.kind == Kind::Counter {
        "_total"
    } else {
        ""
    };
    format!("{}{unit}{total}", metric.name.replace('.', "_"))
}

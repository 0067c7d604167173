//! The sections of a page that are drawings: latency by percentile and by round, load and latency over time,
//! sessions taken apart.

use super::document::{Grid, Ids, Section};
use super::drawing::course::{Course, has_latency};
use super::drawing::percentiles::{self, Line};
use super::drawing::stack::{self, Bar, Part};
use super::drawing::svg::SERIES;
use super::drawing::{heat, series};
use crate::analysis::{Dissection, dissect};
use crate::record::{CellRecord, RunRecord};
use crate::report::anatomy;
use crate::stats::{HistogramError, LatencyHistogram, Metric, OkKind, Step};

/// Cells that get a heatmap and a course of time of their own.
const MOST_MAPS: usize = 8;

/// Latency by percentile, a line per cell.
pub(super) fn latency(cells: &[&CellRecord], ids: &mut Ids) -> Result<Section, HistogramError> {
    let mut section = Section::new("latency", "Latency by percentile");
    let drawn = &cells[..cells.len().min(SERIES)];
    for (metric, what) in [
        (
            Metric::Handshake,
            "From the established connection until the client has finished; under TLS 1.3 the server has not verified it yet.",
        ),
        (
            Metric::Confirm,
            "From the established connection until the server has proved acceptance: the whole of what authentication costs is in here.",
        ),
        (
            Metric::Latency,
            "From the scheduled start until the server has proved acceptance, so queueing is part of it.",
        ),
    ] {
        let mut lines = Vec::new();
        for cell in drawn {
            let mut histogram = LatencyHistogram::new();
            for trial in &cell.trials {
                histogram.merge(&trial.histogram(metric)?);
            }
            lines.push(Line {
                name: cell.cell.name.clone(),
                histogram,
            });
        }
        let drawing = percentiles::plot(&ids.next(), metric.label(), &lines);
        section.drawing(drawing, &format!("{}. {what}", metric.label()));
    }
    if !section.is_empty() && cells.len() > drawn.len() {
        section.prose(left_out(drawn.len(), cells.len()));
    }
    Ok(section)
}

/// Latency of each round, a map per cell; without those that are drawn over time.
pub(super) fn rounds(cells: &[&CellRecord], ids: &mut Ids) -> Result<Section, HistogramError> {
    let mut section = Section::new("rounds", "Latency by round");
    let short = cells.iter().copied().filter(|cell| !has_latency(cell));
    let cells: Vec<&CellRecord> = short.collect();
    let drawn = &cells[..cells.len().min(MOST_MAPS)];
    let metric = Metric::Latency;
    let Some(range) = heat::range(drawn, metric)? else {
        return Ok(section);
    };
    for cell in drawn {
        let drawing = heat::by_round(&ids.next(), cell, metric, range)?;
        section.drawing(
            drawing,
            "A column per round, darker where more of its sessions are.",
        );
    }
    if !section.is_empty() && cells.len() > drawn.len() {
        section.prose(left_out(drawn.len(), cells.len()));
    }
    Ok(section)
}

/// Load and latency over time, two drawings per cell.
pub(super) fn time(
    record: &RunRecord,
    cells: &[&CellRecord],
    ids: &mut Ids,
) -> Result<Section, HistogramError> {
    let mut section = Section::new("time", "Over time");
    let drawn = &cells[..cells.len().min(MOST_MAPS)];
    let courses: Vec<Option<Course>> = (drawn.iter())
        .map(|cell| Course::of(cell))
        .collect::<Result<_, _>>()?;
    let ranges = || courses.iter().flatten().filter_map(Course::range);
    let ends = ranges()
        .map(|range| range.0)
        .min()
        .zip(ranges().map(|range| range.1).max());
    for (cell, course) in drawn.iter().zip(&courses) {
        let Some(course) = course else { continue };
        let name = &cell.cell.name;
        let step = course.step_in_words();
        let drawing = series::plot(&ids.next(), name, course, record.plan.asked_rate);
        let caption = format!(
            "{name}: steps of {step} since the trial began, warm-up included; the mean of its trials. Percentiles are of all trials together, with gaps where fewer than ten samples lie beyond."
        );
        section.drawing(Some(drawing), &caption);
        let map = ends.and_then(|range| heat::by_second(&ids.next(), name, course, range));
        let caption = format!(
            "{name}: a column is {step}, of all trials together, darker where more of its sessions are."
        );
        section.drawing(map, &caption);
    }
    Ok(section)
}

fn left_out(drawn: usize, all: usize) -> String {
    format!("The first {drawn} of {all} cells are drawn; the tables have all of them.")
}

/// Sessions taken apart, where the run was metered.
pub(super) fn taken_apart(record: &RunRecord, ids: &mut Ids) -> Result<Section, HistogramError> {
    let mut section = Section::new("anatomy", "Sessions taken apart");
    let Some(metering) = record.plan.metering else {
        return Ok(section);
    };
    let mut all = Vec::new();
    for cell in &record.cells {
        all.extend(dissect(cell)?.into_iter().map(|found| (cell, found)));
    }
    let bars: Vec<Bar> = (all.iter())
        .flat_map(|(cell, found)| {
            anatomy::ends(found).map(|(end, figures)| Bar {
                name: format!("{}{}, {end}", cell.cell.name, kind(cell, found)),
                parts: anatomy::segments(figures)
                    .into_iter()
                    .map(|part| part.amount)
                    .collect(),
            })
        })
        .collect();
    let drawing = stack::plot(
        &ids.next(),
        "CPU time of a session by step",
        "µs",
        &parts(),
        &bars,
    );
    section.drawing(drawing, "CPU time of the median session at each end, by step of the handshake. All bars have one scale.");
    for (cell, found) in &all {
        let notes: Vec<String> = (anatomy::notes(found, metering))
            .map(|note| note.trim().to_owned())
            .collect();
        section
            .heading(&anatomy::title(cell, found))
            .table(Grid::of(
                "Exclusive time per session, and how often",
                &anatomy::table(found),
            ))
            .prose(anatomy::flights(found))
            .list(&notes);
    }
    Ok(section)
}

/// What sets sessions of a cell apart from those that its name promises.
fn kind(cell: &CellRecord, found: &Dissection) -> String {
    match found.kind {
        OkKind::FullWithHelloRetryRequest => " after a retry".to_owned(),
        OkKind::Resumed if !cell.cell.name.contains("resumed") => " resumed".to_owned(),
        OkKind::Tcp | OkKind::Full | OkKind::Resumed => String::new(),
    }
}

/// What the parts of a bar are, in the order of `anatomy::segments`.
fn parts() -> Vec<Part> {
    let steps = Step::ALL.into_iter().map(|step| Part {
        mark: char::from(b'0' + step.number()),
        name: step.title().to_owned(),
    });
    let others = [
        ('t', "rustls itself"),
        ('s', "socket calls"),
        ('.', "rest: runtime, timers, counting"),
    ];
    let others = others.map(|(mark, name)| Part {
        mark,
        name: name.to_owned(),
    });
    steps.chain(others).collect()
}

//! The sections that are drawings: latency by percentile and by round, load and latency over time.

use super::document::{Extent, Section};
use super::drawing::course::{Course, has_latency};
use super::drawing::percentiles::{self, Line};
use super::drawing::svg::SERIES;
use super::drawing::{heat, series};
use super::events;
use crate::record::{CellRecord, RunRecord};
use crate::stats::{HistogramError, Metric};

/// Cells that get a heatmap and a course of time of their own.
const MOST_MAPS: usize = 8;

/// Latency by percentile, a line per cell.
pub(super) fn latency(cells: &[&CellRecord]) -> Result<Section, HistogramError> {
    let mut section = Section::new("latency", "Latency by percentile").of_extent(Extent::Page);
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
            lines.push(Line {
                name: cell.cell.name.clone(),
                histogram: cell.histogram(metric)?,
            });
        }
        let drawing = percentiles::plot(&section.drawing_id(), metric.label(), &lines);
        section.drawing(drawing, &format!("{}. {what}", metric.label()));
    }
    left_out(&mut section, drawn.len(), cells.len());
    Ok(section)
}

/// Latency of each round, a map per cell; without those that are drawn over time.
pub(super) fn rounds(cells: &[&CellRecord]) -> Result<Section, HistogramError> {
    let mut section = Section::new("rounds", "Latency by round").of_extent(Extent::Page);
    let short = cells.iter().copied().filter(|cell| !has_latency(cell));
    let cells: Vec<&CellRecord> = short.collect();
    let drawn = &cells[..cells.len().min(MOST_MAPS)];
    let metric = Metric::Latency;
    let Some(range) = heat::range(drawn, metric)? else {
        return Ok(section);
    };
    for cell in drawn {
        let drawing = heat::by_round(&section.drawing_id(), cell, metric, range)?;
        section.drawing(
            drawing,
            "A column per round, darker where more of its sessions are.",
        );
    }
    left_out(&mut section, drawn.len(), cells.len());
    Ok(section)
}

/// Load and latency over time, two drawings per cell.
pub(super) fn time(record: &RunRecord, cells: &[&CellRecord]) -> Result<Section, HistogramError> {
    let mut section = Section::new("time", "Over time").of_extent(Extent::Page);
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
        let marks = events::marks(cell);
        let id = section.drawing_id();
        let drawing = series::plot(&id, name, course, &marks, record.plan.asked_rate);
        let caption = format!(
            "{name}: steps of {step} since the trial began, warm-up included; the mean of its trials. Percentiles are of all trials together, with gaps where fewer than ten samples lie beyond."
        );
        section.drawing(Some(drawing), &caption);
        let map = ends.and_then(|range| {
            heat::by_second(&section.drawing_id(), (name, course), &marks, range)
        });
        let caption = format!(
            "{name}: a column is {step}, of all trials together, darker where more of its sessions are."
        );
        section.drawing(map, &caption);
    }
    Ok(section)
}

/// Says how many cells are drawn, if some are and some are not.
fn left_out(section: &mut Section, drawn: usize, all: usize) {
    if !section.is_empty() && all > drawn {
        section.prose(format!(
            "The first {drawn} of {all} cells are drawn; the tables have all of them."
        ));
    }
}

//! The page of several results: what each did, the effects of every other against the first, and their latencies
//! in one drawing.

use std::path::Path;

use super::comparison::judged::unjudged;
use super::comparison::words;
use super::document::{Document, Grid, Section};
use super::drawing::effects::{self, Span};
use super::drawing::percentiles::{self, Line};
use super::drawing::svg::{SERIES, fit};
use super::result::banner;
use super::tables::or_nothing;
use super::{ReportError, Titled, facts, tables};
use crate::analysis::{CellSummary, Decoded, Figure, Percentile};
use crate::record::{CellComparison, CellRecord, Comparison, FigureComparison, UnitKind};
use crate::stats::{LEAST_UNITS, Metric};
use crate::text::{grouped, shell_quote};
use crate::units::format_count;

/// Cells of which there are drawings.
const MOST_DRAWN: usize = 8;
/// Cells of which there are tables of effects.
const MOST_TABLES: usize = 60;
/// Rows of the table of cells.
const MOST_ROWS: usize = 400;
/// Figures that are drawn; tables have all.
const DRAWN: [Figure; 8] = [
    Figure::ClientCpu,
    Figure::TargetCpu,
    Figure::Throughput,
    Figure::Quantile(Metric::Handshake, Percentile::P50),
    Figure::Quantile(Metric::Confirm, Percentile::P50),
    Figure::Quantile(Metric::Confirm, Percentile::P99),
    Figure::Quantile(Metric::Latency, Percentile::P50),
    Figure::Quantile(Metric::Latency, Percentile::P99),
];

/// A result with what it is called on the page.
struct Entry<'a> {
    label: String,
    result: Titled<'a>,
}

/// Several results. `against` has what sets each but the first apart from the first, in their order.
///
/// Fails if a stored histogram is damaged.
pub(super) fn document(
    results: &[Titled<'_>],
    against: &[Comparison],
) -> Result<Document, ReportError> {
    let entries: Vec<Entry<'_>> = (results.iter().enumerate())
        .map(|(place, result)| Entry {
            label: format!("{} {}", place + 1, fit(file_name(result.name))),
            result: *result,
        })
        .collect();
    let conditions = entries.iter().map(|entry| {
        let record = entry.result.record;
        let (load, place) = (facts::load(record), facts::place(record));
        format!("{}: {load}, {place}", entry.label)
    });
    let banners = entries.iter().map(|entry| {
        let record = entry.result.record;
        let words = format!("{}: {}", entry.label, facts::validity(record));
        banner(record, &words)
    });
    let confidence = against.first().map_or(String::new(), |first| {
        format!(" Intervals hold {:.1} %.", first.confidence * 100.0)
    });
    let name = format!("{} results", format_count(results.len() as u64));
    let question = format!("What sets these {name} apart?");
    let document = Document::new(&name, &question, &format!("{name}.{confidence}"));
    Ok(document.conditions(conditions).banners(banners).sections([
        compared(&entries, against),
        latency(&entries)?,
        cells(&entries)?,
        sides(&entries),
    ]))
}

fn file_name(name: &str) -> &str {
    let last = Path::new(name).file_name().and_then(|last| last.to_str());
    last.unwrap_or(name)
}

/// The effects of every other result against the first, cell by cell.
fn compared(entries: &[Entry<'_>], against: &[Comparison]) -> Section {
    let mut section = Section::new("effects", "Effects");
    let Some((first, others)) = entries.split_first() else {
        return section;
    };
    let pairs: Vec<(&Entry<'_>, &Comparison)> = others.iter().zip(against).collect();
    let mut names: Vec<&str> = Vec::new();
    for cell in pairs.iter().flat_map(|(_, comparison)| &comparison.cells) {
        if !cell.figures.is_empty() && !names.contains(&cell.name.as_str()) {
            names.push(&cell.name);
        }
    }
    if !names.is_empty() {
        section.prose(format!(
            "Ratios are over the first result, {}, so 1.03 is 3 % more. The dot is the estimate, the line through it \
             the interval; where that reaches across 1, there may be no difference. A hollow dot has no interval, for \
             which {LEAST_UNITS} units are needed. Nothing is judged here: `shakedown compare` does that.",
            first.label
        ));
    }
    section.list(remarks(&pairs));
    let unit = against.first().map_or(UnitKind::Trial, |first| first.unit);
    for (place, name) in names.iter().take(MOST_TABLES).enumerate() {
        let of_cell: Vec<(&Entry<'_>, &CellComparison)> = (pairs.iter())
            .filter_map(|(entry, comparison)| {
                let cell = comparison.cells.iter().find(|cell| cell.name == *name)?;
                Some((*entry, cell))
            })
            .collect();
        section.heading(name);
        if place < MOST_DRAWN {
            let drawing = drawn(name, first, &of_cell, unit, &section.drawing_id());
            section.drawing(drawing, &who(&of_cell));
        }
        section.table(table(first, &of_cell, unit));
    }
    if names.len() > MOST_TABLES {
        let all = format_count(names.len() as u64);
        section.prose(format!(
            "The first {MOST_TABLES} of {all} cells; `shakedown compare --json` has all of them."
        ));
    }
    section
}

/// What to know about these comparisons, each once with the results that it is about. What is said of verdicts is
/// left out.
fn remarks(pairs: &[(&Entry<'_>, &Comparison)]) -> Vec<String> {
    let all = pairs.iter().flat_map(|(entry, comparison)| {
        let refused = comparison.cells.is_empty();
        let reasons = comparison.reasons.iter().filter(move |_| refused);
        let notes = comparison.notes.iter().filter(|n| n.code != "not-judged");
        reasons.chain(notes).map(move |note| {
            let not = if refused { "not compared: " } else { "" };
            let text = format!("{not}{}: {}", note.code, note.message);
            (text, entry.label.as_str())
        })
    });
    let lines = grouped(all).into_iter();
    lines
        .map(|(text, of)| format!("{}: {text}", of.join(", ")))
        .collect()
}

/// A cell's figures, each of every result.
fn drawn(
    name: &str,
    first: &Entry<'_>,
    of_cell: &[(&Entry<'_>, &CellComparison)],
    unit: UnitKind,
    id: &str,
) -> Option<String> {
    let mut all = Vec::new();
    for label in DRAWN.map(|figure| figure.to_string()) {
        for (entry, cell) in of_cell {
            let figure = cell.figures.iter().find(|f| f.figure == label);
            let short = entry.label.split(' ').next().unwrap_or_default();
            all.extend(
                figure.and_then(|figure| unjudged(&format!("{label}, {short}"), figure, unit)),
            );
        }
    }
    let how = format!("over {}", first.label);
    effects::plot(
        id,
        &format!("{name}: ratios {how}"),
        &how,
        Span::Narrow,
        &all,
    )
}

fn who(of_cell: &[(&Entry<'_>, &CellComparison)]) -> String {
    let names = of_cell.iter().map(|(entry, _)| entry.label.as_str());
    let names: Vec<&str> = names.collect();
    format!("The numbers are those of results: {}.", names.join(", "))
}

/// Every figure of a cell: the first result's, and of each other its own and the effect.
fn table(first: &Entry<'_>, of_cell: &[(&Entry<'_>, &CellComparison)], unit: UnitKind) -> Grid {
    let mut header = vec![String::new(), first.label.clone()];
    for (entry, _) in of_cell {
        header.extend([entry.label.clone(), "over the first".to_owned()]);
    }
    let mut figures: Vec<&FigureComparison> = Vec::new();
    for figure in of_cell.iter().flat_map(|(_, cell)| &cell.figures) {
        if !figures.iter().any(|known| known.figure == figure.figure) {
            figures.push(figure);
        }
    }
    let mut grid = Grid::new(
        "Medians over trials, and effects with their intervals, of which fewer than five trials have none",
        header,
    );
    for known in figures {
        let [base, _] = words::medians(known);
        let mut fields = vec![base];
        for (_, cell) in of_cell {
            let figure = cell.figures.iter().find(|f| f.figure == known.figure);
            let effect = figure.and_then(|figure| figure.effect.as_ref());
            fields.push(or_nothing(figure, |figure| {
                words::medians(figure)[1].clone()
            }));
            fields.push(or_nothing(effect, |effect| words::unjudged(effect, unit)));
        }
        grid.row(&known.figure, fields);
    }
    grid
}

/// Latency by percentile: a drawing for each cell of the first result and event, with a line for each result.
fn latency(entries: &[Entry<'_>]) -> Result<Section, ReportError> {
    let mut section = Section::new("latency", "Latency by percentile");
    // Latencies of metered sessions are not for comparing.
    if entries
        .iter()
        .any(|n| n.result.record.plan.scenario.metered)
    {
        return Ok(section);
    }
    let Some(first) = entries.first() else {
        return Ok(section);
    };
    let drawn = &entries[..entries.len().min(SERIES)];
    let all = &first.result.record.cells;
    for cell in all.iter().take(MOST_DRAWN) {
        section.heading(&cell.cell.name);
        for metric in [Metric::Handshake, Metric::Confirm, Metric::Latency] {
            let mut lines = Vec::new();
            for entry in drawn {
                if let Some(cell) = like(entry, cell) {
                    lines.push(Line {
                        name: entry.label.clone(),
                        histogram: cell.histogram(metric)?,
                    });
                }
            }
            let name = format!("{}: {}", cell.cell.name, metric.label());
            let drawing = percentiles::plot(&section.drawing_id(), &name, &lines);
            section.drawing(drawing, &format!("{name}."));
        }
    }
    if all.len() > MOST_DRAWN || entries.len() > SERIES {
        section.prose(format!(
            "At most {MOST_DRAWN} cells and {SERIES} results are drawn; the tables have the others."
        ));
    }
    Ok(section)
}

/// The cell of that name in another result.
fn like<'a>(entry: &Entry<'a>, cell: &CellRecord) -> Option<&'a CellRecord> {
    let cells = &entry.result.record.cells;
    cells.iter().find(|other| other.cell.name == cell.cell.name)
}

/// A row for each cell and result.
fn cells(entries: &[Entry<'_>]) -> Result<Section, ReportError> {
    let mut section = Section::new("cells", "Cells");
    let mut all = Vec::new();
    for Entry { label, result } in entries {
        for mut summary in facts::shown(&Decoded::of(result.record)?) {
            let cell = summary.name.clone();
            summary.name = format!("{cell} · {label}");
            all.push((cell, summary));
        }
    }
    let by_cell = grouped(all).into_iter();
    let mut rows: Vec<CellSummary> = by_cell.flat_map(|(_, rows)| rows).collect();
    let count = rows.len();
    rows.truncate(MOST_ROWS);
    section.table(tables::cells(&rows, None).transposed());
    if count > MOST_ROWS {
        let count = format_count(count as u64);
        section.prose(format!(
            "The first {MOST_ROWS} of {count} rows; CSV has all of them."
        ));
    }
    Ok(section)
}

/// What each result is.
fn sides(entries: &[Entry<'_>]) -> Section {
    let mut section = Section::new("sides", "What was compared");
    let names = [
        "file",
        "scenario",
        "begun",
        "host class",
        "shakedown",
        "provider",
        "command",
    ];
    let columns = entries.iter().map(|Entry { label, result }| {
        let record = result.record;
        let command: Vec<String> = record.command.iter().map(|w| shell_quote(w)).collect();
        let fields = [
            result.name.to_owned(),
            record.plan.scenario.name.clone(),
            record.started_at.clone(),
            record.environment.host_class(),
            facts::build(&record.build),
            record.plan.provider.clone(),
            command.join(" "),
        ];
        (label.as_str(), fields)
    });
    section.table(Grid::of_columns("The results", names, columns));
    section
}

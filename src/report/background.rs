//! The sections of a page about how its figures came to be: the generator, the machine, the command.

use std::cmp::Reverse;

use super::document::{Extent, Grid, Section};
use super::tables::{or_nothing, time};
use crate::analysis::CellSummary;
use crate::record::{RunRecord, TrialRecord};
use crate::stats::{Metric, Timing};
use crate::text::shell_quote;
use crate::units::{format_count, mebibytes};

/// Of more cells than this, those with the largest lag are shown.
const MOST_CELLS: usize = 60;

/// Whether the generator could keep up: what it needed, and what the host kept from it.
pub(super) fn generator(record: &RunRecord, shown: &[CellSummary]) -> Section {
    let mut section = Section::new("generator", "The generator").of_extent(Extent::Detail);
    let header = [
        "cell",
        "schedule lag p50",
        "p99",
        "busiest worker",
        "stolen by the hypervisor",
        "stopped by a quota",
        "stalls",
        "in flight, mean",
        "in flight, most",
        "process memory",
    ];
    let caption = "The worst trial of each cell; in flight on average over its trials";
    let mut drawn: Vec<&CellSummary> = shown.iter().collect();
    if drawn.len() > MOST_CELLS {
        let lag = |s: &CellSummary| {
            let lag = s.metrics.get(&Metric::Lag).and_then(|lag| lag.p50);
            lag.map(Timing::least)
        };
        drawn.sort_by_key(|summary| Reverse(lag(summary)));
        drawn.truncate(MOST_CELLS);
        section.prose(format!(
            "The {MOST_CELLS} of {} cells with the largest schedule lag; the result file has all of them.",
            format_count(shown.len() as u64)
        ));
    }
    let mut grid = Grid::new(caption, header);
    for summary in drawn {
        let cell = record.cells.iter().find(|c| c.cell.name == summary.name);
        if let Some(cell) = cell {
            grid.row(&summary.name, load(summary, &cell.trials));
        }
    }
    section.table(grid);
    section
}

/// What a cell asked of the generator in its worst trial.
fn load(summary: &CellSummary, trials: &[TrialRecord]) -> [String; 9] {
    let percent = |share: Option<f64>| or_nothing(share, |s| format!("{:.1} %", s * 100.0));
    let most =
        |of: &dyn Fn(&TrialRecord) -> Option<f64>| trials.iter().filter_map(of).reduce(f64::max);
    let lag = summary.metrics.get(&Metric::Lag);
    let mean: f64 = trials.iter().map(|t| t.in_flight_mean).sum();
    let memory = trials.iter().filter_map(|t| t.memory_max).max();
    let stalls: u64 = trials.iter().map(|t| t.stalls.count).sum();
    let throttled = trials.iter().filter_map(|t| t.throttled.as_ref());
    let throttled = throttled.map(|t| t.periods).reduce(|all, one| all + one);
    let in_flight = trials.iter().map(|t| t.in_flight_max).max();
    [
        time(lag.and_then(|q| q.p50)),
        time(lag.and_then(|q| q.p99)),
        percent(most(&|t| Some(t.worker_cpu.busiest()))),
        percent(most(&|t| t.stolen)),
        or_nothing(throttled, |count| {
            format!("{} periods", format_count(count))
        }),
        format_count(stalls),
        format!("{:.1}", mean / trials.len().max(1) as f64),
        format_count(in_flight.unwrap_or(0)),
        or_nothing(memory, mebibytes),
    ]
}

/// The machine and the build.
pub(super) fn environment(record: &RunRecord) -> Section {
    let mut section = Section::new("environment", "Environment").of_extent(Extent::Detail);
    let host = &record.environment;
    let or_unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
    let cores: Vec<String> = host.cores.iter().map(ToString::to_string).collect();
    let placements = record.plan.placements.iter();
    let placements: Vec<String> = placements
        .map(|p| {
            let core = p
                .core
                .map_or("any core".to_owned(), |core| format!("core {core}"));
            let pinned = if p.pinned { "" } else { ", not pinned" };
            format!("{} on {core}{pinned}", p.thread)
        })
        .collect();
    let crates = record.build.crates.iter();
    let crates: Vec<String> = crates
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    let limits = &record.plan.preflight;
    let facts = [
        (
            "run",
            format!("{} to {}", record.started_at, record.ended_at),
        ),
        ("CPU", or_unknown(&host.cpu)),
        ("cores of the process", cores.join(", ")),
        (
            "platform",
            format!("{}, kernel {}", host.platform, or_unknown(&host.kernel)),
        ),
        (
            "virtual machine",
            host.virtual_machine
                .map_or("unknown", |v| if v { "yes" } else { "no" })
                .to_owned(),
        ),
        (
            "memory",
            host.memory_bytes.map_or("unknown".to_owned(), mebibytes),
        ),
        (
            "load before the run",
            host.load_average
                .map_or("unknown".to_owned(), |l| format!("{l:.2}")),
        ),
        ("clock source", or_unknown(&host.clock_source)),
        ("CPU governor", or_unknown(&host.governor)),
        ("threads", placements.join("; ")),
        (
            "file descriptors",
            format!(
                "{} needed of {}",
                format_count(limits.files_needed),
                format_count(limits.files_limit)
            ),
        ),
        ("ephemeral ports", or_unknown(&host.port_range)),
        ("client identity", or_unknown(&record.plan.identity)),
        (
            "shakedown",
            format!(
                "{}, revision {}, {} build",
                record.build.version, record.build.git_revision, record.build.profile
            ),
        ),
        ("crates", crates.join(", ")),
    ];
    let mut grid = Grid::new("The machine and the build", ["", "of this run"]).of_words();
    for (name, value) in facts {
        grid.row(name, [value]);
    }
    section.table(grid);
    section
}

/// The command and the scenario, to run it again.
pub(super) fn again(record: &RunRecord) -> Section {
    let mut section = Section::new("again", "Run it again").of_extent(Extent::Detail);
    let words: Vec<String> = record
        .command
        .iter()
        .map(|word| shell_quote(word))
        .collect();
    section.prose("The command, with header values and the query of the URL left out:");
    section.code(&words.join(" "));
    if let Ok(scenario) = toml::to_string(&record.plan.scenario) {
        section.prose(
            "The scenario as it was resolved, which `shakedown run FILE.toml` takes as well:",
        );
        section.code(&scenario);
    }
    section
}

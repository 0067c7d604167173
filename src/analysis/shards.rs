//! Did shards make one run? Whether all took part, began together and agree.

use std::collections::{BTreeMap, BTreeSet};

use crate::load::MOST_LATE;
use crate::record::{CellRecord, HostRecord, MergedShard, Note, RunRecord, ShardRecord};
use crate::units::{counted, format_ns};

/// Clocks that differ by more than this, in nanoseconds, ...
const MOST_APART_NS: f64 = 1e9;
/// ... or this part of the measure phase, leave no common rounds.
const MOST_APART: f64 = 0.1;
/// A shard whose median is so many times that of the others' measured something else.
const OUTLIER: u64 = 2;
/// Fewer medians than this have no outlier.
const LEAST_MEDIANS: usize = 3;

/// Whether every shard took part to the end.
pub(super) fn complete(record: &RunRecord) -> bool {
    record.shards.iter().all(|shard| shard.complete) && missing(record).is_empty()
}

/// Trials of a shard that could not begin with those of the others.
pub(super) fn late(cell: &CellRecord) -> Option<Note> {
    let most = u64::try_from(MOST_LATE.as_nanos()).unwrap_or(u64::MAX);
    let late: Vec<u64> = (cell.trials.iter().filter_map(|trial| trial.late_ns))
        .filter(|late| *late > most)
        .collect();
    let latest = late.iter().max()?;
    Some(cell.note(
        "shard-late",
        format!(
            "{} would have begun up to {} late, so not every shard loaded the server",
            counted(late.len() as u64, "trial"),
            format_ns(*latest),
        ),
        "raise --lead, start all shards at once (an array of jobs is no gang), or give this host less to do",
    ))
}

/// Adds why shards are no whole run, and what else a reader should know of them.
pub(super) fn judge(record: &RunRecord, reasons: &mut Vec<Note>, warnings: &mut Vec<Note>) {
    reasons.extend(absent(record).into_iter().chain(unaligned(record)));
    warnings.extend(record.shard.as_ref().and_then(unsynchronised));
    warnings.extend(hosts_differ(&record.hosts));
    warnings.extend(cores_shared(&record.shards));
    warnings.extend(record.cells.iter().filter_map(|cell| outlier(record, cell)));
    add(reasons, grouped(&record.shards, |shard| &shard.reasons));
    add(warnings, grouped(&record.shards, |shard| &shard.warnings));
}

/// Adds notes of shards; one that all together have as well says whose it is.
fn add(notes: &mut Vec<Note>, of_shards: impl Iterator<Item = (Note, Vec<u32>)>) {
    for (note, who) in of_shards {
        let who = shards(&who);
        match notes.iter_mut().find(|known| known.code == note.code) {
            Some(known) => known.message = format!("{} ({who})", known.message),
            None => notes.push(Note {
                message: format!("{who}: {}", note.message),
                ..note
            }),
        }
    }
}

fn number(shard: &MergedShard) -> u32 {
    shard.part.shard.index
}

/// Shards of the plan that are not in the result.
fn missing(record: &RunRecord) -> Vec<u32> {
    let Some(first) = record.shards.first() else {
        return Vec::new();
    };
    let there: BTreeSet<u32> = record.shards.iter().map(number).collect();
    (0..first.part.shard.of)
        .filter(|index| !there.contains(index))
        .collect()
}

fn absent(record: &RunRecord) -> Option<Note> {
    let of = record.shards.first()?.part.shard.of;
    let missing = missing(record);
    let ended = record.shards.iter().filter(|shard| !shard.complete);
    let ended: Vec<u32> = ended.map(number).collect();
    let mut what = Vec::new();
    if !missing.is_empty() {
        what.push(format!("{} of {of} missing", shards_are(&missing)));
    }
    if !ended.is_empty() {
        what.push(format!("{} ended before the plan did", shards(&ended)));
    }
    (!what.is_empty()).then(|| {
        Note::new(
            "shards-missing",
            what.join("; "),
            "the figures are those of the shards that are there; see what became of the others, and run all again",
        )
    })
}

/// Clocks that were further apart than rounds can be.
fn unaligned(record: &RunRecord) -> Option<Note> {
    let ahead = |shard: &MergedShard| Some((shard.part.clock.offset_ns?, number(shard)));
    let ahead = || record.shards.iter().filter_map(ahead);
    let ((least, behind), (most, before)) = (ahead().min()?, ahead().max()?);
    // Each offset is known but to its error.
    let unsure = record
        .shards
        .iter()
        .filter_map(|shard| shard.part.clock.offset_error_ns);
    let apart = most
        .abs_diff(least)
        .saturating_sub(2 * unsure.max().unwrap_or(0));
    let limit = MOST_APART_NS.min(record.plan.duration_s * 1e9 * MOST_APART);
    (apart as f64 > limit).then(|| {
        Note::new(
            "shards-unaligned",
            format!(
                "the clock of shard {before} was {} ahead of that of shard {behind}, so their trials were not at the same time",
                format_ns(apart)
            ),
            "synchronise the hosts' clocks (chrony, systemd-timesyncd), and run all again",
        )
    })
}

/// A host whose kernel does not take its clock for synchronised.
fn unsynchronised(part: &ShardRecord) -> Option<Note> {
    (part.clock.synchronised == Some(false)).then(|| {
        Note::new(
            "clocks-unsynchronised",
            "trials begin by this host's clock, and its kernel does not take that for synchronised",
            "run chrony or systemd-timesyncd on every host; no latency is touched by it",
        )
    })
}

fn hosts_differ(hosts: &[HostRecord]) -> Option<Note> {
    let mut classes: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for host in hosts {
        let class = classes.entry(host.environment.host_class()).or_default();
        class.extend(&host.shards);
    }
    let each: Vec<String> = (classes.iter())
        .map(|(class, of)| format!("{class} ({})", shards(of)))
        .collect();
    (classes.len() > 1).then(|| {
        Note::new(
            "hosts-differ",
            format!("the shards ran on different hosts: {}", each.join(", ")),
            "latency and CPU time are a mixture; give shards equal hosts to compare with other runs",
        )
    })
}

/// Workers of several shards on one core of one host.
fn cores_shared(all: &[MergedShard]) -> Option<Note> {
    let mut of_core: BTreeMap<(&str, usize), Vec<u32>> = BTreeMap::new();
    for shard in all {
        let Some(host) = shard.part.host.as_deref() else {
            continue;
        };
        let workers = shard.placements.iter();
        for core in workers.filter_map(|placement| placement.core) {
            let there = of_core.entry((host, core)).or_default();
            if there.last() != Some(&number(shard)) {
                there.push(number(shard));
            }
        }
    }
    let shared: BTreeSet<u32> = (of_core.into_values())
        .filter(|there| there.len() > 1)
        .flatten()
        .collect();
    let shared: Vec<u32> = shared.into_iter().collect();
    (!shared.is_empty()).then(|| {
        Note::new(
            "cores-shared",
            format!("workers of {} had a core of one host in common", shards(&shared)),
            "give each shard cores of its own (the engine's binding, or --cores), or fewer shards to a host",
        )
    })
}

/// Shards whose latency is far from that of the others.
fn outlier(record: &RunRecord, cell: &CellRecord) -> Option<Note> {
    let name = &cell.cell.name;
    let median = |shard: &MergedShard| Some((number(shard), *shard.medians_ns.get(name)?));
    let medians: Vec<(u32, u64)> = record.shards.iter().filter_map(median).collect();
    if medians.len() < LEAST_MEDIANS {
        return None;
    }
    let mut sorted: Vec<u64> = medians.iter().map(|(_, ns)| *ns).collect();
    sorted.sort_unstable();
    let usual = sorted[sorted.len() / 2];
    let out = medians
        .iter()
        .filter(|(_, ns)| *ns > OUTLIER.saturating_mul(usual));
    let (out, slowest) = out.fold((Vec::new(), 0), |(mut out, slowest), (index, ns)| {
        out.push(*index);
        (out, slowest.max(*ns))
    });
    (!out.is_empty()).then(|| {
        cell.note(
            "shard-outlier",
            format!(
                "the median latency of {} is up to {}, and that of the median shard {}",
                shards(&out),
                format_ns(slowest),
                format_ns(usual)
            ),
            "see these hosts and their way to the server: high percentiles are theirs",
        )
    })
}

/// One note for each code, with the message of the first shard that has it, and all that do.
fn grouped(
    all: &[MergedShard],
    notes: fn(&MergedShard) -> &[Note],
) -> impl Iterator<Item = (Note, Vec<u32>)> {
    let mut by_code: BTreeMap<&str, (&Note, Vec<u32>)> = BTreeMap::new();
    for shard in all {
        for note in notes(shard) {
            let (_, who) = (by_code.entry(&note.code)).or_insert_with(|| (note, Vec::new()));
            if who.last() != Some(&number(shard)) {
                who.push(number(shard));
            }
        }
    }
    let notes: Vec<_> = by_code.into_values().collect();
    notes.into_iter().map(|(note, who)| (note.clone(), who))
}

fn shards_are(numbers: &[u32]) -> String {
    let verb = if numbers.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", shards(numbers))
}

/// Numbers of shards in words, of which many are ranges: `shards 1, 4–7`.
fn shards(numbers: &[u32]) -> String {
    const MOST: usize = 12;
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in sorted {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let shown = ranges
        .iter()
        .take(MOST)
        .map(|(first, last)| match last - first {
            0 => first.to_string(),
            1 => format!("{first}, {last}"),
            _ => format!("{first}–{last}"),
        });
    let shown: Vec<String> = shown.collect();
    let more = if ranges.len() > MOST { ", …" } else { "" };
    let plural = if numbers.len() == 1 { "" } else { "s" };
    format!("shard{plural} {}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_shards_are_named_in_few_words() {
        assert_eq!(shards(&[3]), "shard 3");
        assert_eq!(shards(&[5, 1, 2, 7, 8, 9]), "shards 1, 2, 5, 7–9");
        assert!(shards(&(0..60).step_by(2).collect::<Vec<_>>()).ends_with("22, …"));
    }
}

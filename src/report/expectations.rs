//! What was expected of sessions and what became of them: identities down, versions across.

use super::document::{Field, Finding, Grid, Section};
use super::style::Tone;
use super::tables::NOTHING;
use crate::record::{ExpectationRecord, ExpectationVerdict, RunRecord};
use crate::units::format_count;

/// The table, a line that sums it up, and why each expectation that was not met matters. Nothing for a record without
/// expectations.
pub(super) fn expected(record: &RunRecord) -> Section {
    let mut section = Section::new("expected", "Expected outcomes");
    let all = &record.expectations;
    if all.is_empty() {
        return section;
    }
    let count = |test: &dyn Fn(&ExpectationRecord) -> bool| all.iter().filter(|e| test(e)).count();
    let met = count(&|e| e.verdict == ExpectationVerdict::Met);
    let failed = count(&|e| e.verdict.fails());
    let rest = all.len() - met - failed;
    let mut sum = format!("{met} of {} as expected", all.len());
    for (count, what) in [(rest, "not tested"), (failed, "NOT as expected")] {
        if count > 0 {
            sum = format!("{sum}, {count} {what}");
        }
    }
    section.table(table(all)).prose(sum);
    let mut findings = Vec::new();
    for (number, unmet) in all.iter().enumerate().filter(|(_, e)| e.verdict.fails()) {
        // What failed in both versions is explained once.
        let same =
            |e: &&ExpectationRecord| place(e).0 == place(unmet).0 && e.verdict == unmet.verdict;
        if all[..number].iter().any(|e| same(&e)) {
            continue;
        }
        let cells: Vec<&str> = all.iter().filter(same).map(|e| e.cell.as_str()).collect();
        findings.push(explained(unmet, &cells.join(", "), record));
    }
    section.findings(findings);
    section
}

fn table(all: &[ExpectationRecord]) -> Grid {
    let mut columns: Vec<&str> = Vec::new();
    let mut rows: Vec<&str> = Vec::new();
    for (row, column) in all.iter().map(place) {
        if !columns.contains(&column) {
            columns.push(column);
        }
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    let header = std::iter::once("").chain(columns.iter().copied());
    let mut grid = Grid::new("What became of each identity", header).of_words();
    for row in rows {
        let fields = columns.iter().map(|column| {
            let here = |e: &&ExpectationRecord| place(e) == (row, *column);
            all.iter()
                .find(here)
                .map_or(NOTHING.to_owned().into(), short)
        });
        grid.row(row, fields);
    }
    grid
}

/// Row and column: the identity or fault, and the rest of the cell's name.
fn place(expectation: &ExpectationRecord) -> (&str, &str) {
    match expectation.cell.split_once('/') {
        Some((column, row)) => (row, column),
        None => (
            expectation.identity.as_deref().unwrap_or("all"),
            &expectation.cell,
        ),
    }
}

/// One field of the table: the verdict, and what the sessions ended with.
fn short(expectation: &ExpectationRecord) -> Field {
    let verdict = expectation.verdict.label();
    let tone = if expectation.verdict.fails() {
        Tone::Bad
    } else {
        Tone::Plain
    };
    match expectation.verdict {
        ExpectationVerdict::NotSpoken | ExpectationVerdict::Untested => Field::new(tone, verdict),
        _ => Field::new(tone, &format!("{verdict}: {}", seen(expectation))),
    }
}

/// What the sessions ended with, with counts where it was not one thing alone.
fn seen(expectation: &ExpectationRecord) -> String {
    let accepted = (expectation.accepted > 0).then_some(("accepted", expectation.accepted));
    let failed = expectation
        .failed
        .iter()
        .map(|(class, n)| (class.as_str(), *n));
    let seen: Vec<(&str, u64)> = accepted.into_iter().chain(failed).collect();
    match &seen[..] {
        [(what, _)] => (*what).to_owned(),
        several => {
            let counted = several
                .iter()
                .map(|(what, n)| format!("{} × {what}", format_count(*n)));
            counted.collect::<Vec<_>>().join(", ")
        }
    }
}

fn explained(unmet: &ExpectationRecord, cells: &str, record: &RunRecord) -> Finding {
    let named = |name: &String| {
        record
            .plan
            .scenario
            .identities
            .iter()
            .find(|i| i.name == *name)
    };
    let of_client = unmet.identity.as_ref().and_then(|name| named(name)?.fault);
    let of_server =
        (record.cells.iter().find(|c| c.cell.name == unmet.cell)).and_then(|c| c.cell.server_fault);
    let wrongly_accepted = unmet.verdict == ExpectationVerdict::WrongAcceptance;
    let (what, help) = match (of_client, of_server) {
        (_, Some(fault)) => (
            format!("the identity of the server {}", fault.meaning()),
            "this is about this client, not a server; please report it",
        ),
        (Some(fault), None) if wrongly_accepted => (
            format!(
                "the server accepted a client whose identity {}",
                fault.meaning()
            ),
            fault.remedy(),
        ),
        (Some(fault), None) => (
            format!("the identity of the client {}", fault.meaning()),
            "`shakedown probe` with its certificate tells the handshake step by step",
        ),
        (None, None) if wrongly_accepted => (
            "more sessions were accepted than expected".to_owned(),
            "see how the server verifies its clients",
        ),
        (None, None) => (
            "sessions that were to be accepted were not, so rejections beside them prove nothing"
                .to_owned(),
            "see the failures below; `shakedown probe` tells one handshake step by step",
        ),
    };
    let name = match &unmet.identity {
        Some(identity) if !unmet.cell.contains('/') => format!("{cells}, {identity}"),
        _ => cells.to_owned(),
    };
    let text = format!("{name}: {what} ({})", seen(unmet));
    Finding::new(Tone::Bad, unmet.verdict.label(), &text, help)
}

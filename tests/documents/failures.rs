//! The advice of docs/failures.md is the code's: the last column of each row under *Failed* is what
//! `FailureClass::advice` says of its labels. With `SHAKEDOWN_UPDATE=1` it is written there.

use std::fs;

use shakedown::protocol::failure_classes;
use shakedown::stats::FailureClass;

use crate::stage::root;

const DOCUMENT: &str = "docs/failures.md";

/// What is to be done about the failures of a row; `None` if it is about none, or names one that is found
/// before any session begins.
fn advice(row: &str, known: &[FailureClass]) -> Option<String> {
    let labels: Vec<&str> = row
        .split('|')
        .nth(1)?
        .split('`')
        .skip(1)
        .step_by(2)
        .collect();
    let family = labels.first()?;
    // `http.status.` stands for all of them; an example of one is none of its own.
    let whole = family.ends_with('.');
    let labels = if whole { &labels[..1] } else { &labels[..] };
    let mut advices: Vec<&str> = Vec::new();
    for label in labels {
        let mut classes = known.iter().rev();
        let class = classes.find(|class| {
            let class = class.to_string();
            class == *label || whole && class.starts_with(label)
        });
        advices.extend(class.map(|class| class.advice()));
    }
    advices.dedup();
    assert!(
        advices.len() <= 1,
        "the labels of a row have several advices: {row}"
    );
    let advice = advices.first()?;
    let (first, rest) = advice.split_at(1);
    Some(first.to_uppercase() + rest)
}

/// The row with another last cell.
fn with_last_cell(row: &str, cell: &str) -> String {
    let without_end = row.trim_end().strip_suffix('|').unwrap_or(row);
    let before = without_end
        .rsplit_once('|')
        .map_or(row, |(before, _)| before);
    format!("{before}| {cell} |")
}

#[test]
fn the_advice_of_every_failure_is_what_the_code_says() {
    let path = root().join(DOCUMENT);
    let document = fs::read_to_string(&path).unwrap();
    let (before, failed) = document.split_once("\n## Failed\n").unwrap();
    let mut known = failure_classes();
    // 400 is nginx's own and has advice of its own.
    known.push(FailureClass::HttpStatus(404));
    let mut rows = 0;
    let lines = failed.lines().map(|line| match advice(line, &known) {
        Some(advice) if line.starts_with("| `") => {
            rows += 1;
            with_last_cell(line, &advice)
        }
        _ => line.to_owned(),
    });
    let lines: Vec<String> = lines.collect();
    let told = format!("{before}\n## Failed\n{}\n", lines.join("\n"));
    assert!(rows > 50, "only {rows} rows were found");
    if std::env::var_os("SHAKEDOWN_UPDATE").is_some() {
        fs::write(&path, told).unwrap();
        return;
    }
    let other = document
        .lines()
        .zip(told.lines())
        .filter(|(is, should)| is != should);
    let other: Vec<String> = other
        .map(|(is, should)| format!("{is}\n  should be\n{should}"))
        .collect();
    assert!(
        other.is_empty(),
        "{DOCUMENT} says otherwise than the code; run SHAKEDOWN_UPDATE=1 cargo test --test documents\n{}",
        other.join("\n")
    );
}

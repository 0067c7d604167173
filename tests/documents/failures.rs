//! The advice of docs/failures.md is the code's: each item under *Failed* begins with what
//! `FailureClass::advice` says of its labels.

use std::fs;

use shakedown::protocol::failure_classes;
use shakedown::stats::FailureClass;

use crate::stage::root;

const DOCUMENT: &str = "docs/failures.md";

/// An item of the list, on one line: the labels, a colon, and what is said of them.
fn parts(item: &str) -> Option<(Vec<&str>, &str)> {
    let (labels, said) = item.strip_prefix("- `")?.split_once(": ")?;
    let labels = labels.split('`').step_by(2);
    Some((labels.collect(), said))
}

/// What is to be done about the failures of an item; `None` if it is about none, or names one that is found
/// before any session begins.
fn advice(labels: &[&str], known: &[FailureClass]) -> Option<String> {
    let family = labels.first()?;
    // `http.status.` stands for all of them.
    let whole = family.ends_with('.');
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
        "the labels of an item have several advices: {labels:?}"
    );
    let advice = advices.first()?;
    let (first, rest) = advice.split_at(1);
    Some(first.to_uppercase() + rest)
}

#[test]
fn the_advice_of_every_failure_is_what_the_code_says() {
    let document = fs::read_to_string(root().join(DOCUMENT)).unwrap();
    let (_, failed) = document.split_once("\n## Failed\n").unwrap();
    // Lines that continue an item are indented.
    let failed = failed.replace("\n  ", " ");
    let mut known = failure_classes();
    // 400 is nginx's own and has advice of its own.
    known.push(FailureClass::HttpStatus(404));
    let (mut items, mut other) = (0, Vec::new());
    for (labels, said) in failed.lines().filter_map(parts) {
        let Some(advice) = advice(&labels, &known) else {
            continue;
        };
        items += 1;
        if !said.starts_with(&advice) {
            other.push(format!("{}: {advice}", labels.join(", ")));
        }
    }
    assert!(items > 50, "only {items} items were found");
    assert!(
        other.is_empty(),
        "{DOCUMENT} says otherwise than the code of\n{}",
        other.join("\n")
    );
}

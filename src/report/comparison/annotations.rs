//! Workflow commands of GitHub Actions: a line each that the job's page shows as an error or warning.

use super::words::{conclusion, safe_note};
use crate::record::{Comparison, Note, Verdict};

/// As many of a kind as GitHub shows of one step.
const MOST: usize = 10;
/// Notes that are in every comparison of their kind, and no reason to warn.
const USUAL: [&str; 2] = ["not-interleaved", "limit-learned"];

/// The commands: errors for the reasons of a verdict that does not pass, warnings for notes.
pub fn annotations(comparison: &Comparison) -> String {
    let mut out = String::new();
    let passes = matches!(comparison.verdict, Verdict::Pass | Verdict::Improve);
    let kind = if passes { "notice" } else { "error" };
    for note in comparison.reasons.iter().take(MOST) {
        out.push_str(&command(kind, &safe_note(note)));
    }
    if comparison.reasons.is_empty() && !passes {
        let verdict = comparison.verdict.label();
        let note = Note::new(verdict, conclusion(comparison), "see the report");
        out.push_str(&command(kind, &note));
    }
    let unusual = |note: &&Note| !USUAL.contains(&note.code.as_str());
    for note in comparison.notes.iter().filter(unusual).take(MOST) {
        out.push_str(&command("warning", &safe_note(note)));
    }
    out
}

fn command(kind: &str, note: &Note) -> String {
    let title = property(&format!("shakedown: {}", note.code));
    let text = data(&format!("{}; help: {}", note.message, note.advice));
    format!("::{kind} title={title}::{text}\n")
}

/// Escaped as the toolkit of GitHub Actions escapes the text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Escaped as it escapes a property, which `:` and `,` would end.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

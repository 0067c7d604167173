//! What signing in PKCS#11 tokens took.

use super::document::Section;
use crate::record::{CellRecord, RunRecord};
use crate::stats::TokenCounts;
use crate::units::{counted, format_count, format_ns};

/// The tokens' section; empty where none signed.
pub(super) fn token(record: &RunRecord) -> Section {
    let mut section = Section::new("token", "Keys in a token");
    let lines: Vec<String> = record.cells.iter().filter_map(signing).collect();
    if !lines.is_empty() {
        section.prose(
            "A worker waits while a token signs, and its other sessions with it. The time is within the handshake stage.",
        );
    }
    section.list(lines);
    section
}

/// What one cell's signatures took, over all trials.
fn signing(cell: &CellRecord) -> Option<String> {
    let trials = cell.trials.iter().filter_map(|trial| trial.token);
    let all = trials.reduce(|mut sum, next| {
        sum.merge(&next);
        sum
    })?;
    let TokenCounts {
        signatures,
        failed,
        sign_ns,
        longest_sign_ns,
    } = all;
    let mean_ns = sign_ns.checked_div(signatures + failed)?;
    let failures = match failed {
        0 => String::new(),
        _ => format!(", {} failed", format_count(failed)),
    };
    Some(format!(
        "{}: {}{failures}, in {} each, at most {}, {} in all",
        cell.cell.name,
        counted(signatures, "signature"),
        format_ns(mean_ns),
        format_ns(longest_sign_ns),
        format_ns(sign_ns)
    ))
}

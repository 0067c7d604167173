//! The verdict over everything that gates, and why it is that.

use crate::record::{
    CellComparison, CheckRecord, Comparison, EffectRecord, FigureComparison, Note, Verdict,
};

/// Fills in `verdict` and `reasons`: the worst of what gates decides.
pub(crate) fn conclude(comparison: &mut Comparison) {
    let mut worst = Verdict::Pass;
    let mut reasons = Vec::new();
    let mut judged = 0;
    for cell in &comparison.cells {
        for figure in cell.figures.iter().filter(|figure| figure.gated) {
            match figure.verdict {
                Some(verdict) => {
                    judged += 1;
                    worst = worst.max(verdict);
                    reasons.extend(figure_reason(&cell.name, figure, verdict));
                }
                None => comparison.notes.push(Note::new(
                    "not-judged",
                    format!("{} {}: {}", cell.name, figure.figure, reason_of(figure)),
                    "take longer blocks, a higher rate, or leave it out of the policy",
                )),
            }
        }
        for check in &cell.checks {
            judged += usize::from(check.threshold);
            worst = worst.max(check.verdict);
            reasons.extend(check_reason(&cell.name, check));
        }
    }
    let mut invalid = |note: Note| {
        worst = Verdict::Invalid;
        reasons.push(note);
    };
    if judged == 0 {
        invalid(Note::new(
            "nothing-judged",
            "nothing that gates could be judged",
            if comparison.baseline.is_some() {
                "see the notes; let the policy allow changes of figures that the result has"
            } else {
                "give a --baseline, or a --policy with thresholds"
            },
        ));
    }
    if !comparison.missing.is_empty() {
        invalid(Note::new(
            "cells-missing",
            format!("the candidate lacks {}", comparison.missing.join(", ")),
            "run the same cells, or record a new baseline without them",
        ));
    }
    for (cell, figure) in moved(&comparison.control) {
        invalid(Note::new(
            "control-moved",
            format!(
                "{cell} {}: the baseline differs from itself by {}",
                figure.figure,
                interval(figure)
            ),
            "something else than the code changed during the run; quiet the machine and run it again",
        ));
    }
    if let Some(blocks) = &comparison.blocks
        // Such a host measures its neighbours.
        && blocks.discarded_rounds > blocks.rounds
    {
        invalid(Note::new(
            "too-noisy",
            format!(
                "{} rounds were thrown away because a run in them was invalid, {} are left",
                blocks.discarded_rounds, blocks.rounds
            ),
            "see which reasons the runs give; quiet the machine or lower the rate",
        ));
    }
    // The same order everywhere: what decides comes first.
    reasons.sort_by_key(|note: &Note| !decides(&note.code, worst));
    comparison.reasons = reasons;
    comparison.verdict = worst;
}

/// Figures of the control that gate and are apart from themselves, in either direction.
fn moved(control: &[CellComparison]) -> impl Iterator<Item = (&str, &FigureComparison)> {
    let figures = control.iter().flat_map(|cell| {
        cell.figures
            .iter()
            .map(|figure| (cell.name.as_str(), figure))
    });
    figures.filter(|(_, figure)| {
        figure.gated && matches!(figure.verdict, Some(Verdict::Regress | Verdict::Improve))
    })
}

fn decides(code: &str, worst: Verdict) -> bool {
    match worst {
        Verdict::Regress => ["regressed", "threshold-crossed"].contains(&code),
        Verdict::Inconclusive => code == "inconclusive",
        Verdict::Improve => code == "improved",
        Verdict::Pass => false,
        Verdict::Invalid => {
            !["regressed", "threshold-crossed", "inconclusive", "improved"].contains(&code)
        }
    }
}

fn figure_reason(cell: &str, figure: &FigureComparison, verdict: Verdict) -> Option<Note> {
    let place = format!("{cell} {}", figure.figure);
    let allowed = figure.allowed_change();
    let told = figure.reason.clone().unwrap_or_else(|| interval(figure));
    Some(match verdict {
        Verdict::Pass => return None,
        Verdict::Improve => Note::new(
            "improved",
            format!("{place}: {told}"),
            "record a new baseline, so that it stays so",
        ),
        Verdict::Regress => Note::new(
            "regressed",
            format!("{place}: {told}, allowed is {allowed}"),
            "find the change, or allow for it in the policy",
        ),
        Verdict::Inconclusive if figure.effect.is_none() => Note::new(
            "inconclusive",
            format!("{place}: {told}, allowed is {allowed}"),
            "find out why sessions have no answer, or give them longer with the timeouts and --grace",
        ),
        Verdict::Inconclusive => Note::new(
            "inconclusive",
            format!(
                "{place}: {}, allowed is {allowed}; smallest detectable change: {}",
                interval(figure),
                figure
                    .effect
                    .map_or("none".to_owned(), |e| e.scale.change(e.detectable))
            ),
            "take more or longer units, quiet the machine, or allow for more",
        ),
        Verdict::Invalid => Note::new(
            "figure-absent",
            format!("{place}: {}", reason_of(figure)),
            "see failures and samples in the results, or leave it out of the policy",
        ),
    })
}

fn check_reason(cell: &str, check: &CheckRecord) -> Option<Note> {
    let observed = check.found().unwrap_or("nothing".to_owned());
    let message = format!("{cell} {}: observed {observed}", check.rule);
    match check.verdict {
        Verdict::Regress => Some(Note::new(
            "threshold-crossed",
            message,
            "find out what got slower, or move the threshold",
        )),
        Verdict::Inconclusive => Some(Note::new(
            "inconclusive",
            format!("{message}: {}", check.reason.as_deref().unwrap_or_default()),
            "find out why sessions have no answer, or give them longer with the timeouts and --grace",
        )),
        Verdict::Invalid if check.threshold => {
            let why = check.reason.as_deref().unwrap_or_default();
            Some(Note::new(
                "figure-absent",
                format!("{message}: {why}"),
                "measure longer, or hold a percentile with more samples against it",
            ))
        }
        Verdict::Invalid => Some(Note::new(
            "minimum-missed",
            message,
            "measure longer, or see why the run fell short",
        )),
        _ => None,
    }
}

fn reason_of(figure: &FigureComparison) -> &str {
    let reason = figure.reason.as_deref().unwrap_or_default();
    reason.trim_start_matches("not judged: ")
}

/// An effect in words: `+4.1 % [+3.2 % … +5.0 %]`.
fn interval(figure: &FigureComparison) -> String {
    let effect = figure.effect.as_ref();
    effect.map_or("no effect".to_owned(), EffectRecord::change)
}

//! What all reports of a comparison say in the same words: values with their units, effects, verdicts.

use std::fmt::Write;

use crate::record::{
    BlocksRecord, Comparison, EffectRecord, FigureComparison, Note, Scale, SideRecord, UnitKind,
    Verdict,
};
use crate::report::facts;
use crate::report::tables::or_nothing;
use crate::stats::LEAST_UNITS;
use crate::text::escape_untrusted;
use crate::units::{counted, format_count, three_digits, with_unit};

/// Characters that a report gives one message; that of a plan names every key that differs.
const MESSAGE_CAP: usize = 4096;

/// A string of a result or comparison file, safe to show.
pub(in crate::report) fn safe(text: &str) -> String {
    escape_untrusted(text, MESSAGE_CAP)
}

/// A note with its strings made safe.
pub(in crate::report) fn safe_note(note: &Note) -> Note {
    Note::new(&safe(&note.code), safe(&note.message), safe(&note.advice))
}

/// A value of a figure in its unit; shares as percentages.
pub(in crate::report) fn value(value: f64, unit: &str) -> String {
    match unit {
        "" => format!("{} %", three_digits(value * 100.0)),
        unit => with_unit(value, unit),
    }
}

/// The median unit of the baseline and of the candidate; marked where it is only known to be beyond that.
pub(in crate::report) fn medians(figure: &FigureComparison) -> [String; 2] {
    let sides = [
        (figure.baseline, figure.baseline_beyond),
        (figure.candidate, figure.candidate_beyond),
    ];
    sides.map(|(spread, beyond)| match beyond {
        Some(beyond) => format!("> {}", value(beyond, &figure.unit)),
        None => or_nothing(spread, |s| value(s.median, &figure.unit)),
    })
}

/// How many units there are, where these are too few for an interval without a verdict.
pub(in crate::report) fn few_units(effect: &EffectRecord, unit: UnitKind) -> Option<String> {
    let few = effect.units < LEAST_UNITS;
    few.then(|| format!("({} {}s)", effect.units, unit.label()))
}

/// An effect of which nothing is judged: with its interval, or with its units where these are too few for one.
pub(in crate::report) fn unjudged(effect: &EffectRecord, unit: UnitKind) -> String {
    match few_units(effect, unit) {
        Some(few) => format!("{} {few}", effect.estimated_change()),
        None => effect.change(),
    }
}

/// Whether an effect can be drawn beside others: shares are told by difference.
pub(in crate::report) fn is_ratio(effect: &EffectRecord) -> bool {
    effect.scale == Scale::Ratio
}

/// The verdict of a figure.
pub(in crate::report) fn verdict(figure: &FigureComparison) -> &'static str {
    figure.verdict.map_or("not judged", Verdict::label)
}

/// The minimum detectable effect.
pub(in crate::report) fn detectable(effect: &EffectRecord) -> String {
    effect.scale.change(effect.detectable)
}

/// What the whole comparison says, in a sentence.
pub(in crate::report) fn conclusion(comparison: &Comparison) -> &'static str {
    let both = comparison.baseline.is_some();
    match comparison.verdict {
        Verdict::Pass if both => "nothing that gates got worse by more than is allowed",
        Verdict::Pass => "every threshold is kept",
        Verdict::Improve => "nothing got worse, and something got better",
        Verdict::Inconclusive => "the figures allow for both: better units or more are needed",
        Verdict::Regress if both => {
            "something got worse by more than is allowed, or crossed a threshold"
        }
        Verdict::Regress => "a threshold was crossed",
        Verdict::Invalid => "the figures do not answer the question",
    }
}

/// How the blocks of an A/B run went, in a line.
pub(in crate::report) fn how_blocks_went(blocks: &BlocksRecord) -> String {
    let count = |n: usize| format_count(n as u64);
    let mut text = format!(
        "{} of at most {} rounds in {} s, judged {} times, order from seed {}",
        count(blocks.rounds),
        count(blocks.rounds_max),
        format_count(blocks.seconds),
        count(blocks.looks),
        blocks.seed
    );
    if blocks.discarded_rounds > 0 {
        let _ = write!(
            text,
            "; {} more were thrown away",
            count(blocks.discarded_rounds)
        );
    }
    text
}

/// One side in a line.
pub(in crate::report) fn side(side: &SideRecord) -> String {
    format!(
        "{}: {}, {} from {}, shakedown {}",
        side.source,
        side.scenario,
        counted(side.results as u64, "result"),
        side.started_at,
        facts::build(&side.build)
    )
}

//! What comes of holding results against each other: the shape of a comparison file. `compare` makes it,
//! reports are made from it alone. Ratios are candidate over baseline.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BuildInfo, Note};
use crate::stats::Spread;
use crate::text::labelled;
use crate::units::{format_count, with_unit};

/// Version of the comparison file's shape.
pub const COMPARISON_SCHEMA: u32 = 2;
/// The oldest version that is read; files of schema 1 know nothing of sessions without an answer.
pub const OLDEST_COMPARISON: u32 = 1;

labelled! {
    serde
    /// What a comparison says about one figure, one check, or all.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Verdict {
        /// Not worse by more than is allowed, as far as the interval reaches.
        Pass = "pass",
        /// Better by more than what is allowed for the worse.
        Improve = "improve",
        /// The interval holds both: more is needed to decide.
        Inconclusive = "inconclusive",
        /// Worse by more than is allowed, or a threshold was crossed.
        Regress = "regress",
        /// The figures do not answer the question.
        Invalid = "invalid",
    }
}

/// A baseline, a candidate, and what sets them apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// Version of this shape.
    pub schema: u32,
    /// The build that judged.
    pub build: BuildInfo,
    /// The side that the candidate is compared with; `null` where only thresholds were judged.
    pub baseline: Option<SideRecord>,
    /// What is judged.
    pub candidate: SideRecord,
    /// What one observation is.
    pub unit: UnitKind,
    /// The confidence of every interval, 0 to 1.
    pub confidence: f64,
    /// The candidate's cells: those that both sides have, then those that have no partner.
    pub cells: Vec<CellComparison>,
    /// Names of cells of the baseline that the candidate lacks.
    pub missing: Vec<String>,
    /// Names of cells of the candidate that the baseline lacks.
    pub new: Vec<String>,
    /// How the blocks of an A/B run went; `null` for results that were there before.
    pub blocks: Option<BlocksRecord>,
    /// The baseline against itself, from the same job; empty where there was no control.
    pub control: Vec<CellComparison>,
    /// What a reader should know: differences that were let pass, figures that are not judged.
    pub notes: Vec<Note>,
    /// Why the verdict is what it is.
    pub reasons: Vec<Note>,
    /// The verdict over everything that gates.
    pub verdict: Verdict,
}

labelled! {
    serde
    /// What one observation is: intervals count these.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum UnitKind {
        /// A round of interleaved runs of both sides: its effect is one observation.
        Round = "round",
        /// A trial; the sides were not interleaved.
        Trial = "trial",
        /// A result file of one side, over its trials; the sides were not interleaved.
        Run = "run",
    }
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SideRecord {
    /// The file, folder or command that it came from.
    pub source: String,
    /// How many results it holds.
    pub results: usize,
    /// Name of the scenario of its first result.
    pub scenario: String,
    /// When its first result was begun, RFC 3339, UTC.
    pub started_at: String,
    /// Class of the host, see `Environment::host_class`.
    pub host_class: String,
    /// The build that made its first result.
    pub build: BuildInfo,
}

/// One cell on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CellComparison {
    /// Its name, the candidate's where the two differ.
    pub name: String,
    /// By figure, in the order of display.
    pub figures: Vec<FigureComparison>,
    /// Absolute thresholds and required minimums.
    pub checks: Vec<CheckRecord>,
}

/// One figure of one cell on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FigureComparison {
    /// Its label, as in a policy: `client-cpu`, `confirm-p99`, …
    pub figure: String,
    /// Its unit; empty for shares.
    pub unit: String,
    /// Whether less is better.
    pub smaller_is_better: bool,
    /// The baseline's values over units.
    pub baseline: Option<Spread>,
    /// The candidate's values over units.
    pub candidate: Option<Spread>,
    /// What the baseline's median unit is beyond, where a percentile of any unit falls among sessions without an
    /// answer; then there are no values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_beyond: Option<f64>,
    /// The same of the candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate_beyond: Option<f64>,
    /// What sets them apart; `null` where that cannot be said.
    pub effect: Option<EffectRecord>,
    /// The effect of every round, on the scale of `effect`; empty where the sides are not paired.
    pub rounds: Vec<f64>,
    /// By how much it may get worse: 0.03 is 3 %, or 0.03 for a difference of shares.
    pub allowed: f64,
    /// Whether it counts for the whole verdict.
    pub gated: bool,
    /// What follows; `null` where it is not judged.
    pub verdict: Option<Verdict>,
    /// Why it is invalid or not judged, or how it was judged without an effect.
    pub reason: Option<String>,
}

/// An estimated effect with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EffectRecord {
    /// Whether it is a ratio or a difference.
    pub scale: Scale,
    /// The estimate: 1.03 is 3 % more, or 0.03 for a difference.
    pub estimate: f64,
    /// Lower end of the interval.
    pub lower: f64,
    /// Upper end of the interval.
    pub upper: f64,
    /// Minimum detectable effect: the smallest change that such units would keep apart from none in
    /// four of five cases; 0.03 is 3 %, or 0.03 for a difference.
    pub detectable: f64,
    /// How likely units like these are if it did not get worse by more than is allowed, before Holm's
    /// correction.
    pub p_worse: f64,
    /// Units on the smaller side.
    pub units: usize,
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Candidate over baseline.
    Ratio,
    /// Candidate minus baseline, for shares, which may be zero.
    Difference,
}

impl Scale {
    /// A value on the scale on which effects are differences: its logarithm where ratios are formed.
    pub(crate) fn of(self, value: f64) -> f64 {
        match self {
            Self::Ratio => value.ln(),
            Self::Difference => value,
        }
    }

    /// Back from there: ratios as ratios.
    pub(crate) fn kept(self, effect: f64) -> f64 {
        match self {
            Self::Ratio => effect.exp(),
            Self::Difference => effect,
        }
    }

    /// A change on that scale as it is kept: 0.03 of a ratio of 1.03.
    pub(crate) fn kept_change(self, effect: f64) -> f64 {
        match self {
            Self::Ratio => effect.exp_m1(),
            Self::Difference => effect,
        }
    }

    /// A change that is kept on that scale.
    pub(crate) fn of_change(self, change: f64) -> f64 {
        match self {
            Self::Ratio => change.ln_1p(),
            Self::Difference => change,
        }
    }

    /// The size of a change in words: of a ratio in per cent, of a share in percentage points.
    pub(crate) fn change(self, size: f64) -> String {
        match self {
            Self::Ratio => format!("{:.1} %", size * 100.0),
            Self::Difference => format!("{:.2} pp", size * 100.0),
        }
    }

    /// The same with its sign.
    pub(crate) fn signed_change(self, change: f64) -> String {
        let size = self.change(change.abs());
        let is_zero = !size.contains(|c: char| ('1'..='9').contains(&c));
        let sign = if change < 0.0 && !is_zero { "−" } else { "+" };
        format!("{sign}{size}")
    }
}

impl EffectRecord {
    /// A value on its scale as a change: 0.03 of a ratio of 1.03, and of a difference of 0.03.
    fn as_change(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Ratio => value - 1.0,
            Scale::Difference => value,
        }
    }

    /// The change with its interval: `+4.1 % [+3.2 % … +5.0 %]`.
    pub(crate) fn change(&self) -> String {
        let [lower, upper] = [self.lower, self.upper].map(|value| self.show(value));
        format!("{} [{lower} … {upper}]", self.estimated_change())
    }

    /// The same without its interval.
    pub(crate) fn estimated_change(&self) -> String {
        self.show(self.estimate)
    }

    fn show(&self, value: f64) -> String {
        self.scale.signed_change(self.as_change(value))
    }
}

impl FigureComparison {
    /// By how much it may get worse, with the sign of what is worse.
    pub(crate) fn allowed_change(&self) -> String {
        let worse = if self.smaller_is_better { 1.0 } else { -1.0 };
        self.scale().signed_change(worse * self.allowed)
    }

    /// Shares, which have no unit, are told by difference.
    fn scale(&self) -> Scale {
        match self.effect {
            Some(effect) => effect.scale,
            None if self.unit.is_empty() => Scale::Difference,
            None => Scale::Ratio,
        }
    }
}

/// A threshold or a required minimum, and what was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckRecord {
    /// Whether it is an absolute threshold; else a required minimum.
    pub threshold: bool,
    /// As in the policy, e.g. `confirm: p(99)<25ms` or `samples: 1000`.
    pub rule: String,
    /// What was found, in `unit`; `null` where there is no such figure.
    pub observed: Option<f64>,
    /// Whether what was found is only known to be beyond `observed`, because it falls among sessions without an
    /// answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beyond: bool,
    /// The limit, in `unit`.
    pub limit: f64,
    /// Nanoseconds (`ns`) for durations; empty for shares and counts.
    pub unit: String,
    /// `pass`, `regress` (crossed), `inconclusive` (`beyond` a value that keeps to it) or `invalid` (a minimum that
    /// was not reached, or no figure).
    pub verdict: Verdict,
    /// Why it is invalid or inconclusive.
    pub reason: Option<String>,
}

impl CheckRecord {
    /// What was found with its unit, if anything was.
    pub(crate) fn found(&self) -> Option<String> {
        let mark = if self.beyond { "> " } else { "" };
        self.observed
            .map(|value| format!("{mark}{}", self.show(value)))
    }

    /// A value of it with its unit; counts and shares as they are written in a policy.
    pub(crate) fn show(&self, value: f64) -> String {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole positive values below 2^53"
        )]
        if !self.unit.is_empty() {
            with_unit(value, &self.unit)
        } else if value.fract() == 0.0 && (0.0..9e15).contains(&value) {
            format_count(value as u64)
        } else {
            format!("{value:.4}")
        }
    }
}

/// How the blocks of an A/B run went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlocksRecord {
    /// Seed of the order.
    pub seed: u64,
    /// Rounds that were judged.
    pub rounds: usize,
    /// Rounds at which it would be judged at the latest.
    pub rounds_max: usize,
    /// How often it was judged; each look has its share of the chance of a wrong verdict.
    pub looks: usize,
    /// Rounds thrown away because a run in them was invalid, as notes by reason.
    pub discarded: Vec<Note>,
    /// How many those were.
    pub discarded_rounds: usize,
    /// Whole seconds that it took.
    pub seconds: u64,
}

//! What must be the same on both sides before figures may be compared.

use std::collections::BTreeSet;

use serde_json::Value;

use super::observe::identity;
use crate::record::{Note, OLDEST_SCHEMA, Pins, RunRecord};
use crate::stats::{HistogramError, HistogramSetup};
use crate::text::labelled;

labelled! {
    serde
    /// A kind of difference that makes a comparison say something else than it seems to. Its label lets it pass.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Difference {
        /// Results of different classes of hosts.
        Host = "host",
        /// Something else was asked of the two.
        Plan = "plan",
        /// Histograms that round differently.
        Histogram = "histogram",
        /// Percentiles that leave sessions without an answer out, against such that do not.
        Percentiles = "percentiles",
        /// A debug build against a release build.
        Profile = "profile",
        /// A run that did not do what was asked, or did not run to its end.
        Validity = "validity",
    }
}

impl Difference {
    /// The note that it leaves.
    fn note(self, message: String) -> Found {
        let (code, advice) = match self {
            Self::Host => (
                "other-host-class",
                "measure both on hosts of one class, or interleave them with `shakedown ab`",
            ),
            Self::Plan => (
                "other-plan",
                "run both with the same scenario, or compare what differs with `shakedown ab`",
            ),
            Self::Histogram => (
                "other-histogram",
                "measure both with builds that keep the same histograms",
            ),
            Self::Percentiles => ("other-percentiles", MEASURE_AGAIN),
            Self::Profile => ("other-profile", "measure both with release builds"),
            Self::Validity => (
                "invalid-run",
                "see what the run itself says, mend it, and run it again",
            ),
        };
        Found {
            kind: self,
            note: Note::new(code, message, advice),
        }
    }
}

/// What to do about results of schema 1 with sessions without an answer.
const MEASURE_AGAIN: &str = "measure it again with this build, which counts them with their age";

/// A difference that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its kind.
    pub kind: Difference,
    /// What differs, with both sides' values.
    pub note: Note,
}

impl Found {
    /// The same of sides that take turns, which need no advice to do so.
    #[must_use]
    pub(crate) fn in_turns(mut self) -> Self {
        let advice = match self.kind {
            Difference::Host => "run both sides on this host",
            Difference::Plan => {
                "ask the same of both builds; what is to differ is named as two scenarios, URLs or providers"
            }
            Difference::Histogram
            | Difference::Percentiles
            | Difference::Profile
            | Difference::Validity => return self,
        };
        advice.clone_into(&mut self.note.advice);
        self
    }

    /// The note of one that is not let pass, which says how to.
    pub(crate) fn refusal(&self) -> Note {
        let Note {
            code,
            message,
            advice,
        } = &self.note;
        let way_out = format!(
            "or let it pass, marked, with --despite {}",
            self.kind.label()
        );
        Note::new(code, message, format!("{advice}; {way_out}"))
    }
}

/// What differs between the results of two sides, and which of them are invalid. Each kind of difference
/// is found once, with everything of it in its message.
///
/// Fails if a stored histogram is damaged.
pub(crate) fn find(
    baseline: &[RunRecord],
    candidate: &[RunRecord],
) -> Result<Vec<Found>, HistogramError> {
    let mut found = Vec::new();
    let mut differs = |kind: Difference, of: &dyn Fn(&RunRecord) -> String| {
        let values = |side: &[RunRecord]| side.iter().map(of).collect::<BTreeSet<_>>();
        let (left, right) = (values(baseline), values(candidate));
        if left.len() > 1 || right.len() > 1 || (!left.is_empty() && left != right) {
            let list = |side: BTreeSet<String>| side.into_iter().collect::<Vec<_>>().join(", ");
            let message = format!("{} against {}", list(left), list(right));
            found.push(kind.note(message));
        }
    };
    differs(Difference::Host, &|r| r.environment.host_class());
    differs(Difference::Profile, &|r| r.build.profile.clone());
    found.extend(plans(baseline, candidate));
    let mut setups: Vec<HistogramSetup> = Vec::new();
    for result in baseline.iter().chain(candidate) {
        for setup in setups_of(result)? {
            if !setups.contains(&setup) {
                setups.push(setup);
            }
        }
    }
    if setups.len() > 1 {
        let list: Vec<String> = (setups.iter())
            .map(|s| format!("{} digits from {} to {} ns", s.digits, s.low_ns, s.high_ns))
            .collect();
        found.push(Difference::Histogram.note(list.join(" against ")));
    }
    if knows_silence(baseline, candidate) {
        let note = silence_left_out(baseline, candidate);
        found.extend(note.map(|note| Difference::Percentiles.note(note.message)));
    }
    for (side, results) in [("baseline", baseline), ("candidate", candidate)] {
        found.extend(results.iter().filter_map(|r| invalid(side, r)));
    }
    Ok(found)
}

/// Whether any of these results counts sessions without an answer in its percentiles.
fn knows_silence(baseline: &[RunRecord], candidate: &[RunRecord]) -> bool {
    let mut all = baseline.iter().chain(candidate);
    all.any(|result| result.schema > OLDEST_SCHEMA)
}

/// A note of how many sessions without an answer the percentiles of these results leave out, if they do.
pub(crate) fn silence_left_out(baseline: &[RunRecord], candidate: &[RunRecord]) -> Option<Note> {
    let mut parts = Vec::new();
    for (side, results) in [("baseline", baseline), ("candidate", candidate)] {
        let count: u64 = results.iter().map(RunRecord::left_out).sum();
        if count > 0 {
            parts.push(format!("{count} of the {side}"));
        }
    }
    (!parts.is_empty()).then(|| {
        Note::new(
            "percentiles-of-answered",
            format!(
                "percentiles of schema 1 leave sessions without an answer out: {}",
                parts.join(", ")
            ),
            MEASURE_AGAIN,
        )
    })
}

/// Why a result is not to be used, if it is not.
pub fn invalid(side: &str, result: &RunRecord) -> Option<Found> {
    let validity = &result.validity;
    if validity.valid && validity.complete {
        return None;
    }
    let mut why: Vec<&str> = validity.reasons.iter().map(|r| r.code.as_str()).collect();
    if !validity.complete {
        why.push("not complete");
    }
    let message = format!(
        "the {side} of {} is invalid: {}",
        result.started_at,
        why.join(", ")
    );
    Some(Difference::Validity.note(message))
}

/// The set-up of one histogram of each trial; all of one trial are made by one build.
fn setups_of(result: &RunRecord) -> Result<Vec<HistogramSetup>, HistogramError> {
    let trials = result.cells.iter().flat_map(|cell| &cell.trials);
    let first = trials.filter_map(|trial| {
        let mut stored = trial
            .kinds
            .values()
            .flat_map(|kind| kind.histograms.values());
        stored.next()
    });
    first
        .map(|h| HistogramSetup::of(&h.hdr_v2_deflate))
        .collect()
}

/// Keys of a plan that may differ: they do not change what is asked of one cell in one trial, or follow
/// from what each cell says of itself.
const FREE_KEYS: [&str; 10] = [
    "scenario.name",
    "scenario.question",
    "scenario.reading",
    "scenario.trials",
    "scenario.matrix",
    "preflight",
    "provider",
    "common_suites",
    "skipped",
    "metering",
];

/// Keys that files of before them leave out, which does not say that something else was asked.
const LATER_KEYS: [&str; 1] = ["target_provider"];

/// How the plan of any result differs from the first's.
fn plans(baseline: &[RunRecord], candidate: &[RunRecord]) -> Option<Found> {
    let first = serde_json::to_value(&baseline.first().or(candidate.first())?.plan).ok()?;
    let mut keys = BTreeSet::new();
    for result in baseline.iter().chain(candidate) {
        let plan = serde_json::to_value(&result.plan).ok()?;
        collect("", &first, &plan, &mut keys);
    }
    keys.extend(pins(baseline, candidate));
    let list: Vec<String> = keys.into_iter().collect();
    (!list.is_empty()).then(|| Difference::Plan.note(list.join("; ")))
}

/// Cells that are the same and had to negotiate something else, with both sides' pins. Files of before
/// pins were kept have none.
fn pins(baseline: &[RunRecord], candidate: &[RunRecord]) -> BTreeSet<String> {
    let mut known: Vec<(String, &Pins)> = Vec::new();
    let mut found = BTreeSet::new();
    for result in baseline.iter().chain(candidate) {
        for cell in result.cells.iter().filter(|cell| !cell.pins.is_empty()) {
            let identity = identity(result, cell);
            match known.iter().find(|(known, _)| *known == identity) {
                Some((_, pins)) if **pins != cell.pins => {
                    let show = |pins: &Pins| serde_json::to_string(pins).unwrap_or_default();
                    let (left, right) = (show(pins), show(&cell.pins));
                    found.insert(format!(
                        "pins of {}: {left} against {right}",
                        cell.cell.name
                    ));
                }
                Some(_) => {}
                None => known.push((identity, &cell.pins)),
            }
        }
    }
    found
}

/// Whether the sessions of a result kept a ledger, which takes time itself.
pub fn is_metered(result: &RunRecord) -> bool {
    result.plan.scenario.metered || result.plan.metering.is_some()
}

/// The keys below `path` in which two values differ, with both values.
fn collect(path: &str, left: &Value, right: &Value, keys: &mut BTreeSet<String>) {
    let unknown = LATER_KEYS.contains(&path) && (left.is_null() || right.is_null());
    if FREE_KEYS.contains(&path) || unknown || left == right {
        return;
    }
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let below = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                let side = |of: &serde_json::Map<String, Value>| {
                    of.get(name).cloned().unwrap_or(Value::Null)
                };
                collect(&below, &side(a), &side(b), keys);
            }
        }
        _ => {
            keys.insert(format!("{path}: {left} against {right}"));
        }
    }
}

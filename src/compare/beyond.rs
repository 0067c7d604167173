//! Percentiles that fall among sessions without an answer: what such a percentile is beyond is known, how long it
//! is not. So no effect is computed from it, and no interval; what is certain all the same is judged.

use super::observe::CellSeries;
use crate::analysis::Figure;
use crate::record::Verdict;
use crate::units::with_unit;

/// What the units of a cell are at least, in nanoseconds, where a figure of one of them is known no better; none where all
/// of them are exact.
pub(crate) fn at_least(series: &CellSeries, figure: Figure) -> Option<Vec<f64>> {
    let units = || series.units.iter();
    units()
        .any(|unit| unit.beyond.contains_key(&figure))
        .then(|| {
            let known =
                units().filter_map(|unit| unit.beyond.get(&figure).or(unit.values.get(&figure)));
            known.copied().collect()
        })
}

/// A side: its values, and whether these are only what it is at least.
#[derive(Debug, Clone, Copy)]
pub struct Bounded<'a> {
    pub values: &'a [f64],
    pub beyond: bool,
}

impl Bounded<'_> {
    fn smallest(self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn largest(self) -> f64 {
        self.values.iter().copied().fold(0.0, f64::max)
    }

    fn show(self) -> String {
        if self.beyond {
            format!("> {}", with_unit(self.smallest(), "ns"))
        } else {
            format!("at most {}", with_unit(self.largest(), "ns"))
        }
    }
}

/// What is certain of a candidate against a baseline, and why. `allowed` is by which part of the baseline it may be longer.
pub(crate) fn judge(
    baseline: Bounded<'_>,
    candidate: Bounded<'_>,
    allowed: f64,
) -> (Verdict, String) {
    // The smallest ratio that there can be, or the largest.
    let verdict = match (baseline.beyond, candidate.beyond) {
        (false, true) if candidate.smallest() > baseline.largest() * (1.0 + allowed) => {
            Verdict::Regress
        }
        (true, false) if candidate.largest() * (1.0 + allowed) < baseline.smallest() => {
            Verdict::Improve
        }
        (true, false) if candidate.largest() <= baseline.smallest() * (1.0 + allowed) => {
            Verdict::Pass
        }
        _ => Verdict::Inconclusive,
    };
    let why = format!(
        "among sessions without an answer: the candidate's is {}, the baseline's {}",
        candidate.show(),
        baseline.show()
    );
    (verdict, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(values: &[f64], beyond: bool) -> Bounded<'_> {
        Bounded { values, beyond }
    }

    #[test]
    fn only_what_is_certain_is_judged() {
        let (quick, slow) = ([9e6, 11e6], [5e9, 6e9]);
        let of = |a, b| judge(a, b, 0.1).0;
        assert_eq!(of(side(&quick, false), side(&slow, true)), Verdict::Regress);
        assert_eq!(of(side(&slow, true), side(&quick, false)), Verdict::Improve);
        assert_eq!(
            of(side(&slow, true), side(&slow, true)),
            Verdict::Inconclusive
        );
        // Beyond 9 ms may be 9.1 ms or an hour.
        assert_eq!(
            of(side(&quick, false), side(&quick, true)),
            Verdict::Inconclusive
        );
        assert_eq!(of(side(&[10e6], true), side(&[10e6], false)), Verdict::Pass);
        let (_, why) = judge(side(&quick, false), side(&slow, true), 0.1);
        assert_eq!(
            why,
            "among sessions without an answer: the candidate's is > 5.00 s, the baseline's at most 11.0 ms"
        );
    }
}

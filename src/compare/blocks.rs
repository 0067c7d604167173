//! An A/B run: in which order the sides take turns, when it is looked at, and what is kept of each round.
//!
//! A round runs the baseline, the same again as a control, and the candidate, in an order drawn from the
//! seed and then mirrored, so that a drift along a line falls on all of them alike.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::observe::{CellSeries, Observation, series};
use super::policy::Policy;
use crate::record::{RunRecord, UnitKind};
use crate::stats::HistogramError;
use crate::text::labelled;

labelled! {
    /// Whose turn it is.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Side {
        /// The side that the candidate is compared with.
        Baseline = "baseline",
        /// The baseline once more: what sets it apart from itself is noise.
        Control = "control",
        /// The side that is judged.
        Candidate = "candidate",
    }
}

/// Blocks of a round: every side twice.
pub const BLOCKS_PER_ROUND: usize = 2 * Side::ALL.len();

/// The order of the blocks in each of `rounds` rounds.
pub(crate) fn order(seed: u64, rounds: usize) -> Vec<[Side; BLOCKS_PER_ROUND]> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..rounds)
        .map(|_| {
            let mut half = Side::ALL;
            half.shuffle(&mut rng);
            [half[0], half[1], half[2], half[2], half[1], half[0]]
        })
        .collect()
}

/// A moment at which the rounds so far are judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// After how many rounds.
    pub rounds: usize,
    /// The confidence of its intervals.
    pub confidence: f64,
}

/// The looks of a run of at most `rounds` rounds, the last one at its end.
///
/// Each look is a chance to be wrong, so the chance that `confidence` leaves is dealt out to them: one
/// part to the first, four to the last. Together they are wrong as rarely as one look would be.
pub(crate) fn looks(rounds: usize, confidence: f64) -> Vec<Look> {
    let parts = [(30, 1.0), (50, 2.0), (75, 3.0), (100, 4.0)];
    let at = parts.map(|(percent, part)| ((rounds * percent).div_ceil(100).max(2), part));
    let mut looks: Vec<Look> = Vec::new();
    for (rounds, part) in at {
        let chance = (1.0 - confidence) * part / 10.0;
        match looks.last_mut() {
            // Of two at the same place the later one has its own chance and the earlier's.
            Some(last) if last.rounds == rounds => last.confidence -= chance,
            _ => looks.push(Look {
                rounds,
                confidence: 1.0 - chance,
            }),
        }
    }
    looks
}

/// What one round said.
#[derive(Debug, Clone)]
pub struct Round([Vec<CellSeries>; 3]);

impl Round {
    /// Reads the results of each side's two blocks.
    ///
    /// Fails if a stored histogram is damaged.
    pub(crate) fn of(blocks: &[(Side, RunRecord)]) -> Result<Self, HistogramError> {
        let mut sides = <[Vec<CellSeries>; 3]>::default();
        for side in Side::ALL {
            let of_side = blocks.iter().filter(|(whose, _)| *whose == side);
            let results: Vec<RunRecord> = of_side.map(|(_, result)| result.clone()).collect();
            sides[side as usize] = series(&results, UnitKind::Run)?;
        }
        Ok(Self(sides))
    }

    /// A figure that gates and that one block of a side has and the other has not: too few samples, or too
    /// many failures, in that one. What neither has is missing for a reason of its own.
    pub(crate) fn uneven(&self, policy: &Policy) -> Option<String> {
        for side in Side::ALL {
            for cell in &self.0[side as usize] {
                let samples = cell.units.iter().map(|unit| unit.samples).min();
                for figure in policy.of(&cell.name).allowed.keys() {
                    let has = |unit: &&Observation| {
                        unit.values.contains_key(figure) || unit.beyond.contains_key(figure)
                    };
                    let having = cell.units.iter().filter(has).count();
                    let is_judged = samples >= Some(figure.least_samples());
                    if is_judged && having > 0 && having < cell.units.len() {
                        return Some(format!("{} {} {figure}", side.label(), cell.name));
                    }
                }
            }
        }
        None
    }
}

/// What the rounds said so far.
#[derive(Debug, Clone, Default)]
pub struct Rounds {
    sides: [Vec<CellSeries>; 3],
    count: usize,
}

impl Rounds {
    /// Adds a round.
    pub(crate) fn add(&mut self, round: Round) {
        for (known, of_side) in self.sides.iter_mut().zip(round.0) {
            for cell in of_side {
                let parts: Vec<&Observation> = cell.units.iter().collect();
                let round = Observation::joined(&parts);
                if let Some(series) = known.iter_mut().find(|s| s.identity == cell.identity) {
                    series.units.extend(round);
                } else {
                    known.push(CellSeries {
                        units: round.into_iter().collect(),
                        ..cell
                    });
                }
            }
        }
        self.count += 1;
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// One side's cells, a unit for each round.
    pub(crate) fn side(&self, side: Side) -> &[CellSeries] {
        &self.sides[side as usize]
    }

    /// The baseline with its control: both are the same command, so the candidate is compared with
    /// the mean of both.
    pub(crate) fn reference(&self) -> Vec<CellSeries> {
        let control = self.side(Side::Control);
        self.side(Side::Baseline)
            .iter()
            .map(|cell| {
                let again = control.iter().find(|c| c.identity == cell.identity);
                let again = again.map_or(&[][..], |cell| &cell.units);
                let both = cell.units.iter().zip(again);
                CellSeries {
                    units: both
                        .filter_map(|(a, b)| Observation::joined(&[a, b]))
                        .collect(),
                    ..cell.clone()
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_is_mirrored_and_orders_vary() {
        let rounds = order(1, 40);
        for round in &rounds {
            let mut back = *round;
            back.reverse();
            assert_eq!(back, *round);
            for side in Side::ALL {
                assert_eq!(round.iter().filter(|s| **s == side).count(), 2);
            }
        }
        let mut kinds = rounds.clone();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), 6);
        assert_eq!(rounds, order(1, 40));
    }

    #[test]
    fn looks_share_the_chance_to_be_wrong() {
        for rounds in [2, 3, 6, 20, 100] {
            let looks = looks(rounds, 0.95);
            let chance: f64 = looks.iter().map(|look| 1.0 - look.confidence).sum();
            assert!((chance - 0.05).abs() < 1e-9, "{looks:?}");
            assert_eq!(looks.last().unwrap().rounds, rounds);
            assert!(looks.is_sorted_by(|a, b| a.rounds < b.rounds));
        }
        let at: Vec<usize> = looks(20, 0.95).iter().map(|look| look.rounds).collect();
        assert_eq!(at, [6, 10, 15, 20]);
    }
}

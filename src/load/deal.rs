//! Which identity comes next, and whether its session is resumed: dealt out by share, smoothly, the
//! same way in every trial.

use crate::units::Ratio;

/// Deals out the identities of a cell, or the kinds of its sessions: in every `sum of shares` sessions each comes exactly as often
/// as its share, and evenly spread (smooth weighted round-robin, as nginx picks upstream servers).
#[derive(Debug)]
pub(super) struct Deal {
    shares: Vec<i64>,
    /// How many sessions each is owed, times the sum of shares.
    owed: Vec<i64>,
}

impl Deal {
    /// What a deal of [`Self::of_ratio`] says of a session that is to be resumed.
    pub const RESUMED: usize = 0;

    /// Deals out which sessions are resumed, at this ratio.
    pub(crate) fn of_ratio(ratio: Ratio, share: (usize, usize)) -> Self {
        let (resumed, full) = (ratio.parts(), Ratio::WHOLE - ratio.parts());
        let common = greatest_common_divisor(resumed, full);
        Self::new(&[resumed, full].map(|part| u32::from(part / common)), share)
    }

    /// Begins at the part of the cycle that belongs to `worker` of `workers`, so that their sessions
    /// together make whole cycles.
    pub(crate) fn new(shares: &[u32], (worker, workers): (usize, usize)) -> Self {
        let mut deal = Self {
            shares: shares.iter().map(|share| i64::from(*share)).collect(),
            owed: vec![0; shares.len()],
        };
        if shares.len() > 1 {
            let cycle: usize = shares.iter().map(|share| *share as usize).sum();
            for _ in 0..cycle * worker / workers {
                deal.next();
            }
        }
        deal
    }

    /// The identity of the next session.
    pub(crate) fn next(&mut self) -> usize {
        let mut first = 0;
        for (index, share) in self.shares.iter().enumerate() {
            self.owed[index] += share;
            if self.owed[index] > self.owed[first] {
                first = index;
            }
        }
        if let Some(owed) = self.owed.get_mut(first) {
            *owed -= self.shares.iter().sum::<i64>();
        }
        first
    }
}

/// Of two numbers that are not both zero.
fn greatest_common_divisor(a: u16, b: u16) -> u16 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_are_spread_evenly() {
        let mut deal = Deal::new(&[2, 1], (0, 1));
        let dealt: Vec<usize> = (0..6).map(|_| deal.next()).collect();
        assert_eq!(dealt, [0, 1, 0, 0, 1, 0]);
        assert_eq!(Deal::new(&[1], (1, 2)).next(), 0);
    }

    proptest! {
        #[test]
        fn any_run_of_sessions_has_its_ratio(parts in 0u16..=10_000, from in 0usize..20_000, length in 1usize..5_000) {
            let ratio = Ratio::new(f64::from(parts) / 10_000.0).unwrap();
            let mut deal = Deal::of_ratio(ratio, (0, 1));
            for _ in 0..from {
                deal.next();
            }
            let resumed = (0..length).filter(|_| deal.next() == Deal::RESUMED).count();
            let due = ratio.as_f64() * length as f64;
            prop_assert!((resumed as f64 - due).abs() < 1.000_001, "{resumed} of {length}");
        }

        #[test]
        fn every_cycle_has_every_share(shares in prop::collection::vec(1u32..20, 1..8), cycles in 1usize..4) {
            let cycle = shares.iter().sum::<u32>() as usize;
            let mut deal = Deal::new(&shares, (0, 1));
            let mut counts = vec![0; shares.len()];
            (0..cycle * cycles).for_each(|_| counts[deal.next()] += 1);
            let expected: Vec<usize> = shares.iter().map(|s| *s as usize * cycles).collect();
            prop_assert_eq!(counts, expected);
        }

        #[test]
        fn workers_together_make_whole_cycles(shares in prop::collection::vec(1u32..9, 2..5), workers in 1usize..4) {
            let cycle = shares.iter().sum::<u32>() as usize;
            let mut counts = vec![0; shares.len()];
            for worker in 0..workers {
                let mut deal = Deal::new(&shares, (worker, workers));
                let part = cycle * (worker + 1) / workers - cycle * worker / workers;
                (0..part).for_each(|_| counts[deal.next()] += 1);
            }
            let expected: Vec<usize> = shares.iter().map(|s| *s as usize).collect();
            prop_assert_eq!(counts, expected);
        }
    }
}

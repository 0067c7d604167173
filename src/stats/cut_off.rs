//! What was cut off and is no failure: attempts that we cancelled, and confirmed sessions held or closing when the
//! trial ended; with their ages and stages.
//!
//! Ages are nanoseconds from the scheduled start to the cut.

use std::collections::BTreeMap;

use super::{LatencyHistogram, Stage};

/// Attempts that we cancelled and confirmed sessions that were in flight when a trial was cut off. Those that
/// the server left unanswered are failures and not among them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CutOff {
    /// How many were in each stage.
    pub stages: BTreeMap<Stage, u64>,
    /// How many of them the server had confirmed: they are counted as ok, only their hold or close
    /// was cut short.
    pub confirmed: u64,
    /// Age of the youngest.
    pub youngest_ns: u64,
    /// Age of the oldest.
    pub oldest_ns: u64,
    /// Every age.
    pub age: LatencyHistogram,
}

impl CutOff {
    /// Counts one that was cut off in `stage`, `age_ns` nanoseconds after its scheduled start.
    pub(crate) fn add(&mut self, stage: Stage, age_ns: u64, confirmed: bool) {
        self.widen(age_ns, age_ns);
        *self.stages.entry(stage).or_default() += 1;
        self.confirmed += u64::from(confirmed);
        self.age.record(age_ns);
    }

    /// Adds those of another worker or trial, in any order.
    pub(crate) fn merge(&mut self, other: &Self) {
        if other.count() == 0 {
            return;
        }
        self.widen(other.youngest_ns, other.oldest_ns);
        for (stage, count) in &other.stages {
            *self.stages.entry(*stage).or_default() += count;
        }
        self.confirmed += other.confirmed;
        self.age.merge(&other.age);
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.stages.values().sum()
    }

    /// Lets the bounds enclose two further ages; before the first there are none to keep.
    fn widen(&mut self, youngest_ns: u64, oldest_ns: u64) {
        self.youngest_ns = match self.count() {
            0 => youngest_ns,
            _ => self.youngest_ns.min(youngest_ns),
        };
        self.oldest_ns = self.oldest_ns.max(oldest_ns);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::Timing;

    fn of(ages: &[u64]) -> CutOff {
        let mut cut = CutOff::default();
        for age in ages {
            let stage = [Stage::Connect, Stage::Handshake, Stage::Close][(age % 3) as usize];
            cut.add(stage, *age, stage == Stage::Close);
        }
        cut
    }

    #[test]
    fn bounds_and_stages_are_exact() {
        let cut = of(&[30, 10, 20]);
        assert_eq!((cut.youngest_ns, cut.oldest_ns, cut.count()), (10, 30, 3));
        assert_eq!(cut.confirmed, 1);
        assert_eq!(cut.stages[&Stage::Connect], 1);
        assert_eq!(cut.age.median(), Some(Timing::At(20)));
    }

    proptest! {
        #[test]
        fn merging_is_order_free(a in prop::collection::vec(0u64..1_000_000, 0..20),
                                 b in prop::collection::vec(0u64..1_000_000, 0..20)) {
            let (mut ab, mut ba) = (of(&a), of(&b));
            ab.merge(&of(&b));
            ba.merge(&of(&a));
            prop_assert_eq!(&ab, &ba);
            let both: Vec<u64> = a.iter().chain(&b).copied().collect();
            prop_assert_eq!(ab, of(&both));
        }
    }
}

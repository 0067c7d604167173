//! A sum of histograms that takes as much memory as it has different values: thousands are summed at once where shards
//! are merged.

use std::cmp::Ordering;

use super::DurationHistogram;

/// Durations in nanoseconds, each as the histogram of `DIGITS` significant decimal digits keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SparseHistogram<const DIGITS: u8> {
    /// Of those that ended and of the ages of those that had not: values in order, and how many have each.
    values: [Vec<(u64, u64)>; 2],
    overflow: u64,
}

impl<const DIGITS: u8> SparseHistogram<DIGITS> {
    /// Adds all of `other`'s samples; the order of adding does not matter.
    pub fn add(&mut self, other: &DurationHistogram<DIGITS>) {
        for (mine, theirs) in self.values.iter_mut().zip(other.values()) {
            *mine = sum(mine, &theirs);
        }
        self.overflow += other.overflow();
    }

    /// The histogram of all.
    pub fn dense(&self) -> DurationHistogram<DIGITS> {
        DurationHistogram::of_values(&self.values, self.overflow)
    }
}

/// The counts of two lists that are in order, in order.
fn sum(mine: &[(u64, u64)], theirs: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut all = Vec::with_capacity(mine.len().max(theirs.len()));
    let (mut mine, mut theirs) = (mine.iter().peekable(), theirs.iter().peekable());
    loop {
        let next = match (mine.peek(), theirs.peek()) {
            (Some((a, _)), Some((b, _))) => match a.cmp(b) {
                Ordering::Less => mine.next(),
                Ordering::Greater => theirs.next(),
                Ordering::Equal => {
                    let both = mine.next().zip(theirs.next());
                    all.extend(both.map(|((value, a), (_, b))| (*value, a + b)));
                    continue;
                }
            },
            (Some(_), None) => mine.next(),
            (None, _) => theirs.next(),
        };
        match next {
            Some(next) => all.push(*next),
            None => return all,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::Timing;

    fn of(values: &[u64]) -> DurationHistogram<3> {
        let mut histogram = DurationHistogram::new();
        for value in values {
            histogram.add(if value % 5 == 0 {
                Timing::Beyond(*value)
            } else {
                Timing::At(*value)
            });
        }
        histogram
    }

    proptest! {
        #[test]
        fn adds_as_histograms_do(
            a in prop::collection::vec(0u64..700_000_000_000, 0..40),
            b in prop::collection::vec(0u64..9_000_000, 0..40),
        ) {
            let (a, b) = (of(&a), of(&b));
            let mut sparse = SparseHistogram::default();
            sparse.add(&b);
            sparse.add(&a);
            let mut dense = a.clone();
            dense.merge(&b);
            let back = sparse.dense();
            prop_assert_eq!(back.encode().unwrap(), dense.encode().unwrap());
            prop_assert_eq!(back.encode_ages().unwrap(), dense.encode_ages().unwrap());
            prop_assert_eq!(back.overflow(), dense.overflow());
        }
    }
}

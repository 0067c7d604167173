//! The longest pause of a trial: sessions waited and none was answered. Resolution: 10 ms.
//!
//! Workers mark the hundredths of a second in which they were answered or waited. Merging is a bitwise or, so a pause is
//! one of all workers. Times are nanoseconds after the trial's start.

use std::ops::Range;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::units::format_ns;

const NS_PER_S: u64 = 1_000_000_000;
/// Hundredths in a second.
const SLOTS: u64 = 100;
/// Nanoseconds in a hundredth.
const SLOT_NS: u64 = NS_PER_S / SLOTS;

/// A bit for each hundredth of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, JsonSchema)]
pub struct Hundredths(#[schemars(with = "String")] u128);

impl Serialize for Hundredths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Hundredths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        let bits = u128::from_str_radix(&digits, 16);
        bits.map(Self).map_err(D::Error::custom)
    }
}

impl Hundredths {
    /// Marks the hundredths of the second numbered `second` that lie between two times.
    pub(crate) fn mark(&mut self, second: u64, from_ns: u64, to_ns: u64) {
        let begin = second * NS_PER_S;
        let slot = |ns: u64| (ns.saturating_sub(begin) / SLOT_NS).min(SLOTS - 1);
        if to_ns < begin || from_ns >= begin + NS_PER_S {
            return;
        }
        let (first, last) = (slot(from_ns), slot(to_ns));
        let ones = u128::MAX >> (127 - last.saturating_sub(first));
        self.0 |= ones << first;
    }

    /// Adds another worker's.
    pub(crate) fn merge(&mut self, other: Self) {
        self.0 |= other.0;
    }

    fn holds(self, slot: u64) -> bool {
        self.0 >> slot & 1 == 1
    }
}

/// The longest time in the measure phase in which sessions waited for an answer and none had one: no session was
/// confirmed and no exchange answered. Time without a waiting session does not count, nor do sessions held open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// When it began, after the trial's start.
    pub from_ns: u64,
    /// How long it was, to a hundredth of a second.
    pub length_ns: u64,
}

impl Pause {
    /// Its length, or what it is below.
    pub(crate) fn in_words(self) -> String {
        match self.length_ns {
            // An answer in each of two neighbouring hundredths may hide almost both.
            0 => format!("< {}", format_ns(2 * SLOT_NS)),
            ns => format_ns(ns),
        }
    }
}

/// Finds the longest pause. It must see the seconds of a trial in order.
#[derive(Debug)]
pub struct PauseWatch {
    measure: Range<u64>,
    /// The current pause, so far.
    current: Option<Range<u64>>,
    longest: Pause,
}

impl PauseWatch {
    /// Watches this stretch of a trial, its measure phase.
    pub(crate) fn of(measure: Range<u64>) -> Self {
        Self {
            measure,
            current: None,
            longest: Pause::default(),
        }
    }

    /// Takes in the next second. A missing second, in which every worker stalled, ends a pause: its content is
    /// unknown.
    pub(crate) fn see(&mut self, second: u64, waiting: Hundredths, answered: Hundredths) {
        for slot in 0..SLOTS {
            let from = second * NS_PER_S + slot * SLOT_NS;
            let to = from + SLOT_NS;
            let measured = from >= self.measure.start && to <= self.measure.end;
            let waited = waiting.holds(slot) && !answered.holds(slot);
            if !(measured && waited) {
                self.current = None;
                continue;
            }
            let begun = self.current.take().filter(|pause| pause.end == from);
            let pause = begun.map_or(from, |pause| pause.start)..to;
            if pause.end - pause.start > self.longest.length_ns {
                self.longest = Pause {
                    from_ns: pause.start,
                    length_ns: pause.end - pause.start,
                };
            }
            self.current = Some(pause);
        }
    }

    /// The longest so far.
    pub(crate) fn longest(&self) -> Pause {
        self.longest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::Second;

    const MS: u64 = 1_000_000;

    /// Seconds with these spans of waiting and these answers, in milliseconds.
    fn seconds(count: u64, waiting: &[(u64, u64)], answers: &[u64]) -> Vec<Second> {
        let of = |number: u64| {
            let mut second = Second::new(number, 0);
            for (from, to) in waiting {
                second.waiting.mark(number, from * MS, to * MS);
            }
            for at in answers {
                second.answered.mark(number, at * MS, at * MS);
            }
            second
        };
        (0..count).map(of).collect()
    }

    fn longest(measure_ms: Range<u64>, seconds: &[Second]) -> (u64, u64) {
        let mut watch = PauseWatch::of(measure_ms.start * MS..measure_ms.end * MS);
        for second in seconds {
            watch.see(second.number, second.waiting, second.answered);
        }
        let Pause { from_ns, length_ns } = watch.longest();
        (from_ns / MS, length_ns / MS)
    }

    #[test]
    fn a_pause_lasts_from_one_answer_to_the_next_across_seconds() {
        let answers: Vec<u64> = (0..500).chain(2_500..5_000).collect();
        let all = seconds(5, &[(0, 5_000)], &answers);
        assert_eq!(longest(0..5_000, &all), (500, 2_000));
        // Only what lies in the measure phase counts.
        assert_eq!(longest(1_000..2_000, &all), (1_000, 1_000));
    }

    #[test]
    fn what_is_below_the_resolution_is_not_called_nothing() {
        assert_eq!(Pause::default().in_words(), "< 20.0 ms");
        let pause = Pause {
            from_ns: 0,
            length_ns: 30 * MS,
        };
        assert_eq!(pause.in_words(), "30.0 ms");
    }

    #[test]
    fn nobody_waiting_is_no_pause() {
        let all = seconds(4, &[(0, 100), (3_000, 3_050)], &[100, 3_055]);
        assert_eq!(longest(0..4_000, &all), (0, 100));
    }

    #[test]
    fn a_second_that_nobody_saw_ends_a_pause() {
        let mut all = seconds(4, &[(0, 4_000)], &[]);
        assert_eq!(longest(0..4_000, &all), (0, 4_000));
        all.remove(1);
        assert_eq!(longest(0..4_000, &all), (2_000, 2_000));
    }

    #[test]
    fn another_worker_s_answer_ends_a_pause() {
        let (mut all, other) = (
            seconds(2, &[(0, 2_000)], &[]),
            seconds(2, &[(0, 900)], &[700]),
        );
        for (second, other) in all.iter_mut().zip(&other) {
            second.merge(other);
        }
        assert_eq!(longest(0..2_000, &all), (710, 1_290));
    }

    proptest! {
        #[test]
        fn a_pause_is_the_longest_gap_between_answers(answers in prop::collection::btree_set(0u64..300, 0..20)) {
            let at: Vec<u64> = answers.iter().map(|slot| slot * 10).collect();
            let all = seconds(3, &[(0, 3_000)], &at);
            let mut bounds = vec![-1i64];
            bounds.extend(answers.iter().map(|slot| i64::try_from(*slot).unwrap()));
            bounds.push(300);
            let gap = bounds.windows(2).map(|two| two[1] - two[0] - 1).max().unwrap();
            prop_assert_eq!(longest(0..3_000, &all).1, u64::try_from(gap).unwrap() * 10);
        }
    }
}

//! Percentiles where some durations had not ended: the estimator of Kaplan and Meier ("Nonparametric
//! Estimation from Incomplete Observations", Journal of the American Statistical Association 53, 1958).
//!
//! A duration that had not ended counts among those at risk until its age, and is not counted as ended. Where
//! a duration ended at the very age at which another was last seen, the other was still going on.

use super::{DurationHistogram, Timing};

/// Shares of samples are sums of fractions; nothing is told apart by less than this part of a sample.
const HAIR: f64 = 1e-6;

/// One step down of the curve, at a duration that ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fall {
    /// The duration, to the histogram's precision.
    pub ns: u64,
    /// How many had this duration.
    pub ended: u64,
    /// How many were still going on, or ended here.
    pub at_risk: f64,
    /// The estimated share of durations that are not shorter.
    pub before: f64,
    /// The estimated share of durations that are longer.
    pub after: f64,
}

impl<const DIGITS: u8> DurationHistogram<DIGITS> {
    /// The curve of Kaplan and Meier, from the shortest duration on.
    pub(super) fn falls(&self) -> impl Iterator<Item = Fall> + '_ {
        let (mut at_risk, mut alive) = (self.samples() as f64, 1.0);
        let ages = self
            .ages()
            .into_iter()
            .flat_map(|ages| ages.iter_recorded());
        let mut ages = ages.peekable();
        self.counts().iter_recorded().map(move |step| {
            let (ns, ended) = (step.value_iterated_to(), step.count_at_value());
            while let Some(age) = ages.next_if(|age| age.value_iterated_to() < ns) {
                at_risk -= age.count_at_value() as f64;
            }
            let fall = Fall {
                ns,
                ended,
                at_risk,
                before: alive,
                after: (alive * (1.0 - ended as f64 / at_risk)).max(0.0),
            };
            at_risk -= ended as f64;
            alive = fall.after;
            fall
        })
    }

    /// The quantile `q` (0 to 1). It is given where the curve comes down to it and, of those then at
    /// risk, the share that corresponds to `beyond` samples lies further out. Elsewhere it is beyond what it
    /// would be if everything had ended at its age.
    pub(super) fn kaplan_meier(&self, q: f64, beyond: f64) -> Timing {
        let all = self.samples() as f64;
        let rank = (q * all - HAIR).ceil().max(1.0);
        let mut falls = self.falls();
        let reached = falls.find(|fall| fall.after * all <= all - rank + HAIR);
        let supported = |fall: &Fall| fall.at_risk * (1.0 - q) / fall.before + HAIR >= beyond;
        match reached.filter(supported) {
            Some(fall) => Timing::At(fall.ns),
            None => Timing::Beyond(self.at_least(rank)),
        }
    }

    /// The duration of this rank if everything had ended at its age: it is no longer than that.
    pub(super) fn at_least(&self, rank: f64) -> u64 {
        let all = [Some(self.counts()), self.ages()].into_iter().flatten();
        let mut steps: Vec<(u64, u64)> = all
            .flat_map(|histogram| histogram.iter_recorded())
            .map(|step| (step.value_iterated_to(), step.count_at_value()))
            .collect();
        steps.sort_unstable();
        let mut seen = 0u64;
        let found = steps.iter().find(|(_, count)| {
            seen = u64::saturating_add(seen, *count);
            seen as f64 + HAIR >= rank
        });
        // A histogram keeps the upper end of what it takes for the same.
        found.map_or(0, |(ns, _)| self.counts().lowest_equivalent(*ns))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;
    use crate::stats::LatencyHistogram;

    const MS: u64 = 1_000_000;
    const GIVEN: [f64; 4] = [0.5, 0.9, 0.99, 0.999];

    /// Durations, of which each is seen for so long only.
    fn seen(durations: &[(u64, u64)]) -> LatencyHistogram {
        let mut histogram = LatencyHistogram::new();
        for (ns, until) in durations {
            histogram.add(if ns <= until {
                Timing::At(*ns)
            } else {
                Timing::Beyond(*until)
            });
        }
        histogram
    }

    fn all_known(durations: &[(u64, u64)]) -> LatencyHistogram {
        let known: Vec<(u64, u64)> = durations.iter().map(|(ns, _)| (*ns, u64::MAX)).collect();
        seen(&known)
    }

    #[test]
    fn a_percentile_among_the_unanswered_is_beyond_their_ages() {
        // 70 of 100 answer in 1 to 70 ms, 30 have said nothing for 2 to 4.9 s.
        let mut histogram = LatencyHistogram::new();
        (1..=70).for_each(|n| histogram.record(n * MS));
        (20..50).for_each(|n| histogram.record_beyond(n * 100 * MS));
        let p50 = histogram.quantile(0.5).unwrap().exact().unwrap();
        assert!(p50.abs_diff(50 * MS) < MS, "{p50}");
        // Of rank 90 is the 20th of the ages.
        let Some(Timing::Beyond(bound)) = histogram.quantile(0.9) else {
            panic!("{:?}", histogram.quantile(0.9));
        };
        assert!((3_890 * MS..=3_900 * MS).contains(&bound), "{bound}");
        // A hundred sessions have no p99, but it is no shorter than their p90.
        assert_eq!(histogram.quantile(0.99), histogram.quantile(0.9));
        assert!(matches!(histogram.max(), Some(Timing::Beyond(_))));
        assert_eq!(histogram.mean(), None);
        assert_eq!((histogram.count(), histogram.pending()), (70, 30));
    }

    #[test]
    fn the_example_of_the_textbooks() {
        // Freireich's 21 patients under 6-mercaptopurine: the estimate is known for every week.
        let ended = [6, 6, 6, 7, 10, 13, 16, 22, 23];
        let going_on = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35];
        let mut histogram = LatencyHistogram::new();
        for week in ended {
            histogram.record(week);
        }
        for week in going_on {
            histogram.record_beyond(week);
        }
        let curve: Vec<(u64, f64)> = histogram
            .falls()
            .map(|fall| (fall.ns, fall.after))
            .collect();
        let known = [
            (6, 0.857),
            (7, 0.807),
            (10, 0.753),
            (13, 0.690),
            (16, 0.627),
            (22, 0.538),
            (23, 0.448),
        ];
        assert_eq!(curve.len(), known.len());
        for ((week, share), (at, expected)) in curve.iter().zip(known) {
            assert_eq!(*week, at);
            assert!((share - expected).abs() < 1e-3, "week {week}: {share}");
        }
        assert_eq!(histogram.median(), Some(Timing::At(23)));
    }

    #[test]
    fn too_few_sessions_say_nothing_beyond_what_ten_of_them_say() {
        let mut histogram = LatencyHistogram::new();
        (0..300).for_each(|_| histogram.record(MS));
        (0..10).for_each(|_| histogram.record_beyond(1_000 * MS));
        assert_eq!(
            histogram.quantile(0.99),
            None,
            "ten lie beyond the last answer"
        );
        histogram.record_beyond(1_000 * MS);
        assert!(matches!(histogram.quantile(0.99), Some(Timing::Beyond(_))));
        let mut few = LatencyHistogram::new();
        (0..10).for_each(|_| few.record_beyond(1_000 * MS));
        assert_eq!(few.quantile(0.5), None);
    }

    #[test]
    fn few_at_risk_do_not_decide_a_percentile() {
        // 990 answers at once; ten unanswered, of which all but the oldest were last seen at 1 s.
        let mut histogram = LatencyHistogram::new();
        (0..1_970).for_each(|_| histogram.record(MS));
        (0..29).for_each(|_| histogram.record_beyond(1_000 * MS));
        histogram.record(2_000 * MS);
        // One answer at 2 s would bring the whole curve down.
        assert!(matches!(histogram.quantile(0.99), Some(Timing::Beyond(_))));
        assert!(matches!(histogram.quantile(0.98), Some(Timing::At(_))));
    }

    proptest! {
        // Each case has histograms of its own.
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn nothing_pending_is_the_plain_percentile(
            values in prop::collection::vec(1u64..10_000 * MS, 1..1_500),
        ) {
            let histogram = all_known(&values.iter().map(|ns| (*ns, 0)).collect::<Vec<_>>());
            for q in GIVEN {
                let plain = histogram.counts().value_at_quantile(q);
                prop_assert_eq!(histogram.kaplan_meier(q, 0.0), Timing::At(plain));
            }
        }

        #[test]
        fn never_below_what_is_certain(
            durations in prop::collection::vec((1u64..10_000 * MS, 1u64..10_000 * MS), 1..2_000),
        ) {
            let (histogram, truth) = (seen(&durations), all_known(&durations));
            for q in GIVEN {
                let rank = (q * durations.len() as f64).ceil();
                let certain = histogram.at_least(rank);
                prop_assert!(certain <= truth.at_least(rank), "{} of {}", certain, q);
                prop_assert!(histogram.kaplan_meier(q, 0.0).least() >= certain);
            }
        }

        #[test]
        fn merged_is_as_recorded_together(
            a in prop::collection::vec((1u64..10_000 * MS, 1u64..10_000 * MS), 0..500),
            b in prop::collection::vec((1u64..10_000 * MS, 1u64..10_000 * MS), 0..500),
        ) {
            let (mut ab, mut ba) = (seen(&a), seen(&b));
            ab.merge(&seen(&b));
            ba.merge(&seen(&a));
            let both: Vec<(u64, u64)> = a.iter().chain(&b).copied().collect();
            let together = seen(&both);
            prop_assert_eq!(&ab, &together);
            prop_assert_eq!(&ba, &together);
            for q in GIVEN {
                prop_assert_eq!(ab.quantile(q), together.quantile(q));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// A server that hangs for a share of requests and answers the others after random delays, watched
        /// for as long as each session's start left until the end of the trial.
        #[test]
        fn the_truth_is_found_where_it_can_be(seed in any::<u64>(), hung in 0.0f64..0.5, spread in 1u64..40) {
            let mut random = StdRng::seed_from_u64(seed);
            let sessions = 5_000;
            let durations: Vec<(u64, u64)> = (0..sessions)
                .map(|_| {
                    let ns = if random.random::<f64>() < hung {
                        u64::MAX
                    } else {
                        // Exponential with a mean of 100 ms.
                        ms(-(1.0 - random.random::<f64>()).ln() * 100.0)
                    };
                    (ns, ms(20.0 + random.random::<f64>() * 100.0 * spread as f64))
                })
                .collect();
            let histogram = seen(&durations);
            let mut exact: Vec<u64> = durations.iter().map(|(ns, _)| *ns).collect();
            exact.sort_unstable();
            for q in [0.5, 0.9, 0.99] {
                match histogram.quantile(q) {
                    // Within four standard errors of the rank, wider by the share that was not seen to its end.
                    Some(Timing::At(ns)) => {
                        let rank = exact.partition_point(|truth| *truth <= ns) as f64 / f64::from(sessions);
                        let seen = durations.iter().filter(|(_, until)| *until >= ns).count();
                        let error = 4.0 * (q * (1.0 - q) / seen.max(1) as f64).sqrt() + 0.005;
                        prop_assert!((rank - q).abs() <= error, "p{}: rank {} of {}", q * 100.0, rank, ns);
                    }
                    Some(Timing::Beyond(ns)) => {
                        let truth = exact[whole(q * f64::from(sessions)) - 1];
                        prop_assert!(truth >= ns, "p{}: {} is not beyond {}", q * 100.0, truth, ns);
                    }
                    None => prop_assert!(false, "there are samples enough"),
                }
            }
        }
    }

    fn ms(value: f64) -> u64 {
        whole(value * MS as f64) as u64
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive and far below 2^53"
    )]
    fn whole(value: f64) -> usize {
        value as usize
    }
}

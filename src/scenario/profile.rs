//! A piecewise linear quantity over time: an arrival rate or a number of sessions.
//!
//! Times are seconds from the start of the load. For a rate `r(t)` the number of arrivals due by
//! `t` is `A(t) = ∫₀ᵗ r`, so arrival `k` is due at the inverse `A⁻¹(k)`: constant rates and ramps
//! are one and the same computation, and no error accumulates.

/// A piecewise linear function of time, constant after its last point.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// `(seconds, value)`, in order of time, the first at zero.
    points: Vec<(f64, f64)>,
}

impl Profile {
    /// The same value for ever.
    pub fn constant(value: f64) -> Self {
        Self {
            points: vec![(0.0, value)],
        }
    }

    /// A ramp from `from` through `stages` of `(seconds, value at the end)`.
    pub fn ramp(from: f64, stages: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut points = vec![(0.0, from)];
        let mut at = 0.0;
        for (seconds, value) in stages {
            at += seconds;
            points.push((at, value));
        }
        Self { points }
    }

    /// The value at `t`; where a stage takes no time, the value after it.
    pub fn value(&self, t: f64) -> f64 {
        self.interpolate(self.points.partition_point(|(at, _)| *at <= t), t)
    }

    /// The value just before `t`, which differs from [`Self::value`] where a stage takes no time.
    fn value_before(&self, t: f64) -> f64 {
        self.interpolate(self.points.partition_point(|(at, _)| *at < t), t)
    }

    /// The value at `t` on the segment that ends at point `after`.
    fn interpolate(&self, after: usize, t: f64) -> f64 {
        let (t0, v0) = self.points[after.saturating_sub(1)];
        match self.points.get(after) {
            Some((t1, v1)) if after > 0 => v0 + (v1 - v0) * (t - t0) / (t1 - t0),
            _ => v0,
        }
    }

    /// The largest value it takes.
    pub(crate) fn peak(&self) -> f64 {
        self.points.iter().map(|(_, v)| *v).fold(0.0, f64::max)
    }

    /// The area under it from zero to `t`.
    pub fn area(&self, t: f64) -> f64 {
        let mut area = 0.0;
        for segment in self.points.windows(2) {
            let [(t0, v0), (t1, _)] = segment else { break };
            if *t0 >= t {
                return area;
            }
            let end = t1.min(t);
            area += f64::midpoint(*v0, self.value_before(end)) * (end - t0);
        }
        let (last, value) = self.points[self.points.len() - 1];
        area + (t - last).max(0.0) * value
    }

    /// The time at which the area reaches `area`, or `None` if it never does.
    pub(crate) fn time_of_area(&self, area: f64) -> Option<f64> {
        let mut left = area;
        for segment in self.points.windows(2) {
            let [(t0, v0), (t1, v1)] = segment else { break };
            let length = t1 - t0;
            let whole = f64::midpoint(*v0, *v1) * length;
            if left <= whole && whole > 0.0 {
                return Some(t0 + solve_ramp(*v0, (v1 - v0) / length, left));
            }
            left -= whole;
        }
        let (last, value) = self.points[self.points.len() - 1];
        (value > 0.0).then(|| last + left / value)
    }

    /// The first time after `t` at which the value reaches `level`, or `None`.
    pub(crate) fn next_reach(&self, t: f64, level: f64) -> Option<f64> {
        if self.value(t) >= level {
            return Some(t);
        }
        self.points.windows(2).find_map(|segment| {
            let [(t0, v0), (t1, v1)] = segment else {
                return None;
            };
            let rises_to_it = *t1 > t && *v1 >= level;
            rises_to_it.then(|| {
                let fraction = if v1 > v0 {
                    ((level - v0) / (v1 - v0)).max(0.0)
                } else {
                    0.0
                };
                (t0 + (t1 - t0) * fraction).max(t)
            })
        })
    }
}

/// Solves `v·x + slope·x²/2 = area` for the smallest `x ≥ 0`, in the form without cancellation.
fn solve_ramp(v: f64, slope: f64, area: f64) -> f64 {
    let root = (v * v + 2.0 * slope * area).max(0.0).sqrt();
    if v + root > 0.0 {
        2.0 * area / (v + root)
    } else {
        0.0
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact in binary")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_constant_rate_spaces_evenly() {
        let profile = Profile::constant(500.0);
        assert_eq!(profile.time_of_area(0.0), Some(0.0));
        assert_eq!(profile.time_of_area(1_000.0), Some(2.0));
        assert_eq!(Profile::constant(0.0).time_of_area(1.0), None);
    }

    #[test]
    fn a_ramp_from_zero_has_the_triangles_area() {
        let profile = Profile::ramp(0.0, [(10.0, 100.0), (5.0, 100.0), (10.0, 0.0)]);
        assert_eq!(profile.area(10.0), 500.0);
        assert_eq!(profile.area(25.0), 1_500.0);
        assert_eq!(profile.value(5.0), 50.0);
        assert_eq!(profile.peak(), 100.0);
        assert_eq!(profile.time_of_area(2_000.0), None);
        assert_eq!(profile.next_reach(0.0, 50.0), Some(5.0));
        assert_eq!(profile.next_reach(20.0, 90.0), None);
    }

    proptest! {
        #[test]
        fn arrivals_are_in_order_and_never_early(
            from in 0.0f64..1000.0,
            stages in prop::collection::vec((0.1f64..20.0, 0.0f64..1000.0), 0..5),
            k in 1u32..2000,
        ) {
            let profile = Profile::ramp(from, stages);
            let due = profile.time_of_area(f64::from(k));
            let before = profile.time_of_area(f64::from(k - 1));
            if let (Some(due), Some(before)) = (due, before) {
                prop_assert!(due >= before);
                // By the time it is due, exactly k arrivals are: the schedule keeps its rate.
                prop_assert!((profile.area(due) - f64::from(k)).abs() < 1e-6 * f64::from(k).max(1.0));
            }
        }
    }
}

//! From values to places on an axis, and the values worth a tick: linear, logarithmic, and of percentiles.

use crate::units::{format_ns, three_digits};

/// Up to this factor a logarithmic axis has even steps.
const EVEN: f64 = 3.0;

/// An axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
    logarithmic: bool,
}

impl Scale {
    /// An axis of these values between two places.
    pub(crate) fn linear(values: (f64, f64), places: (f64, f64)) -> Self {
        Self {
            from: values.0,
            to: if values.1 > values.0 {
                values.1
            } else {
                values.0 + 1.0
            },
            start: places.0,
            end: places.1,
            logarithmic: false,
        }
    }

    /// The same with each factor as long as every other; values are above zero.
    pub(crate) fn logarithmic(values: (f64, f64), places: (f64, f64)) -> Self {
        let from = values.0.max(f64::MIN_POSITIVE);
        Self {
            from,
            to: values.1.max(from * 1.01),
            start: places.0,
            end: places.1,
            logarithmic: true,
        }
    }

    /// Whether a value lies on the axis.
    pub(crate) fn holds(&self, value: f64) -> bool {
        (self.from..=self.to).contains(&value)
    }

    /// Where a value is; what lies outside is put at the end.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(self.from) / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        self.start + (self.end - self.start) * share.clamp(0.0, 1.0)
    }

    /// Round values along the axis: 1, 2 and 5 times a power of ten; even steps where its ends are no more
    /// than a small factor apart.
    pub(crate) fn ticks(&self) -> Vec<f64> {
        if self.logarithmic && self.to / self.from > EVEN {
            let decades = (self.to / self.from).log10();
            let steps: &[f64] = if decades > 3.0 {
                &[1.0]
            } else {
                &[1.0, 2.0, 5.0]
            };
            let mut ticks = Vec::new();
            let mut power = 10f64.powf(self.from.log10().floor());
            while power <= self.to {
                ticks.extend(steps.iter().map(|step| step * power));
                power *= 10.0;
            }
            let inside = |tick: &f64| (self.from * 0.999..=self.to * 1.001).contains(tick);
            ticks.retain(inside);
            return ticks;
        }
        let rough = (self.to - self.from) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|factor| factor * power)
            .into_iter()
            .find(|step| *step >= rough)
            .unwrap_or(rough);
        let first = (self.from / step).ceil();
        (0..12)
            .map(|i| (first + f64::from(i)) * step)
            .take_while(|tick| *tick <= self.to + step * 1e-9)
            .collect()
    }
}

/// Nanoseconds for an axis.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "durations of a histogram, below 600 s"
)]
pub(super) fn duration(ns: f64) -> String {
    if ns < 0.5 {
        return "0".to_owned();
    }
    let text = format_ns(ns.round() as u64);
    match text.split_once(' ') {
        Some((number, unit)) => format!("{} {unit}", without_zeros(number)),
        None => text,
    }
}

/// A number for an axis.
pub(super) fn number(value: f64) -> String {
    without_zeros(&three_digits(value)).to_owned()
}

fn without_zeros(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let ticks = Scale::linear((0.0, 437.0), (0.0, 1.0)).ticks();
        assert_eq!(ticks, [0.0, 100.0, 200.0, 300.0, 400.0]);
        let ticks = Scale::logarithmic((150.0, 4_000.0), (0.0, 1.0)).ticks();
        assert_eq!(ticks, [200.0, 500.0, 1_000.0, 2_000.0]);
        assert_eq!(
            Scale::linear((3.0, 3.0), (0.0, 9.0)).place(3.0).to_bits(),
            0f64.to_bits()
        );
    }

    #[test]
    fn a_factor_is_as_long_as_every_other() {
        let short = Scale::logarithmic((0.8, 1.25), (0.0, 1.0)).ticks();
        let short: Vec<String> = short.into_iter().map(number).collect();
        assert_eq!(short, ["0.8", "0.9", "1", "1.1", "1.2"]);
        let scale = Scale::logarithmic((1.0, 100.0), (0.0, 10.0));
        assert!((scale.place(10.0) - 5.0).abs() < 1e-9);
        assert!((scale.place(1_000.0) - 10.0).abs() < 1e-9);
        assert_eq!(duration(2_000_000.0), "2 ms");
        assert_eq!(duration(1_500.0), "1.5 µs");
        assert_eq!(number(1.0), "1");
    }
}

//! Quantities as people write them: rates, durations, sizes and shares.
//!
//! Parsing is strict (a unit is required where leaving it out would be a guess) and every value
//! prints in a form that parses again to the same value.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A quantity that could not be read; the message names what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{input:?} is not a {what}; write {example}")]
pub struct UnitError {
    input: String,
    what: &'static str,
    example: &'static str,
}

/// Arrivals per second. Always finite and above zero.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(f64);

impl Rate {
    /// Builds a rate from arrivals per second; `None` unless finite and above zero.
    pub(crate) fn per_second(value: f64) -> Option<Self> {
        (value.is_finite() && value > 0.0).then_some(Self(value))
    }

    /// The rate in arrivals per second.
    pub(crate) fn as_per_second(self) -> f64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(input: &str) -> Result<Self, UnitError> {
        let error = || UnitError {
            input: input.to_owned(),
            what: "rate",
            example: "a number with a unit, such as 500/s, 30/m or 7200/h",
        };
        let (number, unit) = input.trim().split_once('/').ok_or_else(error)?;
        let seconds = match unit.trim() {
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return Err(error()),
        };
        let value: f64 = number.trim().parse().map_err(|_| error())?;
        Self::per_second(value / seconds).ok_or_else(error)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

/// A length of time, written `250ms`, `2s` or `1m30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(pub Duration);

impl Span {
    /// A span of whole seconds.
    pub const fn secs(s: u64) -> Self {
        Self(Duration::from_secs(s))
    }
}

/// Units of a [`Span`], longest first, in nanoseconds.
const SPAN_UNITS: [(&str, u64); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(input: &str) -> Result<Self, UnitError> {
        let error = || UnitError {
            input: input.to_owned(),
            what: "duration",
            example: "a number with a unit, such as 250ms, 2s, 1m30s or 1h",
        };
        let mut rest = input.trim();
        let mut total_ns: u64 = 0;
        if rest.is_empty() {
            return Err(error());
        }
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .ok_or_else(error)?;
            let (number, tail) = rest.split_at(digits);
            let letters = tail
                .find(|c: char| c.is_ascii_digit())
                .unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            let unit = unit.replace('µ', "u");
            let scale = SPAN_UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .map(|(_, ns)| *ns)
                .ok_or_else(error)?;
            let part_ns = scaled(number, scale).ok_or_else(error)?;
            total_ns = total_ns.checked_add(part_ns).ok_or_else(error)?;
            rest = tail;
        }
        Ok(Self(Duration::from_nanos(total_ns)))
    }
}

/// `number × scale` as an integer: exact for whole numbers, rounded for decimals.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked before the cast"
)]
fn scaled(number: &str, scale: u64) -> Option<u64> {
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(scale);
    }
    let value = number.parse::<f64>().ok()? * scale as f64;
    (value.is_finite() && (0.0..1.0e18).contains(&value)).then(|| value.round() as u64)
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest_ns = u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX);
        if rest_ns == 0 {
            return f.write_str("0s");
        }
        for (unit, ns) in SPAN_UNITS {
            let count = rest_ns / ns;
            if count > 0 {
                write!(f, "{count}{unit}")?;
                rest_ns %= ns;
            }
        }
        Ok(())
    }
}

/// A number of bytes, written `64`, `16KiB`, `1MiB` (binary) or `1kB`, `1MB` (decimal).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ByteSize(pub u64);

/// Units of a [`ByteSize`], largest first; the binary ones are used for printing.
const SIZE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(input: &str) -> Result<Self, UnitError> {
        let error = || UnitError {
            input: input.to_owned(),
            what: "size",
            example: "bytes as a whole number, or with a unit, such as 64, 16KiB or 1MB",
        };
        let trimmed = input.trim();
        let (number, scale) = SIZE_UNITS
            .iter()
            .find_map(|(unit, scale)| trimmed.strip_suffix(unit).map(|n| (n, *scale)))
            .unwrap_or((trimmed, 1));
        let value: u64 = number.trim().parse().map_err(|_| error())?;
        value.checked_mul(scale).map(Self).ok_or_else(error)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, scale) in &SIZE_UNITS[..3] {
            if self.0 >= *scale && self.0.is_multiple_of(*scale) {
                return write!(f, "{}{unit}", self.0 / scale);
            }
        }
        write!(f, "{}", self.0)
    }
}

/// A share from 0 to 1, written `0.7`, with at most four decimals so that sessions can be dealt out by
/// it exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio(u16);

impl Ratio {
    /// None.
    pub const ZERO: Self = Self(0);
    /// All.
    pub const ONE: Self = Self(Self::WHOLE);
    /// Parts that make the whole.
    pub const WHOLE: u16 = 10_000;

    /// The share in parts of [`Self::WHOLE`].
    pub(crate) fn parts(self) -> u16 {
        self.0
    }

    /// The share as a number.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / f64::from(Self::WHOLE)
    }

    /// Builds a share; `None` if it is none, or has more than four decimals.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked before the cast"
    )]
    pub fn new(value: f64) -> Option<Self> {
        let parts = value * f64::from(Self::WHOLE);
        let whole = (parts - parts.round()).abs() < 1e-6;
        ((0.0..=1.0).contains(&value) && whole).then(|| Self(parts.round() as u16))
    }

    fn refused(input: String) -> UnitError {
        UnitError {
            input,
            what: "share",
            example: "a number from 0 to 1 with at most four decimals, such as 0.7",
        }
    }
}

impl FromStr for Ratio {
    type Err = UnitError;

    fn from_str(input: &str) -> Result<Self, UnitError> {
        let value = input.trim().parse().ok();
        value
            .and_then(Self::new)
            .ok_or_else(|| Self::refused(input.to_owned()))
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_f64())
    }
}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_f64())
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        let refused = || serde::de::Error::custom(Self::refused(value.to_string()));
        Self::new(value).ok_or_else(refused)
    }
}

impl JsonSchema for Ratio {
    fn schema_name() -> Cow<'static, str> {
        "Ratio".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "description": "a share from 0 to 1 with at most four decimals"
        })
    }
}

/// Serialises a quantity as the text people write, so that files and echoes read alike.
macro_rules! as_text {
    ($type:ty, $name:literal, $about:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $about })
            }
        }
    };
}

pub(crate) use as_text;

as_text!(Rate, "Rate", "arrivals per unit of time, e.g. 500/s");
as_text!(Span, "Span", "a length of time with units, e.g. 1m30s");
as_text!(ByteSize, "ByteSize", "a number of bytes, e.g. 64 or 16KiB");

/// Prints nanoseconds with three significant digits and the unit that suits them.
pub fn format_ns(ns: u64) -> String {
    let value = ns as f64;
    let (scaled, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (value / 1e3, "µs"),
        1_000_000..1_000_000_000 => (value / 1e6, "ms"),
        _ => (value / 1e9, "s"),
    };
    format!("{} {unit}", three_digits(scaled))
}

/// Prints a figure with its unit; nanoseconds in the unit that suits them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole positive values below 2^53"
)]
pub(crate) fn with_unit(value: f64, unit: &str) -> String {
    match unit {
        "ns" if (0.0..9e15).contains(&value) => format_ns(value.round() as u64),
        "us" => format!("{} µs", three_digits(value)),
        unit => format!("{} {unit}", three_digits(value)),
    }
}

/// Prints a value with three significant digits (whole above 100), never in exponent form.
pub fn three_digits(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 99.95 {
        format!("{value:.0}")
    } else if magnitude >= 9.995 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// Prints a count with thousands separated by commas.
pub fn format_count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count with its noun: `1 round`, `1,200 rounds`.
pub fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", format_count(count))
}

/// Days in words.
pub(crate) fn count_days(days: i64) -> String {
    match days {
        0 => "less than a day".to_owned(),
        days => counted(days.unsigned_abs(), "day"),
    }
}

/// A rate or a number of sessions, without zeros that say nothing.
pub(crate) fn trimmed(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        three_digits(value)
    }
}

/// A size in whole mebibytes, rounded down.
pub(crate) fn mebibytes(bytes: u64) -> String {
    ByteSize((bytes >> 20) << 20).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "these values are exact in binary")]
    fn reads_what_people_write() {
        assert_eq!("500/s".parse::<Rate>().unwrap().as_per_second(), 500.0);
        assert_eq!("30/m".parse::<Rate>().unwrap().as_per_second(), 0.5);
        assert_eq!("1m30s".parse::<Span>().unwrap(), Span::secs(90));
        assert_eq!(
            "0.5s".parse::<Span>().unwrap(),
            Span(Duration::from_millis(500))
        );
        assert_eq!("10µs".parse::<Span>().unwrap().0.as_nanos(), 10_000);
        assert_eq!("16KiB".parse::<ByteSize>().unwrap(), ByteSize(16_384));
        assert_eq!("1kB".parse::<ByteSize>().unwrap(), ByteSize(1_000));
    }

    #[test]
    fn refuses_what_would_be_a_guess() {
        for bad in ["500", "-1/s", "0/s", "NaN/s", "inf/s", "5/day", "/s", ""] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
        for bad in ["5", "s", "5 parsecs", "-1s", "", "99999999999h"] {
            let error = bad.parse::<Span>().unwrap_err().to_string();
            assert!(error.contains("250ms"), "{error}");
        }
        for bad in ["", "KiB", "1.5KiB", "-1", "99999999999GiB"] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
        }
    }

    #[test]
    fn prints_for_reading() {
        assert_eq!(format_ns(999), "999 ns");
        assert_eq!(format_ns(1_234), "1.23 µs");
        assert_eq!(format_ns(12_345_678), "12.3 ms");
        assert_eq!(format_ns(2_000_000_000), "2.00 s");
        assert_eq!(format_count(1_234_567), "1,234,567");
        assert_eq!(format_count(12), "12");
    }

    #[test]
    fn shares_are_exact_to_four_decimals() {
        assert_eq!("0.7".parse::<Ratio>().unwrap().parts(), 7_000);
        assert_eq!("1".parse::<Ratio>().unwrap(), Ratio::ONE);
        for bad in ["1.1", "-0.1", "0.00001", "NaN", "half", ""] {
            let error = bad.parse::<Ratio>().unwrap_err().to_string();
            assert!(error.contains("0.7"), "{error}");
        }
        for parts in 0..=Ratio::WHOLE {
            let share = Ratio(parts);
            let json = serde_json::to_string(&share).unwrap();
            assert_eq!(serde_json::from_str::<Ratio>(&json).unwrap(), share);
            assert_eq!(share.to_string().parse::<Ratio>().unwrap(), share);
        }
    }

    proptest! {
        #[test]
        fn spans_round_trip(ns in 0u64..u64::MAX / 4) {
            let span = Span(Duration::from_nanos(ns));
            prop_assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }

        #[test]
        fn sizes_round_trip(bytes: u64) {
            prop_assert_eq!(ByteSize(bytes).to_string().parse::<ByteSize>().unwrap(), ByteSize(bytes));
        }

        #[test]
        fn rates_round_trip(rate in 0.001f64..1e9) {
            let rate = Rate::per_second(rate).unwrap();
            prop_assert_eq!(rate.to_string().parse::<Rate>().unwrap(), rate);
        }
    }
}

//! HTTP statuses as people list them: `204`, `2xx`, `200-299`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The statuses of HTTP (RFC 9110 section 15).
const FIRST: u16 = 100;
const LAST: u16 = 599;

/// One entry of a list of HTTP statuses: a status, a class or a range, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRange {
    first: u16,
    last: u16,
}

/// An entry that is no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an HTTP status; write 200, 2xx or 200-299")]
pub struct NotAStatus(String);

impl StatusRange {
    /// What counts as acceptance unless a scenario says otherwise: success (RFC 9110 section 15.3).
    pub const SUCCESS: Self = Self {
        first: 200,
        last: 299,
    };

    /// Whether a status is in it.
    fn contains(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }

    /// Whether a list takes a status; an empty one takes success.
    pub(in crate::protocol) fn accept(ranges: &[Self], status: u16) -> bool {
        match ranges {
            [] => Self::SUCCESS.contains(status),
            ranges => ranges.iter().any(|range| range.contains(status)),
        }
    }

    fn new(first: u16, last: u16) -> Option<Self> {
        let known = FIRST <= first && first <= last && last <= LAST;
        known.then_some(Self { first, last })
    }

    fn parse(text: &str) -> Option<Self> {
        let code = |text: &str| {
            let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| digits)
        };
        if let Some(class) = text.strip_suffix("xx").or(text.strip_suffix("XX")) {
            let first = code(&format!("{class}00"))?;
            return Self::new(first, first + 99);
        }
        match text.split_once('-') {
            Some((first, last)) => Self::new(code(first.trim())?, code(last.trim())?),
            None => Self::new(code(text)?, code(text)?),
        }
    }
}

impl FromStr for StatusRange {
    type Err = NotAStatus;

    fn from_str(text: &str) -> Result<Self, NotAStatus> {
        Self::parse(text.trim()).ok_or_else(|| NotAStatus(text.to_owned()))
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = self;
        if first == last {
            write!(f, "{first}")
        } else {
            write!(f, "{first}-{last}")
        }
    }
}

impl Serialize for StatusRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.first == self.last {
            serializer.serialize_u16(self.first)
        } else {
            serializer.collect_str(self)
        }
    }
}

impl<'de> Deserialize<'de> for StatusRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Entry)
    }
}

/// Reads a number or a text.
struct Entry;

impl Visitor<'_> for Entry {
    type Value = StatusRange;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an HTTP status: 200, \"2xx\" or \"200-299\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<StatusRange, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, code: u64) -> Result<StatusRange, E> {
        let status = u16::try_from(code).ok();
        let range = status.and_then(|code| StatusRange::new(code, code));
        range.ok_or_else(|| E::invalid_value(Unexpected::Unsigned(code), &self))
    }

    fn visit_i64<E: Error>(self, code: i64) -> Result<StatusRange, E> {
        match u64::try_from(code) {
            Ok(code) => self.visit_u64(code),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(code), &self)),
        }
    }
}

impl JsonSchema for StatusRange {
    fn schema_name() -> Cow<'static, str> {
        "StatusRange".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "string"],
            "description": "an HTTP status, or a range of them such as 200-299"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_a_class_and_a_range_are_read_and_others_refused() {
        for (text, inside, outside) in [
            ("204", 204, 200),
            ("2xx", 299, 300),
            ("200-302", 302, 303),
            ("101", 101, 100),
        ] {
            let range: StatusRange = text.parse().unwrap();
            assert!(range.contains(inside) && !range.contains(outside), "{text}");
            assert_eq!(range.to_string().parse(), Ok(range), "{text}");
            let json = serde_json::to_value(range).unwrap();
            assert_eq!(serde_json::from_value::<StatusRange>(json).unwrap(), range);
        }
        for wrong in [
            "", "2", "20", "099", "600", "6xx", "0xx", "xx", "300-200", "200-", "2x", "+20",
        ] {
            assert!(wrong.parse::<StatusRange>().is_err(), "{wrong}");
        }
        for wrong in ["99", "-200", "600", "70000", "2.5", "true"] {
            assert!(
                serde_json::from_str::<StatusRange>(wrong).is_err(),
                "{wrong}"
            );
        }
    }
}

//! Lengths of time that events are described with: how long an old certificate outlasts its renewal, and how long who was
//! cut waits.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::text::labelled;
use crate::units::{Span, as_text};

/// How long an old certificate outlasts its renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// How long.
    pub span: Span,
    /// Whether it ends so long before.
    pub is_gap: bool,
}

impl Overlap {
    /// The end of a certificate that is renewed at `renewed_ns`, in nanoseconds of the same clock.
    pub(crate) fn end_ns(self, renewed_ns: i64) -> i64 {
        let span = i64::try_from(self.span.0.as_nanos()).unwrap_or(i64::MAX);
        if self.is_gap {
            renewed_ns.saturating_sub(span)
        } else {
            renewed_ns.saturating_add(span)
        }
    }
}

impl FromStr for Overlap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (is_gap, span) = match text.strip_prefix('-') {
            Some(span) => (true, span),
            None => (false, text),
        };
        let span = span.parse().map_err(|error| format!("{error}"))?;
        Ok(Self { span, is_gap })
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_gap { "-" } else { "" }, self.span)
    }
}

as_text!(
    Overlap,
    "Overlap",
    "a length of time with units, e.g. 30s, or -2s for a gap"
);

/// How long who failed waits before the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackOff {
    /// The first wait.
    pub first: Span,
    /// Each further one is twice as long, up to this.
    pub most: Span,
}

impl Default for BackOff {
    fn default() -> Self {
        Self {
            first: Span::secs(1),
            most: Span::secs(128),
        }
    }
}

impl BackOff {
    /// The wait after `failed` tries, before jitter.
    pub(crate) fn wait(self, failed: u32) -> Duration {
        let doubled = 2_u32
            .checked_pow(failed)
            .and_then(|by| self.first.0.checked_mul(by));
        doubled.unwrap_or(self.most.0).min(self.most.0)
    }
}

impl FromStr for BackOff {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let span = |text: &str| {
            text.trim()
                .parse::<Span>()
                .map_err(|error| error.to_string())
        };
        let (first, most) = match text.trim().split_once(char::is_whitespace) {
            Some(("exponential", range)) => {
                let (first, most) = range.split_once("..").ok_or_else(|| {
                    format!("{range:?} is no range of waits; write exponential 1s..128s")
                })?;
                (span(first)?, span(most)?)
            }
            Some(("constant", wait)) => (span(wait)?, span(wait)?),
            _ => {
                return Err(format!(
                    "{text:?} is no back-off; write exponential 1s..128s or constant 5s"
                ));
            }
        };
        if first > most || first.0.is_zero() {
            return Err(format!(
                "the first wait, {first}, is zero or longer than the longest, {most}"
            ));
        }
        Ok(Self { first, most })
    }
}

impl fmt::Display for BackOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.most {
            write!(f, "constant {}", self.first)
        } else {
            write!(f, "exponential {}..{}", self.first, self.most)
        }
    }
}

as_text!(
    BackOff,
    "BackOff",
    "how long to wait: exponential 1s..128s or constant 5s"
);

labelled! {
    serde
    /// How a wait is drawn, so that those who failed together do not return together.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub enum Jitter {
        /// It is not: all wait as long.
        None = "none",
        /// From half of the wait to all of it.
        Equal = "equal",
        /// From nothing to all of it.
        #[default]
        Full = "full",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let back_off: BackOff = "exponential 1s..128s".parse().unwrap();
        let waits = [0, 1, 3, 7, 8, 40].map(|failed| back_off.wait(failed).as_secs());
        assert_eq!(waits, [1, 2, 8, 128, 128, 128]);
        assert_eq!(back_off, BackOff::default());
    }

    #[test]
    fn an_overlap_may_be_a_gap() {
        let overlap: Overlap = "30s".parse().unwrap();
        assert_eq!(overlap.end_ns(1_000_000_000), 31_000_000_000);
        let gap: Overlap = "-2s".parse().unwrap();
        assert_eq!(
            (gap.end_ns(1_000_000_000), gap.to_string()),
            (-1_000_000_000, "-2s".into())
        );
    }
}

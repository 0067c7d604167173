//! A duration that may not have ended: what a session without an answer contributes, and what is known of a
//! percentile that falls among such sessions. Nanoseconds.

use std::fmt;

use crate::units::format_ns;

/// A duration in nanoseconds, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// It is this long.
    At(u64),
    /// It had not ended at this age, so it is longer.
    Beyond(u64),
}

impl Timing {
    /// How long it is, if that is known.
    pub fn exact(self) -> Option<u64> {
        match self {
            Self::At(ns) => Some(ns),
            Self::Beyond(_) => None,
        }
    }

    /// How long it is at least.
    pub fn least(self) -> u64 {
        let (Self::At(ns) | Self::Beyond(ns)) = self;
        ns
    }

    /// The same, begun so much earlier.
    #[must_use]
    pub(crate) fn begun_earlier(self, by_ns: u64) -> Self {
        match self {
            Self::At(ns) => Self::At(ns.saturating_add(by_ns)),
            Self::Beyond(ns) => Self::Beyond(ns.saturating_add(by_ns)),
        }
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(ns) => f.write_str(&format_ns(*ns)),
            Self::Beyond(ns) => write!(f, "> {}", format_ns(*ns)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_had_not_ended_is_marked() {
        assert_eq!(Timing::At(5_000_000).to_string(), "5.00 ms");
        assert_eq!(Timing::Beyond(5_000_000_000).to_string(), "> 5.00 s");
        assert_eq!(
            Timing::Beyond(1_000).begun_earlier(500),
            Timing::Beyond(1_500)
        );
        assert_eq!(
            (Timing::At(3).exact(), Timing::Beyond(3).exact()),
            (Some(3), None)
        );
    }
}

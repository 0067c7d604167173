//! What a frame must match: a regular expression over bytes.

use std::fmt;
use std::str::FromStr;

use regex::bytes::{Regex, RegexBuilder};

/// Most memory that a compiled pattern may take, in bytes.
const SIZE_LIMIT: usize = 1 << 20;

/// A regular expression that a frame must match somewhere.
#[derive(Debug, Clone)]
pub struct FramePattern(Regex);

impl FramePattern {
    pub(super) fn matches(&self, frame: &[u8]) -> bool {
        self.0.is_match(frame)
    }
}

impl PartialEq for FramePattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl FromStr for FramePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut builder = RegexBuilder::new(text);
        let built = builder.unicode(false).size_limit(SIZE_LIMIT).build();
        built
            .map(Self)
            .map_err(|error| format!("that is no regular expression: {error}"))
    }
}

impl fmt::Display for FramePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

crate::units::as_text!(
    FramePattern,
    "FramePattern",
    "a regular expression over bytes, e.g. MSA\\|AA"
);
crate::units::as_text!(
    super::Frame,
    "Frame",
    "line, mllp, fix or length:OFFSET:WIDTH"
);

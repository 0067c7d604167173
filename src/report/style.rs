//! How text on a terminal is emphasised, and how wide it may be.

/// How a report looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether ANSI colours are used.
    pub color: bool,
    /// Characters that bars may take.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            color: false,
            width: 100,
        }
    }
}

impl Style {
    pub(super) fn paint(self, code: &str, text: &str) -> String {
        crate::text::paint(text, code, self.color)
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(super) fn tone(self, tone: Tone, text: &str) -> String {
        match tone {
            Tone::Plain => text.to_owned(),
            Tone::Good => self.paint("32", text),
            Tone::Unclear => self.bold(text),
            Tone::Bad => self.paint("1;31", text),
        }
    }
}

/// How good something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Unclear,
    Bad,
}

impl Tone {
    /// The class in the style of a page.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Unclear => "unclear",
            Self::Bad => "bad",
        }
    }

    /// What stands beside the colour.
    pub(super) fn sign(self) -> char {
        match self {
            Self::Plain => '·',
            Self::Good => '✓',
            Self::Unclear => '?',
            Self::Bad => '✗',
        }
    }
}

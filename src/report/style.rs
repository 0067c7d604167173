//! How text on a terminal is emphasised, and how wide it may be.

use super::document::Tone;

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

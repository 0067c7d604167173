//! The parts a story is made of: steps, their lines, and marks that say how each stands.

use super::status::Status;

/// How a step or a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Ok,
    Warn,
    Fail,
    Info,
    NotReached,
}

impl From<Status> for Mark {
    fn from(status: Status) -> Self {
        match status {
            Status::Passed => Self::Ok,
            Status::Warning => Self::Warn,
            Status::Failed => Self::Fail,
            Status::NotChecked => Self::Info,
        }
    }
}

/// One line of a step.
pub(super) struct Line {
    pub label: String,
    /// Set where the line is a verdict of its own.
    pub mark: Option<Mark>,
    pub text: String,
}

/// One step.
pub(super) struct Step {
    pub title: &'static str,
    pub mark: Mark,
    pub lines: Vec<Line>,
}

impl Step {
    /// A step without lines yet.
    pub(crate) fn new(title: &'static str, mark: Mark) -> Self {
        Self {
            title,
            mark,
            lines: Vec::new(),
        }
    }

    /// Adds a line that only informs.
    pub(crate) fn say(&mut self, label: impl Into<String>, text: impl Into<String>) {
        self.lines.push(Line {
            label: label.into(),
            mark: None,
            text: text.into(),
        });
    }

    /// Adds a line with its own mark; the step is as bad as its worst line.
    pub(crate) fn judge(&mut self, label: impl Into<String>, mark: Mark, text: impl Into<String>) {
        if mark == Mark::Fail || (mark == Mark::Warn && self.mark != Mark::Fail) {
            self.mark = mark;
        }
        self.lines.push(Line {
            label: label.into(),
            mark: Some(mark),
            text: text.into(),
        });
    }
}
